"""Several sources of one district: what each supplies, whose ids are whose, where they differ; every row accounted."""

from __future__ import annotations

import re
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cis_ews import compute_indicators
from cis_ews.enums import CoverageLevel
from cis_ews.errors import ConfigError, EwsError, ReadError, SchemaError
from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import SchoolData
from tests.lib.builders import enrollment, frame, student
from tests.lib.cedars import clean_district
from tests.lib.combined import CONFIG, ROSTER, config, write_combined
from tests.lib.dirt import accounted, leaks, rules_broken, write_plain
from tests.lib.edfi import package_of, write_package
from tests.lib.extracts import write_extract
from tests.lib.spoilers import told
from tests.lib.toml import write_toml

AS_OF = date(2026, 1, 15)
SAME = {
    "schools": ["school_id", "district_id", "name"],
    "calendar_days": ["school_id", "date", "is_instructional", "school_year", "term"],
    "students": ["student_id", "first_name", "last_name", "birth_date"],
    "enrollments": ["student_id", "school_id", "entry_date", "school_year", "grade_level", "exit_date"],
    "attendance_events": ["student_id", "school_id", "date", "status", "fraction_absent"],
    "incidents": ["student_id", "school_id", "date", "severity"],
    "discipline_actions": ["student_id", "action", "start_date", "days"],
    "course_grades": ["student_id", "school_id", "course_id", "school_year", "term", "subject", "is_core", "mark"],
    "reporting": ["school_id", "reported_through"],
}
"""What the five formats carry together of each table."""


def without_tardies() -> dict[str, pl.DataFrame]:
    """The district of `tests.lib.dirt`, in high school, with what CEDARS can say of attendance."""
    tables = clean_district()
    absences = tables["attendance_events"].filter(pl.col("status").cast(pl.String) != "tardy")
    return tables | {"attendance_events": absences}


def read(toml: Path, *, tolerance: float | None = None, as_of: date | None = None) -> SchoolData:
    return read_school_data(toml, format="combine", tolerance=tolerance, as_of=as_of)


def notes(data: SchoolData, start: str) -> list[str]:
    return [note for note in data.coverage.notes if note.startswith(start)]


def is_accounted(data: SchoolData) -> bool:
    return all(read == kept for read, kept in accounted(data).values())


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return write_combined(tmp_path, without_tardies())


@pytest.fixture
def plain(tmp_path: Path) -> SchoolData:
    return read_school_data(write_extract(tmp_path / "plain", without_tardies()))


def test_a_district_told_by_five_systems_comes_back_as_one(toml: Path, plain: SchoolData) -> None:
    data = read(toml)
    assert data.rejections.is_empty()
    assert is_accounted(data)
    for table, columns in SAME.items():
        assert_frame_equal(data.table(table).select(columns), plain.table(table).select(columns), check_row_order=False)
    indicators = [compute_indicators(each, AS_OF) for each in (data, plain)]
    one, two = (each.fill_nan(None) for each in indicators)
    differing = {name for name in two.columns if not one[name].equals(two[name])}
    # CEDARS records no tardies, and the writer of Ed-Fi tells severities for behaviors.
    assert differing == {"tardies_ytd", "distinct_behaviors_ytd"}


def test_what_each_source_supplies_and_how_far_is_said(toml: Path) -> None:
    coverage = read(toml).coverage
    assert coverage.notes[:5] == (
        "sis supplies schools, students, demographics, enrollments",
        "state supplies attendance_events",
        "conduct supplies incidents, discipline_actions",
        "marks supplies course_grades",
        "office supplies calendar_days, reporting",
    )
    assert coverage.attendance.missing_kinds == ("tardy",)
    assert coverage.behavior.missing_kinds == ()
    assert coverage.attendance.level is CoverageLevel.FULL
    assert coverage.reporting_known
    assert any(note.startswith("course_grades: the source names no school") for note in coverage.notes)


def test_the_files_of_every_source_and_the_tomls_are_inputs(toml: Path) -> None:
    names = {file.name for file in read(toml).files}
    assert {"config/all.toml", "config/cedars.toml", "config/marks.toml", "config/state/B.txt"} <= names
    assert {"sis/users.csv", "state/N.txt", "conduct/Student.xml", "marks/marks.csv", "office/reporting.csv"} <= names


