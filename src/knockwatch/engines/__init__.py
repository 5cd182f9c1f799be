"""Engines: where the expressions of detections and views run. The embedded one is the default.

An engine gives the tables (`tables`) and executes expressions over them (`execute`); it knows no detection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from knockwatch.errors import UsageError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import polars as pl

    from knockwatch.engines.given import Part
    from knockwatch.engines.queries import Dialect, Query, Steps


class Engine(Protocol):
    """What detections, views and reports need of an engine."""

    @property
    def dialect(self) -> Dialect:
        """How it is spoken to."""

    @property
    def parts(self) -> Sequence[Part]:
        """What the tables that are given are; none where a workspace is read."""

    def tables(self) -> Mapping[str, ir.Table]:
        """Give the canonical tables, and Microsoft's where rows were exported from them."""

    def execute(self, wanted: ir.Table | Query, steps: Steps | None = None) -> pl.DataFrame:
        """Run an expression, or the query it was written as, and fetch its rows, with the types it declares."""


_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(?:([KMGT])(i?))?B\s*$", re.IGNORECASE)


def memory_bytes(size: str) -> int:
    """Read an amount of memory as DuckDB does: kB are thousands, KiB are 1,024.

    Raises
    ------
    UsageError
        If it is none.
    """
    found = _SIZE.match(size)
    if found is None:
        raise UsageError(f"no memory limit: {size!r}; write a number and a unit, as in 2GB")
    power = " KMGT".index((found[2] or " ").upper())
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)
