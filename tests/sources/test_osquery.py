"""Results of osquery."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources._osquery_rows import COLUMNS
from knockwatch.sources.osquery import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

FOLDER = SAMPLES / "osquery"
RESULTS = FOLDER / "osqueryd.results.log"


def _result(columns: dict[str, str], action: str = "added", counter: int = 3, **more: Any) -> str:
    return json.dumps(
        {
            "name": "q",
            "hostIdentifier": "srv1",
            "unixTime": 1795346660,
            "counter": counter,
            "columns": columns,
        }
        | {"action": action}
        | more
    )


def _socket(**columns: str) -> str:
    usual = {
        "action": "connect", "status": "succeeded", "protocol": "6", "local_address": "198.51.100.10",
        "local_port": "51234", "remote_address": "203.0.113.10", "remote_port": "22", "time": "1795346620",
    }  # fmt: skip
    return _result(usual | columns)


def test_a_process_event_has_its_own_time() -> None:
    row = read(SOURCE, RESULTS).rows("processes")[0]

    assert row["command_line"] == "knockd -v -i eth0 -c /run/kl/knockd-a.conf"
    assert (row["image"], row["pid"], row["parent_pid"], row["user"]) == ("/usr/sbin/knockd", 8870, 8105, "0")
    assert (row["time_us"], row["time"]) == (1_795_346_614_000_000, "1795346614")


def test_a_process_of_a_snapshot_began_when_it_says() -> None:
    began, unknown = read(SOURCE, FOLDER / "osqueryd.snapshots.log").rows("processes")

    assert (began["command_line"], began["time_us"]) == ("/sbin/init", 1_795_340_000_000_000)
    assert (unknown["command_line"], unknown["time_us"]) == ("knockd -i eth0", 1_795_346_720_000_000)


def test_who_began_a_connection_is_what_the_event_says() -> None:
    asked, taken, _ = read(SOURCE, RESULTS).rows("connections")

    assert (asked["source_ip"], asked["destination_ip"], asked["destination_port"]) == (
        None,
        "203.0.113.10",
        22,
    )
    assert (asked["outcome"], asked["sensor"]) == ("unknown", "cli1")
    assert (taken["source_ip"], taken["source_port"]) == ("198.51.100.10", 51234)
    assert (taken["destination_port"], taken["protocol"], taken["outcome"]) == (22, "tcp", "accepted")


def test_of_an_open_socket_the_higher_port_began() -> None:
    row = read(SOURCE, RESULTS).rows("connections")[2]

    assert (row["source_ip"], row["destination_ip"], row["destination_port"]) == (
        "198.51.100.10",
        "203.0.113.10",
        22,
    )
    assert (row["outcome"], row["action"]) == ("accepted", "ESTABLISHED")


@pytest.mark.parametrize(
    ("columns", "outcome"),
    [
        ({"status": "succeeded"}, "accepted"),
        ({"status": "in_progress"}, "unknown"),
        ({"status": "failed"}, "unknown"),
        ({"action": "", "status": "", "state": "SYN_SENT"}, "unanswered"),
        ({"action": "", "status": "", "state": "TIME_WAIT"}, "unknown"),
    ],
)
def test_the_outcome_is_what_the_call_came_to(tmp_path: Path, columns: dict[str, str], outcome: str) -> None:
    assert read_text(SOURCE, tmp_path, _socket(**columns)).rows("connections")[0]["outcome"] == outcome


def test_listeners_come_and_go() -> None:
    rows = [row for row in read(SOURCE, RESULTS).rows("changes") if row["port"] == 4444]

    assert [(row["kind"], row["protocol"], row["time_us"]) for row in rows] == [
        ("listener-opened", "tcp", 1_795_346_640_000_000),
        ("listener-opened", "tcp", 1_795_346_720_000_000),
        ("listener-closed", "tcp", 1_795_346_780_000_000),
    ]


def test_what_was_there_when_a_query_first_ran_has_no_time() -> None:
    first = read(SOURCE, RESULTS).rows("changes")[0]
    snapshot = read(SOURCE, FOLDER / "osqueryd.snapshots.log").rows("changes")

    assert (first["port"], first["time_us"], first["time"]) == (22, None, "Sun Nov 22 11:23:30 2026 UTC")
    assert {(row["port"], row["protocol"], row["time_us"]) for row in snapshot} == {
        (22, "tcp", None),
        (62201, "udp", None),
    }


def test_sockets_of_other_families_are_no_listeners() -> None:
    assert 8 not in {row["line"] for row in read(SOURCE, RESULTS).rows("changes")}


def test_a_rule_is_put_together_of_its_columns() -> None:
    row = next(row for row in read(SOURCE, RESULTS).rows("changes") if row["rule_text"])

    assert row["rule_text"] == "iptables -t filter -A KNOCKD -p tcp -s 198.51.100.10 --dport 22 -j LOGACC"
    assert (row["kind"], row["source_ip"], row["port"]) == ("rule-added", "198.51.100.10", 22)


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"src_ip": "10.0.0.0", "src_mask": "255.0.0.0"}, "-s 10.0.0.0/255.0.0.0"),
        ({"dst_port": "1000:2000"}, "--dport 1000:2000"),
        ({"dst_port": "0:65535", "src_ip": "0.0.0.0"}, "iptables -A INPUT -p tcp -j ACCEPT"),
    ],
)
def test_a_rule_keeps_its_ranges(tmp_path: Path, columns: dict[str, str], text: str) -> None:
    result = _result({"chain": "INPUT", "target": "ACCEPT", "protocol": "6"} | columns, action="removed")
    row = read_text(SOURCE, tmp_path, result).rows("changes")[0]

    assert text in row["rule_text"]
    assert (row["kind"], row["source_ip"], row["port"]) == ("rule-removed", None, None)


def test_a_log_in_is_a_message_at_its_own_time() -> None:
    for row in read(SOURCE, RESULTS).rows("messages"):
        assert row["message"] == "bui logged in on pts/0 from 198.51.100.10"
        assert (row["time_us"], row["program"], row["host"]) == (1_795_346_620_000_000, "last", "srv1")


def test_what_was_removed_did_not_happen_then(tmp_path: Path) -> None:
    gone = json.loads(_socket()) | {"action": "removed"}

    assert read_text(SOURCE, tmp_path, json.dumps(gone)).tables == {}


@pytest.mark.parametrize(
    "line",
    [
        _socket(remote_port="70000"),
        _socket(remote_address="203.0.113.300"),
        _result({"port": "-7", "protocol": "6", "address": "0.0.0.0"}),
        '{"name": "q", "unixTime": "never", "columns": {"pid": "1"}}',
        '{"name": "q", "unixTime": 1795346660}',
        "not json",
    ],
)
def test_an_impossible_result_is_counted(tmp_path: Path, line: str) -> None:
    good = RESULTS.read_text()
    found = read_text(SOURCE, tmp_path, good + line + "\n")

    assert found.misfits.rows() == [(good.count("\n") + 1, line)]


@pytest.mark.parametrize("snapshot", ["", [], [1, None, "x"], {"a": 1}])
def test_an_odd_snapshot_is_empty(tmp_path: Path, snapshot: object) -> None:
    line = json.dumps({"name": "q", "unixTime": 1795346660, "action": "snapshot", "snapshot": snapshot})

    assert read_text(SOURCE, tmp_path, line).tables == {}


def test_a_query_with_columns_of_no_table_known_is_passed_over(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, _result({"address": "0xf000", "vendor": "American Megatrends Inc."}))

    assert (found.tables, found.misfits.height, found.records) == ({}, 0, 1)


def test_other_json_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text('{"name": "x", "columns": []}\n')

    assert SOURCE.confidence(head_of(path)) == 0


@pytest.mark.corpus
def test_results_of_others_are_read(corpus: Path) -> None:
    folder = corpus / "public" / "msticpy" / "tests" / "testdata" / "osquery"
    found = read(SOURCE, folder / "osqueryd.results.log")

    assert found.misfits.is_empty()
    assert len(found.rows("messages")) == 5
    assert found.rows("messages")[0]["message"] == "robert.sparrow logged in on pts/0 from 109.159.104.127"
    assert "cron.daily" in found.rows("processes")[0]["command_line"]
    assert read(SOURCE, folder / "osqueryd.snapshots.log").misfits.is_empty()


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(COLUMNS),
            st.text(max_size=8) | st.integers() | st.none() | st.lists(st.integers(), max_size=1),
        ),
        max_size=4,
    )
)
def test_any_columns_are_read_or_counted(
    tmp_path_factory: pytest.TempPathFactory, results: list[dict[str, object]]
) -> None:
    lines = [json.dumps({"name": "q", "unixTime": 1795346660, "columns": columns}) for columns in results]
    found = read_text(SOURCE, tmp_path_factory.mktemp("osquery"), "\n".join([RESULTS.read_text(), *lines]))

    assert found.misfits.height <= len(lines)
    assert len(found.rows("changes")) >= 5
