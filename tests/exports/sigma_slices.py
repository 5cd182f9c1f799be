"""The shipped slices of lab-a's evidence as one SQLite table with Sigma's names of fields, and rules run on it."""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from knockwatch.config import Config
from knockwatch.engines.embedded import Engine
from knockwatch.exports._sigma_rules import SigmaFile, with_needs
from knockwatch.ingest import Workspace, ingest
from knockwatch.views import views

_DATA = Path(__file__).parents[1] / "data"
_AUDIT = _DATA / "sources" / "auditd" / "srv1.log"
_SLICES = (_DATA / "lab" / "evidence", _AUDIT)
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "CommonSecurityLog": {
        "TimeGenerated": "timestamp",
        "DeviceName": "host",
        "SourceIP": "src_ip",
        "DestinationIP": "dst_ip",
        "DestinationPort": "dst_port",
        "DeviceAction": "action",
    },
    "Syslog": {
        "TimeGenerated": "timestamp",
        "HostName": "host",
        "ProcessName": "program",
        "SyslogMessage": "message",
    },
    "DeviceProcessEvents": {
        "Timestamp": "timestamp",
        "FolderPath": "Image",
        "ProcessCommandLine": "CommandLine",
        "InitiatingProcessFolderPath": "ParentImage",
        "AccountName": "User",
    },
}
_PAIR = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s"\x1d]+))')
_COLUMNS = (
    *dict.fromkeys(name for fields in _FIELDS.values() for name in fields.values()),
    "type",
    "key",
    "comm",
    "TargetFilename",
)


def database() -> sqlite3.Connection:
    """Read the slices into a table `logs`."""
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE logs ({', '.join(f'{name} COLLATE NOCASE' for name in _COLUMNS)})")
    with Workspace.temporary() as workspace:
        ingest([str(path) for path in _SLICES], Config().evidence, workspace)
        with Engine(workspace) as engine:
            for view, rows in views(engine.tables()).items():
                _insert(connection, _renamed(engine.execute(rows), _FIELDS[view]))
    _insert(connection, _audit())
    return connection


def found(connection: sqlite3.Connection, files: Mapping[str, SigmaFile], name: str) -> list[Any]:
    """Run a file's rule, converted by pySigma's SQLite back end."""
    from sigma.backends.sqlite.sqlite import sqliteBackend
    from sigma.collection import SigmaCollection

    collection = SigmaCollection.from_yaml(with_needs(files, name))
    backend: Any = sqliteBackend()  # type: ignore[no-untyped-call]
    (query,) = backend.convert(collection)
    return connection.execute(query).fetchall()


def _renamed(rows: pl.DataFrame, fields: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for row in rows.select(*fields).rename(dict(fields)).iter_rows(named=True):
        yield {key: value.isoformat() if isinstance(value, datetime) else value for key, value in row.items()}


def _audit() -> Iterator[dict[str, Any]]:
    for line in _AUDIT.read_text("utf-8").split("\n"):
        if line.startswith("type=SYSCALL"):
            yield {key: quoted or plain for key, quoted, plain in _PAIR.findall(line) if key in _COLUMNS}


def _insert(connection: sqlite3.Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    filled = [[row.get(name) for name in _COLUMNS] for row in rows]
    connection.executemany(f"INSERT INTO logs VALUES ({', '.join('?' * len(_COLUMNS))})", filled)
