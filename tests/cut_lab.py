"""Cut a small labelled corpus out of a lab run: `python tests/cut_lab.py RUN TARGET`.

Keeps the events up to `END` (one of nearly every kind, before the long scans and the noise) and, of each observer,
the lines up to then; the labels, doors and views are reduced to what is left. The result is the shipped sample
evidence.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

END = datetime(2026, 11, 22, 11, 27, 41, tzinfo=UTC)

_ISO = re.compile(r"(2026-11-22T\d\d:\d\d:\d\d)")
_RFC3164 = re.compile(r"^(Nov 22 \d\d:\d\d:\d\d)")
_KNOCKD = re.compile(r"^\[(2026-11-22 \d\d:\d\d)\]")
_EPOCH = re.compile(r"^\[(\d{10})\.")


def _text(pattern: re.Pattern[str], form: str) -> Callable[[str], datetime | None]:
    def when(line: str) -> datetime | None:
        found = pattern.search(line)
        return datetime.strptime(found[1], form).replace(year=END.year, tzinfo=UTC) if found else None

    return when


def _epoch(line: str) -> datetime | None:
    found = _EPOCH.search(line)
    return datetime.fromtimestamp(int(found[1]), UTC) if found else None


FILES: dict[str, Callable[[str], datetime | None]] = {
    "srv1-syslog.iso.log": _text(_ISO, "%Y-%m-%dT%H:%M:%S"),
    "srv2-syslog.iso.log": _text(_ISO, "%Y-%m-%dT%H:%M:%S"),
    "srv3-syslog.iso.log": _text(_ISO, "%Y-%m-%dT%H:%M:%S"),
    "router-syslog.iso.log": _text(_ISO, "%Y-%m-%dT%H:%M:%S"),
    "srv1-ulogd.log": _text(_RFC3164, "%b %d %H:%M:%S"),
    "srv1-knockd-a.log": _text(_KNOCKD, "%Y-%m-%d %H:%M"),
    "router-conntrack.out": _epoch,
}


def main(run: Path, target: Path) -> None:
    evidence = target / "evidence"
    evidence.mkdir(parents=True, exist_ok=True)
    for name, when in FILES.items():
        lines = (run / name).read_text("utf-8", "surrogateescape").splitlines(keepends=True)
        kept = [line for line in lines if (moment := when(line)) is None or moment < END]
        (evidence / name).write_text("".join(kept), "utf-8", "surrogateescape")
    labels = [
        label
        for label in json.loads((run / "labels.json").read_text())
        if label["end"] < END.timestamp() and label["kind"] != "noise"
    ]
    ids = {label["id"] for label in labels}
    views = {
        name: {
            **view,
            "files": [f"evidence/{pattern}" for pattern in view["files"]],
            **{leg: [i for i in view[leg] if i in ids] for leg in ("signal", "entry")},
        }
        for name, view in json.loads((run / "views.json").read_text()).items()
        if any(list(evidence.glob(pattern)) for pattern in view["files"])
    }
    doors = json.loads((run / "doors.json").read_text())
    for name, content in (("labels", labels), ("doors", doors), ("views", views)):
        (target / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
