from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources import Head
from knockwatch.sources.zeek_conn import SOURCE
from tests.sources.reading import SAMPLES, Read, read, read_text

FIELDS = [
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "conn_state",
    "history",
    "orig_pkts",
    "orig_ip_bytes",
    "resp_pkts",
    "resp_ip_bytes",
    "orig_bytes",
]
PLAIN = ["1700000000.123456", "C1", "192.0.2.1", "40000", "203.0.113.10", "22", "tcp", "S0", "S"]
COUNTS = ["1", "60", "0", "0", "-"]


def log(*rows: list[str], separator: str = "\t", fields: list[str] = FIELDS) -> str:
    """Write a log as Zeek does."""
    code = "".join(f"\\x{byte:02x}" for byte in separator.encode())
    header = [
        f"#separator {code}",
        f"#set_separator{separator},",
        f"#empty_field{separator}(empty)",
        f"#unset_field{separator}-",
        f"#path{separator}conn",
        separator.join(["#fields", *fields]),
    ]
    return "\n".join([*header, *(separator.join(row) for row in rows), "#close"]) + "\n"


def one(tmp_path: Path, **changed: str) -> dict[str, Any]:
    """Read one line, some of whose fields differ from the plain one's."""
    values = dict(zip(FIELDS, [*PLAIN, *COUNTS], strict=True)) | {
        name.replace("__", "."): value for name, value in changed.items()
    }
    found = read_text(SOURCE, tmp_path, log([values[name] for name in FIELDS]))
    assert found.misfits.is_empty()
    (row,) = found.rows("connections")
    return row


TCP_STORIES = [
    ("S0", "S", "unanswered", "SYN"),
    ("S1", "ShA", "accepted", "SYN"),
    ("SF", "ShADadFf", "accepted", "SYN"),
    ("REJ", "Sr", "refused", "SYN"),
    ("S2", "ShADaF", "accepted", "SYN"),
    ("S3", "ShADadf", "accepted", "SYN"),
    ("RSTO", "ShADaR", "accepted", "SYN"),
    ("RSTR", "ShADadr", "accepted", "SYN"),
    ("RSTOS0", "SR", "unanswered", "SYN"),
    ("RSTRH", "^hr", "unknown", "SYN,ACK"),
    ("SH", "SF", "unanswered", "SYN"),
    ("SHR", "^hf", "unknown", "SYN,ACK"),
    ("OTH", "DadA", "unknown", "ACK"),
]


@pytest.mark.parametrize(("state", "history", "outcome", "flags"), TCP_STORIES)
def test_each_state_of_a_tcp_connection(
    state: str, history: str, outcome: str, flags: str, tmp_path: Path
) -> None:
    row = one(tmp_path, conn_state=state, history=history)

    assert (row["outcome"], row["tcp_flags"], row["action"]) == (outcome, flags, state)
    assert (row["source_ip"], row["source_port"]) == ("192.0.2.1", 40000)
    assert (row["destination_ip"], row["destination_port"]) == ("203.0.113.10", 22)
    assert row["forwarded"] is None


@pytest.mark.parametrize(("state", "history", "outcome", "flags"), TCP_STORIES)
def test_a_state_without_history_says_the_same(
    state: str, history: str, outcome: str, flags: str, tmp_path: Path
) -> None:
    del history
    row = one(tmp_path, conn_state=state, history="-")

    assert (row["outcome"], row["tcp_flags"]) == (outcome, flags)


@pytest.mark.parametrize(
    ("state", "history", "outcome", "flags"),
    [
        pytest.param("OTH", "Sh", "accepted", "SYN", id="half-open scan of an open port"),
        pytest.param("REJ", "ShRr", "accepted", "SYN", id="both sides reset an empty connection"),
        pytest.param("RSTOS0", "R", "unknown", "RST", id="Trap 14: a lone RST"),
        pytest.param("SH", "F", "unknown", "FIN", id="Trap 14: a late FIN"),
        pytest.param("RSTO", "^dtfAR", "unknown", "ACK", id="Trap 14: the end of an older connection"),
        pytest.param("SF", "SADadFf", "accepted", "SYN", id="the SYN-ACK was not captured"),
        pytest.param("S0", "SC", "unanswered", "SYN", id="a wrong checksum"),
        pytest.param("OTH", "C", "unknown", None, id="nothing but a wrong checksum"),
    ],
)
def test_history_knows_more_than_the_state(
    state: str, history: str, outcome: str, flags: str | None, tmp_path: Path
) -> None:
    row = one(tmp_path, conn_state=state, history=history)

    assert (row["outcome"], row["tcp_flags"]) == (outcome, flags)


@pytest.mark.parametrize(
    ("state", "history", "outcome"),
    [("SF", "Dd", "accepted"), ("S0", "D", "unanswered"), ("SHR", "^d", "unknown"), ("OTH", "-", "unknown")],
)
def test_each_state_of_a_udp_exchange(state: str, history: str, outcome: str, tmp_path: Path) -> None:
    row = one(tmp_path, proto="udp", conn_state=state, history=history, orig_ip_bytes="100", orig_bytes="72")

    assert (row["protocol"], row["outcome"], row["tcp_flags"]) == ("udp", outcome, None)
    assert (row["packet_length"], row["payload_length"]) == (100, 72)


