"""Loops over numbers, compiled: what a loop in plain words says better, and faster, than many passes over a table."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeVar, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")


class Loop(Generic[P, R]):
    """A function that numba compiles when it is first called: whoever does not call it does not wait for numba."""

    _lock = threading.RLock()

    def __init__(self, function: Callable[P, R], **options: Any) -> None:
        self._function = cast("FunctionType", function)
        self._options = options
        self._compiled: Callable[P, R] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.compiled()(*args, **kwargs)

    def compiled(self) -> Callable[P, R]:
        """The compiled function; loops that it calls are compiled first."""
        with self._lock:
            if self._compiled is None:
                self._compiled = self._compile()
            return self._compiled

    def _compile(self) -> Callable[P, R]:
        import numba

        njit = cast("Any", numba.njit)
        known = self._function.__globals__
        for name in self._function.__code__.co_names:
            if isinstance(loop := known.get(name), Loop):
                known[name] = cast("Loop[..., Any]", loop).compiled()
        try:
            return cast("Callable[P, R]", njit(**self._options)(self._function))
        except RuntimeError:  # no folder in which the machine code could be kept
            return cast("Callable[P, R]", njit(**{**self._options, "cache": False})(self._function))


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile, keeping the machine code beside the module, or in memory alone where no folder can be written.

    The loop runs without the lock of the interpreter.
    """
    return Loop(function, cache=True, nogil=True)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile into the loops that call it: a call for each row would hand over every array anew."""
    return Loop(function, inline="always")


def array_of(column: pl.Series) -> NDArray[Any]:
    """A column without nulls as an array of its physical values."""
    return read_only(column.to_physical().to_numpy())


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, not to be written to: a loop is compiled for each kind of array that it is given."""
    array.flags.writeable = False
    return array


def begins_of(places: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Where the rows of each place begin in sorted places, and one end more: those of p are begins[p]:begins[p + 1]."""
    return read_only(np.concatenate([[0], np.cumsum(np.bincount(places, minlength=count))]))
