"""Where this program keeps what it may read again, and by what it tells that it is still the same program."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path


def user_folder() -> Path:
    """Give the user's own folder for what can be made anew.

    ``$XDG_CACHE_HOME/knockwatch``, else ``~/.cache/knockwatch`` (XDG Base Directory Specification 0.8, which passes
    over a relative path); on Windows in the local application data.

    Raises
    ------
    FileNotFoundError
        If the user has no home.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or "")
    if not base.is_absolute():
        try:
            base = Path.home() / ".cache"
        except RuntimeError as error:
            raise FileNotFoundError(str(error)) from error
    return base / "knockwatch"


@cache
def program(*libraries: str) -> str:
    """Name this very program: its files as they are installed or being worked on, and versions of what decides too."""
    folder = Path(__file__).parent
    files = sorted(path for path in folder.rglob("*.*") if "__pycache__" not in path.parts and path.is_file())
    states = [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    versions = [version(name) for name in ("knockwatch", *libraries)]
    return hashlib.sha256(repr((str(folder), versions, states)).encode()).hexdigest()
