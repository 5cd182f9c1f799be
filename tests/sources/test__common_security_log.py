"""Rows of CommonSecurityLog to connections, on real exports and on every trap they set."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.clock import Clock, rfc3339
from knockwatch.config import EvidenceSettings
from knockwatch.evidence import Evidence
from knockwatch.sources import Reading
from knockwatch.sources._common_security_log import COLUMNS, connections, examine
from knockwatch.tables import ACCEPTED, DENIED, OUTCOMES, conform

READING = Reading(Evidence(0, Path("x"), "x"), Clock(), EvidenceSettings())
PLAIN = {"SourceIP": "192.0.2.4", "DestinationIP": "203.0.113.9", "DestinationPort": "80", "Protocol": "TCP"}


def read(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    frame = pl.DataFrame(list(rows), infer_schema_length=None).with_row_index("line", 1)
    return conform("connections", connections(frame, READING)).to_dicts()


def one(**row: Any) -> dict[str, Any]:
    return read({**PLAIN, **row})[0]


def portal_export(path: Path) -> pl.DataFrame:
    frame = pl.read_csv(path, infer_schema=False)
    return frame.rename(lambda name: name.removesuffix(" [UTC]")).with_row_index("line", 2)


def test_the_schema_is_microsofts() -> None:
    assert len(COLUMNS) == 164
    assert COLUMNS["TimeGenerated"] == pl.Datetime("us")


def test_a_real_fortigate_export_is_read(corpus: Path) -> None:
    """Trap 2 and 4: FortinetFortiGateeventtime is ten days before TimeGenerated; the protocol is the number 6."""
    rows = json.loads((corpus / "public/azure-sentinel/CEF_Fortigate.json").read_text())

    first, second = read(*rows)

    assert rfc3339(first["time_us"]) == "2022-03-21T14:45:18.304240Z"
    assert (first["source_ip"], first["source_port"]) == ("213.252.245.73", 15577)
    assert (first["destination_ip"], first["destination_port"]) == ("192.168.20.58", 3389)
    assert (first["protocol"], first["outcome"], first["action"]) == ("tcp", ACCEPTED, "pass")
    assert (first["vendor"], first["product"], first["sensor"]) == ("Fortinet", "Fortigate", "Contoso-MainFW")
    assert first["forwarded"] is True
    assert second["source_ip"] == "104.168.141.190"
    assert first["exported"] is True


def test_a_real_portal_export_with_ingestion_times_is_read(corpus: Path) -> None:
    """Trap 2 and 4: true times in start=, an ICMP type in SourcePort, an empty DestinationPort."""
    frame = portal_export(corpus / "public/azure-sentinel/ASIM_CheckPoint_portal_export_excerpt.csv")

    found = connections(frame, READING).to_dicts()

    assert [row["line"] for row in found] == [2, 3, 4, 5]
    ping, _, web, later = found
    assert rfc3339(ping["time_us"]) == "2023-08-11T06:34:02Z"
    assert (ping["protocol"], ping["icmp_type"], ping["source_port"]) == ("icmp", 8, None)
    assert ping["destination_port"] is None
    assert ping["outcome"] == web["outcome"] == DENIED
    assert (web["protocol"], web["source_port"], web["destination_port"]) == ("tcp", 57516, 443)
    assert (web["bytes_sent"], web["bytes_received"]) == (691, 66)
    assert later["time_us"] - web["time_us"] == 6_000_000
    assert web["sensor"] == "10.50.5.100"


def test_fortigates_words_are_understood_in_an_export(corpus: Path) -> None:
    frame = portal_export(corpus / "public/azure-sentinel/ASIM_Fortinet_Fortigate_first3.csv")

    found = connections(frame, READING)

    assert found["outcome"].to_list() == [ACCEPTED, DENIED, ACCEPTED]
    assert found["packets_sent"].to_list() == [10, 2, 1]
    assert rfc3339(found["time_us"][1]) == "2025-11-05T10:30:58Z"
    assert found["forwarded"].to_list() == [False, True, False]


def test_a_tab_separated_fragment_has_its_protocol_and_ports(corpus: Path) -> None:
    """Trap 4: SonicWall writes tcp/https."""
    text = (corpus / "public/azure-sentinel/SonicWall_Firewall_row_fragment.tsv").read_text()
    cells = [cell for cell in text.split("\t") if cell]
    at = cells.index("tcp/https")
    port, address, protocol, source_port, source = (cell.split()[0] for cell in cells[at - 2 : at + 3])

    row = one(
        DestinationPort=port,
        DestinationIP=address,
        Protocol=protocol,
        SourcePort=source_port,
        SourceIP=source,
    )

    assert (row["protocol"], row["destination_port"], row["source_port"]) == ("tcp", 443, 57791)


@pytest.mark.parametrize(
    ("written", "protocol"),
    [
        ("6", "tcp"),
        (6, "tcp"),
        (17.0, "udp"),
        ("TCP", "tcp"),
        ("tcp/https", "tcp"),
        ("udp/dns", "udp"),
        ("1", "icmp"),
        ("IPv6-ICMP", "icmp6"),
        ("58", "icmp6"),
        ("GRE", "gre"),
        ("132", "132"),
        ("", None),
    ],
)
def test_a_protocol_has_one_spelling(written: object, protocol: str | None) -> None:
    """Trap 4: protocol as 6, TCP or tcp/https."""
    assert one(Protocol=written)["protocol"] == protocol


@pytest.mark.parametrize("port", ["443", 443, 443.0, "443.0", " 443 "])
def test_a_port_is_a_number_however_it_comes(port: object) -> None:
    """Trap 4: ports come as numbers or strings."""
    assert one(DestinationPort=port, SourcePort=port)["destination_port"] == 443


@pytest.mark.parametrize(
    ("columns", "kind", "code"),
    [
        ({"SourcePort": "8", "DestinationPort": ""}, 8, None),
        ({"SourcePort": "8", "DestinationPort": "0"}, 8, 0),
        ({"SourcePort": "0", "DestinationPort": "0"}, None, None),
        ({"SourcePort": "0", "DestinationPort": ""}, 0, None),
        (
            {
                "SourcePort": "",
                "DestinationPort": "",
                "DeviceCustomNumber2Label": "ICMP Type",
                "DeviceCustomNumber2": "8",
                "DeviceCustomNumber3Label": "ICMP Code",
                "FieldDeviceCustomNumber3": "0",
            },
            8,
            0,
        ),
    ],
)
def test_icmp_has_a_type_and_no_ports(columns: dict[str, str], kind: int | None, code: int | None) -> None:
    """Trap 4: an ICMP type sits in SourcePort; DestinationPort may be empty."""
    row = one(Protocol="ICMP", **columns)

    assert (row["icmp_type"], row["icmp_code"]) == (kind, code)
    assert row["source_port"] is row["destination_port"] is None


@pytest.mark.parametrize(
    "columns",
    [
        {"DestinationPort": "70000"},
        {"SourcePort": "-1"},
        {"DestinationPort": "http"},
        {"SourceIP": "192.0.2.256"},
        {"DestinationIP": "somewhere"},
    ],
)
def test_impossible_ports_and_addresses_make_a_row_unsound(columns: dict[str, str]) -> None:
    frame = pl.DataFrame([{**PLAIN, **columns}, PLAIN]).with_row_index("line", 1)

    seen = examine(frame, READING)

    assert seen.sound.to_list() == [False, True]
    assert seen.connections["line"].to_list() == [2]


@pytest.mark.parametrize("nothing", ["", "-", "N/A", "null", None])
def test_words_for_nothing_are_no_faults(nothing: str | None) -> None:
    row = one(SourcePort=nothing, DestinationIP=nothing)

    assert row["source_port"] is row["destination_ip"] is None


def test_a_row_without_a_source_or_any_destination_is_no_connection() -> None:
    assert (
        read({"SourceIP": "", **{k: PLAIN[k] for k in ("DestinationIP",)}}, {"SourceIP": "192.0.2.4"}) == []
    )


def test_an_address_has_its_shortest_spelling() -> None:
    assert one(SourceIP="2001:DB8:0:0::1")["source_ip"] == "2001:db8::1"


def test_typed_columns_are_read_like_text() -> None:
    moment = datetime(2026, 11, 22, 11, 23, 34, 5, tzinfo=UTC)
    row = one(SourcePort=5, DestinationPort=80, EventCount=3, SentBytes=74, StartTime=moment)
    naive = one(StartTime=moment.replace(tzinfo=None))

    assert (row["source_port"], row["event_count"], row["bytes_sent"]) == (5, 3, 74)
    assert rfc3339(row["time_us"]) == rfc3339(naive["time_us"]) == "2026-11-22T11:23:34.000005Z"


def test_the_time_of_the_record_counts_where_the_row_has_none() -> None:
    frame = pl.DataFrame([{**PLAIN, "line": 1, "time_us": 5, "time": "then"}])

    row = connections(frame, READING).row(0, named=True)

    assert (row["time_us"], row["time"]) == (5, "then")


@pytest.mark.parametrize(
    ("columns", "sensor"),
    [
        ({"DeviceName": "fw", "Computer": "collector", "DeviceExternalID": "serial"}, "fw"),
        ({"DeviceName": "", "Computer": "collector", "DeviceExternalID": "serial"}, "collector"),
        ({"Computer": None, "DeviceExternalID": "serial"}, "serial"),
        ({"DeviceAddress": "192.0.2.1"}, "192.0.2.1"),
        ({}, None),
    ],
)
def test_the_sensor_is_the_device_before_its_collector(columns: dict[str, str], sensor: str | None) -> None:
    assert one(**columns)["sensor"] == sensor


@pytest.mark.parametrize(("count", "events"), [("", 1), (None, 1), ("0", 1), ("7", 7), (7, 7)])
def test_folded_events_are_counted(count: object, events: int) -> None:
    assert one(EventCount=count)["event_count"] == events


def test_a_rule_is_known_by_its_label() -> None:
    assert one(DeviceCustomString1Label="Rule", DeviceCustomString1="deny all")["rule"] == "deny all"
    assert one(DeviceCustomString2Label="Rule Name", DeviceCustomString2="Cleanup")["rule"] == "Cleanup"
    assert one(AdditionalExtensions="FTNTFGTpolicyid=12;x=1")["rule"] == "12"


def test_an_accept_with_an_answer_was_not_only_passed_on() -> None:
    through = {
        "DeviceInboundInterface": "port1",
        "DeviceOutboundInterface": "port2",
        "DeviceAction": "accept",
    }

    assert one(**through, ReceivedBytes="0")["forwarded"] is True
    assert one(**through, ReceivedBytes="512")["forwarded"] is False
    assert one(DeviceAction="accept")["forwarded"] is False


def test_cisco_asa_says_in_its_message_what_no_column_holds() -> None:
    row = read(
        {
            "DeviceVendor": "Cisco",
            "DeviceProduct": "ASA",
            "DeviceEventClassID": "106023",
            "SourceIP": "",
            "DestinationPort": "",
            "Message": '%ASA-4-106023: Deny tcp src out:192.0.2.4/5 dst in:203.0.113.9/7000 by access-group "in"',
            "TimeGenerated": "2026-11-22T11:23:34Z",
        }
    )[0]

    assert (row["source_ip"], row["source_port"]) == ("192.0.2.4", 5)
    assert (row["destination_ip"], row["destination_port"]) == ("203.0.113.9", 7000)
    assert (row["protocol"], row["outcome"], row["rule"]) == ("tcp", DENIED, "in")
    assert rfc3339(row["time_us"]) == "2026-11-22T11:23:34Z"


def test_columns_count_before_ciscos_message() -> None:
    row = one(DeviceVendor="Cisco", DeviceProduct="ASA", Message="Deny tcp src a:10.0.0.1/1 dst b:10.0.0.2/2")

    assert (row["source_ip"], row["destination_ip"]) == ("192.0.2.4", "203.0.113.9")


def test_only_ciscos_messages_are_read() -> None:
    assert read({"DeviceVendor": "Other", "Message": "Deny tcp src a:10.0.0.1/1 dst b:10.0.0.2/2"}) == []


TEXTS = st.one_of(
    st.none(), st.text(max_size=12), st.sampled_from(["192.0.2.4", "80", "70000", "tcp/x", "ICMP", "8"])
)
NAMES = [
    "SourceIP",
    "DestinationIP",
    "SourcePort",
    "DestinationPort",
    "Protocol",
    "DeviceAction",
    "ReceiptTime",
]
NAMES += ["DeviceVendor", "DeviceProduct", "Message", "AdditionalExtensions", "EventCount", "StartTime"]


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, TEXTS)), min_size=1, max_size=5))
def test_any_texts_are_judged_and_none_is_fatal(rows: list[dict[str, str | None]]) -> None:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(NAMES, pl.String)).with_row_index("line", 1)

    seen = examine(frame, READING)

    assert seen.sound.len() == seen.times.len() == frame.height
    assert set(seen.connections["outcome"]) <= set(OUTCOMES)
    ports = conform("connections", seen.connections)["destination_port"].drop_nulls()
    assert ports.is_between(0, 65535).all()
