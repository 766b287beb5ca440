"""Measures at capacity, of probabilities, and their intervals: against scikit-learn and numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from cis_ews.errors import ModelError
from cis_ews.evaluation.accuracy import precision_at, recall_at
from cis_ews.evaluation.bootstrap import Bootstrap
from cis_ews.evaluation.capacity import chosen
from cis_ews.evaluation.probabilities import calibration, decision_curve, plain_frequency


def _rows(rows: int = 4_000, *, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Risks that tie now and then, and outcomes of which the risks are too extreme by a factor of two in log-odds."""
    draw = np.random.default_rng(seed)
    log_odds = np.round(draw.normal(-1.0, 1.5, rows), 2)
    label = (draw.random(rows) < 1 / (1 + np.exp(-(0.3 + 0.5 * log_odds)))).astype(float)
    return label, 1 / (1 + np.exp(-log_odds))


def test_each_list_has_its_own_places_and_ties_share_them() -> None:
    score = np.array([9.0, 5.0, 5.0, 1.0, 0.3, 0.2, 0.1, 0.0])
    lists = np.array([0, 0, 0, 0, 7, 7, 7, 7])
    assert chosen(score, lists, 0.5).tolist() == [1.0, 0.5, 0.5, 0.0, 1.0, 1.0, 0.0, 0.0]
    mixed = np.array([3, 6, 0, 4, 7, 1, 5, 2])
    assert chosen(score[mixed], lists[mixed], 0.5).tolist() == chosen(score, lists, 0.5)[mixed].tolist()


def test_the_places_of_every_list_are_its_share() -> None:
    draw = np.random.default_rng(2)
    score, lists = draw.integers(0, 5, 500).astype(float), draw.integers(0, 9, 500)
    for share in (0.05, 0.1, 0.2, 1.0):
        places = np.bincount(lists, weights=chosen(score, lists, share))
        assert places == pytest.approx(share * np.bincount(lists))


def test_precision_and_recall_at_a_share_are_one_count_over_two_totals() -> None:
    label, risk = _rows()
    found = recall_at(label, risk, 0.1) * label.sum()
    assert precision_at(label, risk, 0.1) == pytest.approx(found / (0.1 * label.size))
    assert precision_at([1, 0, 1, 0], [4, 3, 2, 1], 0.5) == 0.5


def test_the_slope_is_that_of_an_unpenalised_regression_on_the_log_odds() -> None:
    label, risk = _rows()
    log_odds = np.log(risk / (1 - risk))
    expected = LogisticRegression(C=np.inf, tol=1e-10).fit(log_odds[:, None], label).coef_[0, 0]
    found = calibration(label, risk)
    assert found.slope == pytest.approx(expected, abs=1e-5)
    assert found.slope == pytest.approx(0.5, abs=0.1)
    shifted = 1 / (1 + np.exp(-(log_odds + found.intercept)))
    assert shifted.sum() == pytest.approx(label.sum())


