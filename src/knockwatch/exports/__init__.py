"""What a SIEM runs of our detections: targets, one module each, found by scanning this package.

A target writes files for one product: from its own templates, or by converting rules. It knows the detections'
metadata and the site's configuration, nothing of evidence or cases.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from knockwatch.config import Config

if TYPE_CHECKING:
    from knockwatch.detections import Rule


@dataclass(frozen=True)
class Exported:
    """What became of one rule in a target.

    Parameters
    ----------
    rule
        Id of the detection.
    name
        What the target calls the export.
    form
        What it is there: ``analytics rule``, ``hunting query``, ``correlation`` and the like.
    made
        From our own template, converted by a library, or not at all.
    legs
        The legs of a case that it joins.
    lost
        What the detection does and the export does not.
    proof
        How it was proven: executed with expected rows, parsed by the vendor's parser, or neither.
    files
        The files that hold it.
    """

    rule: str
    name: str
    form: str
    made: Literal["template", "converted", "none"]
    legs: tuple[str, ...]
    lost: str
    proof: str
    files: tuple[Path, ...]


class Target(Protocol):
    """A product that rules are written for; a module's `TARGET`."""

    @property
    def name(self) -> str:
        """What the command line calls it, as in ``sentinel``."""

    @property
    def title(self) -> str:
        """The product, and what is written for it, in a line."""

    def write(self, folder: Path, rules: Mapping[str, Rule], config: Config) -> Sequence[Exported]:
        """Write the files into an existing folder.

        Parameters
        ----------
        folder
            Where they go.
        rules
            The detections' metadata by their ids.
        config
            The site's thresholds and context.

        Returns
        -------
        sequence
            What became of each rule that the target can say; a rule may be told of more than once.
        """


@cache
def targets() -> Mapping[str, Target]:
    """Load every target of this package, by its name."""
    import knockwatch.exports as package

    found = [
        importlib.import_module(module.name).TARGET
        for module in pkgutil.iter_modules(package.__path__, "knockwatch.exports.")
        if not module.name.rpartition(".")[2].startswith("_")
    ]
    return {target.name: target for target in sorted(found, key=lambda target: str(target.name))}
