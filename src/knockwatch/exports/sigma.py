"""Sigma: our rules and correlations as they are, for whatever reads Sigma."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from knockwatch.config import Config
from knockwatch.exports import Exported
from knockwatch.exports._queries import Query, header, told
from knockwatch.exports._sigma_rules import sigma_files

if TYPE_CHECKING:
    from knockwatch.detections import Rule


class Sigma:
    """Sigma."""

    name = "sigma"
    title = "Sigma: rules and correlations (value count, ordered temporal)"

    def write(self, folder: Path, rules: Mapping[str, Rule], config: Config) -> Sequence[Exported]:
        """Write the rules; a correlation's file names the rules of other files that it needs."""
        del rules
        exported: list[Exported] = []
        for rule in sigma_files(config).values():
            query = Query(
                rule.name,
                ".yml",
                rule.form,
                "template",
                rule.rules,
                rule.legs,
                rule.lost,
                rule.proof,
                rule.text,
            )
            path = folder / f"{rule.name}.yml"
            path.write_text(header(query, ("#", "")) + query.text, "utf-8")
            exported += told(query, path)
        return exported


TARGET = Sigma()
