"""Blocks of JSON read by the compiled loop hold what reading line by line finds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knockwatch.clock import Clock
from knockwatch.config import EvidenceSettings
from knockwatch.evidence import Evidence
from knockwatch.sources import Batch, Head, Reading, _json_loop, _json_records, sources
from knockwatch.sources._json_blocks import _wanted, read
from knockwatch.sources._json_records import JsonRecords, Spelling
from tests.sources.compiled import interpreted
from tests.sources.reading import SAMPLES

KEYS = ("ts", "id.orig_h", "id.resp_p", "proto", "flow.start", "flow.pkts.up", "a")
_BY_NAME = {source.format.name: source for source in sources() if isinstance(source, JsonRecords)}
_FILES = [
    (source, path)
    for name, source in _BY_NAME.items()
    for path in sorted((SAMPLES / name).rglob("*"))
    if path.is_file() and _json_records.by_line(Head(path.read_bytes()[:65536]))
]


class Texts(JsonRecords):
    """Rows that are what was read."""

    keys = KEYS

    def belongs(self, record: Mapping[str, Any]) -> bool:
        raise NotImplementedError

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        return Batch(records.height, {"read": records})


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.sampled_from(
        [0.5, -1.25, 1785542400.123456, 1e300, "", "tcp", 'a"b', "caf\xe9", "x\ty", "\\u0041", "{"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "start", "a"]), inner, max_size=2)
    ),
    max_leaves=4,
)
names = st.sampled_from(
    [
        *KEYS,
        "id",
        "flow",
        "flow.pkts",
        "orig_h",
        "resp_p",
        "start",
        "pkts",
        "up",
        "b",
        "",
        "id.",
        ".a",
        'q"',
        "\xe9",
    ]
)
inner = st.dictionaries(names, values, max_size=3)
records = st.dictionaries(names, values | inner | st.dictionaries(names, inner, max_size=2), max_size=6)
written = st.builds(
    lambda record, blank, end: (
        json.dumps(record, ensure_ascii=False, separators=(f",{blank}", f":{blank}")) + end
    ),
    records,
    st.sampled_from(["", " "]),
    st.sampled_from(["", " ", "\r"]),
)
odd = [
    "",
    "{}",
    "[]",
    "x",
    '{"a":1,}',
    '{"a":01}',
    '{"a":1.}',
    '{"a":-}',
    '{"a":truth}',
    '{"a": tru}',
    '{"a":nul}',
    '{"a":1}x',
    '{"a" 1}',
    '{"a":1',
    "{,}",
    '{"a":"\\q"}',
    '{"b":"\\q"}',
    '{"b":"\\u00e9","a":1}',
    '{"a":[1,]}',
    '{"b":[1,[2,{"a":3}]],"a":"4"}',
    '{"b":{"a":1}}',
    '{"a":"b"}{"a":"c"}',
    "",
]
nested = '{"b":' + "[" * 40 + "]" * 40 + ',"a":5}'
lines = written | st.sampled_from([*odd, nested])
spellings = st.sampled_from(["flat", "nested", "both"])


def reading() -> Reading:
    clock = Clock(newest=datetime(2026, 11, 22, tzinfo=UTC))
    return Reading(Evidence(0, Path(__file__), "x"), clock, EvidenceSettings(), lean=True)


def told(batch: Batch) -> tuple[dict[str, list[dict[str, Any]]], list[tuple[Any, ...]], int, int]:
    """Give all that a batch says."""
    misfits = [] if batch.misfits is None else sorted(batch.misfits.select("line", "text").iter_rows())
    tables = {
        name: [
            {key: tidied(value) for key, value in row.items() if value is not None}
            for row in rows.sort("line").to_dicts()
        ]
        for name, rows in batch.tables.items()
    }
    return {name: rows for name, rows in tables.items() if rows}, misfits, batch.records, batch.malformed


def tidied(value: Any) -> Any:
    """Write objects and lists in one way: Polars leaves out the blanks that Python's json writes."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value


def both(source: JsonRecords, text: str, spelling: Spelling) -> tuple[Any, Any]:
    """Read a block the short way and the plain one."""
    block = (text.encode("utf-8", "surrogateescape"), 7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_json_records, "worthwhile", lambda size: True)
        short = source._lines(block, reading(), spelling)
    return told(short), told(source._plainly(block, reading(), spelling))


@given(st.lists(lines, min_size=1, max_size=6), spellings)
def test_a_block_holds_what_its_lines_hold(texts: list[str], spelling: Spelling) -> None:
    short, plain = both(Texts(), "".join(f"{text}\n" for text in texts), spelling)
    assert short == plain


@given(records, spellings, st.data())
def test_a_damaged_line_holds_what_it_held(
    record: dict[str, Any], spelling: Spelling, data: st.DataObject
) -> None:
    letters = bytearray(json.dumps(record).encode())
    at = data.draw(st.integers(0, len(letters) - 1))
    letters[at] = data.draw(st.sampled_from(b'\n\r\t\0 {}[]:,"\\.-0e\x7f'))
    short, plain = both(Texts(), letters.decode() + "\n" + '{"a":1}\n', spelling)
    assert short == plain


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(lines, max_size=4), st.integers(0, 40), spellings)
def test_the_loop_stays_within_the_text_and_is_the_same_interpreted(
    texts: list[str], cut: int, spelling: str
) -> None:
    text = "".join(f"{text}\n" for text in texts)[cut:].encode()
    height = text.count(b"\n")
    number = {"flat": _json_loop.FLAT, "nested": _json_loop.NESTED, "both": _json_loop.BOTH}[spelling]
    results = []
    for module in (_json_loop, interpreted(_json_loop)):
        found = np.zeros((height, _json_loop.VALUES + len(KEYS)), np.int64)
        lengths, left = np.zeros((height, len(KEYS)), np.int64), np.zeros((height, 3), np.int64)
        stack = np.zeros((_json_loop.DEPTH_MOST + 1, _json_loop.STACK), np.int64)
        block = np.frombuffer(text, np.uint8)
        taken, others = module.read_lines(block, number, *_wanted(KEYS), stack, found, lengths, left)
        results.append((lengths[:taken].tolist(), found[:taken, :3].tolist(), left[:others].tolist()))
    assert results[0] == results[1]


@pytest.mark.parametrize(("source", "path"), _FILES, ids=lambda one: getattr(one, "name", None))
def test_every_sample_says_the_same(source: JsonRecords, path: Path) -> None:
    head = Head(path.read_bytes())
    short, plain = both(
        source, path.read_bytes().decode("utf-8", "surrogateescape"), source.spelling_of(head)
    )
    for rows in (*short[0].values(), *plain[0].values()):
        for row in rows:
            # Polars writes numbers anew: 1.50 becomes 1.5.
            row["time"] = str(row.get("time")).rstrip("0")
    assert short == plain


def test_plain_lines_are_all_taken() -> None:
    text = b'{"ts":1785542400.5,"id.orig_h":"192.0.2.1","id.resp_p":22,"proto":"tcp","b":{"c":["\\n"]}}\n' * 3
    found = read((text, 5), KEYS, "flat")
    assert found is not None
    rows, left = found
    assert not left.data
    assert rows.row(2) == (7, "1785542400.5", "192.0.2.1", "22", "tcp", None, None, None)
