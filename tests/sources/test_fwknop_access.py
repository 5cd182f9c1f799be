"""access.conf as a file."""

from knockwatch.sources.fwknop_access import SOURCE
from tests.sources.reading import SAMPLES, read


def test_no_key_reaches_a_table() -> None:
    rows = read(SOURCE, SAMPLES / "fwknop-access" / "access.conf").rows("changes")

    assert [row["rule_text"] for row in rows] == [
        "SOURCE ANY",
        "OPEN_PORTS tcp/22",
        "REQUIRE_SOURCE_ADDRESS Y",
    ]
    assert {row["signal"] for row in rows} == {"spa"}
