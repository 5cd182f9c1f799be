"""How much time is left for gathering; nothing is gathered here."""

from __future__ import annotations

import time
from dataclasses import dataclass

COMMAND_SECONDS = 10.0
"""How long one command may take: listing a rule set of 100,000 rules takes three."""


@dataclass(frozen=True)
class Budget:
    """An end of time, on the monotonic clock."""

    until: float

    @property
    def left(self) -> float:
        """Seconds that are left, none below zero."""
        return max(0.0, self.until - time.monotonic())

    @property
    def for_command(self) -> float:
        """Seconds that one command may take."""
        return min(COMMAND_SECONDS, self.left)
