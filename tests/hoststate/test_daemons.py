"""Configurations of knock daemons, and what their filters tell."""

import pytest

from knockwatch.hoststate.bpf import Wait
from knockwatch.hoststate.daemons import read_access, read_fwknopd, read_knockd, waiting_doors
from tests.hoststate.reading import doors, numbered
from tests.sources.reading import SAMPLES

KNOCKD = (SAMPLES / "knockd-conf" / "knockd-b.conf").read_text()
ACCESS = (SAMPLES / "fwknop-access" / "access.conf").read_text()


def test_a_section_is_a_door_with_its_steps_and_protocols() -> None:
    [((steps, _), rows)] = doors(read_knockd, KNOCKD).items()

    assert steps == "udp/2222 tcp/3333 udp/4444"
    assert {(row["name"], row["seconds"], row["source_bound"]) for row in rows} == {("mixedSSH", 15, True)}
    assert any("--dport 2200" in row["rule_text"] for row in rows)


def test_keys_may_have_any_case_and_defaults_hold() -> None:
    [((steps, _), [row])] = doors(read_knockd, "[d]\nSEQUENCE=7000,8000:UDP\nStop_Command = x").items()

    assert (steps, row["seconds"], row["source_bound"]) == ("tcp/7000 udp/8000", 25, None)


def test_one_time_sequences_are_a_door_without_told_steps() -> None:
    [((steps, _), rows)] = doors(
        read_knockd, "[d]\none_time_sequences = /etc/knockd/s\ntarget = 192.0.2.7"
    ).items()

    assert steps == ""
    assert {row["destination_ip"] for row in rows} == {"192.0.2.7"}


@pytest.mark.parametrize("steps", ["7000,70000", "0", "7000:icmp", "", ",".join(["1"] * 33)])
def test_a_sequence_that_is_none_is_a_misfit(steps: str) -> None:
    state = read_knockd(numbered(f"[d]\nsequence = {steps}"))

    assert not state.rows
    assert [number for number, _ in state.misfits] == [2]


def test_no_row_has_a_key() -> None:
    text = ACCESS + "KEY: hunter2;\nGPG_DECRYPT_PW hunter2\nHMAC_KEY hunter2\nCMD_EXEC_USER root\n"
    state = read_access(numbered(text))

    assert state.rows
    assert not any("hunter2" in row["rule_text"] or "BASE64" in row["rule_text"] for row in state.rows)
    assert not any("hunter2" in line for _, line in state.misfits)


def test_a_stanza_is_a_door_for_each_port_and_source() -> None:
    text = "SOURCE: 198.51.100.0/24;\nOPEN_PORTS: tcp/22, tcp/993;\nREQUIRE_USERNAME: eve;\nSOURCE ANY\nKEY x"
    found = doors(read_access, text)

    assert set(found) == {("", "tcp/22"), ("", "tcp/993"), ("", None)}
    assert {row["source_ip"] for row in found["", "tcp/22"]} == {"198.51.100.0/24"}
    assert [row["rule_text"] for row in found["", "tcp/22"]][-1] == "REQUIRE_USERNAME eve"


def test_fwknopd_listens_where_its_filter_says_or_at_its_usual_port() -> None:
    assert set(doors(read_fwknopd, "PCAP_INTF eth0;\nPCAP_FILTER udp port 40000;")) == {("udp/40000", None)}
    assert set(doors(read_fwknopd, "PCAP_INTF eth0;")) == {("udp/62201", None)}
    assert ("tcp/62201", None) in doors(read_fwknopd, "ENABLE_TCP_SERVER Y;\nTCPSERV_PORT 62201;")


def test_a_filter_without_a_test_of_flags_does_not_tell_the_order() -> None:
    waits = [Wait(4, "udp", None, "192.0.2.1", None, port, (), 9) for port in (5, 4)]
    [door] = waiting_doors("knockd", waits, ((1, "x"),))

    assert (door.steps, door.order_known, door.destination) == (("udp/5", "udp/4"), False, "192.0.2.1")
