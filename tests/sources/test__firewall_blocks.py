"""Blocks of a firewall's log read by the compiled loop hold what reading line by line finds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knockwatch.clock import Clock
from knockwatch.config import EvidenceSettings
from knockwatch.evidence import Evidence, Lines
from knockwatch.sources import Batch, LineSource, Reading, _netfilter_loop, syslog
from knockwatch.sources._firewall_blocks import take
from knockwatch.sources.syslog import SOURCE
from tests.sources.compiled import interpreted

MAC = "MAC=aa:06:a8:ab:79:4c:76:df:0e:20:04:24:08:00 "
HEAD = "Nov 22 11:23:34 srv1 kernel: [ 1261.909192] IPT-DROP: IN=eth0 OUT= "
TCP = (
    "SRC=198.51.100.10 DST=203.0.113.10 LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID=6255 DF PROTO=TCP SPT=57292 "
    "DPT=7000 WINDOW=64240 RES=0x00 SYN URGP=0 "
)
UDP = (
    "SRC=198.51.100.10 DST=203.0.113.10 LEN=40 TOS=0x00 PREC=0x00 TTL=63 ID=6255 DF PROTO=UDP SPT=57292 "
    "DPT=53 LEN=20 "
)
ICMP = TCP[: TCP.index("PROTO")] + "PROTO=ICMP TYPE=8 CODE=0 ID=77 SEQ=1 "
V6 = (
    "SRC=2001:0db8:0000:0000:0000:0000:0000:0010 DST=2001:0db8:0000:0000:0000:0000:0000:0020 LEN=60 TC=0 "
    "HOPLIMIT=63 FLOWLBL=0 "
)

heads = st.sampled_from(
    [
        HEAD,
        HEAD.replace("Nov 22", "Nov  2"),
        HEAD.replace("Nov 22 11:23:34", "2026-11-22T11:23:34.201111+00:00"),
        HEAD.replace("[ 1261.909192] ", ""),
        HEAD.replace("[ 1261.909192]", "[12345.909192]"),
        HEAD.replace("IPT-DROP:", "[UFW BLOCK]"),
        HEAD.replace("IPT-DROP:", "knocked to ACCEPT"),
        HEAD.replace("IPT-DROP: ", ""),
        HEAD.replace("IPT-DROP:", "HELLO"),
        HEAD.replace("OUT= ", "OUT=eth1 "),
        HEAD.replace("kernel", "sshd"),
        HEAD.replace("srv1 kernel:", "srv1"),
        HEAD.replace("Nov 22 11:23:34", "Nov 31 11:23:34"),
        HEAD.replace("11:23:34", "11:63:34"),
        "<4>" + HEAD,
        "<4444>" + HEAD,
        HEAD.replace("Nov 22", "Feb 29"),
        HEAD.replace("Nov 22 11", "Nov 22 2026 11"),
        HEAD.replace("Nov 22 11:23:34", "2026-11-22 11:23:34,5Z"),
        HEAD.replace("Nov 22 11:23:34", "2026-11-22T11:23:34-05:30"),
        HEAD.replace("Nov 22 11:23:34", "2024-02-30T11:23:34"),
        HEAD.replace("Nov 22 11:23:34", "2204-02-03T11:23:34Z"),
        HEAD.replace("Nov 22 11:23:34", "2026-11-22T11:23:34.1234567Z"),
        HEAD.replace("IPT-DROP: IN", "Shorewall:net2fw:DROP:IN"),
        HEAD.replace("IPT-DROP: ", "LEN=1 DROP "),
        HEAD.replace("IPT-DROP: ", "  DROP  "),
        HEAD.replace("IN=eth0 OUT= ", "IN= OUT=eth1 "),
        HEAD.replace("OUT= ", ""),
        HEAD.replace("OUT= ", "PHYSIN=eth1 OUT=br0 PHYSOUT=eth2 "),
        HEAD.replace("srv1", "%ASA"),
        HEAD.replace("srv1", "caf\xe9"),
    ]
)
bodies = st.sampled_from(
    [
        TCP,
        MAC + TCP,
        MAC + UDP,
        MAC + TCP.replace(" DF", ""),
        MAC + TCP.replace(" DF", "").replace("SYN", "ACK SYN"),
        MAC + TCP.replace("SYN", "ACK PSH FIN"),
        MAC + TCP.replace("SYN ", ""),
        MAC + UDP.replace(" DF", ""),
        MAC + TCP.replace(" DF", " CE DF"),
        MAC + TCP.replace("DPT=7000", "DPT=70000"),
        MAC + TCP.replace("198.51.100.10", "198.51.100.300"),
        MAC + TCP.replace("SRC=198.51.100.10", "SRC=2001:db8::1"),
        MAC + TCP[: TCP.index(" WINDOW")],
        MAC + TCP[: TCP.index(" SPT") + 8],
        MAC + TCP.replace("PROTO=TCP", "PROTO=ICMP TYPE=8 CODE=0"),
        MAC + TCP.replace("TCP SPT", "TCP  SPT"),
        MAC + TCP + "MARK=0x1",
        MAC + TCP + "LEN=7 SRC=192.0.2.1",
        MAC + TCP + "SYN",
        MAC + TCP.replace("WINDOW", "SEQ=4294967295 ACK=17 WINDOW"),
        MAC + TCP.replace("LEN=60", "LEN=99999999999"),
        MAC + TCP.replace("LEN=60", "LEN=x"),
        MAC + TCP.replace("RES=0x00 SYN", "RES=0x00 CWR ECE ACK SYN"),
        MAC + TCP.replace("URGP=0 ", "URGP=0 OPT (020405B40402080A) "),
        MAC + TCP.replace("ID=6255 DF", "ID=6255 MF FRAG:0"),
        MAC + TCP.replace("ID=6255 DF", "ID=6255 CE MF"),
        MAC + TCP.replace("198.51.100.10", "198.051.100.10"),
        MAC + TCP.replace("198.51.100.10", "198.51.100"),
        MAC + TCP.replace("PROTO=TCP", "PROTO=6"),
        MAC + TCP.replace(" SPT", "\tSPT"),
        MAC + UDP.rstrip(),
        MAC + UDP[: UDP.index(" LEN=20")],
        MAC + UDP[: UDP.index(" LEN=20") + 1],
        MAC + ICMP,
        MAC + ICMP + "MTU=1400 ",
        MAC + ICMP.replace("ID=77", ""),
        MAC + ICMP + "[" + UDP + "] ",
        MAC + V6 + TCP[TCP.index("PROTO") :],
        MAC + V6.replace("HOPLIMIT=63 ", "") + TCP[TCP.index("PROTO") :],
        MAC
        + V6.replace("2001:0db8:0000:0000:0000:0000:0000:0010", "2001::db8::1")
        + TCP[TCP.index("PROTO") :],
        MAC + V6.replace("2001:0db8:0000", "::ffff:0db8") + TCP[TCP.index("PROTO") :],
        MAC + V6 + "PROTO=ICMPv6 TYPE=128 CODE=0 ID=9 SEQ=1 ",
        MAC
        + V6.replace("DST=2001:0db8:0000:0000:0000:0000:0000:0020", "DST=192.0.2.1")
        + TCP[TCP.index("PROTO") :],
        "",
    ]
)
lines = (
    st.builds(lambda head, body: head + body, heads, bodies) | st.just("") | st.just("caf\xe9 kernel: IN=")
)


@pytest.fixture(autouse=True)
def _large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "worthwhile", lambda size: True)


def reading(lean: bool, clock: Clock | None = None) -> Reading:
    clock = clock or Clock(newest=datetime(2026, 11, 22, tzinfo=UTC))
    return Reading(Evidence(0, Path(__file__), "x"), clock, EvidenceSettings(), lean=lean)


def rows(batch: Batch) -> list[dict[str, object]]:
    """Give the connections in order of line, without the text of times, which the short way leaves out."""
    found = batch.tables.get("connections", pl.DataFrame({"line": []}))
    dicts = found.sort("line").to_dicts()
    return [
        {name: value for name, value in row.items() if value is not None and name != "time"} for row in dicts
    ]


def told(batch: Batch) -> tuple[list[dict[str, object]], list[int], list[int], int]:
    """Give all that a batch says."""
    messages = batch.tables.get("messages")
    misfits = batch.misfits
    return (
        rows(batch),
        sorted(messages["line"]) if messages is not None else [],
        sorted(misfits["line"]) if misfits is not None else [],
        batch.records,
    )


def both(text: str, clock: Clock | None = None) -> tuple[Batch, Batch]:
    """Read a block the short way and line by line."""
    block = (text.encode(), 7)
    lean = reading(lean=True, clock=clock)
    return SOURCE.block(block, lean), LineSource.block(SOURCE, block, lean)


blocks = st.lists(lines, min_size=1, max_size=8).map(lambda texts: "".join(f"{text}\n" for text in texts))
fixtures = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@fixtures
@given(blocks)
def test_a_block_holds_what_its_lines_hold(text: str) -> None:
    short, general = both(text)
    assert told(short) == told(general)


@fixtures
@given(blocks, st.data())
def test_a_damaged_block_holds_what_its_lines_hold(text: str, data: st.DataObject) -> None:
    letters = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(letters) - 1))
        letters[at] = data.draw(st.sampled_from(b"\n\r\t\0 =[(0:.A\x7f"))
    short, general = both(letters.decode("utf-8", "replace") + "\n")
    assert told(short) == told(general)


@fixtures
@given(blocks, st.data())
def test_the_loop_stays_within_the_text_and_is_the_same_interpreted(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    block = np.frombuffer(text[cut:].encode(), np.uint8)
    height = text[cut:].count("\n")
    dated = data.draw(st.booleans())
    results = []
    for module in (_netfilter_loop, interpreted(_netfilter_loop)):
        found = np.empty((height, len(_netfilter_loop.COLUMNS)), np.int64)
        dates, rules, left = (np.zeros(shape, np.int64) for shape in (height, (256, 2), (height, 3)))
        taken, *others = module.read_block(block, dated, True, found, dates, rules, left)
        results.append((taken, others, found[:taken].tolist(), left[: others[-1]].tolist()))
    assert results[0] == results[1]


def test_lines_of_one_shape_are_all_taken() -> None:
    text = (HEAD + MAC + TCP + "\n") * 3 + HEAD + MAC + UDP + "\n"
    taken = take((text.encode(), 1), reading(lean=True))
    assert taken is not None
    found, left = taken
    assert found["line"].to_list() == [1, 2, 3, 4]
    assert found["destination_port"].to_list() == [7000, 7000, 7000, 53]
    assert not left.data


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_ends_of_line_do_not_matter(ending: str) -> None:
    short, general = both((HEAD + MAC + TCP + ending) * 2)
    assert told(short) == told(general)
    assert len(rows(short)) == 2


def test_a_zone_moves_the_short_way_too() -> None:
    clock = Clock(ZoneInfo("Europe/Berlin"), datetime(2026, 11, 22, tzinfo=UTC))
    short, general = both((HEAD + MAC + TCP + "\n") * 2, clock)
    assert told(short) == told(general)
    assert rows(short)[0]["time_us"] != rows(both((HEAD + MAC + TCP + "\n") * 2)[0])[0]["time_us"]


def test_a_line_too_long_to_trust_is_left() -> None:
    long = HEAD + MAC + TCP + "x" * (1 << 20)
    short, general = both(HEAD + MAC + TCP + "\n" + long + "\n")
    assert told(short) == told(general)
    assert short.misfits is not None
    assert short.misfits.height == 1


def test_bytes_that_are_no_text_are_counted() -> None:
    block = (f"{HEAD}{MAC}{TCP}\n".encode() + b"\xff\n", 1)
    assert SOURCE.block(block, reading(lean=True)).malformed == Lines.of(*block).malformed == 1
