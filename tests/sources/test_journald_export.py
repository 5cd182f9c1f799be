"""The journal's export format."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.evidence import MAX_LINE, Evidence, text_of
from knockwatch.sources import journald_json
from knockwatch.sources.journald_export import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

SAMPLE = SAMPLES / "journald-export" / "lab.export"
TIME = b"__REALTIME_TIMESTAMP=1795346618710860\n"


def _binary(name: bytes, value: bytes) -> bytes:
    return name + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"


def test_both_exports_of_one_journal_say_the_same() -> None:
    export = read(SOURCE, SAMPLE)
    as_json = read(journald_json.SOURCE, SAMPLES / "journald-json" / "lab.json")

    def told(rows: list[dict[str, object]]) -> list[dict[str, object]]:
        return [{key: value for key, value in row.items() if key != "line"} for row in rows]

    # Only the JSON leaves out what is long: that is the last entry's message.
    assert told(export.rows("messages"))[:-1] == told(as_json.rows("messages"))[:-1]
    assert told(export.rows("connections")) == told(as_json.rows("connections"))
    assert export.rows("messages")[-1]["message"] == "x" * 5000
    assert export.misfits.is_empty()


def test_the_line_of_an_entry_is_where_its_message_stands() -> None:
    rows = read(SOURCE, SAMPLE).rows("messages")

    quoted = text_of(Evidence(0, SAMPLE, ""), [row["line"] for row in rows], limit=10_000)

    for row in rows:
        text = quoted[row["line"]]
        first = row["message"].split("\n")[0]
        assert text == f"MESSAGE={row['message']}" or text.endswith(first)


@given(
    st.lists(
        st.tuples(st.sampled_from(["MESSAGE", "_HOSTNAME", "OTHER"]), st.binary(max_size=40)), max_size=6
    )
)
def test_any_bytes_come_through_a_binary_field(fields: list[tuple[str, bytes]]) -> None:
    import tempfile

    data = TIME + b"".join(_binary(name.encode(), value) for name, value in fields) + b"\n"
    with tempfile.TemporaryDirectory() as folder:
        found = read_text(SOURCE, Path(folder), data + TIME + b"MESSAGE=after\n\n")

    messages = [value.decode("utf-8", "backslashreplace") for name, value in fields if name == "MESSAGE"]
    assert [row["message"] for row in found.rows("messages")] == [
        "\n".join(messages) if messages else None,
        "after",
    ]
    assert found.rows("messages")[1]["line"] == data.count(b"\n") + 2
    assert found.misfits.is_empty()


@pytest.mark.parametrize("cut", [1, 5, 20, 45, 60, 70])
def test_a_file_that_breaks_off_keeps_what_stands_before(tmp_path: Path, cut: int) -> None:
    last = TIME + _binary(b"MESSAGE", b"two\nlines of a message")

    found = read_text(SOURCE, tmp_path, TIME + b"MESSAGE=first\n\n" + last[:cut])

    assert found.rows("messages")[0]["message"] == "first"
    assert len(found.rows("messages")) + found.misfits.height == 2


def test_a_length_beyond_the_file_is_a_misfit_and_takes_no_memory(tmp_path: Path) -> None:
    lie = TIME + b"MESSAGE\n" + struct.pack("<Q", 2**63) + b"short"

    found = read_text(SOURCE, tmp_path, TIME + b"MESSAGE=first\n\n" + lie)

    assert [row["message"] for row in found.rows("messages")] == ["first"]
    assert found.misfits["text"].to_list() == ["MESSAGE"]


def test_a_line_that_is_no_field_makes_its_entry_a_misfit(tmp_path: Path) -> None:
    text = TIME + b"MESSAGE=first\n\n" + TIME + b"not a field at all\n\n" + TIME + b"MESSAGE=last\n\n"

    found = read_text(SOURCE, tmp_path, text)

    assert [row["message"] for row in found.rows("messages")] == ["first", "last"]
    assert found.misfits["text"].to_list() == ["not a field at all"]
    assert found.records == 3


def test_an_entry_without_a_time_is_a_misfit(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, TIME + b"MESSAGE=first\n\nMESSAGE=timeless\n\n")

    assert found.misfits.rows() == [(4, "timeless")]


def test_an_endless_line_is_counted_and_the_next_entry_is_read(tmp_path: Path) -> None:
    text = TIME + b"MESSAGE=" + b"x" * (3 * MAX_LINE) + b"\n\n" + TIME + b"MESSAGE=after\n\n"

    found = read_text(SOURCE, tmp_path, text)

    assert [(row["line"], row["message"]) for row in found.rows("messages")] == [(5, "after")]
    assert found.misfits.height == 1


def test_an_environment_file_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    path.write_text("PATH=/usr/bin\nHOME=/root\n")

    assert SOURCE.confidence(head_of(path)) == 0
