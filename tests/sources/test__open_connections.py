"""Connections that may go on: held once each, found by key, given up in the order of their silence."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources._open_connections import Columns, OpenConnections

_Step = tuple[str, list[int]]


def _rows(keys: list[int], line: int) -> Columns:
    size = len(keys)
    return {
        "key": np.array(keys, dtype=np.uint64),
        "last_line": np.arange(line, line + size),
        "last_us": np.arange(line, line + size) * 1000,
        "head": np.array([[key % 256] * 4 for key in keys], dtype=np.uint8).reshape(size, 4),
    }


_KEYS = st.lists(st.integers(0, 40), unique=True, max_size=12).map(sorted)
_STEPS = st.lists(st.tuples(st.sampled_from(["hold", "take", "oldest", "silent"]), _KEYS), max_size=30)


@given(_STEPS)
def test_it_holds_what_a_dictionary_would(steps: list[_Step]) -> None:
    held, model, line = OpenConnections(), dict[int, int](), 1
    for what, keys in steps:
        match what:
            case "hold":
                fresh = [key for key in keys if key not in model]
                held.hold(_rows(fresh, line))
                model |= {key: line + index for index, key in enumerate(fresh)}
                line += len(fresh)
                continue
            case "take":
                taken = held.take(np.array(keys, dtype=np.uint64))
                wanted = [key for key in keys if key in model]
            case "oldest":
                taken = held.oldest(min(len(keys), len(held)))
                wanted = sorted(sorted(model, key=model.__getitem__)[: len(keys)])
            case _:
                taken = held.silent(len(keys) * 1000)
                wanted = sorted(key for key in model if model[key] < len(keys))
        lines = [model.pop(key) for key in wanted]
        assert taken.get("key", np.zeros(0)).tolist() == wanted
        assert taken.get("last_line", np.zeros(0)).tolist() == lines
        assert [row[0] for row in taken.get("head", np.zeros((0, 4))).tolist()] == [
            key % 256 for key in wanted
        ]
    assert len(held) == len(model)
    assert held.all().get("key", np.zeros(0)).tolist() == sorted(model)
