"""From how many days on a risk is told: where it knows something, and not below."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cis_ews.evaluation.abstention import FEWEST, NOBODY, STARTS, fewest_days, risk_coverage, told_steps


def _simulated(*, knows_from: int, rows: int = 24_000, seed: int = 4) -> dict[str, Any]:
    """Risks that are right from so many days on, and below are those of somebody else."""
    draw = np.random.default_rng(seed)
    days = draw.integers(0, 120, rows)
    true_risk = draw.beta(1.0, 3.0, rows)
    risk = np.where(days >= knows_from, true_risk, draw.permutation(true_risk))
    label = (draw.random(rows) < true_risk).astype(np.float64)
    return {"days": days, "label": label, "risk": risk, "students": np.arange(rows)}


def _curve(said: dict[str, Any]) -> Any:
    return risk_coverage(said["days"], said["label"], said["risk"], students=said["students"])


@pytest.mark.parametrize("knows_from", [0, 15, 40, 90])
def test_the_days_are_found_from_which_a_risk_knows_something(knows_from: int) -> None:
    assert fewest_days(_curve(_simulated(knows_from=knows_from))) == knows_from


def test_a_risk_that_knows_nothing_is_told_of_nobody() -> None:
    assert fewest_days(_curve(_simulated(knows_from=1_000))) == NOBODY


def test_every_row_is_counted_once_and_coverage_falls_with_the_days() -> None:
    said = _simulated(knows_from=15)
    curve = _curve(said)
    assert [step.days for step in curve] == list(STARTS)
    assert sum(step.rows for step in curve) == len(said["days"])
    assert sum(step.positives for step in curve) == said["label"].sum()
    assert curve[0].coverage == 1.0
    for step in curve:
        answered = said["days"] >= step.days
        assert step.coverage == answered.mean()
        assert step.brier == pytest.approx(((said["risk"] - said["label"])[answered] ** 2).mean())


def test_of_a_few_with_hardly_a_day_no_number_is_told_nor_left_over() -> None:
    said = _simulated(knows_from=0)
    kept = said["days"] >= 15
    kept[np.flatnonzero(~kept)[:7]] = True
    curve = _curve({name: value[kept] for name, value in said.items()})
    assert (curve[0].rows, curve[0].gain, fewest_days(curve)) == (7, None, 15)
    told = told_steps(curve)
    assert [step.days for step in told] == [step.days for step in curve[1:]]
    assert told[0].coverage == 1.0, "as a share of all it would tell that there are seven more"
    of_told = [sum(each.rows for each in told[place:]) / sum(each.rows for each in told) for place in range(len(told))]
    assert [step.coverage for step in told] == pytest.approx(of_told)
    assert told_steps(curve[:1]) == [replace(curve[0], coverage=1.0)]


def test_few_students_are_judged_with_those_of_fewer_days_and_not_told_where_there_are_none() -> None:
    said = _simulated(knows_from=0)
    few = (said["days"] < 30) & (said["days"] >= 20)
    kept = ~few | (np.cumsum(few) <= 2 * FEWEST)
    joined = _curve({name: value[kept] for name, value in said.items()})
    assert (15, 30) in [(step.days, step.until) for step in joined]
    assert 20 not in [step.days for step in joined]
    thin = said["days"] >= 15
    thin[:100] = True
    sparse = _curve({name: value[thin] for name, value in said.items()})
    assert sparse[0].days == 0
    assert sparse[0].gain_low is None
    assert fewest_days(sparse) == 15


def test_the_same_students_again_and_again_are_no_more_evidence() -> None:
    said = _simulated(knows_from=0, rows=2_400)
    once = _curve(said)[-1]
    again = _curve({name: np.tile(value, 20) for name, value in said.items()})[-1]
    assert again.gain_low == pytest.approx(once.gain_low)
