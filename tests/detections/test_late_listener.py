"""Listeners of odd processes."""

from typing import Any

import pytest

from knockwatch.detections.late_listener import DETECTION
from knockwatch.ingest import Workspace
from tests.rows import found, put, us

START = us("2026-11-22 11:23:38")


def listener(
    name: str, parent: str | None, seconds: int, facts: str = "", port: int = 42391
) -> list[dict[str, Any]]:
    alike = {"host": "srv1", "pid": 7100, "actor": name}
    seen = {
        **alike,
        "kind": "process-seen",
        "actor_parent": parent,
        "seconds": seconds,
        "name": facts,
        "rule_text": f"/usr/bin/{name}: {name} -x",
        "time_us": START,
    }
    return [seen, {**alike, "kind": "listener-opened", "protocol": "tcp", "port": port}]


def test_a_shell_that_a_web_server_started_to_listen_is_told(workspace: Workspace) -> None:
    put(workspace, "changes", listener("sh", "apache2", 5200))
    [finding] = found(workspace, DETECTION)
    assert (finding.kind, finding.leg, finding.door, finding.door_name) == (
        "change",
        "opening",
        "tcp/42391",
        "sh",
    )
    assert finding.start_us == START
    assert finding.facts["shell"]
    assert len(finding.pointers) == 2


def test_a_deleted_program_that_listens_since_the_boot_is_told(workspace: Workspace) -> None:
    put(workspace, "changes", listener("udevd", "systemd", 5, "deleted"))
    [finding] = found(workspace, DETECTION)
    assert "its program was deleted" in finding.note


@pytest.mark.parametrize(
    "rows",
    [
        listener("sshd", "systemd", 90_000),
        listener("python3", "bash", 60),
        listener("nginx", "nginx", 90_000),
        listener("sshd", "systemd", 5, "replaced"),
        listener("app", None, 90_000),
        listener("sh", "apache2", 5200)[1:],
    ],
)
def test_ordinary_listeners_are_nothing(workspace: Workspace, rows: list[dict[str, Any]]) -> None:
    put(workspace, "changes", rows)
    assert found(workspace, DETECTION) == []


def test_listeners_of_other_hosts_processes_are_not_joined(workspace: Workspace) -> None:
    seen, listens = listener("sh", "apache2", 5200)
    put(workspace, "changes", [seen, {**listens, "host": "srv2"}])
    assert found(workspace, DETECTION) == []


def test_evidence_without_a_hosts_name_is_joined(workspace: Workspace) -> None:
    put(workspace, "changes", [{**row, "host": None} for row in listener("sh", "apache2", 5200)])
    assert len(found(workspace, DETECTION)) == 1
