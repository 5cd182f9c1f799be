"""General tools that touch ports (nc, socat, nmap, curl, /dev/tcp, PowerShell, Python): what a command line sends.

They have many uses: what makes a run of touches a knock is judged in `knock_client`. Nothing is sent here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from knockwatch.detections._command_lines import address_of, commands, program

MOST_TOUCHES = 64
"""Touches of one command line that are read: more is a port scan."""
ENTERS = frozenset({"ssh", "scp", "sftp", "mosh", "putty", "plink", "mstsc", "xfreerdp", "autossh"})
"""Programs that log in somewhere: right after touches of the same host they are the use of a door."""

_HOST = r"[A-Za-z0-9][\w.-]{0,252}|[0-9A-Fa-f:.]{2,45}"
_PORT = re.compile(r"\d{1,5}")
_DEV_TCP = re.compile(rf"/dev/(tcp|udp)/({_HOST})/(\d{{1,5}})(?!\d)")
_LOOP = re.compile(r"\bfor\s+(\w+)\s+in\s+([^;\n]{1,400}?)\s*[;\n]\s*do\b(.{1,2000}?)\bdone\b", re.DOTALL)
_BRACES = re.compile(r"\{(\d{1,5}(?:,\d{1,5}){1,63})\}")
_PS_EACH = re.compile(
    r"\bforeach\s*\(\s*\$(\w+)\s+in\s+@?\(?\s*([\d,\s'\"]{1,400}?)\s*\)?\s*\)\s*\{(.{1,2000})\}",
    re.IGNORECASE | re.DOTALL,
)
_PS_PIPE = re.compile(
    r"@?\(?\s*((?:\d{1,5}\s*,\s*)+\d{1,5})\s*\)?\s*\|\s*(?:%|foreach(?:-object)?)\s*\{(.{1,2000})\}",
    re.IGNORECASE | re.DOTALL,
)
_PS_SET = re.compile(r"\$(\w+)\s*=\s*(@?\(?[\d,\s]+\)?|'[^']{1,253}'|\"[^\"$]{1,253}\")", re.IGNORECASE)
_PS_TEST = re.compile(r"(?:test-netconnection|\btnc)\b([^;|}]{1,400})", re.IGNORECASE)
_PS_KNOCK = re.compile(r"\b[\w-]*portknock\w*\b([^;|}]{1,400})", re.IGNORECASE)
_PS_CLIENT = re.compile(r"(?:sockets\.)?(tcp|udp)client\b", re.IGNORECASE)
_PAIR = re.compile(rf"\(\s*['\"]({_HOST})['\"]\s*,\s*(\d{{1,5}})\s*[,)]")
_PS_ENCODED = re.compile(r"\s[-/]e(?:c|nc\w*)?\s+([A-Za-z0-9+/=]{24,8000})", re.IGNORECASE)
_PY_LOOP = re.compile(
    r"\bfor\s+(\w+)\s+in\s+[\[({]\s*((?:\d{1,5}\s*,\s*){1,63}\d{0,5})\s*[\])}]", re.IGNORECASE
)
_PY_PAIR = re.compile(rf"\(\s*['\"]({_HOST})['\"]\s*,\s*(\w{{1,32}})\s*[,)]")
_URL = re.compile(rf"^(?:(\w{{1,12}})://)?(?:[^@/\s]{{1,100}}@)?\[?({_HOST})\]?:(\d{{1,5}})(?:[/?#]|$)")
_SOCAT = re.compile(
    rf"^(tcp|udp)[46]?(?:-connect|-sendto|-datagram)?:\[?({_HOST})\]?:(\d{{1,5}})(?:,|$)", re.IGNORECASE
)
_NC_VALUED = frozenset(
    {f"-{letter}" for letter in "wipsqIOTXxVGgoc"} | {"--wait", "--source", "--source-port"}
)
_NMAP_VALUED = frozenset(
    {
        "-p",
        "-e",
        "-S",
        "-g",
        "-D",
        "-oN",
        "-oX",
        "-oG",
        "-oA",
        "-iL",
        "--source-port",
        "--ttl",
        "--data-length",
    }
    | {
        "--max-retries",
        "--host-timeout",
        "--scan-delay",
        "--max-scan-delay",
        "--min-rate",
        "--max-rate",
        "--dns-servers",
    }
    | {"--initial-rtt-timeout", "--max-rtt-timeout", "--min-rtt-timeout", "--spoof-mac", "--min-parallelism"}
)
_NMAP_SCANS = (
    "-sV",
    "-sC",
    "-A",
    "-O",
    "-F",
    "--top-ports",
    "--script",
    "-sn",
    "-sP",
    "-sL",
    "-iL",
    "-iR",
    "-p-",
)
_SSH_VALUED = frozenset(f"-{letter}" for letter in "BbcDEeFIiJLlmOoPpQRSWw")


@dataclass(frozen=True)
class Touch:
    """One port that a command line sends something to.

    Parameters
    ----------
    tool
        Its name.
    target
        Address or name as written.
    step
        As ``tcp/7000``; None where the program logs in there.
    """

    tool: str
    target: str
    step: str | None

    @property
    def address(self) -> str | None:
        """The target in shortest form, if it is an address."""
        return address_of(self.target)


def touches(command_line: str, image: str | None = None) -> list[Touch]:
    """Read which ports a command line touches, in order.

    Parameters
    ----------
    command_line
        As an endpoint's record has it: a tool of its own, or a shell's, PowerShell's or Python's short script.
    image
        Path or name of the program, if the record has it.

    Returns
    -------
    list
        At most `MOST_TOUCHES`; empty where nothing is touched or where it scans.
    """
    text = unrolled(_decoded(command_line))
    found = list(_of_powershell(text)) or list(_of_python(text))
    if not found:
        found = [touch for words in commands(text) for touch in _of_words(words, image)]
    return found[:MOST_TOUCHES]


def _decoded(text: str) -> str:
    """Add what PowerShell was given encoded."""
    found = _PS_ENCODED.search(text)
    if found is None or not re.search("powershell|pwsh", text, re.IGNORECASE):
        return text
    try:
        return text[: found.start()] + " " + base64.b64decode(found[1] + "==").decode("utf-16-le")
    except (binascii.Error, UnicodeDecodeError):
        return text


def unrolled(text: str) -> str:
    """Write the loops of a shell or PowerShell out, as far as their lists stand there."""
    if "for" not in text.lower() and "%" not in text:
        return text
    text = _LOOP.sub(
        lambda loop: _repeated(loop[1], re.split(r"[\s,]+", _listed(loop[2])), loop[3], "; "), text
    )
    text = _with_variables(text)
    text = _PS_EACH.sub(lambda loop: _repeated(loop[1], re.findall(r"\d+", loop[2]), loop[3], "; "), text)
    return _PS_PIPE.sub(lambda loop: _repeated("_", re.findall(r"\d+", loop[1]), loop[2], "; "), text)


def _listed(text: str) -> str:
    """Take the braces off a list."""
    return _BRACES.sub(lambda braces: braces[1].replace(",", " "), text)


def _repeated(name: str, values: Sequence[str], body: str, between: str) -> str:
    """Write a loop's body once for each value."""
    variable = re.compile(rf"\$\{{?{re.escape(name)}\b\}}?")
    wanted = [value for value in values if value][:MOST_TOUCHES]
    return " " + between.join(variable.sub(lambda _, value=value: value, body) for value in wanted) + between  # type: ignore[misc]


