"""Every KQL text that is exported, wherever it stands, is executed and finds what the hunt it was made of finds."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from knockwatch.config import Config
from knockwatch.hunting import hunts
from tests.hunting.test_hunts import COUNTS
from tests.kql import connect, exported, rows, texts

_TITLES = {hunt.title: name for name, hunt in hunts().items()}
_ALL_TIME = "1970-01-02"
"""A rule's `ago(…)` is answered with this, so that it looks at all of the evidence."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What is written with the default configuration."""
    return exported(tmp_path_factory.mktemp("exports"), Config())


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The views of the evidence."""
    return connect(tmp_path_factory.mktemp("views"))


def of_hunts(folders: dict[str, Path]) -> Iterator[tuple[str, str, str]]:
    """Give every exported text with its place and the name of its hunt."""
    sentinel, defender = folders["sentinel"], folders["defender"]
    for path in sorted(sentinel.rglob("*.yaml")):
        yield str(path.relative_to(sentinel)), path.stem, yaml.safe_load(path.read_text("utf-8"))["query"]
    book = json.loads((sentinel / "Workbooks" / "knockwatch.json").read_text("utf-8"))
    yield from of_workbook("Workbooks", book)
    for resource in json.loads((sentinel / "azuredeploy.json").read_text("utf-8"))["resources"]:
        told = resource["properties"]
        if "query" in told:
            yield f"azuredeploy {resource['type']}", _TITLES[plain(told["displayName"])], plain(told["query"])
        elif "serializedData" in told:
            yield from of_workbook("azuredeploy workbook", json.loads(plain(told["serializedData"])))
    for path in sorted((defender / "detections").iterdir()):
        text = json.loads(path.read_text("utf-8"))["queryCondition"]["queryText"]
        yield f"defender {path.name}", path.stem, text
    for path in sorted((defender / "hunting").iterdir()):
        yield f"defender {path.name}", path.stem, path.read_text("utf-8")


def of_workbook(place: str, book: Any) -> Iterator[tuple[str, str, str]]:
    """Give the queries of a workbook."""
    for item in book["items"]:
        if "query" in item["content"]:
            yield place, item["name"], item["content"]["query"]


def plain(text: str) -> str:
    """Read text as ARM does: a second bracket at its start says that it is no expression."""
    return text[1:] if text.startswith("[[") else text


def test_every_exported_text_finds_the_rows_of_its_hunt(folders: dict[str, Path], connection: Any) -> None:
    @cache
    def found(query: str) -> int:
        return len(rows(connection, query))

    told = list(of_hunts(folders))
    for place, name, text in told:
        query = re.sub(r"\bago\(\w+\)", f"datetime({_ALL_TIME})", text)
        assert found(query) == COUNTS[name], (place, name)
    places = {place.partition(" ")[0].partition("/")[0] for place, _, _ in told}
    assert places == {"AnalyticRules", "HuntingQueries", "Workbooks", "azuredeploy", "defender"}


def test_no_exported_text_is_left_out_of_that(folders: dict[str, Path]) -> None:
    executed = {text.strip() for _, _, text in of_hunts(folders)}
    every = {plain(text).strip() for name, text in texts(folders) if not name.startswith(("hunting", "spec"))}
    assert every == executed
