"""What several uses have in common is the secret."""

from collections.abc import Sequence
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from knockwatch.inference.secrets import agreements, common, contains

steps = st.lists(st.sampled_from("abcdef"), max_size=8).map(tuple)


def longest(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common subsequence, by trying all of them."""
    return next(
        size for size in range(len(a), -1, -1) if any(contains(b, chosen) for chosen in combinations(a, size))
    )


@given(steps, steps)
def test_the_common_subsequence_is_in_both_and_none_is_longer(a: tuple[str, ...], b: tuple[str, ...]) -> None:
    found = common(a, b)
    assert contains(a, found)
    assert contains(b, found)
    assert len(found) == longest(a, b)


@given(st.lists(steps.filter(bool), min_size=1, max_size=6))
def test_every_use_belongs_to_exactly_one_secret_that_it_contains(uses: list[tuple[str, ...]]) -> None:
    found = agreements(uses)
    assert sorted(index for agreement in found for index in agreement.uses) == list(range(len(uses)))
    assert all(contains(uses[index], agreement.steps) for agreement in found for index in agreement.uses)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.lists(st.lists(st.integers(0, 6), max_size=5), min_size=3, max_size=6),
)
def test_decoys_fall_away(secret: list[int], places: list[list[int]]) -> None:
    """Decoys that no two uses share never become part of the secret, wherever they stand."""
    uses = []
    for use, where in enumerate(places):
        sent = [f"tcp/{port}" for port in secret]
        for number, place in enumerate(where):
            sent.insert(min(place, len(sent)), f"tcp/{1000 + use * 100 + number}")
        uses.append(tuple(sent))
    (agreement,) = agreements(uses)
    assert agreement.steps == tuple(f"tcp/{port}" for port in secret)


def test_two_secrets_of_one_service_are_told_apart() -> None:
    uses = [("a", "b", "c"), ("x", "y", "z"), ("a", "d", "b", "c"), ("x", "y", "z"), ("p",)]
    assert [(found.steps, found.uses) for found in agreements(uses)] == [
        (("x", "y", "z"), (1, 3)),
        (("a", "b", "c"), (0, 2)),
        (("p",), (4,)),
    ]


def test_a_port_may_stand_in_a_secret_twice() -> None:
    secret = ("udp/1234", "tcp/4234", "udp/1234")
    assert agreements([secret, ("tcp/5", *secret), secret])[0].steps == secret
