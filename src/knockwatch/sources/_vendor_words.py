"""What vendors' words say of a connection. The words are data; where they stand and how they compare is here.

An outcome is `denied` where the firewall decided, also where it answered with a reset of its own (``reset-both``),
and `refused` where it says so itself (Reject, Refuse) or the end that was contacted sent the reset.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import polars as pl

from knockwatch.errors import KnockwatchError
from knockwatch.tables import ACCEPTED, OUTCOMES, UNKNOWN

FIELDS = (
    "Reason",
    "AdditionalExtensions:reason",
    "Message:teardown",
    "DeviceEventClassID",
    "Message:access-list",
    "Message:AccessControlRuleAction",
    "AdditionalExtensions:fw_action",
    "AdditionalExtensions:status",
    "AdditionalExtensions:log_subtype",
    "DeviceAction",
    "AdditionalExtensions:action",
    "Activity:last word",
    "Activity",
    "SimplifiedDeviceAction",
)
"""Where words stand, the most telling first: how a session ended says more than that it was allowed to begin."""

RESETS_BYTES = 180
"""Bytes that refusals alone can amount to: a TCP reset over IPv6 is 60 bytes, and a SYN comes up to three times."""

_PARTS = {
    # Numbers come through JSON as 106023.0, and some collectors keep the whole ASA-4-106023.
    "DeviceEventClassID": r"(\d{6})(?:\.0)?$",
    "Message:teardown": r"\bbytes \d+ (\S.*?)(?: from \S+)?(?: \(.*\))?$",
    "Message:access-list": r"\baccess-list \S+ (\S+)",
    "Message:AccessControlRuleAction": r"\bAccessControlRuleAction: ?([^,;]+)",
    "Activity:last word": r"^\w+:[\w-]+ (?:.* )?(\S+)$",
    # Sentinel keeps FortiGate's own keys with a prefix, which depends on the collector's age.
    "AdditionalExtensions:action": r"(?:^|;)(?:FTNTFGT|FortinetFortiGate)?action=([^;]*)",
}
_COLUMNS = ["vendor", "product", "field", "value", "outcome", "unless", "source"]
_ANSWERED = "answered"
_NEGATED = r"\b(?:not|no|never|un|would|if)\b"


class VendorWordsError(KnockwatchError):
    """A file of vendor words that does not say what it should."""


@dataclass(frozen=True)
class Word:
    """One word of one vendor.

    Parameters
    ----------
    vendor, product
        Names without blanks in small letters, by their beginning; ``*`` is any.
    field
        One of `FIELDS`: a column of CommonSecurityLog, or a part of one.
    value
        The word as the vendor writes it.
    outcome
        What it says of the connection.
    unless_answered
        Whether it says so only of a session in which nothing but resets came back; else the session is accepted.
    source
        Where the word is written down.
    """

    vendor: str
    product: str
    field: str
    value: str
    outcome: str
    unless_answered: bool
    source: str

    @property
    def profile(self) -> str:
        """Name the devices that use the word."""
        return f"{self.vendor} {self.product}"


ANY = "* *"
_TOLD = tuple(
    dict.fromkeys(["DeviceVendor", "DeviceProduct", *(field.partition(":")[0] for field in FIELDS)])
)
"""Columns that a verdict is made of, beside how much was received."""
_FEW = 4
"""Rows for each combination of what they say, from which on it pays to judge combinations."""


@cache
def words() -> tuple[Word, ...]:
    """Load the vendors' words.

    Raises
    ------
    VendorWordsError
        If a row names an unknown field or outcome, gives no source, or repeats another.
    """
    resource = files("knockwatch.content") / "vendors" / "actions.csv"
    return read_words(resource.read_text("utf-8"), str(resource))


def read_words(text: str, path: str) -> tuple[Word, ...]:
    """Read and check a file of vendor words; `path` is named in errors."""
    reader = csv.DictReader(text.splitlines())
    if reader.fieldnames != _COLUMNS:
        raise VendorWordsError(f"its columns are not {', '.join(_COLUMNS)}", path=path, line=1)
    found: dict[tuple[str, str, str], Word] = {}
    for line, row in enumerate(reader, 2):
        word = Word(
            _name(row["vendor"]),
            _name(row["product"]),
            row["field"],
            row["value"],
            row["outcome"],
            row["unless"] == _ANSWERED,
            row["source"],
        )
        key = (word.profile, word.field, _plain(word.value))
        faults = {
            f"there is no field {word.field!r}": word.field not in FIELDS,
            f"there is no outcome {word.outcome!r}": word.outcome not in OUTCOMES,
            "it names no source": not word.source,
            f"`unless` is empty or {_ANSWERED}": row["unless"] not in ("", _ANSWERED),
            "it says another outcome than a row before": key in found and found[key].outcome != word.outcome,
        }
        for fault, there in faults.items():
            if there:
                raise VendorWordsError(fault, path=path, line=line)
        found.setdefault(key, word)
    return tuple(found.values())


def extension(key: str) -> str:
    """Give the pattern of one key's value in AdditionalExtensions."""
    return rf"(?:^|;){key}=([^;]*)"


