"""`knockwatch lab`: real doors in network namespaces, and labelled evidence of knocks at them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from knockwatch.commands.console import output, say
from knockwatch.commands.options import examples, quiet_option

if TYPE_CHECKING:
    from knockwatch.lab.plan import Plan

_DATA = click.option(
    "--data",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="A folder of further hosts, doors and scenarios; may be repeated.",
)
_SEED = click.option(
    "--random", "seed", type=int, metavar="SEED", help="A lab made up at random from this number."
)
_OUT = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="lab-run",
    show_default=True,
    metavar="DIR",
    help="Where the evidence and its labels go.",
)
_SCENARIOS = click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...")


@click.group(
    epilog=examples(
        "sudo knockwatch lab run quick --out run",
        "knockwatch evaluate run",
        "sudo knockwatch lab run --random 7 --out run-7",
    )
)
def command() -> None:
    """Play real knocks at real doors, for labelled evidence.

    Hosts in network namespaces that lead nowhere run knockd, fwknopd, iptables, nftables, UFW and sshd; observers
    write what they see, and the labels say what is true. Linux and root are needed. What `up` changes outside the
    namespaces (a kernel setting, audit rules, /etc/netns) `down` restores, also after `up` or `play` was killed.
    """


@command.command(name="list")
@_DATA
@_SEED
def show(*, folders: tuple[Path, ...], seed: int | None) -> None:
    """List hosts, doors, and scenarios with their events."""
    plan = _plan(folders, seed)
    with output():
        for host in plan.hosts.values():
            click.echo(f"{host.name:10} {host.role:7} {', '.join(host.addresses or host.sources)}")
        for door in plan.doors.values():
            click.echo(f"{door.name:24} {door.host:7} {door.service:9} {' '.join(door.secret)}")
        for scenario in plan.scenarios.values():
            click.echo(f"{scenario.name}: {scenario.title}")
            for event in scenario.event:
                click.echo(f"  {event.id:6} {event.kind:7} {event.title}")


@command.command()
@_DATA
@_SEED
@_OUT
def up(*, folders: tuple[Path, ...], seed: int | None, out: Path) -> None:
    """Put the lab up; its observers write to the folder of --out."""
    from knockwatch.lab import stage

    stage.up(_plan(folders, seed), out)
    say(f"The lab is up; evidence goes to {out}")


@command.command()
@_SCENARIOS
@quiet_option
def play(*, scenarios: tuple[str, ...], quiet: bool) -> None:
    """Play scenarios, or single events, in the lab that is up; without a name all but the slow ones."""
    _play(scenarios, quiet=quiet)


@command.command()
def down() -> None:
    """Take the lab down and restore the machine, however the lab was left."""
    from knockwatch.lab import stage

    say("The lab is down" if stage.down() else "There was no lab to take down")


@command.command()
@_SCENARIOS
@_DATA
@_SEED
@_OUT
@quiet_option
def run(
    *, scenarios: tuple[str, ...], folders: tuple[Path, ...], seed: int | None, out: Path, quiet: bool
) -> None:
    """Put the lab up, play, and take it down."""
    from knockwatch.lab import stage

    stage.up(_plan(folders, seed), out)
    try:
        _play(scenarios, quiet=quiet)
    finally:
        stage.down()
    say(f"Judge what is found in it: knockwatch evaluate {out}")


def _plan(folders: tuple[Path, ...], seed: int | None) -> Plan:
    """Read the lab's data, or make a lab up at random."""
    from knockwatch.lab.data import load
    from knockwatch.lab.variants import at_random

    plan = load(*folders)
    return plan if seed is None else at_random(plan, seed)


def _play(scenarios: tuple[str, ...], *, quiet: bool) -> None:
    """Play in the lab that is up."""
    from knockwatch.lab import machine, stage
    from knockwatch.lab.play import Player

    machine.require()
    plan, out = stage.current()
    Player(plan, out, (lambda _: None) if quiet else say).play(scenarios)
