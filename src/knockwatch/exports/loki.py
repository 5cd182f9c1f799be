"""Grafana Loki: queries in LogQL, over the labels that JSON in the Elastic Common Schema gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from knockwatch.config import Config
from knockwatch.exports import Exported
from knockwatch.exports._queries import Product, write_queries

if TYPE_CHECKING:
    from knockwatch.detections import Rule

_PRODUCT = Product(
    name="loki",
    fields="loki",
    suffix=".logql",
    comment=("#", ""),
    form="LogQL query",
    backend=("sigma.backends.loki", "LogQLBackend"),
    own=("denied-then-accepted", "daemon-then-log-in"),
)


class Loki:
    """Loki."""

    name = "loki"
    title = "Grafana Loki: queries (LogQL)"

    def write(self, folder: Path, rules: Mapping[str, Rule], config: Config) -> Sequence[Exported]:
        """Write the queries."""
        del rules
        return write_queries(_PRODUCT, folder, config)


TARGET = Loki()
