"""RouterOS exports as files."""

from pathlib import Path

from knockwatch.sources.routeros_export import SOURCE
from tests.sources.reading import SAMPLES, read, read_text


def test_a_rule_over_two_lines_stands_where_it_begins() -> None:
    rows = read(SOURCE, SAMPLES / "routeros-export" / "port-knocking.rsc").rows("changes")

    assert [row["line"] for row in rows] == [6, 8, 10, 12]
    assert rows[0]["rule_text"].endswith("protocol=tcp")


def test_other_menus_of_an_export_are_no_misfits(tmp_path: Path) -> None:
    text = (
        "# 2026-11-22 by RouterOS 7.16\n/interface bridge\nadd name=b\n/ip firewall filter\nadd chain=input\n"
    )

    assert read_text(SOURCE, tmp_path, text).misfits.is_empty()
