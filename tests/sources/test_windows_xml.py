"""Windows events as XML, in every dress."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.evidence import MAX_LINE
from knockwatch.sources import Head
from knockwatch.sources.windows_xml import SOURCE
from tests.sources.reading import SAMPLES, Read, read, read_text

FOLDER = SAMPLES / "windows-xml"
NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"
EVENT = (
    f"<Event xmlns='{NAMESPACE}'><System><Provider Name='Microsoft-Windows-Security-Auditing'/><EventID>4624</EventID>"
    "<TimeCreated SystemTime='2026-11-22T11:23:40.1234567Z'/><Computer>SRV1</Computer></System><EventData>"
    "<Data Name='TargetUserName'>{}</Data><Data Name='LogonType'>10</Data><Data Name='IpAddress'>198.51.100.7</Data>"
    "</EventData></Event>"
)
A, B = EVENT.format("älice"), EVENT.format("bob")
PRETTY = A.replace("><", ">\r\n  <")


def users(found: Read) -> list[str]:
    return [row["message"].rpartition("=")[2] for row in found.rows("messages")]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(A + B, id="wevtutil"),
        pytest.param(f"{A}\r\n{B}\r\n", id="one a line"),
        pytest.param(f'<?xml version="1.0" encoding="utf-8"?>\n<Events>{A}{B}</Events>\n', id="Event Viewer"),
        pytest.param(f"<root>\n{PRETTY}\n{B}\n</root>", id="wevtutil with an element"),
        pytest.param(f'Record 1\n<?xml version="1.0"?>\n{PRETTY}\nRecord 2\n{B}\n', id="evtx_dump"),
        pytest.param(f"- {A}\n- {B}", id="a browser's tree"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_events_are_found_in_any_dress(tmp_path: Path, text: str, encoding: str) -> None:
    data = text.encode(encoding)
    found = read_text(SOURCE, tmp_path, data)
    assert users(found) == ["älice", "bob"]
    assert [row["line"] for row in found.rows("messages")] == [1, 2]
    assert (found.misfits.height, found.records, found.malformed) == (0, 2, 0)
    assert SOURCE.confidence(Head(data, whole=True)) == 0.95
    assert SOURCE.confidence(Head(data[:400])) == 0.95


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html><body>Event</body></html>",
        "<Events>",
        "2026 host <Event xmlns='x'>",
        "<a>text<Event ></Event></a>",
    ],
)
def test_other_text_is_not_claimed(text: str) -> None:
    assert SOURCE.confidence(Head(text.encode(), whole=True)) == 0.0


def test_real_events_of_sysmon_are_read() -> None:
    found = read(SOURCE, FOLDER / "sysmon.xml")
    assert found.records == 4
    began, query = found.rows("connections")
    assert (began["destination_ip"], began["destination_port"], began["outcome"]) == (
        "40.77.226.250",
        443,
        "unknown",
    )
    # The host's own query of a name, which Sysmon calls not initiated.
    assert (query["source_ip"], query["destination_port"], query["outcome"]) == ("10.0.2.15", 53, "unknown")
    [process] = found.rows("processes")
    assert (process["host"], process["image"], process["parent_image"]) == (
        "vagrant-2012-r2",
        r"C:\Windows\Sysmon.exe",
        r"C:\Windows\System32\services.exe",
    )


def test_real_events_with_a_root_element_are_read() -> None:
    found = read(SOURCE, FOLDER / "wevtutil.xml")
    assert [(row["program"], row["message"].split(" ")[0]) for row in found.rows("messages")] == [
        ("Microsoft-Windows-Security-Auditing", "EventID=4625"),
        ("sshd", "Accepted"),
    ]
    [dropped] = found.rows("connections")
    assert (dropped["source_port"], dropped["destination_port"], dropped["outcome"]) == (3079, 445, "denied")


def test_an_event_that_is_cut_is_counted(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, A + B[:-20])
    assert users(found) == ["älice"]
    assert found.misfits["line"].to_list() == [2]
    assert found.misfits["text"][0].startswith("<Event")


def test_an_event_cut_at_its_start_is_counted(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, A[200:] + B)
    assert users(found) == ["bob"]
    assert found.misfits["line"].to_list() == [1]


@pytest.mark.parametrize("bad", ["<Event><System>&bad;</System></Event>", "<Event>no system</Event>"])
def test_a_broken_event_is_counted_and_the_next_is_read(tmp_path: Path, bad: str) -> None:
    found = read_text(SOURCE, tmp_path, bad + B)
    assert (users(found), found.misfits["line"].to_list(), found.records) == (["bob"], [1], 2)


def test_events_of_no_interest_are_counted_as_read(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, A.replace("4624", "4634") + B)
    assert (users(found), found.records, found.misfits.height) == (["bob"], 2, 0)


def test_an_event_too_long_to_be_one_is_counted(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, EVENT.format("x" * MAX_LINE) + B)
    assert users(found) == ["bob"]
    assert found.misfits["line"].to_list() == [1]


def test_malformed_bytes_are_counted(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, A.encode("latin-1") + B.encode())
    assert (users(found), found.malformed) == (["\ufffdlice", "bob"], 1)


PIECES = st.sampled_from([*"<>/&;-x' \n", A, B, "<Event>", "</Event>", "<Events>", "<EventID>4624</EventID>"])


@given(st.lists(PIECES, max_size=30).map("".join))
def test_no_text_is_an_error_and_no_event_is_lost(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    found = read_text(SOURCE, tmp_path_factory.mktemp("xml"), text)
    read_or_odd = len(users(found)) + found.misfits.height
    assert text.count("<Data") // 3 <= read_or_odd <= found.records + found.misfits.height
