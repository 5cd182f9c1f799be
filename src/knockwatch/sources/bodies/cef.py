"""CEF, the Common Event Format: its header and its extension, of any vendor. What vendors mean by it is not here.

The format is ArcSight's "Implementing ArcSight Common Event Format (CEF)", version 0 and 1: seven header fields
divided by ``|``, then pairs ``key=value`` divided by blanks, where values may hold blanks themselves.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from knockwatch.microsoft import cef_keys, polars_schema
from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._blank_pairs import BlankPairs, blank_pairs
from knockwatch.sources._common_security_log import examine

PROGRAM = "CEF"
"""What syslog takes for the program in ``CEF: 0|…``, as FortiGate writes it."""
START = r"(?s)(?:^|\bCEF: ?)(\d+(?:\.\d+)?\|.*)$"
"""Version and header; the letters before them may have been taken for the program's name."""

_HEADER = (
    "Version",
    "DeviceVendor",
    "DeviceProduct",
    "DeviceVersion",
    "DeviceEventClassID",
    "Activity",
    "LogSeverity",
)
_PIPE, _BACKSLASH = "\x1c", "\x1d"
"""Characters no log has, which stand for what was escaped while the text is divided."""
_INTEGERS_OF_NUMBERS = {f"DeviceCustomNumber{n}": f"FieldDeviceCustomNumber{n}" for n in (1, 2, 3)}
"""Sentinel keeps custom numbers once more in columns that are wide enough for them."""


class Cef:
    """Reader of CEF."""

    format = Format(
        "cef-messages",
        "CEF inside messages, any vendor",
        ("CommonSecurityLog", "connections"),
        "verified",
        "ArcSight Common Event Format; MicrosoftDocs/azure-docs articles/sentinel/cef-name-mapping.md; "
        "crowdsecurity/hub .tests/unifi-cef",
    )

    bare = r"^(?:CEF:|\d(?:\.\d+)?\|[^|]+\|[^|]+\|[^|]*\|[^|]*\|[^|]*\|[^|]*\|)"
    """From its first letter on; or from its version, where syslog took ``CEF:`` for a tag."""

    def belongs(self) -> pl.Expr:
        """Select messages that begin as CEF does, or hold its beginning behind something else."""
        message = pl.col("message")
        return (
            message.str.starts_with("CEF:")
            | message.str.contains(r"CEF: ?[01]\|")
            | (pl.col("program") == PROGRAM).fill_null(value=False)
        )

    def read(self, messages: pl.DataFrame, reading: Reading) -> Batch:
        """Read CEF messages; one without all of the header or with impossible ports or addresses is a misfit."""
        rows = rows_of(messages)
        seen = examine(rows, reading)
        fitting = rows.filter(seen.sound).drop("time_us", "time")
        moments = seen.times.filter(seen.sound).cast(pl.Datetime("us"))
        misfits = messages.filter(~pl.col("line").is_in(fitting["line"].implode()))
        return Batch(
            messages.height,
            {
                "CommonSecurityLog": _typed(fitting.with_columns(moments.alias("TimeGenerated"))),
                "connections": seen.connections,
            },
            misfits.select("line", pl.col("message").alias("text")),
        )


def rows_of(messages: pl.DataFrame) -> pl.DataFrame:
    """Divide CEF messages into the columns of CommonSecurityLog.

    Parameters
    ----------
    messages
        `line`, `time_us`, `time`, `host` and `message`.

    Returns
    -------
    polars.DataFrame
        `line`, `time_us`, `time` and those of Microsoft's columns that occur, as text; messages without a whole
        header, or with an extension that holds no pair, are left out.
    """
    framed = messages.select("line", "time_us", "time", "host", _after_start(messages["message"]))
    escaped = bool(framed.select(pl.col("text").str.contains("\\", literal=True).any()).item())
    if escaped:
        framed = framed.with_columns(
            pl.col("text")
            .str.replace_all(rf"[{_PIPE}{_BACKSLASH}]", " ")
            .str.replace_all(r"\\", _BACKSLASH, literal=True)
            .str.replace_all(r"\|", _PIPE, literal=True)
        )
    fields = [*_HEADER, "extension"]
    divided = framed.select(
        "line",
        "time_us",
        "time",
        pl.col("host").alias("Computer"),
        pl.col("text").str.splitn("|", len(fields)).struct.rename_fields(fields).alias("fields"),
    ).unnest("fields")
    divided = divided.with_columns(pl.col("extension").fill_null(""))
    pairs = blank_pairs(divided["extension"])
    paired = np.bincount(pairs.row, minlength=divided.height) > 0
    version = divided["Version"].str.contains(r"^\d+(?:\.\d+)?$")
    whole = (
        version
        & divided["LogSeverity"].is_not_null()
        & (pl.Series(paired) | (divided["extension"].str.strip_chars() == ""))
    )
    header = divided.drop("Version", "extension").with_columns(
        _restored(pl.col(_HEADER[1:]).str.strip_chars(), escaped=escaped),
        pl.lit("CommonSecurityLog").alias("Type"),
    )
    return header.with_columns(_extension_columns(pairs, divided.height, escaped=escaped)).filter(whole)


