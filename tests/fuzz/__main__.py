"""`python -m tests.fuzz`: every source reads damaged copies of its samples, for a bounded time each.

What a parser must never do is raise, hang, or lose lines without a count. An input that makes one do so is kept in
`tests/data/fuzz/FORMAT/`, where `tests/fuzz/test_kept.py` reads it ever after.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest

from knockwatch import _compiled
from knockwatch.sources import Batch, Head, Reading, Source, sources
from knockwatch.sources._json_records import JsonRecords
from knockwatch.sources.bodies import bodies
from knockwatch.sources.pcap import Pcap
from knockwatch.sources.syslog import Syslog
from tests.fuzz.damage import damaged
from tests.sources.reading import SAMPLES, head_of, read

LOOPS = "-loops"
KEPT = SAMPLES.parent / "fuzz"
SLOW_S = 20.0
"""Longest that a damaged sample may take: samples are small, so more is a hang."""
SPARE_BYTES = 65536
"""Of a sample, at most this much is damaged at a time: many small inputs find more than few large ones."""


class Looped:
    """A source that reads by compiled loops however small its evidence is."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.format = replace(source.format, name=f"{source.format.name}{LOOPS}")

    def confidence(self, head: Head) -> float:
        """Say what the source says."""
        return self.source.confidence(head)

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read a file."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_compiled, "_LEAST_BYTES", 0)
            yield from self.source.read(replace(reading, lean=True))


def looped() -> list[Source]:
    """Give the sources that read large evidence by compiled loops."""
    return [Looped(source) for source in sources() if isinstance(source, Pcap | Syslog | JsonRecords)]


def readers(only: str | None) -> list[tuple[str, Source, list[bytes]]]:
    """Give every format with the source that reads it and its samples; a body is read in its envelope."""
    found = [(source.format.name, source) for source in sources()]
    for body in bodies():
        head = head_of(samples(body.format.name)[0])
        source = max(sources(), key=lambda one: one.confidence(head))
        found.append((body.format.name, source))
        if body.format.name == "netfilter":
            found.append((f"netfilter{LOOPS}", Looped(source)))
    found += [(source.format.name, source) for source in looped()]
    return [
        (name, source, [path.read_bytes()[:SPARE_BYTES] for path in samples(name)])
        for name, source in found
        if only in {None, name}
    ]


def samples(name: str) -> list[Path]:
    """List the samples of a format."""
    return sorted(path for path in (SAMPLES / name.removesuffix(LOOPS)).iterdir() if path.is_file())


def fault_of(source: Source, path: Path) -> str | None:
    """Read a file and say what went wrong, if anything did."""
    began = time.monotonic()
    try:
        head = head_of(path)
        for other in sources():
            other.confidence(head)
        read(source, path)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - whatever a parser raises is a finding; a panic of Polars is no Exception
        return traceback.format_exc()
    took = time.monotonic() - began
    return f"took {took:.0f} s" if took > SLOW_S else None


def keep(name: str, data: bytes) -> Path:
    """Keep an input that a parser failed on."""
    target = KEPT / name / hashlib.sha256(data).hexdigest()[:12]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return target


@click.command()
@click.option("--seconds", default=5.0, show_default=True, help="How long each format is fuzzed.")
@click.option("--seed", type=int, help="Seed of chance; printed, so that a run can be repeated.")
@click.option("--only", help="One format's name.")
def main(seconds: float, seed: int | None, only: str | None) -> None:
    """Fuzz every parser; exit 1 where one failed."""
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    click.echo(f"seed {seed}, {seconds:g} s a format")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        # Compiled loops are compiled anew, so that they look whether each place is one.
        os.environ |= {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": folder}
        path = Path(folder) / "evidence"
        for name, source, whole in readers(only):
            # What is compiled is compiled when it is first used, which is no hang.
            path.write_bytes(whole[0])
            read(source, path)
            chance, tried, until = random.Random(f"{seed} {name}"), 0, time.monotonic() + seconds
            while time.monotonic() < until:
                data = damaged(chance.choice(whole), chance, whole)
                path.write_bytes(data)
                tried += 1
                if (fault := fault_of(source, path)) is not None:
                    failed += 1
                    click.echo(f"{name}: {fault}\n  kept as {keep(name, data)}", err=True)
                    break
            click.echo(f"{name}: {tried} inputs")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
