"""The background has the measured base rates, and its parts behave as what they stand for."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from knockwatch.emulation import Order
from knockwatch.emulation.background import Background
from knockwatch.emulation.estate import FIRST_MONITOR, FIRST_SERVER, Estate
from knockwatch.emulation.rates import rates
from knockwatch.emulation.stream import Rows, by_time, spread

ORDER = Order(rows=300_000, seed=3, days=2.0, slice_rows=150_000)


def background(order: Order = ORDER) -> tuple[Estate, Background]:
    estate = Estate.of(order, rates())
    return estate, Background(order, rates(), estate)


@pytest.fixture(scope="module")
def rows() -> Rows:
    return background()[1].rows(1, 150_000)


def frame(rows: Rows) -> pl.DataFrame:
    return pl.DataFrame({name: rows[name] for name in rows.dtype.names or ()})


def test_a_slice_has_its_rows_in_its_time(rows: Rows) -> None:
    from_us, to_us = ORDER.window(1)
    assert len(rows) == 150_000
    assert from_us <= rows["time_us"].min() <= rows["time_us"].max() < to_us


def test_noise_has_as_many_sessions_of_each_length_as_were_measured() -> None:
    _, made = background()
    drawn = made._session_ports_drawn(np.random.default_rng(1), 400_000)
    measured = {kind.ports: kind.count for kind in rates().noise.sessions}
    whole = sum(measured.values())
    for (least, most), count in measured.items():
        found = ((drawn >= least) & (drawn <= most)).mean()
        assert found == pytest.approx(count / whole, rel=0.25)


def test_a_server_meets_as_much_noise_a_day_as_was_measured() -> None:
    estate, _ = background(Order(rows=20_000_000))
    noise = rates().noise
    a_day = 20_000_000 * rates().shares.noise / 3.0 / estate.servers
    assert a_day == pytest.approx(noise.lines / noise.days, rel=0.01)


def test_a_server_answers_at_what_it_offers_and_nowhere_else(rows: Rows) -> None:
    public = frame(rows).filter(pl.col("destination") >= FIRST_SERVER, pl.col("protocol") == 6)
    answers = public.group_by("destination", "destination_port").agg(pl.col("accepted").n_unique())
    assert set(answers["accepted"].to_list()) == {1}
    assert int(public["accepted"].sum()) > 1000


def test_monitors_ask_for_the_same_at_equal_times(rows: Rows) -> None:
    ordered = by_time(rows)
    checks = ordered[(ordered["source"] >= FIRST_MONITOR) & (ordered["source"] < FIRST_MONITOR + 4)]
    steps = np.diff(checks["time_us"])
    assert steps.std() < steps.mean() * 0.01
    asked = {
        target: set(checks["destination_port"][checks["destination"] == target].tolist())
        for target in checks["destination"].tolist()
    }
    assert {rates().monitors.closed_port, 80, 443} in asked.values()
    assert all(ports <= {rates().monitors.closed_port, 80, 443} for ports in asked.values())


def test_monitors_go_on_from_slice_to_slice_without_a_gap() -> None:
    _, made = background()
    both = by_time(np.concatenate([made.rows(number, 150_000) for number in (0, 1)]))
    checks = both["time_us"][(both["source"] >= FIRST_MONITOR) & (both["source"] < FIRST_MONITOR + 4)]
    steps = np.diff(checks)
    assert steps.max() < 2 * steps.mean()


def test_spoofed_rows_have_a_source_each_over_all_slices() -> None:
    order = Order(rows=300_000, seed=3, days=2.0, slice_rows=150_000, background="spoofed")
    _, made = background(order)
    sources = np.concatenate([made.rows(number, 150_000)["source"] for number in (0, 1)])
    assert len(np.unique(sources)) == len(sources)


def test_the_order_of_public_addresses_repeats_none() -> None:
    assert len(np.unique(spread(np.arange(500_000), 12345))) == 500_000


def test_rows_of_one_moment_keep_their_order() -> None:
    rows = background()[1].rows(0, 100_000)
    rows["time_us"] //= 60_000_000
    expected = rows[np.argsort(rows["time_us"], kind="stable")]
    assert (by_time(rows) == expected).all()
