"""Files of several sections, and whose they are."""

from pathlib import PurePath

import pytest

from knockwatch.hoststate.snapshot import host_of, kinds, read
from tests.hoststate.reading import numbered
from tests.sources.reading import SAMPLES

SAMPLE = (SAMPLES / "host-snapshot" / "after-h1.srv1.txt").read_text()


def test_sections_are_told_by_their_content() -> None:
    assert kinds(numbered(SAMPLE)) == {"ss", "proc-net-packet", "iptables-save", "nft-ruleset", "xt-recent"}


def test_every_section_is_read() -> None:
    rows = read(numbered(SAMPLE)).rows
    told = {row["kind"] for row in rows}

    assert told == {"door-configured", "filter-attached", "listener-opened", "rule-added", "socket-opened"}
    assert {row["name"] for row in rows if row["kind"] == "rule-added"} == {"ICMPK", "SSH0", "SSH1", "SSH2"}


def test_a_configuration_is_known_by_the_name_in_its_title() -> None:
    text = "== cat /etc/knockd.conf ==\n[d]\nsequence = 1,2\n### ps\n[d]\nsequence = 3,4"

    assert {row["steps"] for row in read(numbered(text)).rows} == {"tcp/1 tcp/2"}


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/e/start.srv1.txt", "srv1"),
        ("/e/uac-web-01-linux-20240101120000/live_response/network/ss_-tulpn.txt", "web-01"),
        ("/e/Collection-db7.example-2024-01-01T12_00_00Z/uploads/iptables-save.txt", "db7.example"),
        ("/e/iptables-save.txt", None),
        ("/e/ss.2024.txt", None),
    ],
)
def test_a_path_may_name_the_host(path: str, host: str | None) -> None:
    assert host_of(PurePath(path)) == host
