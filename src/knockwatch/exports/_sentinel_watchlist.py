"""The site's context as a watchlist that Sentinel's rules ask: its rows, and the lines of KQL that ask it.

Single addresses and names are looked up in the watchlist, so that an analyst can add one in the portal. Networks are
in the rules themselves: KQL that can be proven here has no look-up of networks, so they need a new export.
"""

from __future__ import annotations

import csv
import io
import re

from knockwatch.config import Config
from knockwatch.entries import network_of
from knockwatch.hunting import Hunt, Tunable
from knockwatch.reports.escape import cell

ALIAS = "knockwatch"
SEARCH_KEY = "Entry"
COLUMNS = (SEARCH_KEY, "Kind", "Note")
_KINDS = ("administrators", "scanners", "monitors", "load_balancers", "developers")
_FUNCTION = re.compile(r"\(address: string\) \{ address in \([^)]*\)(?P<networks>.*) \}")


def watchlist_csv(config: Config) -> str:
    """Write the context's lists, an entry a line; Sentinel wants one line at least: an example where there is none."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    listed = [(entry, kind) for kind in _KINDS for entry in getattr(config.context, kind)]
    for entry, kind in listed:
        network = network_of(entry)
        single = str(network.network_address) if network and network.num_addresses == 1 else entry
        wide = network is not None and network.num_addresses > 1
        rows.writerow(
            [cell(single), kind, "in the rules themselves: export again after a change" if wide else ""]
        )
        rows.writerows([address, kind, f"address of {entry}"] for address in config.hosts.get(entry, ()))
    if not listed:
        rows.writerow(
            ["host.example", "none", "an address, host or user, and the context's list it belongs to"]
        )
    return text.getvalue()


def watched(hunt: Hunt) -> str:
    """Give a hunt's text with the watchlist in the place of the single addresses and names that are expected."""
    text = hunt.text
    for tunable in hunt.tunables:
        kind, _, lists = (tunable.source or "").partition(".")
        if kind == "names" or (kind == "context" and lists != "doors"):
            line = f"let {tunable.name} = {tunable.value};"
            text = text.replace(line, _asking(tunable, lists.split("+")), 1)
    return text


def _asking(tunable: Tunable, lists: list[str]) -> str:
    """Write the lines that ask the watchlist."""
    kinds = ", ".join(f'"{name}"' for name in lists)
    entries = f"{tunable.name}_entries" if _FUNCTION.fullmatch(tunable.value) else tunable.name
    asked = (
        f'let {entries} = toscalar(_GetWatchlist("{ALIAS}") | where Kind in ({kinds}) '
        f"| summarize make_set(tostring({SEARCH_KEY})));"
    )
    function = _FUNCTION.fullmatch(tunable.value)
    if function is None:
        return asked
    return (
        f"{asked}\nlet {tunable.name} = (address: string) {{ address in ({entries}){function['networks']} }};"
    )
