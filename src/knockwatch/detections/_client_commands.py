"""What a knock client's command line sends: to whom, which steps, and for which door. Nothing is sent here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from knockwatch.detections._command_lines import address_of, commands, program
from knockwatch.detections._port_touches import unrolled

CRAFTERS = ("hping3", "nping")
CLIENTS = ("knock", "fwknop", *CRAFTERS)
FWKNOP_PORT = "62201"
"""Where fwknopd listens unless told otherwise (fwknop(8))."""

_PORT = re.compile(r"^(\d{1,5})(?::(tcp|udp))?$", re.IGNORECASE)
_NO_KNOCK = frozenset(
    {"-V", "--version", "-h", "--help", "--key-gen", "-k", "--gpg-list-keys", "-L", "--last-cmd"}
)
_KNOCK_VALUED = frozenset({"-d", "--delay"})
_FWKNOP_VALUED = frozenset({"-D", "--destination", "-A", "--access", "-p", "--server-port"})
_HPING_PAYLOAD = frozenset({"-d", "--data", "-E", "--file", "-e", "--sign"})
_NPING_PAYLOAD = frozenset({"--data", "--data-string", "--data-length"})
_HPING_VALUED = frozenset(
    [f"-{letter}" for letter in "aCcdEegIiKkLMmNOopstw"]
    + [
        f"--{name}"
        for name in ("count", "interval", "interface", "destport", "baseport", "spoof", "data", "file")
    ]
    + [
        f"--{name}"
        for name in ("sign", "ttl", "id", "win", "setseq", "setack", "tos", "icmptype", "icmpcode")
    ]
)

_HPING_ODD = frozenset(
    {"-d", "--data", "-E", "--file", "-e", "--sign", "-C", "--icmptype", "-K", "--icmpcode"}
)
_NPING_ODD = frozenset({"--data", "--data-string", "--icmp-type", "--icmp-code", "--icmp-id", "--id"})
"""What makes an echo request other than a ping's."""
_PING_BYTES = "56"
"""Payload of ping (iputils ping(8))."""


@dataclass(frozen=True)
class Sent:
    """What a client sends, as far as its command line says.

    Parameters
    ----------
    tool
        ``knock``, ``fwknop``, ``hping3`` or ``nping``.
    target
        Address or name as written; None where none is.
    steps
        What is sent, as ``tcp/7000`` or ``icmp``.
    door
        What it asks to have opened.
    payload
        Whether a packet crafter is told what to put into the packet.
    source
        Whom it says the packet is from, where it is told to.
    """

    tool: str
    target: str | None = None
    steps: tuple[str, ...] = ()
    door: str | None = None
    payload: bool = False
    source: str | None = None

    @property
    def address(self) -> str | None:
        """The target in shortest form, if it is an address."""
        return address_of(self.target)


def clients(command_line: str, image: str | None = None) -> list[Sent]:
    """Read what the knock clients of a command line send.

    Parameters
    ----------
    command_line
        As an endpoint's record has it; the client may stand behind shells and wrappers.
    image
        Path or name of the program, if the record has it: it decides where the command line hides the name.

    Returns
    -------
    list
        One for each client; empty where there is none, or where it only prints its help.
    """
    started = commands(unrolled(command_line))
    name = program(image or "")
    if name in CLIENTS and not any(program(words[0]) in CLIENTS for words in started):
        started = [[name, *(started[0][1:] if started else [])]]
    return [
        _READERS[program(words[0])](words[1:])
        for words in started
        if program(words[0]) in CLIENTS and not _NO_KNOCK & set(words)
    ]


def _knock(words: Sequence[str]) -> Sent:
    """Read ``knock [-u] [-d ms] [-46v] host port[:proto] …`` (knock(1))."""
    plain = _plain(words, _KNOCK_VALUED)
    default = "udp" if any(re.fullmatch(r"-[46v]*u\w*|--udp", word) for word in words) else "tcp"
    return Sent("knock", plain[0] if plain else None, _steps(plain[1:], default))


