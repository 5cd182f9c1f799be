"""Values of Windows events as Polars reads them: what says nothing, numbers, accounts, and fields written as pairs."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmp6"}
"""IANA's numbers to the names that the tables use; others keep their number."""
_ABSENT = ("", "-", "(null)")
"""Words that Windows writes where it has nothing to say."""


def said(name: str) -> pl.Expr:
    """Keep a value that says something."""
    return pl.when(~pl.col(name).str.strip_chars().is_in(_ABSENT)).then(pl.col(name)).alias(name)


def named(frame: pl.DataFrame, name: str) -> pl.Series:
    """Give a column of addresses without the zone index of link-local ones, ``fe80::1%12``."""
    return frame[name].str.replace(r"%\w+$", "")


def number(name: str) -> pl.Expr:
    """Read a number, decimal or as ``0x1a4``."""
    text = pl.col(name).str.to_lowercase()
    return (
        pl.when(text.str.starts_with("0x"))
        .then(text.str.strip_prefix("0x").str.to_integer(base=16, strict=False))
        .otherwise(text.cast(pl.Int64, strict=False))
    )


def protocol(name: str) -> pl.Expr:
    """Read a protocol's number or name."""
    text = pl.col(name).str.to_lowercase()
    return text.replace(PROTOCOLS)


def joined(domain: str, account: str) -> pl.Expr:
    r"""Write an account as ``DOMAIN\name``, as Sysmon does; null where there is none."""
    return (
        pl.when(pl.col(account).is_not_null() & pl.col(domain).is_not_null())
        .then(pl.concat_str(domain, pl.lit("\\"), account))
        .otherwise(account)
    )


def pairs(event_id: int | None, names: Mapping[str, str]) -> pl.Expr:
    """Write fields that say something as ``Name=value``, in quotes where a value has blanks, quotes or ``=``.

    Parameters
    ----------
    event_id
        Written first, as ``EventID=``; None for no such pair.
    names
        Column to the name it is written under.
    """
    written = [pl.lit(f"EventID={event_id}")] if event_id is not None else []
    for column, name in names.items():
        value = pl.col(column).str.strip_chars()
        quoted = pl.format('"{}"', value.str.replace_all('"', "'", literal=True).str.replace_all(r"\s+", " "))
        plain = ~value.str.contains(r'[\s"=]')
        written.append(pl.format("{}={}", pl.lit(name), pl.when(plain).then(value).otherwise(quoted)))
    return pl.concat_str(written, separator=" ", ignore_nulls=True)
