"""How well a score puts those first who need it, and whether its probabilities mean what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.errors import ModelError

Vector = NDArray[np.float64]
Values = pl.Series | NDArray[Any] | Sequence[Any]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What a risk was worth on rows whose outcome is known.

    `auroc`: the chance that a positive stands before a negative. `average_precision`: the mean precision over the
    positives (scikit-learn's). `brier`: the mean squared error of the probability. `recall_at_5` (10, 20): the share of
    all positives among the 5 (10, 20) % of rows with the highest risk; see `recall_at`.
    """

    rows: int
    positives: int
    base_rate: float
    auroc: float
    average_precision: float
    brier: float
    recall_at_5: float
    recall_at_10: float
    recall_at_20: float


def evaluate(label: Values, risk: Values) -> Accuracy:
    """Compare probabilities with what happened, one 0 or 1 a row.

    Raises ModelError for lengths that differ, missing values, labels other than 0 and 1, one class alone, and risks
    outside 0 to 1.
    """
    from sklearn import metrics as untyped

    metrics = cast("Any", untyped)
    truth, probability = _checked(label, risk)
    if probability.min() < 0.0 or probability.max() > 1.0:
        raise ModelError("a risk is below 0 or above 1", hint="give probabilities; recall_at takes any score")
    return Accuracy(
        rows=truth.size,
        positives=int(truth.sum()),
        base_rate=float(truth.mean()),
        auroc=float(metrics.roc_auc_score(truth, probability)),
        average_precision=float(metrics.average_precision_score(truth, probability)),
        brier=float(metrics.brier_score_loss(truth, probability)),
        recall_at_5=recall_at(truth, probability, 0.05),
        recall_at_10=recall_at(truth, probability, 0.10),
        recall_at_20=recall_at(truth, probability, 0.20),
    )


def recall_at(label: Values, score: Values, share: float) -> float:
    """The share of all positives that are among the `share` of rows with the highest score.

    Rows that tie at the cut count by expectation, as if drawn by lot: a rule with few levels is judged fairly, and the
    same way each time. Raises ModelError as `evaluate` does, and for a share that is not above 0 and at most 1.
    """
    truth, values = _checked(label, score)
    if not 0.0 < share <= 1.0:
        raise ModelError(f"a share of {share} of the rows", hint="give a share above 0 and at most 1")
    # 0.07 x 100 is a little above 7 in binary, and would take an eighth row.
    places = round(share * truth.size, 6)
    cut = np.sort(values)[::-1][max(int(np.ceil(places)), 1) - 1]
    above, at = values > cut, values == cut
    drawn = (places - above.sum()) / at.sum()
    return float((truth[above].sum() + drawn * truth[at].sum()) / truth.sum())


def _checked(label: Values, score: Values) -> tuple[Vector, Vector]:
    truth, values = _numbers(label, "label"), _numbers(score, "risk")
    if truth.shape != values.shape or truth.ndim != 1:
        raise ModelError(f"{truth.size:,} labels for {values.size:,} risks", hint="give one of each a row")
    for what, numbers in (("label", truth), ("risk", values)):
        if np.isnan(numbers).any():
            raise ModelError(f"the {what} is missing in {int(np.isnan(numbers).sum()):,} rows", hint="leave them out")
    if not np.isin(truth, (0.0, 1.0)).all():
        raise ModelError("the label is not 0 and 1 alone", hint="give 0 and 1")
    if truth.size == 0 or truth.min() == truth.max():
        raise ModelError(f"the label is the same in all {truth.size:,} rows", hint="give rows of both outcomes")
    return truth, values


def _numbers(values: Values, what: str) -> Vector:
    try:
        return np.asarray(pl.Series(values).cast(pl.Float64).to_numpy(), dtype=np.float64)
    except (TypeError, ValueError, pl.exceptions.PolarsError):
        raise ModelError(f"the {what} is no column of numbers", hint="give one number a row") from None
