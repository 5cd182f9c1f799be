"""Connection events of conntrack."""

import json
import random
from itertools import permutations
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources import conntrack
from knockwatch.sources.conntrack import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

SAMPLE = SAMPLES / "conntrack" / "router.out"
FORTH, BACK = "src=198.18.7.9 dst=203.0.113.10", "src=203.0.113.10 dst=198.18.7.9"
PORTS, PORTS_BACK = "sport=4711 dport=22", "sport=22 dport=4711"


def _tcp(event: str, state: str, *, number: int = 7, at: float = 1795346618.5, mark: str = "") -> str:
    unreplied = "[UNREPLIED] " if mark == "UNREPLIED" else ""
    assured = "[ASSURED] " if mark == "ASSURED" else ""
    return (
        f"[{at:.6f}]\t{event:>9} ipv4     2 tcp      6 120 {state} {FORTH} {PORTS} {unreplied}"
        f"{BACK} {PORTS_BACK} {assured}id={number}\n"
    )


NEW = _tcp("[NEW]", "SYN_SENT", mark="UNREPLIED")


def _outcomes(folder: Path, *lines: str) -> list[str]:
    return [row["outcome"] for row in read_text(SOURCE, folder, "".join(lines)).rows("connections")]


def test_all_events_of_a_connection_are_one_row() -> None:
    rows = [row for row in read(SOURCE, SAMPLE).rows("connections") if row["source_ip"] == "198.51.100.10"]

    assert [(row["line"], row["destination_port"], row["outcome"]) for row in rows] == [
        (1, 7000, "unanswered"),
        (2, 8000, "unanswered"),
        (3, 9000, "unanswered"),
        (4, 22, "accepted"),
    ]
    entry = rows[3]
    assert (entry["time_us"], entry["time"]) == (1_795_346_620_135_177, "1795346620.135177")
    assert (entry["source_port"], entry["destination_ip"], entry["protocol"]) == (
        35044,
        "203.0.113.10",
        "tcp",
    )
    assert (entry["tcp_flags"], entry["vendor"], entry["product"]) == ("SYN", "Linux", "conntrack")
    assert (entry["forwarded"], entry["sensor"]) == (None, None)


def test_an_answered_echo_is_accepted_and_keeps_its_type() -> None:
    row = next(row for row in read(SOURCE, SAMPLE).rows("connections") if row["protocol"] == "icmp")

    assert (row["outcome"], row["icmp_type"], row["icmp_code"]) == ("accepted", 8, 0)
    assert (row["source_port"], row["destination_port"]) == (None, None)


def test_a_reset_of_the_first_packet_is_refused(tmp_path: Path) -> None:
    assert _outcomes(tmp_path, NEW, _tcp("[UPDATE]", "CLOSE"), _tcp("[DESTROY]", "CLOSE")) == ["refused"]


def test_a_reset_of_a_half_open_connection_was_accepted(tmp_path: Path) -> None:
    """A SYN scan takes the answer and resets: the port is open."""
    events = [NEW, _tcp("[UPDATE]", "SYN_RECV"), _tcp("[UPDATE]", "CLOSE"), _tcp("[DESTROY]", "CLOSE")]

    assert _outcomes(tmp_path, *events) == ["accepted"]


def test_a_connection_without_its_beginning_is_not_judged(tmp_path: Path) -> None:
    """The kernel picks up connections in their middle, where neither direction nor time is sure."""
    assert _outcomes(tmp_path, _tcp("[UPDATE]", "ESTABLISHED", mark="ASSURED")) == ["unknown"]
    assert _outcomes(tmp_path, _tcp("[NEW]", "ESTABLISHED", mark="UNREPLIED")) == ["unknown"]
    assert _outcomes(tmp_path, _tcp("[DESTROY]", "SYN_SENT", mark="UNREPLIED")) == ["unknown"]


def test_an_id_comes_again_after_its_end(tmp_path: Path) -> None:
    answered = [NEW, _tcp("[UPDATE]", "SYN_RECV"), _tcp("[DESTROY]", "TIME_WAIT", mark="ASSURED")]

    assert _outcomes(tmp_path, *answered, NEW) == ["accepted", "unanswered"]
    assert _outcomes(tmp_path, NEW, NEW) == ["unanswered", "unanswered"]


