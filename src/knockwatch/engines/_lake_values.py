"""What a lake's mapping says of a column, as an Ibis expression. Which tables there are is not known here.

A value is told as

- ``"src_endpoint.ip"``: a column, or a field within one (struct, map, JSON), whatever the case of the letters;
- ``{value = "tcp"}``: a constant;
- ``{first = [A, B]}``: the first that is there and not null;
- ``{of = A, words = {deny = "denied"}, otherwise = "unknown"}``: what a word means, whatever the case of the letters;
- ``{choose = [{if = {COLUMN = CONDITION}, then = A}, …], otherwise = B}``: by conditions, all of which must hold;
- ``{text = "Accepted for {user.name} from {src_endpoint.ip}"}``: a text with columns in it; null where one of them is;
- ``{of = A, unit = "ms"}``: a number as a time.

A condition is a list of values of which the column has one (as text, whatever the case), ``{over = 0}``,
``{has = "h"}``, letters that it contains, or ``{said = true}``: it is neither null nor empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt

if TYPE_CHECKING:
    import ibis.expr.types as ir

Told = Any
"""As above, as TOML has it."""

_SECOND_US = 1_000_000
_SPARK = ("pyspark", "databricks")
_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_KEYS = (
    {"value"},
    {"first"},
    {"of", "words", "otherwise"},
    {"choose", "otherwise"},
    {"text"},
    {"of", "unit"},
)
_HOLE = re.compile(r"\{([^{}]+)\}")


def check(told: Told, allowed: Sequence[str] | None = None) -> None:
    """See that a value is told in one of these ways, and comes to one of some words where it must.

    Raises
    ------
    ValueError
        If not.
    """
    if isinstance(told, str):
        if allowed is not None:
            raise ValueError(f"column {told} is taken for an outcome as it is: say what its words mean")
        return
    if not isinstance(told, Mapping) or not any(set(told) <= keys for keys in _KEYS):
        raise ValueError(f"{told!r} is no value")
    for part in _parts(told):
        check(part, allowed)
    words = [*told.get("words", {}).values(), *([told["value"]] if "value" in told else [])]
    words += [told["otherwise"]] if "words" in told and "otherwise" in told else []
    if allowed is not None and (wrong := [word for word in words if word not in allowed]):
        raise ValueError(f"no such outcome: {', '.join(map(str, wrong))}")
    if "unit" in told and told["unit"] not in _UNITS:
        raise ValueError(f"no such unit: {told['unit']}")


def plain(told: Told, own: Mapping[str, str]) -> Told:
    """Put a site's names of columns in place of a lake's."""
    if isinstance(told, str):
        return own.get(told, told)
    renamed = dict(told)
    for key in ("of", "otherwise"):
        if key in told and not ("words" in told and key == "otherwise"):
            renamed[key] = plain(told[key], own)
    if "first" in told:
        renamed["first"] = [plain(part, own) for part in told["first"]]
    if "choose" in told:
        renamed["choose"] = [
            {
                "if": {own.get(name, name): wanted for name, wanted in branch["if"].items()},
                "then": plain(branch["then"], own),
            }
            for branch in told["choose"]
        ]
    if "text" in told:
        renamed["text"] = _HOLE.sub(lambda hole: f"{{{own.get(hole[1], hole[1])}}}", told["text"])
    return renamed


def value(rows: ir.Table, told: Told) -> Any | None:
    """Give a value as an expression over a table; None where the table has nothing of it."""
    match told:
        case None:
            found = None
        case str():
            found = column(rows, told)
        case {"value": constant}:
            found = ibis.literal(constant)
        case {"text": text}:
            found = _written(rows, text)
        case {"choose": branches}:
            found = _chosen(rows, branches, told.get("otherwise"))
        case {"first": parts}:
            found = _first([value(rows, part) for part in parts])
        case {"of": base, "words": words}:
            found = _meant(value(rows, base), words, told.get("otherwise"))
        case _:
            found = value(rows, told["of"])
    return found


def moment(rows: ir.Table, told: Told, unit: str = "s") -> Any | None:
    """Give a time as whole microseconds since 1970, whatever the lake keeps it as; a time without a zone is UTC."""
    match told:
        case {"first": parts}:
            return _first([moment(rows, part, unit) for part in parts])
        case {"of": base, "unit": own}:
            return moment(rows, base, own)
    when = value(rows, told)
    if when is None:
        return None
    if when.type().is_integer():
        return when.cast("int64") * _UNITS[unit]
    if when.type().is_numeric():
        return (when * _UNITS[unit]).round().cast("int64")
    return _since_1970(rows, when.cast("timestamp(6)") if when.type().is_string() else when)


def _since_1970(rows: ir.Table, when: Any) -> Any:
    """Give a timestamp in microseconds."""
    if _engine(rows) == "duckdb":
        return _epoch_us()(when)
    # Some engines' seconds have a fraction, whatever Ibis declares them to be.
    return when.truncate("s").epoch_seconds().cast("int64") * _SECOND_US + _microseconds(rows, when)


def _microseconds(rows: ir.Table, when: Any) -> Any:
    """Give a time's fraction of a second; Ibis can ask Spark for it only as text, which costs more."""
    spark = _engine(rows) in _SPARK
    return when.strftime("%f").cast("int64") if spark else when.microsecond().cast("int64")


