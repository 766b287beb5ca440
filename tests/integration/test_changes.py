"""Two nights of a store: who entered, left or moved, and which cause did it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cis_ews import RiskModel, RulesModel, ScoreRun, TierPolicy, read_school_data, score_night
from cis_ews.engines.local import LocalEngine
from cis_ews.indicators import compute_indicators
from cis_ews.replaying import replay
from cis_ews.risk.cohort import build_cohort, cohort_of
from cis_ews.risk.night_model import NightModel
from cis_ews.risk.tiers import Capacity, judge_students, place_students
from cis_ews.schema.school_data import SchoolData
from cis_ews.storage.erasure import forget_student
from cis_ews.storage.recipes import model_path
from cis_ews.storage.runs import open_run
from cis_ews.storage.store import RunStore
from cis_ews.synthetic import write_district
from tests.lib.builders import absence
from tests.lib.deltas import write_delta
from tests.lib.extracts import DAYS, small_district, write_extract
from tests.lib.models import catalog_model

Tables = dict[str, pl.DataFrame]

BEFORE, DAY = date(2026, 2, 20), date(2026, 2, 27)
STEPS = ("corrected_records", "days_passing", "new_records")


def _night(source: Path, store: Path, as_of: date, **options: Any) -> ScoreRun:
    given: dict[str, Any] = {"model": RulesModel(), "policy": TierPolicy.load(), **options}
    return score_night(source, store=store, as_of=as_of, **given)


def _two(tmp_path: Path, before: Tables, now: Tables, *, then: date = BEFORE, **options: Any) -> ScoreRun:
    """The second of two nights."""
    _night(write_extract(tmp_path / "before", before), tmp_path / "store", then, **options)
    return _night(write_extract(tmp_path / "now", now), tmp_path / "store", DAY, **options)


def _told(night: ScoreRun) -> dict[str, tuple[str, str | None]]:
    return {student: (change, cause) for student, change, cause in _columns(night, "student_id", "change", "cause")}


def _columns(night: ScoreRun, *names: str) -> list[tuple[Any, ...]]:
    return night.changes.select(names).rows()


def _quiet(*, through: date = DAY) -> Tables:
    """A district in which nothing but what a test does leads to a tier: every student misses nothing."""
    tables = small_district()
    for table in ("attendance_events", "incidents", "discipline_actions"):
        tables[table] = tables[table].clear()
    tables["course_grades"] = tables["course_grades"].with_columns(mark=pl.lit("B"))
    return tables | {"reporting": tables["reporting"].with_columns(reported_through=pl.lit(through))}


def _missing(tables: Tables, student: str, days: list[date]) -> Tables:
    school = "north" if int(student[1:]) % 2 == 0 else "south"
    rows = pl.DataFrame([absence(student, day.isoformat(), school) for day in days], infer_schema_length=None)
    there = tables["attendance_events"]
    added = rows.select(pl.col(name).cast(there.schema[name]) for name in there.columns)
    return tables | {"attendance_events": pl.concat([there, added])}


def _days(first: date, last: date, count: int | None = None) -> list[date]:
    days = [day for day in (date.fromisoformat(str(each)) for each in DAYS) if first <= day <= last]
    return days if count is None else days[-count:]


def test_without_an_earlier_night_there_is_nothing_to_tell(tmp_path: Path) -> None:
    night = _night(write_extract(tmp_path / "now", small_district()), tmp_path / "store", DAY)
    assert night.changes.is_empty()
    assert night.run.manifest["compared_with"] == {}


def test_the_run_says_which_night_it_was_compared_with(tmp_path: Path) -> None:
    night = _two(tmp_path, _quiet(through=BEFORE), _quiet())
    assert night.changes.is_empty()
    earlier = RunStore(tmp_path / "store").latest(BEFORE)
    assert night.run.manifest["compared_with"] == {
        "run_id": earlier.run_id,
        "as_of": "2026-02-20",
        "manifest_sha256": earlier.manifest_sha256,
    }


def test_days_of_before_that_were_entered_late_are_corrected_records(tmp_path: Path) -> None:
    late = _missing(_quiet(), "s05", _days(date(2025, 9, 3), BEFORE, 30))
    night = _two(tmp_path, _quiet(through=BEFORE), late)
    assert _told(night) == {"s05": ("tier_moved", "corrected_records")}
    before, *steps, now = _columns(night, "tier_before", *(f"tier_after_{step}" for step in STEPS), "tier_now")[0]
    assert before == 1
    assert set(steps) | {now} == {3}


def test_days_that_the_school_had_not_reported_then_are_new_records(tmp_path: Path) -> None:
    unreported = BEFORE - timedelta(days=40)
    late = _missing(_quiet(), "s05", _days(unreported + timedelta(days=1), BEFORE))
    night = _two(tmp_path, _quiet(through=unreported), late)
    assert _told(night) == {"s05": ("tier_moved", "new_records")}


def test_what_happened_in_between_is_new(tmp_path: Path) -> None:
    night = _two(tmp_path, _quiet(), _missing(_quiet(), "s06", _days(date(2026, 1, 5), DAY)), then=date(2026, 1, 2))
    assert _told(night) == {"s06": ("tier_moved", "new_records")}
    assert _columns(night, "tier_before", "tier_after_days_passing", "tier_now") == [(1, 1, 3)]


def test_time_alone_moves_a_student(tmp_path: Path) -> None:
    some = _missing(_quiet(), "s07", _days(date(2025, 9, 3), date(2025, 9, 19)))
    night = _two(tmp_path, some, some, then=date(2025, 11, 14))
    assert _told(night) == {"s07": ("tier_moved", "days_passing")}
    assert _columns(night, "tier_after_corrected_records", "tier_after_days_passing") == [(3, 2)]


def test_a_grade_without_a_day_is_new_when_its_term_is_over(tmp_path: Path) -> None:
    tables = _quiet()
    failed = tables["course_grades"].with_columns(
        mark=pl.when(pl.col("student_id") == "s08").then(pl.lit("F")).otherwise("mark"), graded_on=None
    )
    night = _two(
        tmp_path, tables | {"course_grades": failed}, tables | {"course_grades": failed}, then=date(2026, 1, 20)
    )
    assert _told(night) == {"s08": ("tier_moved", "new_records")}


def test_who_entered_and_who_left(tmp_path: Path) -> None:
    tables = _quiet()
    entry, exit_date = pl.col("entry_date"), pl.col("exit_date")
    of = pl.col("student_id")
    now = tables["enrollments"].with_columns(
        entry_date=pl.when(of == "s01")
        .then(date(2026, 2, 24))
        .when(of == "s02")
        .then(date(2026, 2, 10))
        .otherwise(entry),
        exit_date=pl.when(of == "s03")
        .then(date(2026, 2, 25))
        .when(of == "s04")
        .then(date(2026, 2, 3))
        .otherwise(exit_date),
    )
    known = ~of.is_in(["s01", "s02"])
    before = {name: rows.filter(known) if "student_id" in rows.columns else rows for name, rows in tables.items()}
    students = tables["students"].filter(of != "s05")
    withdrawn = now.filter(of != "s05")
    night = _two(
        tmp_path,
        before,
        tables
        | {"enrollments": withdrawn, "students": students}
        | {name: tables[name].filter(of != "s05") for name in ("course_grades",)},
    )
    assert {student: told for student, told in _told(night).items() if student != "s05"} == {
        "s01": ("entered", "new_records"),
        "s02": ("entered", "corrected_records"),
        "s03": ("left", "new_records"),
        "s04": ("left", "corrected_records"),
    }
    assert _told(night)["s05"] == ("left", "corrected_records")


def _one_place(capacity: int = 1) -> TierPolicy:
    shipped = TierPolicy.load()
    return shipped.model_copy(update={"capacity": Capacity(number=capacity)})


def test_a_student_whom_another_one_moved_off_the_list(tmp_path: Path) -> None:
    some = _missing(_quiet(), "s02", _days(date(2025, 9, 3), BEFORE, 22))
    worse = _missing(some, "s04", _days(date(2026, 1, 5), DAY))
    night = _two(tmp_path, some, worse, policy=_one_place())
    assert _told(night) == {"s02": ("tier_moved", "school"), "s04": ("tier_moved", "corrected_records")}


def test_another_policy_is_told_from_records(tmp_path: Path) -> None:
    some = _missing(
        _missing(_quiet(), "s02", _days(date(2025, 9, 3), BEFORE, 22)), "s04", _days(date(2025, 9, 3), BEFORE, 24)
    )
    _night(write_extract(tmp_path / "before", some), tmp_path / "store", BEFORE, policy=_one_place())
    night = _night(tmp_path / "before", tmp_path / "store", DAY, policy=_one_place(capacity=2))
    assert _told(night) == {"s02": ("tier_moved", "model")}


@pytest.fixture(scope="module")
def districts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up district as of two days, with corrections in between, and who transfers."""
    place = tmp_path_factory.mktemp("districts")
    for name, day in (("before", BEFORE), ("now", DAY)):
        write_district(place / name, students=300, years=2, seed=8, format="parquet", through=day)
    events = pl.read_parquet(place / "now/attendance_events.parquet")
    earlier = pl.col("date") <= BEFORE
    corrected = events.filter(~earlier | (pl.col("student_id").hash(1) % 5 != 0))
    corrected.write_parquet(place / "now/attendance_events.parquet")
    return place


