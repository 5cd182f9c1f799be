"""The journal as JSON lines."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources.journald_json import SOURCE, resolve
from tests.sources.reading import SAMPLES, read, read_text

SAMPLE = SAMPLES / "journald-json" / "lab.json"


def test_a_netfilter_entry_is_a_message_and_a_connection_with_the_kernels_clock() -> None:
    found = read(SOURCE, SAMPLE)

    message = next(row for row in found.rows("messages") if row["line"] == 9)
    assert message["program"] == "kernel"
    assert (message["facility"], message["severity"]) == ("kern", "warning")
    connection = found.rows("connections")[0]
    assert connection["line"] == 9
    assert connection["time_us"] == 1_795_346_618_710_860
    assert connection["clock_us"] == 2_719_233_755
    assert connection["sensor"] == "srv1"
    assert (connection["source_ip"], connection["destination_port"]) == ("198.51.100.10", 7000)
    assert connection["outcome"] == "denied"


def test_a_daemons_entry_keeps_program_pid_and_text() -> None:
    row = read(SOURCE, SAMPLE).rows("messages")[0]

    assert (row["host"], row["program"], row["pid"]) == ("srv1", "fwknopd", 8911)
    assert (row["facility"], row["severity"]) == ("daemon", "info")
    assert row["time_us"] == 1_795_346_614_268_961
    assert row["time"] == "1795346614268961"


def test_bytes_lists_and_nulls_are_read() -> None:
    rows = {row["line"]: row for row in read(SOURCE, SAMPLE).rows("messages")}

    assert "/bin/sh -c\n\n/usr/sbin/iptables" in rows[35]["message"]
    assert rows[36]["message"] == "caf\\xe9 \x1b[31mred\x00 end"
    assert rows[36]["program"] == "hostile"
    assert rows[37]["program"] == "first"
    assert rows[38]["message"] is None


def test_a_message_that_looks_like_a_list_stays_text(tmp_path: Path) -> None:
    text = '{"__REALTIME_TIMESTAMP":"1795346618710860","MESSAGE":"[72,105]"}\n'

    assert read_text(SOURCE, tmp_path, text).rows("messages")[0]["message"] == "[72,105]"


def test_numbers_may_come_as_numbers(tmp_path: Path) -> None:
    text = '{"__REALTIME_TIMESTAMP":1795346618710860,"PRIORITY":5,"_PID":7,"MESSAGE":"x"}\n'

    row = read_text(SOURCE, tmp_path, text).rows("messages")[0]

    assert (row["time_us"], row["severity"], row["pid"]) == (1_795_346_618_710_860, "notice", 7)


def test_lines_that_are_no_entries_are_counted(tmp_path: Path) -> None:
    text = (
        "-- No entries --\n"
        '{"MESSAGE":"an entry without a time"}\n'
        '{"__REALTIME_TIMESTAMP":"999999999999999999","MESSAGE":"the year 33658"}\n'
        '{"__REALTIME_TIMESTAMP":"1795346618710860","MESSAGE":"good"}\n'
        '{"__REALTIME_TIMESTAMP":"1795346618710860","MESSAGE":"cut'
    )

    found = read_text(SOURCE, tmp_path, text)

    assert [row["line"] for row in found.rows("messages")] == [4]
    assert sorted(found.misfits["line"]) == [1, 2, 3, 5]
    assert found.records == 5


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=4)))
def test_any_value_resolves_to_no_list(value: object) -> None:
    assert not isinstance(resolve("MESSAGE", value), list)
