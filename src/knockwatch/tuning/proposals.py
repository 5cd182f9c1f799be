"""Proposed entries of the context, each with its evidence and what it would change; whose they are is asked.

Evidence tells that a source comes to the beat. It never tells that somebody may scan or knock: those are questions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from knockwatch.cases import Case
from knockwatch.cases.context import WHO_MAY_KNOCK, WHO_PROBES
from knockwatch.cases.context import Context as Site
from knockwatch.cases.hosts import user_names
from knockwatch.cases.story import address_order
from knockwatch.cases.wording import enumerated
from knockwatch.clock import SECOND_US
from knockwatch.config import Config, Context
from knockwatch.detections import Finding
from knockwatch.detections.knock_client import LABEL as CLIENT
from knockwatch.detections.port_scan import RULE as SCAN
from knockwatch.investigation import Investigation
from knockwatch.tuning.measure import DAY_US, Change, Known, Span
from knockwatch.tuning.visits import BOUT_US, beat, bouts, checks

MOST = 20
"""Sources of each kind that are proposed: what somebody answers in one sitting."""
CHECKS_MIN = 2
"""Fewest services that a source visits evenly, to be proposed though it causes no lead: one is a client's polling."""
RUNS_MIN = 3
"""Fewest knock clients that a user started, to be asked about: whoever has a door uses it again."""
_ANYBODY = frozenset({"root", "system", "administrator", "0"})
"""Users of every host: an entry of one would explain whoever took a host over."""
_UNITS = ((DAY_US, "day"), (3600 * SECOND_US, "hour"), (60 * SECOND_US, "minute"), (SECOND_US, "second"))


