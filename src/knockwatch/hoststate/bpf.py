"""Classic BPF filters: instructions as `ss -0pb` and `tcpdump -ddd` print them, as text, and what they wait for.

The text is that of `tcpdump -d` (libpcap, bpf_image.c). What a filter waits for is read along every way to an
acceptance: the values that fields of the packet must equal. Extended BPF is not read: its programs are no lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

MOST_INSTRUCTIONS = 4096
"""BPF_MAXINSNS of linux/bpf_common.h: no socket takes a longer filter."""
MOST_WAYS = 20_000
"""Ways through a filter that are followed."""
_LISTED = re.compile(r"\bbpf filter \((\d+)\):\s*(.*)$")
_INSTRUCTION = re.compile(r"^(0x[0-9a-fA-F]{1,4}|\d{1,5}) (\d{1,3}) (\d{1,3}) (\d{1,10})$")

_LOADS = {0x20: "ld", 0x28: "ldh", 0x30: "ldb", 0x40: "ld", 0x48: "ldh", 0x50: "ldb"}
_SIZES = {0x20: 4, 0x28: 2, 0x30: 1, 0x40: 4, 0x48: 2, 0x50: 1}
_ARITHMETIC = {
    0x00: "add", 0x10: "sub", 0x20: "mul", 0x30: "div", 0x40: "or", 0x50: "and", 0x60: "lsh", 0x70: "rsh",
    0x90: "mod", 0xA0: "xor",
}  # fmt: skip
_JUMPS = {0x10: "jeq", 0x20: "jgt", 0x30: "jge", 0x40: "jset"}
_ETHERNET = 14
"""Bytes before the IP header."""
_OFFSETS = {
    4: {"protocol": 23, "source": 26, "destination": 30},
    6: {"protocol": 20, "source": 22, "destination": 38},
}
_PORTS = {"source port": (0, 2), "port": (2, 2)}
_ICMP = {"icmp type": (0, 1), "icmp code": (1, 1)}
"""Where fields stand behind the IP header, and their bytes."""
_SETS_X = frozenset({0x01, 0x81, 0x61, 0x07})
_STORES = frozenset({0x02, 0x03})
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp"}
_ETHERTYPES = {0x800: 4, 0x86DD: 6}


@dataclass(frozen=True)
class Instruction:
    """One instruction: operation code, jumps if true and if false, constant (struct sock_filter)."""

    code: int
    true: int
    false: int
    constant: int


@dataclass(frozen=True)
class Wait:
    """One kind of packet that a filter lets through.

    Parameters
    ----------
    version, protocol
        4 or 6, and the transport; None where it does not ask.
    source, destination
        Addresses that are compared whole.
    source_port, port
        Ports.
    constants
        Other values it compares, as ``transport+8[2]=0x7255``.
    then
        The instruction that follows the test of the port: filters of several parts go on each at its own place.
    """

    version: int | None = None
    protocol: str | None = None
    source: str | None = None
    destination: str | None = None
    source_port: int | None = None
    port: int | None = None
    constants: tuple[str, ...] = ()
    then: int | None = None


def instructions(text: str) -> tuple[Instruction, ...] | None:
    """Read a filter as `ss -0pb` prints it in a line, or as `tcpdump -ddd` prints it in many; None where it is none."""
    listed = _LISTED.search(text)
    words = listed[2].split(",") if listed else text.strip().splitlines()
    count: str | None = listed[1] if listed else None
    if not listed:
        count, words = (words[0].strip(), words[1:]) if words else (None, [])
    found = [_INSTRUCTION.match(word.strip()) for word in words if word.strip()]
    if (
        not found
        or not (count or "").isdecimal()
        or len(found) != int(count or 0)
        or len(found) > MOST_INSTRUCTIONS
    ):
        return None
    if not all(found):
        return None
    read = tuple(
        Instruction(int(m[1], 16 if m[1].startswith("0x") else 10), int(m[2]), int(m[3]), int(m[4]))
        for m in found
        if m
    )
    return read if all(one.code <= 0xFFFF and max(one.true, one.false) <= 255 for one in read) else None


def disassembled(program: Sequence[Instruction]) -> list[str]:
    """Write instructions as `tcpdump -d` does."""
    return [_written(index, one) for index, one in enumerate(program)]


def _written(index: int, one: Instruction) -> str:
    """Write one instruction."""
    name, operand = _words(index, one)
    if one.code & 0x07 == 0x05 and one.code != 0x05:
        return f"({index:03d}) {name:<8} {operand:<16} jt {index + 1 + one.true}\tjf {index + 1 + one.false}"
    return f"({index:03d}) {name:<8} {operand}"


def _words(index: int, one: Instruction) -> tuple[str, str]:
    """Give an instruction's name and operand (linux/filter.h, libpcap's bpf_image)."""
    code, k = one.code, one.constant
    loads = {
        0x00: ("ld", f"#0x{k:x}"), 0x01: ("ldx", f"#0x{k:x}"), 0x80: ("ld", "#pktlen"), 0x81: ("ldx", "#pktlen"),
        0x60: ("ld", f"M[{k}]"), 0x61: ("ldx", f"M[{k}]"), 0x02: ("st", f"M[{k}]"), 0x03: ("stx", f"M[{k}]"),
        0xB1: ("ldxb", f"4*([{k}]&0xf)"), 0x06: ("ret", f"#{k}"), 0x16: ("ret", ""), 0x07: ("tax", ""),
        0x87: ("txa", ""), 0x05: ("ja", str(index + 1 + k)), 0x84: ("neg", ""),
    }  # fmt: skip
    if code in loads:
        return loads[code]
    if code in _LOADS:
        return _LOADS[code], f"[x + {k}]" if code & 0x40 else f"[{k}]"
    group, operation, by_x = code & 0x07, code & 0xF0, bool(code & 0x08)
    if group == 0x04 and operation in _ARITHMETIC:
        shown = f"#0x{k:x}" if operation in {0x40, 0x50, 0xA0} else f"#{k}"
        return _ARITHMETIC[operation], "x" if by_x else shown
    if group == 0x05 and operation in _JUMPS:
        return _JUMPS[operation], "x" if by_x else f"#0x{k:x}"
    return "unimp", f"0x{code:x}"


def waits(program: Sequence[Instruction]) -> list[Wait]:
    """List what a filter waits for, in the order its tests stand in; empty where it lets everything through."""
    found = dict.fromkeys(_wait(tests) for tests in _accepting(program))
    found.pop(Wait(), None)
    return list(found)


@dataclass(frozen=True)
class _Field:
    """Where a value was loaded from: from the frame's begin, behind the IPv4 header, or somewhere computed."""

    base: str
    offset: int
    size: int
    mask: int | None = None

    def __str__(self) -> str:
        """Write it as ``transport+8[2]``, the offsets behind the IP header where it is relative to that."""
        at = self.offset - 14 if self.base == "transport" else self.offset
        masked = "" if self.mask is None else f"&0x{self.mask:x}"
        return f"{self.base}+{at}[{self.size}]{masked}"


