"""Calibrators rise everywhere, are chosen by held-out log loss, and the simplest wins a near tie."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cis_ews.risk.calibration import IDENTITY, NEAR_TIE, Calibrator, choose_calibrator, log_loss
from cis_ews.risk.model_folds import assign_folds

ROWS = 20_000
RANDOM = np.random.default_rng(5)
MARGIN = RANDOM.normal(-1.0, 1.5, ROWS)


def _drawn(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return (RANDOM.random(ROWS) < 1.0 / (1.0 + np.exp(-log_odds))).astype(float)


def _chosen(label: NDArray[np.float64], margin: NDArray[np.float64] = MARGIN) -> Calibrator:
    return choose_calibrator(margin, label, folds=assign_folds(label, None, seed=1))[0]


def test_a_margin_that_is_right_is_left_alone() -> None:
    assert _chosen(_drawn(MARGIN)) == IDENTITY
    assert IDENTITY.probability(np.array([0.0, np.log(3.0)])) == pytest.approx([0.5, 0.75])


def test_a_margin_that_shouts_is_made_quieter() -> None:
    chosen = _chosen(_drawn(MARGIN / 2 - 0.5))
    assert chosen.kind == "line"
    assert chosen.slopes[0] == pytest.approx(0.5, abs=0.05)
    assert chosen.intercept == pytest.approx(-0.5, abs=0.05)


def test_a_margin_that_is_wrong_above_is_bent_there() -> None:
    truth = np.minimum(MARGIN, 0.0) + 0.1 * np.maximum(MARGIN, 0.0)
    label = _drawn(truth)
    chosen = _chosen(label)
    assert chosen.kind == "bent line"
    assert chosen.slopes[-1] < 0.4 < 0.8 < chosen.slopes[0]
    assert log_loss(label, chosen.log_odds(MARGIN)) < log_loss(label, MARGIN) - 0.01
    high = np.argsort(MARGIN)[-ROWS // 10 :]
    assert chosen.probability(MARGIN)[high].mean() == pytest.approx(label[high].mean(), abs=0.02)


def test_the_loss_that_is_told_was_held_out() -> None:
    """On the rows that it was fitted on a calibrator looks better than it is."""
    margin, label = MARGIN[:400], _drawn(MARGIN / 3 - 0.5)[:400]
    chosen, told = choose_calibrator(margin, label, folds=assign_folds(label, None, seed=1))
    assert chosen.kind != IDENTITY.kind
    assert log_loss(label, chosen.log_odds(margin)) + 1e-4 < told < log_loss(label, margin) - NEAR_TIE


@pytest.mark.parametrize("slope", [0.05, 0.3, 1.0])
def test_students_tie_only_where_float64_cannot_tell_them_apart(slope: float) -> None:
    """Neighbouring margins may share a probability, and none is ever turned around."""
    calibrator = Calibrator("line", 0.1, (slope,), ())
    neighbours = np.sort(np.concatenate([MARGIN, np.nextafter(MARGIN, np.inf), [37.0, 50.0, 800.0, 900.0]]))
    risen = np.diff(calibrator.probability(neighbours))
    assert (risen >= 0.0).all()
    assert (risen == 0.0).any()
    apart = np.diff(neighbours) > 1e-12 / slope
    assert (risen[apart & (neighbours[1:] < 30.0)] > 0.0).all()


def test_even_against_the_truth_the_order_stays() -> None:
    chosen = _chosen(_drawn(-MARGIN))
    assert min(chosen.slopes) >= 0.05 - 1e-12
    risk = chosen.probability(np.sort(MARGIN))
    assert (np.diff(risk) > 0).all()


@pytest.mark.parametrize("knots", [(), (-1.0, 0.25), (0.0, 0.5, 2.0)])
def test_a_calibrator_is_one_line_through_its_knots(knots: tuple[float, ...]) -> None:
    slopes = (0.7, 0.2, 1.9, 0.5)[: len(knots) + 1]
    calibrator = Calibrator("bent line", 0.3, slopes, knots)
    margin = np.linspace(-5.0, 5.0, 2_001)
    log_odds = calibrator.log_odds(margin)
    ends = np.array([-np.inf, *knots, np.inf])
    expected = np.array(slopes)[np.searchsorted(ends, margin[:-1] + 0.0025) - 1] * 0.005
    within = np.isin(np.round(margin[:-1], 3), np.round(knots, 3), invert=True)
    assert np.diff(log_odds)[within] == pytest.approx(expected[within])
    assert calibrator.log_odds(np.array([0.0]))[0] == pytest.approx(0.3 + _at_zero(slopes, knots))


def _at_zero(slopes: tuple[float, ...], knots: tuple[float, ...]) -> float:
    """By hand: up to the first knot at the first slope from zero, then on from there."""
    if not knots or knots[0] >= 0.0:
        return 0.0
    return slopes[0] * knots[0] + slopes[1] * (0.0 - knots[0])


@pytest.mark.parametrize(
    ("slopes", "knots"), [((0.0,), ()), ((-1.0,), ()), ((1.0, 1.0), ()), ((1.0,), (0.0,)), ((1.0,) * 3, (1.0, 0.0))]
)
def test_what_does_not_rise_is_no_calibrator(slopes: tuple[float, ...], knots: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="rises everywhere"):
        Calibrator("line", 0.0, slopes, knots)
