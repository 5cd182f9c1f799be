"""Exported rows to ours: what stands verbatim, what is made of it."""

from pathlib import Path

import polars as pl
import pytest

from knockwatch.sources.microsoft_csv import SOURCE as CSV
from knockwatch.sources.microsoft_json import SOURCE as JSON
from tests.sources.reading import Read, read, read_text


def _read(folder: Path, header: str, *rows: str) -> Read:
    return read_text(CSV, folder, "\n".join([header, *rows]) + "\n")


def _azure(corpus: Path, name: str) -> Path:
    return corpus / "public" / "azure-sentinel" / name


@pytest.mark.corpus
def test_trap_2_the_device_s_time_counts_and_the_ingestion_s_stays_verbatim(corpus: Path) -> None:
    """Trap 2: TimeGenerated may be ingestion time; ReceiptTime, ``start=`` or eventtime is the true one."""
    checkpoint = read(CSV, _azure(corpus, "ASIM_CheckPoint_portal_export_excerpt.csv"))
    fortigate = read(JSON, _azure(corpus, "CEF_Fortigate.json"))

    assert {row["time_us"] for row in checkpoint.rows("connections")} == {
        1691735642000000,
        1691647904000000,
        1691647910000000,
    }
    assert str(checkpoint.tables["CommonSecurityLog"]["TimeGenerated"][0]) == "2023-08-17 06:52:13"
    assert {row["time_us"] for row in fortigate.rows("connections")} == {1647873918304240}
    assert str(fortigate.tables["CommonSecurityLog"]["TimeGenerated"][0]) == "2022-03-31 10:52:35.857000"


@pytest.mark.corpus
def test_trap_3_doubled_records_stay_in_the_export_and_count_once(corpus: Path) -> None:
    """Trap 3: rows arrive doubled; a query over the export sees both, our own tables one."""
    found = read(CSV, _azure(corpus, "ASIM_CheckPoint_portal_export_excerpt.csv"))

    assert found.records == found.tables["CommonSecurityLog"].height == 4
    assert [row["line"] for row in found.rows("connections")] == [2, 4, 5]


def test_trap_3_a_repeated_port_is_not_a_doubled_record(tmp_path: Path) -> None:
    """Trap 3: a door may repeat a port, and a projection may show nothing that tells two packets apart."""
    row = "2023-08-17T06:52:13Z,192.0.2.1,1234,Drop,fw"
    found = _read(tmp_path, "TimeGenerated,SourceIP,DestinationPort,DeviceAction,DeviceName", row, row)
    assert len(found.rows("connections")) == 2

    header = "TimeGenerated,SourceIP,SourcePort,DestinationPort,DeviceAction"
    first, second = (f"2023-08-17T06:52:13Z,192.0.2.1,{port},1234,Drop" for port in (40000, 40001))
    found = _read(tmp_path, header, first, second, first)
    assert [row["line"] for row in found.rows("connections")] == [2, 3]


@pytest.mark.corpus
def test_trap_4_a_ping_has_its_type_in_the_source_port(corpus: Path) -> None:
    """Trap 4: an ICMP type sits in SourcePort, DestinationPort is empty; numbers come as text."""
    found = read(CSV, _azure(corpus, "ASIM_CheckPoint_portal_export_excerpt.csv"))
    ping, session = found.rows("connections")[:2]

    assert (ping["protocol"], ping["icmp_type"], ping["source_port"], ping["destination_port"]) == (
        "icmp",
        8,
        None,
        None,
    )
    assert (session["protocol"], session["source_port"], session["destination_port"]) == ("tcp", 57516, 443)
    assert found.tables["CommonSecurityLog"].row(0, named=True)["SourcePort"] == 8


@pytest.mark.parametrize("port", ["70000", "-1", "http"])
def test_trap_4_a_port_that_is_none_makes_a_misfit(tmp_path: Path, port: str) -> None:
    """Trap 4: ports come as text, and text may be anything."""
    header = "TimeGenerated,SourceIP,DestinationPort,DeviceAction"
    found = _read(tmp_path, header, f"2023-08-17T06:52:13Z,192.0.2.1,{port},Drop")

    assert found.misfits.rows() == [(2, f"2023-08-17T06:52:13Z,192.0.2.1,{port},Drop")]
    assert not found.tables


