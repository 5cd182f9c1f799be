"""Which addresses are one host, and which host a name means, as far as judging needs it; nothing read from evidence.

Addresses belong together where a door has both or the configuration's `[hosts]` says so. A view may hold no address
of the servers at all (a daemon's log names its host): a name the configuration does not know is then taken for the
host that most of the labelled events told under it happened at, so a case that puts one event on the wrong host still
counts as wrong.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from knockwatch.evaluation.labels import Corpus, plain


class Hosts:
    """The hosts of a corpus.

    Parameters
    ----------
    corpus
        Its doors say which addresses belong together.
    named
        Host name to addresses, from the configuration; what is no single address there is passed over.
    """

    def __init__(self, corpus: Corpus, named: Mapping[str, Iterable[str]]) -> None:
        self._same: dict[str, str] = {}
        self._names: dict[str, str] = {}
        for door in corpus.doors.values():
            self._join(door.destinations)
        for name, texts in named.items():
            known = tuple(place for text in texts if (place := plain(text)))
            self._join(known)
            if known:
                self._names[name.lower()] = known[0]

    def of(self, place: str) -> str:
        """Give the address that stands for a host, from any address of it."""
        while (parent := self._same.get(place, place)) != place:
            place = parent
        return place

    def named(self, name: str) -> str | None:
        """Give the address that stands for the host of this name; None if nobody knows it."""
        place = self._names.get(name.lower())
        return None if place is None else self.of(place)

    def learn(self, told: Iterable[tuple[str, str]]) -> None:
        """Learn names from pairs of (name, address of a labelled event told under it), by strict majority."""
        votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for name, place in told:
            votes[name.lower()][self.of(place)] += 1
        for name, counts in votes.items():
            place, most = counts.most_common(1)[0]
            if 2 * most > counts.total():
                self._names.setdefault(name, place)

    def _join(self, places: Iterable[str]) -> None:
        """Make addresses one host."""
        roots = dict.fromkeys(self.of(place) for place in places)
        first = next(iter(roots), None)
        for other in roots:
            if first is not None and other != first:
                self._same[other] = first