def test_rejections_name_their_source(toml: Path) -> None:
    marks = toml.parent / "marks/marks.csv"
    lines = marks.read_text(encoding="utf-8").splitlines()
    marks.write_text("\n".join([*lines, lines[1].replace("2026", "MARKERNAME"), "torn"]) + "\n", encoding="utf-8")
    data = read(toml, tolerance=0.2)
    broken = data.rejections.select("table", "file", "row_number", "rule").rows()
    assert broken == [
        ("course_grades", "marks/marks.csv", 42, "unreadable_number"),
        ("course_grades", "marks/marks.csv", 43, "ragged_row"),
    ]
    assert leaks(told(data)) == []


def test_events_of_students_without_a_roster_are_rejected_and_the_students_counted(tmp_path: Path) -> None:
    tables = without_tardies()
    toml = write_combined(tmp_path, tables)
    others = tables["students"].with_columns(pl.col("student_id").str.replace("MARKERID000", "MARKERID900"))
    spells = tables["enrollments"].with_columns(pl.col("student_id").str.replace("MARKERID000", "MARKERID900"))
    write_combined(tmp_path / "other", tables | {"students": others, "enrollments": spells})
    shutil.rmtree(tmp_path / "sis")
    (tmp_path / "other/sis").rename(tmp_path / "sis")
    data = read(toml)
    (one,) = notes(data, "students: 1 of 40 in state ")
    assert one.endswith("are not among the students of sis, which count; 1 of 40 there are not in state")
    assert notes(data, "students: 1 of 40 in marks ")
    assert [rule for rule, _, _ in rules_broken(data, "attendance_events")] == ["student_known"]
    assert is_accounted(data)


def test_conflicts_are_counted_by_column_and_precedence_decides(tmp_path: Path) -> None:
    """Of the state: other birth dates, two other names, another school and two other grades; of a third the names."""
    tables = without_tardies()
    toml = write_combined(tmp_path, tables)
    at = pl.int_range(pl.len())
    grade = pl.when(at < 2).then(pl.lit("10")).otherwise(pl.col("grade_level").cast(pl.String))
    changed = tables | {
        "students": tables["students"].with_columns(
            pl.col("birth_date") + pl.duration(days=1),
            pl.when(at < 2).then(pl.lit("Other")).otherwise("first_name").alias("first_name"),
        ),
        "enrollments": tables["enrollments"].with_columns(
            pl.when(at == 5).then(pl.lit("south")).otherwise("school_id").alias("school_id"),
            grade.cast(tables["enrollments"].schema["grade_level"]).alias("grade_level"),
        ),
    }
    write_combined(tmp_path / "other", changed)
    shutil.rmtree(tmp_path / "state")
    (tmp_path / "other/state").rename(tmp_path / "state")
    data = read(toml)
    both = "are both in sis and in state; they differ in"
    assert notes(data, "students: 40 are both in sis and in state") == [
        f"students: 40 {both} first_name of 2, birth_date of 40; what sis says counts"
    ]
    assert notes(data, "enrollments: 40 are both in sis and in state") == [
        f"enrollments: 40 {both} school_id of 1, grade_level of 2; what sis says counts"
    ]
    assert notes(data, "students: 40 are both in sis and in conduct") == [
        "students: 40 are both in sis and in conduct; they agree"
    ]
    assert data.students["birth_date"].unique().to_list() == [date(2012, 5, 1)]
    assert leaks(data.coverage.to_dict()) == []


def test_of_demographics_too(tmp_path: Path) -> None:
    tables = without_tardies()
    roster = {"tables": list(ROSTER), "path": "other", "format": "folder"}
    toml = write_combined(tmp_path, tables, settings=config(other=roster))
    other = tables["demographics"].with_columns(
        pl.lit("Female").alias("gender"), pl.lit("White").alias("race_ethnicity")
    )
    write_plain(tmp_path / "other", {**tables, "demographics": other})
    assert notes(read(toml), "demographics: 40 are both in sis and in other") == [
        "demographics: 40 are both in sis and in other; they differ in race_ethnicity of 40; what sis says counts"
    ]


def test_precedence_decides_by_table(tmp_path: Path) -> None:
    settings = config(other={"path": "plain", "tables": ["schools", "attendance_events"]}) | {
        "precedence": {"attendance_events": ["other", "state"]}
    }
    tables = clean_district()
    toml = write_combined(tmp_path, tables, settings=settings)
    write_plain(tmp_path / "plain", tables)
    data = read(toml)
    assert "other supplies attendance_events" in data.coverage.notes
    assert "state supplies no table" in data.coverage.notes
    assert data.attendance_events.height == 80
    assert data.coverage.attendance.missing_kinds == ()
    assert data.schools["level"].null_count() == 2


