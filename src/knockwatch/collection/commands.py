"""What listing commands and /proc print, written as it is into files: rules, sockets, lists, BPF programs."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from knockwatch.collection.budget import Budget

PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
"""Where tools are looked for: never where the caller's own path leads."""
_RECENT = Path("/proc/net/xt_recent")
_MOST_BYTES = 32 << 20
_XDP = re.compile(r"^(\d+): ([^:@\s]+).*\bprog/xdp id (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class _Listing:
    """A command that only lists.

    Parameters
    ----------
    file
        Where its output goes.
    words
        The command.
    tells
        What is not seen without it.
    module
        Module of the kernel without which there is nothing to list, and which asking would load.
    """

    file: str
    words: tuple[str, ...]
    tells: str
    module: str | None = None


_LISTINGS = (
    _Listing("iptables-save.txt", ("iptables-save",), "iptables' rules for IPv4", "nf_tables"),
    _Listing("ip6tables-save.txt", ("ip6tables-save",), "iptables' rules for IPv6", "nf_tables"),
    _Listing("nft-ruleset.txt", ("nft", "list", "ruleset"), "nftables' rules", "nf_tables"),
    _Listing("ss-listeners.txt", ("ss", "-tulpn"), "listeners with their owners"),
    _Listing("ss-packet.txt", ("ss", "-0pbn"), "packet sockets with their filters"),
    _Listing("ss-raw.txt", ("ss", "-wapn"), "raw sockets with their owners"),
    _Listing("bpftool-prog.txt", ("bpftool", "prog", "show"), "BPF programs"),
    _Listing("bpftool-net.txt", ("bpftool", "net", "show"), "where XDP and tc programs are attached"),
)
_LEGACY = (
    ("iptables-legacy-save", "/proc/net/ip_tables_names"),
    ("ip6tables-legacy-save", "/proc/net/ip6_tables_names"),
)
"""The older iptables, asked only where the kernel has tables of it: both kinds may be in force at once."""


def gather(folder: Path, budget: Budget) -> list[str]:
    """Write the files; give a sentence for each thing that could not be seen."""
    unseen = [problem for listing in _listings() if (problem := _list(listing, folder, budget))]
    unseen += _copied(Path("/proc/net/packet"), folder / "proc-net-packet.txt", "packet sockets")
    unseen += _recent(folder / "xt-recent.txt")
    return unseen


def attached(budget: Budget) -> list[str]:
    """Tell which interfaces have an XDP program, where `bpftool` is not there to tell it, in its words."""
    tool = shutil.which("ip", path=PATH)
    if tool is None or shutil.which("bpftool", path=PATH) or not budget.for_command:
        return []
    words = [tool, "-details", "-oneline", "link", "show"]
    try:
        told = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=budget.for_command, check=False
        )
    except (subprocess.TimeoutExpired, OSError):
        return []
    found = _XDP.findall(told.stdout.decode("utf-8", "replace"))
    return [f"xdp {name}({index}) id {number}" for index, name, number in found]


def _listings() -> Iterator[_Listing]:
    """Give the commands that make sense here."""
    yield from _LISTINGS
    for tool, names in _LEGACY:
        try:
            present = Path(names).read_text("ascii", "replace").strip()
        except OSError:
            continue
        if present:
            yield _Listing(f"{tool}.txt", (tool,), f"the rules that {names} names")


def _list(listing: _Listing, folder: Path, budget: Budget) -> str | None:
    """Run one command; say what went wrong, if anything."""
    if listing.module and not _in_kernel(listing.module):
        return None
    tool = shutil.which(listing.words[0], path=PATH)
    if tool is None or not budget.for_command:
        why = "no time was left" if tool else f"{listing.words[0]} is not installed"
        return f"{listing.tells}: {why}"
    target = folder / listing.file
    try:
        with target.open("wb") as out:
            done = subprocess.run(
                [tool, *listing.words[1:]],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.PIPE,
                timeout=budget.for_command,
                env={"PATH": PATH, "LC_ALL": "C"},
                check=False,
            )
    except subprocess.TimeoutExpired:
        return f"{listing.tells}, all of them: {listing.words[0]} took too long"
    except OSError as error:
        return f"{listing.tells}: {listing.words[0]} did not start ({error.strerror})"
    if not target.stat().st_size:
        target.unlink()
    if not done.returncode:
        return None
    said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0][:200]
    return f"{listing.tells}: {' '.join(listing.words)} failed ({said or f'status {done.returncode}'})"


def _in_kernel(module: str) -> bool:
    """Tell whether a module is in the kernel, as far as can be told without asking for it."""
    if Path("/sys/module", module).exists():
        return True
    try:
        built_in = Path("/lib/modules", platform.release(), "modules.builtin").read_text("utf-8")
    except OSError:
        return True
    return f"/{module}.ko" in built_in


def _copied(source: Path, target: Path, tells: str) -> list[str]:
    """Copy a file of /proc."""
    try:
        text = _read(source)
    except OSError as error:
        return [f"{tells}: {source} cannot be read ({error.strerror})"]
    target.write_bytes(text)
    return []


def _recent(target: Path) -> list[str]:
    """Copy the lists of iptables' recent match, each under its name."""
    try:
        lists = sorted(_RECENT.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"the lists of iptables' recent match: {_RECENT} cannot be read ({error.strerror})"]
    parts: list[bytes] = []
    unseen: list[str] = []
    for path in lists:
        try:
            told = _read(path)
        except OSError as error:
            unseen.append(f"the list {path.name} of iptables' recent match ({error.strerror})")
            continue
        parts.append(f"== {path}\n".encode("utf-8", "replace") + told)
    if parts:
        target.write_bytes(b"\n".join(parts))
    return unseen


def _read(path: Path) -> bytes:
    """Read a file of /proc, as far as is bearable."""
    with path.open("rb") as file:
        return file.read(_MOST_BYTES)
