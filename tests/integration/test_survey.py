"""Folders as schools' systems export them, through the first mapping that a survey makes: the plain tables again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cis_ews.readers import read_school_data
from cis_ews.readers.survey import survey
from cis_ews.readers.survey.findings import Survey
from cis_ews.readers.survey.writing import toml_of
from cis_ews.schema.school_data import TABLES
from tests.lib.noisy_exports import measured
from tests.lib.school_exports import CAMPUS, POWERSCHOOL, SKYWARD, STYLES, Style, Written, written

GIVEN_BY_OTHERS = {"school_year", "fraction_absent", "is_core", "is_instructional"}


def drafted(source: Path) -> tuple[Survey, Path]:
    """What a survey finds, and its mapping on disk."""
    found = survey(source)
    path = source.parent / "mapping.toml"
    path.write_text(toml_of(found, command="cis-ews check"), encoding="utf-8")
    return found, path


def assert_read_back(files: Written, mapping: Path, *, source: Path | None = None) -> None:
    """Every column that was exported comes back as it was."""
    data = read_school_data(source or files.folder, format=str(mapping), tolerance=0.05)
    for table, expected in files.tables.items():
        keys = [name for name, column in TABLES[table].columns().items() if column.primary_key and name in expected]
        got = data.table(table).select(expected.columns)
        assert_frame_equal(got.sort(keys), expected.sort(keys), check_exact=False)


def wrong(found: Survey, files: Written) -> list[tuple[str, str]]:
    """Columns that were taken from elsewhere, and not computed."""
    return [
        (table.table, each.column)
        for table in found.tables
        for each in table.columns
        if files.truth.get((table.table, each.column)) != (table.files[0], each.heading)
        and each.column not in GIVEN_BY_OTHERS
    ]


@pytest.mark.parametrize("style", STYLES)
def test_nothing_needs_to_be_edited_for_what_systems_export(style: str, tmp_path: Path) -> None:
    files = written(tmp_path / "export", STYLES[style])
    found, mapping = drafted(files.folder)
    assert wrong(found, files) == []
    assert found.asked == 0
    assert_read_back(files, mapping)


def test_what_files_are_called_does_not_decide(tmp_path: Path) -> None:
    """Attendance in a file called Students, and the other way round."""
    names = {"Students.txt": "Attendance.txt", "Attendance.txt": "Students.txt"}
    swapped = replace(
        POWERSCHOOL, files=tuple(replace(each, name=names.get(each.name, each.name)) for each in POWERSCHOOL.files)
    )
    files = written(tmp_path / "export", swapped)
    found, mapping = drafted(files.folder)
    assert wrong(found, files) == []
    assert_read_back(files, mapping)


def test_an_archive_is_mapped_as_its_folder(tmp_path: Path) -> None:
    import zipfile

    files = written(tmp_path / "export", CAMPUS)
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in files.folder.iterdir():
            archive.write(path, path.name)
    _, mapping = drafted(tmp_path / "export.zip")
    assert_read_back(files, mapping, source=tmp_path / "export.zip")


def few_days(style: Style) -> Style:
    """Days whose month and day can be told either way, in every column of dates."""
    return replace(style, dates="%d/%m/%Y")


def test_a_date_that_can_be_read_either_way_is_a_question_with_both_readings(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    rows = "".join(f"{number},s1,{day}\n" for number, day in enumerate(["03/04/2025", "05/06/2025", "01/02/2025"]))
    (folder / "enrollments.csv").write_text(f"Student Number,School Number,Entry Date\n{rows}", encoding="utf-8")
    found, mapping = drafted(folder)
    (table,) = found.tables
    question = table.questions["date_formats"]
    assert "%m/%d/%Y" in question
    assert "%d/%m/%Y" in question
    lines = mapping.read_text(encoding="utf-8").splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("date_formats"))
    assert "QUESTION" in "".join(lines[at - 3 : at])


def test_a_day_above_twelve_elsewhere_answers_it(tmp_path: Path) -> None:
    files = written(tmp_path / "export", few_days(SKYWARD))
    found, mapping = drafted(files.folder)
    assert [table.questions for table in found.tables if table.questions] == []
    assert_read_back(files, mapping)


def test_parts_of_a_table_are_one_and_a_copy_is_a_question(tmp_path: Path) -> None:
    files = written(tmp_path / "export", CAMPUS)
    lines = (files.folder / "attendance_detail.csv").read_text(encoding="utf-8-sig").splitlines()
    half = len(lines) // 2
    for name, part in (("attendance_detail.csv", lines[:half]), ("attendance_later.csv", [lines[0], *lines[half:]])):
        (files.folder / name).write_text("\n".join(part), encoding="utf-8")
    found, mapping = drafted(files.folder)
    assert found.asked == 0
    assert_read_back(files, mapping)

    roster = (files.folder / "student_roster.csv").read_text(encoding="utf-8-sig")
    (files.folder / "student_roster_old.csv").write_text(roster, encoding="utf-8")
    found, _ = drafted(files.folder)
    asked = {table.table: table.questions["files"] for table in found.tables if "files" in table.questions}
    assert "student_roster.csv" in asked["students"]
    assert "student_roster_old.csv" in asked["students"]


def test_codes_that_nobody_knows_are_asked_and_answered_at_their_line(tmp_path: Path) -> None:
    style = replace(
        POWERSCHOOL,
        files=tuple(
            replace(each, codes={"status": {"excused": "E", "unexcused": "A", "tardy": "ZQ"}})
            if each.name == "Attendance.txt"
            else each
            for each in POWERSCHOOL.files
        ),
    )
    files = written(tmp_path / "export", style)
    _, mapping = drafted(files.folder)
    text = mapping.read_text(encoding="utf-8")
    assert 'A = "unexcused"  # QUESTION' in text
    status, part = text.index('# ZQ = "?"'), text.rindex('# ZQ = "?"')
    assert part > status
    answered = text[:status] + 'ZQ = "tardy"  # ' + text[status:part] + "ZQ = 0  # " + text[part:]
    mapping.write_text(answered, encoding="utf-8")
    assert_read_back(files, mapping)


def test_attendance_by_period_with_presence_gives_the_tables_that_are_missing(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    days = ["9/3/2025", "9/4/2025", "9/15/2025", "9/16/2025"]
    rows = [
        f"{pupil};North;{day};{period};{'UX' if pupil == 100 and period < 3 else 'P'}"
        for pupil in range(100, 130)
        for day in days
        for period in range(1, 5)
    ]
    (folder / "attendance.txt").write_text("\n".join(["Pupil;School;Date;Period;Code", *rows]), encoding="utf-8")
    found, mapping = drafted(folder)
    assert found.derived == ("schools", "calendar_days", "students", "enrollments", "reporting")
    text = mapping.read_text(encoding="utf-8").replace('# district_id = "?"', 'district_id = "d1"')
    mapping.write_text(text, encoding="utf-8")
    data = read_school_data(folder, format=str(mapping))
    assert data.students.height == 30
    missed = data.attendance_events.select("student_id", "status", "fraction_absent").unique().rows()
    assert missed == [("100", "unexcused", 0.5)]
    assert data.attendance_events.get_column("date").dtype == pl.Date


def test_what_is_called_sure_is_right() -> None:
    """docs/mapping.md has the figures of more seeds."""
    found = measured(range(200, 201))
    right, said = found.by_word["sure"]
    assert said > 80
    assert right >= 0.99 * said
    right, said = found.by_word["likely"]
    assert right >= 0.9 * said
    assert found.found > 0.7 * found.there