def _after_start(messages: pl.Series) -> pl.Series:
    """Give what stands from the version on, null where no CEF begins."""
    if messages.str.starts_with("CEF:").all():
        # The usual case, a tenth of the work.
        return messages.str.slice(4).str.strip_chars_start(" ").alias("text")
    return messages.str.extract(START, 1).alias("text")


def _extension_columns(pairs: BlankPairs, height: int, *, escaped: bool) -> list[pl.Series]:
    """Spread pairs over Microsoft's columns; those of keys that have none go to AdditionalExtensions."""
    if not len(pairs.row):
        return [pl.Series("AdditionalExtensions", [None] * height, dtype=pl.String)]
    known = cef_keys()
    values = pl.DataFrame({"v": pairs.value}).select(_restored(pl.col("v"), escaped=escaped)).to_series()
    spelled = pairs.key.unique().to_list()
    names = [known.get(key.lower()) for key in spelled]
    columns = sorted({name for name in names if name})
    number = {name: at for at, name in enumerate(columns)}
    # Keys without a column of their own come last.
    codes = pairs.key.replace_strict(
        spelled, [number[name] if name else len(columns) for name in names], return_dtype=pl.Int32
    ).to_numpy()
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=len(columns) + 1)
    ends = np.cumsum(counts)
    return [
        *(
            _spread(pairs.row[where], values.gather(where), height).alias(name)
            for name, where in zip(columns, np.split(order, ends), strict=False)
        ),
        _joined(pairs, values, order[ends[-1] - counts[-1] :], height),
    ]


def _spread(row: npt.NDArray[np.int64], values: pl.Series, height: int) -> pl.Series:
    """Put the first value of each row at its place in a column of a given height."""
    where = np.full(height, -1, dtype=np.int64)
    # The last assignment to an index wins.
    where[row[::-1]] = np.arange(len(row))[::-1]
    places = pl.Series(where)
    return values.gather(places.set(places < 0, None))


def _joined(pairs: BlankPairs, values: pl.Series, where: npt.NDArray[np.int64], height: int) -> pl.Series:
    """Join pairs as Sentinel does: ``key=value;key=value``."""
    written = pl.DataFrame({"k": pairs.key.gather(where), "v": values.gather(where)}).select(
        pl.concat_str("k", pl.lit("="), "v").alias("pair")
    )
    counts = np.bincount(pairs.row[where], minlength=height)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    lists = pa.LargeListArray.from_arrays(
        pa.array(offsets), written["pair"].to_arrow(compat_level=pl.CompatLevel.oldest())
    )
    joined = pl.Series("AdditionalExtensions", lists).list.join(";")
    return joined.set(pl.Series(counts == 0), None)


def _restored(text: pl.Expr, *, escaped: bool) -> pl.Expr:
    """Undo the escapes, where there are any."""
    if not escaped:
        return text
    return (
        text.str.replace_all(r"\=", "=", literal=True)
        .str.replace_all(r"\n", "\n", literal=True)
        .str.replace_all(r"\r", "\r", literal=True)
        .str.replace_all(_PIPE, "|", literal=True)
        .str.replace_all(_BACKSLASH, "\\", literal=True)
    )


def _typed(rows: pl.DataFrame) -> pl.DataFrame:
    """Give columns Microsoft's types; a value that does not fit becomes null, as it does there."""
    types = polars_schema("CommonSecurityLog")
    wide = [
        pl.col(narrow).cast(pl.Int64, strict=False).alias(wide)
        for narrow, wide in _INTEGERS_OF_NUMBERS.items()
        if narrow in rows.columns
    ]
    if "ExternalID" in rows.columns:
        wide.append(pl.col("ExternalID").alias("ExtID"))
    rows = rows.with_columns(wide)
    return rows.select(
        "line",
        *(pl.col(name).cast(dtype, strict=False) for name, dtype in types.items() if name in rows.columns),
    )


BODY = Cef()
