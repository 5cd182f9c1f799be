"""Facts of a host as a file."""

from knockwatch.sources.host_facts import SOURCE
from tests.sources.reading import SAMPLES, read


def test_owners_of_sockets_listeners_and_files_are_changes() -> None:
    rows = read(SOURCE, SAMPLES / "host-facts" / "srv1.jsonl").rows("changes")
    assert [row["kind"] for row in rows] == [
        "process-seen",
        "socket-opened",
        "listener-opened",
        "process-seen",
        "socket-opened",
        "process-seen",
        "listener-opened",
        "file-seen",
    ]
    hidden = rows[3]
    assert (hidden["actor"], hidden["pid"], hidden["seconds"]) == ("kworker/1:2", 7001, 5000)
    assert hidden["name"] == "memory-only deleted kernel-name waits-for-packets"
    assert hidden["rule_text"] == "/dev/shm/kdmtmpflush (deleted): [kworker/1:2]"
    assert (rows[6]["protocol"], rows[6]["port"], rows[6]["destination_ip"]) == ("tcp", 42391, None)
