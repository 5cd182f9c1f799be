"""Lines that are one JSON object each, to columns of text. It knows no keys of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl


def objects(lines: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Read some keys of the object on each line.

    Parameters
    ----------
    lines
        `line` and `text`.
    keys
        Top-level keys that are wanted.

    Returns
    -------
    polars.DataFrame
        `line`, and each key as text: a string as it is, null where the key is missing or null, anything else as
        JSON. Lines that are no JSON object are left out.
    """
    text = pl.col("text").str.strip_chars()
    framed = lines.filter(text.str.starts_with("{") & text.str.ends_with("}"))
    if framed.is_empty():
        return pl.DataFrame(schema={"line": pl.Int64(), **dict.fromkeys(keys, pl.String())})
    block = "\n".join(framed["text"]).encode()
    try:
        read = pl.read_ndjson(block, schema=dict.fromkeys(keys, pl.String()), ignore_errors=True)
    except pl.exceptions.ComputeError:
        return one_by_one(framed, keys)
    # Fewer or more rows than lines would put values on the wrong line.
    return framed.select("line").hstack(read) if read.height == framed.height else one_by_one(framed, keys)


def one_by_one(
    lines: pl.DataFrame, keys: Sequence[str], resolve: Callable[[str, Any], Any] | None = None
) -> pl.DataFrame:
    """Read the same as `objects`, slower: one bad line does not spoil its block.

    Parameters
    ----------
    resolve
        Called with each key and its value, to say what is read instead of it.
    """
    rows = []
    for line, text in lines.select("line", "text").iter_rows():
        found = object_of(text)
        if found is not None:
            values = ((key, found.get(key)) for key in keys)
            rows.append((line, *(_text(resolve(key, value) if resolve else value) for key, value in values)))
    schema = {"line": pl.Int64(), **dict.fromkeys(keys, pl.String())}
    return pl.DataFrame(rows, schema=schema, orient="row")


def object_of(text: str) -> Mapping[str, Any] | None:
    """Read one JSON object; None where a text is none."""
    try:
        # Not strict: writers in the field leave control characters unescaped.
        found = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _text(value: Any) -> str | None:
    """Give a value as text, without what UTF-8 cannot hold."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
