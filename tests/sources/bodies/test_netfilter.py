"""Netfilter lines, as kernels, UFW, UniFi and ulogd really write them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.clock import Clock
from knockwatch.config import EvidenceSettings, NetfilterSettings
from knockwatch.evidence import Evidence
from knockwatch.ingest import Workspace, ingest
from knockwatch.sources import Batch, Reading
from knockwatch.sources.bodies.netfilter import BODY, any_lines, usual_lines, words
from knockwatch.tables import OUTCOMES

TCP = (
    "SRC=198.51.100.10 DST=203.0.113.10 LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID=6255 DF PROTO=TCP SPT=57292 "
    "DPT=7000 WINDOW=64240 RES=0x00 SYN URGP=0 "
)
MAC = "MAC=aa:06:a8:ab:79:4c:76:df:0e:20:04:24:08:00"


def read(*messages: str, settings: EvidenceSettings | None = None) -> Batch:
    frame = pl.DataFrame(
        {
            "line": range(1, len(messages) + 1),
            "time_us": [0] * len(messages),
            "time": ["Jan  1 00:00:00"] * len(messages),
            "host": ["srv1"] * len(messages),
            "program": ["kernel"] * len(messages),
            "message": messages,
        }
    )
    clock = Clock(newest=datetime(2026, 11, 22, tzinfo=UTC))
    reading = Reading(Evidence(0, Path("x"), "x"), clock, settings or EvidenceSettings())
    mine = frame.filter(BODY.belongs())
    assert mine.height == frame.height
    return BODY.read(mine, reading)


def row(message: str, **settings: Any) -> dict[str, Any]:
    batch = read(message, **settings)
    assert batch.misfits is not None
    assert batch.misfits.is_empty()
    return batch.tables["connections"].row(0, named=True)


def misfit(message: str) -> bool:
    batch = read(message)
    assert batch.misfits is not None
    return batch.misfits.height == 1 and batch.tables["connections"].is_empty()


def test_a_dropped_syn_is_a_denied_connection() -> None:
    found = row(f"[ 1261.909192] IPT-DROP: IN=eth0 OUT= {MAC} {TCP}")
    expected = {
        "clock_us": 1_261_909_192,
        "source_ip": "198.51.100.10",
        "source_port": 57292,
        "destination_ip": "203.0.113.10",
        "destination_port": 7000,
        "protocol": "tcp",
        "tcp_flags": "SYN",
        "outcome": "denied",
        "action": "DROP",
        "packet_length": 60,
        "ttl": 63,
        "ip_id": 6255,
        "tcp_window": 64240,
        "forwarded": False,
        "sensor": "srv1",
        "rule": "IPT-DROP:",
    }
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("prefix", "outcome", "action"),
    [
        ("[UFW BLOCK] ", "denied", "BLOCK"),
        ("[UFW LIMIT BLOCK] ", "denied", "BLOCK"),
        ("[UFW ALLOW] ", "accepted", "ALLOW"),
        ("[UFW AUDIT] ", "unknown", "AUDIT"),
        ("IPTABLES:BLOCKED-CONN: ", "denied", "BLOCKED"),
        ("EDGE-ACCEPT: ", "accepted", "ACCEPT"),
        ("Shorewall:net2fw:DROP:", "denied", "DROP"),
        ("FINAL_REJECT: ", "refused", "REJECT"),
        ("Firewall: *TCP_IN Blocked* ", "denied", "Blocked"),
        ("Successful portknock: ", "unknown", None),
        ("", "unknown", None),
        ('[WAN_LOCAL-D-2147483647] DESCR="[WAN_LOCAL]Block All Traffic" ', "denied", "D"),
        ('[WAN_LOCAL-A-2147483647] DESCR="[WAN_LOCAL]Block All Traffic" ', "accepted", "A"),
        ("[WAN_LOCAL-default-D]", "denied", "D"),
        ("[WAN_IN-2000-A]", "accepted", "A"),
        ('[LAN_IN-RET-20000] DESCR="Block LAN in Monitoring" ', "denied", "Block"),
        ("[LAN_IN-RET-20000] ", "unknown", None),
        ("Firewall: *ICMP6IN Blocked* ", "denied", "Blocked"),
        ("Firewall: *CC_DENY* ", "denied", "DENY"),
        ("Firewall: *BLOCK_LIST* ", "denied", "BLOCK"),
        ("Firewall: *Port Flood* ", "denied", "Flood"),
        ("Firewall: *ConnLimit* ", "refused", "ConnLimit"),
    ],
)
def test_the_prefix_says_the_outcome(prefix: str, outcome: str, action: str | None) -> None:
    found = row(f"[486938.910000] {prefix}IN=eth1 OUT= {MAC} {TCP}")
    assert (found["outcome"], found["action"]) == (outcome, action)


def test_a_site_says_what_its_own_prefixes_mean() -> None:
    settings = EvidenceSettings(netfilter=NetfilterSettings(prefixes={"PORTKNOCK": "denied"}))
    found = row(f"Successful portknock: IN=eth0 OUT= {TCP}", settings=settings)
    assert (found["outcome"], found["action"]) == ("denied", "PORTKNOCK")


def test_ipv6_is_spelled_short_and_has_a_hop_limit() -> None:
    found = row(
        f"[ 2878.852879] IP6T-DROP: IN=eth0 OUT= {MAC} SRC=2001:0db8:000a:0000:0000:0000:0000:0010 "
        "DST=2001:0db8:0005:0000:0000:0000:0000:0010 LEN=80 TC=0 HOPLIMIT=63 FLOWLBL=684984 PROTO=TCP "
        "SPT=35228 DPT=7000 WINDOW=64800 RES=0x00 SYN URGP=0 "
    )
    assert (found["source_ip"], found["destination_ip"]) == ("2001:db8:a::10", "2001:db8:5::10")
    assert (found["ttl"], found["destination_port"]) == (63, 7000)


def test_icmp_has_type_and_code_and_no_ports() -> None:
    found = row(
        f"[ 2891.692661] IPT-ACCEPT: IN=eth0 OUT= {MAC} SRC=198.18.7.18 DST=203.0.113.10 LEN=40 TOS=0x00 "
        "PREC=0x00 TTL=63 ID=44640 PROTO=ICMP TYPE=8 CODE=0 ID=23283 SEQ=1 "
    )
    assert (found["protocol"], found["icmp_type"], found["icmp_code"]) == ("icmp", 8, 0)
    assert (found["source_port"], found["ip_id"], found["payload_length"]) == (None, 44640, 12)
    assert found["tcp_seq"] is None


def test_udp_has_a_payload_length() -> None:
    found = row(
        f"[ 2911.292633] IPT-DROP: IN=eth0 OUT= {MAC} SRC=198.51.100.33 DST=203.0.113.10 LEN=253 TOS=0x00 "
        "PREC=0x00 TTL=63 ID=28770 DF PROTO=UDP SPT=43344 DPT=62201 LEN=233 "
    )
    assert (found["packet_length"], found["payload_length"]) == (253, 225)


def test_a_packet_quoted_in_an_icmp_error_is_not_the_one_logged() -> None:
    """Trap 8: iptables ICMP errors embed a second packet in brackets."""
    found = row(
        "[1.000000] IPT-DROP: IN=eth0 OUT= SRC=192.0.2.1 DST=203.0.113.10 LEN=88 TOS=0x00 PREC=0xC0 TTL=64 "
        "ID=1 PROTO=ICMP TYPE=3 CODE=3 [SRC=203.0.113.10 DST=192.0.2.1 LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID=2 "
        "DF PROTO=TCP SPT=1 DPT=2 WINDOW=3 RES=0x00 SYN URGP=0 ] "
    )
    assert (found["source_ip"], found["protocol"]) == ("192.0.2.1", "icmp")
    assert (found["source_port"], found["destination_port"], found["tcp_flags"]) == (None,) * 3


@pytest.mark.parametrize(
    "message",
    [
        f"[ 1.5] DROP: IN=eth0 OUT= {MAC} SRC=198.51.100.10 DS",
        f"[ 1.5] DROP: IN=eth0 OUT= {MAC} SRC=198.51.100.10 DST=203.0.113.10 LEN=60 PROTO=TCP SPT=572",
        f"[ 1.5] DROP: IN=eth0 OUT= {MAC} {TCP}".partition("00 WINDOW")[0],
        f"[ 1.5] DROP: IN=eth0 OUT= {MAC} {TCP}".replace("DPT=7000", "DPT=70000"),
        f"[ 1.5] DROP: IN=eth0 OUT= {MAC} {TCP}".replace("203.0.113.10", "303.0.113.10"),
        f"[ 1.5] DROP: IN=eth0 OUT= {MAC} {TCP}".replace("DPT=7000", "DPT=99999999999999999999"),
    ],
)
def test_a_line_that_is_cut_or_impossible_is_counted(message: str) -> None:
    """Trap 8: lines can be cut at either end; and a port 70000 or an address that is none."""
    assert misfit(message)


def test_a_later_fragment_has_no_ports_and_is_kept() -> None:
    found = row(
        "[1.000000] DROP: IN=eth0 OUT= SRC=192.0.2.1 DST=203.0.113.10 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=7 "
        "FRAG:185 PROTO=UDP "
    )
    assert (found["protocol"], found["destination_port"]) == ("udp", None)


def test_a_stamp_orders_a_burst_within_one_second() -> None:
    """Trap 11: packets of one burst share a syslog time; the kernel's uptime stamp orders them."""
    batch = read(*(f"[ 2719.{fraction}] IPT-DROP: IN=eth0 OUT= {TCP}" for fraction in ("233649", "534272")))
    assert batch.tables["connections"]["clock_us"].to_list() == [2_719_233_649, 2_719_534_272]


