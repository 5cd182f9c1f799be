"""The page docs/siem.md: what every target says of each rule, made of what the targets tell of their exports."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from knockwatch.config import Config
from knockwatch.detections import detections
from knockwatch.exports import Exported, Target, targets

_HEAD = """# What each SIEM can say

`knockwatch rules export --to TARGET` writes the detections for a product, with the site's thresholds and context in
them. For each rule: whether it was converted by pySigma or is our own text, which of the three legs (signal, opening,
entry) it joins, what it loses against `knockwatch scan`, and how it was proven. "Executed" names rows found in the
evidence that the tests carry. This page is made from the targets; do not edit it.
"""
_TABLE = "| rule | export | made | legs | lost | proven |\n|---|---|---|---|---|---|\n"


def siem_page() -> str:
    """Write the page, by the default configuration."""
    rules = {detection.rule.id: detection.rule for detection in detections()}
    parts = [_HEAD]
    with tempfile.TemporaryDirectory() as folder:
        for target in targets().values():
            place = Path(folder, target.name)
            place.mkdir()
            told = target.write(place, rules, Config())
            parts += [f"\n## {_title(target)}\n\n{_TABLE}", *_rows(told)]
            missing = sorted(rules.keys() - {one.rule for one in told})
            if missing:
                parts.append(f"\nNot said: {', '.join(f'`{rule}`' for rule in missing)}.\n")
    return "".join(parts)


def _title(target: Target) -> str:
    """Write a target's heading."""
    return f"`{target.name}`: {target.title}"


def _rows(told: Sequence[Exported]) -> Iterator[str]:
    """Write a row for each rule and export."""
    for one in sorted(told, key=lambda one: (one.rule, one.name, one.form)):
        cells = (
            f"`{one.rule}`",
            f"{one.name} ({one.form})",
            one.made,
            ", ".join(one.legs) or "none",
            one.lost,
            one.proof,
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
