"""Corrected records: they replace one student's rows, tonight and every night after, and are counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cis_ews.corrections import (
    check_correction,
    keep_correction,
    kept_corrections,
    overlay,
    read_correction,
    rows_replaced,
)
from cis_ews.errors import ConfigError, DataError, SchemaError, StorageError
from cis_ews.indicators import compute_indicators
from cis_ews.readers import read_school_data
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tiers import TierPolicy
from cis_ews.schema.school_data import SchoolData
from cis_ews.scoring import score_night
from cis_ews.storage.erasure import forget_student
from cis_ews.storage.store import RunStore
from tests.lib.builders import absence, enrollment, frame, grade, student, student_year
from tests.lib.extracts import AS_OF, small_district, write_extract

DAY = date.fromisoformat(AS_OF)
Given = Callable[..., Path]


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    return write_extract(tmp_path / "extract", small_district())


@pytest.fixture
def school_data(extract: Path) -> SchoolData:
    return read_school_data(extract)


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """A folder of corrected records: table -> rows."""

    def _given(**tables: list[dict[str, object]]) -> Path:
        return write_extract(tmp_path / "records", {name: frame(name, rows) for name, rows in tables.items()})

    return _given


def _rows(school_data: SchoolData, table: str, student_id: str) -> pl.DataFrame:
    return school_data.table(table).filter(pl.col("student_id") == student_id)


def test_a_corrected_table_replaces_the_students_rows_and_nobody_elses(school_data: SchoolData, given: Given) -> None:
    correction = read_correction("s00", given(attendance_events=[absence("s00", "2025-10-01")]))
    corrected = overlay(school_data, [correction])
    assert _rows(corrected, "attendance_events", "s00")["date"].to_list() == [date(2025, 10, 1)]
    for table in ("students", "enrollments", "course_grades"):
        assert corrected.table(table).equals(school_data.table(table))
    others = pl.col("student_id") != "s00"
    assert corrected.attendance_events.filter(others).equals(school_data.attendance_events.filter(others))
    assert corrected.rejections.height == 0


def test_the_summary_of_a_year_can_be_corrected(school_data: SchoolData, given: Given) -> None:
    rows = given(student_years=[student_year("s00", incidents=2)])
    corrected = overlay(school_data, [read_correction("s00", rows)])
    last_year = compute_indicators(corrected, DAY).select("student_id", "incidents_last_year").drop_nulls()
    assert last_year.rows() == [("s00", 2)]


def test_a_header_alone_says_that_there_are_none(school_data: SchoolData, given: Given) -> None:
    corrected = overlay(school_data, [read_correction("s00", given(attendance_events=[]))])
    assert _rows(corrected, "attendance_events", "s00").is_empty()
    indicators = compute_indicators(corrected, DAY).filter(pl.col("student_id") == "s00")
    assert indicators["absence_rate_ytd"].to_list() == [0.0]


def test_a_student_whom_the_extract_lacks_can_come_whole(school_data: SchoolData, given: Given) -> None:
    rows = given(students=[student("new")], enrollments=[enrollment("new", grade="9")])
    corrected = overlay(school_data, [read_correction("new", rows)])
    assert _rows(corrected, "enrollments", "new").height == 1


def test_a_student_whom_the_extract_lacks_is_passed_over_and_counted(school_data: SchoolData, given: Given) -> None:
    corrected = overlay(school_data, [read_correction("gone", given(attendance_events=[]))])
    assert corrected.students.equals(school_data.students)
    assert "corrected records of 1 student were passed over" in corrected.coverage.notes[-1]


def test_a_corrected_row_that_breaks_a_rule_is_rejected_with_its_place(school_data: SchoolData, given: Given) -> None:
    sunday = [absence("s00", "2025-10-05"), absence("s00", "2025-10-06")]
    corrected = overlay(school_data, [read_correction("s00", given(attendance_events=sunday))])
    assert corrected.rejections.select("table", "file", "row_number", "rule").rows() == [
        ("attendance_events", "attendance_events.csv", 2, "instructional_day")
    ]


@pytest.mark.parametrize(
    ("tables", "kind", "words"),
    [
        ({"attendance_events": [absence("s01", "2025-10-01")]}, DataError, "1 is of another student"),
        ({"enrollments": []}, DataError, "takes every enrollment away"),
        ({"schools": []}, ConfigError, "schools cannot be corrected for one student"),
        ({}, ConfigError, "has no table"),
    ],
)
def test_records_that_are_no_correction_are_refused(
    given: Given, tables: dict[str, list[dict[str, object]]], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        read_correction("s00", given(**tables))
    assert "s01" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        ("hello\n", "student_id, school_id, date, status, fraction_absent"),
        ("school_id,date,status,fraction_absent\nhs,2025-10-01,absent,1\n", "student_id;"),
    ],
)
def test_a_table_without_its_header_is_no_correction(tmp_path: Path, content: str, missing: str) -> None:
    (tmp_path / "attendance_events.csv").write_text(content, encoding="utf-8")
    with pytest.raises(SchemaError, match=rf"attendance_events: .* missing: {missing}"):
        read_correction("s00", tmp_path)


def test_a_torn_row_is_named(tmp_path: Path) -> None:
    text = "student_id,school_id,date,status,fraction_absent\ns00,hs,2025-10-01,absent,1\ns00,hs\n"
    (tmp_path / "attendance_events.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"1 corrected row is torn .attendance_events row 3: "):
        read_correction("s00", tmp_path)


def test_the_rows_that_a_correction_replaces_are_counted(school_data: SchoolData, given: Given) -> None:
    before = _rows(school_data, "attendance_events", "s00").height
    correction = read_correction("s00", given(attendance_events=[]))
    assert rows_replaced(school_data, correction) == {"attendance_events": (before, 0)}
    assert before > 0


def test_a_correction_that_would_be_rejected_is_refused_with_counts(school_data: SchoolData, given: Given) -> None:
    correction = read_correction("s00", given(attendance_events=[absence("s00", "2025-10-05")]))
    with pytest.raises(DataError, match=r"1 corrected row .*: attendance_events row 2: instructional_day") as caught:
        check_correction(school_data, correction)
    assert caught.value.details["by_rule"] == {"instructional_day": 1}


def test_a_correction_of_a_student_whom_the_extract_lacks_is_refused(school_data: SchoolData, given: Given) -> None:
    with pytest.raises(DataError, match="does not have that student"):
        check_correction(school_data, read_correction("gone", given(attendance_events=[])))


def test_what_is_kept_comes_back_and_later_tables_are_added(tmp_path: Path, given: Given) -> None:
    store = RunStore(tmp_path / "store")
    keep_correction(store, read_correction("s00", given(attendance_events=[absence("s00", "2025-10-01")])))
    keep_correction(store, read_correction("s00", given(course_grades=[grade("s00", "math", "S1", mark="A")])))
    (kept,) = kept_corrections(store)
    assert kept.student_id == "s00"
    assert set(kept.tables) == {"attendance_events", "course_grades"}
    folder = store.student_folder("s00")
    assert "s00" not in folder.name
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_nothing_is_kept_of_a_student_who_was_forgotten(tmp_path: Path, given: Given) -> None:
    store = RunStore(tmp_path / "store")
    forget_student(store, None, "s00", today=DAY)
    with pytest.raises(DataError, match="was forgotten"):
        keep_correction(store, read_correction("s00", given(attendance_events=[])))
    assert kept_corrections(store) == []


def test_a_damaged_owner_stops_the_night(tmp_path: Path, given: Given) -> None:
    store = RunStore(tmp_path / "store")
    keep_correction(store, read_correction("s00", given(attendance_events=[])))
    (store.student_folder("s00") / "student.json").write_text("{", encoding="utf-8")
    with pytest.raises(StorageError, match="is damaged"):
        kept_corrections(store)


def test_a_correction_makes_another_run_and_stands_in_its_manifest(extract: Path, tmp_path: Path, given: Given) -> None:
    store = RunStore(tmp_path / "store")

    def night():
        return score_night(extract, model=RulesModel(), policy=TierPolicy.load(), store=store, as_of=DAY)

    before = night()
    keep_correction(store, read_correction("s00", given(attendance_events=[])))
    after = night()
    assert after.run.run_id != before.run.run_id
    assert after.published.published == ("d1",)
    tiers = {row["student_id"]: row["tier"] for row in after.scores.to_dicts()}
    assert tiers["s00"] == 1
    place = f"corrections/{store.student_folder('s00').name}/attendance_events.csv"
    assert place in [entry["name"] for entry in after.run.manifest["inputs"]]
    assert any("corrected records of 1 student" in note for note in after.coverage["notes"])
    assert not night().is_new
