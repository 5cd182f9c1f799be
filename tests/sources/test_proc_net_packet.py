"""/proc/net/packet as a file."""

from knockwatch.sources.proc_net_packet import SOURCE
from tests.sources.reading import SAMPLES, read


def test_every_socket_is_a_row() -> None:
    rows = read(SOURCE, SAMPLES / "proc-net-packet" / "srv1-packet.txt").rows("changes")

    assert [row["kind"] for row in rows] == ["socket-opened"] * 3
    assert rows[0]["rule_text"].endswith(" 143093")
