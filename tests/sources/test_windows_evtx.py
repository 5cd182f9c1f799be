"""EVTX files: whole, cut, damaged, crafted and large."""

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.clock import Clock
from knockwatch.config import EvidenceSettings
from knockwatch.evidence import Evidence
from knockwatch.sources import Head, Reading
from knockwatch.sources.windows_evtx import SOURCE
from tests.evtx import CHUNK, HEADER, evtx
from tests.sources.reading import SAMPLES, Read, read, read_text

FOLDER = SAMPLES / "windows-evtx"
REAL = gzip.decompress((FOLDER / "Security_short_selected.evtx.gz").read_bytes())
EVENT = (
    "<Event><System><Provider Name='Microsoft-Windows-Security-Auditing'/><EventID>5157</EventID>"
    "<TimeCreated SystemTime='2026-11-22T11:23:40.{:06}Z'/><Computer>SRV1</Computer></System><EventData>"
    "<Data Name='Direction'>%%14592</Data><Data Name='SourceAddress'>198.51.100.7</Data>"
    "<Data Name='SourcePort'>50000</Data><Data Name='DestAddress'>203.0.113.10</Data>"
    "<Data Name='DestPort'>{}</Data><Data Name='Protocol'>6</Data></EventData></Event>"
)


def log(records: int) -> bytes:
    return evtx(EVENT.format(number, number) for number in range(1, records + 1))


def ports(found: Read) -> list[int]:
    return found.tables["connections"]["destination_port"].to_list() if "connections" in found.tables else []


