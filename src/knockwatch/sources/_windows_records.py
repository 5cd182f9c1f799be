"""One Windows event, told from any of the ways in which programs write it as JSON or XML; what it means is not here.

Known are: the event's own structure, ``{"Event": {"System": …, "EventData": …}}`` (evtx_dump, Velociraptor, whatever
turns XML into JSON); winlogbeat's (``winlog.event_data``, and what it was before ECS); Get-WinEvent's object as
ConvertTo-Json writes it; and flat objects (NXLog, EvtxECmd, OTRF's data sets, Sentinel's SecurityEvent and
WindowsEvent).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree

from knockwatch.sources._windows_fields import POSITIONS, SYSMON, provider_of

Values = Mapping[str, Any]

_TEXT_KEYS = ("#text", "$t", "Value", "value", "text", "_")
"""Under which keys writers put an element's text, where the element has attributes too."""
_NAME_KEYS = ("@Name", "Name", "name")
_FLAT = {
    "event_id": ("EventID", "EventId", "event_id", "EventCode"),
    "provider": ("SourceName", "ProviderName", "Provider", "EventSourceName", "source_name", "Source"),
    "channel": ("Channel", "EventLog", "LogName", "log_name"),
    "computer": ("Hostname", "Computer", "ComputerName", "computer_name", "MachineName"),
    "time": ("TimeCreated", "EventTime", "TimeGenerated", "SystemTime", "@timestamp"),
}
"""Where flat records have what an event's System element says, best first."""
_DATE_OF_SCRIPT = re.compile(r"^/Date\((\d+)(?:[+-]\d{4})?\)/$")
"""Milliseconds since 1970, as Windows PowerShell 5.1 writes a time."""
_RENDERED = re.compile(r"^(\w+): (.*?)\r?$", re.MULTILINE)
"""A field of Sysmon's rendered message, which is English everywhere and has the fields' own names."""
_QUARTER = timedelta(minutes=15)
_ZONE_MOST = timedelta(hours=14)
_FORBIDDEN = re.compile(
    r"&#(?:x0*(?:[0-8bcef]|1[0-9a-f])|0*(?:[0-8]|1[1245-9]|2\d|3[01]));|[\x00-\x08\x0b\x0c\x0e-\x1f]",
    re.IGNORECASE,
)
"""Characters that XML 1.0 forbids and Windows writes all the same."""


@dataclass(frozen=True)
class Event:
    """What any writer says of an event.

    Parameters
    ----------
    provider, event_id, computer
        Who wrote it, which of its events it is, and where.
    time
        When, as written.
    offset
        The zone of a time that names none, where the record tells it elsewhere: ``-04:00``.
    data
        Its fields.
    """

    provider: str
    event_id: int
    computer: str | None
    time: str | None
    data: Values = field(hash=False)
    offset: str | None = None


def event_of(record: Values) -> Event | None:
    """Read an event from a JSON object; None where it is none."""
    source = record.get("_source")
    record = source if isinstance(source, Mapping) else record
    inner = record.get("Event")
    record = inner if isinstance(inner, Mapping) else record
    system = record.get("System")
    if isinstance(system, Mapping):
        return _of_structure(system, _data_of(record))
    if isinstance(record.get("winlog"), Mapping) or "winlog.event_id" in record:
        return _of_winlog(record)
    if "Id" in record and "ProviderName" in record:
        return _of_powershell(record)
    return _of_flat(record)


def event_of_xml(text: str) -> Event | None:
    """Read an event from its XML; None where it is none."""
    try:
        root = _parsed(text)
    except ElementTree.ParseError:
        return None
    system, data = _child(root, "System"), _child(root, "EventData")
    if system is None:
        return None
    user = _child(root, "UserData")
    fields = data if data is not None else next(iter(user if user is not None else ()), None)
    found: dict[str, str | None] = {}
    for element in fields if fields is not None else ():
        found.setdefault(element.get("Name") or _local(element), element.text)
    provider, created = _child(system, "Provider"), _child(system, "TimeCreated")
    return _event(
        None if provider is None else provider.get("Name"),
        _content(system, "EventID"),
        _content(system, "Channel"),
        _content(system, "Computer"),
        None if created is None else created.get("SystemTime"),
        found,
    )


