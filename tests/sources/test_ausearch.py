"""The Linux audit log as ``ausearch -i`` interprets it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources.auditd import SOURCE as AUDITD
from knockwatch.sources.ausearch import SOURCE
from tests.sources.reading import SAMPLES, read, read_text

SAMPLE = SAMPLES / "ausearch" / "srv1.txt"
CALL = (
    "type=SYSCALL msg=audit({at}:{serial}) : arch=x86_64 syscall={name} success={success} exit={exit} {arguments} "
    "a3=0x0 items=0 ppid=1 pid=42 auid=bui uid=root tty=(none) ses=3 comm=dd exe=/usr/bin/nc.openbsd key=(null) \n"
)


def _call(
    name: str, arguments: str, serial: int = 7, at: str = "11/22/26 11:23:39.328", success: str = "yes"
) -> str:
    return CALL.format(at=at, serial=serial, name=name, success=success, exit="3", arguments=arguments)


@pytest.mark.parametrize("table", ["processes", "changes"])
def test_it_says_the_same_as_the_raw_log(table: str) -> None:
    def said(rows: list[dict[str, object]]) -> list[list[object]]:
        unlike = ("line", "time", "user")
        return sorted([str(value) for key, value in row.items() if key not in unlike] for row in rows)

    raw = read(AUDITD, SAMPLES / "auditd" / "srv1.log").rows(table)

    assert said(read(SOURCE, SAMPLE).rows(table)) == said(raw)
    assert raw


def test_the_time_is_local_and_the_user_has_a_name() -> None:
    row = read(SOURCE, SAMPLE).rows("processes")[0]

    assert (row["time_us"], row["time"]) == (1_795_346_614_156_000, "11/22/26 11:23:34.156")
    assert row["user"] == "root"


def test_what_looks_like_an_argument_within_one_is_part_of_it(tmp_path: Path) -> None:
    text = "type=EXECVE msg=audit(11/22/26 11:23:40.000:10) : argc=3 a0=sh a1=-c a2=echo a4=1 a2=2 \n"

    assert read_text(SOURCE, tmp_path, text).rows("processes")[0]["command_line"] == "sh -c echo a4=1 a2=2"


def test_an_empty_argument_and_a_blank_at_an_end_are_kept(tmp_path: Path) -> None:
    text = "type=EXECVE msg=audit(11/22/26 11:23:40.000:10) : argc=3 a0=iptables a1= a2=[UFW BLOCK]  \n"

    assert read_text(SOURCE, tmp_path, text).rows("processes")[0]["command_line"] == "iptables  [UFW BLOCK] "


@pytest.mark.parametrize(
    ("saddr", "address"),
    [
        ("{ saddr_fam=inet laddr=0.0.0.0 lport=4444 }", "0.0.0.0"),
        ("{ fam=inet laddr=0.0.0.0 lport=4444 }", "0.0.0.0"),
        ("{ saddr_fam=inet6 laddr=::%16777216 lport=4444 }", "::"),
        ("inet host:192.0.2.1 serv:4444", "192.0.2.1"),
    ],
)
def test_a_bind_is_a_listener(tmp_path: Path, saddr: str, address: str) -> None:
    text = (
        _call("socket", "a0=inet a1=SOCK_STREAM|SOCK_CLOEXEC a2=ip", serial=6)
        + f"type=SOCKADDR msg=audit(11/22/26 11:23:39.328:7) : saddr={saddr} \n"
        + _call("bind", "a0=0x3 a1=0x7ffe a2=0x10")
    )
    row = read_text(SOURCE, tmp_path, text).rows("changes")[0]

    assert (row["kind"], row["destination_ip"], row["port"]) == ("listener-opened", address, 4444)
    assert (row["protocol"], row["actor"], row["pid"]) == ("tcp", "/usr/bin/nc.openbsd", 42)


def test_a_bind_to_a_port_that_is_none_is_no_listener(tmp_path: Path) -> None:
    text = "type=SOCKADDR msg=audit(11/22/26 11:23:39.328:7) : saddr={ saddr_fam=inet laddr=0.0.0.0 lport=70000 } \n"

    assert read_text(SOURCE, tmp_path, text + _call("bind", "a0=0x3 a1=0x7ffe a2=0x10")).rows("changes") == []


def test_a_call_that_failed_changed_nothing(tmp_path: Path) -> None:
    text = _call("socket", "a0=packet a1=SOCK_RAW a2=ip", success="no")

    assert read_text(SOURCE, tmp_path, text).rows("changes") == []


@pytest.mark.parametrize(
    "at",
    [
        "11/22/26 11:23:39.328",
        "11/22/2026 11:23:39.328",
        "22/11/26 11:23:39.328",
        "22.11.2026 11:23:39.328",
        "2026-11-22 11:23:39.328",
    ],
)
def test_dates_are_read_as_the_locale_writes_them(tmp_path: Path, at: str) -> None:
    row = read_text(SOURCE, tmp_path, _call("execve", "a0=0x1 a1=0x2 a2=0x3", at=at)).rows("processes")[0]

    assert row["time_us"] == 1_795_346_619_328_000


@pytest.mark.parametrize(
    "line", ["type=EXECVE msg=audit(13/32/26 11:23:39.328:7) : argc=1 a0=x", "type=EXECVE msg=au", "hello"]
)
def test_a_damaged_line_is_counted(tmp_path: Path, line: str) -> None:
    text = SAMPLE.read_text()

    assert read_text(SOURCE, tmp_path, text + line).misfits["line"].to_list() == [text.count("\n") + 1]


def test_the_host_is_the_node(tmp_path: Path) -> None:
    text = "node=web1 " + _call("socket", "a0=packet a1=SOCK_RAW a2=ip")

    assert read_text(SOURCE, tmp_path, text).rows("changes")[0]["host"] == "web1"


@given(st.sampled_from(["SYSCALL", "EXECVE", "SOCKADDR", "PROCTITLE", "NETFILTER_CFG"]), st.text(max_size=60))
def test_any_record_is_read_or_counted(
    tmp_path_factory: pytest.TempPathFactory, kind: str, body: str
) -> None:
    line = " ".join(f"type={kind} msg=audit(11/22/26 11:23:39.328:7) : {body}".split("\n"))

    assert read_text(SOURCE, tmp_path_factory.mktemp("ausearch"), line + "\n").misfits.height <= 1
