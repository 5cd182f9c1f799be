"""Records of endpoints' and lakes' JSON with any value anywhere: read or counted, never an error."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knockwatch.sources import Source
from knockwatch.sources.crowdstrike_fdr import SOURCE as FALCON
from knockwatch.sources.defender_stream import SOURCE as DEFENDER
from knockwatch.sources.ecs import SOURCE as ECS
from knockwatch.sources.ocsf import SOURCE as OCSF
from tests.sources.reading import SAMPLES, read

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(
        ["1", "70000", "::", "1.2.3.4", "2026-11-22T12:00:00Z", "[", "{", '"', "\\", "\x00", "é"]
    ),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.sampled_from(["ip", "port", "name", "x"]), st.integers(), max_size=2),
)


def _paths(record: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(record, dict) or not record:
        return [path]
    return [found for key, value in record.items() for found in [(*path, key), *_paths(value, (*path, key))]]


@pytest.mark.parametrize(
    ("source", "sample"),
    [
        pytest.param(FALCON, "crowdstrike-fdr/data.json", id="falcon"),
        pytest.param(DEFENDER, "defender-stream/PT1H.json", id="defender"),
        pytest.param(ECS, "ecs/elastic-defend.ndjson", id="ecs"),
        pytest.param(OCSF, "ocsf/events.jsonl", id="ocsf"),
    ],
)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_value_anywhere_is_read_or_counted(source: Source, sample: str, data: st.DataObject) -> None:
    lines = (SAMPLES / sample).read_text().splitlines()
    records = [
        json.loads(line) for line in data.draw(st.lists(st.sampled_from(lines), min_size=1, max_size=3))
    ]
    for record in records:
        *outer, last = data.draw(st.sampled_from(_paths(record)))
        place = record
        for key in outer:
            place = place[key]
        place[last] = data.draw(VALUES)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "evidence")
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
        found = read(source, file)

    rows = {line for table in found.tables.values() for line in table["line"].to_list()}
    assert found.records == len(records)
    assert not rows & {*found.misfits["line"].to_list()}
    assert len(found.misfits) == found.misfits["line"].n_unique()
    for row in found.rows("connections"):
        assert all(
            port is None or 0 <= port <= 65535 for port in (row["source_port"], row["destination_port"])
        )
