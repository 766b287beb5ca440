"""The model against plain definitions, on rows that nobody thought of."""

from __future__ import annotations

import math
import warnings
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cis_ews.evaluation.accuracy import recall_at
from cis_ews.risk.calibration import Calibrator
from cis_ews.risk.model import RiskModel, UnseenCategoryWarning
from cis_ews.risk.model_encoding import Encoding
from tests.lib.model_frames import LEVELS, learnable

NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([0.0, -0.0, 1e-40, 1e100, -1e100, math.nan])
ROW = st.fixed_dictionaries(
    {
        "absences": st.none() | st.integers(-5, 200),
        "average": st.none() | NUMBERS,
        "moved": st.none() | st.booleans(),
        "level": st.none() | st.sampled_from(LEVELS),
        "program": st.none() | st.sampled_from(["day", "evening", "rare", "never seen"]),
        "noise": st.none() | NUMBERS,
    }
)
NUMERIC = ("absences", "average", "moved", "noise")
KINDS = {
    "absences": pl.Int64,
    "average": pl.Float64,
    "moved": pl.Boolean,
    "level": pl.String,
    "program": pl.String,
    "noise": pl.Float64,
}


@cache
def _model() -> RiskModel:
    frame, label = learnable()
    return RiskModel.fit(frame, label, seed=7, monotone={"absences": 1})


@cache
def _encoding() -> Encoding:
    return Encoding.learn(learnable()[0])


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=KINDS)


@pytest.fixture(autouse=True)
def _unseen_is_expected() -> object:  # pyright: ignore[reportUnusedFunction]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnseenCategoryWarning)
        yield


@given(st.lists(ROW, min_size=1, max_size=8))
def test_contributions_add_up_and_risks_are_probabilities(rows: list[dict[str, Any]]) -> None:
    frame = _frame(rows)
    margin, risk, told = _model().margin(frame), _model().predict(frame), _model().contributions(frame)
    assert np.isfinite(margin).all()
    assert ((risk > 0.0) & (risk < 1.0)).all()
    added = told.drop("margin").sum_horizontal().to_numpy()
    assert added == pytest.approx(margin, abs=1e-9)
    order = np.argsort(margin)
    assert (np.diff(risk[order]) >= 0.0).all()


@given(st.lists(ROW, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_rows_do_not_know_each_other(rows: list[dict[str, Any]], random: object) -> None:
    places = list(range(len(rows)))
    random.shuffle(places)  # pyright: ignore[reportAttributeAccessIssue]
    risk = _model().predict(_frame(rows))
    assert _model().predict(_frame([rows[place] for place in places])).tolist() == risk[places].tolist()


@given(ROW, st.integers(0, 60), st.integers(0, 60))
def test_more_absences_never_lower_the_risk(row: dict[str, Any], one: int, other: int) -> None:
    fewer, more = sorted((one, other))
    risk = _model().predict(_frame([{**row, "absences": fewer}, {**row, "absences": more}]))
    assert risk[0] <= risk[1]


@given(st.lists(ROW, max_size=5))
def test_the_matrix_is_that_of_a_plain_definition(rows: list[dict[str, Any]]) -> None:
    encoded = _encoding().matrix(_frame(rows))
    assert np.array_equal(encoded, np.array([_plain(row) for row in rows]).reshape(encoded.shape), equal_nan=True)


def _plain(row: dict[str, Any]) -> list[float]:
    """One row: a number as it is, a category as one number a value (alphabetical; rare ones last), NaN for nothing."""
    numbers = {name: math.nan if row[name] is None else float(row[name]) for name in NUMERIC}
    level = [float(row["level"] == value) for value in sorted(LEVELS)] if row["level"] else [math.nan] * 3
    known = row["program"] in ("day", "evening", "rare")
    program = [float(row["program"] == value) for value in ("day", "evening", "rare")] if known else [math.nan] * 3
    return [numbers["absences"], numbers["average"], numbers["moved"], *level, *program, numbers["noise"]]


@given(
    st.lists(st.floats(0.05, 5.0), min_size=1, max_size=4),
    st.lists(st.floats(-5.0, 5.0), min_size=3, max_size=3, unique=True),
    st.lists(st.floats(-12.0, 12.0), min_size=2, max_size=20),
)
def test_a_calibrator_never_turns_two_students_around(
    slopes: list[float], knots: list[float], margins: list[float]
) -> None:
    calibrator = Calibrator("bent line", 0.1, tuple(slopes), tuple(sorted(knots[: len(slopes) - 1])))
    ordered = np.sort(np.array(margins))
    risen = np.diff(calibrator.log_odds(ordered))
    assert (risen >= 0.0).all()
    assert (risen[np.diff(ordered) > 1e-9] > 0.0).all()
    assert (np.diff(calibrator.probability(ordered)) >= 0.0).all()


@given(st.data())
def test_recall_is_the_expected_share_over_all_draws(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 30))
    positive = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=size - 1))
    label = [int(row in positive) for row in range(size)]
    score = data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    share = data.draw(st.integers(1, 20)) / 20
    chance = [
        min(1.0, max(0.0, (share * size - sum(other > own for other in score)) / score.count(own))) for own in score
    ]
    expected = sum(one * drawn for one, drawn in zip(label, chance, strict=True)) / sum(label)
    assert recall_at(label, score, share) == pytest.approx(expected)
