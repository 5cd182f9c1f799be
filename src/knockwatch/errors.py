"""The errors a user can meet: each says what is wrong, where, and what to do."""

from __future__ import annotations

from pathlib import Path


class KnockwatchError(Exception):
    """Base of every error that is shown to a user as one sentence.

    Parameters
    ----------
    message
        What is wrong, and what to do.
    path, line
        Where, if a file is to blame; `line` counts from 1.
    """

    exit_status = 2

    def __init__(self, message: str, *, path: str | Path | None = None, line: int | None = None) -> None:
        self.message = message
        self.path = None if path is None else str(path)
        self.line = line
        super().__init__(str(self))

    def __str__(self) -> str:
        """Put the place before the sentence, as compilers do."""
        if self.path is None:
            return self.message
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.message}"


class EvidenceError(KnockwatchError):
    """Evidence that cannot be read at all."""


class ConfigError(KnockwatchError):
    """A configuration that does not say what it should."""


class UsageError(KnockwatchError):
    """A request that makes no sense as it stands."""
