"""Syslog text in every shape, and hostile files through the whole of ingest."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.clock import Clock, rfc3339
from knockwatch.config import EvidenceSettings, TimeSettings
from knockwatch.errors import EvidenceError
from knockwatch.ingest import FileSummary, Workspace, ingest
from knockwatch.sources import Head
from knockwatch.sources.syslog import SOURCE, envelope
from tests.sources.reading import SAMPLES, read, read_text

RFC3164 = SAMPLES / "syslog" / "rfc3164.log"
CLOCK = Clock(newest=datetime(2026, 11, 22, 23, tzinfo=UTC))
BODY = (
    "IPT-DROP: IN=eth0 OUT= MAC=42:e5:fa:f4:25:62:06:58:56:90:44:00:08:00 SRC=198.51.100.10 DST=203.0.113.10 LEN=60 "
    "TOS=0x00 PREC=0x00 TTL=63 ID=58455 DF PROTO=TCP SPT=54910 DPT=7000 WINDOW=64240 RES=0x00 SYN URGP=0"
)


def _message(line: str, tmp_path: Path) -> dict[str, Any]:
    found = read_text(SOURCE, tmp_path, line + "\n", CLOCK)
    assert found.misfits.is_empty()
    return found.rows("messages")[0]


def _rows(workspace: Workspace, table: str) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(file) for file in workspace.files(table)])


def _ingest(
    workspace: Workspace, *paths: Path, settings: EvidenceSettings | None = None
) -> tuple[pl.DataFrame, list[FileSummary]]:
    ingest([str(path) for path in paths], settings or EvidenceSettings(), workspace)
    return _rows(workspace, "messages"), workspace.summaries


def _written(path: Path, data: str | bytes, modified: datetime | None = None) -> Path:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    if modified:
        os.utime(path, (modified.timestamp(), modified.timestamp()))
    return path


# --- shapes of a line


def test_a_time_without_a_year(tmp_path: Path) -> None:
    """Trap 7: syslog may lack a year."""
    row = _message("Nov 22 11:23:34 srv1 sshd[8856]: Server listening on 0.0.0.0 port 2200.", tmp_path)

    assert rfc3339(row["time_us"]) == "2026-11-22T11:23:34Z"
    assert row["time"] == "Nov 22 11:23:34"
    assert (row["host"], row["program"], row["pid"]) == ("srv1", "sshd", 8856)
    assert row["message"] == "Server listening on 0.0.0.0 port 2200."
    assert (row["facility"], row["severity"]) == (None, None)


def test_a_day_of_one_digit(tmp_path: Path) -> None:
    row = _message("Jun  8 14:34:33 sd-126005 sshd[1]: x", tmp_path)

    assert rfc3339(row["time_us"]) == "2026-06-08T14:34:33Z"


def test_a_year_after_the_day(tmp_path: Path) -> None:
    row = _message("Nov 22 2024 11:23:34 fw sshd: x", tmp_path)

    assert rfc3339(row["time_us"]) == "2024-11-22T11:23:34Z"
    assert (row["host"], row["program"], row["message"]) == ("fw", "sshd", "x")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-22T11:23:34.201111+00:00", "2026-11-22T11:23:34.201111Z"),
        ("2026-11-22T12:23:34+01:00", "2026-11-22T11:23:34Z"),
        ("2026-11-22T06:23:34-0500", "2026-11-22T11:23:34Z"),
        ("2026-11-22T11:23:34Z", "2026-11-22T11:23:34Z"),
        ("2026-11-22 11:23:34,201", "2026-11-22T11:23:34.201000Z"),
        ("2026-11-22T11:23:34", "2026-11-22T11:23:34Z"),
    ],
)
def test_an_iso_time_with_and_without_an_offset(tmp_path: Path, written: str, meant: str) -> None:
    """Trap 7: syslog may be ISO with offset."""
    row = _message(f"{written} srv1 knockd: 198.51.100.10: openSSH: OPEN SESAME", tmp_path)

    assert rfc3339(row["time_us"]) == meant
    assert (row["time"], row["host"], row["program"]) == (written, "srv1", "knockd")
    assert row["message"] == "198.51.100.10: openSSH: OPEN SESAME"


def test_a_priority_gives_facility_and_severity(tmp_path: Path) -> None:
    """Trap 7: syslog may carry <PRI>."""
    row = _message("<13>Nov 22 11:23:34 srv1 knockd[8801]: 198.51.100.10: openSSH: OPEN SESAME", tmp_path)

    assert (row["facility"], row["severity"]) == ("user", "notice")
    assert (row["program"], row["pid"]) == ("knockd", 8801)


def test_an_impossible_priority_names_no_facility(tmp_path: Path) -> None:
    row = _message("<999>Nov 22 11:23:34 srv1 knockd: x", tmp_path)

    assert row["facility"] is None
    assert row["message"] == "x"


def test_rfc_5424(tmp_path: Path) -> None:
    """Trap 7: syslog may be RFC 5424."""
    rows = read(SOURCE, SAMPLES / "syslog" / "rfc5424.log", CLOCK).rows("messages")

    assert [row["program"] for row in rows] == ["knockd", "knockd", "knockd", "kernel", "sshd"]
    assert [row["pid"] for row in rows] == [8801, 8801, 8801, None, 8856]
    assert (rows[1]["host"], rows[1]["facility"], rows[1]["severity"]) == ("srv1", "user", "notice")
    assert rows[1]["message"] == "198.51.100.10: openSSH: OPEN SESAME"


@pytest.mark.parametrize(
    "data", ["-", '[a b="c"]', '[a b="with \\"quotes\\" and \\] bracket"][d@1 e="f"]', "[a]"]
)
def test_rfc_5424_structured_data_is_no_part_of_the_message(tmp_path: Path, data: str) -> None:
    row = _message(f"<34>1 2026-11-22T11:23:34Z host knockd - ID47 {data} [not] data", tmp_path)

    assert row["message"] == "[not] data"
    assert row["program"] == "knockd"


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        ('[junos@2636.1 a="1"]', 'ID [junos@2636.1 a="1"]'),
        ('[a b="x] y\\]"][c d="2"]', 'ID [a b="x] y\\]"][c d="2"]'),
        ('[a b="1"] text', "text"),
        ('[a b="1"] text]', "text]"),
        ("- text [x]", "text [x]"),
        ("-", ""),
        ("- ", ""),
        ("[cut", "ID [cut"),
    ],
)
def test_rfc_5424_structured_data_is_the_message_where_none_follows(
    tmp_path: Path, tail: str, message: str
) -> None:
    (row,) = read_text(SOURCE, tmp_path, f"<14>1 2026-11-22T11:23:34Z fw RT_FLOW - ID {tail}\n").rows(
        "messages"
    )

    assert (row["host"], row["program"], row["message"]) == ("fw", "RT_FLOW", message)


@pytest.mark.parametrize(
    "message", ["%FTD-6-430003: a b", "1,2026/11/22 11:23:34,007", "date=2026-11-22 time=11:23:34"]
)
def test_a_firewall_may_leave_its_host_out(tmp_path: Path, message: str) -> None:
    (row,) = read_text(SOURCE, tmp_path, f"2026-11-22T11:23:34Z {message}\n").rows("messages")

    assert (row["host"], row["program"], row["message"]) == (None, None, message)


def test_rfc_5424_with_nil_for_everything(tmp_path: Path) -> None:
    row = _message("<34>1 2026-11-22T11:23:34Z - - - - -", tmp_path)

    assert (row["host"], row["program"], row["pid"], row["message"]) == (None, None, None, "")


def test_no_program_name(tmp_path: Path) -> None:
    """Trap 7: syslog may have no program name; a netfilter line without one is the kernel's."""
    found = read_text(SOURCE, tmp_path, f"Nov 22 11:23:34 srv1 [ 2719.233755] {BODY}\n", CLOCK)

    assert found.rows("messages")[0]["program"] == "kernel"
    connection = found.rows("connections")[0]
    assert (connection["destination_port"], connection["clock_us"]) == (7000, 2_719_233_755)


