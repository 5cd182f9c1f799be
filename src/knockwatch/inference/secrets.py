"""Secrets: the ordered steps that several uses of a door have in common, decoys fallen away. It knows only steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

Steps = tuple[str, ...]

DISTINCT_MOST = 40
"""Different sequences compared pairwise; more would be quadratic work for an adversary to order."""
STEPS_MOST = 64
"""Last steps of a use that are looked at."""


@dataclass(frozen=True)
class Agreement:
    """A secret and the uses that contain it, by their index."""

    steps: Steps
    uses: tuple[int, ...]


def common(a: Sequence[str], b: Sequence[str]) -> Steps:
    """Give the longest common ordered subsequence of two sequences; of equal ones, the latest in `a`."""
    longest = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            longest[i + 1][j + 1] = (
                longest[i][j] + 1 if left == right else max(longest[i][j + 1], longest[i + 1][j])
            )
    steps: list[str] = []
    i, j = len(a), len(b)
    while i and j:
        if a[i - 1] == b[j - 1]:
            steps.append(a[i - 1])
            i, j = i - 1, j - 1
        elif longest[i - 1][j] >= longest[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return tuple(reversed(steps))


def contains(sequence: Sequence[str], steps: Sequence[str]) -> bool:
    """Say whether the steps stand in the sequence, in order, others between them allowed."""
    remaining = iter(sequence)
    return all(step in remaining for step in steps)


def agreements(uses: Sequence[Steps], shortest: int = 1) -> list[Agreement]:
    """Find the secrets behind the uses of one service.

    Parameters
    ----------
    uses
        What each entry's source sent before; never empty.
    shortest
        Fewest steps that two uses must have in common to agree.

    Returns
    -------
    list of Agreement
        Each use belongs to exactly one. The secret with the most support, counted in steps, is taken first; the
        uses that do not contain it are looked at again. A use that agrees with no other is its own secret.
    """
    left = dict(enumerate(_cut(uses)))
    found: list[Agreement] = []
    while left:
        steps = _best(list(left.values()), shortest)
        if steps is None:
            # No two of the rest agree.
            return found + [Agreement(use, (index,)) for index, use in left.items()]
        members = tuple(index for index, use in left.items() if contains(use, steps))
        found.append(Agreement(steps, members))
        for index in members:
            del left[index]
    return found


def _cut(uses: Sequence[Steps]) -> list[Steps]:
    """Cut long uses to what can be compared: first goes what few other uses hold, then what was sent early.

    So nobody drowns a secret in decoys made up each time.
    """
    often = Counter(step for use in uses for step in set(use))
    return [use if len(use) <= STEPS_MOST else _shared(use, often)[-STEPS_MOST:] for use in uses]


def _shared(use: Steps, often: Counter[str]) -> Steps:
    """Give the steps of a use that others hold as well: of as many others as leaves few enough steps."""
    kept = use
    for times in sorted({often[step] for step in use}):
        if len(kept) <= STEPS_MOST:
            break
        kept = tuple(step for step in use if often[step] > times) or kept
    return kept


def _best(uses: Sequence[Steps], shortest: int) -> Steps | None:
    """Choose the sequence that explains most steps of most uses; None where no two uses agree."""
    counts = Counter(uses)
    distinct = [use for use, _ in counts.most_common(DISTINCT_MOST)]
    sets = [set(use) for use in distinct]
    candidates = {use for use in distinct if counts[use] > 1}
    candidates |= {
        common(distinct[a], distinct[b])
        for a, b in combinations(range(len(distinct)), 2)
        if len(sets[a] & sets[b]) >= min(shortest, len(sets[a]), len(sets[b]))
    }
    candidates = {steps for steps in candidates if len(steps) >= shortest}
    supported = {
        steps: sum(count for use, count in counts.items() if contains(use, steps)) for steps in candidates
    }
    return max(supported, key=lambda steps: (supported[steps] * len(steps), len(steps), steps), default=None)
