"""docs/coverage.md says what the data files say, of every family."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from knockwatch.detections._signatures import families
from tests.conftest import ROOT


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_page", ROOT / "docs" / "coverage.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current() -> None:
    """`python docs/coverage.py` writes it."""
    assert (ROOT / "docs" / "coverage.md").read_text("utf-8") == generator().page()


def test_every_family_has_its_row() -> None:
    page = generator().page()

    assert all(f"| {family['name']} |" in page for family in families())