def test_a_message_without_a_program_that_is_no_netfilter_line_stays_without_one(tmp_path: Path) -> None:
    row = _message("Nov 22 11:23:34 srv1 something without a tag happened", tmp_path)

    assert row["program"] is None
    assert row["message"] == "something without a tag happened"


def test_one_file_may_hold_every_shape(tmp_path: Path) -> None:
    shapes = [file.read_text() for file in sorted((SAMPLES / "syslog").iterdir())]

    found = read_text(SOURCE, tmp_path, "".join(shapes), CLOCK)

    lines = [row["line"] for row in found.rows("messages")]
    assert lines == list(range(1, found.records + 1))
    assert found.misfits.is_empty()


def test_a_netfilter_line_is_both_a_message_and_a_connection() -> None:
    found = read(SOURCE, RFC3164, CLOCK)

    assert found.rows("connections")
    messages = {row["line"]: row for row in found.rows("messages")}
    for row in found.rows("connections"):
        assert messages[row["line"]]["program"] == "kernel"
        assert messages[row["line"]]["time_us"] == row["time_us"]


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8")), max_size=8))
def test_every_line_is_a_message_a_misfit_or_blank(texts: list[str]) -> None:
    import tempfile

    texts = [*texts, *(f"Nov 22 11:23:34 srv1 {text}" for text in texts), *(f"<1>1 {text}" for text in texts)]
    with tempfile.TemporaryDirectory() as folder:
        found = read_text(SOURCE, Path(folder), "\n".join(texts) + "\n", CLOCK)

    read_lines = {row["line"] for row in found.rows("messages")} | set(found.misfits["line"])
    full = {number for number, text in enumerate(texts, 1) if text.strip()}
    assert full - read_lines == set()


