"""Sockets and filters of a running host: `ss`, `netstat`, `lsof`, /proc/net/packet, /proc/net/xt_recent, `bpftool`.

Told are listeners, packet and raw sockets, and attached filters; connections are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from knockwatch.hoststate import Numbered, State
from knockwatch.hoststate.bpf import instructions, waits
from knockwatch.hoststate.daemons import FWKNOPD, KNOCKD, waiting_doors
from knockwatch.hoststate.words import LARGEST_PORT

SS_HEADER = re.compile(r"^(?:Netid +)?(?:State +)?Recv-Q +Send-Q +Local Address:Port +Peer Address:Port")
_SS = re.compile(
    r"^(?:(?P<netid>tcp|udp|raw|icmp6?|sctp|dccp|p_raw|p_dgr|xdp|\?\?\?) +)?(?:(?P<state>[A-Z][A-Z0-9-]+) +)?"
    r"\d+ +\d+ +(?P<local>\S+):(?P<port>\S+) +(?P<peer>\S+)(?: +(?P<rest>.*))?$"
)
_FILTER = re.compile(r"^\s+bpf filter \(\d+\):")
_USER = re.compile(r'\("([^"]*)",pid=(\d{1,9})')
PACKET_HEADER = re.compile(r"^sk +RefCnt Type Proto +Iface R Rmem +User +Inode")
_PACKET = re.compile(r"^[0-9a-fA-F]{8,16} +\d+ +(\d+) +([0-9a-fA-F]{4}) +(-?\d+) +\d+ +\d+ +(\d+) +(\d+)")
NETSTAT_HEADER = re.compile(r"^Proto +Recv-Q +Send-Q +Local Address +Foreign Address")
_NETSTAT = re.compile(
    r"^(?P<netid>tcp|udp|raw)6? +\d+ +\d+ +(?P<local>\S+):(?P<port>[\d*]+) +(?P<peer>\S+)"
    r"(?: +(?P<state>[A-Z_]+[0-9]?|7))?(?: +\d+ +\d+)?(?: +(?:(?P<pid>\d{1,9})/(?P<name>.*?)|-))? *$"
)
LSOF_HEADER = re.compile(r"^COMMAND +PID +(?:TID +\S* *)?USER +FD +TYPE +DEVICE")
_LSOF = re.compile(
    r"^(?P<name>\S+) +(?P<pid>\d{1,9}) +(?:\d+ +\S+ +)?(?P<user>\S+) +\S+ +(?P<type>IPv4|IPv6|pack|raw6?) +\S+ +\S+ +"
    r"(?P<protocol>\S+) +(?P<rest>.*)$"
)
RECENT = re.compile(r"^src=(\S+) ttl: \d+ last_seen: \d+ oldest_pkt: \d+")
RECENT_LIST = re.compile(r"^(?:==> ?|== ?|# ?)?\S*/proc/(?:self/)?net/(?:xt|ipt)_recent/(\S+?)(?: <==)?$")
BPFTOOL_PROGRAM = re.compile(r"^(\d+): ([a-z_]+)  (?:name (\S+)  )?tag ([0-9a-f]{16})")
BPFTOOL_NET = re.compile(r"^(xdp|tc|flow_dissector|netfilter):\s*$")
_ATTACHED = re.compile(r"^(\S+)\((\d+)\) (.+)$")
_TRACES_PACKETS = frozenset({"socket_filter", "xdp", "sched_cls", "sched_act", "sk_skb", "flow_dissector"})
_ANY = frozenset({"*", "0.0.0.0", "::"})  # noqa: S104, read and never bound

Row = dict[str, Any]


def read_ss(lines: Sequence[Numbered]) -> State:
    """Read `ss -tulpn`, `ss -anp` and `ss -0pb`."""
    state, within = State(), False
    owner: tuple[int, str, Row] | None = None
    for number, text in lines:
        if SS_HEADER.match(text):
            within, owner = True, None
            state.known.add(number)
        elif within and _FILTER.match(text):
            state.known.add(number)
            _filtered(state, number, text, owner)
        elif within and (found := _SS.match(text)):
            state.known.add(number)
            row = _socket(number, " ".join(text.split()), found.groupdict())
            owner = (number, " ".join(text.split()), row) if row else None
            if row:
                state.rows.append(row)
        elif text.strip() and not text.startswith(("\t", " ")):
            within = False
    return state


def _filtered(state: State, number: int, text: str, owner: tuple[int, str, Row] | None) -> None:
    """Read a filter; of a knock daemon it tells what it waits for."""
    program = instructions(text.strip())
    if program is None:
        state.misfits.append((number, text))
        return
    actor = owner[2].get("actor") if owner else None
    pid = owner[2].get("pid") if owner else None
    line = " ".join(text.split())
    state.rows.append(
        {"line": number, "kind": "filter-attached", "rule_text": line, "actor": actor, "pid": pid}
    )
    if owner and actor in {KNOCKD, FWKNOPD}:
        state.told(waiting_doors(actor, waits(program), (owner[:2], (number, line))), actor)


def _socket(number: int, text: str, said: Mapping[str, str | None]) -> Row | None:
    """Give the row of a listener, or of a packet or raw socket."""
    user = _USER.search(said["rest"] or "")
    # Without a netid all sockets are of one kind; a listener in state LISTEN is of TCP.
    netid = said["netid"] or ("tcp" if said["state"] == "LISTEN" else None)
    row: Row = {
        "line": number,
        "rule_text": text,
        "actor": user[1] if user else None,
        "pid": int(user[2]) if user else None,
    }
    if netid in {"p_raw", "p_dgr", "raw", "xdp"}:
        return {**row, "kind": "socket-opened"}
    port = said["port"] or ""
    waiting = said["state"] == "LISTEN" or (said["state"] == "UNCONN" and (said["peer"] or "").endswith(":*"))
    if not waiting or netid is None or not port.isdecimal() or int(port) > LARGEST_PORT:
        return None
    at = (said["local"] or "").partition("%")[0].strip("[]")
    return {
        **row,
        "kind": "listener-opened",
        "protocol": netid,
        "port": int(port),
        "destination_ip": _bound(at),
    }


def _bound(at: str) -> str | None:
    """Give the address a listener is bound to; None for any."""
    return None if at in _ANY else at


def read_packet_sockets(lines: Sequence[Numbered]) -> State:
    """Read /proc/net/packet (linux net/packet/af_packet.c, packet_seq_show)."""
    state, within = State(), False
    for number, text in lines:
        found = _PACKET.match(text.strip()) if within else None
        if PACKET_HEADER.match(text):
            within = True
        elif found:
            state.rows.append({"line": number, "kind": "socket-opened", "rule_text": " ".join(text.split())})
        else:
            within = within and not text.strip()
            continue
        state.known.add(number)
    return state


def read_netstat(lines: Sequence[Numbered]) -> State:
    """Read `netstat -tulpn` and `netstat -anp` of net-tools."""
    state, within = State(), False
    for number, text in lines:
        if NETSTAT_HEADER.match(text) or text.startswith("Active Internet connections"):
            within = True
            state.known.add(number)
            continue
        found = _NETSTAT.match(text) if within else None
        if found is None:
            within = within and not text.strip()
            continue
        state.known.add(number)
        said = found.groupdict()
        waiting = said["state"] == "LISTEN" or (said["netid"] == "udp" and said["peer"].endswith(":*"))
        row: Row = {
            "line": number,
            "rule_text": " ".join(text.split()),
            "actor": (said["name"] or "").strip() or None,
            "pid": int(said["pid"]) if said["pid"] else None,
        }
        if said["netid"] == "raw":
            state.rows.append({**row, "kind": "socket-opened"})
        elif waiting and said["port"].isdecimal() and int(said["port"]) <= LARGEST_PORT:
            listener = {
                "protocol": said["netid"],
                "port": int(said["port"]),
                "destination_ip": _bound(said["local"]),
            }
            state.rows.append({**row, "kind": "listener-opened", **listener})
    return state


def read_lsof(lines: Sequence[Numbered]) -> State:
    """Read `lsof -nP -i` and the packet sockets of `lsof -nP`."""
    state, within = State(), False
    for number, text in lines:
        if LSOF_HEADER.match(text):
            within = True
            state.known.add(number)
            continue
        found = _LSOF.match(text) if within else None
        if found is None:
            within = within and not text.strip()
            continue
        state.known.add(number)
        row: Row = {
            "line": number,
            "rule_text": " ".join(text.split()),
            "actor": found["name"],
            "pid": int(found["pid"]),
            "user": found["user"],
        }
        local, _, rest = found["rest"].partition(" ")
        at, _, port = local.rpartition(":")
        protocol = found["protocol"].lower()
        waiting = "(LISTEN)" in rest or (protocol == "udp" and "->" not in local)
        if found["type"] in {"pack", "raw", "raw6"}:
            state.rows.append({**row, "kind": "socket-opened"})
        elif waiting and port.isdecimal() and int(port) <= LARGEST_PORT:
            listener = {"protocol": protocol, "port": int(port), "destination_ip": _bound(at.strip("[]"))}
            state.rows.append({**row, "kind": "listener-opened", **listener})
    return state


def read_recent(lines: Sequence[Numbered]) -> State:
    """Read /proc/net/xt_recent: who was last seen is in which list, that is, how far a source has got."""
    state = State()
    named: str | None = None
    for number, text in lines:
        line = text.strip()
        if title := RECENT_LIST.match(line):
            named = title[1]
        elif found := RECENT.match(line):
            told = f"recent {named or ''}: {line}"
            state.rows.append(
                {
                    "line": number,
                    "kind": "rule-added",
                    "rule_text": told,
                    "source_ip": found[1],
                    "name": named,
                }
            )
        else:
            named = named if not line else None
            continue
        state.known.add(number)
    return state


def read_bpftool(lines: Sequence[Numbered]) -> State:
    """Read `bpftool prog show` and `bpftool net show`: programs that see packets, and where they are attached."""
    state, within = State(), False
    section: str | None = None
    for number, text in lines:
        program, title = BPFTOOL_PROGRAM.match(text), BPFTOOL_NET.match(text)
        attached = _ATTACHED.match(text) if section else None
        if title:
            section, within = title[1], True
        elif program:
            section, within = None, True
            if program[2] in _TRACES_PACKETS:
                state.rows.append({"line": number, "kind": "filter-attached", "rule_text": text.strip()})
        elif attached:
            told = f"{section} {text.strip()}"
            state.rows.append({"line": number, "kind": "filter-attached", "rule_text": told})
        elif not (within and text.startswith(("\t", "  ")) and text.strip()):
            if text.strip():
                section, within = None, False
            continue
        state.known.add(number)
    return state


READERS: Mapping[str, Callable[[Sequence[Numbered]], State]] = {
    "ss": read_ss,
    "proc-net-packet": read_packet_sockets,
    "netstat": read_netstat,
    "lsof": read_lsof,
    "xt-recent": read_recent,
    "bpftool": read_bpftool,
}
