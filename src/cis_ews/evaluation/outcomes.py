"""One outcome and one score a row, checked before anything is measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.errors import ModelError
from cis_ews.wording import counted

Vector = NDArray[np.float64]
Values = pl.Series | NDArray[Any] | Sequence[Any]


def checked_outcomes(label: Values, score: Values) -> tuple[Vector, Vector]:
    """Labels of 0 and 1, both of which occur, and as many numbers.

    Raises ModelError for lengths that differ, missing values, other labels, and one class alone.
    """
    truth, values = _numbers(label, "label"), _numbers(score, "risk")
    if truth.shape != values.shape or truth.ndim != 1:
        raise ModelError(
            f"{counted(truth.size, 'label')} for {counted(values.size, 'risk')}", hint="give one of each a row"
        )
    for what, numbers in (("label", truth), ("risk", values)):
        if np.isnan(numbers).any():
            raise ModelError(
                f"the {what} is missing in {counted(int(np.isnan(numbers).sum()), 'row')}", hint="leave them out"
            )
    if not np.isin(truth, (0.0, 1.0)).all():
        raise ModelError("the label is not 0 and 1 alone", hint="give 0 and 1")
    if truth.size == 0 or truth.min() == truth.max():
        raise ModelError(
            f"the label is the same in all {counted(truth.size, 'row')}", hint="give rows of both outcomes"
        )
    return truth, values


def checked_risk(label: Values, risk: Values) -> tuple[Vector, Vector]:
    """As `checked_outcomes`, of probabilities: a ModelError below 0 and above 1 too."""
    truth, probability = checked_outcomes(label, risk)
    if probability.min() < 0.0 or probability.max() > 1.0:
        raise ModelError("a risk is below 0 or above 1", hint="give probabilities; recall_at takes any score")
    return truth, probability


def _numbers(values: Values, what: str) -> Vector:
    try:
        return np.asarray(pl.Series(values).cast(pl.Float64).to_numpy(), dtype=np.float64)
    except (TypeError, ValueError, pl.exceptions.PolarsError):
        raise ModelError(f"the {what} is no column of numbers", hint="give one number a row") from None
