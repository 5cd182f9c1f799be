"""Relayed signals: entries before which others sent something, and how often chance alone would make it look so."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import polars as pl

from knockwatch.clock import SECOND_US
from knockwatch.config import Thresholds
from knockwatch.inference.secrets import STEPS_MOST, agreements, contains
from knockwatch.inference.sessions import Contact, Use, by_source

QUIET_TIMES_MOST = 2_000
"""Stretches without an entry that are looked at, spread over all of the evidence."""


class Relays:
    """What quiet sources sent to a destination, whoever they are, at services other than the door.

    Only those count that touched few ports in all: a source that touches many is a scanner.
    """

    def __init__(self, group: pl.DataFrame, service: str, thresholds: Thresholds) -> None:
        self.thresholds = thresholds
        self.window_us = int(thresholds.door_relay_seconds * SECOND_US)
        self.sent = (
            group.filter(pl.col("accepted_us").is_null() & (pl.col("step") != service))
            .filter(pl.col("step").n_unique().over("source_ip") <= thresholds.door_relay_ports_max)
            .sort("time_us")
        )
        self._times = self.sent["time_us"]

    def secrets(self, bare: Sequence[Use]) -> list[tuple[tuple[str, ...], list[Use], float]]:
        """Find what entries without a signal of their own have in common with what others sent before them.

        Returns
        -------
        list of tuple
            Steps, the uses they come before, and how likely it is that chance alone put them before so many. Only
            steps that come before most of the entries: a door that opens without them is none.
        """
        if not bare or len(bare) > self.thresholds.door_relayed_sessions_max:
            return []
        uses = [use for use in map(self._use, bare) if use is not None]
        found = []
        for agreement in agreements([use.steps for use in uses]) if uses else []:
            mine = [uses[index] for index in agreement.uses]
            most = len(mine) >= self.thresholds.door_signalled_share * len(bare)
            sized = 1 < len(agreement.steps) <= self.thresholds.sequence_probes_max
            if sized and most:
                found.append((agreement.steps, mine, self._chance(agreement.steps, mine, bare)))
        return found

    def _use(self, bare: Use) -> Use | None:
        """Give an entry what others sent shortly before; None where nobody sent anything."""
        assert bare.entry is not None
        sent = self._between(bare.entry.time_us - self.window_us, bare.entry.time_us)
        if not sent:
            return None
        return Use(sent[-1].source, tuple(c.step for c in sent), tuple(sent), bare.entrant, bare.entry)

    def _between(self, start_us: int, end_us: int) -> list[Contact]:
        """Give the last that was sent in a stretch of time, in order."""
        sent = (contact for found in by_source(self._rows(start_us, end_us)).values() for contact in found)
        return sorted(sent, key=lambda contact: contact.time_us)

    def _rows(self, start_us: int, end_us: int) -> pl.DataFrame:
        """Select the last rows of a stretch of time."""
        first = self._times.search_sorted(start_us, side="left")
        last = self._times.search_sorted(end_us, side="right")
        return self.sent[max(first, last - STEPS_MOST) : last]

    def _chance(self, steps: Sequence[str], mine: Sequence[Use], bare: Sequence[Use]) -> float:
        """Work out how likely chance puts these steps before so many of the entries.

        How often they come in stretches of the same length before which nobody entered tells; where there are
        few such stretches, little is known, and chance stays likely.
        """
        entered = [use.entry.time_us for use in bare if use.entry is not None]
        starts = range(int(self._times[0]), int(self._times[-1]), self.window_us)
        starts = starts[:: max(1, len(starts) // QUIET_TIMES_MOST)]
        quiet = [
            start
            for start in starts
            if not any(
                start < at + self.window_us and at - self.window_us < start + self.window_us for at in entered
            )
        ]
        hits = sum(
            contains(self._rows(start, start + self.window_us)["step"].to_list(), steps) for start in quiet
        )
        often = (hits + 1) / (len(quiet) + 1)
        return min(1.0, comb(len(bare), len(mine)) * often ** len(mine))
