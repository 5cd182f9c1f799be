"""`ss` as a file."""

from knockwatch.sources.ss import SOURCE
from tests.sources.reading import SAMPLES, read


def test_packet_sockets_their_filters_and_doors_are_told() -> None:
    rows = read(SOURCE, SAMPLES / "ss" / "srv1-ss-0pb.txt").rows("changes")
    doors = {(row["steps"], row["destination_ip"]) for row in rows if row["kind"] == "door-configured"}

    assert [row["actor"] for row in rows if row["kind"] == "filter-attached"] == [
        "knockd",
        "knockd",
        "fwknopd",
    ]
    assert ("tcp/7100 tcp/8100 tcp/9100", "203.0.113.10") in doors
    assert ("udp/62201", None) in doors


def test_listeners_are_told_with_their_owners() -> None:
    rows = read(SOURCE, SAMPLES / "ss" / "srv1-ss-tulpn.txt").rows("changes")

    assert {(row["actor"], row["port"]) for row in rows} >= {("sshd", 22), ("python3", 8443)}
    assert {row["kind"] for row in rows} == {"listener-opened"}
