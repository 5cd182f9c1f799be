"""What Windows events mean, whoever wrote them down."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.clock import Clock
from knockwatch.sources import Batch
from knockwatch.sources._windows_events import read_events
from knockwatch.sources._windows_fields import (
    FIELDS,
    FIREWALL,
    KINDS,
    OPENSSH,
    RDP_CONNECTIONS,
    RDP_SESSIONS,
    SECURITY,
    SERVICES,
    SYSMON,
)
from knockwatch.sources._windows_records import Event
from knockwatch.tables import conform

TIME = "2026-11-22T11:23:40.1234567Z"
INBOUND, OUTBOUND, FORWARD = "%%14592", "%%14593", "%%14594"
RULE = {
    "RuleId": "{F2649D59-1355-4E3C-B886-CDD08B683199}",
    "RuleName": "door",
    "Direction": "1",
    "Protocol": "6",
    "LocalPorts": "2222",
    "Action": "3",
    "RemoteAddresses": "198.51.100.10",
    "ModifyingUser": "S-1-5-18",
    "ModifyingApplication": r"C:\Windows\System32\netsh.exe",
}
REGISTRY = (
    r"HKLM\System\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules\{918D}"
)


def event(
    provider: str, event_id: int, computer: str = "SRV1", time: str | None = TIME, **data: Any
) -> Event:
    return Event(provider, event_id, computer, time, data)


def read(*events: Event) -> Batch:
    return read_events(((line, each, "as written") for line, each in enumerate(events, 1)), Clock())


def rows(table: str, *events: Event) -> list[dict[str, Any]]:
    batch = read(*events)
    assert batch.misfits is not None
    assert batch.misfits.is_empty()
    return conform(table, batch.tables[table]).to_dicts() if table in batch.tables else []


def sysmon3(**data: Any) -> Event:
    ends = {"SourceIp": "198.51.100.7", "SourcePort": "50000", "DestinationIp": "203.0.113.10"}
    return event(
        SYSMON, 3, **{**ends, "DestinationPort": "22", "Protocol": "tcp", "Initiated": "false", **data}
    )


def filtered(event_id: int, direction: str = INBOUND, **data: Any) -> Event:
    ends = {"SourceAddress": "198.51.100.7", "SourcePort": "50000", "DestAddress": "203.0.113.10"}
    fields = {**ends, "DestPort": "7000", "Protocol": "6", "Direction": direction, **data}
    return event(SECURITY, event_id, **fields)


def turned(event_id: int, **data: Any) -> Event:
    ends = {"SourceAddress": "203.0.113.10", "SourcePort": "7000", "DestAddress": "198.51.100.7"}
    return filtered(event_id, **{**ends, "DestPort": "50000", **data})


def test_a_process_of_sysmon_and_one_of_the_security_log_say_the_same() -> None:
    parent = r"C:\Windows\System32\cmd.exe"
    command = "netsh advfirewall show"
    [of_sysmon] = rows(
        "processes",
        event(
            SYSMON,
            1,
            Image=r"C:\Windows\System32\netsh.exe",
            CommandLine=command,
            ProcessId="2200",
            User=r"SRV1\alice",
            ParentImage=parent,
            ParentProcessId="10308",
            ParentCommandLine='"cmd.exe" ',
        ),
    )
    [audited] = rows(
        "processes",
        event(
            SECURITY,
            4688,
            NewProcessName=r"C:\Windows\System32\netsh.exe",
            CommandLine=command,
            NewProcessId="0x898",
            ProcessId="0x2844",
            SubjectUserName="alice",
            SubjectDomainName="SRV1",
            TargetUserName="-",
            TargetDomainName="-",
            ParentProcessName=parent,
        ),
    )
    assert of_sysmon.pop("parent_command_line") == '"cmd.exe" '
    assert audited.pop("parent_command_line") is None
    assert of_sysmon == audited
    assert (audited["pid"], audited["parent_pid"], audited["user"]) == (2200, 10308, r"SRV1\alice")


def test_a_process_runs_as_its_target_where_it_has_one() -> None:
    names = {"SubjectUserName": "SRV1$", "SubjectDomainName": "CONTOSO"}
    target = {"TargetUserName": "dadmin", "TargetDomainName": "CONTOSO"}
    [row] = rows("processes", event(SECURITY, 4688, NewProcessName="a.exe", **names, **target))
    assert row["user"] == r"CONTOSO\dadmin"


@pytest.mark.parametrize(
    ("change", "outcome", "forwarded"),
    [
        ({}, "accepted", False),
        ({"Initiated": "true"}, "unknown", None),
        # Sysmon's datagrams have no direction that can be trusted.
        ({"Protocol": "udp"}, "unknown", None),
    ],
)
def test_sysmon_tells_what_came_in(change: dict[str, str], outcome: str, forwarded: bool | None) -> None:
    [row] = rows("connections", sysmon3(**change))
    assert (row["outcome"], row["forwarded"], row["source_ip"]) == (outcome, forwarded, "198.51.100.7")


@pytest.mark.parametrize(
    ("made", "outcome", "forwarded"),
    [
        (filtered(5152), "denied", False),
        (filtered(5157), "denied", False),
        (filtered(5156), "accepted", False),
        (filtered(5156, "Inbound"), "accepted", False),
        (filtered(5157, OUTBOUND), "denied", None),
        (filtered(5156, OUTBOUND), "unknown", None),
        (filtered(5152, FORWARD), "denied", True),
        (filtered(5156, SourceAddress="::1", DestAddress="::1"), "accepted", None),
    ],
)
def test_the_filtering_platform_tells_the_outcome(made: Event, outcome: str, forwarded: bool | None) -> None:
    [row] = rows("connections", made)
    assert (row["outcome"], row["forwarded"]) == (outcome, forwarded)
    assert (row["destination_port"], row["protocol"], row["sensor"]) == (7000, "tcp", "SRV1")


@pytest.mark.parametrize("event_id", [5156, 5157])
def test_an_inbound_connection_that_names_this_host_first_is_turned_round(event_id: int) -> None:
    ends = ("source_ip", "source_port", "destination_ip", "destination_port")
    [row] = rows("connections", turned(event_id))
    assert tuple(row[name] for name in ends) == ("198.51.100.7", 50000, "203.0.113.10", 7000)


def test_the_hosts_own_addresses_tell_better_than_ports_who_began() -> None:
    own = filtered(5156, OUTBOUND, SourceAddress="203.0.113.10", DestAddress="192.0.2.1")
    swapped = turned(5156, SourcePort="60001", DestPort="20")
    [_, row] = rows("connections", own, swapped)
    assert (row["source_ip"], row["destination_port"]) == ("198.51.100.7", 60001)


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (filtered(5152, Protocol="1", SourcePort="0", DestPort="8"), 8),
        (turned(5157, Protocol="1", SourcePort="8", DestPort="0"), 8),
        (filtered(5156, OUTBOUND, Protocol="1", SourcePort="8", DestPort="0"), 8),
        (filtered(5156, Protocol="58", SourcePort="0", DestPort="128"), 128),
    ],
)
def test_an_icmp_packets_type_stands_where_this_hosts_port_would(made: Event, kind: int) -> None:
    [row] = rows("connections", made)
    assert (row["icmp_type"], row["icmp_code"], row["destination_port"]) == (kind, 0, None)
    assert row["source_ip"] == "198.51.100.7"


@pytest.mark.parametrize(
    "change",
    [
        {"DestPort": "70000"},
        {"SourcePort": "-1"},
        {"DestPort": "http"},
        {"DestAddress": "999.1.1.1"},
        {"SourceAddress": "-"},
        {"Protocol": None},
    ],
)
def test_an_impossible_connection_is_a_misfit(change: dict[str, Any]) -> None:
    batch = read(filtered(5156, **change), filtered(5156))
    assert batch.misfits is not None
    assert batch.misfits.to_dicts() == [{"line": 1, "text": "as written"}]
    assert batch.tables["connections"]["line"].to_list() == [2]


def listening(event_id: int, **data: Any) -> Event:
    fields = {
        "SourceAddress": "0.0.0.0",
        "SourcePort": "4444",
        "Protocol": "6",
        "Application": r"\device\a.exe",
    }
    return event(SECURITY, event_id, **{**fields, "ProcessId": "4152", **data})


@pytest.mark.parametrize(
    ("made", "kinds"),
    [
        (listening(5154), [("listener-opened", 4444)]),
        # A bind of TCP's is a client's, or 5154 tells of it.
        (listening(5158), []),
        (listening(5158, Protocol="17"), [("listener-opened", 4444)]),
        (listening(5158, Protocol="17", SourcePort="50000"), []),
        (listening(5158, Protocol="1", SourcePort="0"), [("socket-opened", None)]),
    ],
)
def test_listeners_and_raw_sockets_are_changes(made: Event, kinds: list[tuple[str, int | None]]) -> None:
    found = rows("changes", made)
    assert [(row["kind"], row["port"]) for row in found] == kinds
    assert all((row["actor"], row["pid"]) == (r"\device\a.exe", 4152) for row in found)


@pytest.mark.parametrize("event_id", [2004, 2071, 2097, 2005, 2073, 2099])
def test_a_rule_of_the_firewall_tells_for_whom_what_is_opened_by_whom(event_id: int) -> None:
    [row] = rows("changes", event(FIREWALL, event_id, **RULE))
    assert (row["kind"], row["source_ip"], row["protocol"], row["port"]) == (
        "rule-added",
        "198.51.100.10",
        "tcp",
        2222,
    )
    assert (row["actor"], row["user"]) == (RULE["ModifyingApplication"], "S-1-5-18")
    assert row["rule_text"].startswith(
        f"RuleName=door RuleId={RULE['RuleId']} Direction=In Action=Allow Protocol=6"
    )


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("198.51.100.10/255.255.255.255", "198.51.100.10"),
        ("198.51.100.10-198.51.100.10", "198.51.100.10"),
        ("2001:DB8:0::10/128", "2001:db8::10"),
        ("198.51.100.0/24", None),
        ("198.51.100.10,198.51.100.11", None),
        ("LocalSubnet", None),
        ("*", None),
    ],
)
def test_a_rule_for_one_address_names_it(written: str, source: str | None) -> None:
    [row] = rows("changes", event(FIREWALL, 2004, **{**RULE, "RemoteAddresses": written}))
    assert row["source_ip"] == source


@pytest.mark.parametrize(
    ("written", "port"), [("22,80", None), ("5000-5010", None), ("*", None), ("RPC", None)]
)
def test_a_rule_for_several_ports_names_none(written: str, port: int | None) -> None:
    [row] = rows("changes", event(FIREWALL, 2004, **{**RULE, "LocalPorts": written, "Protocol": "256"}))
    assert (row["port"], row["protocol"]) == (port, None)


def test_a_rule_for_an_impossible_port_is_a_misfit() -> None:
    batch = read(event(FIREWALL, 2004, **{**RULE, "LocalPorts": "70000"}))
    assert batch.misfits is not None
    assert batch.misfits.height == 1


@pytest.mark.parametrize(
    ("provider", "event_id", "kind"),
    [
        (FIREWALL, 2006, "rule-removed"),
        (FIREWALL, 2052, "rule-removed"),
        (FIREWALL, 2033, "rule-removed"),
        (SECURITY, 4946, "rule-added"),
        (SECURITY, 4947, "rule-added"),
        (SECURITY, 4948, "rule-removed"),
    ],
)
def test_rules_come_and_go(provider: str, event_id: int, kind: str) -> None:
    [row] = rows("changes", event(provider, event_id, RuleName="Allow All Rule"))
    assert (row["kind"], row["rule_text"]) == (kind, 'RuleName="Allow All Rule"')


def test_a_rule_is_read_from_the_registry_too() -> None:
    text = "v2.32|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=4489|RA4=198.51.100.10|Name=x|"
    actor = {"Image": r"C:\Windows\system32\svchost.exe", "ProcessId": "2256", "TargetObject": REGISTRY}
    added, removed = rows(
        "changes",
        event(SYSMON, 13, EventType="SetValue", Details=text, **actor),
        event(SYSMON, 12, EventType="DeleteValue", **actor),
    )
    assert (added["kind"], added["port"], added["protocol"], added["source_ip"], added["rule_text"]) == (
        "rule-added",
        4489,
        "tcp",
        "198.51.100.10",
        text,
    )
    assert (removed["kind"], removed["rule_text"], removed["pid"]) == ("rule-removed", REGISTRY, 2256)


def test_the_rest_of_the_registry_is_passed_over() -> None:
    other = event(SYSMON, 13, EventType="SetValue", Details="DWORD (0x1)", TargetObject=r"HKLM\Software\x")
    assert rows("changes", other, event(SYSMON, 12, EventType="CreateKey", TargetObject=REGISTRY)) == []


def log_on(event_id: int = 4624, **data: Any) -> Event:
    fields = {"LogonType": "10", "IpAddress": "198.51.100.7", "IpPort": "50111", "TargetUserName": "alice"}
    return event(SECURITY, event_id, **{**fields, "WorkstationName": "-", **data})


@pytest.mark.parametrize(
    ("made", "program", "message"),
    [
        (
            log_on(),
            SECURITY,
            "EventID=4624 LogonType=10 IpAddress=198.51.100.7 IpPort=50111 TargetUserName=alice",
        ),
        (
            log_on(4625, TargetUserName='x IpAddress=192.0.2.1 "', IpAddress="::ffff:198.51.100.7"),
            SECURITY,
            (
                "EventID=4625 LogonType=10 IpAddress=198.51.100.7 IpPort=50111 "
                'TargetUserName="x IpAddress=192.0.2.1 \'"'
            ),
        ),
        (
            event(SERVICES, 7045, ServiceName="knock", ImagePath=r"C:\a b\k.exe", StartType="auto start"),
            SERVICES,
            'EventID=7045 ServiceName=knock ImagePath="C:\\a b\\k.exe" StartType="auto start"',
        ),
        (
            event(SECURITY, 4697, ServiceName="knock", ServiceFileName=r"C:\k.exe", SubjectUserName="alice"),
            SECURITY,
            r"EventID=4697 ServiceName=knock ServiceFileName=C:\k.exe SubjectUserName=alice",
        ),
        (
            event(SYSMON, 22, QueryName="example.org", QueryStatus="0", Image=r"C:\k.exe"),
            SYSMON,
            r"EventID=22 QueryName=example.org QueryStatus=0 Image=C:\k.exe",
        ),
        (
            event(RDP_CONNECTIONS, 1149, Param1="alice", Param2="", Param3="198.51.100.7"),
            RDP_CONNECTIONS,
            "EventID=1149 Address=198.51.100.7 User=alice",
        ),
        (
            event(RDP_SESSIONS, 21, User=r"CORP\alice", SessionID="2", Address="fe80::1%12"),
            RDP_SESSIONS,
            r"EventID=21 Address=fe80::1 User=CORP\alice SessionID=2",
        ),
        (
            event(RDP_SESSIONS, 25, User="a", SessionID="1", Address="LOCAL"),
            RDP_SESSIONS,
            "EventID=25 Address=LOCAL User=a SessionID=1",
        ),
        (
            event(OPENSSH, 4, process="sshd", payload="Accepted password for a from 192.0.2.1 port 5 ssh2"),
            "sshd",
            "Accepted password for a from 192.0.2.1 port 5 ssh2",
        ),
    ],
)
def test_log_ons_services_and_queries_are_messages(made: Event, program: str, message: str) -> None:
    [row] = rows("messages", made)
    assert (row["host"], row["program"], row["message"]) == ("SRV1", program, message)


@pytest.mark.parametrize("time", [None, "", "yesterday", "9999-01-01T00:00:00Z"])
def test_an_event_without_a_time_is_a_misfit(time: str | None) -> None:
    batch = read(event(SECURITY, 4624, time=time))
    assert batch.misfits is not None
    assert batch.misfits["line"].to_list() == [1]


def test_the_same_number_of_another_provider_is_another_event() -> None:
    assert rows("processes", event("Microsoft-Windows-Kernel-General", 1, Image="a.exe")) == []


EVENTS = [(provider, event_id) for provider, kinds in KINDS.items() for event_id in kinds]
TEXTS = st.text(max_size=12) | st.sampled_from(
    ["-", "%%14592", "6", "1", "70000", "198.51.100.7", "::1", "0x1F", "*", "false", "DeleteKey", REGISTRY]
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(EVENTS),
            st.none() | st.just(TIME) | TEXTS,
            st.dictionaries(st.sampled_from(FIELDS), TEXTS),
        ),
        max_size=6,
    )
)
def test_whatever_fields_hold_every_event_makes_a_row_or_a_misfit_or_is_passed_over(
    made: list[tuple[tuple[str, int], str | None, dict[str, str]]],
) -> None:
    batch = read(
        *(Event(provider, event_id, "SRV1", time, data) for (provider, event_id), time, data in made)
    )
    lines = [line for table in batch.tables.values() for line in table["line"]]
    assert batch.records == len(made)
    assert batch.misfits is not None
    assert len(lines) == len(set(lines))
    assert not set(lines) & set(batch.misfits["line"])
    for table, frame in batch.tables.items():
        assert conform(table, frame).height == frame.height
        assert frame["time_us"].null_count() == 0
    ports = [
        frame[name] for frame in batch.tables.values() for name in frame.columns if name.endswith("port")
    ]
    assert all(column.drop_nulls().is_between(0, 65535).all() for column in ports if column.dtype != pl.Null)
