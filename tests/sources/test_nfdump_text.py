"""nfdump's tables."""

from pathlib import Path

import pytest

from knockwatch.sources.nfdump_text import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

LAB = SAMPLES / "nfdump-text"


def test_a_knock_is_in_its_order() -> None:
    """Its times are finer than those of the CSV of the same version."""
    rows = read(SOURCE, LAB / "extended.txt").rows("connections")
    ordered = sorted(rows, key=lambda row: row["time_us"])

    assert [(row["destination_port"], row["outcome"]) for row in ordered] == [
        (7000, "unanswered"),
        (8000, "unanswered"),
        (9000, "unanswered"),
        (22, "accepted"),
    ]
    assert (ordered[3]["packets_sent"], ordered[3]["packets_received"], ordered[3]["line"]) == (22, 20, 5)


def test_without_flags_icmp_and_lengths_are_there() -> None:
    ping, syn = read(SOURCE, LAB / "line.txt").rows("connections")

    assert (ping["icmp_type"], ping["icmp_code"], ping["outcome"]) == (8, 0, "accepted")
    assert (syn["outcome"], syn["tcp_flags"], syn["packets_sent"]) == ("unanswered", None, 3)


def test_addresses_of_ipv6_are_read() -> None:
    rows = read(SOURCE, LAB / "long6.txt").rows("connections")

    assert {row["source_ip"] for row in rows} == {"2001:db8:a::10"}
    assert {row["destination_port"]: row["outcome"] for row in rows} == {
        22: "accepted",
        7000: "unanswered",
        8000: "unanswered",
        9000: "unanswered",
    }


def test_rounded_counts_are_read(tmp_path: Path) -> None:
    text = (LAB / "extended.txt").read_text().replace("       22     4885 ", "      1.2 M    3.4 G ")
    entry = read_text(SOURCE, tmp_path, text).rows("connections")[-1]

    assert (entry["packets_sent"], entry["bytes_sent"]) == (1_200_000, 3_400_000_000)


def test_without_its_header_it_is_known_by_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("".join((LAB / "extended.txt").read_text().splitlines(keepends=True)[1:6]))

    assert SOURCE.confidence(head_of(path)) == 0.9


@pytest.mark.parametrize(
    "damage", [("198.51.100.10:48700", "198.51.100.999:48700"), (":48700", ":70000"), ("->", "-")]
)
def test_a_damaged_line_is_counted(tmp_path: Path, damage: tuple[str, str]) -> None:
    lines = (LAB / "extended.txt").read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace(damage[0], damage[1])
    found = read_text(SOURCE, tmp_path, "".join(lines))

    assert found.misfits["line"].to_list() == [2]
    assert len(found.rows("connections")) == 3
