"""Cut a small labelled corpus out of a lab run.

`python tests/cut_lab.py RUN TARGET` keeps the events of `lab-a` up to `END` (one of nearly every kind, before the
long scans and the noise) and, of each observer, the lines up to then: the shipped sample evidence.
`sudo python tests/cut_lab.py --refresh [TARGET]` puts the lab up, plays every door twice without noise, takes the lab
down and keeps what the observers wrote: the regression corpus, `tests/data/lab-doors`.
In both the labels, doors and views are reduced to what is left.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

END = datetime(2026, 11, 22, 11, 27, 41, tzinfo=UTC)
REGRESSION = Path(__file__).parent / "data" / "lab-doors"
SCENARIO = "quick"
KEPT = (
    "*-syslog.iso.log",
    "router-conntrack.out",
    "srv4-conntrack.out",
    "srv5-conntrack.out",
    "srv1-knockd-a.log",
    "pcap/*.pcap",
)
"""Files of the regression corpus: the smallest set in which every door can be seen."""

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
    """Cut the shipped sample evidence out of `lab-a`."""
    evidence = target / "evidence"
    evidence.mkdir(parents=True, exist_ok=True)
    for name, when in FILES.items():
        lines = (run / name).read_text("utf-8", "surrogateescape").splitlines(keepends=True)
        kept = [line for line in lines if (moment := when(line)) is None or moment < END]
        (evidence / name).write_text("".join(kept), "utf-8", "surrogateescape")
    labels = json.loads((run / "labels.json").read_text())
    _truth(
        run,
        target,
        [label for label in labels if label["end"] < END.timestamp() and label["kind"] != "noise"],
    )


def refresh(target: Path) -> None:
    """Play every door twice, and keep what the observers wrote."""
    from knockwatch.lab.check import played
    from knockwatch.lab.data import load

    plan = load()
    quiet = plan.scenarios[SCENARIO].model_copy(update={"background": ()})
    plan.scenarios[SCENARIO] = quiet
    with tempfile.TemporaryDirectory() as temporary:
        run = Path(temporary) / "run"
        played(plan, run, [SCENARIO])
        if target.exists():
            shutil.rmtree(target)
        for pattern in KEPT:
            for path in sorted(run.glob(pattern)):
                copy = target / "evidence" / path.relative_to(run)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
        _truth(run, target, json.loads((run / "labels.json").read_text()))


def _truth(run: Path, target: Path, labels: list[dict[str, Any]]) -> None:
    """Reduce labels, doors and views to what is left."""
    evidence = target / "evidence"
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
    if sys.argv[1] == "--refresh":
        refresh(Path(sys.argv[2]) if len(sys.argv) > 2 else REGRESSION)
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