def _with_variables(text: str) -> str:
    """Write PowerShell's variables out where they are set to a list of ports or to a name."""
    if "$" not in text:
        return text
    values = {found[1].lower(): found[2] for found in _PS_SET.finditer(text)}
    if not values:
        return text
    return re.sub(r"\$(\w+)\b(?!\s*=)", lambda named: values.get(named[1].lower(), named[0]), text)


def _of_words(words: Sequence[str], image: str | None) -> Iterator[Touch]:
    """Read one simple command."""
    for word in words:
        for found in _DEV_TCP.finditer(word):
            yield from _touch("/dev/tcp", found[2], found[1], found[3])
    name = program(words[0])
    reader = _READERS.get(name)
    if reader is None and program(image or "") in _READERS and len(words) > 1:
        # A record may have the arguments alone, or the tool under another name.
        reader = _READERS[program(image or "")]
    if reader is not None:
        yield from reader(words[1:])


def _touch(tool: str, target: str, protocol: str, port: str) -> Iterator[Touch]:
    """Give a touch, if the port is one."""
    if 0 < int(port) <= 65_535:
        yield Touch(tool, target.strip("[]"), f"{protocol.lower()}/{int(port)}")


def _of_nc(words: Sequence[str]) -> Iterator[Touch]:
    """Read ``nc -z -w1 [-u] HOST PORT…`` (nc(1)); a listener and a range touch nothing."""
    flags = "".join(word[1:] for word in words if re.fullmatch(r"-[A-Za-z]\w*", word))
    if "l" in flags or "--listen" in words:
        return
    plain = _plain(words, _NC_VALUED)
    protocol = "udp" if "u" in flags or "--udp" in words else "tcp"
    for port in plain[1:]:
        if _PORT.fullmatch(port):
            yield from _touch("nc", plain[0], protocol, port)


