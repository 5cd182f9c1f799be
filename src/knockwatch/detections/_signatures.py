"""Signatures of single packets: reading the data files, and conditions as expressions over `connections`.

A signature (content/signals/*.toml) has an id, a name, a family (families.toml), the kind of signal, ATT&CK ids, a
reference, how far a match can be trusted (`high`: unmistakable; `low`: innocent programs do it too), whether it is
a `default` that operators change, and `match`: what each column, or fact made of columns (`_facts`), must be. A list
holds the values; a table may have `from`, `to`, `has`, `lacks`, `matches` (regular expressions, all of them), or
`mask` and `is`. With `run` it is about several packets of one source at one destination: `steps` in order, or
`at_least` and `at_most` values in which they `differ`, with the `same` of another column. Nothing here knows findings.
"""

from __future__ import annotations

import csv
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, reduce
from importlib.resources import files
from operator import and_, or_
from typing import TYPE_CHECKING, Any, Literal

import ibis

from knockwatch.detections import Signal
from knockwatch.detections._pairs import placed
from knockwatch.inference.innocence import PING_BYTES
from knockwatch.tables import CONNECTIONS

if TYPE_CHECKING:
    import ibis.expr.types as ir

TRUST = {"low": 1, "medium": 2, "high": 3}
"""How far a match can be trusted, as a number that findings carry."""
FAMILIES = "families.toml"
PACKETS_KEPT = 1000
"""Packets looked at of one signature at one destination: a flood of odd packets must not fill memory."""
PACKET_COLUMNS = (
    "time_us",
    "source_ip",
    "source_port",
    "destination_ip",
    "destination_port",
    "protocol",
    "outcome",
    "payload_length",
    "payload_entropy",
    "payload_head",
    "ip_id",
    "file",
    "line",
)
"""What is needed of a packet; `signed` adds `signature`, an id."""
_SYN_MOST = 100
"""Bytes of the longest SYN without payload: an IPv6 header and a TCP header full of options."""
_TCP_HEADERS = 40
_NO = ibis.literal(value=False)


@dataclass(frozen=True)
class Run:
    """What several packets of one source at one destination have in common, and in what they differ."""

    steps: tuple[str, ...] = ()
    differ: str = ""
    same: str = ""
    at_least: int = 0
    at_most: int = 0


@dataclass(frozen=True)
class Signature:
    """One signature, as its file has it."""

    id: str
    name: str
    family: str
    signal: Signal
    attack: tuple[str, ...]
    trust: Literal["low", "medium", "high"]
    reference: str
    match: Mapping[str, Any] = field(hash=False)
    default: bool = False
    note: str = ""
    run: Run | None = None


@cache
def signatures() -> Mapping[str, Signature]:
    """Load all signatures by their ids, the most trustworthy first, of these the most exact."""
    folder = files("knockwatch.content") / "signals"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    found = [
        _signature(told)
        for name in names
        if name != FAMILIES
        for told in tomllib.loads((folder / name).read_text("utf-8"))["signature"]
    ]
    return {one.id: one for one in sorted(found, key=_first_asked)}


def _first_asked(signature: Signature) -> tuple[int, int]:
    """Give what signatures are sorted by: the first that matches a packet names it."""
    conditions = (len(told) if isinstance(told, dict) else 1 for told in signature.match.values())
    return -TRUST[signature.trust], -sum(conditions)


@cache
def families() -> tuple[Mapping[str, str], ...]:
    """Load all families: name, kind, wire, host, reference."""
    text = (files("knockwatch.content") / "signals" / FAMILIES).read_text("utf-8")
    return tuple(tomllib.loads(text)["family"])


@cache
def known_pings() -> tuple[str, ...]:
    """Load what payloads of known ping programs begin with, as regular expressions over hexadecimal."""
    text = (files("knockwatch.content") / "signals" / "known_pings.csv").read_text("utf-8")
    return tuple(row["payload_head"] for row in csv.DictReader(text.splitlines()))


