"""What is written for Microsoft Defender XDR: as Microsoft Graph takes it, with the columns that it needs."""

import json
from pathlib import Path
from typing import Any

import pytest

from knockwatch.config import Config
from knockwatch.hunting import hunts
from tests.kql import connect, exported, rows

DETECTIONS = sorted(
    hunt.id for hunt in hunts().values() if hunt.alert and hunt.tables == ("DeviceProcessEvents",)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is written with the default configuration."""
    return exported(tmp_path_factory.mktemp("exports"), Config())["defender"]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The views of the evidence."""
    return connect(tmp_path_factory.mktemp("views"))


@pytest.mark.parametrize("name", DETECTIONS)
def test_a_custom_detection_is_as_graph_takes_it(folder: Path, connection: Any, name: str) -> None:
    """MicrosoftGraph, security-detectionrule: members and their values."""
    rule = json.loads((folder / "detections" / f"{name}.json").read_text("utf-8"))
    assert rule["schedule"]["period"] in {"0", "1H", "3H", "12H", "24H"}
    alert = rule["detectionAction"]["alertTemplate"]
    assert alert["severity"] in {"informational", "low", "medium", "high"}
    assert alert["mitreTechniques"]
    assert alert["impactedAssets"][0]["identifier"] == "deviceId"
    assert "Legs of a case" in alert["description"]
    told = rows(connection, rule["queryCondition"]["queryText"])
    assert len(told) == len(rows(connection, hunts()[name].text))
    # Without these a rule on a table of devices is refused.
    assert {"Timestamp", "DeviceId", "ReportId"} <= told[0].keys()


def test_every_hunt_comes_along_unchanged(folder: Path) -> None:
    written = {path.stem: path.read_text("utf-8") for path in (folder / "hunting").iterdir()}
    assert written == {hunt.id: hunt.text for hunt in hunts().values()}
    assert len(DETECTIONS) >= 6
