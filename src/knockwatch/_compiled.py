"""Loops compiled to machine code by numba (extra `fast`), for what no column-wise library does in one pass.

A module of compiled loops is imported only where `worthwhile` says so: loading them costs half a second, compiling
them, once after each installation, some more. Machine code checks no bounds, and evidence is hostile: a loop looks
before it reads, and tests run it interpreted, as ``loop.py_func``, where a place that is none is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar, cast

Loop = TypeVar("Loop", bound=Callable[..., object])

_LEAST_BYTES = 64 << 20
"""Evidence that is read the plain way in the time that loading takes."""


def compiled(loop: Loop) -> Loop:
    """Compile a loop over arrays when it is first called; it lets other threads run meanwhile.

    It makes no arrays, so that none have to be counted by whom they are held: half of the time went there.
    """
    import numba

    compile_with: Any = numba.njit
    return cast(Loop, compile_with(cache=True, nogil=True, _nrt=False)(loop))


def worthwhile(size: int) -> bool:
    """Say whether loading compiled loops pays for so many bytes of evidence, and whether there is numba."""
    return size >= _LEAST_BYTES and find_spec("numba") is not None
