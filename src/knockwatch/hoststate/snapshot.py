"""Snapshots of a host: files in which a script put what several commands print, one after another, under titles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath

from knockwatch.hoststate import Numbered, State, daemons, iptables, nft, sockets

TITLE = re.compile(r"^(?:#{2,6}|={2,}|-{3,}|\*{3,}|\$|\+\+?|>{1,3}) *(\S.*?)[ #=*:-]*$")
READERS: Mapping[str, Callable[[Sequence[Numbered]], State]] = {
    "iptables-save": iptables.read,
    "nft-ruleset": nft.read,
    **sockets.READERS,
}
"""Formats that are told from their lines wherever they stand."""
_NAMED = {
    "knockd.conf": daemons.read_knockd,
    "access.conf": daemons.read_access,
    "fwknopd.conf": daemons.read_fwknopd,
}
"""Configurations, whose lines tell nothing without the name of the file they are from."""
_COLLECTION = re.compile(
    r"^(?:uac-(?P<uac>.+)-[a-z]+-\d{14}|Collection-(?P<velociraptor>.+)-\d{4}-\d\d-\d\dT.*"
    r"|knockwatch-host-(?P<own>.+)-\d{8}T\d{6}Z)$"
)
_OF_A_HOST = re.compile(r"^[A-Za-z][\w-]*$")


def sections(lines: Sequence[Numbered]) -> Iterator[tuple[str, list[Numbered]]]:
    """Part a text at its titles: each section's title, empty for what stands before the first, and its lines.

    ``== /proc/net/xt_recent/SSH`` is no title but the name that the lines below need, and stays with them.
    """
    title, body = "", list[Numbered]()
    for number, text in lines:
        found = TITLE.match(text)
        if found and not sockets.RECENT_LIST.match(text.strip()):
            yield title, body
            title, body = found[1], []
        else:
            body.append((number, text))
    yield title, body


def kinds(lines: Sequence[Numbered]) -> set[str]:
    """Name the formats that a text's sections are of."""
    found = set[str]()
    for title, body in sections(lines):
        if title:
            found |= {name for name, _ in _told(title, body)}
    return found


def read(lines: Sequence[Numbered]) -> State:
    """Read every section by whatever readers find something of theirs; what no reader knows is left alone."""
    state = State()
    for title, body in sections(lines):
        for _, told in _told(title, body):
            state.rows += told.rows
            state.known |= told.known
            state.misfits += told.misfits
    return state


def _told(title: str, body: Sequence[Numbered]) -> Iterator[tuple[str, State]]:
    """Read one section."""
    named = next((reader for name, reader in _NAMED.items() if name in title), None)
    if named is not None:
        yield title, named(body)
        return
    for name, reader in READERS.items():
        told = reader(body)
        if told.known:
            yield name, told


def host_of(path: PurePath) -> str | None:
    """Name the host that a file is of, where its path tells.

    Known are the folders of UAC (``uac-HOST-linux-20240101120000``), Velociraptor (``Collection-HOST-TIME``) and
    `knockwatch host` (``knockwatch-host-HOST-20261122T113000Z``), and files that are named after a moment and a
    host: ``start.srv1.txt``.
    """
    for part in reversed(path.parts[:-1]):
        if found := _COLLECTION.match(part):
            return found["uac"] or found["velociraptor"] or found["own"]
    parts = path.name.split(".")
    if len(parts) == 3 and parts[2] in {"txt", "log", "out"} and _OF_A_HOST.match(parts[1]):
        return parts[1]
    return None
