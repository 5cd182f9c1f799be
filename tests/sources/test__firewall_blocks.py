"""Blocks of a firewall's log read at once hold what reading line by line finds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.clock import Clock
from knockwatch.config import EvidenceSettings
from knockwatch.evidence import Evidence, Lines
from knockwatch.sources import Batch, LineSource, Reading
from knockwatch.sources._firewall_blocks import take
from knockwatch.sources.syslog import SOURCE

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
        "",
    ]
)
lines = (
    st.builds(lambda head, body: head + body, heads, bodies) | st.just("") | st.just("caf\xe9 kernel: IN=")
)


def reading(lean: bool, clock: Clock | None = None) -> Reading:
    clock = clock or Clock(newest=datetime(2026, 11, 22, tzinfo=UTC))
    return Reading(Evidence(0, Path("x"), "x"), clock, EvidenceSettings(), lean=lean)


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


@given(st.lists(lines, min_size=1, max_size=8))
def test_a_block_holds_what_its_lines_hold(texts: list[str]) -> None:
    short, general = both("".join(f"{text}\n" for text in texts))
    assert told(short) == told(general)


def test_lines_of_one_shape_are_all_taken() -> None:
    text = (HEAD + MAC + TCP + "\n") * 3 + HEAD + MAC + UDP + "\n"
    taken = take((text.encode(), 1), reading(lean=True))
    assert taken is not None
    found, left = taken
    assert found["line"].to_list() == [1, 2, 3, 4]
    assert found["destination_port"].to_list() == [7000, 7000, 7000, 53]
    assert not left.any()


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
