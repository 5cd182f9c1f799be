"""Splunk: searches in SPL, over names of the Common Information Model."""

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
    name="splunk",
    fields="splunk",
    suffix=".spl",
    comment=("```", " ```"),
    form="search",
    backend=("sigma.backends.splunk", "SplunkBackend"),
    own=("denied-run", "denied-then-accepted", "daemon-then-log-in"),
)


class Splunk:
    """Splunk."""

    name = "splunk"
    title = "Splunk: searches (SPL)"

    def write(self, folder: Path, rules: Mapping[str, Rule], config: Config) -> Sequence[Exported]:
        """Write the queries."""
        del rules
        return write_queries(_PRODUCT, folder, config)


TARGET = Splunk()
