"""What a firewall command does: which address and port it opens or closes. It reads text and runs nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from knockwatch.detections._command_lines import commands, program
from knockwatch.hoststate.words import address

_BLOCKING = frozenset({"drop", "reject", "deny", "block"})
_NEUTRAL = frozenset({"log", "nflog", "ulog", "mark", "connmark", "trace", "notrack", "ct", "set", "tcpmss"})
"""Targets after which a packet goes on to the next rule (iptables-extensions(8))."""
_PROTOCOLS = frozenset({"tcp", "udp", "icmp", "icmpv6", "sctp"})
_WINDOWS = re.compile(r"netsh|powershell|pwsh|NetFirewallRule", re.IGNORECASE)
_INTERPRETER = re.compile(r"(?:python|perl)[\d.]*")

SHUTS = (
    r"(?i)\b(?:action[=:]\W?(?:block|drop|deny|reject)|target[=:]\W?(?:DROP|REJECT)|dir(?:ection)?[=:]\W?out"
    r"|active[=:]\W?(?:false|no\b))|-j (?:DROP|REJECT)"
)
"""What the text of a rule says that lets nobody in: Windows' and osquery's words, and iptables' own."""


@dataclass(frozen=True)
class FirewallCommand:
    """One change of a firewall, as far as its command line says.

    Parameters
    ----------
    tool
        ``iptables``, ``ufw``, ``nft``, ``firewall-cmd``, ``ipset``, ``pfctl``, ``netsh`` or ``powershell``.
    adds
        Whether it adds (a rule, an element of a set) or removes.
    opens
        Whether it lets something in: a rule that lets in is added, or one that blocks is removed.
    source, destination
        Address or network it is about; None for any.
    protocol, port
        What it is about; None for any. Of several ports, the first.
    """

    tool: str
    adds: bool
    opens: bool
    source: str | None = None
    destination: str | None = None
    protocol: str | None = None
    port: int | None = None

    @property
    def door(self) -> str | None:
        """The service it is about, as ``tcp/22``."""
        return None if self.port is None else f"{self.protocol or 'tcp'}/{self.port}"


def firewall_commands(command_line: str) -> list[FirewallCommand]:
    """Read the firewall commands of a command line, which may be several, wrapped in shells or not.

    Parameters
    ----------
    command_line
        As a shell, knockd's `Command` or an endpoint's record has it.

    Returns
    -------
    list
        In order; empty where nothing in it changes a firewall in a way that is known here.
    """
    if _WINDOWS.search(command_line):
        # A shell of ours takes the backslash away; on Windows it separates folders.
        command_line = command_line.replace("\\", "/")
    return [change for words in commands(command_line) for change in _read(words)]


def _read(words: Sequence[str]) -> Iterator[FirewallCommand]:
    """Read one command; that of an interpreter is the script it runs, as in ``python3 /usr/sbin/ufw``."""
    if len(words) > 1 and _INTERPRETER.fullmatch(program(words[0])):
        words = words[1:]
    read = _READERS.get(program(words[0]))
    if read is not None:
        yield from read(words[1:])


def _iptables(words: Sequence[str]) -> Iterator[FirewallCommand]:
    """Read ``iptables -A CHAIN -s ADDRESS -p tcp --dport 22 -j ACCEPT`` (iptables(8))."""
    adds = _first(words, "-A", "-I", "--append", "--insert") is not None
    if not adds and _first(words, "-D", "--delete") is None:
        return
    verdict = (_first(words, "-j", "--jump") or "accept").lower()
    yield FirewallCommand(
        "iptables",
        adds,
        opens=verdict not in _NEUTRAL and adds != (verdict in _BLOCKING),
        source=address(_first(words, "-s", "--source", "--src")),
        destination=address(_first(words, "-d", "--destination", "--dst")),
        protocol=_protocol(_first(words, "-p", "--protocol", "--proto")),
        port=_port(_first(words, "--dport", "--destination-port", "--dports", "--destination-ports")),
    )