def _fwknop(words: Sequence[str]) -> Sent:
    """Read ``fwknop -A tcp/22 -a ADDRESS -D HOST [-p PORT] [-P PROTO]`` (fwknop(8))."""
    access = (_value(words, "-A", "--access") or "").lower().split(",")[0]
    protocol = _value(words, "-P", "--server-proto") or "udp"
    port = _value(words, "-p", "--server-port") or FWKNOP_PORT
    step = (
        "icmp"
        if protocol == "icmp"
        else f"{'tcp' if protocol in {'tcp', 'tcpraw', 'http'} else 'udp'}/{port}"
    )
    door = access if re.fullmatch(r"(?:tcp|udp)/\d{1,5}", access) else None
    return Sent(
        "fwknop", _value(words, "-D", "--destination") or _value(words, "-n", "--named-config"), (step,), door
    )


def _hping3(words: Sequence[str]) -> Sent:
    """Read ``hping3 -S -p 7000 -c 1 HOST`` (hping3(8))."""
    plain = _plain(words, _HPING_VALUED)
    flags = set(words)
    source = address_of(_value(words, "-a", "--spoof"))
    if flags & {"-1", "--icmp"}:
        told = ("icmp",) if flags & _HPING_ODD else ()
        return Sent("hping3", plain[-1] if plain else None, told, source=source)
    protocol = "udp" if flags & {"-2", "--udp"} else "tcp"
    port = (_value(words, "-p", "--destport") or "").lstrip("+")
    payload = any(word.partition("=")[0] in _HPING_PAYLOAD for word in words)
    return Sent(
        "hping3", plain[-1] if plain else None, _steps([port], protocol), payload=payload, source=source
    )


def _nping(words: Sequence[str]) -> Sent:
    """Read ``nping --tcp -p 7000,8000 --flags syn HOST`` (nping(1))."""
    flags = set(words)
    protocol = "udp" if "--udp" in flags else "tcp"
    ports = (_value(words, "-p", "--dest-port") or "").split(",")
    target = next((word for word in reversed(words) if not word.startswith("-")), None)
    if "--icmp" in flags:
        odd = flags & _NPING_ODD or _value(words, "--data-length", "--data-length") not in {None, _PING_BYTES}
        return Sent("nping", target, ("icmp",) if odd else ())
    payload = any(word.partition("=")[0] in _NPING_PAYLOAD for word in words)
    source = address_of(_value(words, "-S", "--source-ip"))
    return Sent("nping", target, _steps(ports, protocol), payload=payload, source=source)


_READERS: Mapping[str, Callable[[Sequence[str]], Sent]] = {
    "knock": _knock,
    "fwknop": _fwknop,
    "hping3": _hping3,
    "nping": _nping,
}


def _steps(ports: Sequence[str], default: str) -> tuple[str, ...]:
    """Read ``7000``, ``8000:udp``; what is no port is left out."""
    read = [match for port in ports if (match := _PORT.match(port)) and 0 < int(match[1]) <= 65535]
    return tuple(f"{(match[2] or default).lower()}/{int(match[1])}" for match in read)


def _plain(words: Sequence[str], valued: frozenset[str]) -> list[str]:
    """Give the words that are neither options nor their values."""
    plain: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-") and len(word) > 1:
            skip = word in valued
        else:
            plain.append(word)
    return plain


def _value(words: Sequence[str], short: str, long: str) -> str | None:
    """Give an option's value, as ``-p 22``, ``-p22``, ``--port 22`` or ``--port=22``."""
    for index, word in enumerate(words):
        if word in {short, long}:
            return words[index + 1] if index + 1 < len(words) else None
        if word.startswith(f"{long}="):
            return word.partition("=")[2]
        if word.startswith(short) and not word.startswith("--") and len(word) > len(short):
            return word[len(short) :]
    return None
