"""What knock daemons say in their logs: attempts, openings, failures, and that they run at all.

The specification's branch looks for words; `candidates` and `findings` read what knockd, fwknopd, knockknock,
CSF and others really write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import ibis
import polars as pl

from knockwatch.clock import SECOND_US
from knockwatch.config import Thresholds
from knockwatch.detections import Finding, Leg, Pointer, Rule, Signal
from knockwatch.detections._daemon_attempts import Attempt, Gathering
from knockwatch.detections._daemon_events import OWN_PROGRAMS, Event, events
from knockwatch.detections._daemon_phrases import phrases
from knockwatch.detections._kusto import dated, has_any, in_exact_case

if TYPE_CHECKING:
    import ibis.expr.types as ir

TRIGGERED = "KnockSequenceTriggered"
IN_PROGRESS = "KnockSequenceInProgress"
RUNNING = "KnockDaemonRunning"
GENERAL = "KnockdGeneralActivity"

_DAEMONS = ("knockd", "fwknopd")
_MENTIONS = (
    "knockd",
    "fwknop",
    "knock sequence",
    "OPEN SESAME",
    "Opening port",
    "Stage 1",
    "correct knock",
)
_TRIGGERS = ("Opening port", "OPEN SESAME", "correct knock", "sequence complete")
_STAGES = ("Stage 1", "Stage 2", "Stage 3")

_SIGNALS: Mapping[str, Signal] = {"knockd": "sequence", "fwknopd": "spa"}
_LONGEST_MESSAGE = 4000
"""Characters of a message that are looked at: every phrase stands at its start."""
_MOST_POINTERS = 20
"""Lines that are quoted for a daemon that merely runs."""
_TELLING = ("opened", "entered", "commanded", "failed", "command", "command-failed", "signal", "stage")

RULE = Rule(
    id="daemon-activity",
    title="Knock daemon in a log",
    description=(
        "A program that opens ports on a secret signal (knockd, fwknopd, knockknock, CSF, an nftables or iptables "
        "set with a telling prefix) writes of attempts, of doors it opens, or of having started."
    ),
    labels=(TRIGGERED, IN_PROGRESS, RUNNING, GENERAL),
    attack=("T1205.001", "T1205"),
    data_sources=("Application Log: Application Log Content", "Firewall: Firewall Rule Modification"),
    tables=("messages",),
    false_positives=(
        "An administrator's own door: knockd or fwknopd in front of SSH is common; declare it under [context] doors.",
        "Stage 1 alone: every scanner that touches the first port of a sequence leaves one.",
        "Packaging, configuration management and backups that name the daemons in their own messages.",
    ),
    severity="high",
    confidence="medium",
    references=(
        "https://attack.mitre.org/techniques/T1205/001/",
        "https://github.com/jvinet/knock",
        "https://github.com/mrash/fwknop",
    ),
    specification=True,
)


class DaemonActivity:
    """Finds what knock daemons write."""

    rule = RULE

    def specification(self, views: Mapping[str, ir.Table]) -> ir.Table:
        """Select the Syslog rows of the specification's first branch, with its columns and labels."""
        syslog = views["Syslog"]
        message: Any = syslog.SyslogMessage
        running = in_exact_case(syslog.ProcessName, _DAEMONS)
        rows = syslog.filter(dated(syslog.TimeGenerated), running | has_any(message, _MENTIONS))
        label = ibis.cases(
            (has_any(message, _TRIGGERS), TRIGGERED),
            (has_any(message, _STAGES), IN_PROGRESS),
            (running, RUNNING),
            else_=GENERAL,
        )
        return rows.select(
            "TimeGenerated", "Computer", "HostName", "ProcessName", "SyslogMessage", DetectionBranch=label
        )

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Select messages of the daemons, and others that hold what one of the phrases holds."""
        del thresholds
        messages = tables["messages"]
        program: Any = messages.program
        message: Any = messages.message
        kernel = [phrase.marker for phrase in phrases() if phrase.daemon == "kernel"]
        others = [phrase.marker for phrase in phrases() if phrase.daemon != "kernel"]
        wanted = ibis.cases(
            # Most lines of a firewall's log come from the kernel: an anchored pattern passes them over at once.
            (program == "kernel", message.re_search(rf"^(?:\[ *[0-9.]+\] ?)?(?:{_either(kernel)})")),
            (program.isin(OWN_PROGRAMS), ibis.literal(value=True)),
            else_=message.re_search(_either(others)),
        )
        return messages.filter(wanted).select(
            "time_us", "file", "line", "host", "program", message=message.substr(0, _LONGEST_MESSAGE)
        )

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Gather the lines to attempts, one finding each, and one for every daemon that says it runs."""
        gathering = Gathering.of(events(candidates.iter_rows(named=True)))
        for attempt in gathering.attempts:
            yield _of_attempt(attempt, gathering, int(thresholds.sequence_span_seconds * SECOND_US))
        for (daemon, host), told in gathering.running.items():
            yield _of_running(daemon, host, told)


