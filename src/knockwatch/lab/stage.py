"""Putting the lab up and taking it down: everything between is in the journal, so that `down` restores the machine."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from knockwatch.lab import LabError, firewalls, machine, network, observers
from knockwatch.lab.data import dump, restore
from knockwatch.lab.fixtures import fixture
from knockwatch.lab.journal import STATE, TAKEN, alive, entries, record, record_self, run, undo_all
from knockwatch.lab.plan import Host, Plan

READY_SECONDS = 20.0
"""What a slow machine may take until every service listens and every daemon sniffs."""

_SSHD = """HostKey {state}/host_key
AuthorizedKeysFile {state}/authorized_keys
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
PidFile none
"""


def up(plan: Plan, out: Path) -> None:
    """Put the lab up; evidence goes to a folder that is empty or not there yet.

    Raises
    ------
    LabError
        If the machine can have no lab, or one is up, or a program fails; what was done so far is undone then.
    """
    machine.require()
    if STATE.exists() or TAKEN.exists():
        raise LabError("a lab is up, or one was not taken down: knockwatch lab down")
    if out.exists() and any(out.iterdir()):
        raise LabError("is not empty: name a folder that is, for the evidence", path=out)
    out.mkdir(parents=True, exist_ok=True)
    STATE.mkdir(parents=True, mode=0o755)
    try:
        _put_up(plan, out.resolve())
    except BaseException:
        down()
        raise


def _put_up(plan: Plan, out: Path) -> None:
    """Put everything up, in the order that each needs the one before."""
    record_self("up")
    (STATE / "said").mkdir()
    (STATE / "plan.json").write_text(dump(plan))
    (STATE / "out").symlink_to(out)
    network.up(plan)
    observers.up(plan, out)
    _peers(plan)
    daemons = firewalls.up(plan, out)
    _services(plan)
    if not observers.ready(plan, out):
        raise LabError(f"an observer did not start: {_said()}")
    for host, daemon in daemons:
        network.daemon(host, daemon.name, list(daemon.command), daemon.output)
    _wait(plan, [host for host, daemon in daemons])
    (STATE / "up").touch()


def _wait(plan: Plan, sniffing: list[str]) -> None:
    """Wait until every service listens and every knock daemon has opened its packet socket.

    Raises
    ------
    LabError
        If one has ended, or it takes too long.
    """
    end = time.monotonic() + READY_SECONDS
    waiting = [name for name, host in plan.hosts.items() if host.web or host.ssh or name in sniffing]
    while waiting := [name for name in waiting if not _serves(plan, name, sniffing.count(name))]:
        ended = [entry["name"] for entry in entries() if entry["undo"] == "process" and not alive(entry)]
        if ended or time.monotonic() > end:
            raise LabError(f"{', '.join(ended or waiting)} did not start: {_said()}")
        time.sleep(0.1)


def _serves(plan: Plan, name: str, sniffers: int) -> bool:
    """Tell whether a host's services listen and its daemons sniff."""
    host = plan.hosts[name]
    listening = run(network.inside(name, ["ss", "-Hltn"]))
    open_ports = {line.split()[3].rpartition(":")[2] for line in listening.splitlines() if line.strip()}
    wanted = {str(port) for port in (*host.ssh, *host.web)}
    sockets = run(network.inside(name, ["ss", "-H0n"])).splitlines()
    return wanted <= open_ports and len(sockets) >= sniffers


def _peers(plan: Plan) -> None:
    """Write down for waiting fixtures whom they knock back at."""
    folder = STATE / "peers"
    folder.mkdir()
    for door in plan.doors.values():
        facts = {"address": plan.hosts[door.host].address(4), "steps": list(door.secret), "port": door.port}
        (folder / f"{door.name.replace(' ', '-')}.json").write_text(json.dumps(facts))


def _services(plan: Plan) -> None:
    """Start what the doors hide: sshd with a key of this lab's own, echo services, and what is open to all."""
    for name in ("client_key", "host_key"):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(STATE / name)])
    shutil.copyfile(STATE / "client_key.pub", STATE / "authorized_keys")
    (STATE / "authorized_keys").chmod(0o600)
    (STATE / "sshd_config").write_text(_SSHD.format(state=STATE))
    separation = Path("/run/sshd")
    if not separation.exists():
        record("empty", path=str(separation))
        separation.mkdir(mode=0o755)
    for host in plan.hosts.values():
        _serve(plan, host)


def _serve(plan: Plan, host: Host) -> None:
    """Start a host's services."""
    if host.ssh:
        ports = [word for port in host.ssh for word in ("-p", str(port))]
        sshd = shutil.which("sshd") or "/usr/sbin/sshd"
        network.daemon(host.name, "sshd", [sshd, "-D", "-f", str(STATE / "sshd_config"), *ports])
    if host.web:
        network.daemon(host.name, "web", list(fixture("web", *map(str, host.web))))
    for door in plan.doors.values():
        if door.host == host.name and door.serves == "echo" and door.kind != "sniffer":
            forever = str(24 * 3600)
            network.daemon(
                host.name, f"echo-{door.port}", list(fixture("echo", "serve", str(door.port), forever))
            )


def _said() -> str:
    """Quote what the programs that were started said last."""
    lines = []
    for path in sorted((STATE / "said").iterdir()):
        text = path.read_text("utf-8", "replace").strip().splitlines()
        if text:
            lines.append(f"{path.name}: {text[-1]}")
    return "; ".join(lines) or "they said nothing"


def current() -> tuple[Plan, Path]:
    """Give the plan and the evidence's folder of the lab that is up.

    Raises
    ------
    LabError
        If none is.
    """
    if not (STATE / "up").exists():
        raise LabError("there is no lab: knockwatch lab up")
    return restore((STATE / "plan.json").read_text()), (STATE / "out").resolve()


def down() -> bool:
    """Take the lab down and restore the machine, however it was left; tells whether there was anything to do.

    Raises
    ------
    LabError
        If the machine can have no lab at all, and so has none.
    """
    machine.require(programs=False)
    found = False
    for _ in range(2):
        # What an earlier `down` left that was killed itself comes first.
        if not TAKEN.exists() and STATE.exists():
            STATE.rename(TAKEN)
        if TAKEN.exists():
            found = True
            undo_all(TAKEN)
            shutil.rmtree(TAKEN, ignore_errors=True)
    return found
