"""Students who were supported: what a model learns as recorded misleads it, and what it learns instead does not."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from cis_ews.evaluation.accuracy import evaluate
from cis_ews.risk.model import RiskModel
from cis_ews.risk.supported import Supported, supported_students
from training.support import MOST, SUPPORTED, learned_rows

NAMES = ["absence", "noise"]
RESPECTED = [Supported.CENSOR, Supported.WEIGHT]


@lru_cache(maxsize=1)
def _past(rows: int = 6_000) -> dict[str, Any]:
    """Past years: who misses more goes off track, is supported for it, and then mostly does well.

    `untreated`: what would have come of each without support, which no records say.
    """
    draw = np.random.default_rng(11)
    absence, noise = draw.gamma(2.0, 0.5, rows), draw.normal(size=rows)
    untreated = draw.random(rows) < 1 / (1 + np.exp(-(2.2 * absence - 3.5)))
    supported = draw.random(rows) < 0.9 / (1 + np.exp(-(4.0 * absence - 5.0)))
    recorded = untreated & ~(supported & (draw.random(rows) < 0.98))
    frame = pl.DataFrame({"absence": absence, "noise": noise, SUPPORTED: supported, "label": recorded.astype(np.int8)})
    return {"rows": frame, "untreated": untreated.astype(np.float64), "best": absence / (1.0 + absence)}


@lru_cache(maxsize=3)
def _risk(how: Supported) -> Any:
    learned = learned_rows(_past()["rows"], NAMES, how=how)
    model = RiskModel.fit(learned.rows.select(NAMES), learned.rows["label"], weights=learned.weights, seed=1)
    return model.predict(_past()["rows"])


@pytest.mark.parametrize("how", RESPECTED)
def test_the_label_as_recorded_misleads_the_model_and_the_chosen_one_does_not(how: Supported) -> None:
    """Switched off (as recorded), the second half of this fails: that is what the first half shows."""
    untreated = _past()["untreated"]
    naive, chosen = evaluate(untreated, _risk(Supported.AS_RECORDED)), evaluate(untreated, _risk(how))
    best = evaluate(untreated, _past()["best"]).auroc
    assert naive.auroc < best - 0.08
    assert chosen.auroc > best - 0.01
    assert chosen.brier < naive.brier - 0.05
    worst = _past()["rows"]["absence"].to_numpy() > 2.0
    assert _risk(Supported.AS_RECORDED)[worst].mean() < untreated[worst].mean() - 0.3
    assert _risk(how)[worst].mean() == pytest.approx(untreated[worst].mean(), abs=0.08)


def test_weighted_rows_stand_in_for_those_who_were_supported() -> None:
    rows = _past()["rows"]
    learned = learned_rows(rows, NAMES, how=Supported.WEIGHT)
    assert learned.weights is not None
    kept = learned.rows["absence"].to_numpy()
    everyone = rows["absence"].mean()
    assert kept.mean() < everyone - 0.1
    assert np.average(kept, weights=learned.weights) == pytest.approx(everyone, abs=0.05)
    assert learned.weights.mean() == pytest.approx(1.0, abs=0.05)
    assert learned.weights.max() <= MOST


def test_whoever_was_supported_is_left_out_whatever_came_of_it() -> None:
    rows = _past()["rows"]
    for how in RESPECTED:
        learned = learned_rows(rows, NAMES, how=how)
        assert learned.rows.equals(rows.filter(~pl.col(SUPPORTED)))
    assert learned_rows(rows, NAMES, how=Supported.AS_RECORDED).rows.equals(rows)


def test_nobody_or_few_supported_changes_no_weight() -> None:
    rows = _past()["rows"]
    nobody = rows.with_columns(supported=pl.lit(value=False))
    few = rows.with_columns(supported=pl.int_range(rows.height) < 49)
    for how in Supported:
        assert learned_rows(nobody, NAMES, how=how).weights is None
        assert learned_rows(nobody, NAMES, how=how).rows.equals(nobody)
    assert learned_rows(few, NAMES, how=Supported.WEIGHT).weights is None
    assert learned_rows(few, NAMES, how=Supported.WEIGHT).rows.height == rows.height - 49


def test_support_counts_from_the_day_after_the_as_of_date_to_the_end_of_the_horizon() -> None:
    as_of, end = date(2025, 10, 15), date(2026, 6, 12)
    supports = pl.DataFrame(
        [
            ("on the day", as_of, 3),
            ("the day after", date(2025, 10, 16), 2),
            ("to the end", end, 3),
            ("later", date(2026, 6, 13), 3),
            ("whole school", date(2025, 12, 1), 1),
            ("tier not said", date(2025, 12, 1), None),
            ("tier not said", date(2025, 12, 2), 1),
        ],
        schema={"student_id": pl.String, "date": pl.Date, "tier": pl.Int8},
        orient="row",
    )
    found = supported_students(supports, as_of=as_of, horizon_end=end).to_list()
    assert found == ["the day after", "tier not said", "to the end"]
