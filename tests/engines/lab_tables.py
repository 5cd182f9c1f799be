"""The lab's evidence as tables of a lake."""

from __future__ import annotations

from pathlib import Path

from knockwatch.config import EvidenceSettings
from knockwatch.ingest import Workspace, ingest
from knockwatch.views import export


def lab_tables(data: Path, folder: Path) -> Path:
    """Write the canonical tables of the shipped slice, as `knockwatch tables` does; gives the folder."""
    with Workspace.temporary() as workspace:
        ingest([str(data / "lab" / "evidence")], EvidenceSettings(), workspace)
        export(workspace, folder)
    return folder
