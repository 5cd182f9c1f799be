"""What every detection module owes: whoever adds one reads here what is missing."""

import importlib
import inspect
import pkgutil
import re
import typing
from pathlib import Path

import pytest

import knockwatch.detections as package
from knockwatch.config import Thresholds
from knockwatch.detections import Finding, Kind, Level, Rule, detections
from knockwatch.engines.embedded import Engine
from knockwatch.ingest import Workspace
from knockwatch.specification import BRANCHES
from knockwatch.tables import CANONICAL

MODULES = sorted(
    module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")
)
HERE = Path(__file__).parent


def load(name: str) -> typing.Any:
    return importlib.import_module(f"knockwatch.detections.{name}")


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is_and_is_found(name: str) -> None:
    module = load(name)
    assert module.__doc__
    assert module.DETECTION in detections()


@pytest.mark.parametrize("name", MODULES)
def test_its_rule_is_complete(name: str) -> None:
    rule: Rule = load(name).DETECTION.rule
    assert re.fullmatch(r"[a-z]+(?:-[a-z]+)*", rule.id)
    assert rule.title
    assert rule.description.endswith(".")
    assert rule.labels
    assert all(re.fullmatch(r"T\d{4}(?:\.\d{3})?", technique) for technique in rule.attack)
    assert rule.attack
    assert rule.data_sources
    assert set(rule.tables) <= set(CANONICAL)
    assert rule.false_positives
    assert all(len(sentence) > 20 for sentence in rule.false_positives)
    assert rule.severity in typing.get_args(Level)
    assert rule.confidence in {"low", "medium", "high"}
    assert rule.references


@pytest.mark.parametrize("name", MODULES)
def test_it_has_its_tests(name: str) -> None:
    assert (HERE / f"test_{name}.py").is_file()


@pytest.mark.parametrize("name", MODULES)
def test_its_functions_are_documented_and_typed(name: str) -> None:
    module = load(name)
    own = [
        member
        for _, member in inspect.getmembers(module)
        if getattr(member, "__module__", "") == module.__name__
    ]
    functions = [member for member in own if inspect.isfunction(member)]
    for kind in (member for member in own if inspect.isclass(member)):
        assert kind.__doc__
        functions += [member for _, member in inspect.getmembers(kind, inspect.isfunction)]
    for function in functions:
        if function.__qualname__.split(".")[-1].startswith("__"):
            continue
        assert function.__doc__, function.__qualname__
        signature = inspect.signature(function)
        unnamed = {"self", "cls"}
        assert signature.return_annotation is not inspect.Signature.empty, function.__qualname__
        assert all(
            parameter.annotation is not inspect.Parameter.empty or parameter.name in unnamed
            for parameter in signature.parameters.values()
        ), function.__qualname__


@pytest.mark.parametrize("name", MODULES)
def test_it_finds_nothing_in_nothing(name: str, workspace: Workspace) -> None:
    detection = load(name).DETECTION
    with Engine(workspace) as engine:
        candidates = engine.execute(detection.candidates(engine.tables(), Thresholds()))
    assert list(detection.findings(candidates, Thresholds())) == []


def test_rule_ids_are_unique() -> None:
    ids = [detection.rule.id for detection in detections()]
    assert len(ids) == len(set(ids))


def test_the_specified_rules_are_its_branches() -> None:
    specified = {detection.rule.id for detection in detections() if detection.rule.specification}
    assert specified == {branch.rule.id for branch in BRANCHES}
    assert {(branch.rule.severity, branch.rule.confidence) for branch in BRANCHES} == {("high", "medium")}


def test_a_finding_can_be_made_of_its_kinds() -> None:
    assert {Finding("r", "l", kind, None, 0, 0).kind for kind in typing.get_args(Kind)} == set(
        typing.get_args(Kind)
    )
