"""What a model is measured beside, and on what: the baselines' own order, and a split that no outcome crosses."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cis_ews import RulesModel, TierPolicy, compute_indicators, read_school_data
from cis_ews.errors import DataError
from cis_ews.risk.cohort import build_cohort
from cis_ews.risk.tiers import assign_tiers
from cis_ews.synthetic import write_district
from training.baselines import as_probability, last_year_score, rules_score
from training.config import TrainingConfig
from training.experiment import split_by_year, usable_features
from training.matrices import Matrices, MatrixSummary, build_matrices

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
    score = rules_score(indicators, pl.Series([AS_OF] * indicators.height), policy)
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


def _matrices(*dates: tuple[int, date, date]) -> Matrices:
    summaries = tuple(
        MatrixSummary(
            school_year=year,
            as_of=as_of,
            horizon_end=end,
            students=9,
            few_days=0,
            censored={},
            labeled=9,
            positives=3,
        )
        for year, as_of, end in dates
    )
    return Matrices(rows=pl.DataFrame(), indicators=pl.DataFrame(), summaries=summaries, skipped={})


def test_no_outcome_of_the_held_back_year_is_learned() -> None:
    """A label that looks twelve months ahead sees the year that is measured on."""
    matrices = _matrices(
        (2023, date(2022, 11, 30), date(2023, 11, 30)),
        (2024, date(2023, 11, 30), date(2024, 11, 30)),
        (2025, date(2024, 11, 29), date(2025, 11, 29)),
    )
    split = split_by_year(matrices, _config(label="dropped_out"))
    assert split.train == (date(2022, 11, 30),)
    assert split.test == (date(2024, 11, 29),)
    assert split.between == (date(2023, 11, 30),)
    with pytest.raises(DataError, match="none is left to learn from"):
        split_by_year(_matrices(*((s.school_year, s.as_of, s.horizon_end) for s in matrices.summaries[1:])), _config())


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
