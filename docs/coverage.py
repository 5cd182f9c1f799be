"""Writes docs/coverage.md from the data files of signatures and families; it holds no facts of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from knockwatch.detections._signatures import families, signatures

PAGE = Path(__file__).with_name("coverage.md")
_HEAD = """# Coverage

What is publicly known of port knocking, single packet authorization and magic packets, family by family: what can be
seen on the wire and on the host, which signatures look for it, and how far a match can be trusted. This page is made of
the data files in `src/knockwatch/content/signals/` by `python docs/coverage.py`; do not edit it.

- **high**: hardly anything else sends it. **medium**: few others do. **low**: others do, so a match says
  little by itself.
- *default* means that operators change it: that it is absent means nothing.
- Whatever the signal, an entry after it is found as a `door`, and a connection back as a `callback`; neither needs a
  signature.

| family | kind | on the wire | on the host | signatures (trust) | reference |
|---|---|---|---|---|---|
"""
_NONE_HEAD = """
## Families without a public observable on the wire

No value of theirs is public. What opens after their signal, or connects back, is found all the same.

| family | kind | on the host | reference |
|---|---|---|---|
"""
_EACH_HEAD = """
## Signatures

| id | what it is | signal | ATT&CK | trust | reference |
|---|---|---|---|---|---|
"""


def page() -> str:
    """Write the page."""
    return _HEAD + "".join(_seen()) + _NONE_HEAD + "".join(_unseen()) + _EACH_HEAD + "".join(_each())


def _row(*cells: str) -> str:
    """Write one row of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _seen() -> Iterator[str]:
    """List families with something to be seen on the wire."""
    for family in families():
        if not family["wire"]:
            continue
        mine = [one for one in signatures().values() if one.family == family["name"]]
        told = ", ".join(f"`{one.id}` ({one.trust}{', default' if one.default else ''})" for one in mine)
        names = ("name", "kind", "wire", "host")
        yield _row(*(family[name] or "–" for name in names), told or "none: any signal", family["reference"])


def _unseen() -> Iterator[str]:
    """List families of which nothing on the wire is public."""
    for family in families():
        if not family["wire"]:
            yield _row(*(family[name] or "nothing public" for name in ("name", "kind", "host", "reference")))


def _each() -> Iterator[str]:
    """List the signatures."""
    for one in sorted(signatures().values(), key=lambda one: one.id):
        what = f"{one.name}; {one.note}" if one.note else one.name
        trust = f"{one.trust}, default" if one.default else one.trust
        yield _row(f"`{one.id}`", what, one.signal, ", ".join(one.attack), trust, one.reference)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stderr.write(f"{PAGE} is written\n")
