"""Evidence that is read once for all tests of tuning."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from knockwatch.config import Config
from knockwatch.engines.embedded import Engine
from knockwatch.ingest import Workspace, ingest
from knockwatch.investigation import Investigation

Investigate = Callable[..., Investigation]


@pytest.fixture(scope="module")
def investigate() -> Iterator[Investigate]:
    """Read files for an investigation that keeps what it made."""
    with ExitStack() as stack:

        def read(*files: Path) -> Investigation:
            workspace = stack.enter_context(Workspace.temporary())
            ingest([str(file) for file in files], Config().evidence, workspace, lean=True)
            return Investigation(workspace, stack.enter_context(Engine(workspace)), keep=True)

        yield read


@pytest.fixture(scope="module")
def checked(investigate: Investigate, data: Path) -> Investigation:
    """A health check and a scanner."""
    return investigate(data / "tuning")
