"""`knockwatch host` on real knock software, in network namespaces of its own that are linked to nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TOOLS = ("ip", "ss", "knockd", "fwknopd", "tcpdump", "dhclient", "nft", "iptables-restore", "iptables-save")
PATH = f"/usr/sbin:/sbin:{os.environ.get('PATH', '')}"
WITHIN_SECONDS = 20
SPA_KEYS = "KEY_BASE64 c2VjcmV0c2VjcmV0c2VjcmV0\nHMAC_KEY_BASE64 aG1hY2htYWNobWFjaG1hYw==\n"

Start = Callable[..., None]


@pytest.fixture(scope="module", autouse=True)
def _real_software() -> None:
    if os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("the live tests of knockwatch host need root, for network namespaces")
    missing = [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]
    if missing:
        pytest.skip(f"the live tests of knockwatch host need {', '.join(missing)} (see CONTRIBUTING)")


class Namespace:
    """A network namespace with one interface that leads nowhere, and what was started in it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.started: list[subprocess.Popen[bytes]] = []

    def run(self, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        command = ["ip", "netns", "exec", self.name, *words]
        environment = {**os.environ, "PATH": PATH}
        return subprocess.run(command, check=True, text=True, capture_output=True, env=environment, **more)

    def start(self, *words: str) -> None:
        """Start a program, and wait until it holds a packet socket."""
        before = self._sockets()
        log = (self.folder / f"{len(self.started)}-{words[0]}.log").open("wb")
        command = ["ip", "netns", "exec", self.name, *words]
        environment = {**os.environ, "PATH": PATH}
        program = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
        self.started.append(program)
        until = time.monotonic() + WITHIN_SECONDS
        while self._sockets() <= before:
            if program.poll() is not None or time.monotonic() > until:
                pytest.fail(f"{words[0]} opened no socket: {Path(log.name).read_text()[-500:]}")
            program.poll()
            os.sched_yield()

    def _sockets(self) -> int:
        return len(self.run("cat", "/proc/net/packet").stdout.splitlines())

    def host(self, *options: str) -> tuple[list[dict[str, Any]], str]:
        """Run `knockwatch host` in it; give its cases and what it says beside."""
        done = self.run(sys.executable, "-m", "knockwatch", "host", "--format", "jsonl", *options)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def end(self) -> None:
        for program in self.started:
            try:
                os.killpg(program.pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
            program.wait(WITHIN_SECONDS)


@pytest.fixture
def namespace(tmp_path: Path) -> Iterator[Namespace]:
    name = f"kwh-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    space = Namespace(name, tmp_path)
    try:
        space.run("ip", "link", "set", "lo", "up")
        space.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "nowhere")
        space.run("ip", "addr", "add", "203.0.113.10/24", "dev", "eth0")
        for interface in ("nowhere", "eth0"):
            space.run("ip", "link", "set", interface, "up")
        yield space
    finally:
        space.end()
        subprocess.run(["ip", "netns", "del", name], check=True)


def doors(cases: list[dict[str, Any]]) -> set[tuple[str | None, tuple[str, ...], str | None]]:
    return {
        (case["door"], tuple(case["sequence"]), case["signal"]) for case in cases if case["kind"] == "door"
    }


def test_knockd_is_named_with_its_sequences(namespace: Namespace, data: Path) -> None:
    conf = namespace.folder / "knockd.conf"
    text = (data / "sources" / "knockd-conf" / "knockd-a.conf").read_text()
    conf.write_text("\n".join(line for line in text.splitlines() if "File" not in line) + "\n")
    namespace.start("knockd", "-i", "eth0", "-c", str(conf))
    cases, _ = namespace.host()
    assert doors(cases) == {
        ("tcp/22", ("tcp/7000", "tcp/8000", "tcp/9000"), "sequence"),
        ("tcp/22", ("tcp/7100", "tcp/8100", "tcp/9100"), "sequence"),
    }
    assert {case["status"] for case in cases if case["kind"] == "door"} == {"alert"}
    [sniffer] = [case for case in cases if case["kind"] == "sniffer"]
    assert sniffer["status"] == "lead"
    assert "knockd" in sniffer["explanation"][0]


def test_fwknopd_is_named_and_its_keys_are_not(namespace: Namespace) -> None:
    folder = namespace.folder
    access, conf = folder / "access.conf", folder / "fwknopd.conf"
    access.write_text(f"SOURCE ANY\nOPEN_PORTS tcp/22\nFW_ACCESS_TIMEOUT 10\n{SPA_KEYS}")
    conf.write_text(
        f"PCAP_INTF eth0;\nPCAP_FILTER udp port 62201;\nFWKNOP_RUN_DIR {folder};\n"
        f"FWKNOP_CONF_DIR {folder};\nFIREWALL_EXE {shutil.which('iptables', path=PATH)};\n"
    )
    for file in (access, conf):
        file.chmod(0o600)
    namespace.start("fwknopd", "-f", "-c", str(conf), "-a", str(access))
    saved = folder / "saved"
    cases, _ = namespace.host("--save", str(saved))
    assert ("tcp/22", (), "spa") in {(door, (), signal) for door, _, signal in doors(cases)}
    kept = "".join(file.read_text() for file in saved.rglob("*") if file.is_file())
    assert "c2VjcmV0" not in kept
    assert "aG1hY" not in kept
    [collection] = saved.iterdir()
    again = [json.loads(line) for line in _scan(collection).splitlines()]
    assert {case["id"] for case in again} == {case["id"] for case in cases}


def _scan(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "knockwatch", "host", str(folder), "--format", "jsonl"],
        check=True,
        text=True,
        capture_output=True,
    )
    return done.stdout


