"""How well a score puts those first who need it, and how far its probabilities lie from what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from cis_ews.evaluation.capacity import chosen
from cis_ews.evaluation.outcomes import Values, checked_outcomes, checked_risk


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
    truth, probability = checked_risk(label, risk)
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
    truth, values = checked_outcomes(label, score)
    places = chosen(values, np.zeros(values.size, dtype=np.int64), share)
    return float(truth @ places / truth.sum())


def precision_at(label: Values, score: Values, share: float) -> float:
    """The share of positives among the `share` of rows with the highest score; ties and errors as in `recall_at`."""
    truth, values = checked_outcomes(label, score)
    places = chosen(values, np.zeros(values.size, dtype=np.int64), share)
    return float(truth @ places / places.sum())
