"""Recurrence: the same ordered run of ports at one destination again, and hardly anywhere else.

It needs no outcome, so it works on an edge's log, which only says what was passed on. A lead that names the suspected
secret; nothing here shows that a door opened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ibis
import polars as pl

from knockwatch.clock import SECOND_US
from knockwatch.config import Thresholds
from knockwatch.detections import Finding, Pointer, Rule, Use
from knockwatch.detections._common_services import COMMON_SERVICES, COMMON_STEPS
from knockwatch.detections._pairs import beginnings, step_number
from knockwatch.detections._relevant import relevant
from knockwatch.inference.contacts import COLUMNS, contacts
from knockwatch.inference.secrets import Agreement, agreements
from knockwatch.inference.sessions import Contact, by_pair

if TYPE_CHECKING:
    import ibis.expr.types as ir

LABEL = "SequenceRecurs"
_ROWS_A_PROBE = 40
"""Rows for each probe a pair may have: retransmissions, and one packet told in many files."""
_POINTERS = 200

RULE = Rule(
    id="recurrence",
    title="Sequence that recurs at one destination",
    description=(
        "Several runs of connection attempts at one destination have the same steps in the same order, and hardly "
        "any other destination sees them. Scanners try many destinations; a secret belongs to one."
    ),
    labels=(LABEL,),
    attack=("T1205.001",),
    data_sources=("Network Traffic: Network Traffic Flow", "Network Traffic: Network Connection Creation"),
    tables=("connections",),
    false_positives=(
        "A scanner's list that happens to have been tried at one address only.",
        (
            "A client that opens the same ports of one server in the same order every time, as games and "
            "management consoles do."
        ),
    ),
    severity="low",
    confidence="low",
    references=("https://attack.mitre.org/techniques/T1205/001/",),
)


class Recurrence:
    """Finds sequences that recur at one destination."""

    rule = RULE

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Select what the pairs of source and destination began that touched a few ports, not one and not many."""
        rows = beginnings(relevant(tables))
        rows = rows.filter(rows.destination_port.notnull())
        pair = ["source_ip", "destination_ip"]
        counted = rows.group_by(pair).agg(rows=rows.count())
        most = _ROWS_A_PROBE * thresholds.sequence_probes_max
        sized = rows.semi_join(
            counted.filter(counted.rows.between(thresholds.sequence_ports_min, most)), pair
        )
        step: Any = step_number(sized)
        odd = step.isin(COMMON_STEPS).ifelse(ibis.null("int32"), step)
        pairs = sized.group_by(pair).agg(ports=sized.destination_port.nunique(), odd=odd.nunique())
        few = pairs.filter(
            pairs.ports.between(thresholds.sequence_ports_min, thresholds.sequence_probes_max),
            pairs.odd >= thresholds.sequence_ports_min - 1,
        )
        return sized.semi_join(few, pair).select(*COLUMNS)

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Compare the runs at each destination, and what is found with the runs at all others."""
        runs: dict[str, list[list[Contact]]] = defaultdict(list)
        for (destination, _), made in by_pair(_shared(contacts(candidates), thresholds)).items():
            runs[destination] += _runs(made, thresholds)
        places: dict[tuple[str, ...], set[str]] = defaultdict(set)
        found: list[tuple[str, Agreement]] = []
        for destination, there in runs.items():
            if len(there) < 2:
                continue
            sent = [tuple(contact.step for contact in run) for run in there]
            for agreement in agreements(sent, thresholds.sequence_ports_min):
                places[agreement.steps].add(destination)
                if len(agreement.uses) > 1 and _secretive(agreement.steps, thresholds):
                    found.append((destination, agreement))
        for destination, agreement in found:
            if len(places[agreement.steps]) <= thresholds.recurrence_destinations_max:
                yield _finding(destination, agreement, [runs[destination][index] for index in agreement.uses])


def _shared(made: pl.DataFrame, thresholds: Thresholds) -> pl.DataFrame:
    """Keep the runs of a knock's size that have enough steps for a secret in common with others at a destination.

    Scanners' runs are many and hardly ever alike, so they are told apart before anything is compared.
    """
    pair = ["source_ip", "destination_ip"]
    gap = int(thresholds.sequence_gap_seconds * SECOND_US)
    numbered = made.sort(*pair, "time_us", maintain_order=True).with_columns(
        (
            pl.any_horizontal(pl.col(name) != pl.col(name).shift() for name in pair)
            | (pl.col("time_us").diff() > gap)
        )
        .fill_null(value=True)
        .cum_sum()
        .alias("run")
    )
    sized = numbered.filter(
        pl.len().over("run") <= thresholds.sequence_probes_max,
        pl.col("step").n_unique().over("run") >= thresholds.sequence_ports_min,
    )
    twice = sized.filter(pl.col("run").n_unique().over("destination_ip", "step") > 1)
    odd = pl.col("step").filter(~pl.col("step").is_in([*COMMON_SERVICES, "icmp"])).n_unique()
    common = twice.group_by("run").agg(pl.col("step").n_unique().alias("steps"), odd.alias("odd"))
    common = common.filter(
        pl.col("steps") >= thresholds.sequence_ports_min, pl.col("odd") >= thresholds.sequence_ports_min - 1
    )
    return sized.join(common, on="run", how="semi").sort("time_us", maintain_order=True)


def _runs(made: Sequence[Contact], thresholds: Thresholds) -> Iterator[list[Contact]]:
    """Cut what one source did at one destination into runs of a knock's size."""
    gap = int(thresholds.sequence_gap_seconds * SECOND_US)
    run: list[Contact] = []
    for contact in made:
        if run and contact.time_us - run[-1].time_us > gap:
            if _sized(run, thresholds):
                yield run
            run = []
        run.append(contact)
    if _sized(run, thresholds):
        yield run