MODELS: dict[str, Callable[[], RulesModel | RiskModel]] = {"rules": RulesModel, "model": catalog_model}


@pytest.fixture(scope="module", params=list(MODELS))
def nights(
    request: pytest.FixtureRequest, districts: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ScoreRun, ScoreRun]:
    store, model = tmp_path_factory.mktemp("store"), MODELS[request.param]()
    first = _night(districts / "before", store, BEFORE, model=model)
    return first, _night(districts / "now", store, DAY, model=model)


@dataclass(frozen=True)
class Oracle:
    """What a student would have been told if that student alone were another one on the earlier night: everyone is
    judged and placed again, with the sums of the schools made anew."""

    earlier: ScoreRun
    model: NightModel

    def told(self, student: str, indicators: pl.DataFrame, as_of: date) -> tuple[float | None, int | None]:
        everyone = self.earlier.run.table("indicators")
        others = everyone.filter(pl.col("student_id") != student)
        own = indicators.filter(pl.col("student_id") == student)
        mixed = pl.concat([others, own]).sort("student_id")
        estimates = self.model.estimate(mixed)
        day = pl.col("student_id") == student
        results = pl.concat(
            [
                self.model.rules.evaluate(others, as_of=BEFORE),
                self.model.rules.evaluate(own, as_of=as_of),
            ]
        )
        judged = judge_students(
            cohort_of(mixed),
            mixed,
            results,
            policy=TierPolicy.load(),
            risk=None if estimates is None else estimates.risk,
        )
        placed = place_students(judged, policy=TierPolicy.load(), model_version="oracle")
        return placed.filter(day).select("risk", "tier").row(0)


