"""/proc/net/xt_recent as a file."""

from knockwatch.sources.xt_recent import SOURCE
from tests.sources.reading import SAMPLES, read


def test_who_got_how_far_is_told() -> None:
    rows = read(SOURCE, SAMPLES / "xt-recent" / "srv1-xt-recent.txt").rows("changes")

    assert {(row["name"], row["source_ip"]) for row in rows} >= {
        ("SSH2", "198.51.100.26"),
        ("ICMPK", "198.18.7.18"),
    }