def test_a_table_that_the_first_source_lacks_is_taken_from_the_next_and_said(tmp_path: Path) -> None:
    settings = config(spare={"path": "plain", "tables": ["attendance_events", "demographics"]})
    tables = without_tardies()
    toml = write_combined(tmp_path, tables, settings=settings)
    write_plain(tmp_path / "plain", tables)
    (tmp_path / "state/N.txt").unlink()
    (tmp_path / "sis/demographics.csv").unlink()
    manifest = tmp_path / "sis/manifest.csv"
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace("file.demographics,bulk", "file.demographics,absent"),
        encoding="utf-8",
    )
    data = read(toml)
    assert "attendance_events: state has none that can be used; taken from spare" in data.coverage.notes
    assert "demographics: sis has none that can be used; taken from spare" in data.coverage.notes
    assert (data.attendance_events.height, data.demographics.height) == (40, 40)


def test_what_no_source_has_is_refused_or_said(tmp_path: Path) -> None:
    tables = without_tardies()
    toml = write_combined(tmp_path, tables)
    (tmp_path / "state/N.txt").unlink()
    data = read(toml)
    assert data.coverage.attendance.level is CoverageLevel.NONE
    assert str(data.coverage.attendance.reason).startswith("state: attendance_events: there is no file N")
    toml = write_combined(tmp_path, tables, settings=config(sis={"path": "plain", "format": "folder"}))
    write_plain(tmp_path / "plain", {"schools": tables["schools"]})
    with pytest.raises(SchemaError, match=r"none of their sources has: students \(sis\), enrollments \(sis\)"):
        read(toml)


def test_an_error_of_a_reader_names_the_source(tmp_path: Path) -> None:
    toml = write_combined(tmp_path, without_tardies())
    shutil.rmtree(tmp_path / "state")
    with pytest.raises(ReadError, match=r"^state: state: there is no such folder or archive") as caught:
        read(toml)
    assert str(tmp_path) not in str(caught.value)
    (tmp_path / "sis/users.csv").write_text("", encoding="utf-8")
    with pytest.raises(EwsError, match=r"^sis: users\.csv: the file is empty"):
        read(toml)


def crosswalked(tmp_path: Path, lines: list[str], **settings: Any) -> Path:
    """The plain district by other ids (`n` before each), with a crosswalk of these lines behind `new,old`."""
    tables = without_tardies()
    other = {
        table: rows.with_columns(pl.concat_str(pl.lit("n"), "student_id").alias("student_id"))
        for table, rows in tables.items()
        if "student_id" in rows.columns
    }
    write_plain(tmp_path / "events", {"attendance_events": other["attendance_events"]})
    (tmp_path / "ids.csv").write_text("\n".join(["new,old", *lines]) + "\n", encoding="utf-8")
    ids = {"students": {"crosswalk": "ids.csv", "from": "old", "to": "new", **settings}}
    events = {"path": "events", "format": "folder", "tables": ["attendance_events"], "ids": ids}
    return write_combined(tmp_path, tables, settings=config(state=events))


IDS = [f"MARKERID{number:03d},nMARKERID{number:03d}" for number in range(40)]


def test_ids_become_those_of_the_district_by_a_crosswalk(tmp_path: Path, plain: SchoolData) -> None:
    data = read(crosswalked(tmp_path, [*IDS, *IDS[:3], "MARKERID001,", ",", "torn"]))
    assert data.rejections.is_empty()
    assert_frame_equal(data.attendance_events, plain.attendance_events)
    assert notes(data, "state: ids.csv: 2 rows lack one of the two ids, or are torn")


def test_ids_without_an_entry_are_rejected_and_counted(tmp_path: Path) -> None:
    data = read(crosswalked(tmp_path, IDS[2:]))
    assert rules_broken(data, "attendance_events") == [
        ("id_in_crosswalk", 2, "student_id"),
        ("id_in_crosswalk", 3, "student_id"),
    ]
    assert set(data.rejections["file"]) == {"state/attendance_events.csv"}
    assert notes(data, "state: ids.csv: 2 ids of students have no entry; their rows are rejected")
    assert is_accounted(data)


