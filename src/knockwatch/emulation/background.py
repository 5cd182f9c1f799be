"""The background of one slice, vectorised: noise, visits, the site's own traffic, monitors, balancers and scans.

Slices know nothing of each other. Sessions begin and end inside their slice; what comes regularly goes on through all.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from knockwatch.emulation import EmulationError, Order
from knockwatch.emulation.estate import (
    FIRST_BALANCER,
    FIRST_INSIDE_CLIENT,
    FIRST_INSIDE_SERVER,
    FIRST_MONITOR,
    FIRST_SERVER,
    Estate,
)
from knockwatch.emulation.rates import Rates
from knockwatch.emulation.sessions import SECOND_US, Slice, first_of, number_in, timed, zipf
from knockwatch.emulation.stream import (
    ICMP,
    PUBLIC,
    SYN_BYTES,
    TCP,
    UDP,
    Numbers,
    Rows,
    empty,
    public,
    spread,
)

_ANSWER_BYTES = (8.0, 1.6)
"""Mean and deviation of the logarithm of bytes that a web server's answer has: a median of 3 kB, with a long tail."""
_SCANNER_SALT, _CLIENT_SALT = 1_234_567_891, 2_718_281_828


class Background:
    """The background of a site."""

    def __init__(self, order: Order, rates: Rates, estate: Estate) -> None:
        self.order = order
        self.rates = rates
        self.estate = estate
        habits = rates.noise.habits
        weights = 1.0 / np.arange(1, len(habits.ports) + 1)
        self._popular = np.array(habits.ports, np.uint16)
        self._popular_edges = np.cumsum(weights) / weights.sum()
        sessions = rates.noise.sessions
        self._session_edges = np.cumsum([kind.count for kind in sessions]) / sum(k.count for k in sessions)
        self._session_ports = np.array([kind.ports for kind in sessions])

    def rows(self, number: int, count: int) -> Rows:
        """Make the background of a slice, in no order."""
        from_us, to_us = self.order.window(number)
        chance = np.random.default_rng((self.order.seed, 2, number))
        part = Slice(number, count, from_us, to_us, chance)
        if self.order.background == "spoofed":
            return self._spoofed(part)
        shares = self.rates.shares
        # Counted from the whole slice, so that what is regular stays so where much is planted: noise makes room.
        first, after = self.order.slice_bounds(number)
        makers = (
            (self._web, shares.web),
            (self._inside, shares.inside),
            (self._monitors, shares.monitors),
            (self._balancers, shares.balancers),
            (self._scans, shares.scans),
        )
        wanted = [(make, int((after - first) * share)) for make, share in makers]
        made = [make(part, number) for make, number in wanted if number]
        left = count - sum(map(len, made))
        if left < 0:
            raise EmulationError(
                f"{after - first:,} rows are too few for what is planted: ask for more rows, days or fewer doors"
            )
        return np.concatenate([self._noise(part, left), *made])

    def _noise(self, part: Slice, count: int) -> Rows:
        """Make sessions of the internet's noise."""
        chance, habits = part.chance, self.rates.noise.habits
        ports = self._session_ports_drawn(chance, count)
        again = chance.random(len(ports)) < habits.again
        # What is sent again is one row more of its session.
        session = np.repeat(np.arange(len(ports)), ports + again)[:count]
        rows = timed(part, session, habits.gap_seconds)
        known = chance.random(len(ports)) < habits.known_scanners
        # A cubed chance: a few scanners make most of the sessions.
        scanner = (chance.random(len(ports)) ** 3 * self.estate.scanners).astype(np.int64)
        source = np.where(
            known, spread(scanner, _SCANNER_SALT), public(chance.integers(0, PUBLIC, len(ports)))
        )
        server = chance.integers(0, self.estate.servers, len(ports))
        rows["source"] = source[session]
        rows["destination_port"] = self._probed(chance, count)
        kind = chance.random(count)
        rows["protocol"] = np.where(kind < habits.udp, UDP, TCP)
        _as_pings(rows, (kind > 1 - habits.ping))
        _send_again(rows, session, again)
        self._at_servers(rows, server[session], chance)
        return rows

    def _session_ports_drawn(self, chance: np.random.Generator, count: int) -> Numbers:
        """Draw how many ports sessions have, until they make so many rows."""
        lowest, highest = self._session_ports.T
        sizes: list[Numbers] = []
        missing = count
        while missing > 0:
            kind = np.searchsorted(self._session_edges, chance.random(missing // 2 + 16))
            sizes.append(chance.integers(lowest[kind], highest[kind] + 1))
            missing -= int(sizes[-1].sum())
        return np.concatenate([np.zeros(0, np.int64), *sizes])

    def _probed(self, chance: np.random.Generator, count: int) -> npt.NDArray[np.uint16]:
        """Draw ports as noise probes them."""
        popular = self._popular[np.searchsorted(self._popular_edges, chance.random(count))]
        anywhere = chance.integers(1, 65_536, count, dtype=np.uint16)
        chosen: npt.NDArray[np.uint16] = np.where(
            chance.random(count) < self.rates.noise.habits.popular_ports, popular, anywhere
        )
        return chosen

    def _web(self, part: Slice, count: int) -> Rows:
        """Make visits of web servers."""
        chance, web = part.chance, self.rates.web
        visits = int(count / web.requests * 1.2) + 16
        session = np.repeat(np.arange(visits), chance.geometric(1 / web.requests, visits))
        session = np.resize(session, count) if len(session) < count else session[:count]
        rows = timed(part, session, web.seconds / web.requests)
        client = zipf(chance, self.estate.web_clients, visits, web.skew)
        servers = self.estate.web_servers
        server = servers[zipf(chance, len(servers), visits, web.skew)]
        rows["source"] = spread(client, _CLIENT_SALT)[session]
        rows["protocol"] = TCP
        rows["destination_port"] = np.where(chance.random(count) < web.https, 443, 80)
        quic = first_of(session) & (chance.random(visits) < web.quic_first)[session]
        rows["destination_port"][quic], rows["protocol"][quic] = 443, UDP
        self._at_servers(rows, server[session], chance)
        return rows

    def _inside(self, part: Slice, count: int) -> Rows:
        """Make the traffic of the site's own network, some of it denied for as long as nobody mends it."""
        chance, inside, estate = part.chance, self.rates.inside, self.estate
        visits = int(count / inside.connections * 1.2) + 16
        session = np.repeat(np.arange(visits), chance.geometric(1 / inside.connections, visits))
        session = np.resize(session, count) if len(session) < count else session[:count]
        rows = timed(part, session, 1.0)
        client = zipf(chance, estate.inside_clients, visits, 0.8)
        server = zipf(chance, estate.inside_servers, visits, 0.8)
        denied = chance.random(visits) < inside.denied
        # Whoever is denied asks for the same in vain each time: the client decides what it is.
        port = np.where(
            denied,
            np.array(inside.denied_ports)[client % len(inside.denied_ports)],
            np.array(inside.ports)[chance.integers(0, len(inside.ports), visits)],
        )
        rows["source"] = (FIRST_INSIDE_CLIENT + client)[session]
        rows["destination"] = (FIRST_INSIDE_SERVER + server)[session]
        rows["destination_port"] = port[session]
        rows["protocol"] = np.where(np.isin(port, (53, 161)), UDP, TCP)[session]
        rows["accepted"] = ~denied[session]
        _fill(rows, chance)
        return rows

    def _monitors(self, part: Slice, count: int) -> Rows:
        """Make the checks of monitors: host after host, port after port, round after round."""
        monitors, estate = self.rates.monitors, self.estate
        rows, turn = self._regular(part, count, self.rates.shares.monitors, monitors.every_seconds)
        targets = estate.web_servers
        server = targets[(turn // 3) % len(targets)]
        closed = (turn // 3) % round(1 / monitors.with_closed) == 0
        third = np.where(closed, monitors.closed_port, 443)
        rows["destination_port"] = np.choose(turn % 3, (third, np.full(count, 80), np.full(count, 443)))
        rows["source"] = FIRST_MONITOR + (turn // 3) % 4
        rows["protocol"] = TCP
        self._at_servers(rows, server, part.chance)
        return rows

    def _balancers(self, part: Slice, count: int) -> Rows:
        """Make what load balancers send: checks at equal times, and others' requests at any time."""
        chance, balancers, estate = part.chance, self.rates.balancers, self.estate
        rows, turn = self._regular(part, count, self.rates.shares.balancers / 2, balancers.every_seconds)
        asked = chance.random(count) < 0.5
        rows["time_us"][asked] = chance.integers(part.from_us, part.to_us, int(asked.sum()))
        rows["source"] = FIRST_BALANCER + turn % 2
        rows["destination"] = FIRST_INSIDE_SERVER + turn % estate.inside_servers
        rows["destination_port"] = balancers.port
        rows["protocol"] = TCP
        rows["accepted"] = True
        _fill(rows, chance)
        return rows

    def _regular(self, part: Slice, count: int, share: float, every_seconds: float) -> tuple[Rows, Numbers]:
        """Give rows at equal distances, and the turn of each in a round that takes so long as is wanted."""
        rows = empty(count)
        per_slice = int(self.order.slice_rows * share)
        number = part.number * per_slice + np.arange(count)
        per_us = self.order.rows * share / self.order.span_us
        a_round = max(1, int(per_us * every_seconds * SECOND_US / 3)) * 3
        step = part.span_us / count
        rows["time_us"] = part.from_us + (np.arange(count) * step).astype(np.int64)
        return rows, number % a_round

    def _scans(self, part: Slice, count: int) -> Rows:
        """Make scans: one host's ports in any order, or some ports of many hosts."""
        chance, scans, estate = part.chance, self.rates.scans, self.estate
        most = max(2, int(count / scans.ports[0]) + 2)
        horizontal = chance.random(most) < scans.horizontal
        sizes = np.where(horizontal, chance.integers(*scans.hosts, most), chance.integers(*scans.ports, most))
        session = np.repeat(np.arange(most), sizes)
        session = np.resize(session, count) if len(session) < count else session[:count]
        rows = timed(part, session, scans.gap_seconds)
        broad = horizontal[session]
        nth = number_in(session)
        base = chance.integers(0, estate.servers, most)
        rows["source"] = public(chance.integers(0, PUBLIC, most))[session]
        port = chance.integers(1, 65_536, most)
        # A prime stride visits ports in an order that looks like chance, each once.
        rows["destination_port"] = np.where(broad, port[session], (port[session] + nth * 7919) % 65_535 + 1)
        rows["protocol"] = TCP
        self._at_servers(rows, (base[session] + np.where(broad, nth, 0)) % estate.servers, chance)
        return rows

    def _spoofed(self, part: Slice) -> Rows:
        """Make rows each from a source that no other has."""
        chance, rows = part.chance, empty(part.rows)
        rows["time_us"] = chance.integers(part.from_us, part.to_us, part.rows)
        first = part.number * self.order.slice_rows
        rows["source"] = spread(first + np.arange(part.rows), self.order.seed % PUBLIC)
        rows["destination_port"] = self._probed(chance, part.rows)
        rows["protocol"] = TCP
        self._at_servers(rows, chance.integers(0, self.estate.servers, part.rows), chance)
        return rows

    def _at_servers(self, rows: Rows, server: Numbers, chance: np.random.Generator) -> None:
        """Aim rows at public servers, which answer at what they offer."""
        rows["destination"] = FIRST_SERVER + server
        offered = self.estate.offered(server, rows["destination_port"])
        rows["accepted"] = offered & (rows["protocol"] == TCP)
        _fill(rows, chance)


def _fill(rows: Rows, chance: np.random.Generator) -> None:
    """Give rows source ports where they lack them, and bytes each way."""
    bare = (rows["source_port"] == 0) & (rows["protocol"] != ICMP)
    rows["source_port"][bare] = chance.integers(1024, 65_536, int(bare.sum()))
    accepted = np.flatnonzero(rows["accepted"])
    answers = np.exp(chance.normal(*_ANSWER_BYTES, len(accepted))).clip(300, 4e9)
    rows["received"][accepted] = answers
    rows["sent"] = SYN_BYTES
    rows["sent"][accepted] = 400 + rows["source_port"][accepted] % 1200


def _as_pings(rows: Rows, pings: npt.NDArray[np.bool_]) -> None:
    """Make pings of some rows."""
    rows["protocol"][pings] = ICMP
    rows["source_port"][pings] = rows["destination_port"][pings] = 0


def _send_again(rows: Rows, session: Numbers, again: npt.NDArray[np.bool_]) -> None:
    """Make the last row of some sessions the repetition of the one before, a second later, as a kernel's SYN."""
    last = np.append(session[1:] != session[:-1], True)[: len(session)]
    which = np.flatnonzero(last & ~first_of(session) & again[session])
    for name in ("destination_port", "source_port", "protocol"):
        rows[name][which] = rows[name][which - 1]
