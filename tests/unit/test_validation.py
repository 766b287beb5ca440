"""Frames in memory, checked like an extract: types, places, coverage, and every rule of the contract."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest

from cis_ews.enums import CoverageLevel
from cis_ews.errors import SchemaError, ToleranceError
from cis_ews.schema.links import LINK_RULES
from cis_ews.schema.rows import no_rejections
from cis_ews.schema.school_data import REQUIRED_TABLES, TABLES, SchoolData, SourceFile
from cis_ews.schema.validation import SourceNotes
from tests.lib.dirt import STUDENTS, clean_frames, rules_broken, student_id


def with_table(table: str, frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The clean extract with one table replaced."""
    return {**clean_frames(), table: frame}


def test_text_and_typed_frames_give_the_same_data() -> None:
    typed = SchoolData.from_frames(clean_frames())
    as_text = {table: frame.with_columns(pl.all().cast(pl.String)) for table, frame in clean_frames().items()}
    text = SchoolData.from_frames(as_text)
    for table in TABLES:
        assert text.table(table).equals(typed.table(table)), table


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_the_columns_and_types_of_its_schema(table: str) -> None:
    data = SchoolData.from_frames(clean_frames())
    assert TABLES[table].is_valid(data.table(table))
    assert data.table(table).columns == list(TABLES[table].columns())


def test_rows_without_a_number_count_from_one() -> None:
    students = clean_frames()["students"].with_columns(student_id=pl.col("student_id").replace({student_id(6): ""}))
    data = SchoolData.from_frames(with_table("students", students))
    assert rules_broken(data, "students") == [("missing", 7, "student_id")]


def test_rows_that_say_where_they_came_from_are_named_so() -> None:
    students = clean_frames()["students"].with_columns(
        student_id=pl.col("student_id").replace({student_id(6): ""}),
        row_number=pl.int_range(100, 100 + STUDENTS),
        file=pl.lit("pupils.csv"),
    )
    rejection = SchoolData.from_frames(with_table("students", students)).rejections.row(0, named=True)
    assert (rejection["file"], rejection["row_number"]) == ("pupils.csv", 106)


def test_a_missing_required_table_is_named() -> None:
    frames = clean_frames()
    with pytest.raises(SchemaError, match="2 of the required tables are missing: calendar_days, enrollments"):
        SchoolData.from_frames({t: f for t, f in frames.items() if t not in ("calendar_days", "enrollments")})


def test_a_table_that_the_contract_does_not_know() -> None:
    with pytest.raises(SchemaError, match="1 table is not in the contract"):
        SchoolData.from_frames(with_table("pupils", pl.DataFrame()))


@pytest.mark.parametrize("table", REQUIRED_TABLES)
def test_a_required_table_without_rows(table: str) -> None:
    with pytest.raises(SchemaError, match=f"{table}: the table has no rows"):
        SchoolData.from_frames(with_table(table, clean_frames()[table].clear()))


def test_an_unknown_column_in_memory_is_kept_aside_and_counted() -> None:
    students = clean_frames()["students"].with_columns(shoe_size=pl.lit(38))
    notes = SchoolData.from_frames(with_table("students", students)).coverage.notes
    assert "students: 1 column unknown to the contract kept aside" in notes


@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        ("entry_date", pl.Series([datetime(2025, 9, 3, 8, 30)]), "unreadable_date"),
        ("entry_date", pl.Series([datetime(2025, 9, 3)]), None),
        ("school_year", pl.Series([2026.0]), None),
        ("school_year", pl.Series([2026.5]), "unreadable_number"),
        ("school_year", pl.Series([1889]), "out_of_range"),
        ("school_year", pl.Series([2**40]), "out_of_range"),
        ("grade_level", pl.Series([7]), None),
        ("grade_level", pl.Series([17]), "unknown_code"),
        ("grade_level", pl.Series(["7"], dtype=pl.Categorical), None),
        ("exit_date", pl.Series([None], dtype=pl.Null), None),
    ],
)
def test_typed_cells(column: str, values: pl.Series, rule: str | None) -> None:
    frame = clean_frames()["enrollments"].with_columns(pl.lit(values).first().alias(column))
    data = SchoolData.from_frames(with_table("enrollments", frame), tolerance=1.0)
    rejected = data.rejections.filter(pl.col("table") == "enrollments")
    assert set(rejected["rule"]) == ({rule} if rule else set())
    assert data.enrollments.height == (0 if rule else STUDENTS)


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("FALSE", False), ("Yes", True), ("n", False), ("1", True), ("0", False), (" t ", True)],
)
def test_booleans_in_text(text: str, value: bool) -> None:
    demographics = clean_frames()["demographics"].with_columns(low_income=pl.lit(text))
    data = SchoolData.from_frames(with_table("demographics", demographics))
    assert data.demographics["low_income"].unique().to_list() == [value]


