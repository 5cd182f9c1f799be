"""The configuration, `knockwatch.toml`: its shape, its defaults and its validation.

Every number a detection uses is a field of `Thresholds`, with its default, its unit and its reason; every fact the
site knows is in `Context`.
"""

from __future__ import annotations

import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self
from zoneinfo import ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from knockwatch.clock import zone_named
from knockwatch.entries import Address, Entry, Name, Service, Text
from knockwatch.errors import ConfigError
from knockwatch.toml_lines import Origin, lines_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

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

    host: Entry = Field(description="address, network or name of the host behind the door")
    port: Service = Field(description="the service, as tcp/22")
    sources: tuple[Entry, ...] = Field(
        default=(), description="addresses, networks, hosts or users who may knock; empty: anyone"
    )
    note: str = Field(default="", description="why it exists, for whoever reads the case")


class Context(_Section):
    """What the site knows: addresses, networks, host names and user names.

    Context is applied last and is reversible: a case it explains is kept, with the line that explains it.
    """

    administrators: tuple[Entry, ...] = Field(
        default=(),
        description="who may knock, and run knock clients, anywhere",
        examples=[("alice", "198.51.100.10", "2001:db8:a::/64")],
    )
    scanners: tuple[Entry, ...] = Field(
        default=(),
        description="authorised vulnerability scanners; they explain probes, never a door that opened",
        examples=[("198.51.100.130", "198.51.100.131")],
    )
    monitors: tuple[Entry, ...] = Field(
        default=(),
        description="monitoring hosts; they explain probes, never a door that opened",
        examples=[("nagios.example.org",)],
    )
    load_balancers: tuple[Entry, ...] = Field(
        default=(),
        description="load balancers and their health checks; they explain probes, never a door that opened",
        examples=[("203.0.113.128/28",)],
    )
    developers: tuple[Entry, ...] = Field(
        default=(), description="who may knock while building and testing", examples=[("dev7",)]
    )
    doors: tuple[Door, ...] = Field(
        default=(),
        description="authorised doors, one [[context.doors]] each",
        examples=[
            Door(
                host="203.0.113.10",
                port="tcp/22",
                sources=("198.51.100.0/24",),
                note="on-call log-in, ticket 4711",
            )
        ],
    )


class TimeSettings(_Section):
    """Zone and year for logs that name none."""

    zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        default="UTC",
        description="zone of times that name none, by its IANA name",
        examples=["Europe/Zurich"],
    )
    year: int | None = Field(
        default=None,
        ge=1970,
        le=2199,
        description="year of the newest line in logs without one; not set: what the nearest dated evidence, "
        "else the file's modification time, implies",
        examples=[2026],
    )


class NetfilterSettings(_Section):
    """What a site's free-text log prefixes mean."""

    prefixes: dict[Text, Outcome] = Field(
        default_factory=dict,
        description="text found in a prefix, regardless of case, to the outcome it stands for: "
        "denied, refused, unanswered, accepted or unknown",
        examples=[{"EDGE-ACCEPT": "accepted"}],
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
    scan_destinations_min: int = Field(
        default=8,
        ge=2,
        description="fewest destinations at each of which a source was turned away at several ports for it to be "
        "called a scanner; a secret belongs to one or a few",
    )
    retransmission_seconds: float = Field(
        default=4.0,
        gt=0,
        description="a SYN from the same source port within this is the same SYN again (the kernel repeats "
        "after 1 s and 3 s)",
    )

    recurrence_destinations_max: int = Field(
        default=2,
        ge=1,
        description="most destinations that may see the same sequence: a scanner's list is tried at many",
    )
    door_gap_seconds: float = Field(
        default=1800.0,
        gt=0,
        description="longest pause between steps of a signal, and between the last step and the entry",
    )
    door_span_seconds: float = Field(
        default=7200.0, gt=0, description="longest time from the first step of a signal to the entry"
    )
    door_signalled_share: float = Field(
        default=0.6,
        gt=0,
        le=1,
        description="share of a service's visitors that must have sent something before: a door has few others",
    )
    door_relay_seconds: float = Field(
        default=60.0,
        gt=0,
        description="how long before an entry somebody else's signal may lie: doors stay open 10 to 60 s",
    )
    door_relay_ports_max: int = Field(
        default=3,
        ge=1,
        description="most ports a source may have touched in all to count as one who relays a step",
    )
    door_rare_sessions_max: int = Field(
        default=2,
        ge=1,
        description="most visitors of a service that was never seen closed for it to be a lead at all",
    )
    door_relayed_sessions_max: int = Field(
        default=50,
        ge=1,
        description="most entries without a signal of their own for which somebody else's is looked for",
    )
    door_coincidence_max: float = Field(
        default=0.001,
        gt=0,
        le=1,
        description="most likely that chance alone may put what others sent before the entries of a relayed door: "
        "many runs of steps are compared, so that one in twenty would often be met",
    )
    door_unexplained_share_max: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="share of entries that may have nothing before them: logs lose lines, but a door that opens "
        "without its signal is none",
    )
    signal_follow_seconds: float = Field(
        default=60.0,
        gt=0,
        description="how long after a packet that matches a signature what its source tries belongs to it: fwknop's "
        "doors stay open for 30 s",
    )
    callback_seconds: float = Field(
        default=10.0,
        gt=0,
        description="longest time from a packet to the connection of its destination back to its source: a program "
        "that waits for a packet answers at once",
    )
    callback_packets_max: int = Field(
        default=3,
        ge=1,
        description="most packets that a source may have sent to be one that is called back: who sends more scans, "
        "or has business there",
    )
    callback_peers_max: int = Field(
        default=2,
        ge=1,
        description="most destinations that a host may connect to for one connection back to be told from its "
        "ordinary traffic: a server connects to few",
    )
    callback_alike_max: int = Field(
        default=10,
        ge=1,
        description="most sources that a host may have connected to after the very same packet for that packet to be "
        "a signal: programs that announce themselves to a manager are many",
    )
    monitor_cycles_min: int = Field(
        default=10,
        ge=3,
        description="fewest visits, evenly spaced, by which a source counts as a monitor: people do not come ten "
        "times to the beat",
    )
    monitor_jitter_share: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="how far a monitor's pause may differ from its usual one, as a share of it: timers drift and "
        "checks take their time",
    )
    monitor_even_share: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="share of a monitor's pauses that are its usual one: some checks are repeated or lost",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        """Check that the bounds leave something between them."""
        if self.sequence_ports_min > self.sequence_ports_max:
            raise ValueError("sequence_ports_min is greater than sequence_ports_max: no run would count")
        return self


