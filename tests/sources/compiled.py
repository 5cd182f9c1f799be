"""Compiled loops as plain Python, in which a place beyond the text is an error."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import numba
import pytest


def interpreted(compiled: ModuleType) -> ModuleType:
    """Load a module of loops anew, uncompiled."""
    spec = importlib.util.find_spec(compiled.__name__)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "DISABLE_JIT", True)
        spec.loader.exec_module(module)
    return module
