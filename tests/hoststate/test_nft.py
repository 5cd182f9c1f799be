"""nftables' rules as a state machine."""

from hypothesis import given
from hypothesis import strategies as st

from knockwatch.hoststate.nft import read
from tests.hoststate.reading import doors, numbered
from tests.sources.reading import SAMPLES

LISTED = (SAMPLES / "nft-ruleset" / "srv2-ruleset.txt").read_text()
LOADED = (SAMPLES / "nft-ruleset" / "srv2.nft").read_text()


def test_the_labs_sets_are_its_three_doors() -> None:
    found = doors(read, LISTED)

    assert set(found) == {
        ("tcp/10001 tcp/10002 tcp/10003 tcp/10004 tcp/10005", "tcp/22"),
        ("tcp/10001 tcp/10002 tcp/10003", "tcp/22"),
        ("tcp/11001 tcp/11002 tcp/11003", "tcp/2222"),
    }
    assert {row["seconds"] for rows in found.values() for row in rows} == {10}


def test_a_set_keyed_by_the_server_opens_for_everyone() -> None:
    bound = {
        service: {row["source_bound"] for row in rows} for (_, service), rows in doors(read, LISTED).items()
    }

    assert bound == {"tcp/22": {True}, "tcp/2222": {False}}


def test_a_door_is_of_the_version_of_ip_that_its_keys_are_of() -> None:
    versions = {len(steps.split()): rows[0]["ip_version"] for (steps, _), rows in doors(read, LISTED).items()}

    assert versions[5] == 4
    assert {
        rows[0]["ip_version"] for (steps, service), rows in doors(read, LISTED).items() if service == "tcp/22"
    } == {
        4,
        6,
    }


def test_a_file_for_nft_says_the_same_as_what_nft_lists() -> None:
    assert set(doors(read, LOADED)) == set(doors(read, LISTED))


def test_definitions_old_statements_and_set_timeouts_are_read() -> None:
    text = """\
define guarded = { ssh }
table inet portknock {
	set clients { type ipv4_addr; flags timeout; timeout 20s; }
	chain knock {
		udp dport 4000 set add ip saddr @clients
	}
	chain input { # handle 3
		type filter hook input priority -10; policy accept;
		meta l4proto udp jump knock # handle 5
		tcp dport $guarded ip saddr @clients counter accept
		tcp dport $guarded ip saddr != @clients reject with tcp reset
	}
}"""
    [((steps, service), rows)] = doors(read, text).items()

    assert (steps, service, rows[0]["seconds"]) == ("udp/4000", "tcp/22", 20)


def test_a_service_may_stand_in_the_key_alone() -> None:
    text = """\
table ip k {
	chain input {
		type filter hook input priority 0; policy drop;
		tcp dport 1001 add @open { ip saddr . 2200 timeout 5s }
		ip saddr . tcp dport @open accept
	}
}"""
    assert set(doors(read, text)) == {("tcp/1001", "tcp/2200")}


def test_meters_and_lists_of_the_barred_open_nothing() -> None:
    text = """\
table inet filter {
	chain input {
		type filter hook input priority 0; policy drop;
		ip saddr @barred drop
		tcp dport 22 ct state new add @seen { ip saddr limit rate 3/minute } accept
		tcp dport 23 add @barred { ip saddr timeout 1h } drop
	}
}"""
    assert doors(read, text) == {}


def test_rules_of_a_text_that_breaks_off_are_told() -> None:
    cut = LISTED[: LISTED.index("tcp dport 11001")]

    assert ("tcp/10001 tcp/10002 tcp/10003", "tcp/22") in doors(read, cut)


@given(st.text(alphabet="table ip{}\n\t;chainsetadd@ .dport1234567890saddr", max_size=300))
def test_any_text_is_read_to_an_end(text: str) -> None:
    read(numbered("table ip x {\n" + text))