def test_the_envelope_of_no_lines_is_empty() -> None:
    lines = pl.DataFrame({"line": [1], "text": ["nothing"]})

    assert envelope(lines, None).is_empty()  # type: ignore[arg-type]


def test_confidence_leaves_room_for_the_specific() -> None:
    assert SOURCE.confidence(Head(RFC3164.read_bytes(), whole=True)) == pytest.approx(0.8)
    assert SOURCE.confidence(Head(b"no syslog\n", whole=True)) == 0


# --- years


NEW_YEAR = [
    "Dec 31 23:59:57 srv1 kernel: [ 2719.233755] " + BODY,
    "Dec 31 23:59:59 srv1 kernel: [ 2721.233755] " + BODY,
    "Jan  1 00:00:01 srv1 kernel: [ 2723.233755] " + BODY,
    "Jan  1 00:00:02 srv1 sshd[1]: Accepted publickey for root from 198.51.100.10 port 1 ssh2",
]
CROSSED = ["2025-12-31T23:59:57Z", "2025-12-31T23:59:59Z", "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"]


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_log_that_crosses_new_year(tmp_path: Path, workspace: Workspace, newest_first: bool) -> None:
    """Trap 7: syslog may lack a year and cross New Year. Trap 6: logs may be newest-first."""
    lines, expected = (NEW_YEAR[::-1], CROSSED[::-1]) if newest_first else (NEW_YEAR, CROSSED)
    path = _written(tmp_path / "log", "\n".join(lines) + "\n", datetime(2026, 1, 2, 8, tzinfo=UTC))

    messages, [summary] = _ingest(workspace, path)

    assert [rfc3339(time) for time in messages["time_us"]] == expected
    assert summary.assumed is not None
    assert "2026" in summary.assumed
    assert "modification time" in summary.assumed


def test_dated_evidence_beside_goes_before_the_time_of_copying(tmp_path: Path, workspace: Workspace) -> None:
    copied = datetime(2029, 6, 1, tzinfo=UTC)
    log = _written(tmp_path / "a.log", "\n".join(NEW_YEAR) + "\n", copied)
    dated = _written(tmp_path / "b.log", "2026-01-01T00:10:00+00:00 srv2 sshd[1]: x\n", copied)

    messages, _ = _ingest(workspace, log, dated)

    mine = messages.filter(pl.col("file") == 0)
    assert [rfc3339(time) for time in mine["time_us"]] == CROSSED
    assert "dated evidence" in str(workspace.summaries[0].assumed)