def signed(connections: ir.Table) -> ir.Table:
    """Select the packets that match a signature of single packets, each with the most trustworthy one.

    Returns
    -------
    ibis.expr.types.Table
        `PACKET_COLUMNS` and `signature`; of each signature at each destination the first `PACKETS_KEPT`.
    """
    single = [one for one in signatures().values() if one.run is None]
    rows = with_facts(connections)
    rows = rows.filter(_telling(rows, single))
    found: Any = ibis.cases(
        *((_matches(rows, one), ibis.literal(one.id)) for one in single), else_=ibis.null("string")
    )
    rows = rows.mutate(signature=found)
    return _first(rows.filter(rows.signature.notnull()).select(*PACKET_COLUMNS, "signature"))


_COMMON = {"protocol", "tcp_flags"}
"""Columns that tell next to nothing: most packets have what signatures ask of them."""
_OFTEN = ("payload_alphabet", "destination_port", "payload_length_mod_64")
"""Columns whose values that signatures name are met often, the rarest first: much is text, and services are visited."""


def _telling(rows: ir.Table, chosen: Iterable[Signature]) -> Any:
    """Select the packets that meet one condition of some signature: few do, and only those are looked at whole."""
    values: dict[str, set[int]] = defaultdict(set)
    others = []
    for one in chosen:
        named = {name: told for name, told in one.match.items() if name not in _COMMON}
        listed = [name for name, told in named.items() if isinstance(told, list)]
        exact = min(
            listed, key=lambda name: ("", *_OFTEN).index(name if name in _OFTEN else ""), default=None
        )
        bounds = [name for name, told in named.items() if isinstance(told, dict) and told.keys() <= _BOUNDS]
        if exact == "payload_alphabet" and bounds:
            others.append(reduce(and_, (_condition(rows[name], named[name]) for name in (exact, *bounds))))
        elif exact:
            values[exact].update(named[exact])
        else:
            name, told = next(iter((named or one.match).items()))
            others.append(_condition(rows[name], told))
    parts = [*(rows[name].isin(sorted(wanted)) for name, wanted in values.items()), *others]
    return reduce(or_, (part.fill_null(_NO) for part in parts))


