"""The configuration, `knockwatch.toml`: its shape, its defaults and its validation.

Every number a detection uses is a field of `Thresholds`, with its default, its unit and its reason; every fact the
site knows is in `Context`.
"""

from __future__ import annotations

import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from knockwatch.clock import zone_named
from knockwatch.errors import ConfigError

FILE_NAME = "knockwatch.toml"

Outcome = Literal["denied", "refused", "unanswered", "accepted", "unknown"]


def _known_zone(name: str) -> str:
    """Check that a zone exists."""
    try:
        zone_named(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"no time zone {name!r}: use a name such as Europe/Zurich") from error
    return name


class _Section(BaseModel):
    """A section: unknown keys are mistakes, not extras."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Door(_Section):
    """An authorised door: who may knock where."""

    host: str = Field(description="address, network or name of the host behind the door")
    port: str = Field(pattern=r"^(tcp|udp)/\d{1,5}$", description="the service, as tcp/22")
    sources: tuple[str, ...] = Field(
        default=(), description="addresses, networks, hosts or users who may knock; empty: anyone"
    )
    note: str = Field(default="", description="why it exists, for whoever reads the case")


class Context(_Section):
    """What the site knows: addresses, networks, host names and user names."""

    administrators: tuple[str, ...] = ()
    scanners: tuple[str, ...] = ()
    monitors: tuple[str, ...] = ()
    load_balancers: tuple[str, ...] = ()
    developers: tuple[str, ...] = ()
    doors: tuple[Door, ...] = ()


class TimeSettings(_Section):
    """Zone and year for logs that name none."""

    zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    year: int | None = Field(
        default=None, ge=1970, le=2199, description="year of the newest line in logs without one"
    )


class NetfilterSettings(_Section):
    """What a site's free-text log prefixes mean."""

    prefixes: dict[str, Outcome] = Field(
        default_factory=dict,
        description="text found in a prefix, regardless of case, to the outcome it stands for",
    )


class Thresholds(_Section):
    """Every number that a detection uses."""

    sequence_gap_seconds: float = Field(
        default=90.0,
        gt=0,
        description="longest pause between two probes of one sequence; knockd allows 25 s in all by default, "
        "but patient doors exist",
    )
    sequence_span_seconds: float = Field(
        default=300.0,
        gt=0,
        description="longest sequence from first to last probe; DET0302 watches 60 to 300 s",
    )
    sequence_ports_min: int = Field(
        default=3, ge=1, description="fewest distinct steps of a run of denied ports (DET0302)"
    )
    sequence_ports_max: int = Field(default=8, ge=1, description="most distinct steps; more is a port scan")
    sequence_probes_max: int = Field(default=12, ge=1, description="most probes, retransmissions collapsed")
    retransmission_seconds: float = Field(
        default=4.0,
        gt=0,
        description="a SYN from the same source port within this is the same SYN again (the kernel repeats "
        "after 1 s and 3 s)",
    )


class EvidenceSettings(_Section):
    """The part of the configuration that decides how evidence is read."""

    time: TimeSettings = TimeSettings()
    netfilter: NetfilterSettings = NetfilterSettings()


class Config(_Section):
    """The whole configuration."""

    context: Context = Context()
    hosts: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="host name to its addresses")
    time: TimeSettings = TimeSettings()
    netfilter: NetfilterSettings = NetfilterSettings()
    thresholds: Thresholds = Thresholds()
    tables: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="a lake's own table and column names"
    )

    @cached_property
    def evidence(self) -> EvidenceSettings:
        """The part that decides how evidence is read."""
        return EvidenceSettings(time=self.time, netfilter=self.netfilter)


def load(path: Path | None) -> Config:
    """Read a configuration file.

    Parameters
    ----------
    path
        The file; None for `knockwatch.toml` in the current folder, where there is one.

    Raises
    ------
    ConfigError
        If the file is missing, is no TOML, or says what no configuration says; the message names the key.
    """
    if path is None:
        path = Path(FILE_NAME)
        if not path.is_file():
            return Config()
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", path=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"is no valid TOML: {error}", path=path) from error
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()
        )
        raise ConfigError(faults, path=path) from error