def _ufw(words: Sequence[str]) -> Iterator[FirewallCommand]:
    """Read ``ufw [insert 1] allow from ADDRESS to any port 22 proto tcp`` and ``ufw delete allow 22/tcp`` (ufw(8))."""
    adds = "delete" not in words
    verdict = next((word for word in words if word in _BLOCKING | {"allow", "limit"}), None)
    if verdict is None:
        return
    port, protocol = _port(_first(words, "port")), _protocol(_first(words, "proto"))
    if port is None:
        after = words[words.index(verdict) + 1 :]
        simple = next((word for word in after if re.fullmatch(r"\d+(?:[:,]\d+)*(?:/\w+)?", word)), "")
        number, _, named = simple.partition("/")
        port, protocol = _port(number), _protocol(named) or protocol
    yield FirewallCommand(
        "ufw",
        adds,
        opens=adds != (verdict in _BLOCKING),
        source=address(_first(words, "from")),
        destination=address(_first(words, "to")),
        protocol=protocol,
        port=port,
    )


def _nft(words: Sequence[str]) -> Iterator[FirewallCommand]:
    """Read ``nft add rule … ip saddr ADDRESS tcp dport 22 accept`` and ``nft add element … { ADDRESS }`` (nft(8))."""
    words = (
        " ".join(words).replace("{", " { ").replace("}", " } ").replace(",", " ").replace(";", " ").split()
    )
    action = next((word for word in words if word in {"add", "insert", "delete", "destroy"}), None)
    if action is None or not {"rule", "element"} & set(words):
        return
    adds = action in {"add", "insert"}
    members = words[words.index("{") + 1 :] if "element" in words and "{" in words else []
    ports = (_after(words, "dport"), _after(words, "dport", "{"), _after(members, "."))
    port = next((word for word in ports if _port(word)), None)
    yield FirewallCommand(
        "nft",
        adds,
        opens=adds != bool(_BLOCKING & set(words)),
        source=address(_after(words, "saddr")) or next(filter(None, map(address, members)), None),
        destination=address(_after(words, "daddr")),
        protocol=next((word for word in words if word in _PROTOCOLS), None),
        port=_port(port),
    )


def _firewall_cmd(words: Sequence[str]) -> Iterator[FirewallCommand]:
    """Read ``firewall-cmd --add-port=22/tcp``, ``--add-rich-rule=…`` and their ``--remove-`` (firewall-cmd(1))."""
    text = " ".join(words)
    for action, what, quoted_value in re.findall(
        r"--(add|remove)-(port|rich-rule|source)[= ](.*?)(?= --|$)", text
    ):
        adds = action == "add"
        value = quoted_value.strip("'\"")
        if what == "rich-rule":
            quoted = dict(re.findall(r"\b(address|port|protocol)=[\"']?([^\s\"']+)", value))
            blocks = bool(_BLOCKING & set(value.split()))
            source, port, named = quoted.get("address"), quoted.get("port"), quoted.get("protocol")
        else:
            blocks = False
            number, _, named = value.partition("/") if what == "port" else ("", "", "")
            source, port = (value, None) if what == "source" else (None, number)
        yield FirewallCommand(
            "firewall-cmd",
            adds,
            opens=adds != blocks,
            source=address(source),
            protocol=_protocol(named),
            port=_port(port),
        )


def _ipset(words: Sequence[str]) -> Iterator[FirewallCommand]:
    """Read ``ipset add SET ADDRESS`` and ``ipset del SET ADDRESS`` (ipset(8)); what the set means is not told."""
    plain = [word for word in words if not word.startswith("-")]
    if len(plain) > 2 and plain[0] in {"add", "del"}:
        adds = plain[0] == "add"
        yield FirewallCommand("ipset", adds, opens=adds, source=address(plain[2].split(",")[0]))


def _pfctl(words: Sequence[str]) -> Iterator[FirewallCommand]:
    """Read ``pfctl -t TABLE -T add ADDRESS`` and ``-T delete`` (pfctl(8)); what the table means is not told."""
    action = _first(words, "-T")
    if action in {"add", "delete"}:
        adds = action == "add"
        source = next(filter(None, map(address, words)), None)
        yield FirewallCommand("pfctl", adds, opens=adds, source=source)