def _of_attempt(attempt: Attempt, gathering: Gathering, span_us: int) -> Finding:
    """Judge one attempt by what the daemon said of it."""
    daemon, host, _ = attempt.door
    command = attempt.command or gathering.usual(attempt.door)
    # knockd has closing sequences too: OPEN SESAME of one of those shuts the door.
    shuts = attempt.answer == "opened" and command is not None and not command.opens
    obeyed = attempt.answer == "obeyed" and attempt.command is not None and attempt.command.opens
    conclusive = (attempt.answer == "opened" or obeyed) and not shuts and not attempt.command_failed
    leg: Leg = "entry" if attempt.answer == "entered" else "opening" if conclusive else "signal"
    goes_on = gathering.last_us[daemon, host] - attempt.end_us > span_us
    return Finding(
        rule=RULE.id,
        label=TRIGGERED if attempt.answer not in {None, "failed"} else IN_PROGRESS,
        kind="daemon",
        leg=leg,
        start_us=attempt.start_us,
        end_us=attempt.end_us,
        sources=(attempt.source,),
        destination=_destination(attempt),
        host=host,
        door=_door(attempt) or (command.door if command else None),
        door_name=attempt.fact("door_name"),
        complete=_complete(attempt, goes_on=goes_on),
        conclusive=conclusive,
        signal=_SIGNALS.get(daemon),
        facts={"stage": attempt.stage} if attempt.stage else {},
        note=_note(attempt, shuts=shuts),
        pointers=_pointers(attempt.events),
    )


def _complete(attempt: Attempt, *, goes_on: bool) -> bool | None:
    """Say whether the signal was complete: the daemon may say so, begin anew, or never speak of it again."""
    if attempt.answer is not None:
        return attempt.answer != "failed"
    return False if attempt.overtaken or (attempt.stage and goes_on) else None


def _door(attempt: Attempt) -> str | None:
    """Give the service that the daemon itself names."""
    port = attempt.fact("port") or (attempt.fact("destination_port") if attempt.answer == "entered" else None)
    return f"{attempt.fact('protocol') or 'tcp'}/{port}" if port else None


def _destination(attempt: Attempt) -> str | None:
    """Give the address acted upon; daemons write zeros for any."""
    address = attempt.fact("destination")
    return None if address in {"0.0.0.0", "::"} else address  # noqa: S104 - read, never bound


def _note(attempt: Attempt, *, shuts: bool) -> str:
    """Say in a sentence what the daemon wrote."""
    telling = _by_telling(attempt.events)[0]
    says = telling.spoken.phrase.says if telling.spoken else "was seen"
    daemon = "the kernel's log" if telling.daemon == "kernel" else telling.daemon
    door = f" for the door {name}" if (name := attempt.fact("door_name")) else ""
    stage = f" (stage {attempt.stage})" if attempt.stage and attempt.answer != "opened" else ""
    after = ""
    if shuts:
        after = "; its command shuts the door, it opens nothing"
    elif attempt.command_failed:
        after = "; its command failed, so the door may have stayed shut"
    return f"{daemon} says that {attempt.source} {says}{door}{stage}{after}."


def _of_running(daemon: str, host: str | None, told: list[Event]) -> Finding:
    """Tell that a daemon runs."""
    times = [event.time_us for event in told]
    where = f" on {host}" if host else ""
    return Finding(
        rule=RULE.id,
        label=RUNNING,
        kind="daemon",
        leg=None,
        start_us=min(times),
        end_us=max(times),
        host=host,
        note=f"{daemon} runs{where}: it writes to the log.",
        pointers=_pointers(told)[:_MOST_POINTERS],
    )


def _by_telling(told: list[Event]) -> list[Event]:
    """Sort events, the most telling first."""
    rank = {meaning: place for place, meaning in enumerate(_TELLING)}
    return sorted(told, key=lambda event: rank.get(event.meaning, len(rank)))


def _pointers(told: list[Event]) -> tuple[Pointer, ...]:
    """Point at the lines, the most telling first, and one line of each event before a second of any."""
    ranked = _by_telling(told)
    most = max(len(event.pointers) for event in ranked)
    return tuple(
        event.pointers[turn] for turn in range(most) for event in ranked if turn < len(event.pointers)
    )


def _either(markers: Iterable[str]) -> str:
    """Write a pattern that finds any of some texts."""
    return "|".join(re.escape(marker) for marker in sorted(set(markers)))


DETECTION = DaemonActivity()
