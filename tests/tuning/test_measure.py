"""What counts as told, lost and a day."""

from pathlib import Path

import pytest

from knockwatch.cases import Case
from knockwatch.config import Config
from knockwatch.evaluation.labels import CorpusError
from knockwatch.investigation import Investigation
from knockwatch.tuning.measure import DAY_US, Change, Span, known_alerts, known_events, span

DOOR = Case("a", "door", "alert", destination="203.0.113.10", host="srv1", door="tcp/22")
LEAD = Case("b", "signal", "lead", sources=["198.18.7.1"])


def test_a_door_told_under_another_id_is_not_lost() -> None:
    known = known_alerts([DOOR])
    other = Case("c", "daemon", "alert", host="srv1", door="tcp/22")
    change = Change(known.outcome([DOOR]), known.outcome([other, LEAD]))
    assert (change.gone, change.gained, change.lost, change.leads) == (["a"], ["c"], [], 1)


def test_a_known_case_that_is_only_a_lead_is_lost() -> None:
    known = known_alerts([DOOR])
    change = Change(known.outcome([DOOR]), known.outcome([Case("a", "door", "lead", door="tcp/22")]))
    assert change.lost == ["a"]


def test_a_known_case_of_a_file_may_be_missing_as_it_stands() -> None:
    known = known_alerts([DOOR], "cases")
    assert known.to_json(known.outcome([LEAD])) == {"from": "cases", "cases": 1, "not_told_now": ["a"]}


def test_less_than_a_day_gives_no_numbers_a_day() -> None:
    assert Span(0, DAY_US - 1, 2).a_day(4) is None
    assert Span(0, DAY_US, 2).a_day(4) == 2
    assert Span(None, None, 0).a_day(4) is None


def test_the_span_is_that_of_the_evidence(checked: Investigation) -> None:
    assert span(checked).to_json() == {
        "first_time": "2026-11-22T11:27:48.186868Z",
        "last_time": "2026-11-22T11:31:25.310954Z",
        "days": None,
    }


def test_a_folder_without_labels_is_refused(data: Path) -> None:
    with pytest.raises(CorpusError, match=r"has no labels\.json"):
        known_events(data / "tuning", Config())
