"""Rows that count more than others: as if there were more of them, and no more certain for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cis_ews.errors import ModelError
from cis_ews.risk.calibration import log_loss
from cis_ews.risk.intervals import fit_band
from cis_ews.risk.model import RiskModel
from cis_ews.risk.model_linear import fit_linear
from tests.lib.model_frames import learnable


def test_a_row_of_weight_two_counts_as_two_rows() -> None:
    draw = np.random.default_rng(2)
    matrix, label = draw.normal(size=(400, 2)), (draw.random(400) < 0.4).astype(np.float64)
    matrix -= matrix.mean(axis=0)
    free = np.zeros(2, dtype=np.int64)
    twice = np.tile(matrix, (2, 1)), np.tile(label, 2)
    # Twice every row is half the penalty for each.
    weighted = fit_linear(*twice, weights=np.ones(800), directions=free, penalty=6.0)
    repeated = fit_linear(matrix, label, weights=np.ones(400), directions=free, penalty=3.0)
    assert weighted.coefficient == pytest.approx(repeated.coefficient, abs=1e-5)
    first = np.where(np.arange(400) < 100, 2.0, 1.0)
    doubled = np.concatenate([matrix, matrix[:100]]), np.concatenate([label, label[:100]])
    margin = draw.normal(size=400)
    assert log_loss(label, margin, weights=first) == pytest.approx(
        log_loss(doubled[1], np.concatenate([margin, margin[:100]]))
    )


def test_only_proportions_of_weights_matter_and_equal_ones_change_nothing() -> None:
    frame, label = learnable(600)
    draw = np.random.default_rng(3).random(600) + 0.5
    some, more = (RiskModel.fit(frame, label, seed=1, weights=draw * scale) for scale in (1.0, 1024.0))
    assert some.version == more.version
    plain, equal = (RiskModel.fit(frame, label, seed=1, weights=each) for each in (None, np.full(600, 3.0)))
    assert equal.predict(frame) == pytest.approx(plain.predict(frame), abs=1e-6)
    assert np.abs(some.predict(frame) - plain.predict(frame)).max() > 1e-3


def test_weights_move_a_model_toward_the_rows_that_count() -> None:
    frame, label = learnable(1_200)
    heavy = np.where(label.to_numpy(), 4.0, 1.0)
    weighted = RiskModel.fit(frame, label, seed=1, weights=heavy)
    share = np.average(label.to_numpy(), weights=heavy)
    assert np.average(weighted.predict(frame), weights=heavy) == pytest.approx(share, abs=0.02)


def test_weights_never_make_bounds_narrower() -> None:
    draw = np.random.default_rng(5)
    margin = draw.normal(size=3_000)
    label = (draw.random(3_000) < 1 / (1 + np.exp(-margin))).astype(np.float64)
    plain = fit_band(margin, label)
    uneven = fit_band(margin, label, weights=draw.choice([1.0, 5.0], 3_000))
    width = [np.subtract(*each.bounds(margin)[::-1]).mean() for each in (plain, uneven)]
    assert width[1] > width[0]


@pytest.mark.parametrize("bad", [[0.0], [-1.0], [None], [float("nan")], [float("inf")], [1e101]])
def test_a_weight_that_is_no_positive_number_is_refused_with_the_count(bad: list[Any]) -> None:
    frame, label = learnable(200)
    with pytest.raises(ModelError, match="the weight is no positive number in 1 row"):
        RiskModel.fit(frame, label, seed=1, weights=[*bad, *[1.0] * 199])
    with pytest.raises(ModelError, match="weights has 1 value for 200 rows"):
        RiskModel.fit(frame, label, seed=1, weights=[1.0])
    with pytest.raises(ModelError, match="the weight is no positive number in 200 rows"):
        RiskModel.fit(frame, label, seed=1, weights=["heavy"] * 200)
