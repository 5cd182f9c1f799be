"""fwknopd.conf as a file."""

from knockwatch.sources import Head
from knockwatch.sources.fwknopd_conf import SOURCE
from tests.sources.reading import SAMPLES, read


def test_the_filter_tells_where_it_waits() -> None:
    [row] = read(SOURCE, SAMPLES / "fwknopd-conf" / "fwknopd.conf").rows("changes")

    assert (row["steps"], row["signal"], row["line"]) == ("udp/62201", "spa", 2)


def test_fwknopds_own_log_is_not_claimed() -> None:
    head = Head(b"SPA Packet from IP: 198.51.100.10 received\nStarting fwknopd\n", whole=True)

    assert SOURCE.confidence(head) == 0
