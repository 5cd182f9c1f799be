"""Programs that wait for packets."""

from typing import Any

import pytest

from knockwatch.detections import Finding
from knockwatch.detections.sniffer import DETECTION
from knockwatch.hoststate import sockets
from knockwatch.ingest import Workspace
from tests.hoststate.reading import numbered
from tests.rows import found, put

HEADER = "Netid Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n"
DHCP = (
    "\tbpf filter (11):  0x28 0 0 12, 0x15 0 8 2048, 0x30 0 0 23, 0x15 0 6 17, 0x28 0 0 20, 0x45 4 0 8191, "
    "0xb1 0 0 14, 0x48 0 0 16, 0x15 0 1 68, 0x06 0 0 4294967295, 0x06 0 0 0,"
)
TWO_PORTS = (
    "\tbpf filter (12):  0x28 0 0 12, 0x15 0 9 2048, 0x30 0 0 23, 0x15 0 7 6, 0x28 0 0 20, 0x45 5 0 8191, "
    "0xb1 0 0 14, 0x48 0 0 16, 0x15 1 0 200, 0x15 0 1 3, 0x06 0 0 262144, 0x06 0 0 0,"
)
MAGIC_UDP = (
    "\tbpf filter (11):  0x28 0 0 12, 0x15 0 8 2048, 0x30 0 0 23, 0x15 0 6 17, 0x28 0 0 20, 0x45 4 0 8191, "
    "0xb1 0 0 14, 0x48 0 0 22, 0x15 0 1 29269, 0x06 0 0 65535, 0x06 0 0 0,"
)


def ss(name: str, bpf: str = "", pid: int = 7) -> list[dict[str, Any]]:
    text = f'{HEADER}p_raw 0 0 *:eth0 * users:(("{name}",pid={pid},fd=5))\n{bpf}'
    return [{**row, "host": "srv1"} for row in sockets.read_ss(numbered(text)).rows]


def seen(name: str, facts: str, pid: int = 7, **more: Any) -> dict[str, Any]:
    text = f"/dev/shm/x (deleted): {name}"
    return {
        "kind": "process-seen",
        "actor": name,
        "pid": pid,
        "name": facts,
        "host": "srv1",
        "rule_text": text,
        **more,
    }


def only(workspace: Workspace, rows: list[dict[str, Any]]) -> Finding:
    put(workspace, "changes", rows)
    [finding] = [one for one in found(workspace, DETECTION) if one.kind == "sniffer"]
    return finding


def test_a_capture_tool_is_named_with_what_it_waits_for(workspace: Workspace) -> None:
    finding = only(workspace, ss("tcpdump", TWO_PORTS))
    assert (finding.door_name, finding.sequence, finding.signal) == (
        "tcpdump",
        ("tcp/200", "tcp/3"),
        "sequence",
    )
    assert finding.facts["capture"]
    assert not finding.order_known


def test_a_dhcp_client_that_waits_for_dhcp_is_nothing(workspace: Workspace) -> None:
    put(workspace, "changes", ss("dhclient", DHCP))
    assert found(workspace, DETECTION) == []


def test_a_dhcp_client_that_waits_for_other_ports_is_unexpected(workspace: Workspace) -> None:
    finding = only(workspace, ss("dhclient", TWO_PORTS))
    assert finding.facts["unexpected"]
    assert "DHCP" not in finding.note


@pytest.mark.parametrize("fact", ["deleted", "memory-only", "kernel-name", "other-program", "temporary"])
def test_a_known_name_excuses_no_oddity(workspace: Workspace, fact: str) -> None:
    finding = only(workspace, [*ss("dhclient", DHCP), seen("dhclient", fact)])
    assert finding.facts[fact]


def test_a_program_that_an_update_replaced_is_not_odd(workspace: Workspace) -> None:
    put(workspace, "changes", [*ss("dhclient", DHCP), seen("dhclient", "replaced")])
    assert found(workspace, DETECTION) == []