def _netsh(words: Sequence[str]) -> Iterator[FirewallCommand]:
    """Read ``netsh advfirewall firewall add rule … dir=in action=allow protocol=TCP localport=22 remoteip=ADDRESS``."""
    plain = [word.lower() for word in words]
    if plain[:2] != ["advfirewall", "firewall"] or plain[2:3] not in (["add"], ["set"], ["delete"]):
        return
    told = {name: value for name, equals, value in (word.partition("=") for word in plain) if equals}
    if told.get("dir") == "out":
        return
    adds = plain[2] != "delete"
    yield FirewallCommand(
        "netsh",
        adds,
        opens=adds != (told.get("action") in _BLOCKING),
        source=address(told.get("remoteip")),
        destination=address(told.get("localip")),
        protocol=_protocol(told.get("protocol")),
        port=_port(told.get("localport")),
    )


def _powershell(words: Sequence[str]) -> Iterator[FirewallCommand]:
    """Read ``New-NetFirewallRule -Action Allow -Protocol TCP -LocalPort 22 -RemoteAddress ADDRESS`` (NetSecurity)."""
    for verb, options in re.findall(
        r"(?i)\b(New|Set|Remove)-NetFirewallRule\b([^;|]*)", " ".join(_requoted(words))
    ):
        told = {
            name.lower(): value.strip("'\"").lower()
            for name, value in re.findall(r"-(\w+)[ :]+('[^']*'|\"[^\"]*\"|[^-\s]\S*)", options)
        }
        if told.get("direction") == "outbound":
            continue
        adds = verb.lower() != "remove"
        yield FirewallCommand(
            "powershell",
            adds,
            opens=adds != (told.get("action") in _BLOCKING),
            source=address(told.get("remoteaddress")),
            destination=address(told.get("localaddress")),
            protocol=_protocol(told.get("protocol")),
            port=_port(told.get("localport")),
        )


def _requoted(words: Sequence[str]) -> Iterator[str]:
    """Give words as one text again: what had blanks and is no command of its own gets its quotes back."""
    for word in words:
        yield f"'{word}'" if " " in word and "NetFirewallRule".lower() not in word.lower() else word


def _cmdlet(verb: str) -> Callable[[Sequence[str]], Iterator[FirewallCommand]]:
    """Make the reader of a cmdlet that stands first, as after a semicolon."""
    return lambda words: _powershell([f"{verb}-NetFirewallRule", *words])


def _cmd(words: Sequence[str]) -> Iterator[FirewallCommand]:
    """Read ``cmd /c COMMAND``."""
    for index, word in enumerate(words):
        if word.lower() in {"/c", "/k"}:
            rest = list(words[index + 1 :])
            if rest and program(rest[0].split()[0] if rest[0].split() else "") != "cmd":
                yield from _read(rest[0].split() if len(rest) == 1 else rest)
            return


_READERS: Mapping[str, Callable[[Sequence[str]], Iterator[FirewallCommand]]] = {
    **{
        f"{family}{variant}": _iptables
        for family in ("iptables", "ip6tables")
        for variant in ("", "-nft", "-legacy")
    },
    "ufw": _ufw,
    "nft": _nft,
    "firewall-cmd": _firewall_cmd,
    "ipset": _ipset,
    "pfctl": _pfctl,
    "netsh": _netsh,
    "powershell": _powershell,
    "pwsh": _powershell,
    "cmd": _cmd,
    **{f"{verb}-netfirewallrule": _cmdlet(verb) for verb in ("new", "set", "remove")},
}


def _first(words: Sequence[str], *options: str) -> str | None:
    """Give the value of the first of some options, as ``-p tcp`` or ``--protocol=tcp``; "" where it has none."""
    for index, word in enumerate(words):
        if word in options:
            return words[index + 1] if index + 1 < len(words) else ""
        name, equals, value = word.partition("=")
        if equals and name in options:
            return value
    return None


def _after(words: Sequence[str], *sought: str) -> str | None:
    """Give the word after a run of words."""
    size = len(sought)
    for index in range(len(words) - size):
        if tuple(words[index : index + size]) == sought:
            return words[index + size]
    return None


def _protocol(text: str | None) -> str | None:
    """Give a protocol by its name in lower case; None for all."""
    named = {"6": "tcp", "17": "udp", "1": "icmp"}.get(text or "", (text or "").lower())
    return named if named and named not in {"all", "any", "0"} else None


def _port(text: str | None) -> int | None:
    """Give the first port of ``22``, ``22,80`` or ``22:25``; None where it is no port."""
    found = re.match(r"\d{1,5}", text or "")
    number = int(found[0]) if found else 0
    return number if 0 < number <= 65535 else None
