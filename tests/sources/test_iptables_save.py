"""Rule sets of iptables as files."""

from knockwatch.sources.iptables_save import SOURCE
from tests.sources.reading import SAMPLES, read


def test_each_line_of_a_door_is_a_row_without_a_time() -> None:
    rows = read(SOURCE, SAMPLES / "iptables-save" / "srv1.v4").rows("changes")

    assert {row["kind"] for row in rows} == {"door-configured"}
    assert {(row["protocol"], row["port"]) for row in rows} == {("tcp", 2022)}
    assert all(row["time_us"] is None and row["rule_text"].startswith("-A ") for row in rows)
