"""CEF inside messages: header, extension, escapes, labels, times."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.clock import Clock, rfc3339
from knockwatch.config import EvidenceSettings
from knockwatch.evidence import Evidence
from knockwatch.microsoft import polars_schema
from knockwatch.sources import Batch, Reading
from knockwatch.sources.bodies.cef import BODY
from knockwatch.sources.syslog import SOURCE as SYSLOG
from knockwatch.tables import ACCEPTED, DENIED, REFUSED, conform
from tests.sources.reading import SAMPLES
from tests.sources.reading import read as read_file

READING = Reading(Evidence(0, Path("x"), "x"), Clock(), EvidenceSettings())
HEADER = "CEF:0|Acme|Wall|1.0|77|Connection|5|"
ENDS = "src=192.0.2.4 spt=5 dst=203.0.113.9 dpt=80 proto=TCP"


def read(*messages: str, program: str | None = None) -> Batch:
    frame = pl.DataFrame(
        {
            "line": range(1, len(messages) + 1),
            "time_us": [0] * len(messages),
            "time": ["Jan  1 00:00:00"] * len(messages),
            "host": ["collector"] * len(messages),
            "program": [program] * len(messages),
            "message": messages,
        },
        schema_overrides={"line": pl.Int64, "program": pl.String},
    )
    return BODY.read(frame.filter(BODY.belongs()), READING)


def row(message: str, program: str | None = None) -> dict[str, Any]:
    return read(message, program=program).tables["CommonSecurityLog"].row(0, named=True)


def connection(message: str) -> dict[str, Any]:
    return conform("connections", read(message).tables["connections"]).row(0, named=True)


def misfits(*messages: str) -> list[int]:
    found = read(*messages).misfits
    return [] if found is None else found["line"].to_list()


def test_the_header_has_microsofts_names() -> None:
    found = row(HEADER + ENDS)

    assert (found["DeviceVendor"], found["DeviceProduct"], found["DeviceVersion"]) == ("Acme", "Wall", "1.0")
    assert (found["DeviceEventClassID"], found["Activity"], found["LogSeverity"]) == ("77", "Connection", "5")
    assert found["Computer"] == "collector"
    assert found["Type"] == "CommonSecurityLog"


def test_keys_become_columns_of_microsofts_types() -> None:
    found = read(HEADER + ENDS + " cnt=3 out=4294967296 cn1=1 cn1Label=Session deviceExternalId=x").tables[
        "CommonSecurityLog"
    ]
    types = polars_schema("CommonSecurityLog")

    assert {name: found.schema[name] for name in found.columns if name != "line"} == {
        name: types[name] for name in found.columns if name != "line"
    }
    values = found.row(0, named=True)
    assert (values["SourcePort"], values["EventCount"], values["SentBytes"]) == (5, 3, 4_294_967_296)
    assert (values["DeviceCustomNumber1"], values["FieldDeviceCustomNumber1"]) == (1, 1)
    assert values["DeviceCustomNumber1Label"] == "Session"
    assert values["DeviceExternalID"] == "x"


def test_keys_without_a_column_go_to_additional_extensions() -> None:
    found = row(HEADER + "start=1 FTNTFGTlevel=notice src=192.0.2.4 reason=a b cat=traffic")

    assert found["AdditionalExtensions"] == "start=1;FTNTFGTlevel=notice;reason=a b;cat=traffic"


def test_a_row_without_such_keys_has_no_additional_extensions() -> None:
    assert read(HEADER + ENDS).tables["CommonSecurityLog"]["AdditionalExtensions"].to_list() == [None]


@pytest.mark.parametrize(
    ("message", "column", "value"),
    [
        (r"CEF:0|A \| B|Wall|1|7|N|5|src=192.0.2.4", "DeviceVendor", "A | B"),
        (r"CEF:0|A\\|Wall|1|7|N|5|src=192.0.2.4", "DeviceVendor", "A\\"),
        (r"CEF:0|A\\\|B|Wall|1|7|N|5|src=192.0.2.4", "DeviceVendor", r"A\|B"),
        (HEADER + r"msg=a \= b x\=y", "Message", "a = b x=y"),
        (HEADER + r"msg=one\ntwo\rthree", "Message", "one\ntwo\rthree"),
        (HEADER + r"filePath=C:\\new\\folder", "FilePath", r"C:\new\folder"),
        (HEADER + r"msg=a \| b | c", "Message", "a | b | c"),
        (HEADER + "msg=with blanks  and more   act=x", "Message", "with blanks  and more"),
        (HEADER + "request=http://x/?a=b&c=d act=x", "RequestURL", "http://x/?a=b&c=d"),
        (HEADER + "duser= act=x", "DestinationUserName", ""),
        (HEADER + "act=first act=second", "DeviceAction", "first"),
        (HEADER + "ACT=drop", "DeviceAction", "drop"),
        (HEADER + "act=zurück 日本", "DeviceAction", "zurück 日本"),
    ],
)
def test_escapes_and_blanks_are_read(message: str, column: str, value: str) -> None:
    assert row(message)[column] == value


@pytest.mark.parametrize(
    ("message", "program"),
    [
        ("CEF:0|A|B|1|7|N|5|src=192.0.2.4", None),
        ("CEF: 0|A|B|1|7|N|5|src=192.0.2.4", None),
        ("CEF:1|A|B|1|7|N|5|src=192.0.2.4", None),
        ("0|A|B|1|7|N|5|src=192.0.2.4", "CEF"),
        ("host agent CEF:0|A|B|1|7|N|5|src=192.0.2.4", "forwarder"),
    ],
)
def test_cef_is_found_however_it_begins(message: str, program: str | None) -> None:
    assert row(message, program)["SourceIP"] == "192.0.2.4"


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("rt=1795346614123", "2026-11-22T11:23:34.123000Z"),
        ("rt=Nov 22 2026 11:23:34", "2026-11-22T11:23:34Z"),
        ("rt=Nov 22 2026 11:23:34.5 CET", "2026-11-22T10:23:34.500000Z"),
        ("rt=1795346614123 start=1795346600000", "2026-11-22T11:23:20Z"),
        ("end=1795346614123", "2026-11-22T11:23:34.123000Z"),
        ("act=x", "1970-01-01T00:00:00Z"),
    ],
)
def test_times_come_as_epoch_or_text(written: str, moment: str) -> None:
    message = f"{HEADER}{ENDS} {written}"

    assert rfc3339(connection(message)["time_us"]) == moment
    assert row(message)["TimeGenerated"] == datetime.fromisoformat(moment).replace(tzinfo=None)


@pytest.mark.parametrize(
    "message",
    [
        "CEF:",
        "CEF:0|Acme|Wall",
        "CEF:0|Acme|Wall|1.0|77|Connection",
        "CEF:zero|Acme|Wall|1|7|N|5|src=192.0.2.4",
        HEADER + "no pair at all",
        HEADER + "src=192.0.2.4 dpt=70000",
        HEADER + "src=192.0.2.400",
    ],
)
def test_malformed_cef_is_a_misfit(message: str) -> None:
    """Ports above 65535 and addresses that are none included; the other lines stay."""
    found = read(message, HEADER + ENDS)

    assert misfits(message, HEADER + ENDS) == [1]
    assert found.tables["CommonSecurityLog"]["line"].to_list() == [2]
    assert found.tables["connections"]["line"].to_list() == [2]


@pytest.mark.parametrize("message", [HEADER, HEADER[:-1]])
def test_an_empty_extension_is_allowed(message: str) -> None:
    assert misfits(message) == []
    assert row(message)["LogSeverity"] == "5"


def test_an_event_without_two_ends_is_no_connection() -> None:
    found = read(HEADER + "src=192.0.2.4 msg=logged in")

    assert found.tables["connections"].is_empty()
    assert found.tables["CommonSecurityLog"].height == 1


def test_other_messages_are_left_alone() -> None:
    assert read("Accepted publickey for bob", "user CEF: said", program="sshd").records == 0


def test_documented_lines_of_vendors_are_read_in_syslog() -> None:
    found = read_file(SYSLOG, SAMPLES / "cef-messages" / "fortigate.log")
    denied, reset = found.rows("connections")

    assert found.misfits.is_empty()
    assert (denied["outcome"], reset["outcome"]) == (DENIED, REFUSED)
    assert rfc3339(denied["time_us"]) == "2026-11-22T11:23:34.123456Z"
    assert rfc3339(reset["time_us"]) == "2026-11-22T11:23:35Z"
    assert [row["destination_port"] for row in (denied, reset)] == [7000, 8000]
    assert denied["sensor"] == "FGT-A-LOG"
    assert denied["exported"] is True
    assert [row["Protocol"] for row in found.rows("CommonSecurityLog")] == ["6", "6"]
    assert len(found.rows("messages")) == 2


def test_custom_labels_name_the_rule() -> None:
    assert connection(f"{HEADER}{ENDS} cs1Label=Rule cs1=allow ssh act=allow")["rule"] == "allow ssh"
    assert connection(f"{HEADER}{ENDS} cs1Label=Rule cs1=allow ssh act=allow")["outcome"] == ACCEPTED


@given(
    st.lists(st.text(st.sampled_from("CEF:01|\\= asrcdpt\n\x1c\x1dé"), max_size=60), min_size=1, max_size=6)
)
def test_no_message_is_lost_or_fatal(tails: list[str]) -> None:
    messages = ["CEF:0|" + tail for tail in tails]

    found = read(*messages)

    lines = found.tables["CommonSecurityLog"]["line"].to_list() + misfits(*messages)
    assert sorted(lines) == list(range(1, len(messages) + 1))


KEYS = st.sampled_from(["act", "msg", "suser", "cs1", "vendorKey", "x.y"])
VALUES = st.text(st.characters(exclude_characters="\x1c\x1d", exclude_categories=["Cs"]), max_size=20).map(
    lambda text: text.strip()
)


@given(st.dictionaries(KEYS, VALUES, min_size=1))
def test_what_the_standard_escapes_comes_back(pairs: dict[str, str]) -> None:
    def escaped(value: str) -> str:
        value = value.replace("\\", "\\\\").replace("=", "\\=")
        return value.replace("\n", "\\n").replace("\r", "\\r")

    found = row(HEADER + " ".join(f"{key}={escaped(value)}" for key, value in pairs.items()))

    columns = {
        "act": "DeviceAction",
        "msg": "Message",
        "suser": "SourceUserName",
        "cs1": "DeviceCustomString1",
    }
    for key, column in columns.items():
        if key in pairs:
            assert found[column] == pairs[key]
    more = [f"{key}={value}" for key, value in pairs.items() if key not in columns]
    assert found["AdditionalExtensions"] == (";".join(more) or None)