def test_both_state_machines_of_iptables_are_named(namespace: Namespace, data: Path) -> None:
    rules = (data / "sources" / "iptables-save" / "srv1.v4").read_text()
    namespace.run("iptables-restore", input=rules)
    cases, _ = namespace.host()
    assert ("tcp/2022", ("tcp/8881", "tcp/7777", "tcp/9991"), "sequence") in doors(cases)
    assert ("tcp/2022", ("icmp",), "icmp") in doors(cases)
    assert {case["kind"] for case in cases} == {"door"}


def test_the_doors_of_nftables_sets_are_named(namespace: Namespace, data: Path) -> None:
    rules = (data / "sources" / "nft-ruleset" / "srv2.nft").read_text()
    namespace.run("nft", "-f", "-", input=rules)
    cases, _ = namespace.host()
    wiki = tuple(f"tcp/{port}" for port in range(10001, 10006))
    assert doors(cases) == {
        ("tcp/22", wiki, "sequence"),
        ("tcp/22", wiki[:3], "sequence"),
        ("tcp/2222", ("tcp/11001", "tcp/11002", "tcp/11003"), "sequence"),
    }


def test_tcpdump_is_named_with_what_it_waits_for(namespace: Namespace) -> None:
    namespace.start(
        "tcpdump", "-Z", "root", "-i", "eth0", "-w", "/dev/null", "tcp dst port 200 or tcp dst port 3"
    )
    cases, _ = namespace.host()
    [case] = cases
    assert (case["kind"], case["status"]) == ("sniffer", "lead")
    assert set(case["sequence"]) == {"tcp/200", "tcp/3"}
    assert case["explanation"][0].startswith("The program tcpdump on")


def test_a_copy_of_a_sniffer_that_hides_is_an_alert(namespace: Namespace) -> None:
    copy = namespace.folder / "kdmtmp"
    shutil.copy(shutil.which("tcpdump", path=PATH) or "", copy)
    namespace.start(
        "bash", "-c", f"exec -a '[kworker/1:2]' {copy} -Z root -i eth0 -w /dev/null 'udp[8:2] = 0x7255'"
    )
    copy.unlink()
    cases, _ = namespace.host("--alerts-only")
    [case] = cases
    assert (case["kind"], case["severity"], case["confidence"]) == ("sniffer", "critical", "high")
    text = " ".join(case["explanation"])
    assert "BPFDoor" in text
    assert "kernel thread" in text


def test_a_clean_machine_with_a_dhcp_client_has_nothing_alarming(namespace: Namespace) -> None:
    folder = namespace.folder
    files = ("-cf", "/dev/null", "-lf", str(folder / "leases"), "-pf", str(folder / "pid"))
    namespace.start("dhclient", "-d", "-sf", "/bin/true", *files, "eth0")
    cases, _ = namespace.host()
    assert cases == []


def test_without_root_it_says_what_it_could_not_see(namespace: Namespace) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("dropping root needs setpriv")
    nobody = ("setpriv", "--reuid", "65534", "--clear-groups")
    if subprocess.run([*nobody, sys.executable, "-c", "import knockwatch"], cwd="/", check=False).returncode:
        pytest.skip("only root may read this Python or the project, so nobody else can run it")
    namespace.start("tcpdump", "-Z", "root", "-i", "eth0", "-w", "/dev/null")
    code = "import sys; from knockwatch.collection import collect; from pathlib import Path; "
    code += "print(*collect(Path(sys.argv[1])).unseen, sep='\\n')"
    target = namespace.folder / "unprivileged"
    target.mkdir(mode=0o777)
    target.chmod(0o777)
    for parent in list(target.parents)[:4]:
        parent.chmod(parent.stat().st_mode | 0o055)
    words = (*nobody, sys.executable, "-c", code, str(target))
    told = namespace.run(*words, cwd="/").stdout
    assert "run it as root" in told
