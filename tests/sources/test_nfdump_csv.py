"""nfdump's CSV."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources.nfdump_csv import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

LAB = SAMPLES / "nfdump-csv"
NEW = "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows\n"
"""The columns of `-o csv` of versions that let one choose them, unless somebody does."""
FLAGGED = (
    "firstSeen,lastSeen,proto,srcAddr,srcPort,dstAddr,dstPort,flags,inPackets,inBytes,outPackets,outBytes\n"
)


def test_a_knock_and_its_entry_are_read() -> None:
    rows = read(SOURCE, LAB / "a1.csv").rows("connections")

    assert [(row["destination_port"], row["outcome"], row["packets_received"]) for row in rows] == [
        (9000, "unanswered", 0),
        (8000, "unanswered", 0),
        (7000, "unanswered", 0),
        (22, "accepted", 20),
    ]
    entry = rows[3]
    assert (entry["line"], entry["time_us"], entry["time"]) == (
        5,
        1_795_346_620_000_000,
        "2026-11-22 11:23:40",
    )
    assert (entry["source_ip"], entry["source_port"], entry["protocol"]) == ("198.51.100.10", 35044, "tcp")
    assert (entry["vendor"], entry["product"], entry["tcp_flags"]) == ("nfdump", "NetFlow", "SYN")


def test_a_scan_that_resets_found_open_ports() -> None:
    rows = read(SOURCE, LAB / "f2.csv").rows("connections")

    assert {row["destination_port"] for row in rows if row["outcome"] == "accepted"} == {80, 443, 8080}
    assert [row["outcome"] for row in rows if row["destination_port"] == 22] == ["unanswered"] * 2


def test_icmp_stands_in_the_place_of_the_port() -> None:
    """Type times 256 and code: 2048 is an echo request."""
    row = read(SOURCE, LAB / "i4.csv").rows("connections")[0]

    assert (row["protocol"], row["icmp_type"], row["icmp_code"], row["outcome"]) == ("icmp", 8, 0, "accepted")
    assert (row["source_port"], row["destination_port"], row["payload_length"]) == (None, None, 56)


@pytest.mark.parametrize(
    ("port", "kind", "code"), [("8.0", 8, 0), ("3.13", 3, 13), ("2056", 8, 8), ("771", 3, 3)]
)
def test_icmp_is_read_in_both_spellings(tmp_path: Path, port: str, kind: int, code: int) -> None:
    text = NEW + f"2026-11-22 11:23:39.310,0.000,1,192.0.2.1,0,192.0.2.2,{port},1,84,1\n"
    row = read_text(SOURCE, tmp_path, text).rows("connections")[0]

    assert (row["icmp_type"], row["icmp_code"], row["destination_port"]) == (kind, code, None)


def test_the_columns_of_newer_versions_are_read(tmp_path: Path) -> None:
    text = NEW + (
        "2026-11-22 11:23:39.310,0.000,6,198.51.100.10,48700,203.0.113.10,9000,1,60,1\n"
        "2026-11-22 11:23:40.134,0.517,6,203.0.113.10,22,198.51.100.10,35044,20,4617,1\n"
        "2026-11-22 11:23:40.134,0.517,6,198.51.100.10,35044,203.0.113.10,22,22,4885,1\n"
    )
    rows = read_text(SOURCE, tmp_path, text).rows("connections")

    assert [(row["destination_port"], row["outcome"]) for row in rows] == [
        (9000, "unanswered"),
        (22, "accepted"),
    ]
    assert rows[0]["time_us"] == 1_795_346_619_310_000


def test_bidirectional_records_are_read(tmp_path: Path) -> None:
    text = FLAGGED + (
        "1795346619310,1795346619310,6,2001:DB8::1,48700,2001:db8::2,22,...AP.SF,22,4885,20,4617\n"
        "1795346619.310,1795346619.310,6,2001:db8::1,48701,2001:db8::2,9000,......S.,1,80,0,0\n"
    )
    rows = read_text(SOURCE, tmp_path, text).rows("connections")

    assert [(row["source_ip"], row["outcome"], row["packets_received"]) for row in rows] == [
        ("2001:db8::1", "accepted", 20),
        ("2001:db8::1", "unanswered", 0),
    ]
    assert [row["time_us"] for row in rows] == [1_795_346_619_310_000] * 2


def test_a_flow_that_a_router_dropped_is_denied(tmp_path: Path) -> None:
    """Forwarding status 128 to 191 (RFC 7270)."""
    text = (LAB / "a1.csv").read_text().replace("......S.,0,0,1,60", "......S.,130,0,1,60")
    rows = read_text(SOURCE, tmp_path, text).rows("connections")

    assert [(row["outcome"], row["action"]) for row in rows[:3]] == [("denied", "status 130")] * 3


def test_lists_of_statistics_are_not_claimed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("ts,te,td,pr,val,fl,flP,pkt,pktP,byt,bytP,pps,bps,bpp\n")

    assert SOURCE.confidence(head_of(path)) == 0.0
    assert read(SOURCE, path).problems


@pytest.mark.parametrize(
    ("old", "new"),
    [("198.51.100.10", "198.51.100.999"), (",48700,", ",70000,"), ("TCP", ""), (",17/1,0,", ",")],
)
def test_a_damaged_record_is_counted(tmp_path: Path, old: str, new: str) -> None:
    found = read_text(SOURCE, tmp_path, (LAB / "a1.csv").read_text().replace(old, new, 1))

    assert found.misfits["line"].to_list() == [2]
    assert len(found.rows("connections")) == 3


def test_outputs_put_one_behind_the_other_are_read(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, (LAB / "a1.csv").read_text() + (LAB / "f2.csv").read_text())

    assert found.misfits.is_empty()
    assert len(found.rows("connections")) == 9


@given(
    st.lists(
        st.sampled_from(["6", "198.51.100.1", "22", ",", '"', "70000", "x", "2026-11-22 11:23:39"]),
        max_size=20,
    )
)
def test_any_line_is_a_flow_or_a_misfit(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    line = ",".join(words)
    found = read_text(SOURCE, tmp_path_factory.mktemp("words"), NEW + line + "\n")

    assert len(found.rows("connections")) + found.misfits.height == (1 if line.strip() else 0)
