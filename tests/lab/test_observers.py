"""What observers write: kernel lines go to the host whose firewall wrote them, and captures are read for the truth."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from knockwatch.lab import firewalls
from knockwatch.lab.doors import build
from knockwatch.lab.doors.knockd import configuration
from knockwatch.lab.network import mac, owners
from knockwatch.lab.packets import parse, read
from knockwatch.lab.plan import Plan
from knockwatch.lab.syslog import owner, rendered

RECORD = (
    "4,1234,1261909192,-;IPT-DROP: IN=eth0 OUT= MAC={mac}:02:6b:77:00:02:01:08:00 SRC=198.51.100.10 DST=203.0.113.10 "
    "LEN=60 PROTO=TCP SPT=57292 DPT=7000 SYN URGP=0 \n SUBSYSTEM=x\n"
)


def test_a_kernel_record_is_written_as_rsyslog_writes_it() -> None:
    line = rendered(RECORD.format(mac=mac(0, 4)))
    assert line is not None
    assert line.startswith("kernel: [ 1261.909192] IPT-DROP: IN=eth0 OUT= MAC=02:6b:77:00:00:04:")
    assert "SUBSYSTEM" not in line


def test_the_mac_tells_whose_firewall_wrote_a_line(plan: Plan) -> None:
    macs = owners(plan)
    numbers = {name: number for number, name in enumerate(plan.hosts)}
    for name, side in (("srv1", 0), ("srv3", 0)):
        assert owner(rendered(RECORD.format(mac=mac(side, numbers[name]))) or "", macs) == name
    assert owner(rendered(RECORD.format(mac=mac(1, numbers["admin"]))) or "", macs) == "router"
    assert owner(rendered(RECORD.format(mac="52:54:00:00:00:01")) or "", macs) is None
    assert owner("kernel: [    1.000000] br0: entered promiscuous mode", macs) == "kernel"
    assert owner("kernel: [    1.000000] eth0: link becomes ready", macs) is None


@given(st.binary(min_size=16, max_size=120))
def test_no_capture_upsets_the_reader(frame: bytes) -> None:
    head = b"\xd4\xc3\xb2\xa1" + b"\0" * 16 + b"\1\0\0\0" + b"\0" * 8 + len(frame).to_bytes(4, "little") * 2
    for kind in (b"\x08\x00\x45", b"\x86\xdd\x60"):
        list(parse(head + frame[:12] + kind + frame[15:]))


def test_a_real_capture_says_who_asked_and_who_was_let_in(corpus: Path) -> None:
    packets = list(read(corpus / "lab-a" / "pcap" / "a1.pcap"))
    assert [packet.step for packet in packets if packet.asks] == [
        "tcp/7000",
        "tcp/8000",
        "tcp/9000",
        "tcp/22",
    ]
    assert [packet.destination for packet in packets if packet.answers] == ["198.51.100.10"]


def test_the_knockd_configuration_is_its_own_language(plan: Plan, tmp_path: Path) -> None:
    host = plan.hosts["srv1"]
    text = configuration(host, [plan.doors["knockd mixedSSH"]], tmp_path)
    assert "[mixedSSH]" in text
    assert "sequence = 2222:udp,3333,4444:udp" in text
    assert "iptables -A KNOCKD -s %IP% -p tcp --dport 2200 -j LOGACC" in text
    assert "UseSyslog" not in text


def test_a_wrong_port_starts_a_recent_chain_over(plan: Plan, tmp_path: Path) -> None:
    host = plan.hosts["srv1"]
    rules = firewalls.iptables(host, build(host, [plan.doors["iptables recent"]], tmp_path), 4)
    assert (
        "-A RECENT0 -p tcp --dport 9991 -m recent --rcheck --seconds 15 --name RECENT0_1 -j RECENT0_STAGE2"
        in rules
    )
    assert "-A RECENT0 -p tcp -m recent --name RECENT0_1 --remove -j LOGDROP" in rules
    assert rules.endswith("-A INPUT -j LOGDROP\nCOMMIT\n")
