"""Rule sets of nftables: `nft list ruleset` and files that `nft -f` loads."""

from __future__ import annotations

from knockwatch.hoststate import nft
from knockwatch.sources import Format
from knockwatch.sources._host_state import StateSource

SOURCE = StateSource(
    Format(
        "nft-ruleset",
        "nftables rule set: nft list ruleset",
        ("changes",),
        "verified",
        "nft(8); own lab",
    ),
    nft.read,
)
