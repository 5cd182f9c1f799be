"""Bodies: formats that come inside messages, whatever envelope carried them.

A netfilter line means the same in a syslog file, in the journal and in an export of Sentinel's Syslog table: each
of those sources makes `messages` and hands them to `decode`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Protocol, runtime_checkable

import polars as pl

from knockwatch.sources import Batch, Format, Reading

_SAMPLE = 100
"""Messages from which it is guessed which bodies a block mostly has."""


class Body(Protocol):
    """A format of messages."""

    format: Format

    def belongs(self) -> pl.Expr:
        """Select, over the columns of `messages`, those that are of this format; cheap, and no other body's."""

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Turn such messages into rows; misfits are those that look like this format and cannot be read."""


@runtime_checkable
class BareBody(Body, Protocol):
    """A format of messages that are also found without any envelope, in files of their own.

    Parameters
    ----------
    bare
        Pattern, beginning with ``^`` and of the syntax that Python and Rust share, of how such a line begins (a
        priority and a byte order mark are taken off before): so particular that no line of another format fits.
        `read` gets null for `time_us`, `time`, `host` and `program` of such a line.
    """

    bare: str


@cache
def bodies() -> tuple[Body, ...]:
    """Load every body of this package."""
    import knockwatch.sources.bodies as package

    return tuple(
        importlib.import_module(module.name).BODY
        for module in pkgutil.iter_modules(package.__path__, "knockwatch.sources.bodies.")
        if not module.name.rpartition(".")[2].startswith("_")
    )


def _likely_first(messages: pl.DataFrame) -> list[Body]:
    """Put the bodies in order of how many of the first messages are theirs: what is left is seldom asked for more."""
    first = messages.head(_SAMPLE)
    claims = first.select(body.belongs().sum().alias(body.format.name) for body in bodies())
    return sorted(bodies(), key=lambda body: -(claims[body.format.name].item() or 0))


def decode(messages: pl.DataFrame, reading: Reading) -> Batch:
    """Read what the messages carry.

    Parameters
    ----------
    messages
        Rows of the table `messages`, at least its `line`, `time_us`, `time`, `host`, `program` and `message`.

    Returns
    -------
    Batch
        The `messages` themselves (an envelope that named no program gets the one its body implies) and the rows
        of every body found in them.
    """
    tables: dict[str, list[pl.DataFrame]] = {}
    misfits: list[pl.DataFrame] = []
    redundant: list[pl.Series] = []
    left = messages
    for body in _likely_first(messages):
        claimed = left.select(body.belongs().fill_null(value=False)).to_series()
        if not claimed.any():
            continue
        mine = left if claimed.all() else left.filter(claimed)
        left = left.filter(~claimed)
        batch = body.read(mine, reading)
        for table, rows in batch.tables.items():
            tables.setdefault(table, []).append(rows)
        if batch.misfits is not None:
            misfits.append(batch.misfits)
        if reading.lean and batch.redundant is not None:
            redundant.append(batch.redundant)
    kept = messages
    for lines in redundant:
        kept = (
            kept.clear()
            if lines.len() == kept.height
            else kept.filter(~pl.col("line").is_in(lines.implode()))
        )
    return Batch(
        messages.height,
        {
            "messages": kept,
            **{table: pl.concat(rows, how="diagonal_relaxed") for table, rows in tables.items()},
        },
        pl.concat(misfits) if misfits else None,
    )
