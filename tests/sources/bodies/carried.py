"""Reading messages of firewalls as syslog carries them, or bare, for tests."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from knockwatch.clock import Clock
from knockwatch.sources.bare_messages import SOURCE as BARE
from knockwatch.sources.syslog import SOURCE as SYSLOG
from tests.sources.reading import SAMPLES, Read, read, read_text

CLOCK = Clock(newest=datetime(2026, 11, 30, tzinfo=UTC))


def sample(name: str) -> Read:
    """Read a sample in its syslog envelope."""
    return read(SYSLOG, SAMPLES / name, CLOCK)


def carried(*messages: str, header: str = "Nov 22 11:23:34 fw1 ") -> Read:
    """Read messages behind a syslog header."""
    with tempfile.TemporaryDirectory() as folder:
        return read_text(SYSLOG, Path(folder), "".join(f"{header}{text}\n" for text in messages), CLOCK)


def bare(*messages: str) -> Read:
    """Read messages without a header."""
    with tempfile.TemporaryDirectory() as folder:
        return read_text(BARE, Path(folder), "".join(f"{text}\n" for text in messages), CLOCK)


def one(found: Read) -> dict[str, Any]:
    """Give the only connection."""
    (row,) = found.rows("connections")
    return row


def columns(found: Read, *names: str) -> list[tuple[Any, ...]]:
    """Give some columns of the connections, in order of lines."""
    rows = sorted(found.rows("connections"), key=lambda row: row["line"])
    return [tuple(row[name] for name in names) for row in rows]