def test_the_configured_year_and_zone_go_before_all(tmp_path: Path, workspace: Workspace) -> None:
    path = _written(tmp_path / "log", NEW_YEAR[-1] + "\n", datetime(2026, 1, 2, tzinfo=UTC))
    settings = EvidenceSettings(time=TimeSettings(zone="Europe/Zurich", year=2020))

    messages, _ = _ingest(workspace, path, settings=settings)

    assert rfc3339(messages["time_us"][0]) == "2019-12-31T23:00:02Z"


def test_an_impossible_newest_day_does_not_stop_reading(tmp_path: Path, workspace: Workspace) -> None:
    path = _written(
        tmp_path / "log",
        "Feb 31 10:00:00 srv1 sshd: x\nFeb 20 10:00:00 srv1 sshd: y\nFeb 30 10:00:00 a b: c\n",
    )
    settings = EvidenceSettings(time=TimeSettings(year=2025))

    messages, [summary] = _ingest(workspace, path, settings=settings)

    assert messages["message"].to_list() == ["y"]
    assert summary.not_understood == 2


def test_a_leap_day_gets_a_year_that_has_one(tmp_path: Path, workspace: Workspace) -> None:
    path = _written(tmp_path / "log", "Feb 29 10:00:00 srv1 sshd: x\n", datetime(2026, 3, 1, tzinfo=UTC))

    messages, _ = _ingest(workspace, path)

    assert rfc3339(messages["time_us"][0]) == "2024-02-29T10:00:00Z"


@pytest.mark.parametrize(
    "line",
    [
        "Dec 31 9999 23:59:59 srv1 sshd: x",
        "9999-12-31T23:59:59Z srv1 sshd: x",
        "<13>1 9999-12-31T23:59:59Z srv1 sshd - - - x",
        "1969-12-31T23:59:59Z srv1 sshd: x",
        "2026-02-30T00:00:00Z srv1 sshd: x",
        "Nov 31 10:00:00 srv1 sshd: x",
    ],
)
def test_a_time_that_cannot_be_is_counted(tmp_path: Path, line: str) -> None:
    found = read_text(SOURCE, tmp_path, f"{line}\nNov 22 11:23:34 srv1 sshd: good\n", CLOCK)

    assert found.misfits.rows() == [(1, line)]
    assert [row["line"] for row in found.rows("messages")] == [2]


# --- hostile files


GOOD = RFC3164.read_bytes()
COUNT = GOOD.count(b"\n")


def test_nul_bytes_and_malformed_bytes_stay_in_their_line(tmp_path: Path, workspace: Workspace) -> None:
    odd = b"Nov 22 11:23:34 srv1 sshd[1]: nul \0 here\nNov 22 11:23:34 srv1 sshd[1]: caf\xe9 \xff\n\0\0\0\n"

    messages, [summary] = _ingest(workspace, _written(tmp_path / "log", odd + GOOD))

    assert messages["message"][0] == "nul \0 here"
    assert messages["message"][1] == "caf\\xe9 \\xff"
    assert messages.height == COUNT + 2
    assert summary.malformed_lines == 1
    assert (summary.not_understood, summary.lines) == (1, COUNT + 3)
    assert summary.example == {"line": 3, "text": "\0\0\0"}


def test_a_line_of_ten_megabytes_costs_nobody_else_anything(tmp_path: Path, workspace: Workspace) -> None:
    huge = b"x" * (10 << 20) + b"\n"

    messages, [summary] = _ingest(workspace, _written(tmp_path / "log", GOOD + huge + GOOD))

    assert messages.height == 2 * COUNT
    assert messages["line"].max() == 2 * COUNT + 1
    assert summary.not_understood == 1
    assert summary.example is not None
    assert summary.example["line"] == COUNT + 1


def test_an_empty_file_is_one_clear_sentence(tmp_path: Path, workspace: Workspace) -> None:
    with pytest.raises(EvidenceError, match="is empty"):
        ingest([str(_written(tmp_path / "empty", b""))], EvidenceSettings(), workspace)


def test_an_empty_file_beside_another_loses_nothing(tmp_path: Path, workspace: Workspace) -> None:
    _written(tmp_path / "empty", b"")
    _written(tmp_path / "log", GOOD)

    messages, summaries = _ingest(workspace, tmp_path)

    assert messages.height == COUNT
    assert summaries[0].problems == ["is empty"]


