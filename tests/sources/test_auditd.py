"""The Linux audit log."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.evidence import Evidence
from knockwatch.sources import _audit_history
from knockwatch.sources._audit_records import arguments, decoded, endpoint
from knockwatch.sources.auditd import SOURCE
from tests.sources.reading import SAMPLES, Read, head_of, read, read_text

SAMPLE = SAMPLES / "auditd" / "srv1.log"
TEXT = SAMPLE.read_bytes().decode()


def _record(kind: str, body: str, serial: int = 7, at: str = "1795346619.328") -> str:
    return f"type={kind} msg=audit({at}:{serial}): {body}\n"


def _call(
    number: int, arguments: str, *, pid: int = 42, serial: int = 7, exe: str = '"/usr/sbin/sshd"'
) -> str:
    body = (
        f"arch=c000003e syscall={number} success=yes exit=3 {arguments} items=0 ppid=1 pid={pid} auid=1000 uid=0 "
        f'comm="x" exe={exe} key=(null)\x1dARCH=x86_64 SYSCALL=x AUID="bui" UID="root"'
    )
    return _record("SYSCALL", body.replace(" SYSCALL=x", ""), serial)


def _summary(found: Read) -> list[tuple[object, ...]]:
    columns = ("line", "pid", "image", "command_line", "parent_image", "parent_command_line")
    return [tuple(row[name] for name in columns) for row in found.rows("processes")]


def test_a_program_started_is_a_process() -> None:
    row = next(row for row in read(SOURCE, SAMPLE).rows("processes") if row["image"] == "/usr/bin/knock")

    assert row["command_line"] == "knock -d 300 203.0.113.10 7000:tcp 8000:tcp 9000:tcp"
    assert (row["time_us"], row["time"]) == (1_795_346_618_704_000, "1795346618.704")
    assert (row["user"], row["host"]) == ("root", None)
    assert "EXECVE" in TEXT.split("\n")[row["line"] - 1]


def test_a_rule_added_names_the_command_that_did_it() -> None:
    """Trap 6: the pid of the command differs from the daemon's."""
    row = next(row for row in read(SOURCE, SAMPLE).rows("changes") if "KNOCKD" in (row["rule_text"] or ""))

    assert row["kind"] == "rule-added"
    assert row["rule_text"] == "/usr/sbin/iptables -A KNOCKD -s 198.51.100.10 -p tcp --dport 22 -j LOGACC"
    assert (row["actor"], row["pid"], row["user"]) == ("/usr/sbin/xtables-nft-multi", 9175, "root")
    assert (row["source_ip"], row["protocol"], row["port"]) == (None, None, None)


def test_a_parent_is_named_from_earlier_events() -> None:
    rows = [row for row in read(SOURCE, SAMPLE).rows("processes") if "FWKNOP_INPUT" in row["command_line"]]

    assert {row["parent_image"] for row in rows} == {"/usr/sbin/fwknopd"}
    assert {row["parent_command_line"].split()[0] for row in rows} == {"fwknopd"}


def test_packet_sockets_and_their_filters_are_changes() -> None:
    rows = [row for row in read(SOURCE, SAMPLE).rows("changes") if row["actor"] == "/usr/sbin/knockd"]

    assert {(row["kind"], row["rule_text"]) for row in rows} == {
        ("socket-opened", "socket(AF_PACKET, SOCK_RAW)"),
        ("filter-attached", "setsockopt(SOL_SOCKET, SO_ATTACH_FILTER)"),
    }


@pytest.mark.parametrize(
    ("arch", "number"), [("c000003e", 41), ("c00000b7", 198), ("40000003", 359), ("c00000b7", 41)]
)
def test_a_number_means_another_call_on_another_machine(tmp_path: Path, arch: str, number: int) -> None:
    text = _call(number, "a0=11 a1=80003 a2=0").replace("c000003e", arch)

    found = read_text(SOURCE, tmp_path, text).rows("changes")

    assert bool(found) is ((arch, number) != ("c00000b7", 41))


def test_an_ordinary_socket_is_no_change(tmp_path: Path) -> None:
    assert read_text(SOURCE, tmp_path, _call(41, "a0=2 a1=1 a2=0")).rows("changes") == []


def test_a_raw_socket_is_one(tmp_path: Path) -> None:
    row = read_text(SOURCE, tmp_path, _call(41, "a0=2 a1=80803 a2=1")).rows("changes")[0]

    assert (row["kind"], row["rule_text"]) == ("socket-opened", "socket(AF_INET, SOCK_RAW)")


def test_arguments_in_hexadecimal_are_read(tmp_path: Path) -> None:
    """Trap 9: auditd arguments may be hex."""
    command = "iptables -I INPUT -s 198.18.7.9 -j ACCEPT"
    text = _call(59, "a0=1 a1=2 a2=3") + _record(
        "EXECVE", f'argc=3 a0="sh" a1="-c" a2={command.encode().hex()}'
    )

    assert read_text(SOURCE, tmp_path, text).rows("processes")[0]["command_line"] == f"sh -c {command}"


