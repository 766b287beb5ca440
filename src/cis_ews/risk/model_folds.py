"""Held-out folds: stratified by the label, and never two rows of one group on both sides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cis_ews.errors import ModelError
from cis_ews.wording import counted

_MANY_ROWS = 50_000


def fold_count(rows: int) -> int:
    """Five folds, or three where there are rows enough that two thirds of them teach what four fifths do."""
    return 5 if rows < _MANY_ROWS else 3


def assign_folds(label: NDArray[np.float64], groups: NDArray[np.int64] | None, *, seed: int) -> NDArray[np.int64]:
    """The fold of each row. Raises ModelError where some fold would lack a positive or a negative."""
    count = fold_count(label.size)
    groups = np.arange(label.size) if groups is None else groups
    positives = np.bincount(groups, weights=label).astype(np.int64)
    rows = np.bincount(groups)
    if rows.size < count:
        raise ModelError(
            f"{counted(rows.size, 'group is', 'groups are')} fewer than the {count} folds that a model is tried on",
            hint="give more groups, or leave groups out",
            groups=rows.size,
        )
    folds = _dealt(positives, rows, count=count, seed=seed)[groups]
    held = np.bincount(folds, weights=label, minlength=count)
    if held.min() == 0 or np.any(held == np.bincount(folds, minlength=count)):
        raise ModelError(
            f"the groups do not spread both classes over the {count} folds that a model is tried on",
            hint="give smaller groups, or leave groups out",
        )
    return folds


def _dealt(positives: NDArray[np.int64], rows: NDArray[np.int64], *, count: int, seed: int) -> NDArray[np.int64]:
    """Deal the groups out like cards, there and back: those with most positives first, then the largest."""
    shuffled = np.random.default_rng(seed).permutation(rows.size)
    order = shuffled[np.lexsort((-rows[shuffled], -positives[shuffled]))]
    place = np.arange(rows.size) % (2 * count)
    folds = np.empty(rows.size, dtype=np.int64)
    folds[order] = np.minimum(place, 2 * count - 1 - place)
    return folds
