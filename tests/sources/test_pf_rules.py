"""pf's rules as files."""

from knockwatch.sources.pf_rules import SOURCE
from tests.sources.reading import SAMPLES, read


def test_each_line_of_a_door_is_a_row() -> None:
    rows = read(SOURCE, SAMPLES / "pf-rules" / "overload.pf.conf").rows("changes")

    assert {(row["steps"], row["port"]) for row in rows} == {("tcp/7000 tcp/8000", 22)}
