"""`bpftool` as a file."""

from knockwatch.sources.bpftool import SOURCE
from tests.sources.reading import SAMPLES, read


def test_programs_that_see_packets_are_attached_filters() -> None:
    programs = read(SOURCE, SAMPLES / "bpftool" / "prog.txt").rows("changes")
    attached = read(SOURCE, SAMPLES / "bpftool" / "net.txt").rows("changes")

    assert [row["rule_text"].split()[:2] for row in programs] == [["10:", "xdp"]]
    assert attached[0]["rule_text"] == "xdp eth0(2) driver id 198"
    assert len(attached) == 6
