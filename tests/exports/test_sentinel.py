"""What is written for Microsoft Sentinel: valid as its repository and its API have it, and finding the lab's doors."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from knockwatch.config import Config
from knockwatch.exports._sentinel_deployment import iso_duration, literal
from knockwatch.hunting import hunts
from tests.kql import connect, exported, rows, site

# Azure/Azure-Sentinel, .script/tests/detectionTemplateSchemaValidation: the C# models of a scheduled template.
REQUIRED = {
    "id", "kind", "name", "description", "requiredDataConnectors", "severity", "query", "version", "queryFrequency",
    "queryPeriod", "triggerOperator", "triggerThreshold",
}  # fmt: skip
TACTICS = {
    "T1205": {"Persistence", "DefenseEvasion", "CommandAndControl"},
    "T1040": {"CredentialAccess", "Discovery"},
    "T1562": {"DefenseEvasion"},
    "T1021": {"LateralMovement"},
    "T1090": {"CommandAndControl"},
    "T1095": {"CommandAndControl"},
    "T1571": {"CommandAndControl"},
}
IDENTIFIERS = {"IP": "Address", "Host": "HostName", "Account": "Name", "Process": "CommandLine"}
SECONDS = {"m": 60, "h": 3600, "d": 86400}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is written with the default configuration."""
    return exported(tmp_path_factory.mktemp("exports"), Config())["sentinel"]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The views of the evidence."""
    return connect(tmp_path_factory.mktemp("views"))


def read(path: Path) -> dict[str, Any]:
    """Read a YAML document."""
    document: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return document


def seconds(span: str) -> int:
    """Read ``15m``."""
    return int(span[:-1]) * SECONDS[span[-1]]


ALERTING = sorted(hunt.id for hunt in hunts().values() if hunt.alert)


@pytest.mark.parametrize("name", ALERTING)
def test_an_analytics_rule_is_as_the_repository_wants_it(folder: Path, name: str) -> None:
    rule = read(folder / "AnalyticRules" / f"{name}.yaml")
    assert rule.keys() >= REQUIRED
    assert uuid.UUID(rule["id"])
    assert rule["kind"] == "Scheduled"
    assert rule["severity"] in {"Informational", "Low", "Medium", "High"}
    assert len(rule["name"]) <= 256
    assert len(rule["description"]) <= 5000
    assert 0 < len(rule["query"]) <= 10000
    assert re.fullmatch(r"\d+\.\d+\.\d+", rule["version"])
    assert 300 <= seconds(rule["queryFrequency"]) <= seconds(rule["queryPeriod"]) <= 14 * 86400
    # A rule that looks back two days or more may run once an hour at most.
    assert seconds(rule["queryPeriod"]) < 2 * 86400 or seconds(rule["queryFrequency"]) >= 3600
    assert rule["triggerOperator"] in {"gt", "lt", "eq", "ne"}
    assert 0 <= rule["triggerThreshold"] <= 10000
    for technique in rule["relevantTechniques"]:
        assert re.fullmatch(r"T\d{4}(\.\d{3})?", technique)
        assert TACTICS[technique.partition(".")[0]] <= set(rule["tactics"])
    assert 1 <= len(rule["entityMappings"]) <= 5
    for mapping in rule["entityMappings"]:
        assert [field["identifier"] for field in mapping["fieldMappings"]] == [
            IDENTIFIERS[mapping["entityType"]]
        ]
    connectors = {one["connectorId"] for one in rule["requiredDataConnectors"]}
    assert connectors <= {"CefAma", "SyslogAma", "MicrosoftThreatProtection"}


@pytest.mark.parametrize("name", sorted(hunts()))
def test_a_hunting_query_says_its_legs_and_what_is_lost(folder: Path, name: str) -> None:
    query = read(folder / "HuntingQueries" / f"{name}.yaml")
    hunt = hunts()[name]
    assert query.keys() == {
        "id",
        "name",
        "description",
        "requiredDataConnectors",
        "tactics",
        "relevantTechniques",
        "query",
    }
    assert f"Legs of a case that it joins: {', '.join(hunt.legs) or 'none'}." in query["description"]
    assert hunt.lost in query["description"]


def test_identities_are_unique_and_stay(folder: Path, tmp_path: Path) -> None:
    again = exported(tmp_path, site())["sentinel"]
    ids = {path.relative_to(folder): read(path)["id"] for path in folder.rglob("*.yaml")}
    assert len(set(ids.values())) == len(ids)
    assert ids == {path.relative_to(again): read(path)["id"] for path in again.rglob("*.yaml")}


def as_of(query: str, moment: str) -> str:
    """Let a rule run as if it were another time."""
    return re.sub(r"ago\(\w+\)", f"datetime({moment})", query)


@pytest.mark.parametrize("name", ALERTING)
def test_a_rule_finds_what_its_hunt_finds(folder: Path, connection: Any, name: str) -> None:
    """An empty watchlist hides nothing; over all the time that the evidence spans, rule and hunt agree."""
    rule = read(folder / "AnalyticRules" / f"{name}.yaml")
    told = rows(connection, as_of(rule["query"], "1970-01-02"))
    assert len(told) == len(rows(connection, hunts()[name].text))
    for mapping in rule["entityMappings"]:
        assert mapping["fieldMappings"][0]["columnName"] in told[0]


@pytest.mark.parametrize("name", sorted(hunts().keys() - set(ALERTING)))
def test_a_hunting_query_finds_what_its_hunt_finds(folder: Path, connection: Any, name: str) -> None:
    """The queries of rules are run as rules; these ask the watchlist too."""
    query = read(folder / "HuntingQueries" / f"{name}.yaml")["query"]
    assert len(rows(connection, query)) == len(rows(connection, hunts()[name].text))


def test_a_rule_tells_only_of_what_is_new(folder: Path, connection: Any) -> None:
    query = read(folder / "AnalyticRules" / "denied-then-accepted.yaml")["query"]
    assert query.rstrip().endswith("| where TimeGenerated > ago(15m) - 5m")
    late = rows(connection, as_of(query, "2026-11-22 11:32"))
    # The pause of the rule and five minutes before that moment: the two last knocks.
    assert {row["SourceIP"] for row in late} == {"198.51.100.37", "198.18.7.24"}


def test_the_watchlist_hides_who_is_expected(tmp_path: Path, connection: Any) -> None:
    folder = exported(tmp_path, site())["sentinel"]
    watchlist = (folder / "Watchlists" / "knockwatch.csv").read_text("utf-8")
    assert "198.51.100.10,administrators," in watchlist
    query = read(folder / "AnalyticRules" / "daemon-opens.yaml")["query"]
    with_list = {row["SourceIP"] for row in rows(connection, as_of(query, "1970-01-02"), watchlist)}
    without = {row["SourceIP"] for row in rows(connection, as_of(query, "1970-01-02"))}
    assert without - with_list == {"198.51.100.10"}
    # A network is in the rule itself.
    assert "2001:db8:a::10" not in without


def test_the_deployment_is_whole(folder: Path) -> None:
    template = json.loads((folder / "azuredeploy.json").read_text("utf-8"))
    kinds = [resource["type"].rpartition("/")[2] for resource in template["resources"]]
    assert kinds.count("alertRules") == len(ALERTING)
    assert kinds.count("savedSearches") == len(hunts())
    assert kinds.count("Watchlists") == kinds.count("workbooks") == 1
    names = [resource["name"] for resource in template["resources"]]
    assert len(set(names)) == len(names)
    for resource in template["resources"]:
        assert resource["apiVersion"]
        if resource["type"].endswith("alertRules"):
            properties = resource["properties"]
            assert properties["queryFrequency"].startswith("PT")
            assert all("." in part for part in properties["subTechniques"])
            assert properties["query"].endswith("- 5m\n")


def test_the_workbook_is_one(folder: Path) -> None:
    book = json.loads((folder / "Workbooks" / "knockwatch.json").read_text("utf-8"))
    assert book["version"] == "Notebook/1.0"
    titles = [item["content"].get("title", "") for item in book["items"] if item["type"] == 3]
    assert "signal, opening, entry" in titles[0]
    assert len(titles) == sum(bool(hunt.legs) for hunt in hunts().values())


@pytest.mark.parametrize(("span", "iso"), [("15m", "PT15M"), ("2h", "PT2H"), ("1d", "P1D")])
def test_durations_are_iso(span: str, iso: str) -> None:
    assert iso_duration(span) == iso


def test_text_is_no_expression_of_arm() -> None:
    assert literal("[concat('x')]") == "[[concat('x')]"
    assert literal("Syslog") == "Syslog"