@dataclass(frozen=True)
class _Test:
    """A comparison that holds on a way, and the instruction that follows it."""

    field: _Field
    operator: str
    value: int
    then: int


@dataclass(frozen=True)
class _Way:
    """A way through a filter: where it stands, what the registers hold, what holds so far."""

    at: int = 0
    loaded: _Field | None = None
    base: str = "computed"
    tests: tuple[_Test, ...] = ()
    excluded: frozenset[tuple[_Field, int]] = frozenset()


_TYPE = _Field("frame", 12, 2)
_OPERATORS = {0x15: "=", 0x25: ">", 0x35: ">=", 0x45: "&"}
_NEGATED = {">": "<=", ">=": "<"}


def _accepting(program: Sequence[Instruction]) -> Iterator[tuple[_Test, ...]]:
    """Follow every way to an acceptance; yield what holds on it."""
    waiting = [_Way()]
    followed = 0
    while waiting and followed < MOST_WAYS:
        way = waiting.pop()
        followed += 1
        while way.at < len(program):
            one = program[way.at]
            if one.code & 0x07 == 0x06:
                if one.constant or one.code == 0x16:
                    yield way.tests
                break
            if one.code & 0x07 != 0x05:
                way = _stepped(way, one)
                continue
            if one.code == 0x05:
                way = replace(way, at=way.at + 1 + one.constant)
                continue
            way, other = _branches(way, one)
            if other is not None:
                waiting.append(other)