def _scored(school_data: SchoolData, as_of: date) -> pl.DataFrame:
    indicators = compute_indicators(school_data, as_of)
    return build_cohort(school_data, as_of, indicators=indicators).rows_of(indicators)


def _silent(extract: Path, before: Path, folder: Path) -> Path:
    """The extract as if nothing had been recorded of the days in between, or of days that were not reported then."""
    shutil.copytree(extract, folder)
    reported = dict(pl.read_parquet(before / "reporting.parquet").select("school_id", "reported_through").iter_rows())
    dated = {
        "attendance_events": "date",
        "incidents": "date",
        "discipline_actions": "start_date",
        "supports": "date",
        "course_grades": "graded_on",
        "enrollments": "entry_date",
    }
    for table, column in dated.items():
        rows = pl.read_parquet(folder / f"{table}.parquet")
        kept = rows.filter(pl.col(column).is_null() | ~pl.col(column).is_between(BEFORE, DAY, closed="right"))
        if table == "enrollments":
            new_exit = pl.col("exit_date").is_between(BEFORE, DAY, closed="right")
            kept = kept.with_columns(pl.when(~new_exit).then(name).alias(name) for name in ("exit_date", "exit_type"))
        if table == "attendance_events":
            through = kept["school_id"].replace_strict(reported, default=BEFORE, return_dtype=pl.Date)
            kept = kept.filter(kept["date"] <= through)
        kept.write_parquet(folder / f"{table}.parquet")
    return folder


