"""The emulated site: its servers and what they offer, its firewalls, its own network; sized to the rows wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from knockwatch.emulation import Order
from knockwatch.emulation.rates import Rates, Sensor
from knockwatch.emulation.stream import Numbers, number_of

FIRST_SERVER = number_of("198.19.0.0")
"""Public servers stand in the network for benchmarks (RFC 2544), whose other half the lab uses."""
MOST_SERVERS = 65_536
LEAST_SERVERS = 16
FIRST_INSIDE_SERVER = number_of("10.1.0.1")
FIRST_INSIDE_CLIENT = number_of("10.32.0.1")
MOST_INSIDE_CLIENTS = 1 << 20
FIRST_MONITOR = number_of("198.51.100.200")
FIRST_BALANCER = number_of("10.2.0.1")
SERVERS_PER_SENSOR = 8


@dataclass(frozen=True)
class Estate:
    """A site.

    Parameters
    ----------
    servers, inside_servers
        Their numbers; addresses follow on each other.
    inside_clients, web_clients, scanners
        How many different ones there are.
    sensors
        The firewalls: the last one stands inside, each of the others before its part of the servers.
    offers
        What each server offers, as a sum of bits; the bit of a port is `bits`'.
    """

    servers: int
    inside_servers: int
    inside_clients: int
    web_clients: int
    scanners: int
    sensors: tuple[Sensor, ...]
    offers: npt.NDArray[np.uint8] = field(repr=False)
    bits: npt.NDArray[np.uint8] = field(repr=False)

    @classmethod
    def of(cls, order: Order, rates: Rates) -> Estate:
        """Size a site so that each server meets as much noise a day as was measured, as far as there are rows."""
        noise = order.rows * rates.shares.noise
        a_day = rates.noise.lines / rates.noise.days
        servers = int(np.clip(noise / (a_day * order.days), LEAST_SERVERS, MOST_SERVERS))
        ports = sorted({port for part in rates.services for port in part.ports})
        bits = np.zeros(65_536, np.uint8)
        bits[ports] = 1 << np.arange(len(ports), dtype=np.uint8)
        return cls(
            servers,
            max(8, order.rows // rates.inside.rows_per_server),
            int(np.clip(order.rows // rates.inside.rows_per_client, 20, MOST_INSIDE_CLIENTS)),
            max(50, order.rows // rates.web.rows_per_client),
            max(20, int(noise) // 500),
            rates.sensors,
            _offers(servers, rates, bits, np.random.default_rng((order.seed, 1))),
            bits,
        )

    @cached_property
    def web_servers(self) -> Numbers:
        """The servers that answer HTTPS, in an order of popularity."""
        found: Numbers = np.flatnonzero(self.offers & self.bits[443])
        return found

    def offered(self, servers: Numbers, ports: npt.NDArray[np.uint16]) -> npt.NDArray[np.bool_]:
        """Tell which ports servers answer at."""
        found: npt.NDArray[np.bool_] = (self.offers[servers] & self.bits[ports]) != 0
        return found

    def sensor(self, destinations: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
        """Tell which firewall stands before an address."""
        before = (destinations - np.uint32(FIRST_SERVER)) // SERVERS_PER_SENSOR % (len(self.sensors) - 1)
        public = (destinations >= FIRST_SERVER) & (destinations < FIRST_SERVER + MOST_SERVERS)
        return np.where(public, before, len(self.sensors) - 1).astype(np.uint8)


def _offers(
    servers: int, rates: Rates, bits: npt.NDArray[np.uint8], chance: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Give each server a set of services, or none."""
    edges = np.cumsum([part.part for part in rates.services])
    sets = np.array([*(sum(int(bits[port]) for port in part.ports) for part in rates.services), 0], np.uint8)
    kind = np.searchsorted(edges, chance.random(servers))
    # The first is a web server whatever chance says: the smallest site has visitors.
    kind[0] = 0
    offers: npt.NDArray[np.uint8] = sets[kind]
    return offers
