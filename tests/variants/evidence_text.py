"""The text formats of a lab run as lines with times that can be rewritten; nothing of knockwatch is used here.

Times are whole microseconds UTC. Formats that write seconds or minutes only take the exact time of each line from the
file that holds the same lines more exactly, where there is one (`srv1-syslog.log` from `srv1-syslog.iso.log`), so that
a change of times does not tear views of one packet apart.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path

SECOND = 1_000_000
_EPOCH = datetime.fromtimestamp(0, UTC)
_ISO = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
_RFC3164 = re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d")
_CONNTRACK = re.compile(r"^\[(\d+)\.(\d{6})\]")
_KNOCKD = re.compile(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d\]")
_JSON = re.compile(r'"timestamp": "([^"]+)"')
_JSON_SECONDS = re.compile(r'"oob\.time\.sec": \d+')
_JSON_MICROSECONDS = re.compile(r'"oob\.time\.usec": \d+')
_SYSLOG_KNOCKD = re.compile(r"^(\S+) \S+ knockd(?:\[\d+\])?: (.*)$")
_PACKET = re.compile(r"\b(?:SRC|DST|ID|SPT|DPT)=\S+(?= )")
YEAR = 2026
"""RFC 3164 names no year: the lab ran in this one."""


def moment(time_us: int) -> datetime:
    """Give microseconds as a datetime, without the rounding of floats."""
    return _EPOCH + timedelta(microseconds=time_us)


def microseconds(when: datetime) -> int:
    """Give a datetime as microseconds; one without a zone is UTC."""
    return (when.replace(tzinfo=when.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Form:
    """How a format writes its times.

    Parameters
    ----------
    read
        Gives a line's time, or None for a line without one.
    write
        Gives a line, which has a time, another one.
    exact
        Whether its times are exact to the microsecond.
    """

    read: Callable[[str], int | None]
    write: Callable[[str, int], str]
    exact: bool


def _read_iso(line: str) -> int | None:
    found = _ISO.match(line)
    return microseconds(datetime.fromisoformat(found[0])) if found else None


def _write_iso(line: str, time_us: int) -> str:
    return _ISO.sub(moment(time_us).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"), line)


def _read_rfc3164(line: str) -> int | None:
    found = _RFC3164.match(line)
    if not found:
        return None
    return microseconds(datetime.strptime(f"{YEAR} {found[0]}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC))


def _write_rfc3164(line: str, time_us: int) -> str:
    when = moment(time_us)
    return _RFC3164.sub(f"{when:%b} {when.day:2} {when:%H:%M:%S}", line)


def _read_conntrack(line: str) -> int | None:
    found = _CONNTRACK.match(line)
    return int(found[1]) * SECOND + int(found[2]) if found else None


def _write_conntrack(line: str, time_us: int) -> str:
    return _CONNTRACK.sub(f"[{time_us // SECOND}.{time_us % SECOND:06}]", line)


def _read_knockd(line: str) -> int | None:
    found = _KNOCKD.match(line)
    return (
        microseconds(datetime.strptime(found[0], "[%Y-%m-%d %H:%M]").replace(tzinfo=UTC)) if found else None
    )


def _write_knockd(line: str, time_us: int) -> str:
    return _KNOCKD.sub(moment(time_us).strftime("[%Y-%m-%d %H:%M]"), line)


def _read_json(line: str) -> int | None:
    found = _JSON.search(line)
    return microseconds(datetime.fromisoformat(found[1])) if found else None


def _write_json(line: str, time_us: int) -> str:
    stamp = moment(time_us).strftime("%Y-%m-%dT%H:%M:%S.%f")
    line = _JSON.sub(f'"timestamp": "{stamp}"', line)
    line = _JSON_SECONDS.sub(f'"oob.time.sec": {time_us // SECOND}', line)
    return _JSON_MICROSECONDS.sub(f'"oob.time.usec": {time_us % SECOND}', line)


ISO = Form(_read_iso, _write_iso, exact=True)
RFC3164 = Form(_read_rfc3164, _write_rfc3164, exact=False)
CONNTRACK = Form(_read_conntrack, _write_conntrack, exact=True)
KNOCKD = Form(_read_knockd, _write_knockd, exact=False)
ULOGD_JSON = Form(_read_json, _write_json, exact=True)

FORMS: tuple[tuple[str, Form], ...] = (
    ("-syslog.iso.log", ISO),
    ("-syslog.log", RFC3164),
    ("-ulogd.log", RFC3164),
    ("-ulogd.json", ULOGD_JSON),
    ("-conntrack.out", CONNTRACK),
    ("-knockd.log", KNOCKD),
    ("-knockd-a.log", KNOCKD),
)
EXACT = {"-syslog.log": "-syslog.iso.log", "-ulogd.log": "-ulogd.json"}
"""File that holds the same lines, one by one, with exact times."""


def form_of(path: Path) -> tuple[str, Form] | None:
    """Tell the kind of a file, and its host, by its name: (host, form), or None for what is not rewritten."""
    for ending, form in FORMS:
        if path.name.endswith(ending):
            return path.name.removesuffix(ending), form
    return None


def texts(folder: Path) -> list[tuple[Path, str, Form]]:
    """List the files of a run that can be rewritten, each with its host and form."""
    found = ((path, form_of(path)) for path in sorted(folder.rglob("*")) if path.is_file())
    return [(path, *known) for path, known in found if known is not None]


def lines(path: Path) -> Iterator[str]:
    """Read lines without their ends; bytes that are no UTF-8 survive."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        for line in stream:
            yield line.removesuffix("\n")


