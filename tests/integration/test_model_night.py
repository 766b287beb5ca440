"""A night with a trained model: what it adds to a night by rules, what it never takes away, and when it stops."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cis_ews import RiskModel, RulesModel, ScoreRun, TierPolicy, read_school_data, score_night
from cis_ews.errors import FeatureMismatchError
from cis_ews.risk.model_recipe import Kind, Recipe
from cis_ews.risk.night_model import DECLARED, GRADES
from cis_ews.storage.erasure import forget_student
from cis_ews.storage.runs import verify_run
from cis_ews.storage.store import RunStore
from tests.lib.extracts import AS_OF, STUDENTS, small_district, write_extract
from tests.lib.models import LEARNED, by_grade, catalog_model, training_rows

DAY = date.fromisoformat(AS_OF)


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_extract(tmp_path_factory.mktemp("extract"), small_district())


def _night(extract: Path, store: Path, model: RiskModel | RulesModel) -> ScoreRun:
    return score_night(extract, model=model, policy=TierPolicy.load(), store=store, as_of=DAY)


@pytest.fixture(scope="module")
def night(extract: Path, tmp_path_factory: pytest.TempPathFactory) -> ScoreRun:
    return _night(extract, tmp_path_factory.mktemp("store"), catalog_model(made_up=True))


def test_every_student_has_a_risk_and_reasons(night: ScoreRun) -> None:
    assert night.scores["risk"].null_count() == 0
    assert night.scores.filter(pl.col("risk").is_between("risk_low", "risk_high")).height == STUDENTS
    assert set(night.scores["model_version"]) == {catalog_model(made_up=True).version}
    concerns = night.reasons.filter(pl.col("direction") == "risk")
    listed = night.scores.filter(pl.col("list_place").is_not_null())
    assert set(listed["student_id"]) <= set(concerns["student_id"])
    worst = night.scores.sort("risk")["student_id"][-1]
    assert worst == "s00"
    assert "days" in night.reasons.filter(pl.col("student_id") == worst, pl.col("direction") == "risk")["sentence"][0]


def test_contributions_add_up_to_the_margin_and_the_margin_gives_the_risk(night: ScoreRun) -> None:
    table = night.run.table("contributions")
    assert table.columns == ["student_id", "base_value", "margin", *catalog_model(made_up=True).features]
    total = table.select(pl.sum_horizontal("base_value", *LEARNED)).to_series().to_numpy()
    margin = table["margin"].to_numpy()
    assert np.abs(total - margin).max() < 1e-9
    calibrated = catalog_model(made_up=True).parts.calibrator.probability(margin)
    assert np.abs(calibrated - night.scores["risk"].to_numpy()).max() < 1e-9


def test_the_run_says_what_decided(night: ScoreRun) -> None:
    stated = night.model
    assert (stated["kind"], stated["version"]) == ("trained", catalog_model(made_up=True).version)
    assert stated["rules_version"] == RulesModel().version
    assert stated["about"]["made_up"] is True
    assert night.run.manifest["seed"] == 1
    assert "model.json" in night.run.manifest["files"]


def test_no_rule_is_switched_off(night: ScoreRun, extract: Path, tmp_path: Path) -> None:
    by_rules = _night(extract, tmp_path, RulesModel())
    asked = by_rules.scores.filter(pl.col("list_place").is_not_null())
    beside = night.scores.join(asked.select("student_id", by_rules="tier"), on="student_id")
    assert beside["list_place"].null_count() == 0
    assert by_rules.run.table("rules").equals(night.run.table("rules"))
    assert by_rules.run.run_id != night.run.run_id


def test_the_same_night_is_the_same_bytes(night: ScoreRun, extract: Path, tmp_path: Path) -> None:
    again = _night(extract, tmp_path, catalog_model(made_up=True))
    assert again.run.run_id == night.run.run_id
    assert again.run.manifest == night.run.manifest
    found = _night(extract, tmp_path, catalog_model(made_up=True))
    assert not found.is_new


def test_another_model_makes_another_run(night: ScoreRun, extract: Path, tmp_path: Path) -> None:
    assert _night(extract, tmp_path, catalog_model(seed=2)).run.run_id != night.run.run_id


def test_what_happens_later_changes_no_risk(night: ScoreRun, tmp_path: Path) -> None:
    tables = small_district()
    until = {
        name: table.filter(pl.col("date") <= DAY) if name in ("attendance_events", "incidents") else table
        for name, table in tables.items()
    }
    earlier = _night(write_extract(tmp_path / "until", until), tmp_path / "store", catalog_model(made_up=True))
    for table in ("scores", "contributions", "reasons"):
        assert earlier.run.table(table).equals(night.run.table(table))


def test_of_a_student_of_whom_too_little_is_known_no_risk_is_told(tmp_path: Path) -> None:
    tables = small_district()
    late = pl.col("student_id") == "s20"
    entered = pl.when(late).then(pl.lit("2026-02-23").str.to_date()).otherwise("entry_date").alias("entry_date")
    tables["enrollments"] = tables["enrollments"].with_columns(entered)
    night = _night(write_extract(tmp_path / "late", tables), tmp_path / "store", catalog_model())
    assert night.scores.filter(late).select("risk", "tier", "abstained").row(0) == (None, None, True)
    assert night.run.table("contributions").filter(late).is_empty()
    assert night.run.table("contributions").height == STUDENTS - 1


def test_a_student_of_a_few_days_for_whom_a_rule_holds_is_left_to_the_rules(tmp_path: Path) -> None:
    tables = small_district()
    of_child = pl.col("student_id") == "s21"
    entered = pl.when(of_child).then(pl.lit("2026-02-18").str.to_date()).otherwise("entry_date").alias("entry_date")
    tables["enrollments"] = tables["enrollments"].with_columns(entered)
    incident = tables["incidents"].head(1)
    for number in range(2):
        more = incident.with_columns(
            incident_id=pl.lit(f"more{number}"), student_id=pl.lit("s21"), date=pl.lit("2026-02-20").str.to_date()
        ).with_columns(tables["enrollments"].filter(of_child)["school_id"].alias("school_id"))
        tables["incidents"] = pl.concat([tables["incidents"], more])
    night = _night(write_extract(tmp_path / "few", tables), tmp_path / "store", catalog_model())
    score = night.scores.filter(of_child).row(0, named=True)
    assert (score["risk"], score["abstained"]) == (None, False)
    assert score["list_place"] is not None
    assert "otherwise Tier 2" in score["tier_reason"]
    by_rules = _night(tmp_path / "few", tmp_path / "rules", RulesModel())
    assert night.reasons.filter(of_child).equals(by_rules.reasons.filter(of_child))


def test_a_model_of_some_grades_says_nothing_of_the_others(extract: Path, tmp_path: Path) -> None:
    frame, label = training_rows()
    model = RiskModel.fit(frame, label, seed=1, about={GRADES: ["10", "11", "12"]})
    night = _night(extract, tmp_path, model)
    assert night.scores["risk"].null_count() == STUDENTS  # all are in grade 9
    assert night.run.table("contributions").is_empty()
    assert night.scores["tier"].null_count() == 0


def test_a_model_of_other_features_stops_the_night_with_the_difference(extract: Path, tmp_path: Path) -> None:
    frame, label = training_rows()
    declared = {**dict(catalog_model().about)[DECLARED], "absence_rate_ytd": "another"}  # pyright: ignore[reportGeneralTypeIssues]
    unfit = RiskModel.fit(
        frame.rename({"failing_courses": "failing_classes"}), label, seed=1, about={DECLARED: declared}
    )
    with pytest.raises(FeatureMismatchError) as caught:
        _night(extract, tmp_path / "store", unfit)
    assert "of which 1 is not made any more (failing_classes) and " in str(caught.value)
    assert " 1 has another definition now (absence_rate_ytd)" in str(caught.value)
    assert "--model rules" in str(caught.value)
    assert not (tmp_path / "store").exists()


def test_a_model_that_says_nothing_of_its_features_is_taken_by_their_names(extract: Path, tmp_path: Path) -> None:
    frame, label = training_rows()
    night = _night(extract, tmp_path, RiskModel.fit(frame, label, seed=1))
    assert night.scores["risk"].null_count() == 0


def test_a_forgotten_student_leaves_the_contributions_too(extract: Path, tmp_path: Path) -> None:
    from cis_ews.storage.database import Database

    night = _night(extract, tmp_path, catalog_model())
    with Database(RunStore(tmp_path).database_url) as database:
        forget_student(RunStore(tmp_path), database, "s00", today=DAY)
    run = verify_run(night.run)
    assert run.rows_of("contributions", "s00").is_empty()
    later = _night(extract, tmp_path, catalog_model())
    assert later.scores.filter(pl.col("student_id") == "s00").is_empty()


def test_scores_are_the_same_from_python(night: ScoreRun, extract: Path) -> None:
    """The parts by hand, as an analyst would: indicators, features, the model's prediction."""
    import cis_ews

    school_data = read_school_data(extract)
    indicators = cis_ews.compute_indicators(school_data, DAY)
    features = cis_ews.build_features(indicators)
    risk = catalog_model(made_up=True).predict(features)
    assert risk.tolist() == night.scores["risk"].to_list()


def test_a_model_with_grade_bands_decides_a_night(extract: Path, tmp_path: Path) -> None:
    frame, label = by_grade()
    model = RiskModel.fit(frame, label, seed=1, recipe=Recipe(kind=Kind.LINEAR, bends=False, pooling=10.0))
    model.save(tmp_path / "model.json")
    night = _night(extract, tmp_path / "store", RiskModel.load(tmp_path / "model.json"))
    assert night.scores["risk"].null_count() == 0
    assert set(night.scores["model_version"]) == {model.version}
    table = night.run.table("contributions")
    total = table.select(pl.sum_horizontal("base_value", *model.features)).to_series().to_numpy()
    assert np.abs(total - table["margin"].to_numpy()).max() < 1e-9
    # All are in grade 9, where absence counts: its half of what the two do together is told of absence, the other of
    # the grade, which is never told as a reason.
    assert table["grade"].n_unique() > 1
    assert night.reasons.filter(pl.col("indicator").is_in(["grade_level"])).is_empty()
