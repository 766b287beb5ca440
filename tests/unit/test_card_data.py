"""What a card tells of the data: nothing of 1 to 9 students, nor what they could be had from by subtraction."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cis_ews.evaluation.suppression import left_out_for
from cis_ews.risk.calibration import Calibrator
from cis_ews.risk.model import RiskModel
from cis_ews.risk.model_recipe import Kind, Recipe
from tests.lib.gates import validation
from tests.lib.models import training_rows
from training.card import limits, what_it_is
from training.card_data import data_rows
from training.matrices import MatrixSummary
from training.splits import Split
from training.validation import is_told

REASONS: list[tuple[dict[str, int], str]] = [
    ({"left": 89, "supported": 26}, "left (89); supported (26)"),
    ({"left": 89, "supported": 26, "few days": 2}, "left (89); supported, few days (28)"),
    ({"left": 28, "dropped out": 1, "few days": 2}, "left, few days, dropped out (31)"),
    ({"left": 40, "supported": 7, "few days": 5}, "left (40); supported, few days (12)"),
    ({"left": 3, "supported": 2}, "left, supported (fewer than 10)"),
    ({"left": 9}, "left (fewer than 10)"),
    ({"left": 10}, "left (10)"),
    ({}, ""),
]


@pytest.mark.parametrize(("reasons", "told"), REASONS)
def test_small_reasons_are_told_together(reasons: dict[str, int], told: str) -> None:
    assert left_out_for(reasons) == told


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 40), min_size=1))
def test_no_small_reason_comes_out_by_subtraction(reasons: dict[str, int]) -> None:
    counts = [part.rpartition(" (") for part in left_out_for(reasons).split("; ")]
    assert sorted(name for names, _, _ in counts for name in names.split(", ")) == sorted(reasons)
    for names, _, count in counts:
        held = [reasons[name] for name in names.split(", ")]
        if count == "fewer than 10)":
            assert len(counts) == 1
            assert sum(held) < 10
        else:
            assert int(count.rstrip(")")) == sum(held) >= 10
            assert len(held) > 1 or held[0] >= 10


def _summary(day: int, **values: Any) -> MatrixSummary:
    given: dict[str, Any] = {"students": 900, "few_days": 0, "censored": {"left": 100}, "labeled": 800}
    end = date(2024, 6, 10)
    return MatrixSummary(
        school_year=2024, as_of=date(2024, 1, day), horizon_end=end, **{**given, "positives": 200, **values}
    )


def test_few_who_are_left_out_are_not_what_stands_between_two_counts() -> None:
    rows = data_rows([_summary(1), _summary(2, students=806, censored={"left": 4}, few_days=2)])
    assert [row[1] for row in rows] == ["900", "800 and fewer than 10"]
    assert rows[1][-1] == "left, too few days enrolled (fewer than 10)"


@pytest.mark.parametrize("positives", [4, 795])
def test_a_date_with_few_of_either_outcome_tells_none_and_gives_nothing_away(positives: int) -> None:
    rows = data_rows([_summary(1), _summary(2, positives=positives), _summary(3, positives=150)])
    # The sum over all dates is told elsewhere: the next smallest is left out too.
    assert [row[3] for row in rows] == ["200", "-", "-"]


def test_students_count_and_not_their_rows() -> None:
    """Three students on eight dates are 24 rows."""
    few = pl.DataFrame({"student_id": ["a", "b", "c"] * 8, "label": [1, 1, 0] * 8})
    many = pl.DataFrame({"student_id": [f"s{place}" for place in range(24)], "label": [1] * 14 + [0] * 10})
    both = pl.concat([few, many])
    in_few = np.arange(both.height) < few.height
    assert not is_told(both, in_few)
    assert is_told(both, ~in_few)
    assert is_told(many, np.arange(24) < 14)
    assert not is_told(many, np.arange(24) < 15)


def _model(recipe: Recipe, calibrator: Calibrator | None = None) -> RiskModel:
    from dataclasses import replace

    frame, label = training_rows()
    fitted = RiskModel.fit(frame, label, seed=1, recipe=recipe)
    return fitted if calibrator is None else RiskModel(replace(fitted.parts, calibrator=calibrator), fitted.about)


def test_the_card_tells_the_parts_that_were_fitted_and_not_those_that_were_asked_for() -> None:
    bent = Calibrator("line", 0.1, (0.9,), ())
    assert what_it_is(_model(Recipe(kind=Kind.TREES), bent)) == (
        "Small trees. Its risks are calibrated on held-out folds (line)."
    )
    assert what_it_is(_model(Recipe(kind=Kind.LINEAR))).startswith("A logistic regression. Its risks are ")
    blend = _model(Recipe())
    if blend.parts.trees and blend.parts.linear:
        assert what_it_is(blend).startswith("Small trees and a logistic regression, blended: the trees have ")
    else:
        assert "Blended with the other kind it was no better on held-out folds." in what_it_is(blend)


def test_what_to_mind_is_told_of_the_run() -> None:
    one = replace(validation(schools=46), splits=(_split(2026),))
    assert "of one held-back year (2025-26), 46 schools and 300 students. Another" in limits(one)
    two = replace(validation(schools=4), splits=(_split(2025), _split(2026)))
    assert (
        "of 2 held-back years (2024-25, 2025-26), 4 schools and 300 students. So few schools leave wide intervals. An"
        in limits(two)
    )


def _split(year: int) -> Split:
    return Split(school_year=year, train=(date(year - 2, 11, 30),), test=(date(year - 1, 11, 30),))