def test_too_many_of_them_leave_the_table_out(tmp_path: Path) -> None:
    data = read(crosswalked(tmp_path, IDS[3:]))
    assert data.coverage.attendance.level is CoverageLevel.NONE
    assert str(data.coverage.attendance.reason).endswith("id_in_crosswalk (student_id): 3")


def test_ids_without_an_entry_may_be_kept_unless_they_are_somebody_elses(tmp_path: Path) -> None:
    """One id is the same in both systems; another one stands for another child in the district."""
    lines = [line for line in IDS if not line.endswith(("MARKERID007", "MARKERID009"))]
    toml = crosswalked(tmp_path, [*lines, "MARKERID009,nMARKERID007"], gaps="keep")
    events = tmp_path / "events/attendance_events.csv"
    said = re.sub("nMARKERID00([79])", r"MARKERID00\1", events.read_text(encoding="utf-8"))
    events.write_text(said, encoding="utf-8")
    data = read(toml)
    assert rules_broken(data, "attendance_events") == [("id_in_crosswalk", 11, "student_id")]
    assert data.attendance_events.filter(pl.col("student_id") == "MARKERID007").height == 1
    assert notes(data, "state: ids.csv: 2 ids of students have no entry; they are kept as they are")
    assert is_accounted(data)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([*IDS, "MARKERID001,nMARKERID000"], r"state: ids\.csv: 1 id of the column old would become more than one"),
        (
            [*IDS[1:], "MARKERID001,nMARKERID000"],
            r"state: ids\.csv: 1 id of the column old would become one with another",
        ),
        (["MARKERID001,"], r"state: ids\.csv: no row has both ids"),
    ],
)
def test_a_crosswalk_that_makes_two_of_one_or_one_of_two_is_refused(
    tmp_path: Path, lines: list[str], said: str
) -> None:
    with pytest.raises(EwsError, match=said) as caught:
        read(crosswalked(tmp_path, lines))
    assert leaks(caught.value) == []


def test_two_ids_of_one_child_are_merged_where_that_is_allowed(tmp_path: Path) -> None:
    tables = without_tardies()
    ids = [*IDS[1:], "MARKERID001,nMARKERID000"]
    toml = crosswalked(tmp_path, ids, two_to_one="merge")
    settings = config(
        sis={
            "path": "roster",
            "format": "folder",
            "ids": {"students": {"crosswalk": "ids.csv", "from": "old", "to": "new", "two_to_one": "merge"}},
        },
        **dict.fromkeys(("conduct", "marks")),
    )
    settings["sources"]["state"] = {"path": "roster", "tables": ["attendance_events"]} | {
        "ids": settings["sources"]["sis"]["ids"]
    }
    write_toml(toml, settings)
    other = {
        table: rows.with_columns(pl.concat_str(pl.lit("n"), "student_id").alias("student_id"))
        for table, rows in tables.items()
        if "student_id" in rows.columns
    }
    write_plain(tmp_path / "roster", tables | other)
    data = read(toml)
    assert data.students.height == 39
    assert notes(data, "sis: students: 1 row is of an id that ids.csv merges with an earlier one")
    assert notes(data, "sis: ids.csv: 1 id of students becomes one with another id")
    assert is_accounted(data)


def test_schools_and_terms_have_crosswalks_too(tmp_path: Path, plain: SchoolData) -> None:
    tables = without_tardies()
    events = tables["attendance_events"].with_columns(pl.col("school_id").replace({"north": "1", "south": "2"}))
    write_plain(tmp_path / "events", {"attendance_events": events})
    (tmp_path / "schools.csv").write_text("number,name\n1,north\n2,south\n", encoding="utf-8")
    (tmp_path / "terms.csv").write_text("theirs,ours\nFall,S1\n", encoding="utf-8")
    settings = config(
        state={
            "path": "events",
            "format": "folder",
            "ids": {"schools": {"crosswalk": "schools.csv", "from": "number", "to": "name"}},
        },
        marks={"ids": {"terms": {"crosswalk": "terms.csv", "from": "theirs", "to": "ours"}}},
    )
    toml = write_combined(tmp_path, tables, settings=settings)
    marks = tmp_path / "marks/marks.csv"
    marks.write_text(marks.read_text(encoding="utf-8").replace(",S1,", ",Fall,"), encoding="utf-8")
    data = read(toml)
    assert data.rejections.is_empty()
    assert_frame_equal(data.attendance_events, plain.attendance_events)
    assert data.course_grades["term"].unique().to_list() == ["S1"]


