"""Arrow arrays of what numpy holds, and of words.

`pyarrow.array` would do, but it imports pandas wherever that is installed: a third of a second for each process.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

# pyarrow has no type information
arrow: Any = importlib.import_module("pyarrow")

Array = Any
"""A `pyarrow.Array`."""


def of_numbers(values: NDArray[Any], *, is_null: NDArray[np.bool_] | None = None) -> Array:
    """Integers or floating-point numbers, with the type that they have. `is_null`: which of them stand for nothing."""
    validity = None if is_null is None else _bits(~is_null)
    kind = arrow.from_numpy_dtype(values.dtype)
    # Numbers of a block begin at any byte; Arrow counts on those that begin at a whole one of theirs.
    content = np.require(values, requirements=("C", "ALIGNED"))
    return arrow.Array.from_buffers(kind, values.size, [validity, arrow.py_buffer(content)])


def of_truths(values: NDArray[np.bool_]) -> Array:
    """True or false."""
    return arrow.Array.from_buffers(arrow.bool_(), values.size, [None, _bits(values)])


def of_words(values: Sequence[str]) -> Array:
    """Some words, of the type string."""
    series: Any = pl.Series(values, dtype=pl.String)
    return series.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(arrow.string())


def _bits(values: NDArray[np.bool_]) -> Any:
    return arrow.py_buffer(np.packbits(values, bitorder="little"))
