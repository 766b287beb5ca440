"""What is told of a part of the students, when what concerns all comes from outside."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cis_ews.risk.explanations import peer_values
from cis_ews.risk.features import build_features, school_sums
from cis_ews.risk.night_model import FEWEST_DAYS, Estimates, NightModel, tell
from cis_ews.risk.rule_results import results_of
from cis_ews.risk.rules import RulesModel
from tests.lib.indicator_frames import indicator_frame
from tests.lib.models import catalog_model
from tests.lib.reasons import by_hand


def absent(days: float, **more: Any) -> dict[str, Any]:
    """A student who missed so many of the last 20 days."""
    window = {"days_enrolled_last_20": 20, "days_absent_last_20": days}
    return {"grade_level": "8", "days_enrolled_ytd": 100, "days_absent_ytd": days, **window, **more}


@pytest.fixture
def indicators() -> pl.DataFrame:
    """A student who missed much, and a dozen classmates who missed a day."""
    return indicator_frame(absent(9), *(absent(1, student_id=f"t{place:02}") for place in range(12)))


def test_a_student_alone_is_told_beside_the_peers_that_were_given(indicators: pl.DataFrame) -> None:
    child = indicators.head(1)
    given = by_hand(child, absence_rate_last_20=0.8)
    estimates = Estimates(risk=child.select("student_id"), contributions=given, features=build_features(child))
    scores = child.select("student_id", risk=pl.lit(0.5))
    no_rules = RulesModel(()).evaluated(child, as_of=date(2026, 6, 10))
    nothing: dict[str, Any] = {"evaluated": no_rules, "results": results_of(no_rules)}
    alone = tell(estimates, child, scores, **nothing).reasons.decoded()
    beside = tell(estimates, child, scores, **nothing, peers=peer_values(indicators)).reasons.decoded()
    assert alone["sentence"].to_list() == ["Missed 9 of the last 20 school days"]
    assert beside["sentence"].to_list() == [
        "Missed 9 of the last 20 school days; half of the grade 8 students here missed 1 or fewer"
    ]


def test_an_estimate_of_a_part_rests_on_the_sums_that_were_given(indicators: pl.DataFrame) -> None:
    model = NightModel.of(catalog_model())
    whole = model.estimate(indicators)
    part = model.estimate(indicators.head(1), sums=school_sums(indicators))
    assert whole is not None
    assert part is not None
    assert part.features["school_absence_rate"].null_count() == 0
    for name in ("features", "contributions", "risk"):
        assert_frame_equal(getattr(part, name), getattr(whole, name).head(1), check_exact=True)
    risk = model.risk(indicators.head(1), sums=school_sums(indicators))
    assert risk is not None
    assert_frame_equal(risk, part.risk.select("student_id", "risk"), check_exact=True)


def test_a_model_is_not_asked_of_students_with_fewer_days_than_it_was_measured_to_need() -> None:
    few, enough, unknown = (
        absent(1, student_id=name, days_enrolled_ytd=days) for name, days in [("a", 29), ("b", 30), ("c", None)]
    )
    learned = catalog_model()
    waits = type(learned)(learned.parts, {**learned.about, FEWEST_DAYS: 30})
    estimates = NightModel.of(waits).estimate(indicator_frame(few, enough, unknown))
    assert estimates is not None
    for told in (estimates.risk, estimates.contributions, estimates.features):
        assert told["student_id"].to_list() == ["b"]
    not_measured = type(learned)(learned.parts, {**learned.about, FEWEST_DAYS: None})
    everybody = NightModel.of(not_measured).estimate(indicator_frame(few, enough, unknown))
    assert everybody is not None
    assert everybody.risk.height == 3
