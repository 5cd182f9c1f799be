"""The labels, doors and views of a lab run, as plain JSON to be changed, and the files of a variant being written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.variants.evidence_text import texts

Label = dict[str, Any]

ORIGINAL_ONLY = ("commands", "pcap", "start_iso", "end_iso", "gap")
"""What of an event is true of the original only: what was typed, its capture, its times as text."""


@dataclass
class Run:
    """What the three files say."""

    labels: list[Label]
    doors: dict[str, dict[str, Any]]
    views: dict[str, dict[str, Any]]


def read(source: Path) -> Run:
    """Read labels, doors and views of a run, as far as its text holds them."""
    labels, doors, views = (
        json.loads((source / f"{name}.json").read_text()) for name in ("labels", "doors", "views")
    )
    kept = [label for label in labels if label["kind"] != "failed" or label.get("observed")]
    for label in kept:
        for key in ORIGINAL_ONLY:
            label.pop(key, None)
    files = {path for path, _, _ in texts(source)}
    there = {
        name: view
        for name, view in views.items()
        if any(path in files for pattern in view["files"] for path in source.glob(pattern))
    }
    return Run(kept, doors, there)


def write(target: Path, run: Run) -> None:
    """Write labels, doors and views."""
    for name, content in (("labels", run.labels), ("doors", run.doors), ("views", run.views)):
        (target / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def write_lines(source: Path, target: Path, path: Path, content: Iterable[str]) -> None:
    """Write a file of the variant where it was in the run."""
    place = target / path.relative_to(source)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in content)
