"""Classic BPF filters, against what tcpdump says of the same (tests/data/bpf.md)."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.hoststate.bpf import Instruction, Wait, disassembled, instructions, waits

FILTERS = json.loads((Path(__file__).parent.parent / "data" / "bpf" / "filters.json").read_text())
BY_TEXT = {entry["filter"]: entry for entry in FILTERS}


def waited(text: str) -> list[Wait]:
    program = instructions(BY_TEXT[text]["ddd"])
    assert program is not None
    return waits(program)


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry["filter"][:60]) for entry in FILTERS])
def test_the_text_is_tcpdumps(entry: dict[str, str]) -> None:
    program = instructions(entry["ddd"])

    assert program is not None
    assert [line.rstrip() for line in disassembled(program)] == [
        line.rstrip() for line in entry["d"].splitlines()
    ]


def test_at_least_thirty_filters_are_compared() -> None:
    assert len(FILTERS) >= 30


def test_ss_and_tcpdump_print_the_same_instructions() -> None:
    program = instructions(BY_TEXT["tcp dst port 22"]["ddd"])
    assert program is not None
    listed = ", ".join(f"0x{one.code:02x} {one.true} {one.false} {one.constant}" for one in program)

    assert instructions(f"\tbpf filter ({len(program)}):  {listed},   ") == program


def test_the_ports_of_both_doors_are_read_in_their_order() -> None:
    text = next(text for text in BY_TEXT if "7000 or 8000" in text)
    found = waited(text)

    assert [wait.port for wait in found] == [7000, 8000, 9000, 7100, 8100, 9100]
    assert {wait.destination for wait in found} == {"203.0.113.10"}
    assert len({wait.then for wait in found[:3]}) == 1
    assert found[0].then != found[3].then


@pytest.mark.parametrize(
    ("text", "constant"),
    [
        ("icmp[0] = 8 and icmp[8:2] = 0x7255", "transport+8[2]=0x7255"),
        ("udp[8:2] = 0x7255", "transport+8[2]=0x7255"),
        ("tcp[((tcp[12] & 0xf0) >> 2):2] = 0x5293", "computed+14[2]=0x5293"),
        ("tcp[8:4] & 0xe007ffff = 0x6005bebe", "transport+8[4]&0xe007ffff=0x6005bebe"),
        ("ip[4:2] = 3429", "frame+18[2]=0xd65"),
        ("tcp dst portrange 42391-43390", "port>=42391"),
        ("ether proto 0x88cc", "ethertype=0x88cc"),
    ],
)
def test_a_magic_value_is_told_with_its_place(text: str, constant: str) -> None:
    """BPFDoor's, Penquin's and REPTILE's values among them."""
    assert any(constant in wait.constants for wait in waited(text))


def test_a_source_port_is_no_destination_port() -> None:
    assert {(wait.source_port, wait.port) for wait in waited("tcp src port 55201")} == {(55201, None)}


def test_a_filter_that_compares_nothing_waits_for_nothing() -> None:
    assert waited("len > 1000") == []


@pytest.mark.parametrize(
    "text", ["", "2\n6 0 0 1", "bpf filter (1): 0x06 0 0", "bpf filter (1): 0x06 999 0 1", "x"]
)
def test_what_is_no_filter_is_none(text: str) -> None:
    assert instructions(text) is None


instruction = st.builds(
    Instruction,
    st.sampled_from(
        [0x06, 0x16, 0x05, 0x15, 0x25, 0x35, 0x45, 0x1D, 0x28, 0x48, 0x30, 0xB1, 0x54, 0x04, 0x87, 0x07]
    ),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 2**32 - 1),
)


@given(st.lists(instruction, max_size=60))
def test_any_program_is_followed_to_an_end(program: list[Instruction]) -> None:
    assert len(disassembled(program)) == len(program)
    assert isinstance(waits(program), list)