@dataclass(frozen=True)
class Suggestion:
    """An entry that the evidence suggests, before what it changes is measured."""

    key: str
    entry: str
    sentence: str
    question: str | None = None
    evidence: tuple[str, ...] = ()
    weight: tuple[int, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """An entry of the context.

    Parameters
    ----------
    key, entry
        The list it belongs to, as ``monitors``; an address, host or user.
    sentence
        What the evidence shows.
    question
        What to ask before it is written; None where the evidence is enough.
    evidence
        Where to look, as ``file:line``.
    change
        What it would change.
    """

    key: str
    entry: str
    sentence: str
    question: str | None
    evidence: tuple[str, ...]
    change: Change

    def to_json(self, span: Span) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return {
            "key": f"context.{self.key}",
            "entry": self.entry,
            "sentence": self.sentence,
            "question": self.question,
            "evidence": list(self.evidence),
            "change": self.change.to_json(span),
        }


def proposals(
    investigation: Investigation,
    findings: Sequence[Finding],
    cases: Sequence[Case],
    config: Config,
    known: Known,
) -> tuple[list[Proposal], int]:
    """Propose entries, at most `MOST` of a kind; gives them, and how many further sources suggested one.

    Parameters
    ----------
    findings, cases
        What the configuration gives as it stands.
    known
        Measures what an entry changes.
    """
    site = Site(config)
    # Whoever came in through a door is no monitor and no scanner, whatever else they do.
    entrants = {entry.source for case in cases if case.status == "alert" for entry in case.entries}
    leads = Counter(source for case in cases if case.status == "lead" for source in case.sources)
    monitors = [
        one
        for one in _monitors(investigation, config, leads)
        if one.entry not in entrants and not _is_known(site, (one.entry,))
    ]
    named = {one.entry for one in monitors}
    scanners = [
        one
        for one in _scanners(investigation, findings, config, leads)
        if one.entry not in entrants | named and not _is_known(site, (one.entry,))
    ]
    administrators = [one for one in _administrators(findings) if not _is_known(site, user_names(one.entry))]
    now = known.outcome(cases)
    proposed: list[Proposal] = []
    left_out = 0
    for suggestions in (monitors, scanners, administrators):
        ranked = sorted(
            suggestions, key=lambda one: (*(-part for part in one.weight), address_order(one.entry))
        )
        left_out += len(ranked[MOST:])
        for one in ranked[:MOST]:
            changed = with_entries(config, [(one.key, one.entry)])
            if changed is None:
                continue
            after = known.outcome(investigation.cases(findings, changed, quoted=False))
            proposed.append(_proposal(one, Change(now, after)))
    return proposed, left_out


def with_entries(config: Config, entries: Iterable[tuple[str, str]]) -> Config | None:
    """Add entries to a configuration's context; None where one is no entry, as a user's name may be."""
    lists: dict[str, Any] = config.context.model_dump()
    for key, entry in entries:
        lists[key] = (*lists[key], entry)
    try:
        return config.model_copy(update={"context": Context.model_validate(lists)})
    except ValidationError:
        return None


def _proposal(one: Suggestion, change: Change) -> Proposal:
    """Make a proposal; one that takes an alert away is a question too."""
    question = one.question
    if question is None and (change.gone or change.lost):
        question = "Is it yours? It would explain an alert: read that first."
    return Proposal(one.key, one.entry, one.sentence, question, one.evidence, change)


def _is_known(site: Site, names: Iterable[str]) -> bool:
    """Tell whether the configuration has an entry for somebody already."""
    keys = (*WHO_MAY_KNOCK, *WHO_PROBES)
    return any(site.lists[key].find(name) for name in names for key in keys)


def _monitors(investigation: Investigation, config: Config, leads: Mapping[str, int]) -> Iterator[Suggestion]:
    """Suggest who visits services to the beat, if they visit several or cause leads."""
    rows = investigation.engine.execute(checks(investigation.tables, config.thresholds)).sort(
        "source_ip", "destination_ip", "port", "visits", descending=[False, False, False, True]
    )
    by_source: dict[str, dict[tuple[str, str], dict[str, Any]]] = defaultdict(dict)
    for row in rows.iter_rows(named=True):
        step = row["protocol"] if row["port"] < 0 else f"{row['protocol']}/{row['port']}"
        by_source[row["source_ip"]].setdefault((row["destination_ip"], step), row)
    for source, services in by_source.items():
        if len(services) < CHECKS_MIN and not leads.get(source):
            continue
        steps = list(dict.fromkeys(step for _, step in services))
        hosts = {destination for destination, _ in services}
        first = next(iter(services.values()))
        usual = Counter(_every(row["beat_us"]) for row in services.values()).most_common(1)[0][0]
        fewest = min(row["visits"] for row in services.values())
        yield Suggestion(
            "monitors",
            source,
            f"checks {enumerated(steps, 4)} of {_count(len(hosts), 'host')} every {usual}, "
            f"{fewest} times or more, and is answered: a monitor.",
            evidence=(_place(investigation, first["file"], first["line"]),),
            weight=(leads.get(source, 0), len(services)),
        )


def _scanners(
    investigation: Investigation, findings: Sequence[Finding], config: Config, leads: Mapping[str, int]
) -> Iterator[Suggestion]:
    """Suggest who scanned; whether it was allowed to is the question."""
    scans = {finding.sources[0]: finding for finding in findings if finding.rule == SCAN.id}
    if not scans:
        return
    starts: dict[str, list[int]] = defaultdict(list)
    planned = investigation.prepared(config.thresholds)
    rows = investigation.engine.execute(bouts(planned.tables.made(), scans), planned.steps)
    for source, start in rows.select("source_ip", "time_us").iter_rows():
        starts[source].append(start)
    for source, scan in scans.items():
        usual = beat(starts[source], config.thresholds)
        often = len(starts[source])
        when = "once"
        if often > 1:
            when = f"in {often} bouts" + (f", every {_every(usual)}" if usual and usual > BOUT_US else "")
        ports, hosts = int(scan.facts["ports"]), int(scan.facts["destinations"])
        at = f"{_count(ports, 'port')} of {scan.destination}"
        if hosts > 1:
            at = f"up to {_count(ports, 'port')} of each of {_count(hosts, 'host')}"
        yield Suggestion(
            "scanners",
            source,
            f"was turned away at {at}, {when}: a scan.",
            "Is it a scanner of yours? A stranger's scan looks the same; never name a stranger.",
            tuple(_place(investigation, one.file, one.line) for one in scan.pointers[:1]),
            weight=(usual is not None, often, leads.get(source, 0), hosts, ports),
        )


def _administrators(findings: Sequence[Finding]) -> Iterator[Suggestion]:
    """Suggest to ask about users, or hosts where the user is everybody's, that start knock clients again and again."""
    runs: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.kind == "client" and finding.label == CLIENT and finding.host:
            runs[finding.user or "", finding.host].append(finding)
    for (user, host), started in runs.items():
        if len(started) < RUNS_MIN:
            continue
        days = len({finding.start_us // DAY_US for finding in started})
        anybody = user_names(user)[-1].lower() in _ANYBODY if user else True
        who = host if anybody else user
        by = f"{user or 'somebody'} on {host}" if anybody else f"on {host}"
        yield Suggestion(
            "administrators",
            who,
            f"{by} started knock clients {len(started)} times, on {_count(days, 'day')}.",
            f"Is {who} an administrator who may knock? An intruder's client looks the same.",
            weight=(days, len(started)),
        )


def _place(investigation: Investigation, file: int, line: int) -> str:
    """Say where a line stands."""
    return f"{investigation.workspace.evidence[file].name}:{line}"


def _every(pause_us: float) -> str:
    """Say a pause in its largest whole unit, as it would be set: 10 seconds, 5 minutes, 7 days."""
    for unit, word in _UNITS:
        count = round(pause_us / unit)
        # A unit is too coarse where rounding to it would change the pause by a tenth.
        if count and abs(count * unit - pause_us) <= pause_us / 10:
            return word if count == 1 else f"{count} {word}s"
    return f"{pause_us / SECOND_US:.1f} seconds"


def _count(count: int, noun: str) -> str:
    """Say how many."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
