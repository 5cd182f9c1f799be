"""What sources of a host's state share."""

from pathlib import Path

import pytest

from knockwatch.evidence import BLOCK_BYTES
from knockwatch.sources import Head, _host_state
from knockwatch.sources.iptables_save import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

RULES = (SAMPLES / "iptables-save" / "srv1.v4").read_text()


def test_a_door_whose_rules_stand_far_apart_is_read_whole(tmp_path: Path) -> None:
    first, rest = RULES.split("-A INPUT -j LOGDROP\n", 1)
    # More than a block of a file, in few long rules.
    note = "n" * 1_000
    filler = "".join(
        f"-A INPUT -s 192.0.2.{number % 250} -m comment --comment {note} -j DROP\n" for number in range(9_000)
    )
    assert len(filler) > BLOCK_BYTES

    rows = read_text(SOURCE, tmp_path, first + "-A INPUT -j LOGDROP\n" + filler + rest).rows("changes")

    assert len({row["steps"] for row in rows}) == 2


def test_what_is_more_than_any_host_has_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_host_state, "MOST_CHARACTERS", 100)
    found = read_text(SOURCE, tmp_path, RULES)

    assert found.misfits.height == found.records == len(RULES.splitlines())


def test_a_line_that_is_too_long_is_counted(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, RULES + "-A INPUT " + "x" * (2 << 20) + "\n")

    assert found.misfits.height == 1
    assert found.rows("changes")


def test_a_text_with_few_such_lines_is_not_claimed() -> None:
    lines = [*RULES.splitlines(), *["a line of something else"] * 100]

    assert SOURCE.confidence(Head("\n".join(lines).encode(), whole=True)) == 0
    assert SOURCE.confidence(head_of(SAMPLES / "iptables-save" / "srv1.v4")) == _host_state.SURE


def test_binary_rubbish_is_not_claimed() -> None:
    assert SOURCE.confidence(Head(RULES.encode() + b"\x00", whole=True)) == 0


def test_the_host_is_told_by_a_collections_folder(tmp_path: Path) -> None:
    folder = tmp_path / "uac-web1-linux-20260102030405" / "live_response" / "network"
    folder.mkdir(parents=True)
    (folder / "iptables-save.txt").write_text(RULES)

    assert {row["host"] for row in read(SOURCE, folder / "iptables-save.txt").rows("changes")} == {"web1"}
