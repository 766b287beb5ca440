"""CEDARS files become school data: headings, derived calendars, part days, exclusions; every row accounted for."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cis_ews import compute_indicators
from cis_ews.enums import CoverageLevel
from cis_ews.errors import DataError, ReadError, SchemaError, UnmappedCodesError
from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import TABLES, SchoolData
from tests.lib.builders import absence, action, enrollment, frames, grade, incident, student, weekdays
from tests.lib.cedars import COMMA, DISTRICT, TAB, Vendor, carried, cedars_of, clean_district, write_cedars
from tests.lib.dirt import accounted, leaks, rules_broken, zip_of
from tests.lib.extracts import small_district, write_extract
from tests.lib.spoilers import told

BESIDE = ("calendar_days", "reporting")
CHOICES = 'config_version = 1\nreader = "cedars"\n'


def read(folder: Path, choices: str = "", *, as_of: date | None = None, tolerance: float | None = None) -> SchoolData:
    """The files of a folder, with these choices beside it."""
    toml = folder.parent / f"{folder.name}.toml"
    toml.write_text(CHOICES + choices, encoding="utf-8")
    return read_school_data(folder, format=str(toml), as_of=as_of, tolerance=tolerance)


def notes(data: SchoolData, start: str) -> list[str]:
    return [note for note in data.coverage.notes if note.startswith(start)]


def all_accounted(data: SchoolData) -> bool:
    return all(read == kept for read, kept in accounted(data).values())


def changed(frame: pl.DataFrame, row: int, **cells: object) -> pl.DataFrame:
    """The frame with cells of one row changed; a name stands for a heading with its spaces as underscores."""
    at = pl.int_range(pl.len()) == row
    named = {name.replace("_", " "): value for name, value in cells.items()}
    return frame.with_columns(
        pl.when(at).then(pl.lit(value)).otherwise(pl.col(name).cast(pl.String)).alias(name)
        for name, value in named.items()
    )


def older_district() -> dict[str, pl.DataFrame]:
    """One school, two school years: one student in grades 8 and 9, one of grade 10 with marks of both years."""
    ids, years = ("ann", "bob"), ((2025, "2024-09-04", "2025-06-13"), (2026, "2025-09-03", "2026-06-12"))
    levels = {("ann", 2025): "8", ("ann", 2026): "9", ("bob", 2025): "9", ("bob", 2026): "10"}
    return frames(
        calendar=[
            row for year, first, last in years for row in weekdays(first, last, school_year=year, terms={"S1": last})
        ],
        students=[student(each, first=each.title(), last="Family", born="2010-03-01") for each in ids],
        enrollments=[
            enrollment(
                each,
                entry=first,
                school_year=year,
                grade=levels[each, year],
                exit=last if year == 2025 else None,
                exit_type="other" if year == 2025 else None,
            )
            for each in ids
            for year, first, last in years
        ],
        attendance=[absence("ann", "2024-10-01"), absence("ann", "2025-10-01", fraction=0.4, status="excused")],
        incidents=[incident("bob", "2025-10-06", severity="major", behavior="12")],
        actions=[
            action("bob", "2025-10-06", days=2),
            action("bob", "2025-10-08", incident_id="bob-2025-10-06", kind="in_school_suspension", days=None),
        ],
        grades=[
            grade("bob", "algebra", "S1", school_year=year, subject="math", mark=mark, credits=(0.5, 0.5))
            for year, mark in ((2025, "C"), (2026, "B"))
        ],
        reporting=[],
    )


WITHDRAWALS = '[withdrawals]\nT1 = "transfer"\nG1 = "graduated"\nD1 = "dropped_out"\nO1 = "other"\n'


@pytest.mark.parametrize("vendor", [TAB, COMMA], ids=["tab", "comma"])
@pytest.mark.parametrize(
    "tables", [small_district(), clean_district(), older_district()], ids=["small", "clean", "older"]
)
def test_a_district_is_the_same_through_its_files(
    tmp_path: Path, tables: dict[str, pl.DataFrame], vendor: Vendor
) -> None:
    plain = read_school_data(write_extract(tmp_path / "plain", tables))
    beside = {table: tables[table] for table in BESIDE}
    ours = read(write_cedars(tmp_path / "cedars", cedars_of(tables), vendor=vendor, beside=beside), WITHDRAWALS)
    for table, expected in carried(plain).items():
        assert_frame_equal(ours.table(table).select(expected.columns), expected)
    assert set(ours.incidents["severity"]) == {"major"}
    assert set(ours.schools["district_id"]) == {DISTRICT}
    assert ours.rejections.is_empty()
    assert all_accounted(ours)


def test_what_cedars_cannot_say_stands_in_the_coverage(tmp_path: Path) -> None:
    coverage = read(write_cedars(tmp_path / "cedars", cedars_of(older_district()))).coverage
    assert {each.level for each in (coverage.attendance, coverage.behavior, coverage.coursework)} == {
        CoverageLevel.PARTIAL
    }
    assert "office referrals" in str(coverage.behavior.reason)
    assert "grades K-8" in str(coverage.coursework.reason)
    assert "calendar is derived" in str(coverage.attendance.reason)
    assert "length of partial absences" in str(coverage.attendance.reason)
    assert not coverage.reporting_known


def test_with_a_calendar_and_whole_days_attendance_is_fully_covered(tmp_path: Path) -> None:
    tables = small_district()
    folder = write_cedars(tmp_path / "cedars", cedars_of(tables), beside={"calendar_days": tables["calendar_days"]})
    data = read(folder)
    assert data.coverage.attendance.level is CoverageLevel.FULL
    assert not notes(data, "calendar_days: derived")


def test_a_derived_calendar_has_weekdays_between_the_days_of_a_without_holidays(tmp_path: Path) -> None:
    folder = write_cedars(tmp_path / "cedars", cedars_of(small_district()))
    days = read(folder, "holidays = [2025-11-27, 2025-11-28]\n").calendar_days.filter(pl.col("school_id") == "north")
    taught = days.filter("is_instructional")["date"]
    assert (taught[0], taught[-1]) == (date(2025, 9, 3), date(2026, 6, 12))
    assert set(taught.dt.weekday()) == {1, 2, 3, 4, 5}
    assert not taught.is_in([date(2025, 11, 27), date(2025, 11, 28)]).any()


def test_a_zip_is_the_same_as_its_folder(tmp_path: Path) -> None:
    folder = write_cedars(tmp_path / "cedars", cedars_of(small_district()))
    packed = zip_of(tmp_path / "cedars.zip", {path.name: path.read_bytes() for path in folder.iterdir()})
    one, two = (read_school_data(each, format="cedars") for each in (folder, packed))
    assert all(one.table(table).equals(two.table(table)) for table in one.rows_read)


def test_the_state_id_may_be_chosen(tmp_path: Path) -> None:
    data = read(write_cedars(tmp_path / "cedars", cedars_of(older_district())), 'student_id = "ssid"\n')
    assert set(data.students["student_id"]) == {"9-ann", "9-bob"}
    assert (data.attendance_events.height, data.course_grades.height) == (2, 2)


def test_files_without_a_telling_name_are_known_by_their_headings(tmp_path: Path) -> None:
    folder = write_cedars(tmp_path / "cedars", cedars_of(older_district()), vendor=COMMA)
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"export {number}.TXT")
    data = read(folder)
    assert (data.students.height, data.incidents.height, data.course_grades.height) == (2, 1, 2)
    assert len([note for note in data.coverage.notes if "by its headings" in note]) == 8


def test_files_of_several_years_are_read_as_one(tmp_path: Path) -> None:
    files = cedars_of(older_district())
    whole = read(write_cedars(tmp_path / "whole", files))
    for year in (2025, 2026):
        of_year = {letter: frame.filter(pl.col("School Year") == year) for letter, frame in files.items()}
        write_cedars(tmp_path / "years" / str(year), of_year, vendor=TAB if year == 2025 else COMMA)
    both = read(tmp_path / "years")
    for table in whole.rows_read:
        assert_frame_equal(both.table(table), whole.table(table))
    assert all_accounted(both)


def test_names_of_files_may_be_given(tmp_path: Path) -> None:
    folder = write_cedars(tmp_path / "cedars", cedars_of(older_district()))
    (folder / "N.txt").rename(folder / "daily attendance.txt")
    (folder / "daily attendance.txt").write_text(
        (folder / "daily attendance.txt").read_text(encoding="utf-8").replace("Element N", "Column "), encoding="utf-8"
    )
    assert "1 file of no known CEDARS file passed over" in read(folder).coverage.notes
    choices = '[files]\nN = ["*attendance*"]\n[headings.N]\n'
    columns = ("student", "03 - District Student ID"), ("location", "05 - Location ID"), ("date", "06 - Absence Date")
    choices += "".join(f'{column} = ["Column {name}"]\n' for column, name in (*columns, ("code", "07 - Absence Code")))
    assert read(folder, choices).attendance_events.height == 2


def test_headings_may_be_a_number_alone_or_named_in_the_configuration(tmp_path: Path) -> None:
    folder = write_cedars(tmp_path / "cedars", cedars_of(older_district()), vendor=COMMA)
    absences = folder / "StudentAbsence.csv"
    text = absences.read_text(encoding="utf-8").replace("AbsenceDate", "N06").replace("AbsenceCode", "Kind")
    absences.write_text(text.replace("\n", ",x\n").replace("Kind,x", "Kind,Comment"), encoding="utf-8")
    with pytest.raises(SchemaError, match=r"1 column of file N missing: Absence Code \(N07\)"):
        read(folder)
    data = read(folder, '[headings.N]\ncode = ["kind"]\n')
    assert data.attendance_events.height == 2
    assert "StudentAbsence.csv: 1 column unknown here and kept aside" in data.coverage.notes


def test_a_folder_without_the_needed_files_is_told_which(tmp_path: Path) -> None:
    (tmp_path / "N.txt").write_text("x\n", encoding="utf-8")
    with pytest.raises(
        ReadError, match=r"3 CEDARS files missing: A \(Location\), B \(District Student\), C \(School St"
    ):
        read_school_data(tmp_path, format="cedars")


def test_a_header_that_is_missing_is_not_repeated(tmp_path: Path) -> None:
    folder = write_cedars(tmp_path / "cedars", cedars_of(clean_district()))
    lines = (folder / "B.txt").read_text(encoding="utf-8").splitlines()
    (folder / "B.txt").write_text("\n".join(lines[1:]), encoding="utf-8")
    with pytest.raises(SchemaError, match="columns of file B missing: School Year") as caught:
        read_school_data(folder, format="cedars")
    assert leaks(told(caught.value)) == []


def absences(tmp_path: Path, *codes: str, choices: str = "") -> SchoolData:
    """A district whose only absences are these, of one student and day."""
    files = cedars_of(older_district())
    files["N"] = pl.concat([files["N"].head(1)] * len(codes)).with_columns(pl.Series("Absence Code", codes))
    return read(write_cedars(tmp_path / "cedars", files), choices)


@pytest.mark.parametrize(
    ("codes", "status", "fraction"),
    [
        (("UF",), "unexcused", 1.0),
        (("ef",), "excused", 1.0),
        (("UP",), "unexcused", 0.25),
        (("EP",), "excused", 0.25),
        (("EP", "UP"), "unexcused", 0.25),
        (("UP", "EF"), "excused", 1.0),
        (("EF", "UF"), "unexcused", 1.0),
    ],
)
def test_one_absence_a_day_full_before_partial_then_unexcused_before_excused(
    tmp_path: Path, codes: tuple[str, ...], status: str, fraction: float
) -> None:
    data = absences(tmp_path, *codes)
    assert data.attendance_events.select("status", "fraction_absent").rows() == [(status, fraction)]
    assert data.rows_reduced.get("attendance_events", 0) == len(codes) - 1
    assert all_accounted(data)


def test_the_part_of_a_partial_absence_may_be_chosen_below_half_a_day(tmp_path: Path) -> None:
    assert absences(tmp_path, "UP", choices="partial_day = 0.4\n").attendance_events["fraction_absent"].item() == 0.4


def test_codes_that_are_not_known_stop_with_their_list(tmp_path: Path) -> None:
    files = cedars_of(clean_district())
    files["N"] = changed(files["N"], 0, Absence_Code="XX")
    files["R"] = changed(files["R"], 0, Action_Applied="ZZ")
    with pytest.raises(UnmappedCodesError) as caught:
        read(write_cedars(tmp_path / "cedars", files))
    assert "N (Absence).code: XX (1 row)" in str(caught.value)
    assert "R (Exclusionary Discipline).action: ZZ (1 row)" in str(caught.value)
    data = read(tmp_path / "cedars", '[full_absences]\nXX = "excused"\n[actions]\nZZ = "none"\n')
    assert (data.attendance_events.height, data.discipline_actions.height) == (40, 39)
    assert data.rows_reduced["discipline_actions"] == 1
    assert data.incidents.height == 40


def test_other_behaviors_are_kept_and_further_actions_are_no_incident(tmp_path: Path) -> None:
    files = cedars_of(older_district())
    files["R"] = files["R"].with_columns(pl.lit("7, 9").alias("Other Behaviors"))
    data = read(write_cedars(tmp_path / "cedars", files))
    assert data.incidents["behavior"].to_list() == ["12, 7, 9"]
    assert data.rows_reduced["incidents"] == 1
    assert data.discipline_actions["days"].to_list() == [None, 2.0]


def test_location_9999_is_no_school(tmp_path: Path) -> None:
    files = cedars_of(older_district())
    extra = changed(files["C"].tail(1), 0, Location_ID="9999")
    stranger = files["B"].tail(1).with_columns(pl.lit("cat").alias("District Student ID"))
    files["B"] = pl.concat([files["B"], stranger])
    elsewhere = extra.with_columns(pl.lit("cat").alias("District Student Code"))
    files["C"] = pl.concat([files["C"], extra, elsewhere])
    data = read(write_cedars(tmp_path / "cedars", files))
    assert data.rows_reduced["enrollments"] == 2
    assert (data.schools["school_id"].to_list(), data.students.height) == (["north"], 2)
    assert data.rejections.is_empty()
    assert all_accounted(data)


def test_an_absence_after_leaving_is_rejected_with_its_place(tmp_path: Path) -> None:
    tables = clean_district()
    gone = pl.col("student_id") == "MARKERID003"
    left = pl.when(gone).then(date(2025, 9, 4)).otherwise("exit_date").alias("exit_date")
    tables = tables | {"enrollments": tables["enrollments"].with_columns(left)}
    data = read(write_cedars(tmp_path / "cedars", cedars_of(tables)))
    assert rules_broken(data, "attendance_events") == [("inside_enrollment", 5, "student_id, school_id, date")]
    assert data.rejections["file"].to_list()[0] == "N.txt"
    assert leaks(told(data)) == []


@pytest.mark.parametrize(
    ("letter", "cells", "table", "rule", "column"),
    [
        ("A", {"Last_School_End_Date": "soon"}, "calendar_days", "unreadable_date", "ends"),
        ("A", {"Last_School_End_Date": "2029-06-12"}, "calendar_days", "out_of_range", "starts, ends"),
        ("C", {"Date_Enrolled_in_School": "13/13/2025"}, "enrollments", "unreadable_date", "entry_date"),
        ("C", {"School_Year": "this"}, "enrollments", "unreadable_number", "school_year"),
        ("H", {"District_Student_ID": "MARKERID999"}, "course_grades", "student_known", "student_id"),
        ("H", {"Credits_Attempted": "half"}, "course_grades", "unreadable_number", "credits_attempted"),
        ("N", {"Absence_Date": "9/6/2025"}, "attendance_events", "instructional_day", "school_id, date"),
        ("N", {"Absence_Code": None}, "attendance_events", "missing", "status"),
        ("R", {"Incident_Date": "yesterday"}, "incidents", "unreadable_date", "date"),
        ("R", {"Number_of_Days": "999"}, "discipline_actions", "out_of_range", "days"),
    ],
)
def test_a_row_that_cannot_be_used_is_rejected_with_its_place(
    tmp_path: Path, letter: str, cells: dict[str, str | None], table: str, rule: str, column: str
) -> None:
    files = cedars_of(clean_district())
    files[letter] = changed(_as_text(files[letter]), 0, **cells)
    folder = write_cedars(tmp_path / "cedars", files, vendor=COMMA)
    data = read_school_data(folder, format="cedars", tolerance=1.0)
    assert (rule, 2, column) in rules_broken(data, table)
    assert all_accounted(data)
    assert leaks(told(data)) == []


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.exclude("School Year").cast(pl.String))


def test_a_mark_of_an_earlier_grade_belongs_to_an_earlier_year_and_both_semesters_count(tmp_path: Path) -> None:
    files = cedars_of(older_district())
    marks = pl.concat([files["H"].head(1), files["H"].head(1), files["H"].tail(1)])
    files["H"] = marks.with_columns(pl.lit(None, dtype=pl.String).alias("Term"))
    grades = read(write_cedars(tmp_path / "cedars", files)).course_grades
    assert grades.select("school_year", "term", "mark").rows() == [(2025, "1", "C"), (2025, "2", "C"), (2026, "1", "B")]
    assert set(grades["subject"]) == {"math"}


def test_marks_of_one_course_and_term_that_differ_are_two_and_the_same_mark_twice_is_one(tmp_path: Path) -> None:
    files = cedars_of(older_district())
    files["H"] = pl.concat(
        [files["H"], changed(files["H"].tail(1), 0, Letter_Grade="F"), files["H"].head(1)], how="vertical_relaxed"
    )
    data = read(write_cedars(tmp_path / "cedars", files), "", tolerance=0.5)
    assert data.course_grades.select("school_year", "term", "mark").rows() == [
        (2025, "S1", "C"),
        (2026, "S1", "B"),
        (2026, "S1 (2)", "F"),
    ]
    assert rules_broken(data, "course_grades") == [("duplicate_row", 5, None)]


@pytest.mark.parametrize("style", ["2025-26", "20252026", "2026", "2025", "2025/2026"])
def test_school_years_in_other_forms_are_understood(tmp_path: Path, style: str) -> None:
    files = cedars_of(small_district())
    for letter, name in (("A", "Location"), ("B", "DistrictStudent"), ("C", "SchoolStudent")):
        folder = write_cedars(tmp_path / "cedars", {letter: files[letter]}, vendor=COMMA)
        path = folder / f"{name}.csv"
        path.write_text(path.read_text(encoding="utf-8").replace("\n2026,", f"\n{style},"), encoding="utf-8")
    write_cedars(folder, {"N": files["N"]}, vendor=COMMA)
    data = read(folder)
    assert (set(data.calendar_days["school_year"]), set(data.enrollments["school_year"])) == ({2026}, {2026})
    assert bool(notes(data, "school years are named by the calendar year in which they begin")) == (style == "2025")


def test_an_enrollment_that_goes_on_begins_with_its_school_year(tmp_path: Path) -> None:
    files = cedars_of(older_district())
    files["C"] = files["C"].with_columns(pl.lit(date(2020, 9, 1)).alias("Date Enrolled in School"))
    data = read(write_cedars(tmp_path / "cedars", files))
    assert set(data.enrollments["entry_date"]) == {date(2024, 9, 4), date(2025, 9, 3)}
    assert notes(data, "enrollments: 4 go on from an earlier school year")


def test_a_later_grade_level_is_not_known_before_its_day(tmp_path: Path) -> None:
    files = cedars_of(small_district())
    later = (
        files["B"]
        .head(1)
        .with_columns(pl.lit("10").alias("Grade Level"), pl.lit(date(2026, 2, 2)).alias("Date Enrolled in District"))
    )
    files["B"] = pl.concat([files["B"], later])
    folder = write_cedars(tmp_path / "cedars", files)
    for as_of, grade_level in ((date(2026, 2, 1), "9"), (date(2026, 2, 2), "10"), (None, "10")):
        assert read(folder, as_of=as_of).enrollments["grade_level"].to_list()[0] == grade_level


@pytest.mark.parametrize(("letter", "domain"), [("N", "attendance"), ("H", "coursework")])
def test_a_file_with_a_header_alone_is_left_out_and_said(tmp_path: Path, letter: str, domain: str) -> None:
    files = cedars_of(older_district())
    files[letter] = files[letter].clear()
    coverage = read(write_cedars(tmp_path / "cedars", files)).coverage
    assert getattr(coverage, domain).level is CoverageLevel.NONE
    assert "has a header and no rows" in getattr(coverage, domain).reason


def test_no_exclusion_is_a_good_month(tmp_path: Path) -> None:
    files = cedars_of(older_district())
    files["R"] = files["R"].clear()
    data = read(write_cedars(tmp_path / "cedars", files))
    assert (data.coverage.behavior.level, data.incidents.height) == (CoverageLevel.PARTIAL, 0)


def test_schools_have_the_level_of_their_grades(tmp_path: Path) -> None:
    places = {"elementary": ("K", "5"), "middle": ("6", "8"), "high": ("9", "12"), "other": ("K", "8")}
    spells = [
        enrollment(f"{school}-{level}", school, grade=level) for school, levels in places.items() for level in levels
    ]
    tables = frames(
        calendar=weekdays("2025-09-03", "2026-06-12"),
        enrollments=spells,
        attendance=[absence("high-9", "2025-09-05", "high")],
    )
    schools = read(write_cedars(tmp_path / "cedars", cedars_of(tables))).schools
    assert schools.filter(pl.col("school_id") != pl.col("level").cast(pl.String)).is_empty()


def test_ethnicity_comes_first_then_several_races_then_the_one(tmp_path: Path) -> None:
    folder = write_cedars(tmp_path / "cedars", cedars_of(small_district()))
    ethnic = "School Year,Serving CDC,District Student ID,SSID,Ethnicity\n,,s00,,H1\n,,s01,,00\n,,s02,,00\n"
    races = "District Student ID,Race Code\ns00,B1\ns01,a1\ns02,A1\ns02,B1\n,B1\n"
    (folder / "L.csv").write_text(ethnic, encoding="utf-8")
    (folder / "M.csv").write_text(races, encoding="utf-8")
    data = read(folder, '[ethnicities]\nH1 = "Hispanic or Latino"\n[races]\nA1 = "Asian"\n')
    assert data.demographics["race_ethnicity"].to_list() == ["Hispanic or Latino", "Asian", "Two or more races"]
    assert notes(data, "demographics: 2 ethnicity codes without a meaning")
    assert all_accounted(data)


def test_what_is_dated_after_a_day_changes_nothing_as_of_that_day(tmp_path: Path) -> None:
    as_of, files = date(2026, 1, 15), cedars_of(older_district())
    moved = (
        files["C"]
        .tail(1)
        .with_columns(pl.lit("south").alias("Location ID"), pl.lit(date(2026, 2, 2)).alias("Date Enrolled in School"))
    )
    days = {"N": "Absence Date", "R": "Incident Date", "C": "Date Enrolled in School", "B": "Date Enrolled in District"}
    files["C"] = pl.concat([files["C"], moved])
    files["N"] = pl.concat(
        [files["N"], files["N"].tail(1).with_columns(pl.lit(date(2026, 1, 16)).alias("Absence Date"))]
    )
    known = files | {letter: files[letter].filter(pl.col(day) <= as_of) for letter, day in days.items()}
    both = (write_cedars(tmp_path / name, each) for name, each in (("all", files), ("known", known)))
    every, then = (read(folder, as_of=as_of) for folder in both)
    assert all(every.table(table).equals(then.table(table)) for table in TABLES)
    assert_frame_equal(compute_indicators(every, as_of), compute_indicators(then, as_of))
    assert all_accounted(every)


def test_marks_of_a_year_that_is_not_over_are_not_known_yet(tmp_path: Path) -> None:
    folder = write_cedars(tmp_path / "cedars", cedars_of(older_district()))
    whole, then = read(folder), read(folder, as_of=date(2025, 12, 1))
    over = whole.course_grades.filter(pl.col("school_year") == 2025)
    assert 0 < over.height < whole.course_grades.height
    assert then.course_grades.equals(over)
    later = whole.course_grades.height - over.height
    assert notes(then, f"course_grades: {later} mark")[0].endswith("not known on 2025-12-01 yet; not used")
    before = read(folder, as_of=date(2025, 5, 1)).coverage.coursework
    assert (before.level, before.rows) == (CoverageLevel.NONE, 0)
    assert (before.reason or "").endswith("file H (Grade History) has no row that is known on 2025-05-01")


def test_an_incident_is_known_before_what_followed(tmp_path: Path) -> None:
    folder = write_cedars(tmp_path / "cedars", cedars_of(older_district()))
    then = read(folder, as_of=date(2025, 10, 7))
    assert (then.incidents.height, then.discipline_actions.height) == (1, 1)
    assert notes(then, "discipline_actions: 1 action is not known on 2025-10-07 yet; not used")
    assert all_accounted(then)


def test_where_all_enrollments_are_later_they_stay(tmp_path: Path) -> None:
    data = read(write_cedars(tmp_path / "cedars", cedars_of(older_district())), as_of=date(2024, 8, 1))
    assert data.enrollments.height == 4
    with pytest.raises(DataError, match="2024-08-01"):
        compute_indicators(data, date(2024, 8, 1))


def test_a_mark_of_the_year_reported_belongs_to_the_school_of_the_schedule(tmp_path: Path) -> None:
    files = cedars_of(older_district())
    other = "west"
    files["A"] = pl.concat([files["A"], files["A"].with_columns(pl.lit(other).alias("Location ID"))])
    (home,) = set(read(write_cedars(tmp_path / "home", files)).course_grades["school_id"])
    files["E"] = files["E"].with_columns(pl.lit(other).alias("Location ID"), pl.lit("x").alias("Room"))
    data = read(write_cedars(tmp_path / "away", files))
    now = pl.col("school_year") == pl.col("school_year").max()
    assert set(data.course_grades.filter(now)["school_id"]) == {other}
    assert set(data.course_grades.filter(~now)["school_id"]) == {home}
    assert notes(data, "course_grades: of E (Student Schedule) the school of a course is used")
    two = pl.concat([files["E"], files["E"].with_columns(pl.lit(home).alias("Location ID"))])
    assert set(read(write_cedars(tmp_path / "two", files | {"E": two})).course_grades["school_id"]) == {home}
