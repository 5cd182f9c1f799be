"""The atomic tests: their shape, which is Atomic Red Team's, and what is expected of each; nothing is run here.

The rules are those of redcanaryco/atomic-red-team, atomic_red_team/models.py and validator.py (November 2025), in our
own words: files that this module reads can be contributed there as they are. What is expected is `expected.toml`
beside them, since their schema allows no fields of others.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib import import_module, resources
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from knockwatch.detections import detections
from knockwatch.lab import LabError

FOLDER = Path(str(resources.files("knockwatch") / "content" / "atomics"))
EXPECTED = "expected.toml"
Text = Annotated[str, StringConstraints(min_length=1)]
Shell = Literal["powershell", "command_prompt", "sh", "bash"]
Platform = Literal[
    "windows",
    "macos",
    "linux",
    "office-365",
    "azure-ad",
    "google-workspace",
    "saas",
    "iaas",
    "containers",
    "iaas:gcp",
    "iaas:azure",
    "iaas:aws",
    "esxi",
]
_INPUT = re.compile(r"#\{(.*?)\}")
_TYPES: dict[str, type | tuple[type, ...]] = {
    "integer": int,
    "float": float,
    "string": str,
    "path": str,
    "url": str,
}


class Shape(BaseModel):
    """A piece of a file: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(Shape):
    """A value that whoever runs a test may set; every input of ours has a default, so that a test runs as it is."""

    description: Text
    type: Literal["integer", "float", "string", "path", "url"]
    default: int | float | str

    @model_validator(mode="after")
    def _typed(self) -> Input:
        if not isinstance(self.default, _TYPES[self.type]) or isinstance(self.default, bool):
            raise ValueError(f"the default {self.default!r} is no {self.type}")  # noqa: TRY004 - pydantic wants it
        return self


class Dependency(Shape):
    """Something that has to be there first: how to look whether it is, and how to get it."""

    description: Text
    prereq_command: Text
    get_prereq_command: Text


class Executor(Shape):
    """What is run, by which shell, and how it is undone."""

    name: Shell
    elevation_required: bool = False
    command: Text
    cleanup_command: Text | None = None


class Atomic(Shape):
    """One atomic test."""

    name: Text
    auto_generated_guid: UUID
    description: Text
    supported_platforms: tuple[Platform, ...] = Field(min_length=1)
    input_arguments: dict[Annotated[str, StringConstraints(pattern=r"^[\w-]{2,}$")], Input] = Field(
        default_factory=dict
    )
    dependency_executor_name: Shell | None = None
    dependencies: tuple[Dependency, ...] = ()
    executor: Executor

    @property
    def guid(self) -> str:
        """The id as text."""
        return str(self.auto_generated_guid)

    @property
    def texts(self) -> list[str]:
        """Every command."""
        needed = [text for one in self.dependencies for text in (one.prereq_command, one.get_prereq_command)]
        return [self.executor.command, self.executor.cleanup_command or "", *needed]

    @model_validator(mode="after")
    def _consistent(self) -> Atomic:
        used = {name for text in self.texts for name in _INPUT.findall(text)}
        if wrong := used ^ set(self.input_arguments):
            raise ValueError(f"inputs are either not used or not defined: {', '.join(sorted(wrong))}")
        if bool(self.dependencies) != bool(self.dependency_executor_name):
            raise ValueError("dependencies and dependency_executor_name need each other")
        sudo = any("sudo" in text for text in (self.executor.command, self.executor.cleanup_command or ""))
        if (
            sudo
            and not self.executor.elevation_required
            and set(self.supported_platforms) & {"linux", "macos"}
        ):
            raise ValueError("sudo is used, so elevation_required is true")
        return self


class Technique(Shape):
    """A file: the atomic tests of one technique."""

    attack_technique: Annotated[str, StringConstraints(pattern=r"^T\d{4}(\.\d{3})?$")]
    display_name: Annotated[str, StringConstraints(min_length=5)]
    atomic_tests: tuple[Atomic, ...] = Field(min_length=1)


class Expected(Shape):
    """What must be found of a test, and how it is run in the lab.

    Parameters
    ----------
    rules
        Ids of our rules, each of which must fire.
    by
        The lab's host that it is run on; empty for what the lab has no machine for.
    at
        The host that ``{target}`` in `inputs` stands for; ``{source}`` is the address that the test acts from.
    says
        What its output has if it did what it shall.
    notes
        What the note of a rule's finding must have, where the rest of the machine may make the rule fire as well.
    rule_set
        Whether the host's rules are saved after it, as a collection of evidence from a host has them.
    """

    rules: tuple[str, ...] = Field(min_length=1)
    by: str = ""
    at: str = ""
    says: str = ""
    inputs: dict[str, str | int] = Field(default_factory=dict)
    notes: dict[str, str] = Field(default_factory=dict)
    rule_set: bool = False


def techniques(folder: Path = FOLDER) -> list[Technique]:
    """Read and check every file of atomic tests.

    Raises
    ------
    LabError
        If a file is not what Atomic Red Team accepts, or an id comes twice.
    """
    found = [_technique(path) for path in sorted(folder.glob("T*/*"))]
    guids = [test.guid for technique in found for test in technique.atomic_tests]
    if again := {guid for guid in guids if guids.count(guid) > 1}:
        raise LabError(f"ids of atomic tests come twice: {', '.join(sorted(again))}", path=folder)
    return found


def _technique(path: Path) -> Technique:
    """Read a file."""
    yaml: Any = import_module("yaml")
    try:
        technique = Technique.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise LabError(f"is no file of atomic tests: {error}", path=path) from error
    wanted = f"{technique.attack_technique}.yaml"
    if path.name != wanted or path.parent.name != technique.attack_technique:
        raise LabError(f"should be {technique.attack_technique}/{wanted}", path=path)
    return technique


def expected(known: Iterable[Technique], folder: Path = FOLDER) -> dict[str, Expected]:
    """Read what is expected of each test, by its id.

    Raises
    ------
    LabError
        If it names no test, a test is missing, or a rule or an input is unknown.
    """
    path = folder / EXPECTED
    try:
        told = {key: Expected.model_validate(value) for key, value in tomllib.loads(path.read_text()).items()}
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise LabError(f"does not say what is expected: {error}", path=path) from error
    tests = {test.guid: test for technique in known for test in technique.atomic_tests}
    if wrong := told.keys() ^ tests.keys():
        raise LabError(f"tests and expectations do not match: {', '.join(sorted(wrong))}", path=path)
    rules = {one.rule.id for one in detections()}
    for guid, one in told.items():
        unknown = {*one.rules, *one.notes} - rules | one.inputs.keys() - tests[guid].input_arguments.keys()
        if unknown:
            raise LabError(f"{guid}: there is no rule or input {', '.join(sorted(unknown))}", path=path)
    return told
