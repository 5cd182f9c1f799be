"""Findings to cases: stories, judged, explained, compared with what the site knows, and quoted; most urgent first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from knockwatch.cases import Case, Quote, Status
from knockwatch.cases.context import Context, Knowledge
from knockwatch.cases.door_verdict import judge_door
from knockwatch.cases.doors import lateral
from knockwatch.cases.explain import explanation, innocent, missing
from knockwatch.cases.grouping import stories
from knockwatch.cases.score import Verdict, judge
from knockwatch.cases.story import Story, address_order
from knockwatch.cases.waiting import is_waiting, judge_waiting
from knockwatch.cases.wording import enumerated
from knockwatch.clock import rfc3339
from knockwatch.config import Config
from knockwatch.detections import UNTIMED_US, Finding, Leg, Pointer, Rule, detections
from knockwatch.guidance import name_guidance
from knockwatch.tables import FINGERPRINT

QUOTES = 50
"""Most lines that a case quotes: what a reader can look through; the files hold the rest."""
LEADS = 10_000
"""Most leads: more than anyone will look through; a flood of runs from spoofed sources must not fill memory."""
TECHNIQUE = "T1205.001"
Place = tuple[int, int]
"""File number and line."""
Told = tuple[Leg | None, Pointer]
"""A line of evidence and the leg it is evidence for."""
URGENCY: tuple[Status, ...] = ("alert", "lead", "suppressed")


def build(
    findings: Iterable[Finding],
    config: Config,
    quotes: Callable[[Iterable[Pointer]], Mapping[Place, str]],
    file_name: Callable[[Pointer], str],
    rules: Mapping[str, Rule] | None = None,
    learned: Mapping[str, Sequence[str]] | None = None,
    incomplete: frozenset[int] = frozenset(),
    problems: list[str] | None = None,
) -> list[Case]:
    """Build the cases of an investigation.

    Parameters
    ----------
    findings
        What the detections say, in any order.
    config
        The site's configuration: its context and hosts are used.
    quotes
        Gives the texts of lines of evidence, by file number and line; called once.
    file_name
        Gives the name of the file, or table, that a row stands in.
    rules
        Id to rule, for techniques, severities and innocent explanations; None for all there are.
    learned
        Host name to addresses, as evidence tells.
    incomplete
        Numbers of the files whose recorder leaves lines out when many come.
    problems
        Takes a sentence where there are more than `LEADS` leads: those of the highest score, then the latest, are kept.

    Returns
    -------
    list
        Alerts, then leads, then what context explains; within them the highest score and the latest first.
    """
    if rules is None:
        rules = {detection.rule.id: detection.rule for detection in detections()}
    context = Context(config, learned)
    cases: list[Case] = []
    told: list[tuple[Case, list[Told]]] = []
    judged = ((story, _judged(story, rules)) for story in stories(findings, context.hosts))
    for story, verdict in _bounded(judged, problems if problems is not None else []):
        case = _case(story, verdict, context.of(story), rules)
        lines = _telling(story)
        if (more := len(lines) - QUOTES) > 0:
            case.explanation.append(f"{QUOTES} lines of evidence are quoted, {more} more are not.")
        if limited := {pointer.file: pointer for _, pointer in lines if pointer.file in incomplete}:
            names = enumerated(file_name(limited[number]) for number in sorted(limited))
            case.missing.append(
                f"steps that {names} may lack: its firewall logs few lines a minute (ufw logging full)"
            )
        cases.append(case)
        told.append((case, lines[:QUOTES]))
    texts = quotes(pointer for _, lines in told for _, pointer in lines)
    for case, lines in told:
        case.evidence = [
            Quote(
                leg,
                pointer.table,
                file_name(pointer),
                pointer.line if pointer.line < FINGERPRINT else 0,
                rfc3339(pointer.time_us),
                texts.get((pointer.file, pointer.line), ""),
            )
            for leg, pointer in lines
        ]
    name_guidance(cases)
    return in_order(cases)


def in_order(cases: Iterable[Case]) -> list[Case]:
    """Sort cases, the most urgent first: by status, score, last time seen, id."""
    by_id = sorted(cases, key=lambda case: case.id)
    latest = sorted(by_id, key=lambda case: case.last_seen or "", reverse=True)
    return sorted(latest, key=lambda case: (URGENCY.index(case.status), -case.score))


def _judged(story: Story, rules: Mapping[str, Rule]) -> Verdict:
    """Judge a story by what sort it is of."""
    if story.kind == "door":
        return judge_door(story)
    return judge_waiting(story) if is_waiting(story) else judge(story, rules)


def _bounded(judged: Iterable[tuple[Story, Verdict]], problems: list[str]) -> list[tuple[Story, Verdict]]:
    """Keep every alert, and of the leads no more than can be looked through."""
    kept: list[tuple[Story, Verdict]] = []
    leads: list[tuple[Story, Verdict]] = []
    for story, verdict in judged:
        (leads if verdict.status == "lead" else kept).append((story, verdict))
    if len(leads) > LEADS:
        problems.append(
            f"{len(leads) - LEADS:,} of {len(leads):,} leads are left out, those of the lowest score and the longest "
            "ago; their findings are in findings.parquet: --since and --until look at less at a time"
        )
        latest = {story.id: max((one.end_us for one in story.findings), default=0) for story, _ in leads}
        leads.sort(key=lambda lead: (-lead[1].score, -latest[lead[0].id], lead[0].id))
        del leads[LEADS:]
    return kept + leads


def _case(story: Story, verdict: Verdict, knowledge: Knowledge, rules: Mapping[str, Rule]) -> Case:
    """Write a story as a case, without its quotes."""
    fired = sorted({finding.rule for finding in story.findings})
    timed = [finding for finding in story.findings if finding.end_us != UNTIMED_US]
    techniques = {technique for rule in fired if rule in rules for technique in rules[rule].attack}
    return Case(
        id=story.id,
        kind=story.kind,
        status=_status(verdict, knowledge),
        suppressed_by=knowledge.suppressed_by,
        severity=verdict.severity,
        confidence=verdict.confidence,
        score=verdict.score,
        signal=story.signal,
        sources=sorted(story.sources, key=address_order),
        destination=story.destination,
        host=story.host,
        sequence=list(story.sequence),
        order_known=story.order_known,
        door=story.door,
        lateral=lateral(story),
        attempts=[knock.attempt() for knock in story.knocks],
        entries=story.entries,
        first_seen=rfc3339(min((finding.start_us for finding in timed), default=None)),
        last_seen=rfc3339(max((finding.end_us for finding in timed), default=None)),
        legs=story.legs,
        rules=fired,
        attack=sorted(techniques) or [TECHNIQUE],
        score_parts=verdict.score_parts,
        innocent_explanations=innocent(story, rules),
        missing=missing(story),
        explanation=explanation(story, knowledge),
    )


def _status(verdict: Verdict, knowledge: Knowledge) -> Status:
    """Apply what the site knows to a verdict."""
    if knowledge.suppressed_by:
        return "suppressed"
    opened = [actor for actor, _ in knowledge.known if actor.opened]
    if opened and not any(actor.opened for actor in knowledge.unknown):
        # All who got in may; strangers that tried the door and failed are worth keeping, not worth waking anyone.
        return "lead"
    return verdict.status


def _telling(story: Story) -> list[Told]:
    """List the lines of evidence, each once: the best of every finding first, conclusive findings before others."""
    ranked = [
        (rank, not finding.conclusive, finding.complete is None, index, finding.leg, pointer)
        for index, finding in enumerate(story.findings)
        for rank, pointer in enumerate(finding.pointers)
    ]
    ranked.sort(key=lambda line: line[:4])
    lines: dict[tuple[int, int], Told] = {}
    for *_, leg, pointer in ranked:
        lines.setdefault((pointer.file, pointer.line), (leg, pointer))
    return list(lines.values())
