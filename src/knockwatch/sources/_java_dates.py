"""Dates written in a shape that Java's SimpleDateFormat names, as LEEF's devTimeFormat does, to one known spelling."""

from __future__ import annotations

import re

import polars as pl

_TOKEN = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']+")
_NUMBER, _NAME = r"\d+", r"[A-Za-z]+\.?"
_LETTERS: dict[str, tuple[str, str]] = {
    "y": (_NUMBER, "%Y"), "Y": (_NUMBER, "%Y"), "u": (_NUMBER, "%Y"), "yy": (_NUMBER, "%y"), "M": (_NUMBER, "%m"),
    "MMM": (_NAME, "%b"), "MMMM": (_NAME, "%B"), "L": (_NUMBER, "%m"), "d": (_NUMBER, "%d"), "E": (_NAME, "%a"),
    "EEEE": (_NAME, "%A"), "H": (_NUMBER, "%H"), "h": (_NUMBER, "%I"), "m": (_NUMBER, "%M"), "s": (_NUMBER, "%S"),
    "S": (_NUMBER, "%f"), "a": (_NAME, "%p"),
}  # fmt: skip
_ZONE = "zZXxVO"
_MOST = 32
"""Shapes of one block that are looked at: a device has one, a hostile file as many as lines."""


def canonical(dates: pl.Series, shapes: pl.Series) -> pl.Series:
    """Write dates as ``2026/11/22 11:23:34.5 +0100``.

    Parameters
    ----------
    dates, shapes
        Dates, and beside each its shape, as in ``dd/MM/yyyy HH:mm:ss.SSS Z``.

    Returns
    -------
    polars.Series
        The dates, null where there is no shape, or one that nobody understands or that the date does not have.
    """
    frame = pl.DataFrame({"date": dates, "shape": shapes})
    readings = [
        pl.when(pl.col("shape") == shape).then(_read(*understood))
        for shape in shapes.drop_nulls().unique(maintain_order=True).head(_MOST)
        if (understood := _understand(shape)) is not None
    ]
    if not readings:
        return pl.Series("date", [None], dtype=pl.String).new_from_index(0, len(dates))
    return frame.select(pl.coalesce(readings).alias("date")).to_series()


def _understand(shape: str) -> tuple[str, str] | None:
    """Turn a shape into a pattern of three groups, with the zone in the middle, and a format of the other two."""
    patterns, formats, zones = [""], [""], 0
    for token in _TOKEN.finditer(shape):
        text, letter = token[0], token[2]
        if letter and letter in _ZONE:
            zones += 1
            patterns, formats = [*patterns, ""], [*formats, ""]
        elif letter:
            known = _LETTERS.get(text) or _LETTERS.get(letter)
            if known is None:
                return None
            # A fraction's point belongs to its format.
            fraction = known[1] == "%f" and formats[-1].endswith(".")
            formats[-1] = formats[-1][:-1] + "%.f" if fraction else formats[-1] + known[1]
            patterns[-1] += known[0]
        else:
            literal = token[1] if token[1] is not None else text
            patterns[-1] += re.escape(literal)
            formats[-1] += literal.replace("%", "%%")
    if zones > 1:
        return None
    if not zones:
        return f"^({patterns[0]})()()$", formats[0].strip()
    return f"^({patterns[0]})(.+?)({patterns[1]})$", f"{formats[0].strip()} {formats[1].strip()}".strip()


def _read(pattern: str, form: str) -> pl.Expr:
    """Read a date by the pattern and the format of its shape."""
    groups = pl.col("date").str.extract_groups(pattern)
    before, zone, after = (groups.struct.field(str(at)) for at in (1, 2, 3))
    local = (before.str.strip_chars(" ") + " " + after.str.strip_chars(" ")).str.strip_chars(" ")
    offset = zone.str.replace(r"^(?:GMT|UTC)([+-])", "${1}")
    moment = local.str.to_datetime(form, time_unit="us", strict=False).dt.strftime("%Y/%m/%d %H:%M:%S%.6f")
    return pl.when(offset != "").then(moment + " " + offset).otherwise(moment)
