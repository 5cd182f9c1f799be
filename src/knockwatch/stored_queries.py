"""Queries written before, kept in the user's cache folder: to write them anew takes a second of Python.

What is kept is text for an engine, which may read and write files: so a file counts only where nobody but
the user, or the system, could have written it. Nothing here knows a detection.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from knockwatch._kept import program, user_folder
from knockwatch.engines.queries import Query

FOLDER = "queries"
"""In the user's own folder."""
_MOST = 8
"""Sets of queries that are kept: one for each configuration in use."""
_WRITTEN_BY = ("ibis-framework", "sqlglot", "duckdb", "polars")
"""Libraries that decide what a query reads like."""


@dataclass(frozen=True)
class Stored:
    """What is kept of a plan: names of steps with their SQL, rules with their queries, and what each read."""

    steps: Mapping[str, str]
    queries: Mapping[str, Query]
    read: Mapping[str, list[str]]


def load(name: str) -> Stored | None:
    """Give the queries of a name; None where there are none, or none that can be trusted."""
    try:
        path = user_folder() / FOLDER / f"{name}.json"
        if not _ours(path.parent) or not _ours(path):
            return None
        kept = json.loads(path.read_text("utf-8"))
        queries = {rule: Query(one["sql"], _types(one["types"])) for rule, one in kept["queries"].items()}
        return Stored(kept["steps"], queries, kept["read"])
    except (OSError, ValueError, LookupError, AttributeError, TypeError, pl.exceptions.PolarsError):
        return None


def store(name: str, kept: Stored) -> None:
    """Keep queries under a name; where the folder cannot be written, they are written anew each time."""
    queries = {
        rule: {"sql": query.sql, "types": _written(query.types)} for rule, query in kept.queries.items()
    }
    with suppress(OSError):
        folder = user_folder() / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, encoding="utf-8", delete=False) as file:
            json.dump({"steps": dict(kept.steps), "queries": queries, "read": dict(kept.read)}, file)
        Path(file.name).replace(folder / f"{name}.json")
        files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[_MOST:]:
            path.unlink()


def name_of(settings: Mapping[str, Any]) -> str:
    """Name the queries that this program writes under some settings: another version of it gives another name."""
    said = json.dumps([program(*_WRITTEN_BY), dict(settings)], default=str, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _ours(path: Path) -> bool:
    """Say whether nobody but the user and the system can write a file or folder."""
    found = path.stat()
    if not hasattr(os, "geteuid"):
        return True
    return found.st_uid in {0, os.geteuid()} and not found.st_mode & 0o022


def _written(types: pl.Schema) -> str:
    """Write the types of columns as text."""
    buffer = io.BytesIO()
    pl.DataFrame(schema=types).write_ipc(buffer)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _types(written: str) -> pl.Schema:
    """Read what `_written` wrote."""
    return pl.read_ipc(io.BytesIO(base64.b64decode(written))).schema