def _refitted(label: np.ndarray, risk: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Slope, and what has to be added to every row's log-odds, of weighted rows."""
    log_odds = np.log(risk / (1 - risk))
    ones = np.ones(label.size)
    line = _newton(label, np.column_stack([ones, log_odds]), weights, known=0 * log_odds)
    return float(line[1]), float(_newton(label, ones[:, None], weights, known=log_odds)[0])


def _newton(label: np.ndarray, columns: np.ndarray, weights: np.ndarray, *, known: np.ndarray) -> np.ndarray:
    found = np.zeros(columns.shape[1])
    for _ in range(12):
        told = 1 / (1 + np.exp(-(columns @ found + known)))
        curve = columns.T @ (columns * (weights * told * (1 - told))[:, None])
        found = found + np.linalg.solve(curve, columns.T @ (weights * (label - told)))
    return found


@pytest.mark.parametrize("schools", [6, 40])
def test_the_interval_of_the_slope_is_that_of_regressions_on_schools_drawn_again(schools: int) -> None:
    label, risk = _rows()
    school = np.random.default_rng(3).integers(schools, size=label.size)
    # Schools that differ: outcomes of the first ones are no longer those of the risks.
    label = np.where(school < schools // 3, np.random.default_rng(4).permutation(label), label)
    bootstrap = Bootstrap.of(school, draws=100, seed=1)
    refitted = np.array([_refitted(label, risk, weights[school]) for weights in bootstrap.weights])
    found = calibration(label, risk, bootstrap=bootstrap)
    told = ((found.slope, found.slope_drawn), (found.intercept, found.intercept_drawn))
    for place, (value, drawn) in enumerate(told):
        assert value is not None
        assert drawn is not None
        expected = bootstrap.estimate(value, refitted[:, place], least=-np.inf, most=np.inf)
        assert expected.low is not None
        assert expected.high is not None
        assert drawn.value == value
        width = expected.high - expected.low
        assert (drawn.low, drawn.high) == pytest.approx((expected.low, expected.high), abs=0.08 * width)


def test_one_school_alone_has_a_slope_and_no_interval_of_it() -> None:
    label, risk = _rows()
    found = calibration(label, risk, bootstrap=Bootstrap.of(np.zeros(label.size), draws=100, seed=1))
    assert found.slope is not None
    assert found.slope_drawn is not None
    assert found.slope_drawn.low is None
    assert calibration(label, risk).slope_drawn is None


def test_the_calibration_error_by_hand() -> None:
    label = [0, 1, 0, 1, 1, 1, 0, 0, 1, 1]
    risk = [0.2] * 4 + [0.7] * 6
    found = calibration(label, risk)
    assert [(each.rows, each.risk, each.happened) for each in found.bins] == [
        (4, pytest.approx(0.2), 0.5),
        (6, pytest.approx(0.7), pytest.approx(4 / 6)),
    ]
    assert found.error == pytest.approx((4 * 0.3 + 6 * abs(0.7 - 4 / 6)) / 10)


def test_right_probabilities_have_a_slope_of_one_and_hardly_an_error() -> None:
    draw = np.random.default_rng(5)
    risk = draw.beta(1, 3, 40_000)
    found = calibration((draw.random(40_000) < risk).astype(float), risk)
    assert found.slope == pytest.approx(1.0, abs=0.05)
    assert found.intercept == pytest.approx(0.0, abs=0.05)
    assert found.error < 0.01


@pytest.mark.parametrize("risk", [[0.4, 0.4, 0.4, 0.4], [0.1, 0.1, 0.9, 0.9]])
def test_there_is_no_slope_of_one_risk_or_of_parted_classes(risk: list[float]) -> None:
    assert calibration([0, 0, 1, 1], risk).slope is None


def test_net_benefit_by_hand() -> None:
    label, risk = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0], [0.9, 0.2, 0.6, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    (at_half,) = decision_curve(label, risk, [0.5])
    assert at_half.risk == pytest.approx((1 - 2 * 1.0) / 10)
    assert at_half.everybody == pytest.approx((2 - 8 * 1.0) / 10)
    (at_fifth,) = decision_curve(label, risk, [0.2])
    assert at_fifth.risk == pytest.approx((2 - 2 * 0.25) / 10)
    with pytest.raises(ModelError, match="threshold"):
        decision_curve(label, risk, [0.0])


def test_so_many_of_ten() -> None:
    assert plain_frequency([1, 0, 1, 1], [1, 1, 1, 0]) == (7, pytest.approx(2 / 3))
    with pytest.raises(ModelError, match="nobody"):
        plain_frequency([1, 0], [0, 0])


def test_a_draw_of_the_bootstrap_is_what_scikit_learn_says_of_the_repeated_rows() -> None:
    label, risk = _rows(400)
    schools = np.random.default_rng(3).integers(0, 7, 400)
    drawn = Bootstrap.of(schools, draws=5, seed=11)
    aurocs, precisions = drawn.ranking(label, risk)
    recalls = drawn.ratio(label * chosen(risk, schools, 0.1), label)
    for place, weights in enumerate(drawn.weights):
        rows = np.repeat(np.arange(400), weights[schools].astype(int))
        assert aurocs[place] == pytest.approx(roc_auc_score(label[rows], risk[rows]))
        assert precisions[place] == pytest.approx(average_precision_score(label[rows], risk[rows]))
        assert recalls[place] == pytest.approx((label * chosen(risk, schools, 0.1))[rows].sum() / label[rows].sum())


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """A rate that differs between 40 clusters, 200 times: rows alone would make intervals far too narrow."""
    draw, held = np.random.default_rng(8), 0
    for seed in range(200):
        rate = draw.beta(2, 6, 40)
        clusters = np.repeat(np.arange(40), 25)
        label = (draw.random(1_000) < rate[clusters]).astype(float)
        drawn = Bootstrap.of(clusters, draws=200, seed=seed)
        found = drawn.estimate(label.mean(), drawn.ratio(label, np.ones(1_000)))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.25 <= found.high
    assert 175 <= held <= 199


@pytest.mark.parametrize("schools", [2, 4, 7])
def test_the_interval_of_few_schools_holds_the_truth_too(schools: int) -> None:
    """Percentiles alone hold it 53, 82 and 87 times in a hundred; a district has a handful of schools."""
    draw, held = np.random.default_rng(8), 0
    for seed in range(300):
        rate = draw.beta(2, 6, schools)
        clusters = np.repeat(np.arange(schools), 100)
        label = (draw.random(clusters.size) < rate[clusters]).astype(float)
        drawn = Bootstrap.of(clusters, draws=200, seed=seed)
        found = drawn.estimate(label.mean(), drawn.ratio(label, np.ones(label.size)), least=0.0)
        assert found.low is not None
        assert found.high is not None
        assert 0.0 <= found.low <= found.value <= found.high <= 1.0
        held += found.low <= 0.25 <= found.high
    assert held >= 270


def test_one_school_has_no_interval_and_the_same_seed_draws_the_same() -> None:
    label, risk = _rows(200)
    alone = Bootstrap.of(np.zeros(200), draws=20, seed=1)
    assert alone.estimate(0.5, alone.ranking(label, risk)[0]).low is None
    schools = np.arange(200) % 9
    first, second = (Bootstrap.of(schools, draws=20, seed=4).ranking(label, risk)[0] for _ in range(2))
    assert first.tolist() == second.tolist()
    with pytest.raises(ModelError, match="nothing to draw"):
        Bootstrap.of([], draws=20, seed=1)
