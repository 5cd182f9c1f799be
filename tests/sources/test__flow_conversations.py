"""Conversations put together from flow records."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.clock import SECOND_US
from knockwatch.sources import _flow_conversations
from knockwatch.sources._flow_conversations import Conversations
from knockwatch.sources._flow_outcomes import View
from knockwatch.sources._flow_records import ACK, ALLOWED, FIN, FLOW, PSH, RST, SYN
from knockwatch.tables import DENIED, REFUSED

VIEW = View("v", "p")
PARTIAL = View("v", "p", all_flags=False)
CLIENT, SERVER = ("198.51.100.10", 40000), ("203.0.113.10", 22)
OPENED = SYN | ACK | PSH | FIN


def _flow(
    line: int, begin: float = 0.0, end: float | None = None, *, back: bool = False, **more: Any
) -> dict[str, Any]:
    source, destination = (SERVER, CLIENT) if back else (CLIENT, SERVER)
    return {
        "line": line,
        "time_us": int(begin * SECOND_US),
        "end_us": int((begin if end is None else end) * SECOND_US),
        "source_ip": source[0],
        "source_port": source[1],
        "destination_ip": destination[0],
        "destination_port": destination[1],
        "protocol": "tcp",
        "packets_sent": 1,
        "bytes_sent": 60,
        **more,
    }


def _rows(*flows: dict[str, Any], view: View = VIEW, each: int = 100) -> list[dict[str, Any]]:
    conversations, parts = Conversations(view), []
    for start in range(0, len(flows), each):
        block = pl.DataFrame(flows[start : start + each], schema=dict(FLOW))
        parts.append(conversations.take(block))
    parts.append(conversations.rest())
    return pl.concat(parts, how="diagonal").sort("line").to_dicts()


def _outcomes(*flows: dict[str, Any], view: View = VIEW) -> list[str]:
    return [row["outcome"] for row in _rows(*flows, view=view)]


def test_both_directions_are_one_row_of_who_began() -> None:
    """In whole seconds both directions have one time: the port tells who began."""
    forth = _flow(1, flags=OPENED, packets_sent=22, bytes_sent=4885)
    back = _flow(2, back=True, flags=OPENED, packets_sent=20, bytes_sent=4617)

    for flows in ((forth, back), ({**back, "line": 1}, {**forth, "line": 2})):
        (row,) = _rows(*flows)
        assert (row["source_ip"], row["source_port"]) == CLIENT
        assert (row["packets_sent"], row["packets_received"]) == (22, 20)
        assert (row["bytes_sent"], row["bytes_received"]) == (4885, 4617)
        assert (row["outcome"], row["tcp_flags"], row["line"]) == ("accepted", "SYN", 1)


def test_the_earlier_one_began() -> None:
    (row,) = _rows(
        _flow(1, 10.001, flags=OPENED, destination_port=50000),
        _flow(2, 10.0, back=True, flags=OPENED, source_port=50000),
    )

    assert (row["source_ip"], row["source_port"]) == (SERVER[0], 50000)


def test_a_syn_without_ack_began_whatever_the_times_say() -> None:
    (row,) = _rows(
        _flow(1, 0.0, back=True, flags=SYN | ACK, source_port=60000, packets_sent=7),
        _flow(2, 0.1, flags=SYN, destination_port=60000, packets_sent=8),
        view=PARTIAL,
    )

    assert (row["destination_port"], row["outcome"]) == (60000, "accepted")


@pytest.mark.parametrize(
    ("forth", "back", "outcome"),
    [
        (SYN, None, "unanswered"),
        (SYN, RST | ACK, "refused"),
        (SYN | RST, SYN | ACK, "accepted"),
        (OPENED, OPENED, "accepted"),
        (OPENED, None, "accepted"),
        (SYN, SYN | ACK, "accepted"),
        (ACK, None, "unknown"),
        (ACK | FIN, RST, "unknown"),
        (RST, None, "unknown"),
        (PSH | ACK, PSH | ACK, "unknown"),
    ],
)
def test_flags_say_what_became_of_it(forth: int, back: int | None, outcome: str) -> None:
    """Trap 14: late packets to open ports are no probes, and a lone reset is no success."""
    flows = [_flow(1, flags=forth, packets_sent=3 if forth == OPENED else 1)]
    if back is not None:
        flows.append(_flow(2, 0.1, back=True, flags=back))

    assert _outcomes(*flows) == [outcome]


def test_a_lone_syn_ack_is_backscatter() -> None:
    (row,) = _rows(_flow(1, back=True, flags=SYN | ACK))

    assert (row["source_ip"], row["outcome"], row["tcp_flags"]) == (SERVER[0], "unknown", "SYN,ACK")


def test_one_direction_alone_is_turned_where_it_is_the_answer() -> None:
    (row,) = _rows(_flow(1, back=True, flags=OPENED, packets_sent=20))

    assert (row["source_ip"], row["destination_port"]) == (CLIENT[0], 22)
    assert (row["outcome"], row["packets_sent"], row["packets_received"]) == ("accepted", None, 20)


def test_retransmissions_recorded_one_by_one_are_one_attempt() -> None:
    """Trap 15: the kernel repeats a SYN that nobody answers after 1, 3, 7 … seconds."""
    rows = _rows(*(_flow(line, at, flags=SYN) for line, at in enumerate((0, 1, 3, 7, 15, 31, 63), 1)))

    assert [(row["outcome"], row["packets_sent"], row["event_count"]) for row in rows] == [
        ("unanswered", 7, 1)
    ]


def test_a_later_syn_is_a_new_attempt() -> None:
    assert _outcomes(_flow(1, flags=SYN), _flow(2, 80, flags=SYN)) == ["unanswered"] * 2


def test_a_port_used_again_after_the_end_is_a_new_connection() -> None:
    first = (_flow(1, 0, 5, flags=OPENED), _flow(2, 0, 5, back=True, flags=OPENED))
    again = (_flow(3, 8, 9, flags=SYN), _flow(4, 8.1, 9, back=True, flags=RST | ACK))

    assert _outcomes(*first, *again) == ["accepted", "refused"]


def test_records_of_a_long_connection_are_one_row() -> None:
    flows = [
        _flow(
            2 * minute + back, 60 * minute, 60 * minute + 59, back=bool(back), packets_sent=10, bytes_sent=900
        )
        for minute in range(30)
        for back in (0, 1)
    ]
    rows = _rows(*flows)

    assert [(row["outcome"], row["packets_sent"], row["packets_received"]) for row in rows] == [
        ("accepted", 300, 300)
    ]


def test_udp_with_an_answer_is_accepted_and_without_one_unanswered() -> None:
    ask: dict[str, Any] = {"protocol": "udp", "bytes_sent": 253}
    (silent,) = _rows(_flow(1, **ask))
    (answered,) = _rows(_flow(1, **ask), _flow(2, back=True, **ask))

    assert (silent["outcome"], silent["payload_length"], silent["packet_length"]) == ("unanswered", 225, 253)
    assert answered["outcome"] == "accepted"


def test_pings_of_different_lengths_are_steps_of_their_own() -> None:
    ping: dict[str, Any] = {
        "protocol": "icmp",
        "icmp_type": 8,
        "icmp_code": 0,
        "source_port": None,
        "destination_port": None,
    }
    rows = _rows(
        *(_flow(line, line, **ping, bytes_sent=size) for line, size in enumerate((123, 124, 125), 1))
    )

    assert [(row["payload_length"], row["outcome"]) for row in rows] == [
        (95, "unanswered"),
        (96, "unanswered"),
        (97, "unanswered"),
    ]


def test_an_echo_reply_belongs_to_its_request() -> None:
    icmp: dict[str, Any] = {"protocol": "icmp", "icmp_code": 0, "source_port": None, "destination_port": None}
    (row,) = _rows(_flow(1, back=True, icmp_type=0, **icmp), _flow(2, icmp_type=8, **icmp))

    assert (row["source_ip"], row["icmp_type"], row["outcome"]) == (CLIENT[0], 8, "accepted")


def test_without_flags_lengths_tell_a_reset_from_an_answer() -> None:
    ask = _flow(1, bytes_sent=60)

    assert _outcomes(ask, _flow(2, 0.1, back=True, bytes_sent=40)) == ["refused"]
    assert _outcomes(ask, _flow(2, 0.1, back=True, bytes_sent=60)) == ["accepted"]
    assert _outcomes(ask) == ["unanswered"]
    assert _outcomes(_flow(1, packets_sent=20, bytes_sent=4249)) == ["unknown"]


def test_a_filter_that_let_pass_is_no_answer() -> None:
    """An accept without return traffic is what an edge's accept is; silence after a SYN is silence."""
    (row,) = _rows(_flow(1, packets_sent=20, bytes_sent=4249, said=ALLOWED, action="ACCEPT"), view=PARTIAL)

    assert (row["outcome"], row["forwarded"], row["action"]) == ("accepted", True, "ACCEPT")
    assert _outcomes(_flow(1, said=ALLOWED, flags=SYN), view=PARTIAL) == ["unanswered"]


