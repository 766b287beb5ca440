"""The solver of penalised logistic regression: at its answer nothing can be gained within the bounds."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import expit

from cis_ews.risk.model_solver import solve_logistic

Vector = NDArray[np.float64]
ROWS, WIDTH = 900, 12


def _drawn(seed: int) -> tuple[Vector, Vector, Vector, Vector]:
    """Columns that lie near each other, a label, weights and an offset."""
    draw = np.random.default_rng(seed)
    columns = draw.normal(size=(ROWS, WIDTH)) @ (np.eye(WIDTH) + 0.6 * draw.normal(size=(WIDTH, WIDTH)))
    offset = draw.normal(size=ROWS)
    label = (draw.random(ROWS) < expit(columns[:, 0] - columns[:, 1] + offset - 1.0)).astype(np.float64)
    return columns, label, draw.random(ROWS) * 2.0, offset


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("weighted", [False, True])
def test_nothing_can_be_gained_within_the_bounds(seed: int, weighted: bool) -> None:
    """The conditions of Karush, Kuhn and Tucker: no slope inside, and at a bound none but against it."""
    columns, label, weights, offset = _drawn(seed)
    weights = weights if weighted else np.ones(ROWS)
    low = np.where(np.arange(WIDTH) % 3 == 0, 0.3, -np.inf)
    high = np.where(np.arange(WIDTH) % 3 == 1, -0.3, np.inf)
    mixed = np.eye(WIDTH) - 0.5 * np.eye(WIDTH, k=-1)
    intercept, found = solve_logistic(
        columns, label, weights=weights, penalty=3.0, bounds=(low, high), offset=offset, penalised=mixed
    )
    residual = weights * (expit(columns @ found + intercept + offset) - label) / ROWS
    slope = columns.T @ residual + 3.0 * mixed.T @ mixed @ found / ROWS
    assert abs(residual.sum()) < 1e-9
    at_low, at_high = found == low, found == high
    assert at_low.sum() + at_high.sum() >= 2
    assert ((found >= low) & (found <= high)).all()
    assert np.abs(slope[~at_low & ~at_high]).max() < 1e-9
    assert (slope[at_low] >= 0.0).all()
    assert (slope[at_high] <= 0.0).all()


def test_a_general_minimiser_finds_no_better_place() -> None:
    columns, label, _, offset = _drawn(9)

    def loss(point: Vector) -> float:
        margin = columns @ point[1:] + point[0] + offset
        return float((np.logaddexp(0.0, margin) - label * margin).mean()) + float(point[1:] @ point[1:]) / (2 * ROWS)

    bounds = [(None, None), *[(0.0, None)] * WIDTH]
    other = optimize.minimize(loss, np.zeros(WIDTH + 1), method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14})
    free = np.full(WIDTH, np.inf)
    intercept, found = solve_logistic(columns, label, penalty=1.0, bounds=(np.zeros(WIDTH), free), offset=offset)
    assert loss(np.array([intercept, *found])) <= other.fun + 1e-12


def test_classes_that_a_line_parts_end_at_the_penalty_and_not_at_infinity() -> None:
    column = np.linspace(-1.0, 1.0, 200)[:, np.newaxis]
    label = (column[:, 0] > 0.0).astype(np.float64)
    _, (steep,) = solve_logistic(column, label, penalty=1e-6, bounds=(np.array([-np.inf]), np.array([np.inf])))
    assert 100.0 < steep < 1e6


def test_starting_far_off_a_step_that_would_lose_is_shortened() -> None:
    """An offset that is sure of the wrong answer: the first parabola is almost flat, and points far beyond."""
    draw = np.random.default_rng(4)
    column = draw.normal(size=(400, 1))
    label = (draw.random(400) < expit(column[:, 0])).astype(np.float64)
    away = np.where(label > 0.0, -12.0, 12.0)
    intercept, (slope,) = solve_logistic(
        column, label, penalty=0.01, bounds=(np.array([-np.inf]), np.array([np.inf])), offset=away
    )
    residual = expit(column[:, 0] * slope + intercept + away) - label
    assert abs(residual.mean()) < 1e-8
    assert np.isfinite(slope)