def test_an_edge_forwards() -> None:
    assert row(f"[1.000000] EDGE-ACCEPT: IN=to-admin OUT=br0 {MAC} {TCP}")["forwarded"] is True


def test_logemu_writes_sequence_numbers() -> None:
    found = row(
        "IPT-DROP:  IN=eth0 OUT= SRC=198.51.100.10 DST=203.0.113.10 LEN=60 TOS=00 PREC=0x00 TTL=63 ID=6255 DF "
        "PROTO=TCP SPT=57292 DPT=7000 SEQ=1948542439 ACK=0 WINDOW=64240 SYN URGP=0 MARK=0x0 "
    )
    assert (found["tcp_seq"], found["tcp_ack"], found["tcp_flags"]) == (1948542439, 0, "SYN")


def test_backscatter_keeps_its_flags(corpus: Path, workspace: Workspace) -> None:
    """Traps 8 and 14: real SYN-ACK backscatter; the last line has no newline."""
    ingest([str(corpus / "public/dunneja-py-fw-log/iptables.log")], EvidenceSettings(), workspace)
    rows = pl.concat(pl.read_parquet(path) for path in workspace.files("connections"))
    assert workspace.summaries[0].not_understood == 0
    assert rows.height == 1182
    assert rows.filter(pl.col("tcp_flags") == "SYN,ACK").height > 1000


