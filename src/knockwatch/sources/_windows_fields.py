"""Which Windows events are read, and what their fields are called; not how they are written, nor what they mean.

Fields and their order are those of the providers' manifests, as Microsoft documents them (Windows security auditing,
events 4624 to 5158; Sysmon's schema; the firewall's and the remote desktop's operational logs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

Kind = Literal["process", "connection", "filtered", "listener", "rule", "registry", "message"]

SECURITY = "Microsoft-Windows-Security-Auditing"
SYSMON = "Microsoft-Windows-Sysmon"
SYSMON_LINUX = "Linux-Sysmon"
SERVICES = "Service Control Manager"
FIREWALL = "Microsoft-Windows-Windows Firewall With Advanced Security"
RDP_CONNECTIONS = "Microsoft-Windows-TerminalServices-RemoteConnectionManager"
RDP_SESSIONS = "Microsoft-Windows-TerminalServices-LocalSessionManager"
OPENSSH = "OpenSSH"

_SYSMON_KINDS: Mapping[int, Kind] = {
    1: "process", 3: "connection", 12: "registry", 13: "registry", 22: "message",
}  # fmt: skip
KINDS: Mapping[str, Mapping[int, Kind]] = {
    SYSMON: _SYSMON_KINDS,
    SYSMON_LINUX: _SYSMON_KINDS,
    SECURITY: {
        4688: "process",
        5152: "filtered", 5156: "filtered", 5157: "filtered",
        5154: "listener", 5158: "listener",
        4946: "rule", 4947: "rule", 4948: "rule",
        4624: "message", 4625: "message", 4697: "message", 5155: "message",
    },
    SERVICES: {7045: "message"},
    # Windows 11 added numbers of its own for the same three events.
    FIREWALL: dict.fromkeys((*(2004, 2071, 2097), *(2005, 2073, 2099), *(2006, 2052), *(2033, 2059)), "rule"),
    RDP_CONNECTIONS: {1149: "message"},
    RDP_SESSIONS: {21: "message", 25: "message"},
    OPENSSH: {4: "message"},
}  # fmt: skip
"""What is read of which provider, by event id."""
IDS = frozenset(event_id for kinds in KINDS.values() for event_id in kinds)
RULES_REMOVED = (4948, 2006, 2052, 2033, 2059)

_BY_NAME = {
    **{name.lower(): name for name in KINDS},
    # The same provider's name as Windows shows it to people.
    "microsoft windows security auditing.": SECURITY,
}
_BY_CHANNEL = {
    "security": SECURITY,
    "system": SERVICES,
    f"{SYSMON}/Operational".lower(): SYSMON,
    f"{FIREWALL}/Firewall".lower(): FIREWALL,
    f"{RDP_CONNECTIONS}/Operational".lower(): RDP_CONNECTIONS,
    f"{RDP_SESSIONS}/Operational".lower(): RDP_SESSIONS,
    "openssh/operational": OPENSSH,
}

_SUBJECT = ("SubjectUserSid", "SubjectUserName", "SubjectDomainName", "SubjectLogonId")
_FILTERED = (
    "ProcessId", "Application", "Direction", "SourceAddress", "SourcePort", "DestAddress", "DestPort",
    "Protocol", "FilterRTID", "LayerName",
)  # fmt: skip
_LISTENER = ("ProcessId", "Application", "SourceAddress", "SourcePort", "Protocol", "FilterRTID")
_LOG_ON = ("LogonProcessName", "AuthenticationPackageName", "WorkstationName")
_SESSION = ("User", "SessionID", "Address")
_RULE = (
    "RuleId", "RuleName", "Origin", "ApplicationPath", "ServiceName", "Direction", "Protocol", "LocalPorts",
    "RemotePorts", "Action", "Profiles", "LocalAddresses", "RemoteAddresses", "RemoteMachineAuthorizationList",
    "RemoteUserAuthorizationList", "EmbeddedContext", "Flags", "Active", "EdgeTraversal", "LooseSourceMapped",
    "SecurityOptions", "ModifyingUser", "ModifyingApplication",
)  # fmt: skip
_CHANGE = ("ProfileChanged", "RuleId", "RuleName")
_RULE_REMOVED = ("RuleId", "RuleName", "ModifyingUser", "ModifyingApplication")

POSITIONS: Mapping[tuple[str, int], Sequence[str]] = {
    (SECURITY, 4624): (
        *_SUBJECT, "TargetUserSid", "TargetUserName", "TargetDomainName", "TargetLogonId", "LogonType", *_LOG_ON,
        "LogonGuid", "TransmittedServices", "LmPackageName", "KeyLength", "ProcessId", "ProcessName", "IpAddress",
        "IpPort",
    ),
    (SECURITY, 4625): (
        *_SUBJECT, "TargetUserSid", "TargetUserName", "TargetDomainName", "Status", "FailureReason", "SubStatus",
        "LogonType", *_LOG_ON, "TransmittedServices", "LmPackageName", "KeyLength", "ProcessId", "ProcessName",
        "IpAddress", "IpPort",
    ),
    (SECURITY, 4688): (
        *_SUBJECT, "NewProcessId", "NewProcessName", "TokenElevationType", "ProcessId", "CommandLine",
        "TargetUserSid", "TargetUserName", "TargetDomainName", "TargetLogonId", "ParentProcessName",
    ),
    (SECURITY, 4697): (
        *_SUBJECT, "ServiceName", "ServiceFileName", "ServiceType", "ServiceStartType", "ServiceAccount",
    ),
    **dict.fromkeys(((SECURITY, event_id) for event_id in (5152, 5156, 5157)), _FILTERED),
    **dict.fromkeys(((SECURITY, event_id) for event_id in (5154, 5155, 5158)), _LISTENER),
    **dict.fromkeys(((SECURITY, event_id) for event_id in (4946, 4947, 4948)), _CHANGE),
    **dict.fromkeys(
        ((FIREWALL, event_id) for event_id in KINDS[FIREWALL] if event_id not in RULES_REMOVED), _RULE
    ),
    **dict.fromkeys(((FIREWALL, event_id) for event_id in (2006, 2052)), _RULE_REMOVED),
    (SERVICES, 7045): ("ServiceName", "ImagePath", "ServiceType", "StartType", "AccountName"),
    (RDP_CONNECTIONS, 1149): ("Param1", "Param2", "Param3"),
    (RDP_SESSIONS, 21): _SESSION,
    (RDP_SESSIONS, 25): _SESSION,
    (OPENSSH, 4): ("process", "payload"),
}  # fmt: skip
"""The fields of an event in their order, for writers that leave out the names. Sysmon's differ by version."""

FIELDS = tuple(
    dict.fromkeys(
        [
            *(name for names in POSITIONS.values() for name in names),
            *("Image", "CommandLine", "User", "ParentImage", "ParentCommandLine", "ParentProcessId"),
            *("SourceIp", "DestinationIp", "DestinationPort", "Initiated"),
            *("EventType", "TargetObject", "Details", "QueryName", "QueryStatus", "QueryResults"),
        ]
    )
)
"""All fields that are read of any event, and some between them that count for their positions alone."""


def provider_of(name: str | None, channel: str | None) -> str | None:
    """Give a provider's own name, from any spelling of it or, where there is none, from the channel's name."""
    if name and (known := _BY_NAME.get(name.lower())):
        return known
    return name or _BY_CHANNEL.get((channel or "").lower())


def kind_of(provider: str, event_id: int) -> Kind | None:
    """Tell what an event is read as; None where it is not read."""
    return KINDS.get(provider, {}).get(event_id)
