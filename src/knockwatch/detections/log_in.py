"""Log-ins at hosts on which a knock daemon speaks: entries, if an opening came before, which is not decided here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import ibis
import polars as pl

from knockwatch.config import Thresholds
from knockwatch.detections import Finding, Pointer, Rule
from knockwatch.detections._daemon_phrases import phrases
from knockwatch.detections._log_ins import LOGGED_IN, log_ins

if TYPE_CHECKING:
    import ibis.expr.types as ir

_SAME_US = 2_000_000
"""How far two files may place one log-in apart: one may have whole seconds, and loggers write within a second."""

RULE = Rule(
    id="log-in",
    title="Log-in at a host with a knock daemon",
    description=(
        "Somebody logged in, as over SSH or to a remote desktop, at a host on which a knock daemon writes to the log. "
        "Right after the daemon opened a door for the same source it is the entry; on its own it says nothing and "
        "makes no case."
    ),
    labels=(LOGGED_IN,),
    attack=("T1205.001", "T1021.004"),
    data_sources=("Logon Session: Logon Session Creation",),
    tables=("messages",),
    false_positives=("Whoever may log in does so every day; only the opening before it makes it an entry.",),
    severity="low",
    confidence="low",
    references=(
        "https://attack.mitre.org/detectionstrategies/DET0302/",
        "https://github.com/openssh/openssh-portable/blob/master/auth.c",
    ),
)


class LogIn:
    """Finds log-ins from other hosts."""

    rule = RULE

    def candidates(self, tables: Mapping[str, ir.Table], thresholds: Thresholds) -> ir.Table:
        """Select log-ins, at hosts of which a knock daemon's lines are in the same evidence."""
        del thresholds
        messages = tables["messages"]
        rows = log_ins(messages).semi_join(_hosts_of_daemons(messages), "host")
        return rows.select("time_us", "file", "line", "host", "source", "source_port", user=rows.account)

    def findings(self, candidates: pl.DataFrame, thresholds: Thresholds) -> Iterator[Finding]:
        """Make one finding of each log-in, however many files tell of it."""
        del thresholds
        dated = candidates.drop_nulls("time_us").sort("time_us", "file", "line")
        last: dict[tuple[object, ...], Finding] = {}
        for row in dated.iter_rows(named=True):
            finding = _finding(row)
            if finding is None:
                continue
            key = (finding.host, finding.sources, row["source_port"], finding.user)
            known = last.get(key)
            if known is not None and finding.start_us - known.start_us <= _SAME_US:
                last[key] = replace(known, pointers=(*known.pointers, *finding.pointers))
                continue
            if known is not None:
                yield known
            last[key] = finding
        yield from last.values()


def _hosts_of_daemons(messages: ir.Table) -> ir.Table:
    """Name the hosts on which a knock daemon speaks, or whose kernel's log has one of the prefixes that tell of one.

    Whatever writes one of the phrases is looked at by the program's name first: most lines are of others, and every
    phrase tried on each of them would cost as much as the detection of daemons itself.
    """
    program: Any = messages.program
    message: Any = messages.message
    prefixes = "|".join(
        re.escape(marker) for marker in sorted({row.marker for row in phrases() if row.daemon == "kernel"})
    )
    speaks = ibis.cases(
        (program == "kernel", message.re_search(rf"^(?:\[ *[0-9.]+\] ?)?(?:{prefixes})")),
        else_=program.contains("knock") | program.contains("fwknop"),
    )
    return messages.filter(speaks).select("host").distinct()


def _finding(row: Mapping[str, Any]) -> Finding | None:
    """Tell of one log-in; None where its source is no address."""
    try:
        source = str(ip_address(row["source"]))
    except ValueError:
        return None
    return Finding(
        rule=RULE.id,
        label=LOGGED_IN,
        kind="daemon",
        leg="entry",
        start_us=row["time_us"],
        end_us=row["time_us"],
        sources=(source,),
        host=row["host"],
        user=row["user"] or None,
        pointers=(Pointer("messages", row["file"], row["line"], row["time_us"]),),
    )


DETECTION = LogIn()