def test_an_implants_constant_is_named_with_its_family(workspace: Workspace) -> None:
    finding = only(workspace, ss("udevd", MAGIC_UDP))
    assert finding.facts["trace"] == 3
    assert "BPFDoor" in finding.note
    assert finding.signal == "magic-packet"


def test_a_port_that_equals_a_constant_is_no_constant(workspace: Workspace) -> None:
    finding = only(workspace, ss("unknown", MAGIC_UDP.replace("0x48 0 0 22", "0x48 0 0 16")))
    assert "trace" not in finding.facts
    assert finding.sequence == ("udp/29269",)


def test_snapshots_of_one_process_are_one_finding(workspace: Workspace) -> None:
    finding = only(workspace, [*ss("unknown"), *({**row, "file": 1} for row in ss("unknown"))])
    assert len({pointer.file for pointer in finding.pointers}) == 2


def test_a_kernel_threads_name_alone_is_told(workspace: Workspace) -> None:
    finding = only(workspace, [seen("kworker/0:1", "kernel-name")])
    assert finding.facts["sees"] == 0
    assert "name of a kernel thread" in finding.note


def test_a_process_without_oddities_or_packet_sockets_is_nothing(workspace: Workspace) -> None:
    put(workspace, "changes", [seen("sshd", "")])
    assert found(workspace, DETECTION) == []


def test_a_socket_that_nobody_owns_is_told(workspace: Workspace) -> None:
    row = {"kind": "socket-opened", "name": "no-owner", "rule_text": "packet socket", "host": "srv1"}
    finding = only(workspace, [*ss("knockd"), row][-1:])
    assert finding.facts["hidden"]
    assert finding.note.startswith("A process that cannot be found")


def test_nameless_sockets_say_nothing_beside_named_ones(workspace: Workspace) -> None:
    nameless = {
        "kind": "socket-opened",
        "rule_text": "00000000c04f9d35 3 3 0003 2 1 0 0 143093",
        "host": "srv1",
    }
    put(workspace, "changes", [*ss("dhclient", DHCP), nameless])
    assert [finding.door_name for finding in found(workspace, DETECTION)] == []


@pytest.mark.parametrize(
    ("text", "name", "trace"),
    [
        ("12: xdp  name xdp_ingress  tag 8a8c2a1d3f4b5c6d  gpl", "xdp_ingress", True),
        ("13: sched_cls  name my_filter  tag 8a8c2a1d3f4b5c6d  gpl", "my_filter", False),
        ("tc eth0(2) clsact/egress tc_egress id 15", "tc_egress", True),
        ("xdp eth0(2) driver id 198", "unnamed xdp", False),
    ],
)
def test_bpf_programs_are_named(workspace: Workspace, text: str, name: str, trace: bool) -> None:
    finding = only(workspace, [{"kind": "filter-attached", "rule_text": text, "host": "srv1"}])
    assert (finding.door_name, "trace" in finding.facts) == (name, trace)


def test_where_a_program_is_attached_is_told_with_its_name(workspace: Workspace) -> None:
    texts = ("12: xdp  name mine  tag 8a8c2a1d3f4b5c6d  gpl", "xdp eth0(2) generic id 12")
    finding = only(workspace, [{"kind": "filter-attached", "rule_text": text} for text in texts])
    assert (finding.door_name, len(finding.pointers)) == ("mine", 2)


def test_bpf_programs_of_network_software_are_nothing(workspace: Workspace) -> None:
    text = "14: sched_cls  name cil_from_netdev  tag 8a8c2a1d3f4b5c6d  gpl"
    put(workspace, "changes", [{"kind": "filter-attached", "rule_text": text}])
    assert found(workspace, DETECTION) == []


def test_an_implants_file_is_named(workspace: Workspace) -> None:
    rows = [
        {"kind": "file-seen", "rule_text": path} for path in ("/var/run/haldrund.pid", "/var/run/sshd.pid")
    ]
    finding = only(workspace, rows)
    assert "BPFDoor" in finding.note
