"""Emulation: labelled synthetic evidence of any size: planted knocks among background with measured base rates.

Doors, secrets, users' habits and failures are the lab's data, made up at random as its variants are; nothing of this
is imported by the detections.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from knockwatch.errors import KnockwatchError

START = datetime(2026, 11, 16, tzinfo=UTC)
"""When emulated evidence begins unless it is told otherwise: fixed, so that a seed always gives the same."""
SLICE_ROWS = 1_000_000
"""Rows that are in memory at once."""


class EmulationError(KnockwatchError):
    """Evidence that cannot be made as it is wanted."""


@dataclass(frozen=True)
class Order:
    """What is wanted.

    Parameters
    ----------
    rows
        Rows in all, planted ones included.
    seed
        The same seed and the same order give the same evidence.
    days
        How much time the rows span.
    doors
        How many doors are planted.
    background
        `internet`: as measured; `spoofed`: every row from a source of its own.
    shuffled
        Rows in any order instead of in that of time.
    start
        The first moment.
    slice_rows
        Rows that are made at once; memory grows with them and with nothing else.
    """

    rows: int
    seed: int = 1
    days: float = 3.0
    doors: int = 8
    background: Literal["internet", "spoofed"] = "internet"
    shuffled: bool = False
    start: datetime = START
    slice_rows: int = SLICE_ROWS

    @property
    def start_us(self) -> int:
        """The first moment in microseconds UTC."""
        return int(self.start.timestamp()) * 1_000_000

    @property
    def span_us(self) -> int:
        """How long it lasts, in microseconds."""
        return int(self.days * 86_400_000_000)

    @property
    def slices(self) -> int:
        """How many slices the rows make."""
        return -(-self.rows // self.slice_rows)

    def slice_bounds(self, number: int) -> tuple[int, int]:
        """Give the numbers of a slice's first row and of the one after its last."""
        return number * self.slice_rows, min(self.rows, (number + 1) * self.slice_rows)

    def window(self, number: int) -> tuple[int, int]:
        """Give the time of a slice, in microseconds: as long as its part of the rows."""
        first, after = self.slice_bounds(number)
        return (
            self.start_us + first * self.span_us // self.rows,
            self.start_us + after * self.span_us // self.rows,
        )
