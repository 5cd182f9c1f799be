"""One Windows event in every way that it is written down."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources._windows_fields import RDP_SESSIONS, SECURITY, SYSMON
from knockwatch.sources._windows_records import Event, event_of, event_of_xml, text_of

TIME = "2026-11-22T11:23:40.123456Z"
DATA = {"TargetUserName": "alice", "IpAddress": "198.51.100.7", "LogonType": "3"}
SYSTEM = {"EventID": 4624, "Channel": "Security", "Computer": "SRV1"}
FLAT = {"EventID": 4624, "SourceName": SECURITY, "Hostname": "SRV1", **DATA}
WINLOG = {"provider_name": SECURITY, "event_id": "4624", "computer_name": "SRV1", "channel": "Security"}
NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"


def xml(data: str, event_id: str = "4624", time: str = TIME) -> str:
    return (
        f"<Event xmlns='{NAMESPACE}'><System><Provider Name='{SECURITY}'/><EventID Qualifiers='0'>{event_id}</EventID>"
        f"<TimeCreated SystemTime='{time}'/><Channel>Security</Channel><Computer>SRV1</Computer></System>"
        f"{data}</Event>"
    )


SHAPES: dict[str, dict[str, Any]] = {
    "evtx_dump": {
        "Event": {
            "System": {
                **SYSTEM,
                "Provider": {"#attributes": {"Name": SECURITY}},
                "TimeCreated": {"#attributes": {"SystemTime": TIME}},
            },
            "EventData": DATA,
        }
    },
    "evtx_dump, attributes apart": {
        "Event": {
            "System": {
                **SYSTEM,
                "Provider_attributes": {"Name": SECURITY},
                "TimeCreated_attributes": {"SystemTime": TIME},
            },
            "EventData": DATA,
        }
    },
    "xmltodict": {
        "Event": {
            "System": {
                **SYSTEM,
                "EventID": {"@Qualifiers": "0", "#text": "4624"},
                "Provider": {"@Name": SECURITY},
                "TimeCreated": {"@SystemTime": TIME},
            },
            "EventData": {"Data": [{"@Name": key, "#text": value} for key, value in DATA.items()]},
        }
    },
    "Velociraptor": {
        "System": {
            **SYSTEM,
            "EventID": {"Value": 4624},
            "Provider": {"Name": SECURITY},
            "TimeCreated": {"SystemTime": TIME},
        },
        "EventData": DATA,
    },
    "winlogbeat": {"@timestamp": TIME, "winlog": {**WINLOG, "event_data": DATA}},
    "winlogbeat, from Elasticsearch": {
        "_index": "winlogbeat-7",
        "_source": {"@timestamp": TIME, "winlog": {**WINLOG, "event_data": DATA}},
    },
    "winlogbeat, flat": {
        "@timestamp": TIME,
        **{f"winlog.{key}": value for key, value in WINLOG.items()},
        **{f"winlog.event_data.{key}": value for key, value in DATA.items()},
    },
    "winlogbeat 6": {
        "@timestamp": TIME,
        "source_name": SECURITY,
        "event_id": 4624,
        "computer_name": "SRV1",
        "event_data": DATA,
    },
    "NXLog": {**FLAT, "EventTime": TIME},
    "OTRF": {**FLAT, "TimeCreated": TIME, "@timestamp": TIME},
    "EvtxECmd": {
        "EventId": 4624,
        "Provider": SECURITY,
        "Computer": "SRV1",
        "TimeCreated": TIME,
        "Payload": json.dumps(
            {"EventData": {"Data": [{"@Name": key, "#text": value} for key, value in DATA.items()]}}
        ),
    },
    "SecurityEvent": {
        "EventID": 4624,
        "EventSourceName": SECURITY,
        "Computer": "SRV1",
        "TimeGenerated": TIME,
        "EventData": "<EventData>"
        + "".join(f'<Data Name="{key}">{value}</Data>' for key, value in DATA.items())
        + "</EventData>",
    },
    "WindowsEvent": {
        "EventID": 4624,
        "Provider": SECURITY,
        "Computer": "SRV1",
        "TimeGenerated": TIME,
        "EventData": json.dumps(DATA),
    },
    "Splunk": {**FLAT, "SourceName": "Microsoft Windows security auditing.", "TimeCreated": TIME},
    "a log without its provider": {**SYSTEM, **DATA, "TimeCreated": TIME},
}


@pytest.mark.parametrize("record", [pytest.param(record, id=name) for name, record in SHAPES.items()])
def test_every_shape_says_the_same(record: dict[str, Any]) -> None:
    found = event_of(json.loads(json.dumps(record)))
    assert found is not None
    assert (found.provider, found.event_id, found.computer, found.time) == (SECURITY, 4624, "SRV1", TIME)
    assert {name: text_of(found.data[name]) for name in DATA} == DATA


def test_the_fields_of_powershells_objects_are_named_by_their_positions() -> None:
    values = [
        "S-1-0-0",
        "-",
        "-",
        0,
        "S-1-5-21",
        "alice",
        "CORP",
        1,
        3,
        "NtLmSsp",
        "NTLM",
        "-",
        "{}",
        "-",
        "-",
        0,
        0,
    ]
    record = {
        "Id": 4624,
        "ProviderName": SECURITY,
        "LogName": "Security",
        "MachineName": "SRV1",
        "TimeCreated": {"value": "/Date(1795346620123)/", "DateTime": "Sunday"},
        "Properties": [{"Value": value} for value in [*values, "-", "198.51.100.7", "50111"]],
    }
    found = event_of(record)
    assert found is not None
    assert found.time == "1795346620123"
    assert {name: text_of(found.data[name]) for name in DATA} == DATA
    assert text_of(found.data["IpPort"]) == "50111"


def test_sysmons_fields_are_read_from_its_message_where_names_are_lost() -> None:
    message = "Process Create:\r\nRuleName: -\r\nImage: C:\\k.exe\r\nCommandLine: k.exe a: b\r\nUser: A\\b"
    found = event_of(
        {
            "Id": 1,
            "ProviderName": SYSMON,
            "TimeCreated": TIME,
            "Message": message,
            "Properties": [{"Value": "-"}],
        }
    )
    assert found is not None
    assert (found.data["Image"], found.data["CommandLine"]) == ("C:\\k.exe", "k.exe a: b")


@pytest.mark.parametrize(
    ("received", "collected", "offset"),
    [
        ("2020-09-22 14:10:23", "2020-09-22T18:10:23.084Z", "-04:00"),
        ("2020-09-22 23:40:25", "2020-09-22T18:10:23.084Z", "+05:30"),
        ("2020-09-22 18:10:20", "2020-09-22T18:10:23.084Z", "+00:00"),
        ("2020-09-25 18:10:20", "2020-09-22T18:10:23.084Z", None),
        ("2020-09-22T18:10:20Z", "2020-09-22T18:10:23.084Z", None),
        ("2020-09-22 14:10:23", "never", None),
    ],
)
def test_the_collectors_time_tells_the_zone_of_nxlogs(
    received: str, collected: str, offset: str | None
) -> None:
    times = {"EventTime": "2020-09-22 14:10:21", "EventReceivedTime": received, "@timestamp": collected}
    found = event_of({**FLAT, **times})
    assert found is not None
    assert (found.time, found.offset) == ("2020-09-22 14:10:21", offset)


def test_user_data_has_fields_too() -> None:
    fields = {"User": "CORP\\alice", "SessionID": "2", "Address": "198.51.100.7"}
    system = {**SYSTEM, "EventID": 21, "Provider": {"#attributes": {"Name": RDP_SESSIONS}}}
    record = {
        "Event": {
            "System": system,
            "UserData": {"EventXML": {"#attributes": {"xmlns": "Event_NS"}, **fields}},
        }
    }
    found = event_of(record)
    in_xml = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    same = event_of_xml(xml(f"<UserData><EventXML xmlns='Event_NS'>{in_xml}</EventXML></UserData>"))
    assert found is not None
    assert same is not None
    assert {name: found.data[name] for name in fields} == dict(same.data) == fields


def test_xml_says_the_same() -> None:
    data = "".join(f"<Data Name='{key}'>{value}</Data>" for key, value in DATA.items())
    assert event_of_xml(xml(f"<EventData>{data}</EventData>")) == Event(SECURITY, 4624, "SRV1", TIME, DATA)


@pytest.mark.parametrize("forbidden", ["&#x1;", "&#0;", "\x02", "&#31;"])
def test_characters_that_xml_forbids_do_not_spoil_an_event(forbidden: str) -> None:
    found = event_of_xml(xml(f"<EventData><Data Name='TargetUserName'>a{forbidden}b</Data></EventData>"))
    assert found is not None
    assert found.data["TargetUserName"] == "a\ufffdb"


@pytest.mark.parametrize(
    "text",
    [
        "<Event></Event>",
        "<Event><System><EventID>4624</EventID></System></Event>",
        xml("", event_id="four"),
        xml("<EventData>"),
        "<!DOCTYPE Event [<!ENTITY a 'b'>]>" + xml("<EventData><Data Name='x'>&a;</Data></EventData>"),
    ],
)
def test_what_is_no_event_in_xml_is_none(text: str) -> None:
    assert event_of_xml(text) is None


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"EventID": 4624},
        {"EventID": None, "SourceName": SECURITY},
        {"EventID": "²", "SourceName": SECURITY},
        {"EventID": 10**12, "SourceName": SECURITY},
        {"EventID": {"a": {"b": 1}}, "SourceName": SECURITY},
        {"Event": {"System": {}}},
        {"winlog": {}},
    ],
)
def test_what_is_no_event_in_json_is_none(record: dict[str, Any]) -> None:
    assert event_of(record) is None


KEYS = st.sampled_from(
    [
        *(
            "Event",
            "System",
            "EventData",
            "UserData",
            "Data",
            "Provider",
            "EventID",
            "TimeCreated",
            "winlog",
            "Id",
        ),
        *(
            "event_data",
            "ProviderName",
            "SourceName",
            "Properties",
            "Message",
            "#attributes",
            "_source",
            "Payload",
        ),
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.sampled_from([SECURITY, SYSMON, "4624", "<a>"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_no_object_whatever_its_shape_is_an_error(record: dict[str, Any]) -> None:
    found = event_of(record)
    if found is not None:
        assert all(isinstance(text_of(value), str | None) for value in found.data.values())


@given(st.text(max_size=80))
def test_no_text_is_an_error(text: str) -> None:
    event_of_xml(f"<Event>{text}</Event>")
    event_of_xml(text)
