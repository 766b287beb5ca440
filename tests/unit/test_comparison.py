"""One table: values as each measure has them, paired gains, groups of whom positives are found, rules at their rate."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from cis_ews.errors import ModelError
from cis_ews.evaluation.bootstrap import Bootstrap
from cis_ews.evaluation.comparison import MEASURES, Candidate, Lists, at_same_rate, compare, in_group, on_lists

ROWS = 600
DRAW = np.random.default_rng(1)
SCHOOL = DRAW.integers(0, 12, ROWS)
NIGHT = np.arange(ROWS) % 2
LISTS = Lists(schools=12 * NIGHT + SCHOOL, nights=NIGHT)
SIGNAL = DRAW.normal(size=ROWS)
LABEL = (DRAW.random(ROWS) < 1 / (1 + np.exp(-(1.5 * SIGNAL - 1)))).astype(float)
GOOD = Candidate.of(1 / (1 + np.exp(-(1.5 * SIGNAL - 1))))
POOR = Candidate(DRAW.normal(size=ROWS) + SIGNAL / 3, np.full(ROWS, LABEL.mean()))
BOOTSTRAP = Bootstrap.of(SCHOOL, draws=200, seed=2)


def test_each_value_is_what_the_measure_says_of_the_rows() -> None:
    found = compare(LABEL, {"good": GOOD, "poor": POOR}, lists=LISTS, bootstrap=BOOTSTRAP)
    for who, each in (("good", GOOD), ("poor", POOR)):
        values = found[who].values
        assert tuple(values) == MEASURES
        assert values["auroc"].value == pytest.approx(roc_auc_score(LABEL, each.order))
        assert values["average_precision"].value == pytest.approx(average_precision_score(LABEL, each.order))
        assert values["brier"].value == pytest.approx(brier_score_loss(LABEL, each.probability))
        assert values["precision_at_10"].value * 60 == pytest.approx(values["recall_at_10"].value * LABEL.sum())


def test_gains_are_the_first_less_the_other_and_paired() -> None:
    found = compare(LABEL, {"good": GOOD, "twin": GOOD, "poor": POOR}, lists=LISTS, bootstrap=BOOTSTRAP)
    assert found["good"].gains == {}
    twin = found["twin"].gains["auroc"]
    assert (twin.value, twin.low, twin.high) == (0.0, 0.0, 0.0)
    gain = found["poor"].gains["auroc"]
    assert gain.value == pytest.approx(found["good"].values["auroc"].value - found["poor"].values["auroc"].value)
    assert gain.excludes_zero
    assert found["poor"].gains["brier"].value < 0
    with pytest.raises(ModelError, match="nothing to compare"):
        compare(LABEL, {}, lists=LISTS, bootstrap=BOOTSTRAP)


def test_groups_share_what_all_have_found() -> None:
    places = on_lists({"good": GOOD, "poor": POOR}, LISTS)
    whole = compare(LABEL, {"good": GOOD}, lists=LISTS, bootstrap=BOOTSTRAP)["good"].values["recall_at_10"].value
    early, late = (in_group(LABEL, places, night == NIGHT, bootstrap=BOOTSTRAP) for night in (0, 1))
    positives = [LABEL[night == NIGHT].sum() for night in (0, 1)]
    together = [each["good"].recall["10"] * count for each, count in zip((early, late), positives, strict=True)]
    assert sum(together) == pytest.approx(whole * LABEL.sum())
    gain = early["poor"].gain
    assert gain is not None
    assert gain.value == pytest.approx(early["good"].recall["10"] - early["poor"].recall["10"])
    assert early["good"].gain is None
    assert early["good"].precision["10"] == pytest.approx(early["good"].recall["10"] * positives[0] / 30)


def test_a_group_of_one_school_has_no_interval() -> None:
    found = in_group(LABEL, on_lists({"good": GOOD, "poor": POOR}, LISTS), SCHOOL == 3, bootstrap=BOOTSTRAP)
    assert found["poor"].gain is not None
    assert found["poor"].gain.low is None


def test_a_rule_is_beside_as_many_students_of_the_same_nights() -> None:
    held = (np.abs(SIGNAL) > 1.2).astype(float)
    found = at_same_rate(LABEL, held, GOOD, lists=LISTS, bootstrap=BOOTSTRAP)
    assert found is not None
    by_hand = 0.0
    for night in (0, 1):
        on = night == NIGHT
        first = np.argsort(-GOOD.order[on])[: int(held[on].sum())]
        by_hand += LABEL[on][first].sum()
    assert found.model_recall == pytest.approx(by_hand / LABEL.sum())
    assert found.recall == pytest.approx((LABEL * held).sum() / LABEL.sum())
    assert found.precision == pytest.approx(LABEL[held == 1].mean())
    assert found.gain.value == pytest.approx(found.model_recall - found.recall)
    assert at_same_rate(LABEL, np.zeros(ROWS), GOOD, lists=LISTS, bootstrap=BOOTSTRAP) is None
