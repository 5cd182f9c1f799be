"""Our Sigma rules, filled for a site: what each file says and what it is about. It converts nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from types import ModuleType
from typing import Any

from knockwatch.config import Config
from knockwatch.errors import KnockwatchError
from knockwatch.exports._context import with_context
from knockwatch.exports._site_values import filled

_SUFFIX = ".yml.j2"


class MissingLibraryError(KnockwatchError):
    """A library that a target needs is not installed."""


@dataclass(frozen=True)
class SigmaFile:
    """One file of Sigma rules; the last of its rules is the one that it is about.

    Parameters
    ----------
    name
        Name of the file without its ending.
    text
        Its YAML, without our own key `knockwatch`.
    id
        Of the rule that it is about.
    form
        ``rule``, or the type of correlation, as in ``temporal_ordered``.
    needs
        Files whose rules it correlates.
    rules, legs, lost
        The detections that it stands for, the legs it joins, and what it does not do.
    rows
        Events or groups that it finds in the shipped slices of evidence.
    """

    name: str
    text: str
    id: str
    form: str
    needs: tuple[str, ...]
    rules: tuple[str, ...]
    legs: tuple[str, ...]
    lost: str
    rows: int

    @property
    def proof(self) -> str:
        """How the rule was proven."""
        if not self.rows:
            return "executed by pySigma's SQLite back end on an event made for the test; the shipped slices hold none"
        what = "events" if self.form == "rule" else "groups"
        return f"executed by pySigma's SQLite back end on lab-a's shipped slices, {what} found: {self.rows}"


def sigma_files(config: Config) -> Mapping[str, SigmaFile]:
    """Fill every file of `content/siem/sigma` with the site's values, by its name."""
    return {name: _sigma_file(name, config) for name in _shipped()}


@cache
def _shipped() -> Mapping[str, str]:
    """Read the templates."""
    folder = files("knockwatch.content") / "siem" / "sigma"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(_SUFFIX))
    return {name.removesuffix(_SUFFIX): (folder / name).read_text("utf-8") for name in names}


def _sigma_file(name: str, config: Config) -> SigmaFile:
    """Part a file into the rules and what we say of them, which is also in the description of the last rule."""
    yaml: Any = library("yaml")
    template, _, told = _shipped()[name].rpartition("\nknockwatch:\n")
    about: dict[str, Any] = yaml.safe_load(filled(told, config))
    lost = with_context(about["lost"], about["legs"], template, *_needed(about.get("needs", ())))
    rules = filled(template, config, lost=lost)
    last = list(yaml.safe_load_all(rules))[-1]
    return SigmaFile(
        name=name,
        text=f"{rules}\n",
        id=last["id"],
        form=last.get("correlation", {}).get("type", "rule"),
        needs=tuple(about.get("needs", ())),
        rules=tuple(about["rules"]),
        legs=tuple(about["legs"]),
        lost=lost,
        rows=about.get("rows", 0),
    )


def _needed(names: Iterable[str]) -> Iterator[str]:
    """Give the templates of files that a correlation needs, and of those that they need."""
    yaml: Any = library("yaml")
    for name in names:
        template, _, told = _shipped()[name].rpartition("\nknockwatch:\n")
        yield template
        # Only its thresholds and words would differ by site.
        needs = yaml.safe_load(filled(told, Config())).get("needs", ())
        yield from _needed(needs)


def with_needs(rules: Mapping[str, SigmaFile], name: str) -> str:
    """Write a file's YAML after that of the files whose rules it correlates: what a converter needs to be given."""
    return "---\n".join([*(with_needs(rules, need) for need in rules[name].needs), rules[name].text])


def library(name: str) -> ModuleType:
    """Import a library that only some targets need.

    Raises
    ------
    MissingLibraryError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingLibraryError(f"this target needs {name}: pip install 'knockwatch[siem]'") from error