def text_of(value: Any) -> str | None:
    """Give a value as text; null where there is none, the only one of a list, the text of an element."""
    if isinstance(value, Mapping):
        return text_of(next((value[key] for key in _TEXT_KEYS if key in value), None))
    if isinstance(value, list):
        return (
            text_of(value[0]) if len(value) == 1 else ", ".join(text_of(item) or "" for item in value) or None
        )
    if value is None:
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    # JSON may spell halves of characters, which no text can hold.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _event(
    provider: Any,
    event_id: Any,
    channel: Any,
    computer: Any,
    time: Any,
    data: Values,
    offset: str | None = None,
) -> Event | None:
    """Put an event together; None without a provider or a number."""
    number = text_of(event_id) or ""
    known = provider_of(text_of(provider), text_of(channel))
    if known is None or not number.isascii() or not number.isdigit() or len(number) > 9:
        return None
    moment = text_of(time)
    if moment and (script := _DATE_OF_SCRIPT.match(moment)):
        moment = script[1]
    return Event(known, int(number), text_of(computer), moment, data, offset)


def _of_structure(system: Values, data: Values) -> Event | None:
    """Read the event's own structure."""
    return _event(
        _attribute(system, "Provider", "Name"),
        system.get("EventID"),
        system.get("Channel"),
        system.get("Computer"),
        _attribute(system, "TimeCreated", "SystemTime"),
        data,
    )


def _attribute(system: Values, element: str, name: str) -> Any:
    """Find an element's attribute, wherever a writer put it."""
    beside, itself = system.get(f"{element}_attributes"), system.get(element)
    for place in (beside, itself.get("#attributes") if isinstance(itself, Mapping) else None, itself):
        if isinstance(place, Mapping):
            for key in (name, f"@{name}"):
                if key in place:
                    return place[key]
    return itself if not isinstance(itself, Mapping) else None


def _data_of(record: Values) -> Values:
    """Find the fields of an event: `EventData`, or the one element in `UserData`."""
    data = record.get("EventData")
    if isinstance(data, str):
        data = _read_text(data)
    if isinstance(data, Mapping):
        listed = data.get("Data")
        return _named(listed) if isinstance(listed, list) else data
    user = record.get("UserData")
    inner = [value for key, value in user.items() if isinstance(value, Mapping) and key != "#attributes"] \
        if isinstance(user, Mapping) else []  # fmt: skip
    return inner[0] if inner else {}


def _named(listed: Sequence[Any]) -> dict[str, Any]:
    """Read ``[{"@Name": …, "#text": …}, …]``."""
    found: dict[str, Any] = {}
    for item in listed:
        if isinstance(item, Mapping):
            name = next((text_of(item[key]) for key in _NAME_KEYS if key in item), None)
            if name:
                found.setdefault(name, item)
    return found


def _read_text(text: str) -> Any:
    """Read fields that were put into one text: JSON, or the XML of the element."""
    text = text.strip()
    if text.startswith("<"):
        try:
            root = _parsed(text)
        except ElementTree.ParseError:
            return None
        elements = (element for element in root.iter() if element.get("Name"))
        return {element.get("Name"): element.text for element in elements}
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _of_winlog(record: Values) -> Event | None:
    """Read what winlogbeat writes since it follows ECS, nested or flat."""
    winlog = record.get("winlog")
    if not isinstance(winlog, Mapping):
        winlog = {
            key.removeprefix("winlog."): value for key, value in record.items() if key.startswith("winlog.")
        }
    data: dict[str, Any] = {}
    for part in ("user_data", "event_data"):
        nested = winlog.get(part)
        data.update(nested if isinstance(nested, Mapping) else {})
        prefix = f"{part}."
        data.update(
            {key.removeprefix(prefix): value for key, value in winlog.items() if key.startswith(prefix)}
        )
    return _event(
        winlog.get("provider_name"),
        winlog.get("event_id"),
        winlog.get("channel"),
        winlog.get("computer_name"),
        record.get("@timestamp"),
        {**_sysmon_message(record.get("message"), text_of(winlog.get("provider_name"))), **data},
    )


