"""Loops over numbers, compiled: what a loop in plain words says better, and faster, than many passes over a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile, keeping the machine code beside the module, or in memory alone where no folder can be written."""
    try:
        return cast("Callable[P, R]", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:
        return cast("Callable[P, R]", numba.njit(nogil=True)(function))


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile into the loops that call it: a call for each row would hand over every array anew."""
    return cast("Callable[P, R]", numba.njit(inline="always")(function))


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
