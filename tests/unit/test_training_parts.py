"""What a model is measured beside, and what it is learned from: the baselines' own order, features, past years."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cis_ews import RulesModel, TierPolicy, compute_indicators, read_school_data
from cis_ews.risk.cohort import build_cohort
from cis_ews.risk.tiers import assign_tiers
from cis_ews.synthetic import write_district
from training.baselines import (
    as_probability,
    ask_rules,
    last_year_score,
    lightgbm_defaults,
    rules_held,
    rules_score,
    school_rate,
    september_score,
    tiers,
)
from training.config import TrainingConfig
from training.fitting import usable_features
from training.matrices import build_matrices

AS_OF = date(2026, 2, 27)


def _config(**changes: object) -> TrainingConfig:
    given = {"config_version": 1, "label": "off_track", "as_of": ("11-30", "02-28"), "test_years": 1, "seed": 1}
    return TrainingConfig.model_validate(given | changes)


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts") / "extract"
    write_district(folder, students=300, years=2, seed=5, through=AS_OF, dirt=False)
    return folder


def test_the_rules_are_judged_in_the_order_of_the_list_that_a_night_by_rules_makes(extract: Path) -> None:
    school_data, policy = read_school_data(extract), TierPolicy.load()
    everyone = compute_indicators(school_data, AS_OF)
    cohort = build_cohort(school_data, AS_OF, indicators=everyone)
    enough = cohort.students.filter(pl.col("days_enrolled") >= policy.minimum_days_enrolled)
    indicators = everyone.join(enough, on="student_id", how="semi").with_columns(school_id=pl.lit("all"))
    one_list = cohort.students.join(enough, on="student_id", how="semi").with_columns(school_id=pl.lit("all"))
    results = RulesModel().evaluate(indicators, as_of=AS_OF)
    roomy = policy.model_copy(update={"capacity": policy.capacity.model_copy(update={"share": None, "number": 9_999})})
    cohort_of_one = type(cohort)(students=one_list, flow=())
    scores = assign_tiers(cohort_of_one, indicators, results, policy=roomy, model_version="rules")
    score = rules_score(ask_rules(indicators, pl.Series([AS_OF] * indicators.height)), policy)
    judged = indicators.select("student_id").with_columns(score=pl.Series(score))
    listed = scores.filter(pl.col("list_place").is_not_null()).sort("list_place").join(judged, on="student_id")
    assert listed.height > 50
    in_order = listed.sort("list_place")["score"].to_numpy()
    assert (np.diff(in_order) <= 0).all()
    unlisted = judged.join(listed, on="student_id", how="anti")
    assert unlisted["score"].max() < in_order.min()


def test_last_year_counts_what_happened_and_stands_between_where_nothing_is_known() -> None:
    indicators = pl.DataFrame(
        {
            "absence_rate_last_year": [0.0, 0.1, 0.05, None],
            "course_failures_last_year": [0, 0, 2, None],
            "suspensions_last_year": [0, 1, 0, None],
        }
    )
    score = last_year_score(indicators, "off_track")
    assert score is not None
    assert score.tolist() == [0.0, 2.1, 1.05, 0.5]
    assert last_year_score(indicators, "dropped_out") is None


def test_a_score_becomes_the_share_of_positives_at_it() -> None:
    before = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0])
    assert as_probability(before, np.array([-1.0, 0.0, 1.0, 5.0])).tolist() == [0.5, 0.5, 1.0, 1.0]


def test_a_rule_holds_for_those_of_whom_a_night_says_so(extract: Path) -> None:
    indicators = compute_indicators(read_school_data(extract), AS_OF).sample(fraction=1.0, shuffle=True, seed=1)
    # Two dates: the rows of the one must not be taken for those of the other.
    both = pl.concat([indicators.head(100), indicators])
    as_of = pl.Series([date(2025, 11, 3)] * 100 + [AS_OF] * indicators.height)
    held = rules_held(ask_rules(both, as_of))["chronic_absence"][100:]
    results = RulesModel(rules=("chronic_absence",)).evaluate(indicators, as_of=AS_OF)
    holding = set(results.filter(pl.col("status") == "holds")["student_id"])
    assert holding
    assert set(indicators["student_id"].filter(pl.Series(held == 1.0))) == holding


def test_tiers_are_those_of_a_night_with_these_risks(extract: Path) -> None:
    school_data, policy = read_school_data(extract), TierPolicy.load()
    everyone = compute_indicators(school_data, AS_OF)
    cohort = build_cohort(school_data, AS_OF, indicators=everyone)
    indicators = cohort.rows_of(everyone)
    risk = np.random.default_rng(2).random(indicators.height)
    scores = assign_tiers(
        cohort,
        indicators,
        RulesModel().evaluate(indicators, as_of=AS_OF),
        policy=policy,
        model_version="m",
        risk=pl.DataFrame({"student_id": indicators["student_id"], "risk": risk}),
    )
    answers = ask_rules(indicators, pl.Series([AS_OF] * indicators.height))
    given = indicators.select("student_id", tier=pl.Series(tiers(answers, risk, policy)))
    joined = given.join(scores.select("student_id", night="tier"), on="student_id")
    assert joined["tier"].fill_nan(None).cast(pl.Int8).equals(joined["night"], null_equal=True)
    assert {3, 2, 1} <= set(joined["night"])


def test_the_school_alone_is_its_rate_in_the_years_learned_from_and_the_mean_where_it_is_new() -> None:
    train = pl.DataFrame({"school_id": ["a", "a", "b", "b"], "label": [1, 0, 0, 0]})
    assert school_rate(train, pl.Series(["b", "a", "new"])).tolist() == [0.0, 0.5, 0.25]


def test_september_is_its_days_absent_and_between_where_they_are_not_known() -> None:
    assert september_score(pl.DataFrame({"days_absent_september": [0.0, 3.0, None, 1.0]})).tolist() == [0, 3, 1, 1]
    assert september_score(pl.DataFrame({"days_absent_september": [None, None]})).tolist() == [0, 0]


def test_lightgbm_as_it_comes_is_the_library_s_own_classifier() -> None:
    from lightgbm import LGBMClassifier

    draw = np.random.default_rng(1)
    rows = pl.DataFrame({"a": draw.random(500), "b": draw.random(500)})
    rows = rows.with_columns(label=(pl.col("a") + pl.Series(draw.random(500)) > 1).cast(pl.Int8))
    asked = rows.select("a", "b").to_numpy()
    plain = LGBMClassifier(random_state=3, verbosity=-1).fit(asked, rows["label"].to_numpy())
    found = lightgbm_defaults(rows, rows, ["a", "b"], seed=3)
    assert found == pytest.approx(plain.booster_.predict(asked))


def test_a_year_that_still_runs_is_not_past_although_one_school_has_ended_it(extract: Path, tmp_path: Path) -> None:
    calendar = pl.read_csv(extract / "calendar_days.csv", infer_schema=False)
    school = calendar["school_id"][0]
    cut = calendar.filter(~((pl.col("school_id") == school) & (pl.col("date") > "2025-12-20")))
    for path in extract.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    cut.write_csv(tmp_path / "calendar_days.csv")
    school_data = read_school_data(tmp_path, tolerance=1.0)
    matrices = build_matrices(school_data, _config(), minimum_days=20)
    assert {summary.school_year for summary in matrices.summaries} == {2025}
    assert all(day > date(2025, 8, 1) for day in matrices.skipped)


def test_features_that_say_nothing_are_left_out_and_named() -> None:
    rows = pl.DataFrame({"a": [1.0, 2.0, None], "b": [1.0, 2.0, None], "c": [3.0, 3.0, None], "d": [None] * 3}).cast(
        pl.Float32
    )
    kept, left_out = usable_features(rows)
    assert kept == ["a"]
    assert {left.name: left.why for left in left_out} == {
        "b": "the same as a",
        "c": "the same everywhere",
        "d": "missing everywhere",
    }
