"""What sources of a host's state share: reading a whole text file, bounded, by a pure function, into `changes`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import polars as pl

from knockwatch.hoststate import Numbered, State
from knockwatch.hoststate.snapshot import host_of
from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.tables import schema

MOST_CHARACTERS = 32 << 20
"""What of one file is read: a rule set of 100,000 rules has 10 MB; more is no host's state."""
LONGEST_LINE = 128 << 10
"""Characters of a line that are read: the longest BPF filter there is has 100,000."""
SURE = 0.9
"""Confidence where all lines are the format's own."""
LEAST = 0.45
"""Confidence below which a text is of something else and only has such lines in it."""


class StateSource:
    """Reader of one format of a host's state.

    Parameters
    ----------
    form
        What it is.
    read
        Turns numbered lines into rows.
    sign
        Tells whether a text that has lines of the format is of it; None where its lines are enough.
    alone
        Whether a file holds nothing else: then every other line is one that was not understood.
    """

    def __init__(
        self,
        form: Format,
        read: Callable[[Sequence[Numbered]], State],
        sign: Callable[[str], object] | None = None,
        *,
        alone: bool = True,
    ) -> None:
        self.format = form
        self._read = read
        self._sign = sign
        self._alone = alone

    def confidence(self, head: Head) -> float:
        """Share of the lines that are understood, where the format's sign is there."""
        if b"\x00" in head.data or (self._sign is not None and not self._sign(head.text)):
            return 0.0
        lines = list(enumerate(head.lines, 1))
        state = self._read(lines)
        plain = sum(1 for number, text in lines if number in state.known or text.lstrip().startswith("#"))
        told = SURE * plain / len(lines) if state.known else 0.0
        return round(told, 3) if told >= LEAST else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read the file as a whole: a chain that stands last may begin what stands first."""
        lines: list[Numbered] = []
        records = malformed = size = 0
        beyond: list[pl.DataFrame] = []
        for block in reading.evidence.lines():
            records += block.frame.height
            malformed += block.malformed
            whole, cut = block.parted()
            beyond.append(cut)
            size += int(whole["text"].str.len_chars().sum() or 0)
            if size > MOST_CHARACTERS:
                beyond.append(whole)
                continue
            fits = whole["text"].str.len_chars() <= LONGEST_LINE
            beyond.append(whole.filter(~fits))
            lines += whole.filter(fits).iter_rows()
        state = self._read(lines)
        odd = {number for number, _ in state.misfits}
        if self._alone or not state.known:
            odd |= {number for number, text in lines if _says_something(text)} - state.known
        misfits = pl.DataFrame(
            [(number, text) for number, text in lines if number in odd],
            schema={"line": pl.Int64, "text": pl.String},
            orient="row",
        )
        yield Batch(
            records,
            {"changes": self._frame(state, reading)} if state.rows else {},
            pl.concat([misfits, *beyond]),
            malformed,
        )

    def _frame(self, state: State, reading: Reading) -> pl.DataFrame:
        """Make the rows of a file, of the host that its path names."""
        host = host_of(reading.evidence.path)
        rows = [{**row, "host": host} for row in state.rows]
        return pl.DataFrame(rows, schema=schema("changes"), strict=False)


def _says_something(line: str) -> bool:
    """Tell whether a line is neither blank nor a comment."""
    return line.strip() != "" and not line.lstrip().startswith("#")