def judged(rows: pl.DataFrame) -> pl.DataFrame:
    """Say what became of connections.

    Parameters
    ----------
    rows
        Some of CommonSecurityLog's columns as text; `received`, the bytes that came back, as integers.

    Returns
    -------
    polars.DataFrame
        `outcome`, and `action`: DeviceAction, else the word that decided; in the order of the rows.
    """
    told = [name for name in _TOLD if name in rows.columns and rows[name].null_count() < rows.height]
    combined = rows.select(*told, (pl.col("received") > RESETS_BYTES).fill_null(value=False).alias("much"))
    distinct = combined.unique(maintain_order=True)
    if distinct.height * _FEW > rows.height:
        return _judged(rows)
    # Devices say the same few things of most of what they see.
    received = pl.when("much").then(RESETS_BYTES + 1).otherwise(0).alias("received")
    found = distinct.hstack(_judged(distinct.with_columns(received)))
    return combined.join(
        found, on=combined.columns, how="left", nulls_equal=True, maintain_order="left"
    ).select("outcome", "action")


def _judged(rows: pl.DataFrame) -> pl.DataFrame:
    """Judge every row."""
    frame = rows.with_row_index("row").with_columns(_profiles(rows))
    present = set(frame["profile"].unique())
    frame = frame.with_columns(
        pl.lit(None, dtype=pl.String).alias("outcome"), pl.lit(None, dtype=pl.String).alias("word")
    )
    for field in FIELDS:
        for known in ({word.profile for word in words()} & present) - {ANY}:
            frame = _apply(frame, field, known)
    for field in FIELDS:
        frame = _apply(frame, field, ANY)
    frame = _by_a_word_inside(frame)
    action = _text(frame, "DeviceAction")
    return frame.select(
        pl.col("outcome").fill_null(UNKNOWN),
        pl.coalesce(pl.when(action != "").then(action), pl.col("word")).alias("action"),
    )


def _apply(frame: pl.DataFrame, field: str, profile: str) -> pl.DataFrame:
    """Judge the rows of one kind of device, where nothing has been said yet, by the words in one field."""
    known = {_plain(w.value): w for w in words() if w.field == field and w.profile == profile}
    if not known or field.partition(":")[0] not in frame.columns or not frame["outcome"].has_nulls():
        return frame
    written = _part(field)
    plain = _plain_column(written)
    verdict = plain.replace_strict(
        list(known), [w.outcome for w in known.values()], default=None, return_dtype=pl.String
    )
    fleeting = [value for value, w in known.items() if w.unless_answered]
    if fleeting:
        answered = plain.is_in(fleeting) & (pl.col("received") > RESETS_BYTES).fill_null(value=False)
        verdict = pl.when(answered).then(pl.lit(ACCEPTED)).otherwise(verdict)
    mine = pl.col("outcome").is_null()
    if profile != ANY:
        mine &= pl.col("profile") == profile
    names_a_word = field not in ("DeviceEventClassID", "Activity")
    spoken = written.str.strip_chars(' "') if names_a_word else pl.lit(None, dtype=pl.String)
    return frame.with_columns(
        pl.when(mine).then(verdict).otherwise("outcome").alias("outcome"),
        pl.when(mine & verdict.is_not_null()).then(spoken).otherwise("word").alias("word"),
    )


def _by_a_word_inside(frame: pl.DataFrame) -> pl.DataFrame:
    """Judge what is left by the first common word inside DeviceAction (``drop-packet``, ``Blocked by policy``)."""
    if "DeviceAction" not in frame.columns or not frame["outcome"].has_nulls():
        return frame
    known = {_plain(w.value): w.outcome for w in words() if w.profile == ANY and w.field == "DeviceAction"}
    plain = _plain_column(pl.col("DeviceAction"))
    inside = plain.str.extract(rf"\b({'|'.join(map(re.escape, known))})\b", 1)
    verdict = inside.replace_strict(list(known), list(known.values()), default=None, return_dtype=pl.String)
    said = pl.when(~plain.str.contains(_NEGATED)).then(verdict)
    return frame.with_columns(pl.coalesce("outcome", said).alias("outcome"))


def _profiles(rows: pl.DataFrame) -> pl.Expr:
    """Tell which vendor's words each row uses."""
    vendor, product = (
        _text(rows, name).str.to_lowercase().str.replace_all(" ", "", literal=True)
        for name in ("DeviceVendor", "DeviceProduct")
    )
    profile = pl.lit(ANY)
    for word in {word.profile: word for word in words() if word.profile != ANY}.values():
        mine = vendor.str.starts_with(word.vendor)
        if word.product != "*":
            mine &= product.str.starts_with(word.product)
        profile = pl.when(mine).then(pl.lit(word.profile)).otherwise(profile)
    return profile.alias("profile")


def _text(rows: pl.DataFrame, column: str) -> pl.Expr:
    """Give a column, empty where the rows lack it or say nothing."""
    return pl.col(column).fill_null("") if column in rows.columns else pl.lit("")


def _part(field: str) -> pl.Expr:
    """Give the text of a field."""
    column, _, part = field.partition(":")
    pattern = _PARTS.get(field) or (extension(part) if part else None)
    return pl.col(column) if pattern is None else pl.col(column).str.extract(pattern, 1)


def _plain_column(texts: pl.Expr) -> pl.Expr:
    """Bring words to what they share in all their spellings: small letters, no quotes, blanks for marks."""
    return texts.str.to_lowercase().str.replace_all(r"[^a-z0-9()]+", " ").str.strip_chars()


def _plain(word: str) -> str:
    """Do the same for one word."""
    return re.sub(r"[^a-z0-9()]+", " ", word.lower()).strip()


def _name(name: str) -> str:
    """Bring a vendor's or product's name to small letters without blanks."""
    return name.lower().replace(" ", "")
