"""`netstat` as a file."""

from knockwatch.sources.netstat import SOURCE
from tests.sources.reading import SAMPLES, read


def test_listeners_are_told_with_their_owners() -> None:
    rows = read(SOURCE, SAMPLES / "netstat" / "tulpn.txt").rows("changes")

    assert [(row["protocol"], row["port"], row["actor"]) for row in rows] == [
        ("tcp", 2022, "python3"),
        ("udp", 6220, "python3"),
    ]
