"""What firewalls' lines share."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources._pairs import Pairs
from knockwatch.sources.bodies._firewall_lines import connections, letters, unbroken, value

TEXTS = st.lists(st.text(alphabet='ab="  \t=é', max_size=20), min_size=1, max_size=6)


def _messages(count: int, time: str = "2026-11-22T11:23:34Z", time_us: int | None = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "line": list(range(1, count + 1)),
            "time_us": [time_us] * count,
            "time": [time] * count,
            "host": ["fw"] * count,
            "message": ["…"] * count,
        },
        schema_overrides={"time_us": pl.Int64},
    )


def _found(**columns: list[object]) -> pl.DataFrame:
    count = len(next(iter(columns.values()))) if columns else 1
    usual: dict[str, object] = {
        "source_ip": "192.0.2.1",
        "destination_ip": "192.0.2.2",
        "source_port": 40000,
        "destination_port": 22,
        "protocol": "TCP",
        "action": "allow",
    }
    return pl.DataFrame({**{name: [kept] * count for name, kept in usual.items()}, **columns})


def _read(**columns: list[object]) -> pl.DataFrame:
    found = _found(**columns)
    return connections(_messages(found.height), found, "Vendor", "Product").tables["connections"]


def test_ports_and_addresses_that_are_none_make_a_misfit() -> None:
    found = _found(
        source_ip=["192.0.2.1", "192.0.2.999", "192.0.2.1", "192.0.2.1"],
        destination_port=[22, 22, 65536, None],
    )

    batch = connections(_messages(4), found, "Vendor", "Product")

    assert batch.tables["connections"]["line"].to_list() == [1]
    assert batch.misfits is not None
    assert batch.misfits["line"].to_list() == [2, 3, 4]


def test_a_protocol_without_ports_needs_none() -> None:
    rows = _read(protocol=["1", "ESP"], source_port=[8, None], destination_port=[0, None])

    assert rows["protocol"].to_list() == ["icmp", "esp"]
    assert rows["destination_port"].to_list() == [None, None]


def test_a_connection_that_is_over_is_judged_by_what_came_back() -> None:
    rows = _read(
        protocol=["tcp", "tcp", "tcp", "udp"],
        bytes_received=[0, 60, 5000, 60],
        ended=[True] * 4,
        forwarded=[True] * 4,
    )

    assert rows["outcome"].to_list() == ["unanswered", "unknown", "accepted", "accepted"]
    assert rows["forwarded"].to_list() == [True, None, None, None]


def test_the_time_is_that_of_the_beginning() -> None:
    rows = _read(ended=[True, False], duration_us=[5, 5])

    assert rows["time_us"].to_list() == [-5, 0]


def test_a_devices_own_time_counts_where_it_says_more() -> None:
    """Trap 7: syslog may lack a year."""
    own = _found(own_us=[7], local_us=[8], own_text=["own"])
    local = _found(own_us=[None], local_us=[8], own_text=["own"])

    def time(found: pl.DataFrame, envelope: str) -> tuple[object, ...]:
        batch = connections(_messages(1, envelope, 9), found, "Vendor", "Product")
        return batch.tables["connections"].select("time_us", "time").row(0)

    assert time(own, "2026-11-22T11:23:34Z") == (7, "own")
    assert time(local, "2026-11-22T11:23:34Z") == (9, "2026-11-22T11:23:34Z")
    assert time(local, "Nov 22 11:23:34") == (8, "own")


def test_a_rule_that_speaks_of_knocking_leaves_its_message() -> None:
    """What it says may be the only word of an opening."""
    found = _found(rule=["WAN-in", "PortKnock-open"])

    assert connections(_messages(2), found, "V", "P").redundant.to_list() == [1]  # type: ignore[union-attr]


def test_flags_are_spelled_alike_from_letters_and_names() -> None:
    spelled = letters(pl.Series(["S", "FPA", "ACK,SYN", "RST", "-", None, "SEW"]))

    assert spelled.to_list() == ["SYN", "ACK,FIN,PSH", "SYN,ACK", "RST", None, None, "SYN"]


def test_a_pair_within_quotes_is_no_pair() -> None:
    """Users choose their names, which stand in quotes: they must not choose addresses."""
    texts = pl.Series(['user="x src=6.6.6.6 " src="192.0.2.1"', "src=192.0.2.2", 'msg="cut src=6.6.6.6'])
    pairs = Pairs(unbroken(texts))

    assert value(pairs, "src").to_list() == ["192.0.2.1", "192.0.2.2", None]
    assert value(pairs, "user", "msg")[0] == "x src=6.6.6.6 "


@given(TEXTS)
def test_texts_keep_all_but_their_quoted_blanks(texts: list[str]) -> None:
    def quoted(text: str) -> str:
        pieces = text.split('"')
        return '"'.join(
            piece.replace(" ", "\x7f") if place % 2 else piece for place, piece in enumerate(pieces)
        )

    assert unbroken(pl.Series(texts)).to_list() == [quoted(text) for text in texts]