def changed(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def test_a_real_log_tells_what_the_firewall_dropped_and_who_failed_to_log_in() -> None:
    found = read(SOURCE, FOLDER / "Security_short_selected.evtx.gz")
    first, *pings = found.rows("connections")
    wanted: dict[str, Any] = {
        "time": "2016-06-29T15:24:34.346000Z",
        "time_us": 1467213874346000,
        "source_ip": "23.94.153.202",
        "source_port": 59639,
        "destination_ip": "169.46.6.101",
        "destination_port": 3389,
        "protocol": "tcp",
        "outcome": "denied",
        "forwarded": False,
        "sensor": "temporal",
        "product": "Windows Filtering Platform",
        "rule": "FilterRTID=67607",
        "line": 1,
    }
    assert {name: first[name] for name in wanted} == wanted
    # One ping, once as the packet that was dropped and once as the connection, which names this host first.
    assert [(row["source_ip"], row["destination_ip"], row["icmp_type"]) for row in pings] == [
        ("169.46.118.42", "169.46.6.101", 8)
    ] * 2
    [failed] = found.rows("messages")
    assert failed["message"].startswith(
        "EventID=4625 LogonType=10 IpAddress=23.94.153.202 IpPort=60167 TargetUserName=Administrator "
    )
    assert found.records == 7


def test_only_the_magic_bytes_tell() -> None:
    assert SOURCE.confidence(Head(REAL[:100])) == 1.0
    assert SOURCE.confidence(Head(b"ElfChnk\0" + REAL[8:])) == 0.0


def test_a_log_of_many_chunks_is_read_in_order(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, log(2500))
    assert ports(found) == list(range(1, 2501))
    assert found.tables["connections"]["line"].to_list() == list(range(1, 2501))


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    """Every batch is of a few chunks, however many there are."""
    path = tmp_path / "evidence"
    chunks = log(60)[HEADER:]
    path.write_bytes(REAL[:HEADER] + chunks * (200 // (len(chunks) // CHUNK)))
    evidence = Evidence(0, path, "log")
    batches = list(SOURCE.read(Reading(evidence, Clock(), EvidenceSettings())))
    assert len(batches) > 5
    assert max(batch.records for batch in batches) <= 32 * 60
    assert evidence.bytes_read == path.stat().st_size


def test_chunks_that_were_never_used_say_nothing(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, log(3) + bytes(2 * CHUNK))
    assert (ports(found), found.problems, found.misfits.height) == ([1, 2, 3], [], 0)


def test_a_log_that_breaks_off_is_read_up_to_there(tmp_path: Path) -> None:
    whole = log(40)
    found = read_text(SOURCE, tmp_path, whole[: HEADER + 20_000])
    assert 5 < len(ports(found)) < 40
    assert ports(found) == list(range(1, len(ports(found)) + 1))
    assert "breaks off" in found.problems[0]


@pytest.mark.parametrize("size", [8, 100, HEADER - 1])
def test_a_log_cut_in_its_header_is_said_to_be(tmp_path: Path, size: int) -> None:
    found = read_text(SOURCE, tmp_path, REAL[:size])
    assert found.problems == ["the log breaks off in its header"]


def test_what_is_no_log_is_said_to_be_none(tmp_path: Path) -> None:
    assert read_text(SOURCE, tmp_path, b"x" * 10_000).problems == ["is no EVTX file"]


def test_a_damaged_chunk_costs_nothing_but_itself(tmp_path: Path) -> None:
    whole = log(300)
    assert len(whole) > HEADER + 3 * CHUNK
    broken = changed(whole, HEADER + CHUNK, b"\xff" * 600)
    found = read_text(SOURCE, tmp_path, broken)
    lost = set(range(1, 301)) - set(ports(found))
    assert 0 < len(lost) < 150
    assert found.misfits["text"].to_list() == ["chunk 2 of the log is damaged"]


def test_a_damaged_record_is_a_misfit(tmp_path: Path) -> None:
    at = REAL.index(b"**\0\0", HEADER + 512 + 100)
    found = read_text(SOURCE, tmp_path, changed(REAL, at + 24, b"\xee" * 200))
    assert found.misfits.height >= 1
    assert found.records == 7


def test_a_chain_of_names_that_bites_its_tail_is_refused(tmp_path: Path) -> None:
    """The parser would follow it for ever (evtx 0.14.0)."""
    table = HEADER + 128
    at = struct.unpack_from(
        "<I", REAL, next(at for at in range(table, table + 256, 4) if REAL[at : at + 4] != bytes(4))
    )
    found = read_text(SOURCE, tmp_path, changed(REAL, HEADER + at[0], struct.pack("<I", at[0])))
    assert found.misfits["text"].to_list() == ["chunk 1 of the log is damaged"]


def bytes_changed() -> st.SearchStrategy[list[tuple[int, bytes]]]:
    where = st.integers(HEADER, HEADER + 9000)
    return st.lists(st.tuples(where, st.binary(min_size=1, max_size=4)), min_size=1, max_size=6)


@given(changes=bytes_changed(), cut=st.none() | st.integers(HEADER, HEADER + 9000))
def test_no_damage_is_an_error(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, bytes]], cut: int | None
) -> None:
    data = REAL
    for at, value in changes:
        data = changed(data, at, value)
    found = read_text(SOURCE, tmp_path_factory.mktemp("evtx"), data[:cut])
    assert found.records or found.problems


def documents() -> Iterator[dict[str, Any]]:
    found = read(SOURCE, FOLDER / "documented.evtx.gz")
    for table in ("processes", "changes", "connections", "messages"):
        yield from found.rows(table)


def test_documented_events_read_as_they_are_documented() -> None:
    process, rule, listener, connection, service = documents()
    assert (process["image"], process["user"], process["pid"]) == (
        r"C:\Windows\System32\rundll32.exe",
        r"CONTOSO\dadmin",
        0x2BC,
    )
    changes = {row["kind"]: row for row in (rule, listener)}
    assert changes["rule-added"]["rule_text"].startswith('RuleName="Allow All Rule"')
    assert (changes["listener-opened"]["port"], changes["listener-opened"]["pid"]) == (4444, 4152)
    assert (connection["source_ip"], connection["destination_port"]) == ("10.0.0.100", 3333)
    assert service["message"].startswith("EventID=4697 ServiceName=AppHostSvc ")
