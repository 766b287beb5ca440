"""`score_night` from files to a run and current flags: the whole story, on a district small enough to read."""

from __future__ import annotations

import json
import sqlite3
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cis_ews import (
    ConfigError,
    DataError,
    RulesModel,
    RunDamagedError,
    ScoreRun,
    StorageError,
    StoreLockedError,
    TierPolicy,
    ToleranceError,
    score_night,
)
from cis_ews.progress import Stopwatch
from cis_ews.scoring import config_hash
from cis_ews.storage.database import Database
from cis_ews.storage.database.migrating import VERSION_TABLE
from cis_ews.storage.erasure import forget_student
from cis_ews.storage.store import RunStore
from tests.lib.extracts import AS_OF, STUDENTS, small_district, write_extract

DAY = date.fromisoformat(AS_OF)


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    return write_extract(tmp_path / "extract", small_district())


def _night(extract: Path, store: Path | RunStore, **changed: object) -> ScoreRun:
    given = {"model": RulesModel(), "policy": TierPolicy.load(), "store": store, "as_of": DAY}
    return score_night(extract, **(given | changed))  # pyright: ignore[reportArgumentType]


def test_a_night_from_files_to_current_flags(extract: Path, tmp_path: Path) -> None:
    night = _night(extract, tmp_path / "store")
    assert night.is_new
    assert night.scores.height == STUDENTS
    assert night.scores.filter(pl.col("student_id") == "s00")["tier"].to_list() == [3]
    assert night.reasons.filter(pl.col("student_id") == "s00").height > 0
    assert night.rejections.is_empty()
    assert [step["after"] for step in night.cohort_flow][-1] == STUDENTS
    assert night.published.published == ("d1",)
    with Database(RunStore(tmp_path / "store").database_url) as database:
        page = database.current_scores("d1")
    assert {row.student_id for row in page.rows} == set(night.scores["student_id"])
    assert page.run_id == night.run.run_id


def test_rows_after_the_as_of_date_are_counted_and_not_rejected(extract: Path, tmp_path: Path) -> None:
    night = _night(extract, tmp_path / "store")
    later = small_district()["attendance_events"].filter(pl.col("date") > DAY).height
    assert night.coverage["rows_after_as_of"] == {"attendance_events": later}


def test_every_stage_is_timed_in_order(extract: Path, tmp_path: Path) -> None:
    night = _night(extract, tmp_path / "store")
    parts = ["part", "indicators", "schools", "rules, risk and reasons"]
    stages = ["look", "read", "correct", *parts, "tiers", "changes", "write", "publish"]
    assert list(night.timings) == stages
    stored = json.loads((night.run.path / "timings.json").read_text(encoding="utf-8"))["stages"]
    assert stored == night.timings
    assert all(cost["peak_memory_mb"] > 1 for cost in stored.values())
    assert sum(cost["wall_seconds"] for cost in stored.values()) > 0


def test_a_night_that_cannot_be_published_has_its_times_and_is_published_by_the_next(
    extract: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "publish", refuse)
        with pytest.raises(StorageError):
            _night(extract, tmp_path / "store")
    stages = RunStore(tmp_path / "store").latest().statement("timings")["stages"]
    assert {"read", "indicators", "tiers"} <= set(stages)
    again = _night(extract, tmp_path / "store")
    assert (again.is_new, again.published.published) == (False, ("d1",))


def test_the_same_night_finds_its_run(extract: Path, tmp_path: Path) -> None:
    first = _night(extract, tmp_path / "store")
    again = _night(extract, tmp_path / "store")
    assert not again.is_new
    assert again.run.path == first.run.path
    assert again.published.unchanged == ("d1",)


def test_a_run_that_was_changed_by_hand_is_not_taken_for_the_same_night(extract: Path, tmp_path: Path) -> None:
    first = _night(extract, tmp_path / "store")
    (first.run.path / "scores.parquet").write_bytes(b"changed")
    with pytest.raises(RunDamagedError):
        _night(extract, tmp_path / "store")


@pytest.mark.parametrize(
    ("as_of", "words"),
    [
        (date(2025, 6, 1), "begins on 2025-09-03, after the as-of date"),
        (date(2026, 8, 1), "ended on 2026-06-12, 50 days before the as-of date"),
    ],
)
def test_an_as_of_date_outside_the_calendar_is_refused(extract: Path, tmp_path: Path, as_of: date, words: str) -> None:
    with pytest.raises(DataError, match=words):
        _night(extract, tmp_path / "store", as_of=as_of)
    assert RunStore(tmp_path / "store").runs() == []


def test_two_nights_at_once_on_one_store(extract: Path, tmp_path: Path) -> None:
    with RunStore(tmp_path / "store").lock(), pytest.raises(StoreLockedError):
        _night(extract, tmp_path / "store")


def test_a_refused_extract_leaves_no_run_and_no_flags(extract: Path, tmp_path: Path) -> None:
    broken = pl.read_csv(extract / "students.csv", infer_schema=False).with_columns(birth_date=pl.lit("first of May"))
    broken.write_csv(extract / "students.csv")
    with pytest.raises(ToleranceError):
        _night(extract, tmp_path / "store")
    assert RunStore(tmp_path / "store").runs() == []
    with Database(RunStore(tmp_path / "store").database_url) as database:
        assert database.districts() == []


