"""Proposed entries written into a configuration file; what stands there, comments too, stays as it is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from knockwatch.config import Config
from knockwatch.errors import ConfigError
from knockwatch.reports.escape import visible
from knockwatch.tuning.proposals import Proposal, with_entries

if TYPE_CHECKING:
    from tomlkit.items import Array

_CLOSED = re.compile(r"\n[ \t]*\]$")


def write(path: Path, proposals: Iterable[Proposal]) -> None:
    """Add entries to a configuration file, or make one; each entry gets a comment with its evidence.

    Raises
    ------
    ConfigError
        If the file is no configuration, or cannot be added to without changing what it says.
    """
    chosen = list(proposals)
    try:
        before = path.read_bytes().decode("utf-8-sig") if path.exists() else ""
    except UnicodeDecodeError as error:
        raise ConfigError(f"is no UTF-8 text: {error.reason}", path=path) from error
    after = added(before, chosen, str(path))
    # A reader sees the old file or the new one, never half of it.
    target = path.resolve()
    beside = target.with_name(f".{target.name}.tune")
    try:
        beside.write_bytes(after.encode("utf-8"))
        if target.exists():
            shutil.copymode(target, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def added(text: str, proposals: Iterable[Proposal], name: str) -> str:
    """Give the text of a configuration, called `name`, with entries added to its context."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    chosen = list(proposals)
    config = Config.from_toml(text, name)
    by_hand = ", ".join(f"{one.key}: {one.entry}" for one in chosen)
    refusal = ConfigError(
        f"cannot be added to as it is written; add by hand to [context] {by_hand}", path=name
    )
    try:
        document = tomlkit.parse(text)
        if "context" not in document:
            document["context"] = tomlkit.table()
        context = cast("dict[str, Any]", document["context"])
        for one in chosen:
            if one.key not in context:
                context[one.key] = tomlkit.array()
            _append(cast("Array", context[one.key]), one)
        after = tomlkit.dumps(document)
        said = Config.from_toml(after, name)
    except (TOMLKitError, ConfigError, AttributeError, TypeError) as error:
        raise refusal from error
    wanted = with_entries(config, [(one.key, one.entry) for one in chosen])
    if wanted is None or said.model_dump() != wanted.model_dump():
        raise refusal
    return after


def _append(entries: Array, proposal: Proposal) -> None:
    """Add an entry on a line of its own, with what the evidence shows behind it."""
    comment = f"{visible(proposal.sentence)} (knockwatch tune)"
    if len(entries) and "\n" not in entries.as_string():
        entries.multiline(multiline=True)
    entries.add_line(proposal.entry, comment=comment)
    # The comment would swallow a bracket on its line.
    if not _CLOSED.search(entries.as_string()):
        entries.add_line(indent="")
