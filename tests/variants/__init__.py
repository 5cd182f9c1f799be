"""Variants of a lab run, to see whether detections hold when the evidence looks different.

Each makes a new corpus folder from one (`python -m tests.variants NAME RUN TARGET`), line by line and the same for the
same seed, with labels, doors and views to match. Rewritten are the text formats of `evidence_text`: syslog with
RFC 3164 and ISO times (netfilter, knockd, fwknopd and sshd lines), ulogd LOGEMU and JSON, `conntrack -E`, knockd's
LogFile. Everything else (captures and what was made from them, audit.log, snapshots, what daemons said on stdout) is
left out of variants, and so are the views that consist of it and the failed attempts that only it holds.
"""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.variants.evidence_text import SECOND, form_of, lines, microseconds, moment, texts, timed
from tests.variants.held import held
from tests.variants.noise import Copier, uptime
from tests.variants.numbers import ADDRESS, ADDRESS6, PORT, other_addresses, other_ports, other_step
from tests.variants.run import Label, read, write, write_lines

Transform = Callable[[Path, Path], None]

STRETCH = 20
SHIFT_SECONDS = 3
LOSS = 0.01
NOISE = 50
SHUFFLE_BYTES = 8 << 20
"""A larger file is shuffled in parts of about this size, each line in a random one."""

_EXPIRY = re.compile(r"(expires at |expire time of )(\d{10})")
_CREATED = re.compile(r"(Entry created: )(\d\d/\d\d/\d\d \d\d:\d\d:\d\d)")


def renumbered(source: Path, target: Path, *, seed: int = 0) -> None:
    """Make a run with other addresses and doors: each address and port means another one, everywhere the same."""
    run = read(source)
    address, port = other_addresses(seed), other_ports(run, seed)

    def line(text: str) -> str:
        text = ADDRESS.sub(lambda found: address(found[0]), text)
        text = ADDRESS6.sub(lambda found: address(found[0]), text)
        return PORT.sub(lambda found: f"{found[1]}{port(int(found[2]))}", text)

    for path, _, _ in texts(source):
        write_lines(source, target, path, map(line, lines(path)))
    for label in run.labels:
        _renumber(label, address, port)
    for door in run.doors.values():
        door["destinations"] = [address(one) for one in door["destinations"]]
        door["service"] = other_step(door["service"], port)
        door["secret"] = door["secret"] and [other_step(one, port) for one in door["secret"]]
    write(target, run)


def _renumber(label: Label, address: Callable[[str], str], port: Callable[[int], int]) -> None:
    """Rewrite the addresses and ports of an event."""
    label["src"] = [address(one) for one in label["src"]]
    dst = label["dst"]
    label["dst"] = address(dst) if isinstance(dst, str) else [address(one) for one in dst]
    label["sequence"] = [other_step(one, port) for one in label.get("sequence") or []]
    observed = label.get("observed") or []
    label["observed"] = [[at, address(src), other_step(step, port)] for at, src, step in observed]
    if connect := label.get("connect"):
        connect["port"] = port(connect["port"])
        if connect.get("src"):
            connect["src"] = address(connect["src"])


