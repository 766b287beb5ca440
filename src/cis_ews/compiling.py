"""Compiled loops, kept on disk so that a night pays no compilation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop with numba at its first call, keeping the machine code beside the module, or in memory alone
    where no folder can be written. It runs without the lock of the interpreter."""
    import numba

    try:
        return cast("Callable[..., Any]", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:
        return cast("Callable[..., Any]", numba.njit(nogil=True)(function))
