"""Configurations of knock daemons: knockd.conf, fwknopd's access.conf and fwknopd.conf, and the filters they attach.

Keys and passphrases are read over: no row has them. What a command opens is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from knockwatch.hoststate import ConfiguredDoor, Numbered, State
from knockwatch.hoststate.bpf import Wait
from knockwatch.hoststate.words import LARGEST_PORT, address

KNOCKD = "knockd"
FWKNOPD = "fwknopd"
SEQUENCE_SECONDS = 25
"""knockd's default of seq_timeout (knockd.1)."""
SPA_STEP = "udp/62201"
"""Where fwknopd listens unless it is told otherwise (fwknopd.8)."""
MOST_STEPS = 32
"""knockd takes no more (src/knockd.c, SEQ_MAX)."""

SECTION = re.compile(r"^\[([^\]]+)\]$")
_SETTING = re.compile(r"^([A-Za-z_0-9]+)(?:\s*=\s*(.*))?$")
_STEP = re.compile(r"(\d{1,5})(?::(tcp|udp))?", re.IGNORECASE)
_VALUE = re.compile(r"^(%?[A-Z][A-Z_0-9]+|%[a-z_]+):?\s+(\S.*)$")
KNOCKD_SIGN = re.compile(
    r"^\[[^\]\n]+\][ \t\r]*$[^\[]*^[ \t]*(?:one_time_)?sequences?[ \t]*=", re.MULTILINE | re.IGNORECASE
)
ACCESS_SIGN = re.compile(r"^[ \t]*SOURCE:?[ \t]+\S", re.MULTILINE)
FWKNOPD_SIGN = re.compile(
    r"^[ \t]*(?:PCAP_|ENABLE_|FWKNOP_|FIREW|IPT_|FLUSH_|MAX_SPA_|DIGEST_|ACCESS_FILE|SYSLOG_|UDPSERV_|TCPSERV_)"
    r"\w*[ \t]+\S",
    re.MULTILINE,
)
"""What tells these files from others of their shape.

No blank in them is a line end: a file of blank lines would take hours."""
_SECRET = re.compile(r"(?:^|_)(?:KEY|PW|PASSWORD|PASSPHRASE|SECRET)|^(?:GPG_|KEY)", re.IGNORECASE)
_OPENS = re.compile(r"(tcp|udp|sctp)/(\d{1,5})", re.IGNORECASE)
_FILTER_PORT = re.compile(r"\b(tcp|udp)(?: dst)? port (\d{1,5})")
_TOLD = ("SOURCE", "OPEN_PORTS", "RESTRICT_PORTS", "FORCE_NAT", "CMD_CYCLE_OPEN", "DESTINATION")


def read_knockd(lines: Sequence[Numbered]) -> State:
    """Read knockd.conf (knockd(1)): a door for each section with a sequence."""
    state = State()
    sections: list[tuple[str, list[tuple[int, str, str, str]]]] = []
    for number, text in lines:
        line = text.strip()
        if not line or line.startswith(("#", ";")):
            continue
        setting = _SETTING.match(line)
        if named := SECTION.match(line):
            sections.append((named[1], []))
        elif setting and sections:
            sections[-1][1].append((number, line, setting[1].lower(), setting[2] or ""))
        else:
            state.misfits.append((number, text))
            continue
        state.known.add(number)
    for name, settings in sections:
        if name.lower() != "options":
            _knockd_door(state, name, settings)
    return state


def _knockd_door(state: State, name: str, settings: Sequence[tuple[int, str, str, str]]) -> None:
    """Read one section."""
    said = {key: (number, line, value) for number, line, key, value in settings}
    steps: tuple[str, ...] = ()
    if "sequence" in said:
        number, line, value = said["sequence"]
        steps = _steps(value)
        if not steps:
            state.misfits.append((number, line))
            return
    elif "one_time_sequences" not in said:
        return
    limit = said.get("seq_timeout", said.get("timeout", (0, "", "")))[2]
    commands = {"start_command", "command", "start_command_6", "command_6", "start_command6", "command6"}
    wanted = {"sequence", "one_time_sequences", "seq_timeout", "timeout", "tcpflags", "target", *commands}
    texts = [text for key in commands if key in said for text in (said[key][2],)]
    door = ConfiguredDoor(
        steps,
        None,
        "sequence",
        tuple((number, line) for number, line, key, _ in settings if key in wanted),
        name=name,
        seconds=int(limit) if limit.isdecimal() and len(limit) < 7 else SEQUENCE_SECONDS,
        source_bound=any("%IP%" in text.upper() for text in texts) if texts else None,
        destination=address(said.get("target", (0, "", ""))[2]),
    )
    state.told([door], KNOCKD)


def _steps(value: str) -> tuple[str, ...]:
    """Read ``7000,8000:udp``; empty where one of them is no port."""
    found = [_STEP.fullmatch(word.strip()) for word in value.split(",")]
    sound = [step for step in found if step and 0 < int(step[1]) <= LARGEST_PORT]
    if len(sound) != len(found) or len(sound) > MOST_STEPS:
        return ()
    return tuple(f"{(step[2] or 'tcp').lower()}/{int(step[1])}" for step in sound)


