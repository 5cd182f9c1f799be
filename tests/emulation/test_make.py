"""What is made: the same from the same seed, in bounded memory, labelled, and never over what others left."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from knockwatch.emulation import EmulationError, Order
from knockwatch.emulation.background import Background
from knockwatch.emulation.estate import Estate
from knockwatch.emulation.make import make
from knockwatch.emulation.planted import plant
from knockwatch.emulation.rates import rates
from knockwatch.emulation.slices import slices
from knockwatch.emulation.stream import Rows, number_of
from knockwatch.evaluation.labels import load
from tests.emulation.conftest import SMALL

TEXT = ["netfilter", "common-security-log"]


def made(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stream(order: Order, temporary: Path) -> list[Rows]:
    estate = Estate.of(order, rates())
    planted = plant(order, rates(), estate)
    return list(slices(order, Background(order, rates(), estate), planted.rows, temporary))


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_same_seed_makes_the_same_bytes_and_another_others(shuffled: bool, tmp_path: Path) -> None:
    order = replace(SMALL, shuffled=shuffled)
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        make(replace(order, seed=seed), TEXT, tmp_path / name)
    first, second, third = (made(tmp_path / name) for name in "abc")
    assert first == second
    assert first["netfilter/00000.log"] != third["netfilter/00000.log"]
    assert first["doors.json"] != third["doors.json"]


@pytest.mark.parametrize("background", ["internet", "spoofed"])
def test_there_are_as_many_rows_as_wanted_in_order_of_time(background: str, tmp_path: Path) -> None:
    order = replace(SMALL, slice_rows=3_000, background=background)  # type: ignore[arg-type]
    rows = np.concatenate(stream(order, tmp_path))
    assert len(rows) == order.rows
    assert (np.diff(rows["time_us"]) >= 0).all()


def test_shuffled_rows_are_the_same_rows(tmp_path: Path) -> None:
    order = replace(SMALL, slice_rows=3_000)
    straight = np.concatenate(stream(order, tmp_path))
    shuffled = np.concatenate(stream(replace(order, shuffled=True), tmp_path))
    assert (np.sort(straight) == np.sort(shuffled)).all()
    assert (np.diff(shuffled["time_us"]) < 0).mean() > 0.4
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shuffled", [False, True])
def test_memory_does_not_grow_with_the_rows(shuffled: bool, tmp_path: Path) -> None:
    peaks = []
    for rows in (40_000, 320_000):
        order = Order(rows=rows, seed=2, days=1.0, doors=3, slice_rows=20_000, shuffled=shuffled)
        estate = Estate.of(order, rates())
        planted = plant(order, rates(), estate)
        tracemalloc.start()
        for piece in slices(order, Background(order, rates(), estate), planted.rows, tmp_path):
            # A bucket of a shuffled stream has as many rows as chance deals it.
            assert len(piece) < order.slice_rows * 1.1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2


def test_the_labels_say_what_the_rows_hold(tmp_path: Path) -> None:
    make(SMALL, ["common-security-log"], tmp_path / "out")
    rows = np.concatenate(stream(SMALL, tmp_path))
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    planted = [label for label in labels if label["kind"] in ("knock", "failed")]
    assert {label["kind"] for label in labels} == {"knock", "failed", "scan", "benign"}
    for label in planted:
        mine = rows[
            (rows["source"] == number_of(label["src"][0])) & (rows["destination"] == number_of(label["dst"]))
        ]
        at = dict(zip(mine["time_us"].tolist(), mine, strict=True))
        for moment, _, step in label["observed"]:
            assert at[round(moment * 1e6)]["destination_port"] == int(step.partition("/")[2])
            assert not at[round(moment * 1e6)]["accepted"]
        entry = at[round(label["connect"]["time"] * 1e6)]
        assert entry["destination_port"] == label["connect"]["port"]
        assert bool(entry["accepted"]) == label["connect"]["ok"] == label["success"]


def test_evaluation_reads_the_labels(emulated: Path) -> None:
    corpus = load(emulated)
    assert corpus.labelled
    assert len(corpus.doors) == SMALL.doors
    assert all(3 <= len(door.secret or ()) <= 8 for door in corpus.doors.values())
    uses = [event for event in corpus.events if event.kind == "knock"]
    assert len({event.src for event in uses}) < len(uses)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    for force in (False, True):
        with pytest.raises(EmulationError):
            make(SMALL, ["netfilter"], tmp_path, force=force)
    assert made(tmp_path) == {"precious": b"mine"}


def test_force_replaces_what_an_emulation_left(tmp_path: Path) -> None:
    make(SMALL, ["netfilter"], tmp_path / "out")
    with pytest.raises(EmulationError, match="--force"):
        make(SMALL, ["fortigate"], tmp_path / "out")
    make(SMALL, ["fortigate"], tmp_path / "out", force=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == ["fortigate"]


@pytest.mark.parametrize(
    ("order", "word"),
    [
        (replace(SMALL, rows=10), "--rows"),
        (replace(SMALL, days=0.05, doors=4), "--days"),
        (replace(SMALL, rows=1_000, doors=40), "--rows"),
    ],
)
def test_an_order_that_cannot_be_filled_says_what_to_change(order: Order, word: str, tmp_path: Path) -> None:
    with pytest.raises(EmulationError, match=word):
        make(order, ["netfilter"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
