"""`lsof` as a file."""

from knockwatch.sources.lsof import SOURCE
from tests.sources.reading import SAMPLES, read


def test_listeners_and_packet_sockets_are_told() -> None:
    rows = read(SOURCE, SAMPLES / "lsof" / "process.txt").rows("changes")

    assert [(row["kind"], row["protocol"], row["port"]) for row in rows] == [
        ("listener-opened", "tcp", 2022),
        ("listener-opened", "udp", 6220),
        ("socket-opened", None, None),
    ]
    assert {row["user"] for row in rows} == {"root"}