def _sized(run: Sequence[Contact], thresholds: Thresholds) -> bool:
    """Tell whether a run has enough different steps for a sequence, and few enough for no scan."""
    return (
        len({contact.step for contact in run}) >= thresholds.sequence_ports_min
        and len(run) <= thresholds.sequence_probes_max
    )


def _secretive(steps: Sequence[str], thresholds: Thresholds) -> bool:
    """Tell whether steps may be a secret: enough of them that are no common service."""
    odd = [step for step in dict.fromkeys(steps) if step not in COMMON_SERVICES and step != "icmp"]
    return len(odd) >= thresholds.sequence_ports_min - 1 and len(set(steps)) >= thresholds.sequence_ports_min


def _finding(destination: str, agreement: Agreement, runs: Sequence[Sequence[Contact]]) -> Finding:
    """Tell of one sequence that recurs."""
    uses = tuple(_use(run) for run in runs)
    return Finding(
        rule=RULE.id,
        label=LABEL,
        kind="signal",
        leg="signal",
        start_us=min(use.start_us for use in uses),
        end_us=max(use.end_us for use in uses),
        sources=tuple(dict.fromkeys(use.source for use in uses)),
        destination=destination,
        sequence=agreement.steps,
        order_known=any(_ordered(run) for run in runs),
        signal="sequence",
        uses=uses,
        facts={"runs": len(uses)},
        note=(
            f"{len(uses)} runs at {destination} have {', '.join(agreement.steps)} in this order in common; the "
            "last step may be the door itself."
        ),
        pointers=tuple(pointer for use in uses for pointer in use.pointers)[:_POINTERS],
    )


def _use(run: Sequence[Contact]) -> Use:
    """Tell of one run."""
    return Use(
        source=run[0].source,
        entrant=run[0].source,
        start_us=run[0].time_us,
        end_us=run[-1].time_us,
        entry_us=None,
        steps=tuple(contact.step for contact in run),
        complete=None,
        pointers=tuple(
            Pointer("connections", *contact.places[0], contact.time_us) for contact in run if contact.places
        ),
    )


def _ordered(run: Sequence[Contact]) -> bool:
    """Tell whether the clock orders a run."""
    times = [contact.time_us for contact in run]
    return all(contact.exact for contact in run) and len(set(times)) == len(times)


DETECTION = Recurrence()
