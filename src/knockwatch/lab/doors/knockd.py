"""Doors of knockd, on hosts whose firewall is iptables or UFW, or that a script equips with both meanwhile."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from knockwatch.lab.doors import Daemon, Parts
from knockwatch.lab.journal import STATE
from knockwatch.lab.plan import Door, Host


def build(host: Host, doors: list[Door], out: Path, version: int) -> list[Parts]:
    """Build a configuration and a daemon for each instance; for IPv6 the firewall's chain alone."""
    if version == 6:
        return [Parts(chains=("KNOCKD",), rules=("-A INPUT -j KNOCKD",))]
    parts = []
    for instance, group in groupby(doors, key=lambda door: door.instance):
        those = list(group)
        path = STATE / host.name / f"knockd-{instance}.conf"
        path.write_text(configuration(host, those, out))
        parts.append(
            _script(host, those, path) if those[0].installed == "play" else _started(host, those, path, out)
        )
    return parts


def configuration(host: Host, doors: list[Door], out: Path) -> str:
    """Write the configuration of one daemon."""
    instance = doors[0].instance
    options = [f"\tPidFile = {STATE}/{host.name}/knockd-{instance}.pid"]
    if doors[0].syslog:
        options[:0] = ["\tUseSyslog", f"\tLogFile = {out}/{host.name}-knockd-{instance}.log"]
    sections = ["[options]\n" + "\n".join(options) + "\n"]
    for door in doors:
        steps = ",".join(_step(step) for step in door.secret)
        lines = [f"sequence = {steps}", f"seq_timeout = {door.within_seconds}", "tcpflags = syn"]
        for suffix, (start, stop) in _commands(host, door).items():
            lines += [f"start_command{suffix} = {start}", f"stop_command{suffix} = {stop}"]
        lines.append(f"cmd_timeout = {door.open_seconds}")
        title = door.name.rpartition(" ")[2]
        sections.append(f"[{title}]\n" + "".join(f"\t{line}\n" for line in lines))
    return "\n".join(sections)


def _step(step: str) -> str:
    """Write a step as knockd does."""
    protocol, _, port = step.partition("/")
    return port if protocol == "tcp" else f"{port}:{protocol}"


def _commands(host: Host, door: Door) -> dict[str, tuple[str, str]]:
    """Give what opens and closes a door, by the suffix of the keys."""
    if host.firewall == "ufw":
        rule = f"allow from %IP% to any port {door.port} proto tcp"
        return {"": (f"/usr/sbin/ufw insert 1 {rule}", f"/usr/sbin/ufw delete {rule}")}
    rule = f"KNOCKD -s %IP% -p tcp --dport {door.port} -j LOGACC"
    found = {"": (f"/usr/sbin/iptables -A {rule}", f"/usr/sbin/iptables -D {rule}")}
    if 6 in door.versions:
        found["_6"] = (f"/usr/sbin/ip6tables -A {rule}", f"/usr/sbin/ip6tables -D {rule}")
    return found


def _started(host: Host, doors: list[Door], path: Path, out: Path) -> Parts:
    """Start a daemon with the lab; one without syslog writes what it sees to standard output."""
    instance, quiet = doors[0].instance, doors[0].syslog
    flags = ("-v",) if quiet else ("-D", "-v")
    daemon = Daemon(
        f"knockd-{instance}",
        ("knockd", *flags, "-i", "eth0", "-c", str(path)),
        out / f"{host.name}-knockd-{instance}.out",
    )
    chain = (
        Parts(chains=("KNOCKD",), rules=("-A INPUT -j KNOCKD",)) if host.firewall == "iptables" else Parts()
    )
    return Parts(chain.chains, rules=chain.rules, daemons=(daemon,))


def _script(host: Host, doors: list[Door], path: Path) -> Parts:
    """Write the script that makes a host without a firewall a relay: rules first, then the daemon."""
    lines = []
    for verdict, target in (("ACC", "ACCEPT"), ("DROP", "DROP")):
        lines.append(f"iptables -N LOG{verdict}")
        lines.append(f'iptables -A LOG{verdict} -j LOG --log-prefix "{host.prefix}-{target}: "')
        lines.append(f"iptables -A LOG{verdict} -j {target}")
    lines += ["iptables -N KNOCKD", "iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"]
    lines += ["iptables -A INPUT -j KNOCKD"]
    lines += [f"iptables -A INPUT -p tcp --dport {door.port} -j LOGDROP" for door in doors]
    lines.append(f"exec knockd -i eth0 -c {path}")
    return Parts(script="\n".join(lines))
