"""Expressions written as SQL: one dialect each, what queries build on, and the canonical tables of no engine.

Nothing is executed here. Expressions are written over unbound tables, so one text serves whatever holds the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

import ibis
import ibis.expr.datatypes as dt
import polars as pl

from knockwatch import tables

if TYPE_CHECKING:
    import ibis.expr.types as ir

CANONICAL = "knockwatch_"
"""How the names of canonical tables begin in SQL, where a lake's own table may be called ``connections``."""
CACHED = "cached_"
"""How the names of steps begin."""
_TYPES: Mapping[pl.DataType, str] = {
    pl.String(): "string",
    pl.Int64(): "int64",
    pl.Int32(): "int32",
    pl.Float64(): "float64",
    pl.Boolean(): "boolean",
}


@dataclass(frozen=True)
class Dialect:
    """How an engine is spoken to.

    Parameters
    ----------
    name
        Ibis' name of the engine.
    hashes
        The engine's functions that, one applied to the other's value, hash a text to 64 bits. Ibis' own hash has 32
        in Spark, is made of a string of bits in DuckDB, and is lacking for Trino.
    hash_type
        What they give.
    kept
        SQL that keeps a query's rows for as long as the engine is spoken to, with ``{name}`` and ``{query}`` in it;
        None where such rows cannot be kept, and each query makes them again.
    begun
        Statement that a connection begins with: what is counted in a join that finds nothing is null, not zero.
    """

    name: str
    hashes: tuple[str, ...]
    hash_type: Literal["int64", "uint64"] = "int64"
    kept: str | None = None
    begun: str | None = None

    def write(self, expression: ir.Table) -> str:
        """Write an expression, which takes Python longer than many queries take to run."""
        from ibis.backends.sql import compilers

        if self.name == "pyspark":
            # Its compiler asks for an option that only the backend declares.
            _ = ibis.pyspark
        compiler = getattr(compilers, self.name).compiler
        return str(compiler.to_sqlglot(expression).sql(dialect=compiler.dialect))

    def quoted(self, name: str) -> str:
        """Write the name of a table or column."""
        import sqlglot
        from ibis.backends.sql import compilers

        dialect = getattr(compilers, self.name).compiler.dialect
        return str(sqlglot.to_identifier(name, quoted=True).sql(dialect=dialect))

    def hashed(self, text: Any) -> Any:
        """Hash a text to 64 bits."""
        found = text
        for name in self.hashes[:-1]:
            found = _builtin(name, "binary")(found)
        return _builtin(self.hashes[-1], self.hash_type)(found)

    def united(self, bits: Any) -> Any:
        """Give the bits that any number of a group has."""
        if self.name == "pyspark":
            return _bit_or()(bits)
        return bits.bit_or()


DUCKDB = Dialect("duckdb", ("hash",), "uint64", "CREATE TEMP TABLE {name} AS {query}")
SPARK = Dialect("pyspark", ("xxhash64",))
DIALECTS: Mapping[str, Dialect] = {
    one.name: one
    for one in (
        DUCKDB,
        SPARK,
        Dialect(
            "clickhouse",
            ("cityHash64",),
            "uint64",
            "CREATE TEMPORARY TABLE {name} ENGINE = MergeTree ORDER BY tuple() AS {query}",
            "SET join_use_nulls = 1",
        ),
        Dialect("trino", ("to_utf8", "xxhash64", "from_big_endian_64")),
        Dialect("bigquery", ("farm_fingerprint",)),
        Dialect("snowflake", ("hash",), kept="CREATE TEMPORARY TABLE {name} AS {query}"),
        Dialect("databricks", ("xxhash64",)),
    )
}
"""By Ibis' names."""


@dataclass(frozen=True)
class Query:
    """An expression as SQL, and the types of its columns."""

    sql: str
    types: pl.Schema

    @classmethod
    def of(cls, expression: ir.Table, dialect: Dialect = DUCKDB) -> Query:
        """Write an expression over unbound tables."""
        return cls(dialect.write(expression), pl.Schema(expression.schema().to_polars()))


class Steps:
    """What queries build on: tables that are computed once, named by their own SQL, so that equal ones are one."""

    def __init__(self, dialect: Dialect = DUCKDB, sql: Mapping[str, str] | None = None) -> None:
        self.dialect = dialect
        self.sql = dict(sql or {})

    def cached(self, expression: ir.Table) -> ir.Table:
        """Add a step, and give the table that it will make."""
        sql = self.dialect.write(expression)
        name = f"{CACHED}{blake2b(sql.encode(), digest_size=8).hexdigest()}"
        self.sql.setdefault(name, sql)
        return ibis.table(expression.schema(), name=name)


def kinds(name: str) -> dict[str, str]:
    """Give the types of a canonical table as Ibis names them."""
    return {column: _TYPES[dtype] for column, dtype in tables.schema(name).items()}


def unbound() -> dict[str, ir.Table]:
    """Give the canonical tables, of no engine in particular."""
    return {name: ibis.table(kinds(name), name=CANONICAL + name) for name in tables.CANONICAL}


def limited(rows: ir.Table, time: Any, since_us: int | None, until_us: int | None) -> ir.Table:
    """Keep rows from, and before, some times (microseconds UTC), and rows that tell none: who knows where they lie."""
    wanted = []
    for bound, later in ((since_us, True), (until_us, False)):
        if bound is None:
            continue
        limit: Any = ibis.literal(bound)
        if time.type().is_timestamp():
            limit = (ibis.timestamp("1970-01-01 00:00:00") + limit.as_interval("us")).cast("timestamp(6)")
        wanted.append(time.isnull() | ((time >= limit) if later else (time < limit)))
    return rows.filter(*wanted) if wanted else rows


@cache
def _builtin(name: str, kind: str) -> Any:
    """Declare a function of an engine to Ibis."""

    def of(value: Any) -> Any:
        raise NotImplementedError

    of.__annotations__ = {"return": dt.dtype(kind)}
    return ibis.udf.scalar.builtin(of, name=name)


@cache
def _bit_or() -> Any:
    """Declare an aggregate that Spark has, and Ibis has not for it."""

    def of(value: int) -> dt.Int8:
        raise NotImplementedError

    return ibis.udf.agg.builtin(of, name="bit_or")
