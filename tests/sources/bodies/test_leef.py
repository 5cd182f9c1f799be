"""LEEF, 1.0 and 2.0."""

from __future__ import annotations

import pytest

from knockwatch.clock import rfc3339
from knockwatch.tables import ACCEPTED, DENIED
from tests.sources.bodies.carried import bare, carried, columns, one, sample

PAIRS = (
    "src=192.0.2.4",
    "srcPort=5",
    "dst=203.0.113.9",
    "dstPort=80",
    "proto=tcp",
    "action=deny",
    "msg=a b src=1.2.3.4",
)
TAB = "\t"


def leef(delimiter: str, header: str = "LEEF:1.0|Acme|Wall|1.0|77|", extra: str = "") -> str:
    return header + delimiter.join((*PAIRS, *([extra] if extra else [])))


def test_its_sample_is_read() -> None:
    found = sample("leef/vendors.log")

    assert columns(found, "line", "protocol", "destination_port", "outcome", "forwarded", "sensor") == [
        (1, "tcp", 7000, DENIED, True, "pa-edge"),
        (2, "udp", 8000, DENIED, None, "cp-gw"),
        (3, "tcp", 9000, DENIED, None, "flow1"),
        (4, "tcp", 22, ACCEPTED, None, "fw2"),
    ]
    assert [rfc3339(time) for (time,) in columns(found, "time_us")] == [
        "2026-11-22T11:23:34Z",
        "2026-11-22T11:23:35.520000Z",
        "2026-11-22T11:23:36Z",
        "2026-11-22T11:23:37Z",
    ]
    assert columns(found, "vendor", "rule")[0] == ("Palo Alto Networks", "interzone default")


@pytest.mark.parametrize(
    "text",
    [
        leef(TAB),
        leef(TAB, "LEEF:2.0|Acme|Wall|1.0|77|"),
        leef(TAB, "LEEF:2.0|Acme|Wall|1.0|77||"),
        leef("^", "LEEF:2.0|Acme|Wall|1.0|77|^|"),
        leef("^", "LEEF:2.0|Acme|Wall|1.0|77|x5E|"),
        leef(TAB, "LEEF:2.0|Acme|Wall|1.0|77|0x09|"),
        leef(";", "LEEF:2.0|Acme|Wall|1.0|77|0x003B|"),
        leef("|"),
        leef("|") + "|",
        leef("#011"),
        leef(r"\x09"),
        leef("<009>"),
        leef("^"),
        leef(TAB, "LEEF: 1.0|Acme|Wall|1.0|77|"),
    ],
)
def test_any_delimiter_may_stand_between_pairs(text: str) -> None:
    for found in (bare(text), carried(text)):
        row = one(found)

        assert (row["source_ip"], row["source_port"]) == ("192.0.2.4", 5)
        assert (row["destination_ip"], row["destination_port"]) == ("203.0.113.9", 80)
        assert (row["outcome"], row["vendor"], row["product"]) == (DENIED, "Acme", "Wall")


def test_blanks_are_taken_where_nothing_else_divides() -> None:
    row = one(bare("LEEF:1.0|Acme|Wall|1.0|deny|src=192.0.2.4 dst=203.0.113.9 msg=a b dstPort=80 proto=6"))

    assert (row["destination_port"], row["outcome"]) == (80, DENIED)


@pytest.mark.parametrize(
    "time",
    [
        "devTime=1795346614",
        "devTime=1795346614000",
        "devTime=Nov 22 2026 11:23:34 GMT",
        "devTime=2026-11-22T12:23:34+01:00",
        "devTime=22/11/2026 11:23:34\tdevTimeFormat=dd/MM/yyyy HH:mm:ss",
        "devTime=2026-11-22T12:23:34.000+0100\tdevTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
        "devTime=Nov 22 2026 11:23:34 GMT+00:00\tdevTimeFormat=MMM dd yyyy HH:mm:ss z",
    ],
)
def test_times_come_in_any_shape(time: str) -> None:
    assert rfc3339(one(bare(leef(TAB, extra=time)))["time_us"]) == "2026-11-22T11:23:34Z"


def test_a_shape_that_nobody_understands_leaves_the_envelopes_time() -> None:
    row = one(carried(leef(TAB, extra="devTime=week 47\tdevTimeFormat='week' ww")))

    assert rfc3339(row["time_us"]) == "2026-11-22T11:23:34Z"


@pytest.mark.parametrize(
    "text",
    [
        "LEEF:1.0|Acme|Wall|1",
        leef(TAB).replace("dstPort=80", "dstPort=65536"),
        leef(TAB).replace("203.0.113.9", "x.y"),
    ],
)
def test_damaged_events_are_counted(text: str) -> None:
    assert bare(leef(TAB), text).misfits["line"].to_list() == [2]


def test_events_without_two_ends_tell_of_no_connection() -> None:
    found = bare("LEEF:1.0|Acme|Wall|1.0|login|usrName=a\tsrc=192.0.2.4")

    assert found.misfits.is_empty()
    assert not found.rows("connections")
