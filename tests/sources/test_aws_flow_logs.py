"""AWS VPC Flow Logs as text."""

from pathlib import Path

import pytest

from knockwatch.sources.aws_flow_logs import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

VENDOR = SAMPLES / "aws-flow-logs"
LINE = "2 123456789010 eni-1235b8ca123456789 {} {} {} {} 6 {} {} 1418530010 1418530070 {} OK\n"


def _flow(
    source: str = "198.51.100.10:40000",
    *,
    back: bool = False,
    packets: int = 1,
    size: int = 60,
    word: str = "ACCEPT",
) -> str:
    (ip, port), (to_ip, to_port) = source.split(":"), ("172.31.16.21", "22")
    ends = (to_ip, ip, to_port, port) if back else (ip, to_ip, port, to_port)
    return LINE.format(*ends, packets, packets * size, word)


def test_the_default_format_is_read() -> None:
    rows = read(SOURCE, VENDOR / "default.log").rows("connections")

    assert [(row["line"], row["source_ip"], row["outcome"], row["forwarded"]) for row in rows] == [
        (1, "172.31.16.139", "accepted", True),
        (2, "172.31.9.69", "denied", None),
        (4, "203.0.113.12", "denied", None),
        (6, "2001:db8:1234:a100:8d6e:3477:df66:f105", "accepted", True),
    ]
    assert (rows[0]["time_us"], rows[0]["sensor"]) == (1_418_530_010_000_000, "eni-1235b8ca123456789")
    assert (rows[1]["destination_port"], rows[1]["action"]) == (3389, "REJECT")


def test_a_ping_whose_answer_is_rejected_was_denied() -> None:
    """A stateless network ACL rejects the answer: the vendor's own example."""
    row = read(SOURCE, VENDOR / "default.log").rows("connections")[2]

    assert (row["protocol"], row["packets_sent"], row["packets_received"]) == ("icmp", 4, 4)
    assert (row["action"], row["icmp_type"], row["source_port"]) == ("REJECT", None, None)


def test_both_directions_and_all_windows_are_one_row() -> None:
    rows = read(SOURCE, VENDOR / "version3.log").rows("connections")

    assert [
        (row["source_port"], row["outcome"], row["packets_sent"], row["packets_received"]) for row in rows
    ] == [
        (43416, "accepted", 8, 7),
        (43418, "accepted", 70 + 15774, 12 + 1219),
        (43638, "accepted", 17, 14),
    ]
    assert {row["destination_port"] for row in rows} == {5001}
    assert {row["forwarded"] for row in rows} == {None}


def test_the_answer_may_stand_first() -> None:
    (row,) = read(SOURCE, VENDOR / "version5.log").rows("connections")

    assert (row["source_ip"], row["destination_port"], row["line"]) == ("10.0.0.71", 80, 2)


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        ([_flow()], "unanswered"),
        ([_flow(), _flow(back=True)], "accepted"),
        ([_flow(), _flow(back=True, size=40)], "refused"),
        ([_flow(word="REJECT")], "denied"),
        ([_flow(packets=20, size=200), _flow(back=True, packets=18, size=300)], "accepted"),
    ],
)
def test_an_accept_is_no_answer_by_itself(tmp_path: Path, lines: list[str], outcome: str) -> None:
    rows = read_text(SOURCE, tmp_path, "".join(lines)).rows("connections")

    assert [(row["source_ip"], row["outcome"], row["forwarded"]) for row in rows] == [
        ("198.51.100.10", outcome, None)
    ]


def test_a_late_packet_that_is_rejected_is_no_syn(tmp_path: Path) -> None:
    """Trap 14. AWS tells SYN, FIN and RST: what has none of them is an ACK."""
    header = "version srcaddr dstaddr srcport dstport protocol packets bytes start end action tcp-flags log-status\n"
    flow = "3 192.0.2.9 172.31.16.21 443 50000 6 1 40 1418530010 1418530070 REJECT {} OK\n"
    rows = read_text(SOURCE, tmp_path, header + "".join(flow.format(flags) for flags in (0, 4))).rows(
        "connections"
    )
    (merged,) = rows

    assert (merged["outcome"], merged["tcp_flags"], merged["packets_sent"]) == ("denied", "RST", 2)
    (alone,) = read_text(SOURCE, tmp_path, header + flow.format(0)).rows("connections")
    assert (alone["outcome"], alone["tcp_flags"]) == ("denied", "ACK")


def test_the_addresses_on_the_packet_count(tmp_path: Path) -> None:
    """Behind a transit gateway, srcaddr is the gateway's."""
    text = (
        "version interface-id account-id vpc-id subnet-id instance-id srcaddr dstaddr srcport dstport protocol "
        "tcp-flags type pkt-srcaddr pkt-dstaddr action log-status\n"
        "3 eni-11111111111111111 123456789010 vpc-abcdefab012345678 subnet-11111111aaaaaaaaa - 10.40.1.175 10.40.2.236 "
        "39812 80 6 3 IPv4 10.20.33.164 10.40.2.236 ACCEPT OK\n"
    )
    (row,) = read_text(SOURCE, tmp_path, text).rows("connections")

    assert (row["source_ip"], row["destination_ip"], row["time_us"]) == ("10.20.33.164", "10.40.2.236", None)


def test_windows_without_records_are_said(tmp_path: Path) -> None:
    empty = "2 123456789010 eni-11111111aaaaaaaaa - - - - - - - 1431280876 1431280934 - {}\n"
    found = read_text(SOURCE, tmp_path, _flow() + empty.format("NODATA") + empty.format("SKIPDATA"))

    assert found.misfits.is_empty()
    assert len(found.rows("connections")) == 1
    assert "skipped records in 1 capture windows" in found.problems[0]


def test_files_put_one_behind_the_other_and_exports_are_read(tmp_path: Path) -> None:
    twice = (VENDOR / "version3.log").read_text() * 2
    stamped = "".join(f"2014-12-14T04:06:50.000Z {line}" for line in (_flow(), _flow(word="REJECT")))
    quoted = (
        '"account_id","srcaddr","dstaddr","srcport","dstport","protocol","action","start"\n'
        '"1","192.0.2.1","192.0.2.2","1","2","6","REJECT","1418530010"\n'
    )

    for text, count in ((twice, 3), (stamped, 1), (quoted, 1)):
        found = read_text(SOURCE, tmp_path, text)
        assert SOURCE.confidence(head_of(tmp_path / "evidence")) > 0.9
        assert found.misfits.is_empty()
        assert len(found.rows("connections")) == count


@pytest.mark.parametrize("damage", [("172.31.9.69", "172.31.9"), (" 3389 ", " 70000 "), (" OK", "")])
def test_a_damaged_line_is_counted(tmp_path: Path, damage: tuple[str, str]) -> None:
    lines = (VENDOR / "default.log").read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace(*damage)
    found = read_text(SOURCE, tmp_path, "".join(lines))

    assert found.misfits["line"].to_list() == [2]
    assert len(found.rows("connections")) == 3
