"""FortiGate's traffic logs."""

from __future__ import annotations

import pytest

from knockwatch.clock import rfc3339
from knockwatch.sources import Head
from knockwatch.sources.bare_messages import SOURCE as BARE
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, UNANSWERED, UNKNOWN
from tests.sources.bodies.carried import CLOCK, bare, carried, columns, one
from tests.sources.reading import SAMPLES, read

LINE = (
    'date=2026-11-22 time=12:23:34 devname="fg 1" devid="FG1" logid="0000000013" type="traffic" subtype="forward" '
    'eventtime=1795346614123456789 tz="+0100" srcip=192.0.2.4 srcport=5 srcintf="a" dstip=203.0.113.9 dstport=80 '
    'dstintf="b" proto=6 action="deny" policyid=3'
)


def test_its_sample_is_read() -> None:
    found = read(BARE, SAMPLES / "fortigate" / "traffic.log", CLOCK)

    assert columns(found, "line", "protocol", "destination_port", "outcome", "forwarded") == [
        (1, "tcp", 7000, DENIED, True),
        (2, "udp", 8000, UNANSWERED, True),
        (3, "tcp", 9000, REFUSED, None),
        (4, "tcp", 22, ACCEPTED, None),
        (5, "icmp6", None, ACCEPTED, False),
    ]
    # Sessions are logged when they end; eventtime is in nanoseconds.
    assert [rfc3339(time) for (time,) in columns(found, "time_us")][3:] == [
        "2026-11-22T11:23:37.123456Z",
        "2026-11-22T11:23:46.123456Z",
    ]
    assert columns(found, "icmp_type", "icmp_code")[4] == (128, 0)
    assert columns(found, "source_ip", "rule")[3] == ("198.51.100.11", "all to dmz")


@pytest.mark.parametrize("header", ["Nov 22 11:23:34 fw1 ", "<189>", "", "Nov 22 11:23:34 ", "\ufeff<189>"])
def test_it_is_read_behind_any_header(header: str) -> None:
    found = carried(LINE, header=header) if header.startswith("Nov") else bare(header + LINE)
    row = one(found)

    assert (row["source_ip"], row["destination_port"], row["outcome"]) == ("192.0.2.4", 80, DENIED)
    assert rfc3339(row["time_us"]) == "2026-11-22T11:23:34.123456Z"
    assert row["sensor"] == "fg 1"


def test_seconds_are_read_as_seconds() -> None:
    row = one(bare(LINE.replace("1795346614123456789", "1795346614")))

    assert rfc3339(row["time_us"]) == "2026-11-22T11:23:34Z"


def test_without_eventtime_date_and_zone_tell() -> None:
    row = one(bare(LINE.replace("eventtime=1795346614123456789 ", "")))

    assert rfc3339(row["time_us"]) == "2026-11-22T11:23:34Z"


def test_without_any_zone_the_envelope_tells_it() -> None:
    text = LINE.replace('eventtime=1795346614123456789 tz="+0100" ', "")

    assert rfc3339(one(carried(text))["time_us"]) == "2026-11-22T11:23:34Z"
    assert rfc3339(one(bare(text))["time_us"]) == "2026-11-22T12:23:34Z"


def test_a_pair_inside_a_text_is_no_pair() -> None:
    row = one(bare(LINE.replace("srcip=", 'user="a srcip=192.0.2.99 b" srcip=')))

    assert row["source_ip"] == "192.0.2.4"


def test_commas_may_stand_between_pairs() -> None:
    row = one(bare(LINE.replace("fg 1", "fg1").replace(" ", ",")))

    assert (row["source_ip"], row["destination_port"], row["rule"]) == ("192.0.2.4", 80, "3")


def test_fortianalyzer_writes_its_own_keys_before() -> None:
    row = one(bare(f'itime=1795346614 devid="FG1" vd="root" {LINE}'))

    assert row["destination_port"] == 80


def test_what_the_device_sends_itself_does_not_make_its_peer_the_device() -> None:
    local = LINE.replace("forward", "local").replace('"deny"', '"accept"')

    assert one(bare(local))["forwarded"] is False
    assert one(bare(local.replace('srcintf="a"', 'srcintf="root"')))["forwarded"] is None


def test_an_action_that_nobody_knows_is_unknown() -> None:
    row = one(bare(LINE.replace('"deny"', '"dns"')))

    assert (row["outcome"], row["action"]) == (UNKNOWN, "dns")


@pytest.mark.parametrize(
    "text",
    [
        LINE.replace("dstport=80", "dstport=65536"),
        LINE.replace("dstport=80", "dstport=http"),
        LINE.replace("srcip=192.0.2.4", "srcip=192.0.2.400"),
        LINE.replace("srcip=192.0.2.4 ", ""),
        LINE[: LINE.index("80 ")],
        LINE[: LINE.index(" action")],
    ],
)
def test_damaged_lines_are_counted(text: str) -> None:
    found = bare(LINE, text)

    assert found.misfits["line"].to_list() == [2]
    assert len(found.rows("connections")) == 1


def test_other_logs_tell_of_no_connection() -> None:
    found = bare(
        LINE, 'date=2026-11-22 time=12:23:34 logid="0100032001" type="event" action="login" srcip=1.2.3.4'
    )

    assert found.misfits.is_empty()
    assert len(found.rows("connections")) == 1


def test_a_file_of_them_is_certain() -> None:
    assert BARE.confidence(Head(LINE.encode(), whole=True)) == 1