def test_a_long_argument_comes_in_pieces_of_several_records() -> None:
    assert arguments(
        [
            'argc=3 a0="sh" a1_len=12 a1[0]=' + "né".encode()[:2].hex(),
            "a1[1]=" + "né".encode()[2:].hex(),
            'a2="x"',
        ]
    ) == ["sh", "né", "x"]


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1), min_size=1))
def test_any_arguments_are_read_back(argv: list[str]) -> None:
    encoded = " ".join(f"a{index}={value.encode().hex().upper()}" for index, value in enumerate(argv))

    assert arguments([f"argc={len(argv)} {encoded}"]) == argv


@given(st.text())
def test_no_value_is_an_error(value: str) -> None:
    decoded(value)
    endpoint(value)
    arguments([value])


def test_without_arguments_the_title_serves(tmp_path: Path) -> None:
    text = _call(59, "a0=1 a1=2 a2=3") + _record("PROCTITLE", "proctitle=6E6674002D66002F746D702F78")

    assert read_text(SOURCE, tmp_path, text).rows("processes")[0]["command_line"] == "nft -f /tmp/x"


def test_a_call_that_failed_is_nothing(tmp_path: Path) -> None:
    """A shell tries each folder of its PATH."""
    failed = _call(59, "a0=1 a1=2 a2=3").replace("success=yes exit=3", "success=no exit=-2")

    assert read_text(SOURCE, tmp_path, failed).tables == {}


def test_a_pid_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    text = "".join(
        _call(59, "a0=1 a1=2 a2=3", pid=pid, serial=serial, exe=f'"/bin/{name}"').replace(
            "ppid=1", f"ppid={parent}"
        )
        for serial, (pid, parent, name) in enumerate(
            [(10, 1, "old"), (11, 10, "a"), (10, 1, "new"), (12, 10, "b")]
        )
    )
    rows = read_text(SOURCE, tmp_path, text).rows("processes")

    assert [row["parent_image"] for row in rows] == [None, "/bin/old", None, "/bin/new"]


def test_records_of_two_events_interleave(tmp_path: Path) -> None:
    one = [_call(59, "a0=1 a1=2 a2=3", pid=1, serial=1), _record("EXECVE", 'argc=1 a0="one"', 1)]
    two = [_call(59, "a0=1 a1=2 a2=3", pid=2, serial=2), _record("EXECVE", 'argc=1 a0="two"', 2)]

    rows = read_text(SOURCE, tmp_path, one[0] + two[0] + one[1] + two[1]).rows("processes")

    assert [(row["pid"], row["command_line"]) for row in rows] == [(1, "one"), (2, "two")]


def test_an_event_whose_records_go_on_without_end_is_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knockwatch.evidence.Evidence.chunks", _in_pieces(4096))
    text = _call(59, "a0=1 a1=2 a2=3") + _record("EXECVE", 'argc=1 a0="x"') * 5000

    rows = read_text(SOURCE, tmp_path, text).rows("processes")

    assert 1 < len(rows) < 5


def test_the_host_is_the_node(tmp_path: Path) -> None:
    text = "".join(f"node=web1 {line}\n" for line in TEXT.split("\n"))

    assert {row["host"] for row in read_text(SOURCE, tmp_path, text).rows("changes")} == {"web1"}


def test_what_ausearch_puts_between_events_is_known(tmp_path: Path) -> None:
    text = re.sub("(?m)^(type=SYSCALL)", "----\ntime->Sun Nov 22 11:23:39 2026\n\\1", TEXT)
    found = read_text(SOURCE, tmp_path, text)

    assert found.misfits.is_empty()
    assert SOURCE.confidence(head_of(tmp_path / "evidence")) == 1.0
    assert len(found.rows("changes")) == len(read(SOURCE, SAMPLE).rows("changes"))


@pytest.mark.parametrize(
    ("saddr", "address", "port"),
    [
        ("0200115C00000000" + "00" * 8, "0.0.0.0", 4444),
        ("0A00115C00000000" + "00" * 15 + "01" + "00" * 4, "::1", 4444),
    ],
)
def test_a_bind_is_a_listener(tmp_path: Path, saddr: str, address: str, port: int) -> None:
    text = (
        _call(41, "a0=2 a1=80001 a2=0", serial=6)
        + _call(49, "a0=3 a1=7ff a2=10")
        + _record("SOCKADDR", f"saddr={saddr}\x1dSADDR={{ saddr_fam=inet laddr=0.0.0.0 lport=4444 }}")
    )
    row = read_text(SOURCE, tmp_path, text).rows("changes")[0]

    assert (row["kind"], row["destination_ip"], row["port"]) == ("listener-opened", address, port)
    assert (row["protocol"], row["actor"]) == ("tcp", "/usr/sbin/sshd")


def test_a_client_that_binds_any_port_is_none(tmp_path: Path) -> None:
    text = _call(49, "a0=3 a1=7ff a2=10") + _record("SOCKADDR", "saddr=02000000C0A80001" + "00" * 8)

    assert read_text(SOURCE, tmp_path, text).rows("changes") == []


