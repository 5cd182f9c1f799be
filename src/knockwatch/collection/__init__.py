"""Gathering the state of this Linux host into a folder of files that the sources read. It changes nothing here.

Commands only list; the kernel may load the modules that answer them (`ss` asks for packet_diag), as it does for
anyone who asks. Keys in the configuration of fwknopd are left out.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from knockwatch.collection.budget import Budget
from knockwatch.errors import KnockwatchError

SECONDS = 90.0
"""How long gathering may take in all: a host in trouble must not be held up."""


class CollectionError(KnockwatchError):
    """The state of this host cannot be gathered at all."""


@dataclass
class Collection:
    """What was gathered.

    Parameters
    ----------
    folder
        Where the files are; its name tells the host and the time.
    unseen
        A sentence for each thing that could not be seen.
    """

    folder: Path
    unseen: list[str] = field(default_factory=list)


def collect(into: Path, seconds: float = SECONDS) -> Collection:
    """Gather the state of this host.

    Parameters
    ----------
    into
        Folder in which the collection's own folder is made, readable for its owner alone.
    seconds
        How long it may take.

    Raises
    ------
    CollectionError
        If this is no Linux host.
    """
    from knockwatch.collection import commands, configurations, processes

    if platform.system() != "Linux":
        raise CollectionError("this is no Linux host: give the folder of a collection made on one")
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    host = "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in platform.node())
    folder = into / f"knockwatch-host-{host or 'unnamed'}-{stamp}"
    folder.mkdir(mode=0o700, parents=True)
    budget = Budget(time.monotonic() + seconds)
    unseen: list[str] = []
    if os.geteuid() != 0:
        unseen.append(
            "who owns sockets, their filters, the rules of the firewall and what blocks other users' processes: "
            "run it as root"
        )
    unseen += commands.gather(folder, budget)
    told = processes.gather(budget)
    told.objects += [{"attached": words} for words in commands.attached(budget)]
    unseen += configurations.gather(folder, told.daemons)
    unseen += told.unseen
    processes.write(folder / "host-facts.jsonl", told, unseen)
    return Collection(folder, unseen)
