"""auditd: rules for what only a host shows, under the keys that our Sigma rules ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from knockwatch.config import Config
from knockwatch.exports import Exported
from knockwatch.exports._context import with_context
from knockwatch.exports._queries import UNPROVEN, Query, header, told
from knockwatch.exports._site_values import filled

if TYPE_CHECKING:
    from knockwatch.detections import Rule

_FILE = "knockwatch.rules"
_LOST = "all judgement: auditd records, and other rules must read the records by their keys (knockwatch_*)"


class Auditd:
    """The Linux audit daemon."""

    name = "auditd"
    title = "auditd: audit rules"

    def write(self, folder: Path, rules: Mapping[str, Rule], config: Config) -> Sequence[Exported]:
        """Write the rules."""
        del rules
        text = (files("knockwatch.content") / "siem" / "auditd.rules.j2").read_text("utf-8")
        query = Query(
            "knockwatch",
            ".rules",
            "audit rules",
            "template",
            ("sniffer", "opening", "knock-client", "configured-door"),
            ("signal", "opening"),
            with_context(_LOST, ("signal", "opening"), text),
            UNPROVEN,
            filled(text, config),
        )
        path = folder / _FILE
        path.write_text(header(query, ("#", "")) + query.text, "utf-8")
        return list(told(query, path))


TARGET = Auditd()
