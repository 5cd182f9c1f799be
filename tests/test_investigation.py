"""That evidence judged again gives what reading it again would give."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from knockwatch.config import Config, Thresholds
from knockwatch.engines.embedded import Engine
from knockwatch.ingest import Workspace, ingest
from knockwatch.investigation import Investigation

CHANGES: list[dict[str, float]] = [
    {"sequence_ports_min": 2},
    {"sequence_gap_seconds": 1.0},
    {"door_span_seconds": 1.0},
    {"scan_destinations_min": 2},
    {"callback_seconds": 1.0},
]


@pytest.fixture(scope="module")
def kept(data: Path) -> Iterator[Investigation]:
    """An investigation that keeps what the defaults gave."""
    with Workspace.temporary() as workspace:
        evidence = data / "lab" / "evidence"
        ingest(
            [str(evidence / name) for name in ("srv3-syslog.iso.log", "srv2-syslog.iso.log")],
            Config().evidence,
            workspace,
            lean=True,
        )
        with Engine(workspace) as engine:
            investigation = Investigation(workspace, engine, keep=True)
            investigation.findings(Thresholds())
            yield investigation


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_what_is_kept_does_not_show_in_what_is_found(kept: Investigation, change: dict[str, float]) -> None:
    thresholds = Thresholds.model_validate(change)
    fresh = Investigation(kept.workspace, kept.engine)
    assert set(kept.findings(thresholds)) == set(fresh.findings(thresholds))


def test_other_thresholds_leave_the_first_findings_alone(kept: Investigation) -> None:
    before = kept.findings(Thresholds())
    kept.findings(Thresholds(sequence_ports_min=2))
    assert kept.findings(Thresholds()) == before


def test_a_threshold_that_was_not_read_costs_nothing(
    kept: Investigation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "monitor_even_share" not in kept.used
    monkeypatch.setattr(kept.engine, "execute", None)
    monkeypatch.setattr(kept, "_reason", None)
    assert kept.findings(Thresholds(monitor_even_share=0.5)) == kept.findings(Thresholds())