def test_an_answer_that_was_denied_on_its_way_out_was_denied() -> None:
    icmp: dict[str, Any] = {"protocol": "icmp", "source_port": None, "destination_port": None}
    (row,) = _rows(
        _flow(1, **icmp, said=ALLOWED, action="ACCEPT"),
        _flow(2, 60, back=True, **icmp, said=DENIED, action="REJECT"),
    )

    assert (row["source_ip"], row["outcome"], row["action"]) == (CLIENT[0], "denied", "REJECT")


def test_an_unreachable_port_is_refused_unless_somebody_answered() -> None:
    assert _outcomes(_flow(1, protocol="udp", said=REFUSED)) == ["refused"]
    assert _outcomes(_flow(1, protocol="udp", said=REFUSED, replied=True)) == ["accepted"]


def test_where_only_one_direction_is_exported_silence_says_nothing() -> None:
    conversations = Conversations(VIEW)
    flows = [_flow(1, flags=OPENED, packets_sent=9), _flow(2, protocol="udp", destination_port=2222)]
    conversations.take(pl.DataFrame(flows, schema=dict(FLOW)))
    rows = conversations.rest().sort("line")

    assert rows["outcome"].to_list() == ["accepted", "unknown"]
    assert "one direction" in conversations.problems[0]


def test_a_sample_of_packets_says_nothing_of_silence() -> None:
    assert _outcomes(_flow(1, flags=SYN), view=View("v", "p", sampled=True)) == ["unknown"]


