"""Cases quote what stands in the evidence, or what its record says."""

from pathlib import Path

from knockwatch.config import EvidenceSettings
from knockwatch.detections import Pointer
from knockwatch.ingest import Workspace, ingest
from knockwatch.quotes import quotes


def test_a_line_is_quoted_as_it_stands(data: Path, workspace: Workspace) -> None:
    log = data / "lab/evidence/srv1-syslog.iso.log"
    ingest([str(log)], EvidenceSettings(), workspace)
    lines = log.read_text().splitlines()
    found = quotes(workspace, [Pointer("messages", 0, 1), Pointer("connections", 0, 16)])
    assert found == {(0, 1): lines[0], (0, 16): lines[15]}


def test_a_packet_is_written_out(data: Path, workspace: Workspace) -> None:
    ingest([str(data / "sources/pcap/a2.pcap")], EvidenceSettings(), workspace)
    assert quotes(workspace, [Pointer("connections", 0, 1)]) == {
        (0, 1): "2026-11-22T11:23:42.682199Z udp 198.51.100.11:35139 → 203.0.113.10:2222 unanswered"
    }


def test_a_record_without_a_line_is_written_out(data: Path, workspace: Workspace) -> None:
    (export, *_) = sorted((data / "sources/microsoft-parquet").iterdir())
    ingest([str(export)], EvidenceSettings(), workspace)
    assert all(quotes(workspace, [Pointer("connections", 0, 1), Pointer("messages", 0, 1)]).values())


def test_a_place_that_does_not_exist_is_left_out(data: Path, workspace: Workspace) -> None:
    ingest([str(data / "lab/evidence/srv1-syslog.iso.log")], EvidenceSettings(), workspace)
    assert quotes(workspace, [Pointer("messages", 0, 999_999)]) == {}
