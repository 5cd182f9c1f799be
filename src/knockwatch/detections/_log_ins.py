"""Successful log-ins in the lines of programs: which lines tell of one, of whom and from where; nothing is judged.

What each program writes is data, `content/log_ins.csv`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import ibis

if TYPE_CHECKING:
    import ibis.expr.types as ir

LOGGED_IN = "SuccessfulLogIn"
"""Label of the findings that tell of log-ins."""

_LOOPBACK = r"^(?:127\.|::1$)"


@dataclass(frozen=True)
class Line:
    """How a program tells of a log-in.

    Parameters
    ----------
    programs
        Who writes such lines.
    succeeded
        Pattern of the lines.
    source
        Pattern whose groups are the source's address and port; the latter is empty where no line has one.
    account
        Pattern whose group is the account.
    protocol, port
        The service, unless a connection with the same source says otherwise; no port where the line may be about any.
    """

    programs: tuple[str, ...]
    succeeded: str
    source: str
    account: str
    protocol: str
    port: int | None


@cache
def lines() -> tuple[Line, ...]:
    """Load the table."""
    text = (files("knockwatch.content") / "log_ins.csv").read_text("utf-8")
    return tuple(
        Line(
            tuple(row["programs"].split()),
            row["succeeded"],
            row["source"],
            row["account"],
            row["protocol"],
            int(row["port"]) if row["port"] else None,
        )
        for row in csv.DictReader(text.splitlines())
    )


def log_ins(messages: ir.Table) -> ir.Table:
    """Select the lines that tell of a successful log-in from another host.

    Returns
    -------
    ibis.expr.types.Table
        Their rows, with `source`, `source_port` (text, may be empty), `account` (may be empty), `protocol` and `port`.
    """
    known = lines()
    programs = sorted({program for line in known for program in line.programs})
    written = messages.filter(messages.program.isin(programs))
    program: Any = written.program
    message: Any = written.message
    which = ibis.cases(
        *(
            (program.isin(line.programs) & message.re_search(line.succeeded), index)
            for index, line in enumerate(known)
        )
    )
    found = written.mutate(log_in=which)
    found = found.filter(found.log_in.notnull())
    said: Any = found.message

    def told(part: Any) -> Any:
        return ibis.cases(*((found.log_in == index, part(line)) for index, line in enumerate(known)))

    rows = found.mutate(
        source=told(lambda line: said.re_extract(line.source, 1)),
        source_port=told(lambda line: said.re_extract(line.source, 2)),
        account=told(lambda line: said.re_extract(line.account, 1)),
        protocol=told(lambda line: ibis.literal(line.protocol)),
        port=told(
            lambda line: ibis.null("int32") if line.port is None else ibis.literal(line.port, type="int32")
        ),
    )
    source: Any = rows.source
    return rows.filter(source != "", ~source.re_search(_LOOPBACK)).drop("log_in")