def _stepped(way: _Way, one: Instruction) -> _Way:
    """Go over an instruction that is no jump."""
    loaded, base = way.loaded, way.base
    if one.code in _SIZES:
        loaded = _Field(base if one.code & 0x40 else "frame", one.constant, _SIZES[one.code])
    elif one.code == 0x54 and loaded is not None:
        loaded = replace(loaded, mask=one.constant)
    elif one.code == 0xB1:
        base = "transport" if one.constant == _ETHERNET else "computed"
    elif one.code in _SETS_X:
        base = "computed"
    elif one.code not in _STORES:
        loaded = None
    return replace(way, at=way.at + 1, loaded=loaded, base=base)


def _branches(way: _Way, one: Instruction) -> tuple[_Way, _Way | None]:
    """Follow a comparison: the branch to go on with, and the other one where both can be."""
    if_true, if_false = way.at + 1 + one.true, way.at + 1 + one.false
    field, operator = way.loaded, _OPERATORS.get(one.code)
    if field is None or operator is None:
        return replace(way, at=if_true), replace(way, at=if_false)
    known = next((test.value for test in way.tests if test.field == field and test.operator == "="), None)
    if operator == "=" and (known is not None or (field, one.constant) in way.excluded):
        return replace(way, at=if_true if known == one.constant else if_false), None
    holds = replace(way, at=if_true, tests=(*way.tests, _Test(field, operator, one.constant, if_true)))
    if operator == "=":
        excluded = way.excluded | {(field, one.constant)}
        return holds, replace(way, at=if_false, excluded=excluded)
    fails = replace(way, at=if_false)
    if operator in _NEGATED:
        fails = replace(fails, tests=(*way.tests, _Test(field, _NEGATED[operator], one.constant, if_false)))
    return holds, fails


def _wait(tests: Sequence[_Test]) -> Wait:
    """Read what holds on one way."""
    said = {test.field: test.value for test in tests if test.operator == "="}
    ethertype, used = said.get(_TYPE), {_TYPE}
    version = _ETHERTYPES.get(ethertype or 0)
    offsets = _OFFSETS[version or 4]
    number = said.get(_Field("frame", offsets["protocol"], 1))
    protocol = None if number is None else _PROTOCOLS.get(number, str(number))
    used.add(_Field("frame", offsets["protocol"], 1))
    base, start = ("frame", 54) if version == 6 else ("transport", 14)
    names = _ICMP if protocol in {"icmp", "icmp6"} else _PORTS
    fields = {_Field(base, start + at, size): name for name, (at, size) in names.items()}
    found = {name: said[field] for field, name in fields.items() if field in said and name in _PORTS}
    addresses = {side: _address(said, offsets[side], version or 4) for side in ("source", "destination")}
    for side, address in addresses.items():
        if address:
            words = 4 if version == 6 else 1
            used |= {_Field("frame", offsets[side] + 4 * word, 4) for word in range(words)}
    used |= {field for field, name in fields.items() if name in _PORTS}
    told = [f"ethertype=0x{ethertype:x}"] if ethertype is not None and version is None else []
    told += [
        _comparison(fields.get(test.field) or str(test.field), test)
        for test in tests
        if test.operator != "=" or test.field not in used
    ]
    port = next((test for test in tests if fields.get(test.field) == "port" and test.operator == "="), None)
    return Wait(
        version,
        protocol,
        addresses["source"],
        addresses["destination"],
        found.get("source port"),
        found.get("port"),
        tuple(dict.fromkeys(told)),
        port.then if port else None,
    )


def _address(said: Mapping[_Field, int], offset: int, version: int) -> str | None:
    """Read an address that is compared whole."""
    if version == 4:
        value = said.get(_Field("frame", offset, 4))
        return None if value is None else str(IPv4Address(value))
    words = [said.get(_Field("frame", offset + 4 * word, 4)) for word in range(4)]
    if any(word is None for word in words):
        return None
    return str(IPv6Address(b"".join((word or 0).to_bytes(4) for word in words)))


def _comparison(name: str, test: _Test) -> str:
    """Write a comparison: ports and types as numbers, all else in hexadecimal."""
    named = name in _PORTS or name in _ICMP
    return f"{name}{test.operator}{test.value if named else f'0x{test.value:x}'}"
