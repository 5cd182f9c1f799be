"""`knockwatch rules`: the detections, and what an analyst wants to know of each; exports are in `_rules_export`."""

from __future__ import annotations

import difflib
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from knockwatch.commands._rules_export import export
from knockwatch.commands.listing import write_entry, write_json, write_list
from knockwatch.commands.options import examples, listing_option
from knockwatch.errors import UsageError

if TYPE_CHECKING:
    from knockwatch.detections import Rule


@click.group(
    epilog=examples(
        "knockwatch rules list",
        "knockwatch rules show daemon-activity",
        "knockwatch rules export --to sentinel --out sentinel/",
    )
)
def command() -> None:
    """List the detections, show one, or export them for a SIEM."""


command.add_command(export)


@command.command("list", epilog=examples("knockwatch rules list --format json | jq '.[].id'"))
@listing_option
def list_rules(form: str) -> None:
    """List the detections."""
    rules = _rules()
    if form == "json":
        write_json([asdict(rule) for rule in rules.values()])
        return
    rows = [(rule.id, rule.severity, ", ".join(rule.tables), rule.title) for rule in rules.values()]
    write_list(("id", "severity", "reads", "title"), rows)


@command.command("show", epilog=examples("knockwatch rules show daemon-activity"))
@click.argument("rule_id", metavar="ID")
@listing_option
def show(rule_id: str, form: str) -> None:
    """Show all that is known of one detection."""
    rules = _rules()
    if rule_id not in rules:
        close = difflib.get_close_matches(rule_id, rules, n=1)
        hint = f"did you mean {close[0]}?" if close else "`knockwatch rules list` shows them all"
        raise UsageError(f"no rule {rule_id!r}: {hint}")
    rule = rules[rule_id]
    if form == "json":
        write_json(asdict(rule))
        return
    write_entry(
        f"{rule.id}: {rule.title}",
        [
            ("Finds", [rule.description]),
            ("Severity", [f"{rule.severity}, confidence {rule.confidence}"]),
            ("ATT&CK", [", ".join(rule.attack)]),
            ("Reads", [", ".join(rule.tables)]),
            ("Data sources", rule.data_sources),
            ("Labels", rule.labels),
            ("Innocent", rule.false_positives),
            ("--rules seed", ["runs its specification"] if rule.specification else ["leaves it out"]),
            ("References", rule.references),
        ],
    )


def _rules() -> dict[str, Rule]:
    """Load the rules by id."""
    from knockwatch.detections import detections

    return dict(sorted((detection.rule.id, detection.rule) for detection in detections()))
