"""Bounds of a risk: they hold as often as they say, rise with the margin, and stand around the risk."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cis_ews import RiskModel
from cis_ews.risk.intervals import CONFIDENCE, FEWEST_STUDENTS, Band, fit_band
from cis_ews.risk.model_file import sealed
from tests.lib.model_frames import learnable

Vector = NDArray[np.float64]


def _steep(margin: Vector) -> Vector:
    return 1.0 / (1.0 + np.exp(-margin - 0.5 * np.sin(margin)))


def _stepped(margin: Vector) -> Vector:
    return 0.1 + 0.3 * (margin > 0.0) + 0.2 * (margin > 1.5)


def _flat(margin: Vector) -> Vector:
    return np.full(margin.shape, 0.2)


@pytest.mark.parametrize("truth", [_steep, _stepped, _flat])
@pytest.mark.parametrize("students", [300, 5_000])
def test_bounds_hold_at_least_as_often_as_they_say(truth: Callable[[Vector], Vector], students: int) -> None:
    draw = np.random.default_rng(students)
    below, above = np.zeros(50), np.zeros(50)
    rounds = 60
    for _ in range(rounds):
        margin = draw.normal(0.0, 1.5, students)
        label = (draw.random(students) < truth(margin)).astype(float)
        at = np.linspace(-3.0, 3.0, 50)
        low, high = fit_band(margin, label).bounds(at)
        below += low > truth(at)
        above += high < truth(at)
    # At each margin by itself; one round more or less is chance.
    allowed = (1.0 - CONFIDENCE) / 2.0
    assert below.max() / rounds <= allowed + 3.0 * np.sqrt(allowed / rounds)
    assert above.max() / rounds <= allowed + 3.0 * np.sqrt(allowed / rounds)
    assert below.mean() / rounds <= allowed
    assert above.mean() / rounds <= allowed


def test_more_students_make_narrower_bounds() -> None:
    draw, widths = np.random.default_rng(3), list[float]()
    for students in (200, 2_000, 20_000):
        margin = draw.normal(-1.0, 1.5, students)
        label = (draw.random(students) < _steep(margin)).astype(float)
        low, high = fit_band(margin, label).bounds(margin)
        widths.append(float(np.mean(high - low)))
    assert all(wide > 1.4 * narrow for wide, narrow in pairwise(widths))
    assert widths[-1] < 0.12


def test_a_student_of_many_dates_counts_once() -> None:
    draw = np.random.default_rng(4)
    margin = draw.normal(0.0, 1.0, 1_000)
    label = (draw.random(1_000) < _steep(margin)).astype(float)
    once = fit_band(margin, label)
    groups = np.repeat(np.arange(1_000), 5)
    five_times = fit_band(np.repeat(margin, 5), np.repeat(label, 5), groups=groups)
    at = np.linspace(-3.0, 3.0, 40)
    np.testing.assert_allclose(five_times.bounds(at), once.bounds(at), atol=0.02)
    taken_for_many = fit_band(np.repeat(margin, 5), np.repeat(label, 5))
    assert np.mean(np.subtract(*taken_for_many.bounds(at))) > np.mean(np.subtract(*once.bounds(at))) + 0.05


def test_worked_by_hand() -> None:
    # 50 students with margin 0, of whom 10 are off track, and 50 with margin 1, of whom 30 are: one group size fits.
    margin = np.repeat([0.0, 1.0], 50)
    label = np.concatenate([np.repeat([1.0, 0.0], [10, 40]), np.repeat([1.0, 0.0], [30, 20])])
    band = fit_band(margin, label)
    z = 1.959963984540054  # of an error of .025: half of a twentieth for groups of 50, and half for those of 100

    def wilson(share: float, number: int) -> tuple[float, float]:
        middle, half = share + z * z / (2 * number), z * np.sqrt(share * (1 - share) / number + (z / (2 * number)) ** 2)
        return (middle - half) / (1 + z * z / number), (middle + half) / (1 + z * z / number)

    low, high = band.bounds(np.array([-0.1, 0.0, 0.5, 1.0, 1.1]))
    first, second, both = wilson(0.2, 50), wilson(0.6, 50), wilson(0.4, 100)
    np.testing.assert_allclose(low, [0.0, first[0], first[0], second[0], second[0]])
    np.testing.assert_allclose(high, [min(first[1], both[1])] * 2 + [second[1]] * 2 + [1.0])


@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), min_size=2, max_size=300))
def test_bounds_rise_and_are_shares(rows: list[tuple[float, bool]]) -> None:
    margin, label = np.array([row[0] for row in rows]), np.array([float(row[1]) for row in rows])
    low, high = fit_band(margin, label).bounds(np.linspace(-6.0, 6.0, 101))
    for bound in (low, high):
        assert np.all(np.diff(bound) >= 0.0)
        assert bound.min() >= 0.0
        assert bound.max() <= 1.0
    if len(rows) < FEWEST_STUDENTS:
        assert (low.max(), high.min()) == (0.0, 1.0)


def test_a_model_tells_bounds_around_each_risk_and_keeps_them(tmp_path: Path) -> None:
    frame, label = learnable(3_000, seed=2)
    model = RiskModel.fit(frame, label, seed=7)
    told = model.predict_interval(frame)
    np.testing.assert_array_equal(told["risk"], model.predict(frame))
    assert told.filter(pl.col("risk").is_between("risk_low", "risk_high")).height == frame.height
    assert told["risk_low"].n_unique() > 10
    model.save(tmp_path / "model.json")
    assert RiskModel.load(tmp_path / "model.json").predict_interval(frame).equals(told)


def test_a_model_of_before_there_were_bounds_tells_none(tmp_path: Path) -> None:
    frame, label = learnable(600, seed=2)
    path = tmp_path / "model.json"
    RiskModel.fit(frame, label, seed=7).save(path)
    said = json.loads(path.read_bytes())
    path.write_bytes(sealed({key: value for key, value in said.items() if key not in ("band", "seal")}))
    told = RiskModel.load(path).predict_interval(frame)
    assert told["risk"].null_count() == 0
    assert told.select("risk_low", "risk_high").null_count().row(0) == (600, 600)


@pytest.mark.parametrize(
    ("margins", "low", "high"),
    [((), (), ()), ((1.0, 0.0), (0.1, 0.2), (0.3, 0.4)), ((0.0,), (-0.1,), (0.3,)), ((0.0, 1.0), (0.2,), (0.3,))],
)
def test_what_is_no_band(margins: tuple[float, ...], low: tuple[float, ...], high: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="a band has bounds"):
        Band(margins, low, high)
