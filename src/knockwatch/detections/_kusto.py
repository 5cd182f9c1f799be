"""Kusto's string operators as Ibis expressions: `has_any`, `in`, `in~`, and the window in time; no query of its own.

A term is what stands between characters that are neither letters nor digits (learn.microsoft.com, "String
operators: What is a term?"): the underscore separates. An edge of the sought text that is itself no letter or
digit needs no boundary, so ``has "-S"`` matches inside ``x-s``. Kusto compares regardless of case by ordinal;
regular expressions also fold a few letters beyond ASCII (``ſ`` and ``s``, the Kelvin sign and ``k``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

import ibis

_START = r"(?:^|[^\pL\pN])"
_END = r"(?:$|[^\pL\pN])"


def dated(column: Any) -> Any:
    """Say whether a row lies in the window; without bounds it reaches back to 1970, and rows without a time are out."""
    return column > ibis.timestamp("1970-01-01 00:00:00")


def has_any(column: Any, terms: Iterable[str]) -> Any:
    """Say whether a string holds one of some terms, regardless of case; False where it is null."""
    terms = list(terms)
    # Classes of all letters make a pattern slow: only what holds the bare texts is looked at closely.
    bare = column.re_search(f"(?i)(?:{'|'.join(re.escape(term) for term in terms)})")
    matches = [column.re_search(f"(?i){_term(term)}") for term in terms]
    return ibis.cases((bare.fill_null(False), reduce(or_, matches)), else_=False)  # noqa: FBT003


def in_any_case(column: Any, values: Iterable[str]) -> Any:
    """Say whether a string is one of some values regardless of case, as ``in~``; False where it is null."""
    return column.lower().isin(sorted({value.lower() for value in values})).fill_null(False)  # noqa: FBT003


def in_exact_case(column: Any, values: Iterable[str]) -> Any:
    """Say whether a string is exactly one of some values, as ``in``; False where it is null."""
    return column.isin(list(values)).fill_null(False)  # noqa: FBT003


def _term(term: str) -> str:
    """Write the pattern of one term."""
    start = _START if term[:1].isalnum() else ""
    end = _END if term[-1:].isalnum() else ""
    return f"{start}{re.escape(term)}{end}"
