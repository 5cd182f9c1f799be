"""Writes docs/siem.md, what each SIEM can say of our rules; it holds no facts of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from knockwatch.exports._siem_page import siem_page

PAGE = Path(__file__).with_name("siem.md")

if __name__ == "__main__":
    PAGE.write_text(siem_page(), "utf-8")
    sys.stderr.write(f"{PAGE} is written\n")
