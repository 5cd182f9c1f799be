"""CSV and TSV exports."""

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knockwatch.sources import Head
from knockwatch.sources.microsoft_csv import SOURCE
from tests.sources.reading import SAMPLES, head_of, read, read_text

SYSLOG = "TimeGenerated,SyslogMessage,Computer\n"
TIME = "2023-08-17T06:52:13Z"


def _lines(found: list[dict[str, object]]) -> list[object]:
    return [row["line"] for row in found]


def test_trap_1_a_csv_may_be_separated_by_tabs() -> None:
    """Trap 1: a ``.csv`` may be tab-separated, carry a byte order mark and renamed columns."""
    found = read(SOURCE, SAMPLES / "microsoft-csv" / "CommonSecurityLog.csv")

    row = found.rows("connections")[0]
    assert (row["source_ip"], row["source_port"]) == ("198.51.100.10", 54910)
    assert (row["destination_ip"], row["destination_port"]) == ("203.0.113.10", 7000)
    assert (row["protocol"], row["outcome"], row["action"]) == ("tcp", "denied", "Drop")
    assert row["time_us"] == 1_795_346_618_710_000
    assert str(found.tables["CommonSecurityLog"]["TimeGenerated"][0]) == "2026-11-22 11:23:40.710000"


@pytest.mark.corpus
def test_trap_1_a_real_row_with_tabs_is_read(corpus: Path, tmp_path: Path) -> None:
    """Trap 1: SonicWall's rows, for which the corpus has no header."""
    sample = corpus / "public" / "azure-sentinel" / "SonicWall_Firewall_row_fragment.tsv"
    row = sample.read_text().rstrip("\n").rpartition("\t")[0]
    header = (
        "TenantId SourceSystem TimeGenerated_[UTC] ReceiptTime DeviceVendor DeviceProduct DeviceEventClassID "
        "LogSeverity OriginalLogSeverity DeviceAction SimplifiedDeviceAction Computer CommunicationDirection "
        "DeviceFacility DestinationPort DestinationIP DeviceAddress DeviceName Message Protocol SourcePort SourceIP"
    )
    text = header.replace(" ", "\t").replace("_[", " [") + "\n" + row + "\n"
    found = read_text(SOURCE, tmp_path, text)

    (connection,) = found.rows("connections")
    assert (connection["protocol"], connection["destination_port"]) == ("tcp", 443)
    assert connection["time_us"] == 1605889299683000


def test_defender_s_times_are_read() -> None:
    found = read(SOURCE, SAMPLES / "microsoft-csv" / "DeviceProcessEvents.csv")
    knock = next(row for row in found.rows("processes") if row["image"] == "/usr/bin/knock")

    assert knock["time"] == "Nov 22, 2026 11:23:38 AM"
    assert knock["command_line"] == "knock -d 300 203.0.113.10 7000:tcp 8000:tcp 9000:tcp"


def test_a_line_is_where_a_record_begins(tmp_path: Path) -> None:
    text = f'{SYSLOG}{TIME},"a\nb\n\nc",h\n\n{TIME},d,h\n{TIME},"e""\n""f",h'
    found = read_text(SOURCE, tmp_path, text)

    assert _lines(found.rows("messages")) == [2, 7, 8]
    assert found.tables["Syslog"]["SyslogMessage"].to_list() == ["a\nb\n\nc", "d", 'e"\n"f']
    assert found.misfits.is_empty()


def test_a_record_with_too_many_or_too_few_fields_is_counted(tmp_path: Path) -> None:
    found = read_text(
        SOURCE, tmp_path, f"{SYSLOG}{TIME},a,h\n{TIME},b\n{TIME},c,h,more\n{TIME},d,h\n{TIME},cu"
    )

    assert found.misfits["line"].to_list() == [3, 4, 6]
    assert found.misfits["text"][0] == f"{TIME},b"
    assert _lines(found.rows("messages")) == [2, 5]
    assert found.records == 5


def test_a_quote_that_never_closes_costs_its_own_line_only(tmp_path: Path) -> None:
    rows = "".join(f"{TIME},m{number},h\n" for number in range(2000))
    found = read_text(SOURCE, tmp_path, f'{SYSLOG}{TIME},"open,h\n{rows}')

    assert found.misfits["line"].to_list() == [2]
    assert _lines(found.rows("messages")) == list(range(3, 2003))


def test_two_stray_quotes_cost_their_own_lines_only(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, f'{SYSLOG}{TIME},"a,h\n{TIME},b,h\n{TIME},"c,h\n{TIME},d,h\n')

    assert found.misfits["line"].to_list() == [2, 4]
    assert found.tables["Syslog"]["SyslogMessage"].to_list() == ["b", "d"]


def test_quotes_inside_an_unquoted_field_are_text(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, f'{SYSLOG}{TIME},say "knock" twice,h\n{TIME},b,h\n')

    assert found.tables["Syslog"]["SyslogMessage"].to_list() == ['say "knock" twice', "b"]


def test_windows_line_ends_are_no_part_of_a_value(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, f'{SYSLOG}{TIME},a,"h"\n{TIME},b,h\n'.replace("\n", "\r\n"))

    assert found.tables["Syslog"]["Computer"].to_list() == ["h", "h"]


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    plain = SAMPLES / "microsoft-csv" / "Syslog.csv"
    found = read_text(SOURCE, tmp_path, gzip.compress(plain.read_bytes()))

    assert found.tables["Syslog"].equals(read(SOURCE, plain).tables["Syslog"])


def test_bytes_that_are_no_utf_8_are_kept_and_counted(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, SYSLOG.encode() + TIME.encode() + b",a\xffb,h\n")

    assert found.malformed == 1
    assert found.tables["Syslog"]["SyslogMessage"].item() == r"a\xffb"


def test_records_across_blocks_are_whole(tmp_path: Path) -> None:
    message = "x" * 500 + "\n" + "y" * 500
    text = SYSLOG + "".join(f'{TIME},"{number} {message}",h\n' for number in range(9000))
    found = read_text(SOURCE, tmp_path, text)

    assert found.misfits.is_empty()
    assert _lines(found.rows("messages")) == list(range(2, 18002, 2))


def test_a_header_alone_is_an_empty_export(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, SYSLOG)

    assert SOURCE.confidence(Head(SYSLOG.encode(), whole=True)) == 1.0
    assert (found.records, found.tables) == (0, {})


@pytest.mark.corpus
def test_other_tables_and_raw_schemas_are_not_claimed(corpus: Path) -> None:
    folder = corpus / "public" / "msticpy" / "tests" / "testdata"
    names = ["mde_proc_cs1.csv", "linux_events.csv", "processes_on_host.csv", "az_net_flows.csv"]

    assert [SOURCE.confidence(head_of(folder / name)) for name in names] == [0.0] * 4


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text(alphabet='",\n\r\tax', max_size=60))
def test_every_line_is_read_or_counted(tmp_path: Path, body: str) -> None:
    """Whatever quotes and separators come: nothing raises, and what has text is a row or a misfit."""
    found = read_text(SOURCE, tmp_path, f"{SYSLOG}{body}\n{TIME},last,h\n")

    rows = found.tables["Syslog"].height if "Syslog" in found.tables else 0
    assert found.records == rows + found.misfits.height
    assert found.records >= 1