def test_the_oldest_are_judged_when_too_many_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_flow_conversations, "HELD", 3)
    conversations = Conversations(VIEW)
    flows = [_flow(line, source_port=line, flags=SYN) for line in range(1, 11)]
    early = conversations.take(pl.DataFrame(flows, schema=dict(FLOW)))
    late = conversations.rest()

    assert early["line"].to_list() == [1, 2, 3, 4, 5, 6, 7]
    assert late["line"].to_list() == [8, 9, 10]
    assert "7 were judged before the file's end" in conversations.problems[0]


_TIMES = st.integers(0, 300)
_RECORDS = st.lists(
    st.builds(
        lambda at, length, back, flags, port: _flow(
            0,
            at,
            at + length,
            back=back,
            flags=flags,
            **{"destination_port" if not back else "source_port": port},
        ),
        _TIMES,
        st.integers(0, 5),
        st.booleans(),
        st.sampled_from([SYN, SYN | ACK, RST | ACK, OPENED, ACK, None]),
        st.sampled_from([22, 7000, 61000]),
    ),
    max_size=12,
)


@given(_RECORDS, st.integers(1, 5))
def test_no_packet_is_lost_or_counted_twice(flows: list[dict[str, Any]], each: int) -> None:
    flows = [{**flow, "line": line} for line, flow in enumerate(flows, 1)]
    rows = _rows(*flows, each=each)

    counted = sum((row["packets_sent"] or 0) + (row["packets_received"] or 0) for row in rows)
    assert counted == len(flows)
    assert {row["line"] for row in rows} <= {flow["line"] for flow in flows}


@given(st.permutations(range(6)), st.integers(1, 6))
def test_the_order_of_records_does_not_matter(order: list[int], each: int) -> None:
    flows = [
        _flow(1, 0, 5, flags=OPENED, packets_sent=9),
        _flow(2, 0.1, 5, back=True, flags=OPENED, packets_sent=8),
        _flow(3, 2, flags=SYN, destination_port=7000),
        _flow(4, 3, flags=SYN, destination_port=7000),
        _flow(5, 9, flags=SYN),
        _flow(6, 9.1, back=True, flags=RST | ACK),
    ]
    rows = _rows(*(flows[place] for place in order), each=each)

    assert [(row["line"], row["outcome"], row["packets_sent"]) for row in rows] == [
        (1, "accepted", 9),
        (3, "unanswered", 2),
        (5, "refused", 1),
    ]
