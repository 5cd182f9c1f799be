"""Elastic: queries in ES|QL and sequences in EQL, over names of the Elastic Common Schema."""

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
    name="elastic",
    fields="elastic",
    suffix=".eql",
    comment=("//", ""),
    form="EQL query",
    # EQL compares without regard to case (":"), ES|QL does not; of correlations pySigma writes malformed EQL.
    backend=("sigma.backends.elasticsearch", "EqlBackend"),
    own=("denied-run", "denied-then-accepted", "daemon-then-log-in"),
    proof="parsed by Elastic's own EQL parser (the Python package eql)",
)


class Elastic:
    """Elastic."""

    name = "elastic"
    title = "Elastic Security: ES|QL queries and EQL sequences"

    def write(self, folder: Path, rules: Mapping[str, Rule], config: Config) -> Sequence[Exported]:
        """Write the queries."""
        del rules
        return write_queries(_PRODUCT, folder, config)


TARGET = Elastic()