def timed(path: Path) -> Iterator[tuple[int | None, str]]:
    """Read lines with their exact times, as far as they are known anywhere."""
    known = form_of(path)
    assert known is not None
    host, form = known
    if form.exact:
        yield from ((form.read(line), line) for line in lines(path))
        return
    if form is KNOCKD:
        yield from _timed_by_syslog(path, path.with_name(f"{host}-syslog.iso.log"))
        return
    ending = path.name.removeprefix(host)
    twin = path.with_name(host + EXACT[ending])
    if not twin.is_file():
        yield from _timed_by_packet(path, form, path.with_name(f"{host}-syslog.iso.log"))
        return
    exact = (form_of(twin) or ("", form))[1]
    for line, other in zip_longest(lines(path), lines(twin)):
        if line is not None:
            own = form.read(line)
            yield (own if other is None or own is None else _within(own, exact.read(other))), line


def _within(coarse: int, exact: int | None) -> int:
    """Take the exact time if it belongs to the same second or so, which says that the files do run in step."""
    return exact if exact is not None and abs(exact - coarse) < 2 * SECOND else coarse


def _timed_by_packet(path: Path, form: Form, syslog: Path) -> Iterator[tuple[int | None, str]]:
    """Read a host's packets, whole seconds, with the times of the same packets in its syslog, in their order."""
    known: defaultdict[tuple[str, ...], deque[int]] = defaultdict(deque)
    if syslog.is_file():
        for line in lines(syslog):
            if (found := tuple(_PACKET.findall(line))) and (time_us := ISO.read(line)) is not None:
                known[found].append(time_us)
    for line in lines(path):
        own = form.read(line)
        times = known.get(tuple(_PACKET.findall(line)))
        yield (own if own is None or not times else _within(own, times.popleft())), line


def _timed_by_syslog(path: Path, syslog: Path) -> Iterator[tuple[int | None, str]]:
    """Read knockd's LogFile, which has minutes, with the times of the same lines in syslog, in their order."""
    known: defaultdict[str, deque[int]] = defaultdict(deque)
    if syslog.is_file():
        for line in lines(syslog):
            if (found := _SYSLOG_KNOCKD.match(line)) and (time_us := ISO.read(line)) is not None:
                known[found[2]].append(time_us)
    for line in lines(path):
        own = KNOCKD.read(line)
        times = known[_KNOCKD.sub("", line).removeprefix(" ")] if own is not None else None
        yield (times.popleft() if times else own), line