def read_access(lines: Sequence[Numbered]) -> State:
    """Read access.conf (fwknopd(8)): a door for each stanza and each port it opens; never a key."""
    state = State()
    stanzas: list[dict[str, tuple[int, str]]] = []
    for number, text in lines:
        line = text.strip()
        if not line or line.startswith("#"):
            continue
        setting = _VALUE.match(line)
        if setting is None or not (stanzas or setting[1].upper() == "SOURCE" or setting[1].startswith("%")):
            state.misfits.append((number, "" if _SECRET.search(line) else text))
            continue
        state.known.add(number)
        if setting[1].upper() == "SOURCE":
            stanzas.append({})
        if stanzas:
            stanzas[-1][setting[1].upper()] = (number, _unended(setting[2]))
    for stanza in stanzas:
        state.told(_spa_doors(stanza), FWKNOPD)
    return state


def _spa_doors(stanza: dict[str, tuple[int, str]]) -> Iterator[ConfiguredDoor]:
    """Read one stanza; without OPEN_PORTS a client may ask for any port."""
    told = tuple(
        (number, f"{key} {value}")
        for key, (number, value) in stanza.items()
        if (key in _TOLD or key.startswith("REQUIRE_")) and not _SECRET.search(key)
    )
    opened = _OPENS.findall(stanza.get("OPEN_PORTS", (0, ""))[1])
    services: list[str | None] = [
        f"{protocol.lower()}/{int(port)}" for protocol, port in opened if 0 < int(port) <= LARGEST_PORT
    ]
    allowed = address(stanza["SOURCE"][1].partition(",")[0].strip())
    limit = stanza.get("FW_ACCESS_TIMEOUT", (0, ""))[1]
    for service in services or [None]:
        yield ConfiguredDoor(
            (),
            service,
            "spa",
            tuple(sorted(told)),
            seconds=int(limit) if limit.isdecimal() and len(limit) < 7 else None,
            source=allowed,
            destination=address(stanza.get("DESTINATION", (0, ""))[1]),
        )


def _unended(value: str) -> str:
    """Leave off the semicolon that ends a value."""
    return value.removesuffix(";").rstrip()


def read_fwknopd(lines: Sequence[Numbered]) -> State:
    """Read fwknopd.conf (fwknopd(8)): where it waits for its packets."""
    state = State()
    told: dict[str, tuple[int, str, str]] = {}
    for number, text in lines:
        line = text.strip()
        if not line or line.startswith("#"):
            continue
        setting = _VALUE.match(line)
        if setting is None:
            state.misfits.append((number, text))
            continue
        state.known.add(number)
        told[setting[1].upper()] = (number, line, _unended(setting[2]))
    ports = [
        (f"{protocol}/{int(port)}", told["PCAP_FILTER"][:2])
        for protocol, port in _FILTER_PORT.findall(told.get("PCAP_FILTER", (0, "", ""))[2])
    ]
    for protocol in ("UDP", "TCP"):
        number, line, port = told.get(f"{protocol}SERV_PORT", (0, "", ""))
        enabled = told.get(f"ENABLE_{protocol}_SERVER", (0, "", ""))[2].upper().startswith("Y")
        if enabled and port.isdecimal():
            ports.append((f"{protocol.lower()}/{int(port)}", (number, line)))
    if not ports and told:
        number, line, _ = next(iter(told.values()))
        ports = [(SPA_STEP, (number, line))]
    doors = [ConfiguredDoor((step,), None, "spa", (line,)) for step, line in dict(ports).items()]
    return state.told(doors, FWKNOPD)


def waiting_doors(
    program: str, waits: Sequence[Wait], lines: tuple[Numbered, ...]
) -> Iterator[ConfiguredDoor]:
    """Tell the doors of a knock daemon by the filter it attached to its socket.

    knockd's filter has the ports of each of its doors in their order, TCP first, then a test of the flags; where all
    its ports lead to one test they may be of one door or of several, and the order across protocols is lost.
    """
    if program == FWKNOPD:
        ports = dict.fromkeys(f"{wait.protocol}/{wait.port}" for wait in waits if wait.port)
        yield from (ConfiguredDoor((step,), None, "spa", lines) for step in ports)
        return
    by_host: dict[tuple[int | None, str | None], list[Wait]] = {}
    for wait in waits:
        if wait.port and wait.protocol and not (wait.destination or "").startswith("fe80:"):
            by_host.setdefault((wait.version, wait.destination), []).append(wait)
    for (version, destination), asked in by_host.items():
        parts: dict[tuple[str | None, int | None], list[str]] = {}
        for wait in asked:
            parts.setdefault((wait.protocol, wait.then), []).append(f"{wait.protocol}/{wait.port}")
        mixed = len({protocol for protocol, _ in parts}) > 1
        doors = [[step for part in parts.values() for step in part]] if mixed else list(parts.values())
        tested = any(wait.constants for wait in asked)
        for steps in doors:
            yield ConfiguredDoor(
                tuple(dict.fromkeys(steps)),
                None,
                "sequence",
                lines,
                source_bound=None,
                destination=destination,
                version=version,
                order_known=tested and not mixed,
            )
