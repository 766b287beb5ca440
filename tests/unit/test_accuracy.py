"""Accuracy: known numbers, ties at the cut, and what cannot be judged."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import polars as pl
import pytest

from cis_ews.errors import ModelError
from cis_ews.evaluation.accuracy import evaluate, recall_at

LABEL = [1, 0, 1, 0, 0, 0, 0, 0, 0, 0]
RISK = [0.9, 0.8, 0.7, 0.4, 0.3, 0.3, 0.2, 0.1, 0.1, 0.0]


def test_numbers_worked_out_by_hand() -> None:
    reached = evaluate(LABEL, RISK)
    assert (reached.rows, reached.positives, reached.base_rate) == (10, 2, 0.2)
    assert reached.auroc == pytest.approx(15 / 16)
    assert reached.average_precision == pytest.approx((1 / 1 + 2 / 3) / 2)
    squares = [0.1, 0.8, 0.3, 0.4, 0.3, 0.3, 0.2, 0.1, 0.1, 0.0]
    assert reached.brier == pytest.approx(sum(value**2 for value in squares) / 10)
    # One of ten rows is half a row at 5 %: by lot it is the first, or nobody.
    assert (reached.recall_at_5, reached.recall_at_10, reached.recall_at_20) == pytest.approx((0.25, 0.5, 0.5))


def test_series_arrays_and_lists_are_judged_alike() -> None:
    truth = pl.Series(LABEL).cast(pl.Boolean)
    assert evaluate(truth, np.array(RISK)) == evaluate(LABEL, pl.Series(RISK)) == evaluate(LABEL, RISK)


def test_ties_at_the_cut_count_as_drawn_by_lot() -> None:
    """The mean over every order of the tied rows."""
    label, score = np.array([1, 0, 1, 1, 0, 0]), np.array([3, 2, 2, 2, 2, 1])
    tied = [1, 2, 3, 4]
    drawn = [label[[0, *order, 5]][:3].sum() / 3 for order in permutations(tied)]
    assert recall_at(label, score, 0.5) == pytest.approx(np.mean(drawn))


def test_a_rule_that_says_the_same_of_everybody_finds_what_chance_finds() -> None:
    assert [recall_at(LABEL, [1.0] * 10, share) for share in (0.05, 0.2, 1.0)] == pytest.approx([0.05, 0.2, 1.0])


def test_a_share_is_cut_without_the_dust_of_binary_fractions() -> None:
    label = [*[0] * 99, 1]
    score = np.arange(100, 0, -1)
    assert recall_at([*[0] * 7, 1, *[0] * 92], score, 0.07) == 0.0
    assert recall_at(label, score, 1.0) == 1.0


BAD: dict[str, tuple[Any, Any, str]] = {
    "one class": ([1, 1], [0.1, 0.2], "the same in all 2 rows"),
    "no rows": ([], [], "the same in all 0 rows"),
    "lengths": ([1, 0], [0.1], "2 labels for 1 risk"),
    "NaN": ([1, 0], [0.1, float("nan")], "the risk is missing in 1 row"),
    "null": ([1, None], [0.1, 0.2], "the label is missing in 1 row"),
    "two": ([1, 2], [0.1, 0.2], "not 0 and 1"),
    "above one": ([1, 0], [0.1, 1.5], "below 0 or above 1"),
    "text": ([1, 0], ["SECRET", "x"], "no column of numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_judged(case: str) -> None:
    label, risk, said = BAD[case]
    with pytest.raises(ModelError, match=said) as refused:
        evaluate(label, risk)
    assert refused.value.hint
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_is_above_zero_and_at_most_one(share: float) -> None:
    with pytest.raises(ModelError, match="share"):
        recall_at(LABEL, RISK, share)
