"""Which values of thresholds are tried, and what losing a door looks like."""

from typing import cast

import pytest
from pydantic import ValidationError

from knockwatch.cases import Case
from knockwatch.config import Config, Thresholds
from knockwatch.investigation import Investigation
from knockwatch.tuning.measure import known_alerts
from knockwatch.tuning.thresholds import others, trials


@pytest.mark.parametrize("name", Thresholds.model_fields)
def test_a_threshold_is_tried_lower_and_higher_within_its_bounds(name: str) -> None:
    value = getattr(Thresholds(), name)
    lower, higher = others(name, value)
    assert lower < value < higher
    allowed = []
    for tried in (lower, higher):
        try:
            allowed.append(getattr(Thresholds.model_validate({name: tried}), name))
        except ValidationError:
            continue
    assert allowed, "at least one of both can be set"


class Fake:
    """An investigation of one door, whose secret has three steps, and of a lead without a threshold."""

    used = frozenset({"sequence_ports_min", "callback_seconds"})

    def findings(self, thresholds: Thresholds) -> Thresholds:
        return thresholds

    def cases(self, findings: Thresholds, config: Config, *, quoted: bool) -> list[Case]:
        assert not quoted, "the evidence is not read again"
        return [Case("a", "door", "alert" if findings.sequence_ports_min <= 3 else "lead", door="tcp/22")]


def test_a_threshold_that_loses_a_known_door_says_which() -> None:
    fake, config = Fake(), Config()
    known = known_alerts(fake.cases(config.thresholds, config, quoted=False))
    now = known.outcome(fake.cases(config.thresholds, config, quoted=False))
    tried = {
        (one.name, one.tried): one.change for one in trials(cast(Investigation, fake), config, known, now)
    }
    assert {name for name, _ in tried} == fake.used, "others change nothing and are not tried"
    assert [key for key, change in tried.items() if change.any] == [("sequence_ports_min", 4)]
    assert tried["sequence_ports_min", 4].lost == ["a"]
    assert tried["sequence_ports_min", 4].leads == 1