def test_without_ids_the_addresses_and_ports_hold_a_connection_together(tmp_path: Path) -> None:
    bare = [line.replace(" id=7", "") for line in (NEW, _tcp("[UPDATE]", "SYN_RECV"))]
    other = bare[0].replace("4711", "4712")

    assert sorted(_outcomes(tmp_path, bare[0], other, bare[1])) == ["accepted", "unanswered"]


def test_lines_without_time_and_family_are_read(tmp_path: Path) -> None:
    line = f"    [NEW] tcp      6 120 SYN_SENT {FORTH} {PORTS} [UNREPLIED] {BACK} {PORTS_BACK}\n"
    row = read_text(SOURCE, tmp_path, line).rows("connections")[0]

    assert SOURCE.confidence(head_of(tmp_path / "evidence")) == 1.0
    assert (row["time_us"], row["time"], row["outcome"]) == (None, None, "unanswered")


def test_microseconds_are_padded_behind(tmp_path: Path) -> None:
    """conntrack prints ``%-6ld``: 42 microseconds are ``42    ``."""
    row = read_text(SOURCE, tmp_path, NEW.replace(".500000", ".42    ")).rows("connections")[0]

    assert (row["time_us"], row["time"]) == (1_795_346_618_000_042, "1795346618.000042")


def test_counters_are_those_of_the_last_event(tmp_path: Path) -> None:
    end = (
        f"[1795346619.000000]\t[DESTROY] ipv4     2 udp      17 {FORTH} {PORTS} packets=3 bytes=180 "
        f"{BACK} {PORTS_BACK} packets=2 bytes=99 id=7\n"
    )
    begin = (
        f"[1795346618.000000]\t    [NEW] ipv4     2 udp      17 30 {FORTH} {PORTS} [UNREPLIED] "
        f"{BACK} {PORTS_BACK} id=7\n"
    )
    row = read_text(SOURCE, tmp_path, begin + end).rows("connections")[0]

    assert (row["packets_sent"], row["bytes_sent"]) == (3, 180)
    assert (row["packets_received"], row["bytes_received"]) == (2, 99)
    assert row["outcome"] == "accepted"


def test_lost_events_are_said(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, "WARNING: We have hit ENOBUFS! We are losing events.\n" + NEW)

    assert found.misfits.is_empty()
    assert "lost events" in found.problems[0]


@pytest.mark.parametrize(
    "line",
    [
        NEW.replace("198.18.7.9", "198.18.7.999"),
        NEW.replace("4711", "70000"),
        NEW[:90],
        "[1795346618.500000]\t    [NEW] ipv4     2 tcp\n",
    ],
)
def test_a_damaged_line_is_counted(tmp_path: Path, line: str) -> None:
    found = read_text(SOURCE, tmp_path, NEW + line.rstrip("\n") + "\n")

    assert found.misfits["line"].to_list() == [2]
    assert len(found.rows("connections")) == 1


def test_the_oldest_are_judged_when_too_many_are_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conntrack, "OPEN_CONNECTIONS", 3)
    lines = [_tcp("[NEW]", "SYN_SENT", number=number, mark="UNREPLIED") for number in range(10)]

    rows = read_text(SOURCE, tmp_path, "".join(lines)).rows("connections")

    assert [row["line"] for row in rows] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert {row["outcome"] for row in rows} == {"unanswered"}


@pytest.mark.parametrize("size", [333, 2_000, 9_000])
def test_where_the_blocks_are_cut_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    whole = read(SOURCE, SAMPLE).tables["connections"].sort("line")
    text = SAMPLE.read_bytes()
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    monkeypatch.setattr("knockwatch.evidence.Evidence.chunks", lambda _: iter(pieces))

    assert read_text(SOURCE, tmp_path, text).tables["connections"].sort("line").equals(whole)


def _shuffled(text: bytes, seed: int) -> bytes:
    lines = text.splitlines(keepends=True)
    random.Random(seed).shuffle(lines)
    return b"".join(lines)


def _facts(frame: pl.DataFrame) -> pl.DataFrame:
    """What does not name a line."""
    return frame.drop("file", "line", strict=False).sort(pl.all().exclude("payload_first_bytes"))