def test_whole_numbers_are_booleans_where_they_are_0_or_1() -> None:
    days = clean_frames()["calendar_days"].with_columns(is_instructional=pl.col("is_instructional").cast(pl.Int8))
    assert SchoolData.from_frames(with_table("calendar_days", days)).rejections.height == 0
    twos = days.with_columns(is_instructional=pl.lit(2))
    with pytest.raises(ToleranceError, match=r"unreadable_boolean \(is_instructional\)"):
        SchoolData.from_frames(with_table("calendar_days", twos))


@pytest.mark.parametrize(
    ("column", "frame"),
    [
        ("student_id", pl.Series([1.5])),
        ("birth_date", pl.Series([20120501])),
        ("first_name", pl.Series([["a"]])),
        ("last_name", pl.Series([b"a"])),
    ],
)
def test_a_column_of_another_kind_is_an_error_without_a_value(column: str, frame: pl.Series) -> None:
    students = clean_frames()["students"].with_columns(pl.lit(frame).first().alias(column))
    with pytest.raises(SchemaError, match=f"students: column {column} is of type"):
        SchoolData.from_frames(with_table("students", students))


def test_an_unenforced_tolerance_keeps_what_is_left() -> None:
    grades = clean_frames()["course_grades"].with_columns(
        percent=pl.when(pl.int_range(pl.len()) < 30).then(821.0).otherwise("percent")
    )
    assert SchoolData.from_frames(with_table("course_grades", grades), tolerance=1.0).course_grades.height == 10
    by_table = SchoolData.from_frames(with_table("course_grades", grades), tolerances={"course_grades": 0.75})
    assert by_table.course_grades.height == 10
    assert SchoolData.from_frames(with_table("course_grades", grades)).course_grades.height == 0


def test_behavior_without_actions_is_partial() -> None:
    frames = {table: frame for table, frame in clean_frames().items() if table != "discipline_actions"}
    behavior = SchoolData.from_frames(frames).coverage.behavior
    assert (behavior.level, behavior.reason) == (CoverageLevel.PARTIAL, "the source has no discipline_actions")


def test_without_reporting_the_last_recorded_day_of_each_school_is_given_and_the_doubt_is_said() -> None:
    frames = {table: frame for table, frame in clean_frames().items() if table != "reporting"}
    coverage = SchoolData.from_frames(frames).coverage
    assert coverage.reporting_known is False
    assert coverage.last_reported == {"north": date(2025, 9, 8), "south": date(2025, 9, 8)}
    assert any("silence counts as presence" in note for note in coverage.notes)


def test_with_reporting_the_schools_word_counts_and_silent_schools_are_counted() -> None:
    coverage = SchoolData.from_frames(clean_frames()).coverage
    assert coverage.reporting_known is True
    assert coverage.last_reported == {"north": date(2026, 1, 30), "south": date(2026, 1, 30)}
    one = SchoolData.from_frames(with_table("reporting", clean_frames()["reporting"].head(1)))
    assert "reporting: 1 school does not say through which day they have reported" in one.coverage.notes


def test_attendance_without_any_absence_and_without_reporting_is_partial() -> None:
    frames = with_table("attendance_events", clean_frames()["attendance_events"].clear())
    del frames["reporting"]
    attendance = SchoolData.from_frames(frames).coverage.attendance
    assert attendance.level is CoverageLevel.PARTIAL
    assert "no absence is recorded" in (attendance.reason or "")


