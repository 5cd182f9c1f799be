"""One small emulation in every format, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from knockwatch.emulation import Order
from knockwatch.emulation.make import make
from knockwatch.emulation.writers import writers

SMALL = Order(rows=20_000, seed=5, days=1.0, doors=4)


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same events in every format."""
    folder = tmp_path_factory.mktemp("emulated") / "all"
    make(SMALL, list(writers()), folder)
    return folder