def test_binary_rubbish_is_counted(tmp_path: Path, workspace: Workspace) -> None:
    _written(tmp_path / "a", bytes(range(256)) * 400)
    _written(tmp_path / "log", GOOD)

    messages, summaries = _ingest(workspace, tmp_path)

    assert messages.height == COUNT
    assert summaries[0].format is None
    assert summaries[0].not_understood > 0


def test_the_last_line_needs_no_newline(tmp_path: Path, workspace: Workspace) -> None:
    """Trap 8: last line without newline."""
    messages, _ = _ingest(workspace, _written(tmp_path / "log", GOOD.rstrip(b"\n")))

    assert messages.height == COUNT


def test_windows_line_ends_are_no_part_of_a_message(tmp_path: Path, workspace: Workspace) -> None:
    messages, _ = _ingest(workspace, _written(tmp_path / "log", GOOD.replace(b"\n", b"\r\n")))

    assert not messages["message"].str.contains("\r").any()


_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


@pytest.mark.parametrize("packer", _PACKERS)
def test_a_compressed_file_gives_the_same_rows(tmp_path: Path, workspace: Workspace, packer: str) -> None:
    modified = datetime(2026, 11, 23, tzinfo=UTC)
    _written(tmp_path / "a.plain", GOOD, modified)
    _written(tmp_path / "b.packed", _PACKERS[packer](GOOD), modified)

    messages, summaries = _ingest(workspace, tmp_path)

    assert [summary.compression for summary in summaries] == [None, packer]
    plain, packed = (messages.filter(pl.col("file") == number).drop("file") for number in (0, 1))
    assert packed.rows() == plain.rows()
    assert plain.height == COUNT


@pytest.mark.parametrize("packer", _PACKERS)
def test_a_truncated_file_gives_what_stands_before_the_break(
    tmp_path: Path, workspace: Workspace, packer: str
) -> None:
    # Text that does not pack well, longer than any packer's block, so that whole blocks stand before the break.
    numbered = "".join(
        f"Nov 22 11:23:34 srv1 sshd[{n}]: {hash((n, 'x')):x} {n * n:x}\n" for n in range(40_000)
    )
    whole = _PACKERS[packer](numbered.encode())
    path = _written(tmp_path / "log", whole[: len(whole) * 3 // 4])

    messages, [summary] = _ingest(workspace, path)

    assert 10_000 < messages.height < 40_000
    assert messages["pid"].to_list()[:-1] == list(range(messages.height - 1))
    assert len(summary.problems) == 1
    assert "breaks off" in summary.problems[0]


def test_a_file_that_breaks_off_before_its_first_line_is_not_called_empty(
    tmp_path: Path, workspace: Workspace
) -> None:
    path = _written(tmp_path / "log", bz2.compress(GOOD)[:40])

    with pytest.raises(EvidenceError, match="breaks off"):
        ingest([str(path)], EvidenceSettings(), workspace)


# --- real files of others


def test_real_files_of_others_are_understood(corpus: Path) -> None:
    folder = corpus / "public" / "crowdsec-hub" / ".tests"
    for name in ("iptables-logs", "iptables-scan-multi-port", "ssh-bf", "pfsense-rfc5424-nginx"):
        found = read(SOURCE, folder / name / f"{name}.log", CLOCK)

        assert found.rows("messages"), name
        assert found.misfits.height <= 0.05 * found.records, name


def test_both_spellings_of_the_labs_log_say_the_same(corpus: Path) -> None:
    """Trap 7: RFC 3164 without a year, and ISO with offset, of the same messages."""
    short = read(SOURCE, corpus / "lab-a" / "srv1-syslog.log", CLOCK)
    iso = read(SOURCE, corpus / "lab-a" / "srv1-syslog.iso.log", CLOCK)

    told = ["line", "host", "program", "pid", "message"]
    assert short.tables["messages"].select(told).rows() == iso.tables["messages"].select(told).rows()
    seconds = pl.col("time_us") // 1_000_000
    assert short.tables["messages"].select(seconds).rows() == iso.tables["messages"].select(seconds).rows()
