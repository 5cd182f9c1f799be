"""ulogd's LOGEMU text."""

from pathlib import Path

import pytest

from knockwatch.sources import Head, detect, ulogd_json
from knockwatch.sources.ulogd_logemu import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

SAMPLE = SAMPLES / "ulogd-logemu" / "srv1.log"


def test_a_line_is_a_connection_and_no_message() -> None:
    found = read(SOURCE, SAMPLE)

    assert set(found.tables) == {"connections"}
    row = found.rows("connections")[0]
    assert (row["line"], row["sensor"], row["rule"]) == (1, "srv1", "IPT-DROP:")
    assert (row["source_ip"], row["source_port"]) == ("198.51.100.10", 54910)
    assert (row["destination_ip"], row["destination_port"]) == ("203.0.113.10", 7000)
    assert (row["protocol"], row["tcp_flags"]) == ("tcp", "SYN")
    assert (row["outcome"], row["action"]) == ("denied", "DROP")
    assert (row["tcp_seq"], row["tcp_ack"], row["tcp_window"]) == (752896436, 0, 64240)
    assert row["forwarded"] is False


def test_text_and_json_of_one_ulogd_say_the_same(corpus: Path) -> None:
    text = read(SOURCE, corpus / "lab-a" / "srv1-ulogd.log").tables["connections"]
    as_json = read(ulogd_json.SOURCE, corpus / "lab-a" / "srv1-ulogd.json").tables["connections"]

    # The text has whole seconds and the sensor's name, the JSON microseconds and none.
    told = [name for name in text.columns if name not in ("time", "time_us", "sensor")]
    assert text.select(told).rows() == as_json.select(told).rows()


def test_a_kernels_line_without_a_program_is_left_to_syslog() -> None:
    """Trap 7: syslog may have no program name; only ulogd prints TOS in two bare digits."""
    kernel = (
        b"Dec 11 00:05:07 ixion IPT-DROP: IN=eth0 OUT= SRC=192.0.2.1 DST=192.0.2.2 LEN=72 TOS=0x00 PREC=0x00 "
        b"TTL=114 ID=0 DF PROTO=TCP SPT=23456 DPT=22911 WINDOW=17280 RES=0x00 SYN URGP=0\n"
    )

    found = detect(Head(kernel, whole=True))

    assert found is not None
    assert found[0].format.name == "syslog"


def test_ulogds_lines_among_others_are_left_to_syslog(corpus: Path) -> None:
    mixed = head_of(corpus / "public" / "crowdsec-hub" / ".tests" / "unifi-logs" / "unifi-logs.log")

    found = detect(mixed)

    assert found is not None
    assert found[0].format.name == "syslog"
    assert 0 < SOURCE.confidence(mixed) < found[1]


@pytest.mark.parametrize("length", [20, 60, 150, 170])
def test_a_cut_line_is_counted(tmp_path: Path, length: int) -> None:
    """Trap 8: lines can be cut at either end."""
    whole = SAMPLE.read_text().splitlines()[0]

    found = read_text(SOURCE, tmp_path, f"{whole}\n{whole[:length]}\n{whole[30:]}")

    assert [row["line"] for row in found.rows("connections")] == [1]
    assert found.misfits.sort("line").rows() == [(2, whole[:length]), (3, whole[30:])]


def test_ipv6_is_read_and_recognised(tmp_path: Path) -> None:
    line = (
        "Nov 22 11:23:38 srv1 IPT-DROP:  IN=eth0 OUT= MAC=00 SRC=2001:0db8:0000:0000:0000:0000:0000:0010 "
        "DST=2001:0db8:0000:0000:0000:0000:0000:0001 LEN=80 TC=0 HOPLIMIT=63 FLOWLBL=917216 PROTO=TCP SPT=54910 "
        "DPT=7000 SEQ=1 ACK=0 WINDOW=64240 SYN URGP=0 MARK=0x0 \n"
    )

    row = read_text(SOURCE, tmp_path, line).rows("connections")[0]

    assert (row["source_ip"], row["destination_ip"]) == ("2001:db8::10", "2001:db8::1")
    found = detect(Head(line.encode(), whole=True))
    assert found is not None
    assert found[0] is SOURCE


def test_telling_the_format_is_quick_on_a_crafted_line() -> None:
    crafted = b"Nov 22 11:23:38 srv1 " + b"IN=eth0 OUT= TC=" * 4000

    assert SOURCE.confidence(Head(crafted, whole=True)) == 0