@pytest.mark.parametrize(
    ("kind", "counterpart", "answers", "outcome", "code"),
    [("8", "0", "1", "accepted", None), ("8", "0", "0", "unanswered", None), ("3", "13", "0", "unknown", 13)],
)
def test_icmp_has_a_type_for_a_port(
    kind: str, counterpart: str, answers: str, outcome: str, code: int | None, tmp_path: Path
) -> None:
    """Trap 4: an ICMP type stands where a port would."""
    changed = {"id__orig_p": kind, "id__resp_p": counterpart, "resp_pkts": answers}
    row = one(tmp_path, proto="icmp", conn_state="OTH", history="-", orig_bytes="56", **changed)

    assert (row["source_port"], row["destination_port"]) == (None, None)
    assert (row["icmp_type"], row["icmp_code"], row["outcome"]) == (int(kind), code, outcome)
    assert row["payload_length"] == 56


def test_icmp_between_addresses_of_version_6_is_icmp6(tmp_path: Path) -> None:
    ends = {"id__orig_h": "2001:db8:0::1", "id__resp_h": "2001:db8::2"}
    row = one(tmp_path, proto="icmp", conn_state="OTH", id__orig_p="128", id__resp_p="129", **ends)

    assert (row["protocol"], row["source_ip"], row["outcome"]) == ("icmp6", "2001:db8::1", "unanswered")


@pytest.mark.parametrize("separator", ["\t", "|", ",", ";;", "\u2502"])
def test_the_header_names_the_separator(separator: str, tmp_path: Path) -> None:
    text = log([*PLAIN, *COUNTS], [*PLAIN, *COUNTS], separator=separator)
    found = read_text(SOURCE, tmp_path, text)

    assert SOURCE.confidence(Head(text.encode(), whole=True)) > 0.9
    assert [row["source_port"] for row in found.rows("connections")] == [40000, 40000]
    assert found.misfits.is_empty()


def test_logs_one_after_the_other_keep_their_fields(tmp_path: Path) -> None:
    swapped = ["id.resp_h", "id.resp_p", "id.orig_h", "id.orig_p", "ts", "proto", "conn_state"]
    second = log(["192.0.2.9", "443", "192.0.2.8", "50000", "1700000001", "tcp", "REJ"], fields=swapped)
    found = read_text(SOURCE, tmp_path, log([*PLAIN, *COUNTS]) + second)

    assert [(row["line"], row["destination_port"], row["outcome"]) for row in found.rows("connections")] == [
        (7, 22, "unanswered"),
        (15, 443, "refused"),
    ]
    assert found.records == 16


@pytest.mark.parametrize(
    ("place", "value"), [(5, "70000"), (3, "x"), (2, "192.0.2.300"), (0, "soon"), (6, "-"), (4, "-")]
)
def test_an_impossible_value_makes_a_misfit(place: int, value: str, tmp_path: Path) -> None:
    bad = [*PLAIN, *COUNTS]
    bad[place] = value
    found = read_text(SOURCE, tmp_path, log([*PLAIN, *COUNTS], bad))

    assert len(found.rows("connections")) == 1
    assert found.misfits["line"].to_list() == [8]


def test_a_cut_line_is_counted(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, log([*PLAIN, *COUNTS], PLAIN[:6]))

    assert len(found.rows("connections")) == 1
    assert found.misfits["text"].to_list() == ["\t".join(PLAIN[:6])]


def test_a_quote_is_a_letter_like_others(tmp_path: Path) -> None:
    row = one(tmp_path, uid='C"1')

    assert row["outcome"] == "unanswered"


def test_a_rotated_log_may_be_compressed(tmp_path: Path) -> None:
    path = tmp_path / "conn.11:00:00-12:00:00.log.gz"
    path.write_bytes(gzip.compress((SAMPLES / "zeek-conn" / "conn.log").read_bytes()))

    assert len(read(SOURCE, path).rows("connections")) == 8


def test_other_logs_of_zeek_are_not_claimed() -> None:
    dns = log(fields=["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "query"])

    assert SOURCE.confidence(Head(dns.encode(), whole=True)) == 0


def test_lines_before_a_header_are_counted(tmp_path: Path) -> None:
    found = read_text(SOURCE, tmp_path, "\t".join(PLAIN) + "\n" + log([*PLAIN, *COUNTS]))

    assert found.misfits["line"].to_list() == [1]
    assert len(found.rows("connections")) == 1


def counted(found: Read) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for row in found.rows("connections"):
        key = (row["protocol"], row["outcome"])
        counts[key] = counts.get(key, 0) + 1
    return counts


def test_a_real_log(corpus: Path) -> None:
    found = read(SOURCE, corpus / "public" / "zat" / "data" / "conn.log")

    assert found.misfits.is_empty()
    assert counted(found) == {
        ("icmp", "unknown"): 20,
        ("tcp", "accepted"): 110,
        ("tcp", "unanswered"): 2,
        ("tcp", "unknown"): 3,
        ("udp", "accepted"): 71,
        ("udp", "unanswered"): 154,
    }


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])), max_size=8))
def test_any_lines_are_read_or_counted(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    text = log([*PLAIN, *COUNTS]) + "".join(line + "\n" for line in lines)
    found = read_text(SOURCE, tmp_path_factory.mktemp("zeek"), text)

    rows = sum(table.height for table in found.tables.values())
    silent = sum(not line.strip() or line.startswith("#") for line in lines)
    # Lines of a header change how those behind them are read; none is lost.
    assert rows + found.misfits.height + silent >= 1 + len(lines) - found.malformed