def test_every_step_is_what_the_student_alone_would_have_been_told(
    nights: tuple[ScoreRun, ScoreRun], districts: Path, tmp_path: Path
) -> None:
    earlier, now = nights
    trained = now.model["kind"] == "trained"
    oracle = Oracle(earlier, NightModel.of(catalog_model() if trained else RulesModel()))
    whole = read_school_data(districts / "now")
    # As the schools had reported then.
    then = read_school_data(_with_reporting_of(districts / "before", districts / "now", tmp_path / "then"))
    silent = read_school_data(_silent(districts / "now", districts / "before", tmp_path / "silent"))
    steps = {
        "corrected_records": (_scored(then, BEFORE), BEFORE),
        "days_passing": (_scored(silent, DAY), DAY),
        "new_records": (_scored(whole, DAY), DAY),
    }
    moved = now.changes.filter(pl.col("change").is_in(["tier_moved", "risk_moved"]))
    assert moved.height > (40 if trained else 8)
    assert {"corrected_records", "new_records"} <= set(now.changes["cause"])
    for row in moved.group_by("cause", maintain_order=True).head(4).to_dicts():
        for step, (indicators, day) in steps.items():
            expected = (None, None)
            if row["student_id"] in indicators["student_id"]:
                expected = oracle.told(row["student_id"], indicators, day)
            assert (row[f"risk_after_{step}"], row[f"tier_after_{step}"]) == expected, step


def _with_reporting_of(before: Path, extract: Path, folder: Path) -> Path:
    shutil.copytree(extract, folder)
    shutil.copy2(before / "reporting.parquet", folder / "reporting.parquet")
    return folder


def test_the_last_steps_are_what_the_two_nights_have_told(nights: tuple[ScoreRun, ScoreRun]) -> None:
    earlier, now = nights
    changes = now.changes
    for night, when in ((earlier, "before"), (now, "now")):
        told = changes.join(night.scores, on="student_id", how="left", maintain_order="left")
        for name in ("tier", "risk"):
            assert told[name].equals(changes[f"{name}_{when}"], null_equal=True)
    # Nothing but the records is another: with everyone else's records of tonight, the model gives what was told.
    both = changes.filter(pl.col("change").is_in(["tier_moved", "risk_moved"]))
    assert both["tier_after_school"].equals(both["tier_now"])
    assert both["risk_after_school"].equals(both["risk_now"])
    assert "model" not in set(changes["cause"])
    unmoved = set(earlier.scores["student_id"]) & set(now.scores["student_id"]) - set(changes["student_id"])
    tiers = [night.scores.filter(pl.col("student_id").is_in(unmoved)).sort("student_id")["tier"] for night in nights]
    assert tiers[0].equals(tiers[1])


def test_a_model_is_told_from_records_and_from_the_school(districts: Path, tmp_path: Path) -> None:
    """The step before the model is what the night would have been by the model of the earlier night."""
    _night(districts / "before", tmp_path / "store", BEFORE, model=catalog_model())
    now = _night(districts / "now", tmp_path / "store", DAY, model=catalog_model(rows_seed=9))
    same = _night(districts / "now", tmp_path / "other", DAY, model=catalog_model())
    both = now.changes.filter(pl.col("change").is_in(["tier_moved", "risk_moved"]))
    beside = both.join(same.scores, on="student_id", maintain_order="left")
    assert both["tier_after_school"].equals(beside["tier"])
    assert both["risk_after_school"].equals(beside["risk"])
    assert (both["risk_after_school"] != both["risk_now"]).all()


def test_parts_and_workers_change_no_byte(nights: tuple[ScoreRun, ScoreRun], districts: Path, tmp_path: Path) -> None:
    trained = nights[1].model["kind"] == "trained"
    model = catalog_model() if trained else RulesModel()
    with LocalEngine(2) as engine:
        for name, day in (("before", BEFORE), ("now", DAY)):
            night = _night(districts / name, tmp_path, day, model=model, engine=engine, students_a_part=70)
    assert night.run.manifest == nights[1].run.manifest


