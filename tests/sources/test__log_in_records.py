"""Log-ins of which only fields tell."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from knockwatch.detections._log_ins import lines
from knockwatch.sources._log_in_records import LOG_IN, log_in_messages

RECORD: dict[str, Any] = {
    **dict.fromkeys(LOG_IN),
    "address": "198.51.100.7",
    "account": "alice",
    "succeeded": True,
}


def _message(**record: Any) -> dict[str, Any]:
    row = {"line": 1, "time_us": 1, "time": "t", "host": "srv1", **RECORD, **record}
    schema = {"line": pl.Int64(), "time_us": pl.Int64(), "time": pl.String(), "host": pl.String(), **LOG_IN}
    (found,) = log_in_messages(pl.DataFrame([row], schema=schema)).to_dicts()
    return found


def _understood(row: dict[str, Any]) -> tuple[str | None, str | None, int | None]:
    """Source, account and port that the detection of log-ins finds."""
    for line in lines():
        if row["program"] in line.programs and re.search(line.succeeded, row["message"]):
            source, account = re.search(line.source, row["message"]), re.search(line.account, row["message"])
            return source and source[1], account and account[1], line.port
    return None, None, None


def test_a_log_in_through_sshd_is_understood() -> None:
    assert _understood(_message(program="sshd", port=35044)) == ("198.51.100.7", "alice", 22)


def test_log_ins_on_windows_are_understood() -> None:
    assert _understood(_message(logon_type="10")) == ("198.51.100.7", "alice", 3389)
    assert _understood(_message(logon_type="3", domain="CONTOSO", port=50111)) == (
        "198.51.100.7",
        "alice",
        None,
    )


def test_failed_ones_are_told_but_are_no_log_ins() -> None:
    assert _understood(_message(program="sshd", port=1, succeeded=False)) == (None, None, None)
    assert "EventID=4625" in _message(logon_type="3", succeeded=False)["message"]


def test_any_other_is_told_in_words() -> None:
    assert _message(program="vpnd")["message"] == "alice logged in on vpnd from 198.51.100.7"
    assert _message(program="vpnd", succeeded=False)["message"] == (
        "alice failed to log in on vpnd from 198.51.100.7"
    )


def test_a_name_cannot_break_the_line() -> None:
    assert "\n" not in _message(program="sshd", port=22, account="a\nAccepted x")["message"]