@pytest.mark.parametrize("size", [700, 9_000, 1_000_000])
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_the_order_of_the_lines_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, seed: int | None
) -> None:
    """Newest first, or in no order at all: each connection begins at its first event and ends as it ended."""
    whole = read(SOURCE, SAMPLE).tables["connections"]
    text = SAMPLE.read_bytes()
    text = _shuffled(text, seed) if seed is not None else b"".join(text.splitlines(keepends=True)[::-1])
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    monkeypatch.setattr("knockwatch.evidence.Evidence.chunks", lambda _: iter(pieces))

    assert _facts(read_text(SOURCE, tmp_path, text).tables["connections"]).equals(_facts(whole))


def test_an_end_that_stands_before_its_beginning_is_of_the_same_connection(tmp_path: Path) -> None:
    new, opened, end = (
        _tcp("[NEW]", "SYN_SENT", at=10.0, mark="UNREPLIED"),
        _tcp("[UPDATE]", "SYN_RECV", at=10.1),
        _tcp("[DESTROY]", "CLOSE", at=20.0),
    )
    again = _tcp("[NEW]", "SYN_SENT", at=30.0, mark="UNREPLIED")
    for lines in permutations((new, opened, end, again)):
        rows = read_text(SOURCE, tmp_path, "".join(lines)).rows("connections")
        assert sorted((row["time_us"], row["outcome"]) for row in rows) == [
            (10_000_000, "accepted"),
            (30_000_000, "unanswered"),
        ]


def test_what_cannot_be_remembered_of_a_file_without_order_is_unknown_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conntrack, "OPEN_CONNECTIONS", 3)
    lines = [
        _tcp("[NEW]", "SYN_SENT", number=number, at=100.0 - number, mark="UNREPLIED") for number in range(10)
    ]

    found = read_text(SOURCE, tmp_path, "".join(lines))

    assert sorted(row["outcome"] for row in found.rows("connections")) == 3 * ["unanswered"] + 7 * ["unknown"]
    assert "not in order of time: what became of 7 connections is unknown" in found.problems[0]


_WORDS = (
    "[NEW]",
    "[UPDATE]",
    "[DESTROY]",
    "src=",
    "dst=",
    "198.18.7.9",
    "sport=1",
    "dport=22",
    "id=",
    "tcp 6 ",
    "=",
    " ",
)


@given(st.lists(st.sampled_from(_WORDS) | st.text(max_size=5), max_size=25))
def test_any_line_is_an_event_or_a_misfit(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    line = " ".join(words).replace("\n", " ")
    found = read_text(SOURCE, tmp_path_factory.mktemp("words"), line + "\n")

    known = len(found.rows("connections")) + found.misfits.height
    assert known == (1 if line.strip() else 0)


@pytest.mark.corpus
def test_every_labelled_event_is_there_in_order(corpus: Path) -> None:
    """The edge sees each step unanswered, from its source and in its order, and each log-in accepted."""
    labels = json.loads((corpus / "lab-a" / "labels.json").read_text())
    rows = read(SOURCE, corpus / "lab-a" / "router-conntrack.out").tables["connections"].sort("line")
    opened = [event for event in labels if event["kind"] in ("knock", "failed", "spa") and event["observed"]]

    assert len(opened) == 63
    for event in opened:
        assert _missing(rows, event) == [], event["id"]


def _missing(rows: pl.DataFrame, event: dict[str, Any]) -> list[Any]:
    """What of an event's packets and log-in is not in the rows as it should be."""
    missing, line = [], 0
    at = pl.col("time_us") / 1e6
    mine = rows.filter(at.is_between(event["start"] - 1, event["end"] + 1))
    for moment, source, service in event["observed"]:
        protocol, _, port = service.partition("/")
        step = mine.filter(
            (pl.col("source_ip") == source)
            & (pl.col("protocol") == protocol)
            & (pl.col("destination_port").eq_missing(int(port) if port else None))
            & ((at - moment).abs() < 0.1)
            & (pl.col("line") > line)
        )
        if step.is_empty():
            missing.append(service)
            continue
        line = step["line"][0]
        if protocol != "icmp" and service not in ("tcp/80", "tcp/443", "tcp/8080"):
            missing += [(service, row) for row in step["outcome"] if row != "unanswered"]
    entry = event["connect"]
    there = mine.filter(
        (pl.col("source_ip") == entry.get("src", event["src"][-1]))
        & (pl.col("destination_port") == entry["port"])
        & ((at - entry["time"]).abs() < 2)
    )["outcome"].to_list()
    return missing if ("accepted" in there) is bool(entry["ok"]) else [*missing, (entry, there)]