def signed_in(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Give the signed packets; they are selected here where nobody did before."""
    return tables["signed"] if "signed" in tables else signed(tables["connections"])


def trusted() -> list[str]:
    """Name the signatures whose match no innocent program is likely to make."""
    return [one.id for one in signatures().values() if one.trust != "low"]


def run_least() -> int:
    """Give the fewest steps that a signature of runs asks for."""
    runs = [one.run for one in signatures().values() if one.run]
    return min(len(run.steps) or run.at_least for run in runs)


def may_be_in_run(rows: ir.Table) -> Any:
    """Tell which packets a signature of runs is about, if it is not about their ports; `rows` are `with_facts`."""
    runs = [
        one for one in signatures().values() if one.run and one.run.differ not in {"", "destination_port"}
    ]
    return reduce(or_, (_matches(rows, one) for one in runs))


def in_runs(connections: ir.Table) -> ir.Table:
    """Select the packets that a signature of runs is about, of pairs that have enough of them; as `signed` does."""
    rows = with_facts(connections)
    parts = [_of_run(rows, one, one.run) for one in signatures().values() if one.run]
    return _first(ibis.union(*parts))


def _of_run(rows: ir.Table, signature: Signature, run: Run) -> ir.Table:
    """Select the packets of one signature of runs."""
    mine = rows.filter(_matches(rows, signature))
    pair = ["source_ip", "destination_ip", *([run.same] if run.same else [])]
    differ: Any = mine[run.differ or "destination_port"]
    counted = mine.group_by(pair).agg(values=differ.nunique())
    least, most = (len(run.steps),) * 2 if run.steps else (run.at_least, run.at_most)
    enough = counted.filter(counted.values.between(least, most))
    return mine.semi_join(enough, pair).select(*PACKET_COLUMNS, signature=ibis.literal(signature.id))


def _first(rows: ir.Table) -> ir.Table:
    """Keep the first packets of each signature at each destination."""
    turn = ibis.row_number().over(
        group_by=[rows.destination_ip, rows.signature], order_by=[rows.time_us, rows.file, rows.line]
    )
    numbered = rows.mutate(turn=turn)
    return numbered.filter(numbered.turn < PACKETS_KEPT).drop("turn")


def with_facts(connections: ir.Table) -> ir.Table:
    """Select what has a source, a destination and a time, and add the facts that conditions name beside columns."""
    rows = placed(connections)
    return rows.mutate(**_facts(rows))


def _facts(rows: ir.Table) -> dict[str, Any]:
    """Make the facts: each is false or null where the evidence does not say."""
    length: Any = rows.payload_length
    head: Any = rows.payload_head
    flags: Any = rows.tcp_flags
    known = reduce(or_, (head.re_search(pattern) for pattern in known_pings()))
    # What is no echo is no ping, and need not be compared with any.
    known = rows.icmp_type.notnull().ifelse(known, _NO)
    # Of a connection the first payload is known; it was in the SYN if nothing else came, or if the SYN has room for it.
    room = (rows.packet_length > _SYN_MOST) & (rows.packet_length >= length + _TCP_HEADERS)
    alone = (rows.packets_sent == 1) & (rows.packet_length >= length + _TCP_HEADERS)
    return {
        "payload_length_mod_64": length % 64,
        "seq_ack_difference": (rows.tcp_seq - rows.tcp_ack).abs(),
        "payload_in_syn": flags.contains("SYN") & ~flags.contains("ACK") & (length > 0) & (room | alone),
        "known_ping": known,
        "usual_ping_size": length.isin(sorted(PING_BYTES)),
    }


def _matches(rows: ir.Table, signature: Signature) -> Any:
    """Combine a signature's conditions; what is not known does not match."""
    told = signature.match
    costly = [name for name in told if isinstance(told[name], dict) and "matches" in told[name]]
    plain = [name for name in told if name not in costly]
    parts = [
        reduce(and_, (_condition(rows[name], told[name]) for name in names)).fill_null(_NO)
        for names in (plain, costly)
        if names
    ]
    # An engine asks all of what is joined by AND of every row, but what is under a condition only where that is met.
    return parts[0].ifelse(parts[1], _NO) if len(parts) > 1 else parts[0]


def _condition(value: Any, told: Any) -> Any:
    """Write one condition."""
    if isinstance(told, bool):
        return value if told else ~value
    if isinstance(told, list):
        return value.isin(told)
    parts = []
    text = value.type().is_string()
    for word, wanted in told.items():
        match word:
            case "from":
                parts.append(value >= wanted)
            case "to":
                parts.append(value <= wanted)
            case "matches":
                parts += [value.re_search(pattern) for pattern in wanted]
            case "has":
                parts += [value.contains(item) for item in wanted]
            case "lacks":
                parts += [~value.contains(item) for item in wanted] if text else [value.notin(wanted)]
            case "is":
                parts.append((value & told["mask"]).isin(wanted))
    return reduce(and_, parts)


_BOUNDS = {"from", "to"}
_WORDS = {"from", "to", "matches", "has", "lacks", "mask", "is"}
_FACTS = {"payload_length_mod_64", "seq_ack_difference", "payload_in_syn", "known_ping", "usual_ping_size"}


def _signature(told: Mapping[str, Any]) -> Signature:
    """Make a signature of what its file says; a word that nobody reads is a mistake, since it would match more."""
    for name, condition in told["match"].items():
        words = set(condition) if isinstance(condition, dict) else set()
        if name not in CONNECTIONS.keys() | _FACTS or words - _WORDS or ("mask" in words) != ("is" in words):
            raise ValueError(f"signature {told['id']}: no condition of this kind: {name} = {condition}")
    run = told.get("run")
    made = Run(**{**run, "steps": tuple(run.get("steps", ()))}) if run else None
    return Signature(**{**told, "attack": tuple(told["attack"]), "run": made})
