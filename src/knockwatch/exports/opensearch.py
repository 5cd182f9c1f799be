"""OpenSearch: queries in PPL, over names of the Elastic Common Schema."""

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
    name="opensearch",
    fields="elastic",
    suffix=".ppl",
    comment=("//", ""),
    form="PPL query",
    backend=("sigma.backends.opensearch", "OpenSearchPPLBackend"),
    # pySigma leaves the window of a count out, and the order of a temporal_ordered.
    own=("denied-run", "denied-then-accepted", "daemon-then-log-in"),
)


class OpenSearch:
    """OpenSearch."""

    name = "opensearch"
    title = "OpenSearch: queries (PPL)"

    def write(self, folder: Path, rules: Mapping[str, Rule], config: Config) -> Sequence[Exported]:
        """Write the queries."""
        del rules
        return write_queries(_PRODUCT, folder, config)


TARGET = OpenSearch()