def _of_telnet(words: Sequence[str]) -> Iterator[Touch]:
    """Read ``telnet HOST PORT``."""
    plain = _plain(words, frozenset({"-l", "-b", "-e", "-n", "-S"}))
    if len(plain) > 1 and _PORT.fullmatch(plain[1]):
        yield from _touch("telnet", plain[0], "tcp", plain[1])


def _of_socat(words: Sequence[str]) -> Iterator[Touch]:
    """Read ``socat - TCP:HOST:PORT,connect-timeout=1`` (socat(1))."""
    for word in words:
        if found := _SOCAT.match(word):
            yield from _touch("socat", found[2], found[1], found[3])


def _of_nmap(words: Sequence[str]) -> Iterator[Touch]:
    """Read ``nmap -Pn -p 7000,8000 HOST`` (nmap(1)): a list of ports of one host; whatever else is a scan."""
    if any(word.startswith(_NMAP_SCANS) for word in words):
        return
    plain = _plain(words, _NMAP_VALUED)
    listed = next(
        (
            words[at + 1] if word == "-p" else word[2:]
            for at, word in enumerate(words[:-1])
            if re.match(r"-p(?:$|[\dTU])", word)
        ),
        "",
    )
    protocol = "udp" if "-sU" in words else "tcp"
    ports = [port.partition(":")[2] or port for port in listed.split(",")]
    if len(plain) == 1 and not re.search(r"[/*]|\d-\d", plain[0]) and all(map(_PORT.fullmatch, ports)):
        for port in ports:
            yield from _touch("nmap", plain[0], protocol, port)


def _of_curl(words: Sequence[str]) -> Iterator[Touch]:
    """Read ``curl -m 1 http://HOST:7000``: URLs with a port."""
    for word in words:
        if found := _URL.match(word):
            yield from _touch("curl", found[2], "tcp", found[3])


def _of_log_in(words: Sequence[str]) -> Iterator[Touch]:
    """Read ``ssh [-p PORT] [USER@]HOST`` and its kin."""
    plain = _plain(words, _SSH_VALUED)
    if plain:
        target = plain[0].rpartition("@")[2].partition(":/")[0].removeprefix("/v:")
        yield Touch("ssh", target.strip("[]"), None)


def _of_powershell(text: str) -> Iterator[Touch]:
    """Read Test-NetConnection, TcpClient and UdpClient, and functions that are called a port knock."""
    for found in _PS_TEST.finditer(text):
        port = re.search(r"-p(?:ort)?\s+(\d{1,5})", found[1], re.IGNORECASE)
        named = re.search(rf"-co\w*\s+['\"]?({_HOST})", found[1], re.IGNORECASE)
        first = re.match(rf"\s+['\"]?({_HOST})", found[1])
        target = named or first
        if port and target:
            yield from _touch("Test-NetConnection", target[1], "tcp", port[1])
    for found in _PS_KNOCK.finditer(text):
        target = re.search(r"\b(\d+\.\d+\.\d+\.\d+)\b", found[1])
        for port in re.findall(r"(?<![\d.])(\d{2,5})(?![\d.])", found[1]) if target else ():
            yield from _touch("PortKnock", target[1] if target else "", "tcp", port)
    if client := _PS_CLIENT.search(text):
        for pair in _PAIR.finditer(text):
            yield from _touch(f"{client[1].title()}Client", pair[1], client[1], pair[2])


def _of_python(text: str) -> Iterator[Touch]:
    """Read what a short Python script connects to or sends to: pairs of host and port, in a loop or one by one."""
    if "socket" not in text and "scapy" not in text:
        return
    loops = {found[1]: re.findall(r"\d+", found[2]) for found in _PY_LOOP.finditer(text)}
    protocol = "udp" if re.search(r"SOCK_DGRAM|sendto|UDP\(", text) else "tcp"
    for host, port in _PY_PAIR.findall(text):
        for value in [port] if port.isdecimal() else loops.get(port, []):
            if len(value) <= 5:
                yield from _touch("python", host, protocol, value)


def _plain(words: Sequence[str], valued: frozenset[str]) -> list[str]:
    """Give the words that are neither options, nor their values, nor redirections."""
    plain: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-") and len(word) > 1:
            skip = word in valued
        elif re.match(r"\d?[<>]", word):
            break
        else:
            plain.append(word)
    return plain


_READERS: Mapping[str, Callable[[Sequence[str]], Iterator[Touch]]] = {
    **dict.fromkeys(("nc", "ncat", "netcat", "nc.openbsd", "nc.traditional"), _of_nc),
    **dict.fromkeys(("curl", "wget"), _of_curl),
    **dict.fromkeys(ENTERS, _of_log_in),
    "telnet": _of_telnet,
    "socat": _of_socat,
    "nmap": _of_nmap,
}
TOOLS = tuple(name for name in _READERS if name not in ENTERS)