def test_a_night_from_a_days_rows_tells_the_same(districts: Path, tmp_path: Path) -> None:
    for name in ("whole", "delta"):
        _night(districts / "before", tmp_path / name, BEFORE, state="keep", students_a_part=120)
    whole = _night(districts / "now", tmp_path / "whole", DAY, state="keep", students_a_part=70)
    write_delta(_tables(districts / "before"), _tables(districts / "now"), tmp_path / "day")
    delta = _night(tmp_path / "day", tmp_path / "delta", DAY, state="add", students_a_part=70)
    assert whole.changes.height
    assert delta.run.manifest == whole.run.manifest


def _tables(folder: Path) -> Tables:
    return {path.stem: pl.read_parquet(path) for path in folder.glob("*.parquet")}


def test_a_forgotten_student_is_in_no_change_and_causes_are_not_told(districts: Path, tmp_path: Path) -> None:
    _night(districts / "before", tmp_path, BEFORE)
    whole = _night(districts / "now", tmp_path, DAY).changes
    gone = whole["student_id"][0]
    forget_student(RunStore(tmp_path), None, gone, today=DAY)
    again = _night(districts / "now", tmp_path, DAY + timedelta(days=1))
    assert gone not in again.changes["student_id"]
    rewritten = open_run(RunStore(tmp_path).latest(DAY).path)
    assert gone not in rewritten.table("changes")["student_id"]
    assert again.run.manifest["compared_with"]["causes_untold"] == "students of it were forgotten since"
    assert again.changes["cause"].null_count() == again.changes.height


def test_where_the_model_of_the_earlier_night_is_gone_moves_are_told_without_causes(
    districts: Path, tmp_path: Path
) -> None:
    store = RunStore(tmp_path)
    first = _night(districts / "before", tmp_path, BEFORE, model=catalog_model())
    shutil.rmtree(model_path(store, first.run.model_version).parent)
    night = _night(districts / "now", tmp_path, DAY)
    said = night.run.manifest["compared_with"]["causes_untold"]
    assert said == f"its model {first.run.model_version} is gone from the store"
    assert night.changes.height
    assert night.changes["cause"].null_count() == night.changes.height


def test_a_damaged_run_and_one_of_other_schools_are_passed_over(districts: Path, tmp_path: Path) -> None:
    older = _night(districts / "before", tmp_path / "store", date(2026, 2, 13))
    damaged = _night(districts / "before", tmp_path / "store", BEFORE)
    (damaged.run.path / "scores.parquet").write_bytes(b"PAR1")
    elsewhere = _night(write_extract(tmp_path / "other", small_district()), tmp_path / "store", date(2026, 2, 19))
    night = _night(districts / "now", tmp_path / "store", DAY)
    compared = night.run.manifest["compared_with"]
    assert compared["run_id"] == older.run.run_id != elsewhere.run.run_id
    assert compared["damaged"] == [damaged.run.run_id]


def test_students_of_schools_that_the_extract_lacks_are_counted_and_did_not_leave(tmp_path: Path) -> None:
    tables, of = small_district(), pl.col("school_id")
    north = {name: rows.filter(of == "north") for name, rows in tables.items() if "school_id" in rows.columns}
    in_north = north["enrollments"].select("student_id")
    north["students"] = tables["students"].join(in_north, on="student_id", how="semi")
    night = _two(tmp_path, tables, north)
    assert night.run.manifest["compared_with"]["students_of_other_schools"] == 12
    assert set(night.changes["school_id"]) <= {"north"}


def test_a_night_of_another_school_year_is_not_compared_with(districts: Path, tmp_path: Path) -> None:
    _night(districts / "before", tmp_path, date(2025, 5, 20))
    night = _night(districts / "now", tmp_path, DAY)
    assert night.run.manifest["compared_with"] == {}


def test_a_replay_compares_with_the_same_night_or_says_that_it_is_gone(
    nights: tuple[ScoreRun, ScoreRun], tmp_path: Path
) -> None:
    store = RunStore(Path(shutil.copytree(nights[0].run.path.parents[2], tmp_path / "store")))
    run = store.latest(DAY)
    whole = replay(run, store)
    assert set(whole.same) == set(run.manifest["files"])
    assert not whole.differing
    with store.lock():
        store.remove(store.latest(BEFORE).path)
    without = replay(run, store)
    assert set(without.same) == set(run.manifest["files"]) - {"changes.parquet"}
    earlier = nights[0].run.run_id
    assert without.not_compared == {"changes.parquet": f"the run {earlier} that the night was compared with is gone"}