@pytest.mark.parametrize(
    ("operation", "command", "kind"),
    [
        (" op=nft_register_rule", "nft add rule", "rule-added"),
        (" op=nft_register_setelem", "nft add element", "rule-added"),
        (" op=nft_unregister_rule", "iptables -D INPUT 1", "rule-removed"),
        (" op=nft_reset_obj", "nft reset", None),
        (" op=xt_replace", "iptables -I INPUT -j ACCEPT", "rule-added"),
        (" op=xt_replace", "iptables -t nat -D INPUT 1", "rule-removed"),
        (" op=xt_register", "modprobe", None),
        ("", "iptables -A INPUT", "rule-added"),
        ("", "iptables -L OUTPUT --zero OUTPUT -nvx", None),
    ],
)
def test_what_became_of_the_rules(tmp_path: Path, operation: str, command: str, kind: str | None) -> None:
    title = command.replace(" ", "\0").encode().hex()
    text = (
        _record("NETFILTER_CFG", f"table=filter family=2 entries=4{operation}")
        + _call(54, "a0=4 a1=0 a2=40")
        + _record("PROCTITLE", f"proctitle={title}")
    )
    rows = read_text(SOURCE, tmp_path, text).rows("changes")

    assert [row["kind"] for row in rows] == ([kind] if kind else [])
    assert all(row["rule_text"] == command for row in rows)


@pytest.mark.parametrize(
    "line", ["type=EXECVE msg=audit(9999999999999.000:1): x", "type=EXECVE msg=au", "hello", "x" * 40_000]
)
def test_a_damaged_line_is_counted(tmp_path: Path, line: str) -> None:
    found = read_text(SOURCE, tmp_path, TEXT + line)

    assert found.misfits["line"].to_list() == [TEXT.count("\n") + 1]
    assert len(found.rows("changes")) == len(read(SOURCE, SAMPLE).rows("changes"))


def test_numbers_too_large_are_nothing(tmp_path: Path) -> None:
    text = _call(59, "a0=1 a1=2 a2=3").replace("pid=42", "pid=" + "9" * 30)

    assert read_text(SOURCE, tmp_path, text).rows("processes")[0]["pid"] is None


def test_only_so_many_processes_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_audit_history, "REMEMBERED", 2)
    text = "".join(_call(59, "a0=1 a1=2 a2=3", pid=pid, serial=pid) for pid in range(2, 9))

    rows = read_text(SOURCE, tmp_path, text.replace("ppid=1 pid=8", "ppid=2 pid=8")).rows("processes")

    assert rows[-1]["parent_image"] is None


@pytest.mark.parametrize("size", [1_111, 5_000, 20_000])
def test_where_the_blocks_are_cut_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    whole = _summary(read(SOURCE, SAMPLE))
    monkeypatch.setattr("knockwatch.evidence.Evidence.chunks", _in_pieces(size))

    assert _summary(read_text(SOURCE, tmp_path, TEXT)) == whole


def _in_pieces(size: int) -> Callable[[Evidence], Iterator[bytes]]:
    def chunks(evidence: Evidence) -> Iterator[bytes]:
        text = evidence.path.read_bytes()
        return (text[start : start + size] for start in range(0, len(text), size))

    return chunks


@pytest.mark.corpus
def test_every_opening_of_the_lab_is_a_change_with_its_command(corpus: Path) -> None:
    """Each rule that knockd or fwknopd set is there, with the address and the port in its command."""
    found = read(SOURCE, corpus / "lab-a" / "audit.log")
    rows = found.rows("changes")
    added = [row["rule_text"] for row in rows if row["kind"] == "rule-added"]

    assert found.misfits.is_empty()
    assert len(found.rows("processes")) == 1660
    assert sum(row["kind"] in ("rule-added", "rule-removed") for row in rows) == 420
    assert sum(bool(re.search(r"-A KNOCKD -s \S+ .*--dport \d+", text)) for text in added) == 24
    assert sum("_exp_" in text for text in added) == 2


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("path", "processes", "first"),
    [
        ("msticpy/tests/testdata/auditd_log.txt", 146, "/bin/sh -c iptables --version"),
        ("otrf/unz/sh_arp_cache/sh_arp_cache_2020-11-10074812.log", 2, "arp -a"),
        (
            "otrf/unz/sh_binary_padding_dd/sh_binary_padding_dd_2020-11-10081941.log",
            1,
            "dd if=/dev/zero bs=1 count=1",
        ),
        ("crowdsec-hub/.tests/auditd-suid-crash/auditd-suid-crash.log", 2, "-bash"),
        ("crowdsec-hub/.tests/auditd-base64-exec/auditd-base64-exec.log", 3, None),
    ],
)
def test_logs_of_others_are_read(corpus: Path, path: str, processes: int, first: str | None) -> None:
    found = read(SOURCE, corpus / "public" / path)

    assert found.misfits.is_empty()
    assert len(found.rows("processes")) == processes
    assert found.rows("processes")[0]["command_line"] == first
