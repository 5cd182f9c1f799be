"""The lab's network: a namespace for each host, links to the router, addresses, and routes to the lab's own only."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Sequence
from pathlib import Path

from knockwatch.lab import LabError
from knockwatch.lab.journal import NETNS, PREFIX, STATE, marked, record, recorded, run
from knockwatch.lab.plan import PREFIXES, Host, Plan

RESOLVERS = Path("/etc/netns")
BRIDGE = "br0"
LOG_ALL = Path("/proc/sys/net/netfilter/nf_log_all_netns")
"""The kernel's LOG says nothing in other namespaces without this."""

_ENTER = """
set -e
host=$1 state=$2; shift 2
hostname "$host"
mount -t tmpfs -o mode=755 tmpfs "$state/dev"
mknod -m 666 "$state/dev/null" c 1 3; mknod -m 666 "$state/dev/zero" c 1 5
mknod -m 666 "$state/dev/full" c 1 7; mknod -m 666 "$state/dev/random" c 1 8
mknod -m 666 "$state/dev/urandom" c 1 9; mknod -m 666 "$state/dev/tty" c 5 0
mkdir "$state/dev/pts" "$state/dev/shm"
mount --bind /dev/pts "$state/dev/pts"
ln -s pts/ptmx "$state/dev/ptmx"; ln -s /proc/self/fd "$state/dev/fd"
ln -s "$state/$host/log" "$state/dev/log"
mount --rbind "$state/dev" /dev
if [ -d "$state/$host/ufw" ]; then mount --bind "$state/$host/ufw" /etc/ufw; fi
export TZ=UTC
exec "$@"
"""
"""A shell's program: in mounts of its own, give the host its name, its log socket and its /etc/ufw; run the rest."""


def namespace(host: str) -> str:
    """Name a host's network namespace."""
    return PREFIX + host


def up(plan: Plan) -> None:
    """Make the namespaces, and connect and address them."""
    if not NETNS.is_dir():
        record("netns", path=str(NETNS))
    if not RESOLVERS.is_dir():
        record("empty", path=str(RESOLVERS))
    (STATE / "dev").mkdir()
    for name in plan.hosts:
        _make(name)
    router = namespace(plan.router.name)
    for key in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
        run(["ip", "netns", "exec", router, "sysctl", "-qw", f"net.{key}=1"])
    for number, host in enumerate(plan.hosts.values()):
        if host.role != "router":
            _link(plan, host, number)
    for host in plan.hosts.values():
        if host.role != "router":
            _address(host)
    if LOG_ALL.is_file():
        record("sysctl", path=str(LOG_ALL), value=LOG_ALL.read_text())
        LOG_ALL.write_text("1")


def _make(host: str) -> None:
    """Make a host's namespace, without a resolver."""
    name = namespace(host)
    record("namespace", name=name)
    run(["ip", "netns", "add", name])
    run(["ip", "-n", name, "link", "set", "lo", "up"])
    for key in ("all", "default"):
        run(["ip", "netns", "exec", name, "sysctl", "-qw", f"net.ipv6.conf.{key}.accept_dad=0"])
    folder = RESOLVERS / name
    record("tree", path=str(folder))
    folder.mkdir(parents=True)
    (folder / "resolv.conf").write_text("# no resolver\n")
    (STATE / host).mkdir()


def mac(side: int, number: int) -> str:
    """Give a locally administered address: side 0 is a host's own, 1 the router's towards it, 2 a bridge."""
    return f"02:6b:77:00:{side:02x}:{number:02x}"


def owners(plan: Plan) -> dict[str, str]:
    """Tell whose firewall logs a packet by the address it was sent to, which kernel lines begin with."""
    router = plan.router.name
    table = {mac(2, 1): router}
    for number, host in enumerate(plan.hosts.values()):
        table[mac(0, number)] = host.name
        table[mac(1, number)] = router
    return table


def _link(plan: Plan, host: Host, number: int) -> None:
    """Connect a host with the router, by itself or through the bridge."""
    router, name, port = namespace(plan.router.name), namespace(host.name), f"to-{host.name}"
    near, far = ["address", mac(1, number)], ["address", mac(0, number)]
    run(
        [
            "ip",
            "link",
            "add",
            port,
            *near,
            "netns",
            router,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            *far,
            "netns",
            name,
        ]
    )
    run(["ip", "-n", router, "link", "set", port, "up"])
    run(["ip", "-n", name, "link", "set", "eth0", "up"])
    if host.network:
        if BRIDGE not in run(["ip", "-n", router, "-brief", "link"]).split():
            run(["ip", "-n", router, "link", "add", BRIDGE, "address", mac(2, 1), "type", "bridge"])
            run(["ip", "-n", router, "link", "set", BRIDGE, "up"])
        run(["ip", "-n", router, "link", "set", port, "master", BRIDGE])
        port = BRIDGE
    for gateway in host.gateways:
        run(["ip", "-n", router, "address", "replace", gateway, "dev", port])


def _address(host: Host) -> None:
    """Give a host its addresses, and routes to the lab's prefixes alone: any other address is unreachable."""
    lines = []
    for gateway in map(ipaddress.ip_interface, host.gateways):
        length = gateway.network.prefixlen
        own = [text for text in host.every_address if ipaddress.ip_address(text) in gateway.network]
        lines += [f"address add {text}/{length} dev eth0" for text in own]
        others = [
            prefix for prefix in map(ipaddress.ip_network, PREFIXES) if prefix.version == gateway.version
        ]
        lines += [f"route add {prefix} via {gateway.ip}" for prefix in others if prefix != gateway.network]
    run(["ip", "-n", namespace(host.name), "-batch", "-"], stdin="\n".join(lines))


def use_source(host: Host, source: str) -> None:
    """Let what a client sends next come from one of its addresses."""
    version = ipaddress.ip_address(source).version
    own = [gateway for gateway in map(ipaddress.ip_interface, host.gateways) if gateway.version == version]
    for prefix in map(ipaddress.ip_network, PREFIXES):
        if prefix.version == version and prefix not in [gateway.network for gateway in own]:
            route = ["route", "replace", str(prefix), "via", str(own[0].ip), "src", source]
            run(["ip", "-n", namespace(host.name), *route])


def inside(host: str, command: Sequence[str]) -> list[str]:
    """Wrap a command so that it runs in a host's network, and nowhere else."""
    if not (NETNS / namespace(host)).exists():
        raise LabError(f"there is no host {host} in the lab: knockwatch lab up")
    return ["ip", "netns", "exec", namespace(host), *command]


def as_host(host: str, command: Sequence[str]) -> list[str]:
    """Wrap a command so that it runs as a host: its network, name, log socket and /etc/ufw."""
    return inside(
        host, ["unshare", "--uts", "--mount", "/bin/sh", "-c", _ENTER, "enter", host, str(STATE), *command]
    )


def daemon(
    host: str, name: str, command: Sequence[str], output: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start what runs until the lab is taken down; its output is appended to a file."""
    target = output or STATE / "said" / f"{host}-{name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("ab") as said:
        return subprocess.Popen(
            recorded(f"{host}-{name}", as_host(host, command)),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=marked(),
        )
