"""osquery: a pack of what only a host shows."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knockwatch.config import Config
from knockwatch.exports import Exported
from knockwatch.exports._context import with_context
from knockwatch.exports._site_values import filled

if TYPE_CHECKING:
    from knockwatch.detections import Rule

_PROOF = "parsed by SQLite, which osquery is built on, over its tables as documented"


class Osquery:
    """osquery."""

    name = "osquery"
    title = "osquery: a query pack (JSON)"

    def write(self, folder: Path, rules: Mapping[str, Rule], config: Config) -> Sequence[Exported]:
        """Write the pack; JSON has no comments, so each query's description says what it keeps and loses."""
        del rules
        path = folder / "knockwatch.conf"
        entries = list(_entries(config))
        pack = {"platform": "linux", "queries": {entry["name"]: _query(entry) for entry in entries}}
        path.write_text(f"{json.dumps(pack, indent=2)}\n", "utf-8")
        return [
            Exported(
                rule,
                entry["name"],
                "scheduled query",
                "template",
                tuple(entry["legs"]),
                entry["lost"],
                _PROOF,
                (path,),
            )
            for entry in entries
            for rule in entry["rules"]
        ]


def _entries(config: Config) -> Iterator[dict[str, Any]]:
    """Read the queries, filled for the site."""
    text = (files("knockwatch.content") / "siem" / "osquery.toml").read_text("utf-8")
    for entry in tomllib.loads(text)["query"]:
        lost = with_context(entry["lost"], entry["legs"], entry["text"])
        yield {**entry, "lost": lost, "text": " ".join(filled(entry["text"], config).split())}


def _query(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Write one query of the pack."""
    legs = ", ".join(entry["legs"]) or "none"
    return {
        "query": entry["text"],
        "interval": entry["interval"],
        "description": f"{entry['description']}. Legs: {legs}. Lost: {entry['lost']}. Proof: {_PROOF}.",
    }


TARGET = Osquery()
