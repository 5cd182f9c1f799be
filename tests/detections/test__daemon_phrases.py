"""The phrase table, and what it understands."""

import pytest

from knockwatch.detections._daemon_phrases import Phrase, phrases, understand


@pytest.mark.parametrize("phrase", phrases(), ids=lambda phrase: f"{phrase.daemon}-{phrase.marker.strip()}")
def test_a_phrase_fits_its_sample_alone(phrase: Phrase) -> None:
    assert phrase.marker in phrase.sample
    assert phrase.pattern.pattern.startswith("^")
    assert phrase.says
    assert phrase.source
    spoken = understand(phrase.daemon if phrase.program.pattern else None, phrase.sample)
    assert spoken is not None
    assert spoken.phrase is phrase


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("sshd", "198.51.100.10: openSSH: OPEN SESAME"),
        ("knockd", "999.1.1.1: openSSH: OPEN SESAME"),
        ("knockd", "he said 198.51.100.10: openSSH: OPEN SESAME"),
        ("kernel", "Knock: *70000_IN* IN=eth0 SRC=192.0.2.7 DST=192.0.2.1"),
        ("myapp", "Successful portknock"),
        ("fwknopd", "Added jump rule from chain: INPUT to chain: FWKNOP_INPUT"),
        (None, ""),
    ],
)
def test_what_is_no_phrase_is_not_understood(program: str | None, message: str) -> None:
    assert understand(program, message) is None


def test_stages_are_read_however_they_are_written() -> None:
    for message in (
        "192.0.2.1: SSH: Stage 1",
        "192.0.2.1: SSH: Stage1",
        "192.0.2.1 (host.example): SSH: Stage 1 ",
    ):
        spoken = understand("knockd", message)
        assert spoken is not None
        assert dict(spoken.facts) == {"source": "192.0.2.1", "door_name": "SSH", "stage": "1"}


def test_a_kernel_line_tells_whose_packet_it_was() -> None:
    """Trap 8: an ICMP error embeds a second packet in brackets; the first one counts."""
    line = "Successful portknock: IN=eth0 SRC=2001:0db8::0001 DST=192.0.2.1 PROTO=ICMP [SRC=192.0.2.9 "
    spoken = understand("kernel", f"{line}DST=192.0.2.8 PROTO=TCP DPT=1]")
    assert spoken is not None
    assert dict(spoken.facts) == {"source": "2001:db8::1", "destination": "192.0.2.1", "protocol": "icmp"}
