"""The base rates of the background, read from data and checked; what is made of them is `background`'s business."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from knockwatch.emulation import EmulationError


class _Part(BaseModel):
    """A table of the data; unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shares(_Part):
    """Parts of the rows by kind of traffic."""

    noise: float
    web: float
    inside: float
    monitors: float
    balancers: float
    scans: float


class Sessions(_Part):
    """How many sessions of so many ports were counted."""

    ports: tuple[int, int]
    count: int


class Habits(_Part):
    """How sessions of noise look inside."""

    again: float
    known_scanners: float
    popular_ports: float
    udp: float
    ping: float
    gap_seconds: float
    ports: tuple[int, ...]


class Noise(_Part):
    """The internet's noise at one host."""

    lines: int
    days: float
    sessions: tuple[Sessions, ...]
    habits: Habits


class Web(_Part):
    """Visits to web servers."""

    requests: float
    seconds: float
    https: float
    quic_first: float
    rows_per_client: int
    skew: float


class Services(_Part):
    """What a part of the servers offers."""

    part: float
    ports: tuple[int, ...]


class Inside(_Part):
    """The site's own network."""

    rows_per_client: int
    rows_per_server: int
    ports: tuple[int, ...]
    denied: float
    denied_ports: tuple[int, ...]
    connections: float


class Monitors(_Part):
    """Who checks several ports regularly."""

    every_seconds: float
    with_closed: float
    closed_port: int


class Balancers(_Part):
    """Who checks one port regularly and forwards others' requests to it."""

    every_seconds: float
    port: int


class Scans(_Part):
    """Who looks at many ports or hosts."""

    ports: tuple[int, int]
    hosts: tuple[int, int]
    gap_seconds: float
    horizontal: float


class Sensor(_Part):
    """A firewall, and its vendor's words."""

    name: str
    vendor: str
    product: str
    activity: str
    class_id: str
    accepted: tuple[str, ...] = Field(min_length=1)
    denied: tuple[str, ...] = Field(min_length=1)


class Rates(_Part):
    """Everything that the background is made by."""

    shares: Shares
    noise: Noise
    web: Web
    services: tuple[Services, ...]
    inside: Inside
    monitors: Monitors
    balancers: Balancers
    scans: Scans
    sensors: tuple[Sensor, ...] = Field(min_length=2)
    tools: dict[str, float]


@cache
def rates() -> Rates:
    """Read the base rates.

    Raises
    ------
    EmulationError
        If the data do not say what they should.
    """
    resource = files("knockwatch.content") / "emulation" / "background.toml"
    try:
        return Rates.model_validate(tomllib.loads(resource.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise EmulationError(f"does not say what it should: {error}", path=str(resource)) from error
