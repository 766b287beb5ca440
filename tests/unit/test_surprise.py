"""The chance of what came of risks that are nearly 0 or 1."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import binom

from cis_ews.evaluation.surprise import NORMAL_FROM, Floats, deviations


def _labels(students: int, met: int) -> Floats:
    return (np.arange(students) < met).astype(float)


@pytest.mark.parametrize("met", [2, 4, 9])
def test_of_equal_risks_it_is_the_binomial_law(met: int) -> None:
    students, risk = 40, 0.02
    told = deviations(np.full(students, risk), _labels(students, met))
    at_least = (math.comb(students, k) * risk**k * (1.0 - risk) ** (students - k) for k in range(met, students + 1))
    assert told == pytest.approx(-NormalDist().inv_cdf(sum(at_least)))
    spared = deviations(np.full(students, 1.0 - risk), 1.0 - _labels(students, met))
    assert spared == pytest.approx(told), "who was sure to be met and was spared is as surprising"


def test_low_and_high_risks_together_are_the_law_of_every_outcome() -> None:
    risk = np.array([0.01, 0.04, 0.2, 0.7, 0.95, 0.99])
    outcomes = (np.arange(2**6)[:, None] >> np.arange(6)) & 1
    chances = np.prod(np.where(outcomes == 1, risk, 1.0 - risk), axis=1)
    for met in range(7):
        side = outcomes.sum(axis=1) >= met if met > risk.sum() else outcomes.sum(axis=1) <= met
        expected = max(0.0, -NormalDist().inv_cdf(min(float(chances[side].sum()), 0.5)))
        assert deviations(risk, _labels(6, met)) == pytest.approx(expected, abs=1e-9)


def test_where_the_normal_law_begins_the_two_are_close() -> None:
    risk, met = np.full(4_500, 0.1), 510
    assert (risk * (1.0 - risk)).sum() > NORMAL_FROM
    by_chance = -NormalDist().inv_cdf(float(binom.sf(met - 1, risk.size, 0.1)))
    assert deviations(risk, _labels(risk.size, met)) == pytest.approx(by_chance, abs=0.1)


@pytest.mark.parametrize(("students", "risk"), [(500, 0.0102), (600, 0.02), (1_000, 0.02), (4_500, 0.1)])
@pytest.mark.parametrize("judged", [18, 100])
def test_of_many_schools_whose_risks_are_right_one_night_in_twenty_at_most_has_one_too_far_off(
    students: int, risk: float, judged: int
) -> None:
    """Rare outcomes are skewed: in a normal law twice as many schools would be named as there should be."""
    least, risks = NormalDist().inv_cdf(1.0 - 0.05 / (2 * judged)), np.full(students, risk)
    expected, far = students * risk, 6 * math.sqrt(students * risk)
    near = range(max(0, math.floor(expected - far)), math.ceil(expected + far))
    named = sum(binom.pmf(met, students, risk) for met in near if deviations(risks, _labels(students, met)) >= least)
    assert 0.1 * 0.05 < judged * named < 1.02 * 0.05


def test_a_risk_of_nothing_that_came_true_is_a_number() -> None:
    assert 3.0 < deviations(np.zeros(20), _labels(20, 1)) < 10.0
    assert deviations(np.zeros(500), _labels(500, 400)) == pytest.approx(37.0, abs=0.1)
    assert deviations(np.zeros(20), _labels(20, 0)) == 0.0
