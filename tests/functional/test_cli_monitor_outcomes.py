"""`monitor --outcomes`: a night of a made-up district that a small model scored, beside the rest of its year."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cis_ews.evaluation.later_outcomes import NOT_IN_EXTRACT
from cis_ews.evaluation.suppression import FEWEST
from cis_ews.indicators import compute_indicators
from cis_ews.readers import read_school_data
from cis_ews.risk.features import build_features
from cis_ews.risk.labels import make_labels
from cis_ews.risk.model import RiskModel
from cis_ews.risk.night_model import DECLARED, declared_features
from cis_ews.risk.supported import SUPPORTED_HOW, SUPPORTED_LATER, Supported
from cis_ews.storage.compaction import compact_run
from cis_ews.storage.store import RunStore
from cis_ews.synthetic.generator import write_district
from tests.lib.command import Done, command

NIGHT, ENDS = date(2026, 1, 16), "2026-06-24"
LEARNED_ON = (date(2024, 1, 19), date(2025, 1, 17))
LEARNED = ("absence_rate_ytd", "failing_courses", "grade")
BY_RULES = date(2026, 1, 9)


@dataclass(frozen=True)
class District:
    """`store`: nights by a good model; `planted`: by one that learned of a quarter of those off track at `school`."""

    january: Path
    june: Path
    store: Path
    planted: Path
    as_recorded: Path
    school: str
    students: frozenset[str]


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> District:
    """300 students in three schools, in January and in June."""
    folder = tmp_path_factory.mktemp("outcomes")
    made = {"students": 300, "years": 3, "seed": 3, "dirt": False}
    write_district(folder / "january", through=NIGHT, **made)
    write_district(folder / "june", **made)
    reporting = pl.read_csv(folder / "june" / "reporting.csv", infer_schema=False)
    reporting.with_columns(reported_through=pl.lit(ENDS)).write_csv(folder / "june" / "reporting.csv")
    rows = _learning_rows(folder / "june")
    school = str(rows.filter(pl.col("label") == 1)["school_id"].mode().sort()[0])
    is_kept = (pl.col("school_id") != school) | (pl.int_range(pl.len()) % 4 == 0)
    spared = rows.with_columns(label=pl.when(is_kept).then("label").otherwise(0))
    recorded = {SUPPORTED_HOW: Supported.AS_RECORDED.value}
    for name, learned, about in (("store", rows, {}), ("planted", spared, {}), ("recorded", rows, recorded)):
        _fit(learned, about).save(folder / f"{name}.json")
        _score(folder, name, model=str(folder / f"{name}.json"))
    _score(folder, "store", model="rules", night=BY_RULES)
    students = pl.read_csv(folder / "june" / "students.csv", infer_schema=False)["student_id"]
    return District(
        january=folder / "january",
        june=folder / "june",
        store=folder / "store",
        planted=folder / "planted",
        as_recorded=folder / "recorded",
        school=school,
        students=frozenset(students),
    )


def _learning_rows(extract: Path) -> pl.DataFrame:
    data = read_school_data(extract, format="folder")
    parts: list[pl.DataFrame] = []
    for day in LEARNED_ON:
        measured = compute_indicators(data, day)
        schools = measured.select("student_id", "school_id")
        labels = make_labels(data, day).drop_nulls("label").with_columns(pl.col("label").cast(pl.Int8))
        features = build_features(measured).select("student_id", *LEARNED)
        parts.append(labels.join(schools, on="student_id").join(features, on="student_id"))
    return pl.concat(parts).sort("student_id")


def _fit(rows: pl.DataFrame, about: Mapping[str, str]) -> RiskModel:
    told = {"label": "off_track", "made_up": True, DECLARED: declared_features(LEARNED), **about}
    return RiskModel.fit(rows.select(LEARNED), rows["label"], seed=1, groups=rows["student_id"], about=told)


def _score(folder: Path, store: str, *, model: str, night: date = NIGHT) -> None:
    line = ("--as-of", night.isoformat(), "--model", model, "--out", folder / store)
    done = command("score", folder / "january", *line)
    assert done.code == 0, done.err


def _said(done: Done) -> str:
    return " ".join(done.out.split())


def test_risks_that_came_true_are_no_finding(district: District) -> None:
    done = command("monitor", "--store", district.store, "--outcomes", district.june, "--strict")
    assert done.code == 0, done.out + done.err
    assert f"{NIGHT} beside what came of off_track by {ENDS}: 0 findings." in _said(done)
    assert "Judged by themselves: 3 schools" in _said(done)
    assert [line for line in done.out.splitlines() if len(line) > 80] == []
    assert district.students.isdisjoint(re.findall(r"[\w.-]+", done.out + done.err))


def test_risks_that_are_too_low_at_one_school_are_found_there(district: District) -> None:
    line = ("monitor", "--store", district.planted, "--outcomes", district.june)
    done = command(*line)
    assert done.code == 0, done.err
    assert f"EWS012 warning: Risks no longer mean what they say (school {district.school}, risk)" in _said(done)
    assert "were expected to have the outcome" in _said(done)
    assert "What to do: train again with the newest outcomes" in _said(done)
    assert [text for text in done.out.splitlines() if len(text) > 80] == []
    told = command(*line, "--json", "--strict")
    assert told.code == 6
    found = [each for each in told.events if each["event"] == "finding"]
    assert {each["code"] for each in found} == {"EWS012"}
    assert {each["school_id"] for each in found} - {None} == {district.school}
    at_school = next(each for each in found if each["school_id"] == district.school)
    assert at_school["then"] < at_school["now"]
    assert told.event("outcomes")["findings"] == len(found)
    assert district.students.isdisjoint(re.findall(r"[\w.-]+", done.out + done.err + told.out + told.err))


def test_who_is_left_out_is_counted_by_reason(district: District, tmp_path: Path) -> None:
    told = command("monitor", "--store", district.store, "--outcomes", district.june, "--json").event("outcomes")
    ((why, count),) = told["left_out"].items()
    assert SUPPORTED_LATER in why
    assert (count, told["risks"]) == (None, None), "fewer than 10, and all less those judged would be they"
    assert told["together"] is True, "how many less those judged could be a few at a small school"
    recorded = command("monitor", "--store", district.as_recorded, "--outcomes", district.june, "--json")
    assert not any(SUPPORTED_LATER in why for why in recorded.event("outcomes")["left_out"])
    assert recorded.event("outcomes")["judged"] > told["judged"]

    fewer = shutil.copytree(district.june, tmp_path / "june")
    (run,) = (district.store / "runs" / NIGHT.isoformat()).iterdir()
    gone = pl.read_parquet(run / "scores.parquet").drop_nulls("risk")["student_id"].head(12)
    for table in fewer.glob("*.csv"):
        rows = pl.read_csv(table, infer_schema=False)
        if "student_id" in rows.columns:
            rows.filter(~pl.col("student_id").is_in(gone.implode())).write_csv(table)
    without = command("monitor", "--run", run, "--outcomes", fewer, "--format", "folder")
    assert without.code == 0, without.err
    assert f"12: {NOT_IN_EXTRACT}" not in _said(without)
    assert NOT_IN_EXTRACT in _said(without)
    counts = [int(count) for count in re.findall(r"- (\d+): ", _said(without))]
    assert counts
    assert min(counts) >= FEWEST
    told = command("monitor", "--run", run, "--outcomes", fewer, "--format", "folder", "--json").event("outcomes")
    assert all(count is None or count >= FEWEST for count in told["left_out"].values())


def test_a_compacted_run_still_has_its_risks(district: District, tmp_path: Path) -> None:
    store = RunStore(shutil.copytree(district.planted, tmp_path / "store"))
    compact_run(store, store.latest())
    done = command("monitor", "--store", store.root, "--as-of", NIGHT.isoformat(), "--outcomes", district.june)
    assert done.code == 0, done.err
    assert f"(school {district.school}, risk)" in _said(done)


def test_an_extract_that_ends_before_the_horizon_says_how_far_it_must_reach(district: District) -> None:
    done = command("monitor", "--store", district.store, "--outcomes", district.january)
    assert done.code == 3
    said = " ".join(done.err.split())
    assert f"Error: the label off_track of {NIGHT} looks as far as {ENDS}; the extract is taken to speak until" in said
    assert f"What to do: choose an earlier as-of date, or an extract that reaches {ENDS}" in said


def test_an_extract_of_another_district_knows_nobody(district: District, tmp_path: Path) -> None:
    write_district(tmp_path / "other", students=120, years=1, seed=11, dirt=False)
    for table in (tmp_path / "other").glob("*.csv"):
        rows = pl.read_csv(table, infer_schema=False)
        if "student_id" in rows.columns:
            rows.with_columns(pl.lit("x") + pl.col("student_id")).write_csv(table)
    done = command("monitor", "--store", district.store, "--outcomes", tmp_path / "other")
    assert done.code == 3
    assert f"Error: the extract knows none of the students who were scored as of {NIGHT}" in done.err
    assert "give a later extract of the same district" in done.err


def test_a_night_by_rules_has_no_risks(district: District) -> None:
    done = command("monitor", "--store", district.store, "--as-of", BY_RULES.isoformat(), "--outcomes", district.june)
    assert done.code == 4
    assert f"of {BY_RULES} was decided by rules alone: it has no risks" in done.err
    assert "name a run that a trained model scored" in done.err


def test_a_run_by_rules_is_passed_over_beside_one_by_a_model(district: District, tmp_path: Path) -> None:
    """Another district of the same store, which has no model yet."""
    store = shutil.copytree(district.store, tmp_path / "store")
    write_district(tmp_path / "other", students=120, years=1, seed=11, dirt=False, through=NIGHT)
    for table in (tmp_path / "other").glob("*.csv"):
        rows = pl.read_csv(table, infer_schema=False)
        keys = [name for name in ("student_id", "school_id") if name in rows.columns]
        rows.with_columns((pl.lit("x") + pl.col(name)).alias(name) for name in keys).write_csv(table)
    line = ("--as-of", NIGHT.isoformat(), "--model", "rules", "--out", store)
    assert command("score", tmp_path / "other", *line).code == 0
    runs = {path.name for path in (store / "runs" / NIGHT.isoformat()).iterdir()}
    (by_rules,) = runs - {path.name for path in (district.store / "runs" / NIGHT.isoformat()).iterdir()}
    line = ("monitor", "--store", store, "--as-of", NIGHT.isoformat(), "--outcomes", district.june)
    done = command(*line)
    assert done.code == 0, done.err
    assert f"Passed over: run {by_rules} of {NIGHT}, decided by rules alone; it has no risks." in _said(done)
    assert "Judged by themselves: 3 schools" in _said(done)
    assert command(*line, "--json").event("run_without_risks")["run_id"] == by_rules


def test_a_run_that_is_not_there(district: District, tmp_path: Path) -> None:
    assert command("monitor", "--run", tmp_path / "nothing", "--outcomes", district.june).code == 5
    line = ("monitor", "--store", district.store, "--as-of", "2025-12-01", "--outcomes", district.june)
    done = command(*line)
    assert done.code == 5
    assert "holds no run for 2025-12-01" in done.err


def test_options_that_do_not_go_together(district: District) -> None:
    for line in (
        ("--run", district.store),
        ("--format", "folder"),
        ("--outcomes", district.june, "--run", district.store, "--as-of", "2026-01-16"),
    ):
        assert command("monitor", *line).code == 2