def test_grades_without_a_day_are_covered_to_the_end_of_their_term() -> None:
    coursework = SchoolData.from_frames(clean_frames()).coverage.coursework
    assert (coursework.first, coursework.last) == (date(2026, 1, 30), date(2026, 1, 30))


def test_grades_of_a_term_without_an_end_are_covered_to_the_end_of_their_year() -> None:
    grades = clean_frames()["course_grades"].with_columns(term=pl.lit("elsewhen"))
    data = SchoolData.from_frames(with_table("course_grades", grades))
    assert data.coverage.coursework.last == data.calendar_days["date"].max()


def test_grades_without_a_day_are_counted_as_later_until_their_term_has_ended() -> None:
    data = SchoolData.from_frames(clean_frames())
    assert data.course_grades["graded_on"].null_count() == data.course_grades.height
    assert data.rows_after(date(2026, 1, 29))["course_grades"] == data.course_grades.height
    assert "course_grades" not in data.rows_after(date(2026, 1, 30))


def test_what_only_a_reader_knows() -> None:
    lost = no_rejections().vstack(
        pl.DataFrame(
            [("students", "students.csv", 99, "ragged_row", None, None)], schema=no_rejections().schema, orient="row"
        )
    )
    file = SourceFile(table="students", name="students.csv", sha256="0" * 64, rows=41)
    source = SourceNotes(
        files=(file,),
        notes=("a note",),
        rejections=lost,
        reduced={"attendance_events": 5},
        left_out={"supports": "supports has a header and no rows"},
        partial={"behavior": "suspensions alone"},
    )
    data = SchoolData.from_frames(clean_frames(), source=source)
    assert data.rows_read["students"] == 41
    assert data.rows_read["attendance_events"] == 85
    assert data.rows_reduced == {"attendance_events": 5}
    assert data.files == (file,)
    assert data.coverage.notes[0] == "a note"
    assert "supports has a header and no rows" in data.coverage.notes
    assert data.coverage.behavior.reason == "suspensions alone"


def test_every_table_with_students_or_schools_checks_that_they_are_known() -> None:
    linked = {(rule.table, rule.rule) for rule in LINK_RULES}
    for table, schema in TABLES.items():
        if "student_id" in schema.columns() and table not in ("students", "discipline_actions"):
            assert (table, "student_known") in linked
        if "school_id" in schema.columns() and table != "schools":
            assert (table, "school_known") in linked


def test_supports_are_checked_and_kept() -> None:
    supports = pl.DataFrame(
        {
            "student_id": [student_id(1), student_id(2), "nobody"],
            "date": ["2025-10-01", "2026-05-01", "2025-10-01"],
            "category": ["tutoring", "tutoring", "tutoring"],
            "minutes": ["30", "30", "30"],
        }
    )
    data = SchoolData.from_frames(with_table("supports", supports), tolerance=1.0)
    assert data.supports.height == 1
    assert [(rule, row) for rule, row, _ in rules_broken(data, "supports")] == [
        ("after_last_calendar_day", 2),
        ("student_known", 3),
    ]


def test_summaries_of_years_are_checked_and_kept() -> None:
    summaries = pl.DataFrame(
        {
            "student_id": [student_id(1), student_id(2), student_id(3), student_id(4), "nobody"],
            "school_year": ["2025", "2025", "2027", "2025", "2025"],
            "days_enrolled": ["180", "10", "180", "367", "180"],
            "days_absent": ["12.5", "12.5", "1", "1", "1"],
        }
    )
    data = SchoolData.from_frames(with_table("student_years", summaries), tolerance=1.0)
    assert data.student_years.drop_nulls("days_absent").rows() == [
        (student_id(1), 2025, 180, 12.5, None, None, None, None, None)
    ]
    assert rules_broken(data, "student_years") == [
        ("absent_no_more_than_enrolled", 2, "days_absent, days_enrolled"),
        ("after_last_calendar_day", 3, "school_year"),
        ("out_of_range", 4, "days_enrolled"),
        ("student_known", 5, "student_id"),
    ]