class CacheSettings(_Section):
    """Where what is parsed of evidence is kept, so that the next scan reads only what is new."""

    folder: Text | None = Field(
        default=None,
        description="its folder, which nobody else may read; not set: knockwatch in the user's cache folder. The "
        "environment variable KNOCKWATCH_CACHE comes before both",
        examples=["/var/cache/knockwatch"],
    )
    megabytes: int = Field(
        default=5_000,
        ge=0,
        description="most it may take on disk, in 1,000,000 bytes; a firewall's row takes some 20 bytes. What was "
        "used longest ago goes first; 0 keeps nothing",
    )


class EvidenceSettings(_Section):
    """The part of the configuration that decides how evidence is read."""

    time: TimeSettings = TimeSettings()
    netfilter: NetfilterSettings = NetfilterSettings()


class Config(_Section):
    """The whole configuration."""

    context: Context = Context()
    hosts: dict[Name, tuple[Address, ...]] = Field(
        default_factory=dict,
        description="host name to its addresses",
        examples=[{"srv1": ("203.0.113.10", "2001:db8:5::10")}],
    )
    time: TimeSettings = TimeSettings()
    netfilter: NetfilterSettings = NetfilterSettings()
    cache: CacheSettings = CacheSettings()
    thresholds: Thresholds = Thresholds()
    tables: dict[Text, dict[Text, Text]] = Field(
        default_factory=dict,
        description="a lake's own table and column names, one [tables.NAME] for each table of knockwatch",
        examples=[{"connections": {"table": "firewall_events", "source_ip": "src_addr"}}],
    )
    _origin: Origin = PrivateAttr(default_factory=Origin)

    @cached_property
    def evidence(self) -> EvidenceSettings:
        """The part that decides how evidence is read."""
        return EvidenceSettings(time=self.time, netfilter=self.netfilter)

    def model_post_init(self, context: object) -> None:
        """Remember the file that the keys come from."""
        if isinstance(context, Origin):
            self._origin = context

    def where(self, *path: str | int) -> str:
        """Say where a key or an item of a list stands, as in ``knockwatch.toml:12``."""
        line = self._origin.line(path)
        return self._origin.file if line is None else f"{self._origin.file}:{line}"

    @classmethod
    def from_toml(cls, text: str, name: str) -> Self:
        """Read a configuration from the text of a file called `name`.

        Raises
        ------
        ConfigError
            If it is no TOML, or says what no configuration says; the message names the key.
        """
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"line (\d+)", str(error))
            raise ConfigError(
                f"is no valid TOML: {error}", path=name, line=int(line[1]) if line else None
            ) from error
        origin = Origin(name, lines_of(text))
        try:
            return cls.model_validate(data, context=origin)
        except ValidationError as error:
            raise _faults(error.errors(), origin) from error


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
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", path=path) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"is no UTF-8 text: {error.reason}", path=path) from error
    return Config.from_toml(text, str(path))


def template() -> str:
    """Write the `knockwatch.toml` that explains every key and changes nothing."""
    from knockwatch.config_template import render

    return render(Config)


def _faults(errors: list[ErrorDetails], origin: Origin) -> ConfigError:
    """Say what is wrong, key by key, each with its line."""
    faults = sorted(
        (
            origin.line(fault["loc"]) or 0,
            ".".join(str(part) for part in fault["loc"] if part != "[key]"),
            _words(fault),
        )
        for fault in errors
    )
    first = faults[0][0] or None
    sentences = [f"{key}: {words}" if key else words for _, key, words in faults]
    rest = [
        sentence if line in {0, first} else f"line {line}: {sentence}"
        for (line, _, _), sentence in zip(faults[1:], sentences[1:], strict=True)
    ]
    return ConfigError("; ".join([sentences[0], *rest]), path=origin.file, line=first)


def _words(fault: ErrorDetails) -> str:
    """Say a fault in the words of a configuration file."""
    match fault["type"]:
        case "extra_forbidden":
            return "no such key: `knockwatch config init` writes all of them"
        case "tuple_type":
            return f"should be a list, as in [{fault['input']!r}]"
        case "missing":
            return "is missing"
        case "model_type" | "dict_type":
            return "should be a table"
        case _:
            return fault["msg"].removeprefix("Value error, ")
