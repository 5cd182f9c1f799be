"""Snapshots of a host as files."""

from pathlib import Path

from knockwatch.sources import detect
from knockwatch.sources.host_snapshot import SOURCE
from tests.sources.reading import SAMPLES, head_of, read


def test_the_labs_snapshots_are_all_recognised(corpus: Path) -> None:
    for path in sorted((corpus / "lab-a" / "snap").iterdir()):
        claim = detect(head_of(path))
        assert claim is not None
        assert claim[0] is SOURCE


def test_rows_are_of_the_host_that_the_file_is_named_after() -> None:
    rows = read(SOURCE, SAMPLES / "host-snapshot" / "after-a4.srv2.txt").rows("changes")

    assert {row["host"] for row in rows} == {"srv2"}
    assert {row["kind"] for row in rows} == {"door-configured", "listener-opened"}