@pytest.mark.corpus
def test_trap_5_without_a_file_name_the_command_line_names_the_program(corpus: Path) -> None:
    """Trap 5: Defender for Linux leaves FileName empty, the tool shows only in ProcessCommandLine."""
    found = read(CSV, _azure(corpus, "ASIM_M365_DeviceProcessEvents_linux_first_row.csv"))

    (row,) = found.rows("processes")
    assert row["image"] == "/app/grpc-health-probe"
    assert row["command_line"].startswith("/app/grpc-health-probe -addr=:50051")
    assert (row["user"], row["pid"], row["parent_pid"]) == ("root", 10018, 10017)
    assert row["time_us"] == 1698227001994000
    assert row["exported"]


@pytest.mark.parametrize(
    ("folder", "file", "command", "image"),
    [
        ("/usr/bin/knock", "knock", "knock h 1", "/usr/bin/knock"),
        ("/usr/bin", "knock", "knock h 1", "/usr/bin/knock"),
        ("/usr/bin/", "knock", "", "/usr/bin/knock"),
        ("/usr/bin/knock", "", "knock h 1", "/usr/bin/knock"),
        ("/", "", "knock h 1", "knock"),
        ("", "/", "/opt/knock h 1", "/opt/knock"),
        ("", "", "sh -c 'knock h 1'", "sh"),
        (r"C:\Tools", "knock.exe", "", r"C:\Tools\knock.exe"),
        (r"C:\Tools\Knock.exe", "knock.exe", "", r"C:\Tools\Knock.exe"),
        ("", "", '""C:\\My Tools\\knock.exe"" h 1', r"C:\My Tools\knock.exe"),
        ("", "", "", None),
    ],
)
def test_the_image_is_put_together(
    tmp_path: Path, folder: str, file: str, command: str, image: str | None
) -> None:
    header = "Timestamp,DeviceName,FolderPath,FileName,ProcessCommandLine"
    found = _read(tmp_path, header, f'2023-08-17T06:52:13Z,host,{folder},{file},"{command}"')

    assert found.rows("processes")[0]["image"] == image


def test_netfilter_inside_an_exported_syslog_is_a_connection_of_its_own(tmp_path: Path) -> None:
    body = (
        "[ 2719.233755] IPT-DROP: IN=eth0 OUT= SRC=198.51.100.10 DST=203.0.113.10 LEN=60 TOS=0x00 PREC=0x00 "
        "TTL=63 ID=58455 DF PROTO=TCP SPT=54910 DPT=7000 WINDOW=64240 RES=0x00 SYN URGP=0"
    )
    found = _read(
        tmp_path,
        "TimeGenerated,EventTime,Computer,HostName,ProcessName,SyslogMessage",
        f"2023-08-17T06:52:15Z,2023-08-17T06:52:13Z,collector,srv1,kernel,{body}",
    )

    (message,), (connection,) = found.rows("messages"), found.rows("connections")
    assert (message["host"], message["program"], message["exported"]) == ("srv1", "kernel", True)
    assert message["time"] == "2023-08-17T06:52:13Z"
    assert (connection["destination_port"], connection["outcome"]) == (7000, "denied")
    assert connection["time_us"] == message["time_us"] == 1692255133000000
    assert connection["exported"] is None


def test_records_without_a_time_or_of_another_table_are_misfits(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        "TimeGenerated,SyslogMessage,Type",
        "2023-08-17T06:52:13Z,good,Syslog",
        ",no time,Syslog",
        "soon,no time either,Syslog",
        "2023-08-17T06:52:13Z,other,Event",
    )

    assert found.misfits["line"].to_list() == [3, 4, 5]
    assert found.records == 4
    assert found.tables["Syslog"]["SyslogMessage"].to_list() == ["good"]


def test_a_message_of_several_lines_is_one_line_for_its_readers(tmp_path: Path) -> None:
    found = _read(tmp_path, "TimeGenerated,SyslogMessage", '2023-08-17T06:52:13Z,"a\nb"')

    assert found.tables["Syslog"]["SyslogMessage"].item() == "a\nb"
    assert found.rows("messages")[0]["message"] == "a b"


def test_exported_text_is_empty_rather_than_null(tmp_path: Path) -> None:
    found = _read(tmp_path, "TimeGenerated,SyslogMessage,Computer,ProcessID", "2023-08-17T06:52:13Z,x,,")

    row = found.tables["Syslog"].row(0, named=True)
    assert (row["Computer"], row["ProcessID"]) == ("", None)
    assert found.rows("messages")[0]["host"] is None
    assert found.tables["Syslog"].schema["TimeGenerated"] == pl.Datetime("us")