def stretched(source: Path, target: Path, *, factor: int = STRETCH) -> None:
    """Make a run in which everything takes longer, counted from the minute of its first event."""
    run = read(source)
    zero = int(min(label["start"] for label in run.labels) // 60 * 60) * SECOND

    def later(time_us: int) -> int:
        return zero + (time_us - zero) * factor

    for path, _, _ in texts(source):
        write_lines(source, target, path, _retimed(path, later, factor))
    for label in run.labels:
        _retime(label, lambda at: later(round(at * SECOND)) / SECOND)
    write(target, run)


def skewed(source: Path, target: Path, *, seed: int = 0, seconds: int = SHIFT_SECONDS) -> None:
    """Make a run in which each host's clock is wrong, some fast and some slow; the labels keep the true time."""
    run, files = read(source), texts(source)
    hosts = sorted({host for _, host, _ in files})
    chance = random.Random(seed)
    chance.shuffle(hosts)
    first = chance.choice((-1, 1)) * seconds * SECOND
    shifts = {host: -first if number % 2 else first for number, host in enumerate(hosts)}
    for path, host, _ in files:
        write_lines(source, target, path, _retimed(path, shifts[host].__add__))
    for view in run.views.values():
        view["clock_seconds"] = seconds
    write(target, run)


def shuffled(source: Path, target: Path, *, seed: int = 0) -> None:
    """Make a run whose files have their lines in no order."""
    for path, _, _ in texts(source):
        write_lines(source, target, path, _shuffled(path, random.Random(f"{seed}/{path.name}")))
    write(target, read(source))


def lossy(source: Path, target: Path, *, seed: int = 0, loss: float = LOSS) -> None:
    """Make a run whose files lack some lines; its views hold the events of which no telling line is lost."""
    for path, _, _ in texts(source):
        chance = random.Random(f"{seed}/{path.name}")
        write_lines(source, target, path, (text for text in lines(path) if chance.random() >= loss))
    run = read(source)
    for view in run.views.values():
        signal, entry = held(target, view, run.labels)
        view["signal"] = [name for name in view["signal"] if name in signal]
        view["entry"] = [name for name in view["entry"] if name in entry]
    write(target, run)


def noisy(source: Path, target: Path, *, seed: int = 0, times: int = NOISE) -> None:
    """Make a run with many times the noise: copies of what strangers' unanswered packets left in each log.

    Each copy has another source, other ports and another time in the run, the same in every log. Hosts whose log is
    rate-limited (UFW) get none: their log would not have held more.
    """
    run = read(source)
    copier = Copier(run, seed)
    for path, _, form in texts(source):
        added = [
            (time_us + offset, form.write(line, time_us + offset))
            for time_us, text in timed(path)
            if time_us is not None
            for offset, line in copier.copies(text, times - 1)
        ]
        added.sort(key=lambda pair: pair[0])
        write_lines(source, target, path, _merged(timed(path), added))
    run.labels.extend(copier.labels(times - 1))
    write(target, run)


VARIANTS: Mapping[str, Transform] = {
    "other ports and addresses": renumbered,
    "times stretched 20 times": stretched,
    "clocks 3 s off": skewed,
    "lines shuffled": shuffled,
    "1 % of lines lost": lossy,
    "50 times the noise": noisy,
}


def _retimed(path: Path, change: Callable[[int], int], factor: int = 1) -> Iterator[str]:
    """Rewrite a file's times: its lines', by a factor the kernel's uptime, and those in what fwknopd says."""
    known = form_of(path)
    assert known is not None
    for time_us, text in timed(path):
        line = text if time_us is None else known[1].write(text, change(time_us))
        if factor != 1:
            line = uptime(line, lambda at: at * factor)
        if "fwknopd" in line:
            line = _EXPIRY.sub(lambda found: f"{found[1]}{change(int(found[2]) * SECOND) // SECOND}", line)
            line = _CREATED.sub(lambda found: f"{found[1]}{_created(found[2], change)}", line)
        yield line


def _created(text: str, change: Callable[[int], int]) -> str:
    """Rewrite the time that fwknopd's replay warning quotes."""
    when = datetime.strptime(text, "%m/%d/%y %H:%M:%S").replace(tzinfo=UTC)
    return moment(change(microseconds(when))).strftime("%m/%d/%y %H:%M:%S")


def _retime(label: Label, change: Callable[[float], float]) -> None:
    """Rewrite the times of an event."""
    for key in ("start", "knock_end", "end"):
        if label.get(key) is not None:
            label[key] = change(label[key])
    if label.get("connect"):
        label["connect"]["time"] = change(label["connect"]["time"])
    label["observed"] = [[change(at), *rest] for at, *rest in label.get("observed") or []]


def _shuffled(path: Path, chance: random.Random) -> Iterator[str]:
    """Shuffle lines with bounded memory: each goes to a random part, and each part is shuffled."""
    count = path.stat().st_size // SHUFFLE_BYTES + 1
    with tempfile.TemporaryDirectory() as folder:
        parts = [Path(folder) / str(number) for number in range(count)]
        streams = [part.open("wb") for part in parts]
        for text in lines(path):
            streams[chance.randrange(count)].write(text.encode("utf-8", "surrogateescape") + b"\n")
        for stream in streams:
            stream.close()
        for part in parts:
            content = list(lines(part))
            chance.shuffle(content)
            yield from content


def _merged(base: Iterable[tuple[int | None, str]], added: Iterable[tuple[int, str]]) -> Iterator[str]:
    """Put lines in their place among those of a file."""
    waiting = iter(added)
    following = next(waiting, None)
    for time_us, text in base:
        while following is not None and time_us is not None and following[0] <= time_us:
            yield following[1]
            following = next(waiting, None)
        yield text
    while following is not None:
        yield following[1]
        following = next(waiting, None)
