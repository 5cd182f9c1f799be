"""Cisco's message texts, as its message guides print them."""

from typing import Any

import polars as pl
import pytest

from knockwatch.sources._cisco_messages import from_messages


def read(message: str | None) -> dict[str, Any]:
    row = from_messages(pl.Series([message], dtype=pl.String)).row(0, named=True)
    return {name: value for name, value in row.items() if value is not None}


OUT = {"source_ip": "192.0.2.4", "source_port": 5, "destination_ip": "203.0.113.9", "destination_port": 80}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            '%ASA-4-106023: Deny tcp src outside:192.0.2.4/5 dst inside:203.0.113.9/80 by access-group "in" [0x0, 0x0]',
            {**OUT, "protocol": "tcp", "rule": "in"},
        ),
        (
            'Deny tcp src outside:192.0.2.4/5(LOCAL\\bob) dst inside:203.0.113.9/80 by access-group "in"',
            {**OUT, "protocol": "tcp", "rule": "in"},
        ),
        (
            'Deny icmp src outside:192.0.2.4 dst inside:203.0.113.9 (type 8, code 0) by access-group "in"',
            {
                "source_ip": "192.0.2.4",
                "destination_ip": "203.0.113.9",
                "protocol": "icmp",
                "icmp_type": 8,
                "icmp_code": 0,
                "rule": "in",
            },
        ),
        (
            "Inbound TCP connection denied from 192.0.2.4/5 to 203.0.113.9/80 flags SYN  on interface outside",
            {**OUT, "protocol": "tcp", "tcp_flags": "SYN"},
        ),
        (
            "Deny inbound UDP from 192.0.2.4/5 to 203.0.113.9/80 on interface outside",
            {**OUT, "protocol": "udp"},
        ),
        (
            "Deny TCP (no connection) from 192.0.2.4/5 to 203.0.113.9/80 flags FIN ACK  on interface outside",
            {**OUT, "protocol": "tcp", "tcp_flags": "ACK,FIN"},
        ),
        (
            "Deny IP spoof from (192.0.2.4) to 203.0.113.9 on interface outside",
            {"source_ip": "192.0.2.4", "destination_ip": "203.0.113.9"},
        ),
        (
            "access-list in denied tcp outside/192.0.2.4(5) -> inside/203.0.113.9(80) hit-cnt 1 first hit [0x0, 0x0]",
            {**OUT, "protocol": "tcp", "rule": "in"},
        ),
        (
            "TCP access denied by ACL from 192.0.2.4/5 to outside:203.0.113.9/80",
            {**OUT, "protocol": "tcp"},
        ),
        (
            "UDP request discarded from 192.0.2.4/5 to outside:203.0.113.9/80",
            {**OUT, "protocol": "udp"},
        ),
        (
            "Built inbound TCP connection 7 for out:192.0.2.4/5 (192.0.2.4/5) to in:203.0.113.9/80 (10.0.0.9/80)",
            {**OUT, "protocol": "tcp"},
        ),
        (
            "Built outbound TCP connection 7 for out:203.0.113.9/80 (203.0.113.9/80) to in:192.0.2.4/5 (10.0.0.9/5)",
            {**OUT, "protocol": "tcp"},
        ),
        (
            "Built inbound ICMP connection for faddr 192.0.2.4/0 gaddr 203.0.113.9/0 laddr 203.0.113.9/0 type 8 code 0",
            {
                "source_ip": "192.0.2.4",
                "destination_ip": "203.0.113.9",
                "protocol": "icmp",
                "icmp_type": 8,
                "icmp_code": 0,
            },
        ),
        (
            "Teardown TCP connection 7 for out:203.0.113.9/80 to in:192.0.2.4/5000 duration 0:01:05 bytes 412 TCP FINs",
            {**OUT, "source_port": 5000, "protocol": "tcp", "duration_us": 65_000_000, "bytes": 412},
        ),
        (
            'Deny tcp src outside:2001:db8::1/5 dst inside:2001:db8:0::2/80 by access-group "in"',
            {
                "source_ip": "2001:db8::1",
                "source_port": 5,
                "destination_ip": "2001:db8::2",
                "destination_port": 80,
                "protocol": "tcp",
                "rule": "in",
            },
        ),
        (
            (
                "EventPriority: Low, SrcIP: 192.0.2.4, DstIP: 203.0.113.9, SrcPort: 5, DstPort: 80, "
                "Protocol: tcp, AccessControlRuleAction: Block, AccessControlRuleName: deny all"
            ),
            {**OUT, "protocol": "tcp", "rule": "deny all"},
        ),
        ("Login permitted", {}),
        (None, {}),
    ],
)
def test_a_message_is_read(message: str | None, expected: dict[str, Any]) -> None:
    assert read(message) == expected