def test_a_grade_is_known_from_the_end_of_its_own_sources_term(tmp_path: Path) -> None:
    """The roster's calendar knows no term Q1; the source of the marks does, and its days lie within."""
    tables = without_tardies()
    settings = config(marks={"path": "gradebook", "format": "folder", "tables": ["course_grades"]})
    toml = write_combined(tmp_path, tables, settings=settings)
    quarter = pl.when(pl.col("date") <= date(2025, 11, 5)).then(pl.lit("Q1")).otherwise(pl.lit("Q2"))
    days = tables["calendar_days"].with_columns(quarter.alias("term"))
    grades = tables["course_grades"].with_columns(pl.lit("Q1").alias("term"))
    write_plain(tmp_path / "gradebook", {"calendar_days": days, "course_grades": grades})
    data = read(toml)
    assert data.course_grades["graded_on"].unique().to_list() == [date(2025, 11, 5)]
    assert notes(data, "course_grades: 40 without a date are known from the end of their term in their own source")


def test_students_of_no_school_of_ed_fi_are_not_scored_and_counted(tmp_path: Path) -> None:
    tables = without_tardies()
    settings = config(
        sis={"tables": ["schools", "enrollments"]},
        conduct={"tables": ["students", "incidents", "discipline_actions"]},
    )
    toml = write_combined(tmp_path, tables, settings=settings)
    lone = pl.concat([tables["students"], frame("students", [student("lone")])])
    write_package(tmp_path / "conduct", package_of(tables | {"students": lone}))
    data = read(toml)
    assert data.students.height == 40
    assert "students: 1 is enrolled in no school: not scored" in data.coverage.notes
    assert is_accounted(data)


def test_what_begins_after_the_as_of_date_gives_no_school_to_a_mark(tmp_path: Path) -> None:
    tables = without_tardies()
    moved = [
        enrollment("MARKERID001", "north", "2025-09-03", exit="2025-12-01", grade="9"),
        enrollment("MARKERID001", "south", "2025-12-02", grade="9"),
    ]
    stayed = tables["enrollments"].filter(pl.col("student_id") != "MARKERID001")
    toml = write_combined(tmp_path, tables | {"enrollments": pl.concat([stayed, frame("enrollments", moved)])})
    schools = [
        read(toml, as_of=day).course_grades.filter(pl.col("student_id") == "MARKERID001")["school_id"].item()
        for day in (date(2025, 11, 1), date(2025, 12, 15))
    ]
    assert schools == ["north", "south"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sources": {}}, "sources: should not be empty"),
        (CONFIG | {"presedence": {}}, "presedence: there is no such key; did you mean precedence"),
        (config(sis={"tabels": []}), "sources.sis.tabels: there is no such key; did you mean tables"),
        (config(sis={"tables": ["schools", "pupils"]}), r"sources\.sis\.tables: pupils is no table of the contract"),
        (config(sis={"tables": ["schools"]}), "students is among the tables of no source"),
        (config(marks={"format": "combine"}), "a combination cannot be a source of another one"),
        (config(config={"path": "x", "tables": ["supports"]}), r"sources\.config: choose another name"),
        (
            CONFIG | {"precedence": {"students": ["sis", "state"]}},
            r"precedence\.students: name each source once .* sis",
        ),
        (config(sis={"ids": {"pupils": {}}}), "sources.sis.ids.pupils"),
        (
            config(sis={"ids": {"students": {"crosswalk": "a.csv", "form": "x"}}}),
            r"sources\.sis\.ids\.students\.from: is missing",
        ),
        (config(**dict.fromkeys(("state", "conduct", "marks"))), "no source supplies a table of attendance"),
    ],
)
def test_a_mistake_in_the_toml_is_told_by_its_key(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    given = {"config_version": 1, "reader": "combine", **settings}
    toml = write_toml(tmp_path / "all.toml", given)
    with pytest.raises(ConfigError, match=said) as caught:
        read(toml)
    assert "docs/combine.md" in str(caught.value.hint)


def test_a_combination_is_a_source_and_no_format(tmp_path: Path) -> None:
    toml = write_toml(tmp_path / "all.toml", CONFIG)
    with pytest.raises(ConfigError, match="it is the source itself"):
        read_school_data(tmp_path, format=str(toml))
    with pytest.raises(ReadError, match="--format combine"):
        read_school_data(toml)
    with pytest.raises(ConfigError, match="there is no such combination"):
        read(tmp_path / "other.toml")