def test_real_scans_are_read_whole(corpus: Path, workspace: Workspace) -> None:
    samples = corpus / "public/crowdsec-hub/.tests"
    ingest(
        [str(samples / "iptables-scan-multi-port/iptables-scan-multi-port.log")],
        EvidenceSettings(),
        workspace,
    )
    rows = pl.concat(pl.read_parquet(path) for path in workspace.files("connections"))
    scanner = rows.filter(pl.col("source_ip") == "62.34.17.168")
    assert workspace.summaries[0].lines == rows.height == 49
    assert scanner["destination_port"].n_unique() == 17
    assert scanner["outcome"].unique().to_list() == ["unknown"]


def test_every_known_word_stands_for_an_outcome() -> None:
    assert set(words().values()) <= set(OUTCOMES)


pieces = st.sampled_from(
    [
        "[ 12.345678] ",
        "IPT-DROP: ",
        "[UFW BLOCK] ",
        "é ",
        "IN=eth0 ",
        "IN= ",
        "OUT=br0 ",
        "OUT= ",
        "SRC=198.51.100.10 ",
        "DST=203.0.113.10 ",
        "60 ",
        "LEN=60 ",
        "TOS=0x00 ",
        "PREC=0x00 ",
        "TTL=63 ",
        "ID=7 ",
        "DF ",
        "PROTO=TCP ",
        "PROTO=UDP ",
        "SPT=1 ",
        "DPT=70000 ",
        "DPT=22 ",
        "WINDOW=64240 ",
        "LEN=20 ",
        "RES=0x00 ",
        "SYN ",
        "URGP=0 ",
    ]
)
WHOLE = tuple(f"IN=eth0 OUT= MAC=aa {TCP}".split(" "))


@given(
    st.lists(
        st.one_of(
            st.lists(pieces, max_size=30).map("".join),
            st.tuples(st.integers(0, len(WHOLE)), st.sampled_from([*WHOLE, "", "X", "[SRC=1"])).map(
                lambda change: " ".join((*WHOLE[: change[0]], change[1], *WHOLE[change[0] + 1 :]))
            ),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_the_fast_way_and_the_general_way_read_the_same(messages: list[str]) -> None:
    frame = pl.DataFrame(
        {
            "line": range(len(messages)),
            "time_us": [0] * len(messages),
            "time": [""] * len(messages),
            "host": ["h"] * len(messages),
            "message": messages,
        }
    )
    frame = frame.filter(BODY.belongs())
    fast = usual_lines(frame)
    if fast is not None:
        general = any_lines(frame).filter(pl.col("line").is_in(fast["line"].implode()))
        assert fast.rows(named=True) == general.select(fast.columns).rows(named=True)


def test_a_log_that_ufw_limits_is_said_to_be_incomplete(data: Path, workspace: Workspace) -> None:
    """Trap 10: rate-limited logs cannot show whole sequences."""
    ingest([str(data / "lab/evidence/srv3-syslog.iso.log")], EvidenceSettings(), workspace)
    assert [problem for problem in workspace.summaries[0].problems if "may be incomplete" in problem]


def test_a_rule_in_place_of_the_program_says_the_outcome() -> None:
    """Trap 7: UniFi 10 writes RFC 5424, whose readers take its rule in brackets for structured data."""
    message = f'DESCR="[WAN_LOCAL]Block All Traffic" IN=eth8 OUT= {MAC} {TCP}'
    frame = pl.DataFrame(
        {
            "line": [1, 2],
            "time_us": [0, 0],
            "time": [""] * 2,
            "host": ["gw"] * 2,
            "program": ["WAN_LOCAL-A-2147483647", "kernel"],
            "message": [message] * 2,
        }
    )
    reading = Reading(Evidence(0, Path("x"), "x"), Clock(), EvidenceSettings())

    rows = BODY.read(frame, reading).tables["connections"]

    assert rows["outcome"].to_list() == ["accepted", "denied"]