def _engine(rows: ir.Table) -> str | None:
    """Name the engine that a table is in; None where it is in none."""
    try:
        return str(rows.get_backend().name)
    except ibis.IbisError:
        return None


@cache
def _epoch_us() -> Any:
    """Declare DuckDB's own function, which costs a third of what is made of parts."""

    def of(when: dt.Timestamp) -> int:
        raise NotImplementedError

    return ibis.udf.scalar.builtin(of, name="epoch_us", signature=((dt.Timestamp(),), dt.int64))


def meets(rows: ir.Table, name: str, wanted: Any) -> Any:
    """Give a condition on a column; false where there is no such column."""
    found = column(rows, name)
    if found is None:
        return ibis.literal(value=False)
    match wanted:
        case {"over": least}:
            truth = (found.try_cast("float64") if found.type().is_string() else found) > least
        case {"has": letters}:
            truth = found.cast("string").contains(letters)
        case {"said": said}:
            truth = (found.cast("string").fill_null("") != "") == ibis.literal(said)
        case _:
            texts = [str(one).lower() for one in wanted]
            if found.type().is_array():
                truth = ibis.or_(*(found.contains(one) for one in texts))
            else:
                truth = found.cast("string").lower().isin(texts)
    return ibis.coalesce(truth, False)


def column(rows: ir.Table, path: str) -> Any | None:
    """Find a column, or a field within one; None where there is none."""
    names = {name.lower(): name for name in rows.columns}
    if path.lower() in names:
        return rows[names[path.lower()]]
    first, *inner = path.split(".")
    if first.lower() not in names or not inner:
        return None
    found: Any = rows[names[first.lower()]]
    for name in inner:
        kind = found.type()
        if kind.is_struct():
            fields = {field.lower(): field for field in kind.names}
            if name.lower() not in fields:
                return None
            found = found[fields[name.lower()]]
        elif kind.is_map():
            found = found.get(name)
        elif kind.is_json():
            found = found[name]
        else:
            return None
    return found.str if found.type().is_json() else found


def _parts(told: Mapping[str, Any]) -> list[Told]:
    """Give the values within a value that stand for what it comes to."""
    parts = [*told.get("first", ()), *(branch["then"] for branch in told.get("choose", ()))]
    return [*parts, *([told["otherwise"]] if "choose" in told and "otherwise" in told else [])]


def _alike(values: Sequence[Any]) -> list[Any]:
    """Bring values to one type; text holds any."""
    kinds = {str(one.type()) for one in values}
    return list(values) if len(kinds) == 1 else [one.cast("string") for one in values]


def _first(values: Sequence[Any]) -> Any | None:
    """Give the first value that is there and not null."""
    there = [one for one in values if one is not None]
    return ibis.coalesce(*_alike(there)) if there else None


def _meant(found: Any, words: Mapping[str, str], otherwise: str | None) -> Any | None:
    """Give what a word means."""
    if found is None:
        return None
    known = {str(word).lower(): meaning for word, meaning in words.items()}
    return found.cast("string").lower().cases(*known.items(), else_=otherwise)


def _chosen(rows: ir.Table, branches: Sequence[Mapping[str, Any]], otherwise: Told) -> Any | None:
    """Give the value of the first branch whose conditions hold."""
    cases = []
    for branch in branches:
        then = value(rows, branch["then"])
        if then is not None:
            truth = ibis.and_(*(meets(rows, name, wanted) for name, wanted in branch["if"].items()))
            cases.append((truth, then))
    rest = value(rows, otherwise)
    if not cases:
        return rest
    *thens, last = _alike([then for _, then in cases] + ([] if rest is None else [rest]))
    if rest is None:
        thens, last = [*thens, last], None
    return ibis.cases(*zip((truth for truth, _ in cases), thens, strict=True), else_=last)


def _written(rows: ir.Table, text: str) -> Any | None:
    """Write a text with columns in it; None where one of the columns is not there."""
    pieces: list[Any] = []
    for index, piece in enumerate(_HOLE.split(text)):
        if index % 2 == 0:
            pieces += [ibis.literal(piece)] if piece else []
            continue
        found = column(rows, piece)
        if found is None:
            return None
        pieces.append(found.cast("string"))
    written: Any = pieces[0]
    for piece in pieces[1:]:
        written = written.concat(piece)
    return written
