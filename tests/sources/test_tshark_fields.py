"""Packet fields of tshark, and Wireshark's packet list."""

from pathlib import Path

import polars as pl
import pytest

from knockwatch.sources import pcap
from knockwatch.sources.tshark_fields import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

LAB = SAMPLES / "tshark-fields"
HEADER = (
    "frame.time_epoch\tip.src\tip.dst\ttcp.srcport\ttcp.dstport\ttcp.flags\tudp.srcport\tudp.dstport\tudp.length\t"
    "icmp.type\ticmp.code\n"
)
KNOCK = "1795346618.1\t192.0.2.1\t192.0.2.2\t\t\t\t4000\t5000\t9\t\t\n"
LIST = '"No.","Time","Source","Destination","Protocol","Length","Info"\n'


def test_packets_become_connections() -> None:
    rows = read(SOURCE, LAB / "a2.tsv").rows("connections")

    assert [(row["protocol"], row["destination_port"], row["outcome"]) for row in rows] == [
        ("udp", 2222, "unanswered"),
        ("tcp", 3333, "unanswered"),
        ("udp", 4444, "unanswered"),
        ("tcp", 2200, "accepted"),
    ]
    assert (rows[1]["line"], rows[1]["time_us"], rows[1]["ttl"]) == (3, 1_795_346_622_982_606, 63)
    assert (rows[1]["tcp_flags"], rows[1]["tcp_window"]) == ("SYN", 64240)


def test_what_was_not_exported_is_unknown() -> None:
    """A relative sequence number is none, nothing tells the payload, and a frame's length tells a packet's only of a
    link that is Ethernet.
    """
    row = read(SOURCE, LAB / "a2.tsv").rows("connections")[0]

    assert row["bytes_sent"] == 29
    assert [row[name] for name in ("packet_length", "payload_length", "tcp_seq", "icmp_code")] == [None] * 4


def test_an_unreachable_port_is_refused(tmp_path: Path) -> None:
    """An ICMP error quotes a packet: its fields come after those of the error."""
    error = "1795346618.2\t192.0.2.2,192.0.2.1\t192.0.2.1,192.0.2.2\t\t\t\t4000\t5000\t9\t3\t{}\n"
    port = read_text(SOURCE, tmp_path, HEADER + KNOCK + error.format(3)).rows("connections")
    large = read_text(SOURCE, tmp_path, HEADER + KNOCK + error.format(4)).rows("connections")

    assert [(row["outcome"], row["payload_length"]) for row in port] == [("refused", 1)]
    assert [row["outcome"] for row in large] == ["unanswered"]


def test_payloads_are_described(tmp_path: Path) -> None:
    header = "frame.time_epoch,ip.src,ip.dst,udp.srcport,udp.dstport,udp.length,udp.payload\n"
    found = read_text(
        SOURCE,
        tmp_path,
        header + '1795346618.1,192.0.2.1,192.0.2.2,4000,62201,18,"38:39:2b:2f:41:42:43:44:45:46"\n',
    )
    (row,) = found.rows("connections")

    assert (row["payload_length"], row["payload_alphabet"]) == (10, "base64")
    assert row["payload_head"] == "38392b2f414243444546"


@pytest.mark.parametrize("arrow", ["→", " > "])
def test_the_packet_list_of_wireshark_is_read(tmp_path: Path, arrow: str) -> None:
    text = (LAB / "packet-list.csv").read_text().replace("→", arrow)
    rows = read_text(SOURCE, tmp_path, text).rows("connections")

    assert [(row["protocol"], row["destination_port"], row["outcome"]) for row in rows] == [
        ("udp", 2222, "unanswered"),
        ("tcp", 3333, "unanswered"),
        ("udp", 4444, "unanswered"),
        ("tcp", 2200, "accepted"),
        ("icmp", None, "accepted"),
        ("tcp", 2022, "unanswered"),
    ]
    assert rows[0]["time_us"] == 1_795_346_622_682_199
    assert (rows[0]["payload_length"], rows[4]["icmp_type"]) == (1, 8)


def test_a_time_counted_from_the_begin_of_the_capture_is_none(tmp_path: Path) -> None:
    (row,) = read_text(
        SOURCE,
        tmp_path,
        LIST + '"5","0.400000","192.0.2.1","192.0.2.2","TCP","54","4002  >  22 [SYN] Seq=0 Win=1000 Len=0"\n',
    ).rows("connections")

    assert (row["time_us"], row["outcome"], row["bytes_sent"]) == (None, "unanswered", 40)


def test_a_retransmission_is_one_attempt(tmp_path: Path) -> None:
    """Trap 15."""
    syn = '"{0}","{0}.0","192.0.2.1","192.0.2.2","TCP","54","{1}4005  >  5005 [SYN] Seq=0 Win=1000 Len=0"\n'
    text = LIST + syn.format(1, "") + syn.format(2, "[TCP Retransmission] ")
    rows = read_text(SOURCE, tmp_path, text).rows("connections")

    assert [(row["packets_sent"], row["tcp_flags"]) for row in rows] == [(2, "SYN")]


def test_fields_that_tell_no_flags_are_not_claimed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("frame.number\tip.src\tip.dst\ttcp.srcport\ttcp.dstport\n")

    assert SOURCE.confidence(head_of(path)) == 0.0
    assert read(SOURCE, path).problems


@pytest.mark.parametrize("damage", [("192.0.2.1", "192.0.2"), ("5000", "70000"), ("\t4000", "")])
def test_a_damaged_line_is_counted(tmp_path: Path, damage: tuple[str, str]) -> None:
    found = read_text(SOURCE, tmp_path, HEADER + KNOCK.replace(*damage) + KNOCK)

    assert found.misfits["line"].to_list() == [2]
    assert len(found.rows("connections")) == 1


def test_frames_of_other_protocols_are_passed_over(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, HEADER + "1795346618.1" + "\t" * 10 + "\n" + KNOCK)

    assert found.misfits.is_empty()
    assert len(found.rows("connections")) == 1


@pytest.mark.corpus
def test_it_says_what_the_packets_say(corpus: Path) -> None:
    """Every connection of the lab, read from the fields, is the one that is read from the capture."""
    columns = [
        "time_us",
        "source_ip",
        "source_port",
        "destination_ip",
        "destination_port",
        "protocol",
        "outcome",
    ]
    columns += ["packets_sent", "packets_received", "tcp_flags", "icmp_type"]
    count = 0
    for path in sorted((corpus / "lab-a" / "tshark").glob("*.tsv")):
        fields = read(SOURCE, path).tables["connections"].select(columns).sort(columns)
        packets = read(pcap.SOURCE, corpus / "lab-a" / "pcap" / f"{path.stem}.pcap").tables["connections"]

        assert fields.equals(packets.select(columns).sort(columns)), path
        count += fields.height
    assert count == 5445


def test_where_the_blocks_are_cut_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(SOURCE, LAB / "a2.tsv").tables["connections"].sort("line")
    text = (LAB / "a2.tsv").read_bytes()
    pieces = [text[start : start + 300] for start in range(0, len(text), 300)]
    monkeypatch.setattr("knockwatch.evidence.Evidence.chunks", lambda _: iter(pieces))

    assert isinstance(whole, pl.DataFrame)
    assert read_text(SOURCE, tmp_path, text).tables["connections"].sort("line").equals(whole)
