"""Playing scenarios in a lab that is up: sends what the data says, tries the doors, and labels what happened."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from knockwatch.lab import LabError
from knockwatch.lab.doors import build
from knockwatch.lab.fixtures import fixture
from knockwatch.lab.journal import STATE, marked, record_self, recorded, run
from knockwatch.lab.labels import Labels
from knockwatch.lab.network import as_host, daemon, inside
from knockwatch.lab.packets import read
from knockwatch.lab.plan import Background, Door, Event, Plan, Scenario, pool
from knockwatch.lab.sending import ENTRY_SECONDS, Sources, filled, lines_of, steps_of, way_in

COMMAND_SECONDS = 300
"""What one command may take; a scan of 2,000 ports takes the longest."""
CAPTURED_SECONDS = 0.3
"""What a packet takes until it can be read from a capture."""
SCRIPT_SECONDS = 1.5
"""What a host takes that a script sets up."""
_FIRST_SECOND = 57.3
"""When in a minute a knock begins that shall cross the next one."""
Tell = Callable[[str], None]


class Player:
    """Plays events, with what has to be remembered between them."""

    def __init__(self, plan: Plan, out: Path, tell: Tell) -> None:
        self.plan, self.out, self.tell = plan, out, tell
        self.labels = Labels(out)
        self.sources = Sources(plan, self.labels.used)

    def play(self, names: Sequence[str]) -> None:
        """Play scenarios or single events by name; without names, all but slow ones and the quick one.

        Raises
        ------
        LabError
            If there is none of a name, or a program fails that ought not to.
        """
        record_self("play")
        for scenario, events in self._wanted(names):
            self.tell(f"{scenario.name}: {scenario.title}")
            with self._background(scenario, whole=events == scenario.event):
                for event in events:
                    self._play(event)
            time.sleep(CAPTURED_SECONDS)
            self.labels.observe(self.out / "pcap")
            self.labels.write(self.plan)

    def _wanted(self, names: Sequence[str]) -> Iterator[tuple[Scenario, tuple[Event, ...]]]:
        """Select scenarios, or single events of them."""
        every = self.plan.scenarios
        for name in names or [key for key, one in every.items() if not one.slow and key != "quick"]:
            if name in every:
                yield every[name], every[name].event
                continue
            found = [(one, event) for one in every.values() for event in one.event if event.id == name]
            if not found:
                raise LabError(f"there is no scenario or event {name!r}: choose from {', '.join(every)}")
            yield found[0][0], (found[0][1],)

    @contextmanager
    def _background(self, scenario: Scenario, *, whole: bool) -> Iterator[None]:
        """Keep a scenario's background traffic going meanwhile, and label it; it is waited for to the end."""
        begun, running = time.time(), []
        for number, item in enumerate(scenario.background if whole else ()):
            running.append(self._traffic(item, scenario.seconds, (self.plan.seed or 7) + number))
        yield
        for process in running:
            process.wait(timeout=scenario.seconds + COMMAND_SECONDS)
        for item in scenario.background if whole else ():
            self._label_background(item, scenario.seconds, begun)

    def _traffic(self, item: Background, seconds: int, seed: int) -> subprocess.Popen[bytes]:
        """Start a piece of background traffic."""
        sources = ",".join(pool(item.sources))
        targets = ",".join(self.plan.hosts[name].address(4) for name in item.at)
        words = item.traffic.format(seconds=seconds).split()
        command = inside(item.by, fixture("traffic", str(seed), sources, targets, *words))
        return subprocess.Popen(recorded(item.id, command), stdin=subprocess.DEVNULL, env=marked())

    def _label_background(self, item: Background, seconds: int, begun: float) -> None:
        """Label a piece of background traffic."""
        self.labels.add(
            id=item.id,
            scenario="k",
            title=item.title,
            kind=item.kind,
            tool="traffic",
            door=None,
            host=item.by,
            src=pool(item.sources),
            dst=[self.plan.hosts[name].address(4) for name in item.at],
            sequence=[],
            start=begun,
            end=time.time(),
            success=None,
            connect=None,
            commands=[item.traffic.format(seconds=seconds)],
        )

    def _play(self, event: Event) -> None:
        """Play an event and label it."""
        if event.during:
            self._witness(event)
            return
        time.sleep(event.pause)
        door = self.plan.doors[event.door] if event.door else None
        if door and door.installed == "play":
            self._install(door)
        if event.ufw_logging:
            self._as(self.plan.aim(event).name, f"ufw logging {event.ufw_logging}")
        try:
            if not self._act(event, door):
                self._act(event.model_copy(update={"id": f"{event.id}-again"}), door)
        finally:
            if event.ufw_logging:
                self._as(self.plan.aim(event).name, "ufw logging low")

    def _act(self, event: Event, door: Door | None) -> bool:
        """Send what an event sends, try the door, and label it; tells whether nothing was lost."""
        host, steps = self.plan.hosts[event.by], steps_of(event, door)
        target = self.plan.aim(event).address(event.version)
        if event.across_minute:
            time.sleep((_FIRST_SECOND - time.time()) % 60)
        awaiting = self._await(event, door)
        start = time.time()
        sources: list[str] = []
        commands: list[str] = []
        replayed = self._replayed(event) if event.replays else ""
        for number, line in enumerate(lines_of(self.plan, event, door)):
            time.sleep(event.gap if number else 0)
            if not sources or event.spread:
                sources.append(self.sources.take(host, event.version))
            commands.append(filled(self.plan, event, door, line, sources[-1], target, replayed))
            self._in(event.by, ["bash", "-c", commands[-1]])
        knocked = time.time()
        time.sleep(event.wait)
        tries = door is not None and event.kind != "benign"
        connect = self._enter(event, door, sources, target, awaiting) if door and tries else None
        return self._label(
            event,
            connect,
            src=sources,
            dst=target,
            sequence=list(event.said or steps),
            start=start,
            knock_end=knocked,
            commands=commands,
        )

    def _label(self, event: Event, connect: dict[str, Any] | None, **facts: Any) -> bool:
        """Label what an event was, whatever it should have been; tells whether nothing was lost.

        A knock that opened nothing was a failed attempt: knockd loses correct sequences when others knock meanwhile.
        """
        ok = connect["ok"] if connect else None
        lost = ok is False and event.kind in ("knock", "spa")
        lucky = ok is True and event.kind == "failed"
        self.labels.add(
            id=event.id,
            scenario=event.scenario,
            title=f"{event.title} (lost by the daemon)" if lost else event.title,
            kind="failed" if lost else "knock" if lucky else event.kind,
            tool=event.tool,
            door=event.door,
            host=event.by,
            gap=event.gap,
            end=time.time(),
            success=ok,
            connect=connect,
            **facts,
        )
        said = {None: "", True: " opened", False: " stayed shut"}[ok]
        mark = "   UNEXPECTED" if lost or lucky else ""
        self.tell(f"  {event.id:6} {event.kind:7}{said:13} {event.title}{mark}")
        return not lost

    def _replayed(self, event: Event) -> str:
        """Find what an earlier event sent, in hexadecimal."""
        other = self.labels.find(event.replays)
        if other is None:
            raise LabError(f"event {event.id} replays {event.replays}, which was not played before")
        time.sleep(CAPTURED_SECONDS)
        packets = (packet for path in (self.out / "pcap").glob("*.pcap") for packet in read(path))
        sent = [
            packet.payload
            for packet in packets
            if packet.source in other["src"] and packet.step in other["sequence"]
        ]
        if not sent:
            raise LabError(f"event {event.id}: no capture has what {event.replays} sent")
        return sent[0].hex()

    def _await(self, event: Event, door: Door | None) -> subprocess.Popen[bytes] | None:
        """Listen for the call of a door that calls back."""
        if door is None or door.action != "call":
            return None
        seconds = str(ENTRY_SECONDS + event.wait)
        command = inside(event.by, fixture("echo", "await", str(door.port), seconds))
        name = f"await-{event.id}"
        listening = subprocess.Popen(recorded(name, command), stdin=subprocess.DEVNULL, env=marked())
        end = time.monotonic() + ENTRY_SECONDS
        while time.monotonic() < end and f":{door.port} " not in run(inside(event.by, ["ss", "-Hltn"])):
            time.sleep(0.02)
        return listening

    def _enter(
        self,
        event: Event,
        door: Door,
        sources: list[str],
        target: str,
        awaiting: subprocess.Popen[bytes] | None,
    ) -> dict[str, Any]:
        """Try to get in, or wait to be called; tells how that went, as a label does."""
        tried = time.time()
        if awaiting is not None:
            ok = awaiting.wait(timeout=COMMAND_SECONDS) == 0
            return {"port": door.port, "time": tried, "ok": ok, "from": target, "to": sources[0]}
        who: dict[str, Any] = {}
        if event.spread:
            sources.append(self.sources.take(self.plan.hosts[event.by], event.version))
            who = {"src": sources[-1]}
        ok = self._in(event.by, way_in(door, target)) == 0
        return {"port": door.port, "time": tried, "ok": ok, **who}

    def _witness(self, event: Event) -> None:
        """Label what happened by itself in the course of another event."""
        other = self.labels.find(event.during)
        if other is None or event.door is None:
            raise LabError(f"event {event.id} happens during {event.during}, which was not played before")
        door = self.plan.doors[event.door]
        time.sleep(CAPTURED_SECONDS)
        source, target = self.plan.hosts[event.by].address(4), self.plan.hosts[door.host].address(4)
        packets = [packet for path in (self.out / "pcap").glob("*.pcap") for packet in read(path)]
        let_in = [p.time for p in packets if p.answers and p.step == door.service and p.destination == source]
        let_in = [moment for moment in let_in if other["start"] <= moment <= other["end"] + 1]
        moment = let_in[0] if let_in else other["end"]
        self.labels.add(
            **{key: other[key] for key in ("scenario", "start", "end", "gap")},
            id=event.id,
            title=event.title,
            kind=event.kind,
            tool="waiter",
            door=event.door,
            host=event.by,
            src=[source],
            dst=target,
            sequence=list(door.secret),
            knock_end=moment,
            success=bool(let_in),
            connect={"port": door.port, "time": moment, "ok": bool(let_in)},
            commands=[],
        )
        self.tell(f"  {event.id:6} {event.kind:7}{' opened' if let_in else ' UNEXPECTED':13} {event.title}")

    def _install(self, door: Door) -> None:
        """Set up a host with a script, as an intruder does, once."""
        done = STATE / door.host / f"installed-{door.instance}"
        if done.exists():
            return
        done.touch()
        host = self.plan.hosts[door.host]
        doors = [
            one for one in self.plan.doors_of(door.host, installed="play") if one.instance == door.instance
        ]
        (script,) = [part.script for part in build(host, doors, self.out).parts]
        path = STATE / door.host / f"set-up-{door.instance}.sh"
        path.write_text(f"#!/bin/sh\nset -e\n{script}\n")
        daemon(door.host, f"set-up-{door.instance}", ["/bin/sh", str(path)])
        time.sleep(SCRIPT_SECONDS)

    def _in(self, host: str, command: Sequence[str]) -> int:
        """Run a command in a host's network, and nowhere else; gives its status."""
        wrapped = recorded(f"{host}-{Path(command[0]).name}", inside(host, command))
        done = subprocess.run(
            wrapped,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=False,
            env=marked(),
        )
        return done.returncode

    @staticmethod
    def _as(host: str, line: str) -> None:
        """Run a command line as a host, with its name, log socket and /etc/ufw."""
        run(as_host(host, ["/bin/sh", "-c", line]))
