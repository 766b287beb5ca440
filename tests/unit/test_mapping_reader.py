"""Someone else's files through a mapping: columns, codes, dates, merged days, derived tables, unmapped codes."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cis_ews.enums import CoverageLevel
from cis_ews.errors import ReadError, SchemaError, ToleranceError, UnmappedCodesError
from cis_ews.indicators import compute_indicators
from cis_ews.readers import read_school_data
from cis_ews.readers.codes import MAX_DISTINCT
from cis_ews.schema.school_data import SchoolData
from tests.lib.dirt import accounted, leaks, rules_broken
from tests.lib.toml import write_toml

DAYS = ["2025-09-01", "2025-09-02", "2025-09-03", "2025-09-04", "2025-09-05"]
PUPILS = [f"MARKERID{number}" for number in range(8)]


def attendance_rows(code: str = "P") -> list[list[str]]:
    """Eight students, two schools, five days, everyone present."""
    return [[pupil, f"school{at % 2}", day, code] for at, pupil in enumerate(PUPILS) for day in DAYS]


def mapping(**events: Any) -> dict[str, Any]:
    """A mapping of attendance alone, everything else derived."""
    return {
        "config_version": 1,
        "name": "test",
        "derive": {"tables": ["schools", "students", "enrollments", "calendar_days", "reporting"], "district_id": "d1"},
        "tables": {
            "attendance_events": {
                "files": ["att*.csv"],
                "columns": {
                    "student_id": "Pupil",
                    "school_id": "School",
                    "date": "Day",
                    "status": "Code",
                    "fraction_absent": "Code",
                },
                "codes": {
                    "status": {"P": "present", "A": "unexcused", "E": "excused", "T": "tardy"},
                    "fraction_absent": {"P": 0, "A": 1, "E": 1, "T": 0},
                },
                **events,
            }
        },
    }


def write_source(folder: Path, rows: list[list[str]], *, header: str = "Pupil,School,Day,Code") -> None:
    """The attendance file."""
    folder.mkdir(exist_ok=True)
    (folder / "attendance.csv").write_text("\n".join([header, *map(",".join, rows)]) + "\n", encoding="utf-8")


def read(tmp_path: Path, content: dict[str, Any], rows: list[list[str]] | None = None, **options: Any) -> SchoolData:
    """School data from these rows through this mapping."""
    write_source(tmp_path / "source", attendance_rows() if rows is None else rows)
    return read_school_data(tmp_path / "source", format=str(write_toml(tmp_path / "m.toml", content)), **options)


def absent(*places: tuple[int, int], code: str = "A") -> list[list[str]]:
    """The rows, with these (student, day) places absent."""
    rows = attendance_rows()
    for pupil, day in places:
        rows[pupil * len(DAYS) + day][3] = code
    return rows


def test_derived_tables_follow_the_recorded_rows_present_or_absent(tmp_path: Path) -> None:
    data = read(tmp_path, mapping(), absent((0, 0), (1, 4)))
    assert data.students["student_id"].to_list() == PUPILS
    assert data.schools.select("school_id", "district_id").rows() == [("school0", "d1"), ("school1", "d1")]
    assert data.calendar_days.height == 10
    assert data.calendar_days["is_instructional"].all()
    assert data.calendar_days["school_year"].unique().to_list() == [2026]
    assert data.enrollments["entry_date"].unique().to_list() == [date(2025, 9, 1)]  # absent on the first day counts
    assert data.enrollments["exit_date"].null_count() == 8
    assert data.reporting["reported_through"].unique().to_list() == [date(2025, 9, 5)]
    assert data.attendance_events.height == 2
    assert (data.rows_read["attendance_events"], data.rows_reduced) == (40, {"attendance_events": 38})


def test_derived_tables_are_said_so(tmp_path: Path) -> None:
    notes = read(tmp_path, mapping()).coverage.notes
    for table in ("schools", "students", "enrollments", "calendar_days", "reporting"):
        assert any(note.startswith(f"{table}: derived from the") for note in notes), table
    assert leaks(notes) == []


def test_a_student_who_changes_schools_leaves_the_first_one(tmp_path: Path) -> None:
    rows = attendance_rows()
    rows[3][1] = rows[4][1] = "school1"
    data = read(tmp_path, mapping(), rows)
    moved = data.enrollments.filter(pl.col("student_id") == PUPILS[0])
    assert moved.select("school_id", "entry_date", "exit_date").rows() == [
        ("school0", date(2025, 9, 1), date(2025, 9, 3)),
        ("school1", date(2025, 9, 4), None),
    ]


def test_a_student_of_two_schools_at_once_stays_in_both(tmp_path: Path) -> None:
    rows = [*attendance_rows(), *([PUPILS[0], "school1", day, "P"] for day in DAYS)]
    data = read(tmp_path, mapping(), rows)
    assert data.enrollments.filter(pl.col("student_id") == PUPILS[0])["exit_date"].to_list() == [None, None]


def test_a_second_school_year_is_a_second_enrollment(tmp_path: Path) -> None:
    rows = [*attendance_rows(), [PUPILS[0], "school0", "2026-09-01", "P"]]
    data = read(tmp_path, mapping(), rows)
    assert data.enrollments.filter(pl.col("student_id") == PUPILS[0]).select("school_year", "exit_date").rows() == [
        (2026, date(2026, 8, 31)),
        (2027, None),
    ]
    assert data.rejections.height == 0


def test_one_date_mistyped_into_another_year_closes_no_enrollment_before_that_year(tmp_path: Path) -> None:
    rows = attendance_rows()
    rows[7][2] = "2062-09-03"
    data = read(tmp_path, mapping(), rows)
    exits = data.enrollments.filter(pl.col("school_year") == 2026)["exit_date"]
    assert exits.unique().to_list() == [date(2062, 9, 2)]
    assert compute_indicators(data, date(2025, 9, 6))["is_enrolled"].all()  # a Saturday


def test_rows_after_a_night_do_not_tell_it_who_will_move(tmp_path: Path) -> None:
    rows = [row for row in attendance_rows() if row[0] != PUPILS[0] or row[2] <= DAYS[1]]
    before, moved = read(tmp_path, mapping(), rows), [PUPILS[0], "school1", DAYS[4], "A"]
    next_year = [PUPILS[1], "school1", "2026-09-01", "P"]
    after = read(tmp_path, mapping(), [*rows, moved, next_year])
    as_of = date.fromisoformat(DAYS[3])
    assert_frame_equal(compute_indicators(after, as_of), compute_indicators(before, as_of))
    assert after.enrollments.filter(pl.col("student_id") == PUPILS[0])["exit_date"].to_list() == [
        date.fromisoformat(DAYS[3]),
        date(2026, 8, 31),
    ]


@pytest.mark.parametrize(("starts", "year"), [("07-01", 2026), ("09-02", 2025), ("09-01", 2026)])
def test_the_school_year_is_computed_from_the_day(tmp_path: Path, starts: str, year: int) -> None:
    data = read(tmp_path, {**mapping(), "school_year_starts": starts})
    assert data.calendar_days.sort("date")["school_year"][0] == year


@pytest.mark.parametrize(
    ("formats", "written"),
    [
        (["%m/%d/%Y"], "9/1/2025"),
        (["%d.%m.%Y"], "01.09.2025"),
        (["%Y%m%d"], "20250901"),
        (["%Y-%m-%d", "%m/%d/%Y"], "09/01/2025"),
        (["%Y-%m-%d %H:%M:%S"], "2025-09-01 00:00:00"),
        (["%d-%b-%Y"], "01-Sep-2025"),
    ],
)
def test_date_formats(tmp_path: Path, formats: list[str], written: str) -> None:
    rows = [[pupil, "school0", written, "P"] for pupil in PUPILS]
    data = read(tmp_path, mapping(date_formats=formats), rows)
    assert data.calendar_days["date"].to_list() == [date(2025, 9, 1)]


@pytest.mark.parametrize("written", ["2025-09-01", "13/1/2025", "9/1/25", "soon"])
def test_a_date_in_no_declared_format_is_a_rejection(tmp_path: Path, written: str) -> None:
    rows = [[pupil, school, "9/1/2025", code] for pupil, school, _, code in attendance_rows()[::5]]
    rows[3][2] = written
    data = read(tmp_path, mapping(date_formats=["%m/%d/%Y"]), rows, tolerance=0.5)
    assert rules_broken(data, "attendance_events") == [("unreadable_date", 5, "date")]


def test_a_declared_encoding_and_delimiter(tmp_path: Path) -> None:
    write_source(tmp_path / "s", [])
    text = "Pupil;School;Day;Code\n" + "".join(f"{';'.join(row)}\n" for row in attendance_rows())
    (tmp_path / "s" / "attendance.csv").write_bytes(text.replace("school", "schül").encode("cp850"))
    content = mapping(encoding="cp850", delimiter=";")
    data = read_school_data(tmp_path / "s", format=str(write_toml(tmp_path / "m.toml", content)))
    assert data.schools["school_id"].to_list() == ["schül0", "schül1"]
    with pytest.raises(ReadError, match=r"attendance\.csv: the file is not utf-8"):
        read_school_data(
            tmp_path / "s", format=str(write_toml(tmp_path / "m.toml", mapping(encoding="utf-8", delimiter=";")))
        )


def test_several_rows_of_a_day_become_one_by_the_declared_rule(tmp_path: Path) -> None:
    day = "2025-09-01"
    periods = [*"PPAE", "T"]
    rows = [*attendance_rows()[5:], *([PUPILS[0], "school0", day, code] for code in periods)]
    data = read(tmp_path, mapping(merge="day"), rows)
    event = data.attendance_events.row(0, named=True)
    assert (event["status"], event["fraction_absent"]) == ("unexcused", 0.4)
    assert data.rows_reduced == {"attendance_events": 4 + 35}
    assert "attendance_events: 4 further rows of the same student and day were merged into one" in data.coverage.notes
    assert accounted(data)["attendance_events"] == (40, 40)


def test_merging_leaves_rows_that_cannot_be_read_to_be_rejected_one_by_one(tmp_path: Path) -> None:
    rows = [*attendance_rows(), [PUPILS[0], "school0", "soon", "A"], [PUPILS[0], "school0", "", "A"]]
    data = read(tmp_path, mapping(merge="day"), rows, tolerance=0.5)
    assert [(rule, row) for rule, row, _ in rules_broken(data, "attendance_events")] == [
        ("unreadable_date", 42),
        ("missing", 43),
    ]


def test_unmerged_rows_of_one_day_are_rejected_not_guessed(tmp_path: Path) -> None:
    rows = [*attendance_rows(), [PUPILS[0], "school0", "2025-09-01", "A"]]
    data = read(tmp_path, mapping(), rows, tolerance=0.5)
    assert [rule for rule, _, _ in rules_broken(data, "attendance_events")] == ["primary_key", "primary_key"]


def test_an_unmapped_code_stops_with_the_codes_and_their_counts(tmp_path: Path) -> None:
    rows = absent((0, 0), (1, 1), (2, 2), code="X")
    rows[20][3] = "LATE"
    with pytest.raises(UnmappedCodesError) as caught:
        read(tmp_path, mapping(), rows)
    assert "attendance_events.status: X (3 rows), LATE (1 row)" in str(caught.value)
    assert caught.value.details["codes"] == {
        "attendance_events.status": {"X": 3, "LATE": 1},
        "attendance_events.fraction_absent": {"X": 3, "LATE": 1},
    }
    assert caught.value.exit_code == 3


def test_a_wrong_column_mapped_as_codes_does_not_print_students(tmp_path: Path) -> None:
    content = mapping()
    content["tables"]["attendance_events"]["columns"]["status"] = "Pupil"
    with pytest.raises(UnmappedCodesError, match="8 values that may be personal and are not shown") as caught:
        read(tmp_path, content)
    assert leaks(caught.value) == leaks(caught.value.details) == []


def test_a_name_among_the_codes_is_counted_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(UnmappedCodesError, match=r"1 value that may be personal and is not shown \(1 row\)") as caught:
        read(tmp_path, mapping(), absent((0, 0), code="MARKERNAME DOE"))
    assert leaks(caught.value) == leaks(caught.value.details) == []


def test_a_phrase_that_many_students_share_is_a_code_and_is_shown(tmp_path: Path) -> None:
    rows = absent(*((pupil, 0) for pupil in range(5)), code="Absent (ill)")
    with pytest.raises(UnmappedCodesError, match=r"Absent \(ill\) \(5 rows\)"):
        read(tmp_path, mapping(), rows)


def test_a_column_of_very_many_codes_is_no_vocabulary(tmp_path: Path) -> None:
    rows = [[pupil, "school0", f"2025-09-{day:02d}", "P"] for pupil in PUPILS for day in range(1, 29)]
    for at in range(MAX_DISTINCT + 1):
        rows[at][3] = f"Z{at}"
    with pytest.raises(UnmappedCodesError, match="31 values that may be personal") as caught:
        read(tmp_path, mapping(), rows)
    assert "Z1" not in str(caught.value)


def test_an_empty_code_is_missing_and_a_default_fills_it(tmp_path: Path) -> None:
    rows = absent((0, 0), code="")
    data = read(tmp_path, mapping(), rows, tolerance=0.5)
    assert {rule for rule, _, _ in rules_broken(data, "attendance_events")} == {"missing"}
    filled = read(tmp_path, mapping(defaults={"status": "unexcused", "fraction_absent": 1}), rows)
    assert filled.attendance_events["status"].to_list() == ["unexcused"]


def with_grades(**grades: Any) -> dict[str, Any]:
    """The mapping with marks in a second file."""
    content = mapping()
    content["tables"]["course_grades"] = {
        "files": ["marks.csv"],
        "columns": {"student_id": "Who", "course_id": "Course", "percent": "Mark", "credits_attempted": "Units"},
        "constants": {"term": "S1", "subject": "other", "is_core": False, "is_final": True, "school_year": 2026},
        "factors": {"credits_attempted": 0.1},
        "school_from_enrollments": True,
        **grades,
    }
    return content


def write_marks(tmp_path: Path, owners: list[str]) -> None:
    (tmp_path / "source").mkdir(exist_ok=True)
    lines = ["Who,Course,Mark,Units", *(f"{who},algebra,71,5" for who in owners)]
    (tmp_path / "source" / "marks.csv").write_text("\n".join(lines), encoding="utf-8")


def test_constants_factors_and_the_school_of_the_latest_enrollment(tmp_path: Path) -> None:
    write_marks(tmp_path, PUPILS)
    rows = attendance_rows()
    rows[3][1] = rows[4][1] = "school1"
    grades = read(tmp_path, with_grades(), rows).course_grades
    assert grades.select("school_id", "credits_attempted", "percent", "is_core").row(0) == ("school1", 0.5, 71.0, False)
    assert grades.height == 8


def test_orphan_marks_leave_an_optional_table_out_whole(tmp_path: Path) -> None:
    write_marks(tmp_path, ["stranger1", "stranger2", PUPILS[0]])
    data = read(tmp_path, with_grades())
    assert data.course_grades.height == 0
    assert data.coverage.coursework.level is CoverageLevel.NONE
    assert "2 of 3 rows break a rule" in (data.coverage.coursework.reason or "")
    assert rules_broken(data, "course_grades") == [
        ("student_known", 2, "student_id"),
        ("student_known", 3, "student_id"),
    ]


def test_a_tolerance_a_table(tmp_path: Path) -> None:
    write_marks(tmp_path, ["stranger1", "stranger2", PUPILS[0]])
    data = read(tmp_path, {**with_grades(), "tolerance": {"default": 0.01, "course_grades": 0.7}})
    assert data.course_grades.height == 1
    strict = read(tmp_path, {**with_grades(), "tolerance": {"course_grades": 0.7}}, tolerance=0.1)
    assert strict.course_grades.height == 0


NIGHT = date(2025, 9, 5)
NEXT_WEEK = [[pupil, f"school{at % 2}", "2025-09-09", "P"] for at, pupil in enumerate(PUPILS)]


@pytest.mark.parametrize("code", ["", "X"])
def test_rows_after_the_night_leave_no_table_out(tmp_path: Path, code: str) -> None:
    wrong = [[*row[:3], code] for row in NEXT_WEEK]
    data = read(tmp_path, mapping(), [*attendance_rows(), *wrong], as_of=NIGHT)
    assert (data.coverage.attendance.level, data.coverage.attendance.reason) == (CoverageLevel.FULL, None)
    assert accounted(data)["attendance_events"] == (48, 48)


def test_rows_after_the_night_bring_no_table_back(tmp_path: Path) -> None:
    rows = [*attendance_rows(), *([*row[:3], ""] for row in attendance_rows()[:3])]
    tonight = read(tmp_path, mapping(merge="day"), rows, as_of=NIGHT)
    assert tonight.coverage.attendance.level is CoverageLevel.NONE
    later = read(tmp_path, mapping(merge="day"), [*rows, *NEXT_WEEK * 9], as_of=NIGHT)
    assert later.coverage.attendance == tonight.coverage.attendance
    assert later.rows_read["attendance_events"] == 43 + 72
    every = read(tmp_path, mapping(merge="day"), [*rows, *NEXT_WEEK * 9])
    assert every.coverage.attendance.level is CoverageLevel.FULL


def test_marks_of_strangers_after_the_night_leave_no_table_out(tmp_path: Path) -> None:
    content = with_grades()
    content["tables"]["course_grades"]["columns"]["graded_on"] = "Day"
    marks = [(pupil, "2025-09-04") for pupil in PUPILS] + [(f"stranger{at}", "2025-09-08") for at in range(3)]
    (tmp_path / "source").mkdir()
    lines = ["Who,Course,Mark,Units,Day", *(f"{who},algebra,71,5,{day}" for who, day in marks)]
    (tmp_path / "source" / "marks.csv").write_text("\n".join(lines), encoding="utf-8")
    assert read(tmp_path, content).course_grades.is_empty()
    data = read(tmp_path, content, as_of=NIGHT)
    assert data.course_grades.height == 8
    assert accounted(data)["course_grades"] == (11, 11)


def test_past_the_tolerance_a_required_table_stops_the_night(tmp_path: Path) -> None:
    content = mapping()
    content["derive"]["tables"].remove("students")
    content["tables"]["students"] = {"files": ["pupils.csv"], "columns": {"student_id": "Id", "birth_date": "Born"}}
    (tmp_path / "source").mkdir()
    born = "".join(f"{pupil},31.12.2012\n" for pupil in PUPILS)
    (tmp_path / "source" / "pupils.csv").write_text("Id,Born\n" + born, encoding="utf-8")
    with pytest.raises(ToleranceError, match="students: no cell of column birth_date can be read"):
        read(tmp_path, content)


def test_a_school_year_from_a_mapped_date(tmp_path: Path) -> None:
    content = with_grades(school_year_from="graded_on")
    grades = content["tables"]["course_grades"]
    del grades["constants"]["school_year"]
    grades["columns"] = {"student_id": "Who", "course_id": "Course", "graded_on": "On"}
    del grades["factors"]
    (tmp_path / "source").mkdir()
    lines = ["Who,Course,On", *(f"{who},algebra,2025-09-04" for who in PUPILS)]
    (tmp_path / "source" / "marks.csv").write_text("\n".join(lines), encoding="utf-8")
    assert read(tmp_path, content).course_grades["school_year"].unique().to_list() == [2026]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(ReadError, match=r"attendance_events: no file of the source is named nowhere\.csv"):
        read(tmp_path, mapping(files=["nowhere.csv"]))


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    content = mapping()
    content["tables"]["attendance_events"]["columns"]["date"] = "Datum"
    with pytest.raises(SchemaError, match="1 column that the mapping names is not in the files: Datum"):
        read(tmp_path, content)


def test_several_files_of_one_table(tmp_path: Path) -> None:
    write_source(tmp_path / "source", attendance_rows()[:20])
    (tmp_path / "source" / "attendance.csv").rename(tmp_path / "source" / "att1.csv")
    data = read(tmp_path, mapping(), attendance_rows()[20:])
    assert data.students.height == 8
    assert sorted(file.name for file in data.files) == ["att1.csv", "attendance.csv"]


def test_what_the_mapping_says_of_the_source_stands_in_the_coverage(tmp_path: Path) -> None:
    content = {**mapping(), "notes": ["Saturdays are not reported."], "partial": {"attendance": "mornings only"}}
    coverage = read(tmp_path, content).coverage
    assert coverage.notes[0] == "Saturdays are not reported."
    assert (coverage.attendance.level, coverage.attendance.reason) == (CoverageLevel.PARTIAL, "mornings only")


def test_typed_parquet_columns_are_mapped_like_text(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    frame = pl.DataFrame(attendance_rows(), schema=["Pupil", "School", "Day", "Code"], orient="row")
    typed = frame.with_columns(pl.col("Day").str.to_datetime("%Y-%m-%d"), pl.col("Code").cast(pl.Categorical))
    typed.write_parquet(tmp_path / "source" / "att.parquet")
    content = mapping(files=["att.parquet"])
    assert read(tmp_path, content).calendar_days.height == 10


def test_summaries_of_years_come_through_a_mapping(tmp_path: Path) -> None:
    write_source(tmp_path / "source", attendance_rows())
    history = "Pupil;Year;Lost\nMARKERID1;2025;7.5\n"
    (tmp_path / "source" / "history.csv").write_text(history, encoding="utf-8")
    summaries = {
        "files": ["history.csv"],
        "delimiter": ";",
        "columns": {"student_id": "Pupil", "school_year": "Year", "days_absent": "Lost"},
        "constants": {"days_enrolled": 180},
    }
    given = mapping()
    given["tables"]["student_years"] = summaries
    data = read_school_data(tmp_path / "source", format=str(write_toml(tmp_path / "map.toml", given)))
    row = data.student_years.row(0, named=True)
    assert (row["school_year"], row["days_enrolled"], row["days_absent"]) == (2025, 180, 7.5)


def test_marks_with_headings_alone_are_no_coursework(tmp_path: Path) -> None:
    """As of the plain format: a failed export of marks is not a district in which nobody has one."""
    write_source(tmp_path / "source", attendance_rows())
    (tmp_path / "source" / "marks.csv").write_text("Pupil,Course,Term,Final\n", encoding="utf-8")
    marks = {
        "files": ["marks.csv"],
        "columns": {"student_id": "Pupil", "course_id": "Course", "term": "Term", "is_final": "Final"},
        "constants": {"school_year": 2026, "subject": "other", "is_core": False},
        "school_from_enrollments": True,
    }
    given = mapping()
    given["tables"]["course_grades"] = marks
    data = read_school_data(tmp_path / "source", format=str(write_toml(tmp_path / "m.toml", given)))
    assert data.coverage.coursework.level is CoverageLevel.NONE
    assert data.coverage.coursework.reason == "course_grades has a header and no rows"
