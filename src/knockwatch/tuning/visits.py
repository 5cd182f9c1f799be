"""What the tables say of who comes to the beat and who scans in bouts; whether that is innocent is not said here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

import ibis

from knockwatch.clock import SECOND_US
from knockwatch.config import Thresholds
from knockwatch.detections._pairs import ICMP, PAIR, beginnings, turned_away
from knockwatch.detections._relevant import relevant
from knockwatch.tables import ACCEPTED

if TYPE_CHECKING:
    import ibis.expr.types as ir

BOUT_US = 3600 * SECOND_US
"""A source that was quiet for longer scans again, not still."""
_VISIT_US = 2 * SECOND_US
"""Rows this close are one visit: many recorders write whole seconds, and one visit is often told by several."""
_SERVICE = ("source_ip", "destination_ip", "protocol", "port")
_NO_PORT = -1


def checks(tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
    """Select the services that a source visits evenly and is answered at; as `inference.innocence` measures evenness.

    Parameters
    ----------
    tables
        The canonical tables.

    Returns
    -------
    ibis.expr.types.Table
        One row a source, service and recorder: `source_ip`, `destination_ip`, `protocol`, `port` (-1 of a ping),
        `visits`, `beat_us` (usual pause), `file` and `line` of the first visit.
    """
    rows = beginnings(_busy(tables, thresholds))
    rows = rows.filter(rows.protocol.isin(ICMP) | rows.destination_port.notnull())
    rows = rows.mutate(port=rows.destination_port.fill_null(_NO_PORT))
    counted = rows.group_by(_SERVICE).agg(
        rows=rows.count(), answered=(rows.outcome == ACCEPTED).ifelse(1, 0).sum()
    )
    often = counted.filter(counted.rows >= thresholds.monitor_cycles_min, counted.answered > 0)
    # Recorders' clocks differ: each tells a beat of its own.
    key = (*_SERVICE, "sensor")
    rows = rows.semi_join(often.select(*_SERVICE), _SERVICE).select(*key, "time_us", "file", "line")
    visits = _paused(rows, key)
    visits = visits.filter(visits.pause_us.isnull() | (visits.pause_us > _VISIT_US)).drop("pause_us")
    paused = _paused(visits, key)
    paused = paused.mutate(beat_us=paused.pause_us.median().over(ibis.window(group_by=key)))
    pause, beat = paused.pause_us, paused.beat_us
    even = ((pause - beat).abs() <= beat * thresholds.monitor_jitter_share).fill_null(
        ibis.literal(value=False)
    )
    time: Any = paused.time_us
    found = paused.group_by(key).agg(
        visits=paused.count(),
        pauses=pause.count(),
        even=even.ifelse(1, 0).sum(),
        beat_us=beat.max(),
        file=paused.file.argmin(time),
        line=paused.line.argmin(time),
    )
    return found.filter(
        found.visits >= thresholds.monitor_cycles_min,
        found.even >= thresholds.monitor_even_share * found.pauses,
    ).select(*_SERVICE, "visits", "beat_us", "file", "line")


def _busy(tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
    """Select the connections of pairs that may have enough visits."""
    rows = tables["connections"]
    counted = rows.group_by(PAIR).agg(rows=rows.count())
    return rows.semi_join(counted.filter(counted.rows >= thresholds.monitor_cycles_min), PAIR)


def bouts(tables: Mapping[str, ir.Table], sources: Iterable[str]) -> ir.Table:
    """Select when some sources, long quiet, began to be turned away again: `source_ip`, `time_us`."""
    rows = turned_away(relevant(tables))
    rows = rows.filter(rows.source_ip.isin(list(sources))).select("source_ip", "time_us")
    paused = _paused(rows, ("source_ip",))
    return paused.filter(paused.pause_us.isnull() | (paused.pause_us > BOUT_US)).drop("pause_us")


def beat(starts: Sequence[int], thresholds: Thresholds) -> int | None:
    """Give the usual pause between bouts; None where there are too few, or they keep to none."""
    pauses = [later - earlier for earlier, later in pairwise(sorted(starts))]
    if len(pauses) < 2:
        return None
    usual = int(median(pauses))
    even = sum(abs(pause - usual) <= thresholds.monitor_jitter_share * usual for pause in pauses)
    return usual if even >= thresholds.monitor_even_share * len(pauses) else None


def _paused(rows: ir.Table, key: Sequence[str]) -> ir.Table:
    """Add the time since the row before, of the same key."""
    time: Any = rows.time_us
    window = ibis.window(group_by=key, order_by=time)
    return rows.mutate(pause_us=time - time.lag().over(window))