def _of_powershell(record: Values) -> Event | None:
    """Read Get-WinEvent's object, whose fields have positions instead of names."""
    event = _event(
        record.get("ProviderName"),
        record.get("Id"),
        record.get("LogName"),
        record.get("MachineName"),
        record.get("TimeCreated"),
        {},
    )
    if event is None:
        return None
    listed = record.get("Properties")
    values = listed if isinstance(listed, list) else []
    names = POSITIONS.get((event.provider, event.event_id), ())
    data = {
        **_sysmon_message(record.get("Message"), event.provider),
        **dict(zip(names, values, strict=False)),
    }
    return Event(event.provider, event.event_id, event.computer, event.time, data)


def _sysmon_message(message: Any, provider: str | None) -> dict[str, str]:
    """Read the fields of Sysmon's rendered message; collectors that move fields elsewhere keep the message."""
    return dict(_RENDERED.findall(message)) if isinstance(message, str) and provider == SYSMON else {}


def _of_flat(record: Values) -> Event | None:
    """Read a flat object, whose fields stand beside what is said of the event."""
    said = {
        part: next((record[key] for key in keys if record.get(key)), None) for part, keys in _FLAT.items()
    }
    if said["event_id"] is None:
        return None
    data = dict(record)
    for key in ("EventData", "event_data", "Payload"):
        inner = record.get(key)
        inner = _read_text(inner) if isinstance(inner, str) else inner
        if isinstance(inner, Mapping):
            data.update(
                _data_of(inner if "EventData" in inner or "UserData" in inner else {"EventData": inner})
            )
    return _event(
        said["provider"],
        said["event_id"],
        said["channel"],
        said["computer"],
        said["time"],
        data,
        _zone_of(record) if said["time"] == record.get("EventTime") else None,
    )


def _zone_of(record: Values) -> str | None:
    """Tell the zone of NXLog's times, which are local and name none, from the collector's own time of the record."""
    try:
        received = datetime.fromisoformat(str(record["EventReceivedTime"]))
        collected = datetime.fromisoformat(str(record["@timestamp"]))
        datetime.fromisoformat(str(record["EventTime"]))
    except (KeyError, ValueError):
        return None
    if received.tzinfo is not None or collected.tzinfo is None:
        return None
    apart = received - collected.replace(tzinfo=None)
    zone = round(apart / _QUARTER) * _QUARTER
    if abs(zone) > _ZONE_MOST:
        return None
    minutes = abs(zone) // timedelta(minutes=1)
    return f"{'-' if zone < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02}"


def _parsed(text: str) -> ElementTree.Element:
    """Parse XML, without the characters that it must not have; an event declares no entities."""
    if "<!DOCTYPE" in text:
        raise ElementTree.ParseError("declares a document type")
    try:
        return ElementTree.fromstring(text)  # noqa: S314 no entities, no attack
    except ElementTree.ParseError:
        return ElementTree.fromstring(_FORBIDDEN.sub("\ufffd", text))  # noqa: S314


def _local(element: ElementTree.Element) -> str:
    """Give an element's name without its name space."""
    return element.tag.rpartition("}")[2]


def _child(element: ElementTree.Element, name: str) -> ElementTree.Element | None:
    """Find a child by its name, in whatever name space."""
    return next((child for child in element if _local(child) == name), None)


def _content(element: ElementTree.Element, name: str) -> str | None:
    """Give a child's text."""
    child = _child(element, name)
    return None if child is None or child.text is None else child.text.strip()
