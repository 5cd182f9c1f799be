"""The hunting queries: what each says of itself, and what it finds on real and on made evidence."""

import json
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest

from knockwatch.config import Config
from knockwatch.detections import Kind, Leg, detections
from knockwatch.guidance.choice import content
from knockwatch.hunting import HuntError, hunts, read_hunt
from knockwatch.hunting.site import fitted, vendor_words
from tests.kql import LAB, connect, rows

NAMES = sorted(hunts())
KNOWN_ATTACK = {technique["id"] for technique in content()["technique"]}
FIRST = ("7000", "8000", "9000")
OPENED_BY_RUN = {
    # The sources of the lab's labels that knocked at a door whose entries the firewall logs, by the door's port.
    22: {
        "198.51.100.10", "198.51.100.13", "198.18.7.10", "198.51.100.22", "198.18.7.14", "198.18.7.15", "198.18.7.16",
        "198.18.7.17", "198.51.100.25", "198.51.100.28", "198.51.100.29", "198.51.100.32", "2001:db8:c::10",
        "198.51.100.37", "198.18.7.24",
    },
    2200: {"198.51.100.11", "198.51.100.24"},
    2022: {"198.51.100.12", "198.51.100.26", "198.51.100.27"},
}  # fmt: skip
COUNTS = {
    "burst-of-denials": 31,
    "called-back": 1,
    "closed-to-others": 2,
    "daemon-attempts": 8,
    "daemon-opens": 22,
    "daemon-then-log-in": 20,
    "denied-then-accepted": 22,
    "denied-there-before": 1,
    "firewall-opened-by-odd-parent": 4,
    "knock-by-hand": 5,
    "knock-clients": 19,
    "knock-rules-added": 10,
    "listeners-started": 3,
    "log-in-after-denials": 23,
    "one-packet-then-accepted": 2,
    "recurring-sequence": 5,
    "relayed-entry": 1,
    "rule-for-moments": 6,
    "slow-knock": 1,
    "sniffers-started": 4,
    "spa-refused": 2,
    "three-legs": 12,
    "unknown-actions": 3,
}
"""Rows of each hunt on `tests.kql.evidence`."""


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The views of the evidence."""
    return connect(tmp_path_factory.mktemp("views"))


@cache
def found(connection: Any, name: str) -> list[dict[str, Any]]:
    """Run one hunt as it is shipped."""
    return rows(connection, hunts()[name].text)


def test_there_are_enough_hunts_and_each_has_its_count() -> None:
    assert len(NAMES) >= 15
    assert set(COUNTS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_hunt_says_what_it_is(name: str) -> None:
    hunt = hunts()[name]
    known = {detection.rule.id for detection in detections()}
    assert hunt.id == name
    assert set(hunt.attack) <= KNOWN_ATTACK
    assert set(hunt.cases) <= set(get_args(Kind))
    assert set(hunt.legs) <= set(get_args(Leg))
    assert set(hunt.rules) <= known
    assert hunt.tables
    assert hunt.query.startswith("let ")
    assert "ago(" not in hunt.text, "the portal, and --since, choose the time"
    assert all(one.name in hunt.query.partition(f"let {one.name} = ")[2] for one in hunt.tunables), (
        "unused tunable"
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_defaults_of_the_configuration_are_those_of_the_text(name: str) -> None:
    assert fitted(hunts()[name], Config()).text == hunts()[name].text


@pytest.mark.parametrize("name", NAMES)
def test_a_hunt_finds_its_rows(connection: Any, name: str) -> None:
    hunt = hunts()[name]
    told = found(connection, name)
    assert len(told) == COUNTS[name]
    assert all(row["TimeGenerated"] is not None for row in told)
    assert {column for _, column in hunt.entities} <= told[0].keys()


def test_denied_runs_before_entries_are_the_lab_s_knocks(connection: Any) -> None:
    told = [row for row in found(connection, "denied-then-accepted") if row["DeviceName"].startswith("srv")]
    assert {(row["EntryPort"], row["SourceIP"]) for row in told} == {
        (port, source) for port, sources in OPENED_BY_RUN.items() for source in sources
    }
    steps = {row["SourceIP"]: row["Steps"] for row in told}
    assert steps["198.51.100.11"] == "udp/2222 tcp/3333 udp/4444"
    assert steps["198.51.100.12"] == "tcp/8881 tcp/7777 tcp/9991"
    assert steps["198.51.100.32"].split()[-1] == "tcp/10005"


def test_the_words_of_other_vendors_count(connection: Any) -> None:
    made = [row for row in found(connection, "denied-then-accepted") if row["DeviceName"] == "edge8"]
    assert [(row["SourceIP"], row["EntryPort"], row["Steps"]) for row in made] == [
        ("192.0.2.53", 3389, "tcp/1001 tcp/1003 tcp/1002")
    ]
    assert {"reset-both", "client-rst", "drop icmp"} <= set(vendor_words("denied"))


def test_three_legs_are_doors_of_the_lab_with_the_daemon_s_line(connection: Any) -> None:
    told = found(connection, "three-legs")
    assert {row["SourceIP"] for row in told} == OPENED_BY_RUN[22] - {
        # The doors of srv2 open by sets of nftables, which log nothing that names an address.
        "198.51.100.13", "198.51.100.32", "2001:db8:c::10",
    }  # fmt: skip
    assert all(row["EntryPort"] == 22 and row["SourceIP"] in row["Opening"] for row in told)


def test_a_log_in_after_a_daemon_s_word_is_found_in_short_and_in_full_addresses(connection: Any) -> None:
    sources = {(row["HostName"], row["SourceIP"]) for row in found(connection, "daemon-then-log-in")}
    assert {("srv1", "2001:db8:a::10"), ("srv2", "2001:db8:c::10"), ("srv3", "198.51.100.14")} <= sources
    # SPA, by UDP and by ICMP.
    assert {("srv1", "198.51.100.33"), ("srv1", "198.51.100.35")} <= sources


def test_log_ins_after_denials_see_what_the_firewall_s_accepts_do_not(connection: Any) -> None:
    told = {row["SourceIP"]: row["Steps"] for row in found(connection, "log-in-after-denials")}
    # UFW at srv3 logs no accepts; srv1 logs none of IPv6.
    assert told.keys() == set.union(*OPENED_BY_RUN.values()) | {
        "198.51.100.14", "198.51.100.15", "2001:db8:a::10",
    }  # fmt: skip
    assert told["2001:db8:a::10"] == "tcp/7000 tcp/8000 tcp/9000"


def test_one_packet_is_a_ping_with_a_word_and_not_an_ordinary_one(connection: Any) -> None:
    told = found(connection, "one-packet-then-accepted")
    assert [(row["SourceIP"], row["EntryPort"], row["Signal"]) for row in told] == [
        ("198.18.7.18", 2022, "icmp"),
        ("198.18.7.19", 2022, "icmp"),
    ]


def test_the_secret_recurs_most(connection: Any) -> None:
    told = {
        (row["DeviceName"], row["Sequence"]): row["Times"] for row in found(connection, "recurring-sequence")
    }
    assert told["srv1", "tcp/7000 tcp/8000 tcp/9000"] == max(told.values())
    assert told["srv1", "tcp/8881 tcp/7777 tcp/9991"] == 3


def test_a_relayed_entry_names_who_sent_the_steps(connection: Any) -> None:
    (row,) = found(connection, "relayed-entry")
    assert (row["SourceIP"], row["EntryPort"]) == ("198.18.7.28", 2222)
    assert set(as_list(row["Senders"])) == {"198.18.7.25", "198.18.7.26", "198.18.7.27"}
    assert row["Steps"] == "tcp/11001 tcp/11002 tcp/11003"


def test_no_failed_knock_is_an_entry(connection: Any) -> None:
    failed = {"198.18.7.11", "198.18.7.12", "198.18.7.13", "198.51.100.16", "198.51.100.17", "198.51.100.19"}
    for name in (
        "denied-then-accepted",
        "three-legs",
        "daemon-then-log-in",
        "log-in-after-denials",
        "slow-knock",
    ):
        assert not failed & {row["SourceIP"] for row in found(connection, name)}, name


def test_attempts_say_how_far_they_came(connection: Any) -> None:
    told = {row["SourceIP"]: row["Furthest"] for row in found(connection, "daemon-attempts")}
    assert told["198.18.7.11"] == 2
    assert told["198.18.7.12"] == 1
    assert "198.51.100.10" not in told


def test_refused_spa_packets_have_their_reasons(connection: Any) -> None:
    assert {(row["SourceIP"], row["Reason"]) for row in found(connection, "spa-refused")} == {
        ("198.18.7.22", "replayed"),
        ("198.18.7.23", "wrong key or damaged"),
    }


def test_rules_for_moments_last_as_long_as_the_daemon_s_timeout(connection: Any) -> None:
    told = {row["SourceIP"]: row["Seconds"] for row in found(connection, "rule-for-moments")}
    assert told["198.51.100.10"] == told["198.51.100.11"] == 10
    assert told["192.0.2.60"] == 20


def test_odd_parents_are_daemons_and_services_and_no_block_list(connection: Any) -> None:
    assert {
        (row["Parent"], row["SourceIP"]) for row in found(connection, "firewall-opened-by-odd-parent")
    } == {
        ("daemon", "198.51.100.33"),
        ("daemon", "198.51.100.35"),
        ("service", "192.0.2.60"),
        ("service", "192.0.2.62"),
    }


def test_a_knock_by_hand_has_its_ports_in_order(connection: Any) -> None:
    told = [(row["Tool"], row["Target"], row["Steps"]) for row in found(connection, "knock-by-hand")]
    assert ("nping", "203.0.113.10", "7000 8000 9000") in told
    assert ("hping3", "203.0.113.10", "2222 3333 4444") in told
    assert ("nc", "203.0.113.10", "7000 8000 9000 8881 7777 9991") in told


def test_clients_are_seen_without_a_file_name_and_not_when_they_only_help(connection: Any) -> None:
    """Trap 5: Defender for Linux may leave FileName empty."""
    told = [row["ProcessCommandLine"] for row in found(connection, "knock-clients")]
    assert "/usr/bin/knock 203.0.113.9 7000 8000:udp 9000" in told
    assert "knock --help" not in told


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("called-back", "SourceIP", "192.0.2.52"),
        ("denied-there-before", "Between", "tcp/1111"),
        ("slow-knock", "Seconds", 80),
        ("unknown-actions", "DeviceAction", "mitigated"),
        ("listeners-started", "Shell", True),
        ("sniffers-started", "Waits", True),
        ("knock-rules-added", "Why", "nftables: a set that forgets"),
        ("closed-to-others", "DestinationPort", 2022),
        ("burst-of-denials", "Steps", " ".join(f"tcp/{port}" for port in FIRST)),
        ("daemon-opens", "ProcessName", "fwknopd"),
    ],
)
def test_a_hunt_tells_what_it_is_for(connection: Any, name: str, column: str, value: object) -> None:
    assert value in [row[column] for row in found(connection, name)]


def as_list(value: Any) -> list[str]:
    """Read a set, which duckdb-kql gives as JSON."""
    listed: list[str] = json.loads(value) if isinstance(value, str) else list(value)
    return listed


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Syslog", "should begin with a comment"),
        ("// a-b: Title\n// Data: x\nSyslog", "lacks ATT&CK, Cases"),
        ("// a-b: Title\n// Nonsense: x\n", "lacks"),
    ],
)
def test_a_head_that_lacks_something_is_told(text: str, wanted: str) -> None:
    with pytest.raises(HuntError, match=wanted):
        read_hunt(text, "x.kql")


def test_an_unknown_field_and_an_odd_alert_are_told(data: Path) -> None:
    text = hunts()["slow-knock"].text
    with pytest.raises(HuntError, match="Extra in its head"):
        read_hunt(text.replace("// Alert:", "// Extra: x\n// Alert:"), "x.kql")
    with pytest.raises(HuntError, match="should say its alert"):
        read_hunt(text.replace("every 1h over 1d", "often"), "x.kql")


@pytest.mark.corpus
def test_on_the_whole_lab_no_rule_for_entries_names_a_scanner(corpus: Path, tmp_path: Path) -> None:
    """Noise from 200 sources, an edge that forwards nearly everything, scans: what alerts on entries tells of none."""
    run = corpus / "lab-a"
    labels = json.loads((run / "labels.json").read_text("utf-8"))
    knocked = {source for event in labels if event["kind"] in {"knock", "spa"} for source in event["src"]}
    whole = connect(tmp_path, [str(run / name) for name in LAB])
    told = {
        name: {row["SourceIP"] for row in rows(whole, hunts()[name].text)}
        for name in (
            "denied-then-accepted", "slow-knock", "one-packet-then-accepted", "three-legs", "daemon-then-log-in",
            "log-in-after-denials", "denied-there-before", "called-back", "relayed-entry",
        )
    }  # fmt: skip
    assert {name: sources - knocked for name, sources in told.items() if sources - knocked} == {}
    assert len(told["denied-then-accepted"]) == 33
    assert len(told["log-in-after-denials"]) == 36
    assert len(told["slow-knock"]) == 2
