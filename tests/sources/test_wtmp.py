"""Records of log-ins."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.evidence import Evidence
from knockwatch.sources.wtmp import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

SAMPLE = SAMPLES / "wtmp" / "mixed"
DATA = SAMPLE.read_bytes()
SIZE = 384


def _record(
    kind: int = 7, user: bytes = b"bui", source: bytes = b"192.0.2.7", seconds: int = 1_795_346_620
) -> bytes:
    return struct.pack("<hxxi32s4s32s256s4xiIi36x", kind, 42, b"pts/0", b"ts/0", user, source, 0, seconds, 5)


def test_log_ins_attempts_and_boots_are_messages() -> None:
    assert [
        (row["line"], row["program"], row["message"]) for row in read(SOURCE, SAMPLE).rows("messages")
    ] == [
        (1, "wtmp", "system boot, kernel 6.1.0-18-amd64"),
        (3, "wtmp", "bui logged in on pts/0 from 198.51.100.10"),
        (4, "wtmp", "pts/0 logged out"),
        (5, "wtmp", "root logged in on pts/1 from 2001:db8:c::10"),
        (6, "wtmp", "root logged in on tty1"),
        (7, "btmp", "admin failed to log in on ssh:notty from 192.0.2.7"),
    ]


def test_times_have_their_microseconds() -> None:
    row = read(SOURCE, SAMPLE).rows("messages")[1]

    assert (row["time_us"], row["time"], row["pid"]) == (1_795_346_620_123_456, "1795346620.123456", 8123)


def test_a_name_is_kept_where_no_address_is_known(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, _record(source=b"host.example.org"))

    assert found.rows("messages")[0]["message"] == "bui logged in on pts/0 from host.example.org"


def test_a_cut_file_ends_in_a_misfit(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, DATA[:-100])

    assert found.misfits.rows() == [(7, "a record cut after 284 of 384 bytes")]
    assert len(found.rows("messages")) == 5


@pytest.mark.parametrize(
    "record", [_record(kind=77), _record(seconds=5), _record(user=b"\x1b[2J"), b"\xff" * SIZE]
)
def test_an_impossible_record_is_counted(tmp_path: Path, record: bytes) -> None:
    found = read_text(SOURCE, tmp_path, DATA + record + _record())

    assert found.misfits["line"].to_list() == [8]
    assert found.rows("messages")[-1]["line"] == 9


def test_empty_records_say_nothing(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, bytes(SIZE) + _record())

    assert (found.records, found.misfits.height, len(found.rows("messages"))) == (2, 0, 1)


def test_bytes_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, _record(user=b"b\xfc"))

    assert found.rows("messages")[0]["message"].startswith("b\\xfc logged in")


@pytest.mark.parametrize("data", [b"", b"x" * 10, bytes(SIZE * 2), b"\x07\x00 text of some kind " * 40])
def test_other_files_are_not_ours(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)

    assert SOURCE.confidence(head_of(path)) == 0


def test_where_the_pieces_are_cut_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(SOURCE, SAMPLE).rows("messages")
    pieces = [DATA[start : start + 100] for start in range(0, len(DATA), 100)]
    monkeypatch.setattr(Evidence, "chunks", lambda _: iter(pieces))

    assert read(SOURCE, SAMPLE).rows("messages") == whole


@given(
    st.lists(st.binary(min_size=SIZE, max_size=SIZE) | st.just(DATA[SIZE * 2 : SIZE * 3]), max_size=5),
    st.binary(),
)
def test_any_bytes_are_read_or_counted(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], rest: bytes
) -> None:
    data = b"".join(records) + rest
    found = read_text(SOURCE, tmp_path_factory.mktemp("wtmp"), data)

    assert found.records == -(-len(data) // SIZE)
    assert len(found.rows("messages")) + found.misfits.height <= found.records
