"""tshark's JSON."""

import json
from pathlib import Path

import pytest

from knockwatch.sources import pcap
from knockwatch.sources.tshark_json import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

LAB = SAMPLES / "tshark-json"
SPA = ("203.0.113.10", 62201, "udp", "unanswered", 225)


def _told(name: str) -> list[tuple[object, ...]]:
    columns = ("destination_ip", "destination_port", "protocol", "outcome", "payload_length")
    return [tuple(row[column] for column in columns) for row in read(SOURCE, LAB / name).rows("connections")]


def test_whole_dissections_are_read() -> None:
    assert _told("a2.json") == [
        ("203.0.113.10", 2222, "udp", "unanswered", 1),
        ("203.0.113.10", 3333, "tcp", "unanswered", 0),
    ]


@pytest.mark.parametrize("name", ["h1-chosen.json", "h1.ek.json"])
def test_chosen_fields_and_ek_are_read(name: str) -> None:
    assert _told(name)[0] == SPA


def test_the_payload_is_described() -> None:
    row = read(SOURCE, LAB / "h1-chosen.json").rows("connections")[0]

    assert (row["payload_alphabet"], row["ttl"], row["packet_length"]) == ("base64", 63, 253)
    assert row["payload_head"][:2] in ("38", "39", "2b", "2f")


def test_an_error_quotes_the_packet_it_is_about(tmp_path: Path) -> None:
    knock = {
        "ip": {"ip.src": "192.0.2.1", "ip.dst": "192.0.2.2"},
        "udp": {"udp.srcport": "4000", "udp.dstport": "5000"},
    }
    error = {
        "frame": {"frame.time_epoch": "1795346618.2"},
        "ip": {"ip.src": "192.0.2.2", "ip.dst": "192.0.2.1"},
        "icmp": {"icmp.type": "3", "icmp.code": "3", **knock},
    }
    layers = [{"frame": {"frame.time_epoch": "1795346618.1"}, **knock}, error]
    found = read_text(SOURCE, tmp_path, json.dumps([{"_source": {"layers": layer}} for layer in layers]))

    assert [(row["source_ip"], row["outcome"]) for row in found.rows("connections")] == [
        ("192.0.2.1", "refused")
    ]


def test_other_json_is_not_claimed_and_counted(tmp_path: Path) -> None:
    found = read_text(
        SOURCE, tmp_path, json.dumps([{"a": 1}, {"_source": {"layers": {"ip": {"ip.src": "x"}}}}])
    )

    assert SOURCE.confidence(head_of(tmp_path / "evidence")) == 0.0
    assert found.misfits["line"].to_list() == [1]


@pytest.mark.corpus
def test_it_says_what_the_packets_say(corpus: Path) -> None:
    rows = read(SOURCE, corpus / "lab-a" / "tshark" / "a1.json").tables["connections"]
    packets = read(pcap.SOURCE, corpus / "lab-a" / "pcap" / "a1.pcap").tables["connections"]
    begun = packets.filter(packets["outcome"] == "unanswered")

    # The export holds the capture's first five packets.
    assert rows.filter(rows["outcome"] == "unanswered").drop("line").equals(begun.drop("line"))
    assert rows.height == 4
