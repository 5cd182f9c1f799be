"""Extended BPF programs that see packets, as `bpftool prog show` and `bpftool net show` list them."""

from __future__ import annotations

from knockwatch.hoststate import sockets
from knockwatch.sources import Format
from knockwatch.sources._host_state import StateSource

SOURCE = StateSource(
    Format(
        "bpftool",
        "Extended BPF programs: bpftool prog, bpftool net",
        ("changes",),
        "documented",
        "https://man.archlinux.org/man/bpftool-prog.8, EXAMPLES",
    ),
    sockets.read_bpftool,
)
