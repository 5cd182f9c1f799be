"""Argus flow records."""

from pathlib import Path

import polars as pl
import pytest

from knockwatch.sources import pcap
from knockwatch.sources.argus import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

LAB = SAMPLES / "argus"
HEADER = (
    "StartTime,LastTime,Flgs,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,SrcPkts,DstPkts,SrcBytes,DstBytes,State\n"
)
BITS = "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,Label\n"
"""With `ra -Z b`, as in public sets of flows."""


def _row(folder: Path, line: str, header: str = HEADER) -> dict[str, object]:
    found = read_text(SOURCE, folder, header + line + "\n")
    assert found.misfits.is_empty()
    return found.rows("connections")[0]


def test_a_knock_and_its_entry_are_read() -> None:
    rows = read(SOURCE, LAB / "a2.csv").rows("connections")

    assert [(row["protocol"], row["destination_port"], row["outcome"]) for row in rows] == [
        ("udp", 2222, "unanswered"),
        ("tcp", 3333, "unanswered"),
        ("udp", 4444, "unanswered"),
        ("tcp", 2200, "accepted"),
    ]
    entry = rows[3]
    assert (entry["time_us"], entry["source_port"], entry["action"]) == (1_795_346_624_096_569, 40192, "FIN")
    assert (entry["packets_sent"], entry["packets_received"]) == (22, 20)
    assert (entry["vendor"], entry["product"]) == ("QoSient", "Argus")


def test_pings_of_one_run_are_one_row() -> None:
    rows = read(SOURCE, LAB / "i4.csv").rows("connections")

    assert (rows[0]["protocol"], rows[0]["icmp_type"], rows[0]["icmp_code"]) == ("icmp", 8, 0)
    assert (rows[0]["outcome"], rows[0]["packets_sent"], rows[0]["source_port"]) == ("accepted", 4, None)


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("1.0,1.1, e        ,tcp,192.0.2.1,4003,   ->,192.0.2.2,5003,1,1,54,54,RST", "refused"),
        ("1.0,1.1, e s      ,tcp,192.0.2.1,4005,   ->,192.0.2.2,5005,2,1,108,54,RST", "refused"),
        ("1.0,1.1, e        ,tcp,192.0.2.1,4004,   ->,192.0.2.2,5004,2,1,108,54,RST", "accepted"),
        ("1.0,1.1, e        ,tcp,192.0.2.1,4004,   ->,192.0.2.2,5004,9,7,1080,954,RST", "accepted"),
        ("1.0,1.1, eU       ,udp,192.0.2.1,4000,   ->,192.0.2.2,5000,1,0,43,0,INT", "refused"),
        ("1.0,1.1, eU       ,tcp,192.0.2.1,4002,   ->,192.0.2.2,5002,1,0,54,0,REQ", "refused"),
        ("1.0,1.1, e        ,udp,192.0.2.1,4006,  <->,192.0.2.2,53,1,1,43,43,CON", "accepted"),
        ("1.0,1.1, e        ,tcp,192.0.2.1,4008,   ?>,192.0.2.2,5008,1,0,54,0,CON", "unknown"),
        ("1.0,1.1, e        ,tcp,192.0.2.2,80,   ->,192.0.2.1,4009,1,0,54,0,ACC", "unknown"),
        ("1.0,1.1, e        ,tcp,192.0.2.2,80,   ->,192.0.2.1,4009,3,2,190,140,CON", "accepted"),
    ],
)
def test_each_state_has_its_outcome(tmp_path: Path, line: str, outcome: str) -> None:
    """Lines as ra 3.0.8 prints them of made packets, but for the times."""
    assert _row(tmp_path, line)["outcome"] == outcome


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("S_", "unanswered"),
        ("S_RA", "refused"),
        ("SR_SA", "accepted"),
        ("FSPA_FSPA", "accepted"),
        ("A_", "unknown"),
    ],
)
def test_flags_of_both_sides_are_read(tmp_path: Path, state: str, outcome: str) -> None:
    line = f"1795346618.1,0.1,tcp,192.0.2.1,4003,   ->,192.0.2.2,5003,{state},0,0,2,108,54,"

    assert _row(tmp_path, line, BITS)["outcome"] == outcome


def test_icmp_has_its_code_before_its_type(tmp_path: Path) -> None:
    row = _row(tmp_path, "1.0,1.1, e        ,icmp,192.0.2.2,0x0d03,   ->,192.0.2.1,0x0000,1,0,70,0,URFIL")

    assert (row["icmp_type"], row["icmp_code"], row["outcome"]) == (3, 13, "unknown")


def test_a_flow_given_from_its_end_is_turned(tmp_path: Path) -> None:
    row = _row(tmp_path, "1.0,1.1, e        ,tcp,192.0.2.2,22,   <-,192.0.2.1,4003,20,22,4897,5193,FIN")

    assert (row["source_ip"], row["destination_port"], row["packets_sent"]) == ("192.0.2.1", 22, 22)


def test_totals_and_times_without_a_date_are_read(tmp_path: Path) -> None:
    """The columns that ra prints unless it is asked for others."""
    header = "StartTime,Flgs,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,TotPkts,TotBytes,State\n"
    row = _row(
        tmp_path, "11:23:38.699999, e        ,tcp,192.0.2.1,4003,   ->,192.0.2.2,5003,2,108,RST", header
    )

    assert (row["time_us"], row["time"], row["outcome"]) == (None, "11:23:38.699999", "refused")


def test_status_records_of_one_flow_are_one_row(tmp_path: Path) -> None:
    flow = "{0}.0,{0}.9, e        ,tcp,192.0.2.1,4003,   ->,192.0.2.2,22,{1},{1},600,600,{2}\n"
    text = HEADER + "".join(
        flow.format(at, 5, state) for at, state in ((100, "CON"), (160, "CON"), (220, "FIN"))
    )
    rows = read_text(SOURCE, tmp_path, text).rows("connections")

    assert [(row["outcome"], row["packets_sent"], row["line"]) for row in rows] == [("accepted", 15, 2)]


@pytest.mark.parametrize("damage", [("203.0.113.10", "203.0.113"), (",2222,", ",99999,"), (",INT", "")])
def test_a_damaged_line_is_counted(tmp_path: Path, damage: tuple[str, str]) -> None:
    found = read_text(SOURCE, tmp_path, (LAB / "a2.csv").read_text().replace(*damage, 1))

    assert found.misfits["line"].to_list() == [2]
    assert len(found.rows("connections")) == 3


def test_other_headers_are_not_claimed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("StartTime,Proto,Whatever\n1,2,3\n")

    assert SOURCE.confidence(head_of(path)) == 0.0


@pytest.mark.corpus
def test_it_says_what_the_packets_say(corpus: Path) -> None:
    """Every flow of the lab has the outcome that the capture it was made of shows."""
    ends = ["source_ip", "source_port", "destination_ip", "destination_port", "protocol"]
    count = 0
    for path in sorted((corpus / "lab-a" / "argus").glob("*.csv")):
        flows = read(SOURCE, path).tables["connections"]
        packets = read(pcap.SOURCE, corpus / "lab-a" / "pcap" / f"{path.stem}.pcap").tables["connections"]
        both = flows.join(packets, on=ends, how="full", nulls_equal=True, suffix="_packets")
        apart = (pl.col("time_us") - pl.col("time_us_packets")).abs()

        assert both.filter(
            pl.col("outcome").ne_missing(pl.col("outcome_packets")) | (apart > 1000)
        ).is_empty(), path
        count += both.height
    assert count == 5445