def test_an_unknown_format_is_refused(extract: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        _night(extract, tmp_path / "store", format="no_such_format")


def test_a_database_of_another_version_stops_the_night_before_the_work(extract: Path, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "store")
    with Database(store.database_url) as database:
        database.upgrade()
    with sqlite3.connect(store.root / "cis_ews.db") as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = 'another'")  # noqa: S608 - a constant
    connection.close()
    with pytest.raises(StorageError, match="does not know"):
        _night(extract, store)
    assert store.runs() == []


def test_a_database_given_open_is_used_and_left_open(extract: Path, tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'other.db'}") as database:
        database.upgrade()
        night = _night(extract, tmp_path / "store", database=database)
        assert database.runs_of("d1")[0].run_id == night.run.run_id
    assert not (tmp_path / "store" / "cis_ews.db").exists()


def test_an_older_night_does_not_replace_newer_flags(extract: Path, tmp_path: Path) -> None:
    _night(extract, tmp_path / "store")
    older = _night(extract, tmp_path / "store", as_of=date(2026, 1, 30))
    assert older.published.kept_newer == ("d1",)


def test_a_forgotten_student_is_left_out_and_counted(extract: Path, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "store")
    forget_student(store, None, "s00", today=DAY)
    night = _night(extract, store)
    assert "s00" not in night.scores["student_id"]
    for table in ("indicators", "rules", "reasons"):
        assert "s00" not in night.run.table(table)["student_id"]
    assert {step["name"]: step["excluded"] for step in night.cohort_flow}["left out at a family's request"] == 1


def test_the_configuration_hash_covers_policy_format_mapping_and_tolerance(tmp_path: Path) -> None:
    policy, mapping = TierPolicy.load(), tmp_path / "mapping.toml"
    mapping.write_text("a = 1\n", encoding="utf-8")
    hashes = [
        config_hash(policy, format="folder", tolerance=None),
        config_hash(policy, format="folder", tolerance=0.1),
        config_hash(policy.model_copy(update={"minimum_days_enrolled": 3}), format="folder", tolerance=None),
        config_hash(policy, format=str(mapping), tolerance=None),
    ]
    mapping.write_text("a = 2\n", encoding="utf-8")
    hashes.append(config_hash(policy, format=str(mapping), tolerance=None))
    assert len(set(hashes)) == len(hashes)
    assert config_hash(policy, format="folder", tolerance=None) == hashes[0]


def test_the_stopwatch_times_outermost_steps_alone() -> None:
    watch = Stopwatch()
    with watch.step("outer"), watch.step("inner"):
        sum(range(100_000))
    assert list(watch.times) == ["outer"]
    assert watch.times["outer"].cpu_seconds >= 0


def _changed(extract: Path, table: str, **columns: pl.Expr) -> None:
    frame = pl.read_csv(extract / f"{table}.csv", infer_schema=False)
    frame.with_columns(**columns).write_csv(extract / f"{table}.csv")


def test_a_night_that_would_score_nobody_is_refused_and_publishes_nothing(extract: Path, tmp_path: Path) -> None:
    _changed(extract, "enrollments", entry_date=pl.lit("2026-03-02"))
    with pytest.raises(DataError, match="No student is left to score as of 2026-02-27") as refused:
        _night(extract, tmp_path / "store")
    assert refused.value.details["by_step"] == {"never enrolled this school year up to the as-of date": STUDENTS}
    assert RunStore(tmp_path / "store").runs() == []
    with Database(RunStore(tmp_path / "store").database_url) as database:
        assert database.districts() == []


def test_a_school_year_without_an_instructional_day_is_refused(extract: Path, tmp_path: Path) -> None:
    _changed(extract, "calendar_days", is_instructional=pl.lit("false"))
    for table in ("attendance_events", "incidents", "discipline_actions"):
        (extract / f"{table}.csv").unlink()
    with pytest.raises(DataError, match="calendar_days has no instructional day in the school year 2026"):
        _night(extract, tmp_path / "store")


def test_notes_name_an_old_calendar_schools_without_days_and_capacities_of_unknown_schools(
    extract: Path, tmp_path: Path
) -> None:
    days = pl.read_csv(extract / "calendar_days.csv", infer_schema=False)
    open_day = pl.when(pl.col("school_id") == "north").then(pl.lit("false")).otherwise("is_instructional")
    days.filter(pl.col("date") <= "2026-02-24").with_columns(is_instructional=open_day).write_csv(
        extract / "calendar_days.csv"
    )
    (tmp_path / "policy.toml").write_text("[capacity_by_school.nroth]\nnumber = 9\n", encoding="utf-8")
    policy = TierPolicy.load(tmp_path / "policy.toml")
    notes = _night(extract, tmp_path / "store", policy=policy, tolerance=1.0).coverage["notes"]
    assert notes[-3:] == [
        "The calendar ended 3 days before the as-of date (2026-02-24)",
        "calendar_days: 1 school with students: no instructional day this school year up to the as-of date",
        "the policy gives a capacity to schools that the extract does not have: nroth",
    ]
