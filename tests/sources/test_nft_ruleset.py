"""Rule sets of nftables as files."""

from pathlib import Path

from knockwatch.sources.nft_ruleset import SOURCE
from tests.sources.reading import SAMPLES, read, read_text


def test_each_line_of_a_door_is_a_row() -> None:
    rows = read(SOURCE, SAMPLES / "nft-ruleset" / "srv2-ruleset.txt").rows("changes")

    assert {(row["port"], row["source_bound"]) for row in rows} == {(22, True), (2222, False)}


def test_what_is_in_no_table_is_counted(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, "table ip x {\n}\nError: no such file\n# a comment\n")

    assert found.misfits["text"].to_list() == ["Error: no such file"]
