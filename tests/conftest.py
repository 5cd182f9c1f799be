"""Fixtures every test may use."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings

from knockwatch.ingest import Workspace

# A slow machine is no failure: property tests have no deadline, and the same examples every time.
settings.register_profile("knockwatch", deadline=None, derandomize=True)
settings.load_profile("knockwatch")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is kept between runs out of the user's own folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The labelled corpus, which is not part of the project."""
    folder = Path(os.environ.get("KNOCKWATCH_CORPUS", ROOT.parent / "shared" / "corpus"))
    if not folder.is_dir():
        pytest.skip(f"the labelled corpus is not at {folder}: set KNOCKWATCH_CORPUS")
    return folder


@pytest.fixture(scope="session")
def data() -> Path:
    """Samples that are part of the project."""
    return ROOT / "tests" / "data"


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep what a test parses out of the user's cache, and out of other tests'; it is made when it is used."""
    folder = tmp_path_factory.getbasetemp() / "caches" / uuid4().hex
    monkeypatch.setenv("KNOCKWATCH_CACHE", str(folder))
    return folder


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    """An empty workspace, removed afterwards."""
    with Workspace.temporary() as space:
        yield space
