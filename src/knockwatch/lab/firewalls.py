"""The lab's firewalls: what each host's doors need, put into one rule set of iptables, nftables or UFW."""

from __future__ import annotations

import shutil
from pathlib import Path

from knockwatch.lab.doors import Built, Daemon, build
from knockwatch.lab.journal import STATE, record, run
from knockwatch.lab.network import BRIDGE, as_host, inside
from knockwatch.lab.plan import Host, Plan

TABLE = "lab"
UFW_CONFIGURATION = Path("/etc/ufw")


def up(plan: Plan, out: Path) -> list[tuple[str, Daemon]]:
    """Put up every host's firewall with its doors, and give the programs that serve the doors, with their hosts."""
    daemons = []
    for host in plan.hosts.values():
        if host.role == "client":
            continue
        doors = plan.doors_of(host.name)
        four, six = build(host, doors, out, 4), build(host, doors, out, 6)
        daemons += [(host.name, daemon) for daemon in four.daemons]
        if host.firewall == "iptables":
            run(inside(host.name, ["iptables-restore"]), stdin=iptables(host, four, 4))
            run(inside(host.name, ["ip6tables-restore"]), stdin=iptables(host, six, 6))
        elif host.firewall == "nftables":
            both = Built([*four.parts, *six.parts])
            run(inside(host.name, ["nft", "-f", "-"]), stdin=nftables(plan, host, both))
        elif host.firewall == "ufw":
            _ufw(host)
        elif host.firewall == "open":
            # Without a rule that asks for states, the kernel tracks no connections here.
            run(inside(host.name, ["nft", "-f", "-"]), stdin=_TRACKED)
    return daemons


_TRACKED = f"""table inet {TABLE} {{
  chain input {{
    type filter hook input priority 0
    ct state new accept
  }}
}}
"""


def iptables(host: Host, built: Built, version: int) -> str:
    """Write a rule set for iptables-restore: what is let in and what is dropped is logged, NFLOG included."""
    prefix = host.prefix if version == 4 else host.prefix.replace("IPT", "IP6T")
    lines = ["*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]"]
    lines += [f":{chain} - [0:0]" for chain in dict.fromkeys(("LOGACC", "LOGDROP", *built.all("chains")))]
    for chain, word in (("LOGACC", "ACCEPT"), ("LOGDROP", "DROP")):
        lines.append(f'-A {chain} -j LOG --log-prefix "{prefix}-{word}: "')
        if "ulogd" in host.observers:
            lines.append(f'-A {chain} -j NFLOG --nflog-group 1 --nflog-prefix "{prefix}-{word}: "')
        lines.append(f"-A {chain} -j {word}")
    lines += ["-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"]
    lines += built.all("first")
    lines.append(
        "-A INPUT -p icmp --icmp-type echo-request -j LOGACC"
        if version == 4
        else "-A INPUT -p ipv6-icmp -j ACCEPT"
    )
    if host.web:
        ports = ",".join(map(str, host.web))
        lines.append(f"-A INPUT -p tcp -m multiport --dports {ports} -m conntrack --ctstate NEW -j LOGACC")
    # A door's jump stands once, however many doors share its chain.
    lines += list(dict.fromkeys(built.all("rules")))
    return "\n".join([*lines, "-A INPUT -j LOGDROP", "COMMIT", ""])


def nftables(plan: Plan, host: Host, built: Built) -> str:
    """Write a rule set for nft; a router's also forwards, and logs what it forwards."""
    rules = [
        "type filter hook input priority 0; policy drop;",
        "iif lo accept",
        "ct state established,related accept",
    ]
    rules += built.all("first")
    rules.append("meta l4proto { icmp, ipv6-icmp } accept")
    if host.web:
        ports = ", ".join(map(str, host.web))
        rules.append(f'tcp dport {{ {ports} }} log prefix "{host.prefix}-ACCEPT: " accept')
    rules += [*built.all("rules"), f'log prefix "{host.prefix}-DROP: "']
    chains = [f"chain input {{\n{_lines(rules)}\n}}"]
    if host is plan.router:
        chains.append(f"chain forward {{\n{_lines(_edge(host))}\n}}")
    return f"table inet {TABLE} {{\n{_lines(built.all('sets'))}\n" + "\n".join(chains) + "\n}\n"


def _edge(host: Host) -> list[str]:
    """Forward new connections to the servers and log them; knocks must get there."""
    refused = ", ".join(map(str, host.edge_drops))
    rules = ["type filter hook forward priority 0; policy drop;", "ct state established,related accept"]
    rules += ["ct state invalid drop", "meta l4proto ipv6-icmp accept", f'iifname "{BRIDGE}" accept']
    if refused:
        rules.append(f'meta l4proto {{ tcp, udp }} th dport {{ {refused} }} log prefix "EDGE-DROP: " drop')
    return [*rules, f'oifname "{BRIDGE}" log prefix "EDGE-ACCEPT: " accept', 'log prefix "EDGE-DROP: "']


def _lines(rules: list[str]) -> str:
    """Put rules below each other."""
    return "\n".join(f"  {rule}" for rule in rules)


def _ufw(host: Host) -> None:
    """Switch on real UFW in a copy of its configuration, which is mounted for this host alone."""
    lock = Path("/run/ufw.lock")
    if not lock.exists():
        record("tree", path=str(lock))
    shutil.copytree(UFW_CONFIGURATION, STATE / host.name / "ufw", symlinks=True)
    allow = "; ".join(f"ufw allow {port}/tcp" for port in host.web)
    run(as_host(host.name, ["/bin/sh", "-ec", f"ufw --force enable; ufw logging low; {allow}"]))
