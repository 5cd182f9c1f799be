"""What knockd and sshd say in the servers' syslog, among other lines; one line, or three, for each row of the stream.

Only knockd's doors tell their signal, and only a door of sshd its entry; those of bare firewall rules are silent.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from knockwatch.emulation.planted import Label, Site
from knockwatch.emulation.writers import Writer
from knockwatch.emulation.writers._text import TextFile, said

_SSH = 22
_HEAD = "\x1f"
"""Stands where another line's time and host belong, in a message that is several lines."""


class Daemons(Writer):
    """Writer of what daemons say."""

    name = "daemons"
    title = "knockd and sshd in syslog text, by the servers"
    suffix = ".log"
    source = "syslog"
    lacks = "the steps: knockd names its stages, and doors of bare firewall rules are silent"

    def open(self, path: Path, site: Site) -> TextFile:
        """Begin a file."""
        planted = _planted(site)
        return TextFile(path, site, lambda rows: _lines(rows, planted))

    def signals(self, label: Label, site: Site) -> bool:
        """Hold the sequences that knockd knows to be complete."""
        return label["success"] and _of_knockd(label, site)

    def entries(self, label: Label, site: Site) -> bool:
        """Hold what sshd let in."""
        return bool(site.planted.plan.doors[label["door"]].serves == "ssh")


def _of_knockd(label: Label, site: Site) -> bool:
    """Tell whether knockd waits at an event's door, and hears the secret without anything else in it."""
    return site.planted.plan.doors[label["door"]].kind == "knockd"


def _planted(site: Site) -> pl.DataFrame:
    """Give what is said of planted events, by time and source: whole messages with their programs."""
    found: list[tuple[int, str, str]] = []
    for label in site.planted.labels:
        if label["door"] is None:
            continue
        found += _steps(label, site)
        if label["success"] and site.planted.plan.doors[label["door"]].serves == "ssh":
            moment = round(label["connect"]["time"] * 1e6)
            port = 40_000 + moment % 20_000
            text = f"sshd[{moment % 30_000 + 900}]: Accepted publickey for root from {label['src'][0]} port {port} ssh2"
            found.append((moment, label["src"][0], text))
    schema = {"time_us": pl.Int64, "source": pl.String, "said": pl.String}
    return pl.DataFrame(found, schema=schema, orient="row")


def _steps(label: Label, site: Site) -> list[tuple[int, str, str]]:
    """Say what knockd says of each step that it waits for."""
    if not _of_knockd(label, site):
        return []
    door = site.planted.plan.doors[label["door"]]
    name, found, stage = door.name.replace(" ", "-"), [], 0
    for moment, source, step in label["observed"]:
        if stage == len(door.secret) or step != door.secret[stage]:
            continue
        stage += 1
        text = f"knockd: {source}: {name}: Stage {stage}"
        if stage == len(door.secret) and label["success"]:
            rule = f"/usr/sbin/iptables -A KNOCKD -s {source} -p tcp --dport {door.port} -j LOGACC"
            text += f"\n{_HEAD}knockd: {source}: {name}: OPEN SESAME"
            text += f"\n{_HEAD}knockd: {name}: running command: {rule}"
        found.append((round(moment * 1e6), source, text))
    return found


def _lines(rows: pl.DataFrame, planted: pl.DataFrame) -> pl.Series:
    """Write the lines."""
    head = said(pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00 "), pl.col("host"), " ")
    number = (pl.col("number") % 30_000 + 900).cast(pl.String)
    guess = said(
        "sshd[",
        number,
        "]: Failed password for root from ",
        pl.col("source"),
        " port ",
        pl.col("source_port"),
        " ssh2",
    )
    cron = said("CRON[", number, "]: (root) CMD (/opt/jobs/run.sh)")
    systemd = said("systemd[1]: Started Session ", number, " of user worker.")
    ssh = pl.col("accepted") & (pl.col("destination_port") == _SSH)
    other = pl.when(ssh).then(guess).when(pl.col("number") % 2 == 0).then(cron).otherwise(systemd)
    joined = rows.join(planted, on=["time_us", "source"], how="left", maintain_order="left")
    lines = joined.select(head.alias("head"), pl.coalesce("said", other).alias("rest"))
    return lines.select(
        pl.concat_str("head", pl.col("rest").str.replace_all(_HEAD, pl.col("head"), literal=True)).alias(
            "line"
        )
    ).to_series()


WRITER = Daemons()
