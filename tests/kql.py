"""The evidence that KQL is proven on, and every KQL text that the product contains or exports."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb_kql
import yaml

from knockwatch.config import Config, EvidenceSettings
from knockwatch.detections import detections
from knockwatch.exports import targets
from knockwatch.ingest import Workspace, ingest
from knockwatch.microsoft import TABLES
from knockwatch.views import export

ROOT = Path(__file__).resolve().parent.parent
CONTENT = ROOT / "src" / "knockwatch" / "content"
LAB = ("srv1-syslog.iso.log", "srv2-syslog.iso.log", "srv3-syslog.iso.log", "router-syslog.iso.log")
"""The lab's slices whose times are fine enough to order a burst; the others tell of the same packets again."""
SITE = """
[context]
administrators = ["alice", "198.51.100.10", "2001:db8:a::/62"]
scanners = ["198.51.100.130", "198.18.7.0/28"]
developers = ["dev\\"7"]
[[context.doors]]
host = "srv2"
port = "tcp/22"
sources = ["198.51.100.0/24", "jump"]
[hosts]
srv2 = ["203.0.113.11", "2001:db8:5::11"]
jump = ["192.0.2.9"]
[thresholds]
sequence_span_seconds = 120
sequence_ports_max = 5
"""
"""A site with every kind of entry, and a name that must be quoted."""


def site() -> Config:
    """Give the configuration of that site."""
    return Config.from_toml(SITE, "knockwatch.toml")


def evidence() -> list[str]:
    """Name the files: the lab's syslogs, a part of its audit log, and rows made by hand for what the lab has not."""
    data = ROOT / "tests" / "data"
    return [*(str(data / "lab" / "evidence" / name) for name in LAB), str(data / "hunting")]


def connect(folder: Path, files: Sequence[str] = ()) -> Any:
    """Write the views of that evidence, or of other files, and open them."""
    with Workspace.temporary() as workspace:
        ingest(files or evidence(), EvidenceSettings(), workspace)
        export(workspace, folder)
    connection = duckdb_kql.connect()
    for view in TABLES:
        connection.read_parquet(str(folder / f"{view}.parquet")).create_view(view)
    return connection


def rows(connection: Any, text: str, watchlist: str = "Entry,Kind,Note\n") -> list[dict[str, Any]]:
    """Run KQL as of a moment right after the evidence, with a watchlist of its own."""
    entries = [line.split(",") for line in watchlist.splitlines()[1:]]
    listed = ", ".join(json.dumps(field) for entry in entries for field in entry[:2])
    nothing = '"-", "none"'
    table = f"datatable(Entry:string, Kind:string)[{listed or nothing}]"
    result = duckdb_kql.kql(
        connection,
        text,
        allow_write=False,
        functions=[f"function _GetWatchlist(alias:string) {{ {table} }}"],
        query_now=datetime(2026, 11, 22, 11, 30, tzinfo=UTC),
    )
    return [dict(zip(result.columns, row, strict=True)) for row in result.fetchall()]


def exported(folder: Path, config: Config) -> dict[str, Path]:
    """Write what the Microsoft targets write, each in a folder of its own."""
    rules = {detection.rule.id: detection.rule for detection in detections()}
    folders = {}
    for name in ("defender", "sentinel"):
        folders[name] = folder / name
        folders[name].mkdir(parents=True)
        targets()[name].write(folders[name], rules, config)
    return folders


def texts(folders: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Give every KQL text with its name: in the content, and in what was exported."""
    for path in sorted(CONTENT.rglob("*.kql")):
        yield str(path.relative_to(CONTENT)), path.read_text("utf-8")
    for folder in folders.values():
        for path in sorted(folder.rglob("*.*")):
            name = str(path.relative_to(folder.parent))
            match path.suffix:
                case ".kql":
                    yield name, path.read_text("utf-8")
                case ".yaml":
                    yield name, yaml.safe_load(path.read_text("utf-8"))["query"]
                case ".json":
                    document = json.loads(path.read_text("utf-8"))
                    yield from ((f"{name}#{at}", text) for at, text in enumerate(_queries(document)))


def _queries(document: Any) -> Iterator[str]:
    """Find the queries in JSON, in the JSON that strings of it hold too."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key in {"query", "queryText"} and isinstance(value, str):
                yield value
            elif key == "serializedData":
                yield from _queries(json.loads(value))
            else:
                yield from _queries(value)
    elif isinstance(document, list):
        for member in document:
            yield from _queries(member)
