"""A survey, one thing at a time: small files, and what is made of them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cis_ews.errors import DataError
from cis_ews.readers import read_school_data
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.mapping_config import TableMapping, load_mapping
from cis_ews.readers.sources import list_entries
from cis_ews.readers.survey import survey
from cis_ews.readers.survey.files import SPREADSHEET
from cis_ews.readers.survey.findings import Survey
from cis_ews.readers.survey.profile import DATE_FORMATS, DAY_FIRST
from cis_ews.readers.survey.sample import HEAD, PIECE, PIECES, Sample, sample_of
from cis_ews.readers.survey.words import code_of, name_score, speaks
from cis_ews.readers.survey.writing import toml_of
from tests.lib.cedars import COMMA, cedars_of, clean_district, write_cedars
from tests.lib.dirt import clean_frames
from tests.lib.extracts import small_district, write_extract
from tests.lib.oneroster import package_of, write_package

PUPILS = range(100, 130)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def surveyed(folder: Path, files: Mapping[str, list[str] | bytes]) -> tuple[Survey, dict[str, Any], str]:
    """What is found in these files, given by their lines; the mapping as a program reads it, and as a person does."""
    found = survey(_folder_of(folder / "source", files))
    text = toml_of(found, command="cis-ews check source")
    return found, tomllib.loads(text), text


def _folder_of(folder: Path, files: Mapping[str, list[str] | bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else "\n".join([*content, ""]).encode())
    return folder


def lines(headings: str, row: str, *, pupils: range = PUPILS) -> list[str]:
    """A line a pupil; `{n}` stands for the pupil's number, `{d}` for a school day of September, `{w}` for a name."""
    names = ["Ana", "Bo", "Cem", "Dag", "Eve", "Flo", "Gus"]
    days = [*range(2, 6), *range(8, 13), *range(15, 20), *range(22, 27)]
    return [headings, *(row.format(n=each, d=days[each % len(days)], w=names[each % len(names)]) for each in pupils)]


@pytest.mark.parametrize("form", [*DATE_FORMATS, *DAY_FIRST.values()])
def test_every_form_of_dates_is_one_that_a_mapping_takes(form: str) -> None:
    assert TableMapping(files=("a.csv",), columns={}, date_formats=(form,)).date_formats == (form,)


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("9/{d}/2025", "%m/%d/%Y"),
        ("{d:02}/09/2025", "%d/%m/%Y"),
        ("{d:02}.09.2025", "%d.%m.%Y"),
        ("202509{d:02}", "%Y%m%d"),
        ("{d:02}-Sep-25", "%d-%b-%y"),
        ("9/{d}/25", "%m/%d/%y"),
        ("2025-09-{d:02} 00:00:00", "%Y-%m-%d %H:%M:%S"),
        ("9/{d}/2025 12:00:00 AM", "%m/%d/%Y %I:%M:%S %p"),
    ],
)
def test_dates_are_read_as_they_are_written(written: str, form: str, folder: Path) -> None:
    rows = lines("Student Number,School ID,Absence Date,Code", f"{{n}},North,{written},E")
    _, mapping, _ = surveyed(folder, {"absences.csv": rows})
    assert mapping["tables"]["attendance_events"]["date_formats"] == [form]


def test_a_column_in_two_forms_gets_both(folder: Path) -> None:
    rows = lines("Student Number,School ID,Absence Date,Code", "{n},North,2025-09-{d:02},E")
    later = lines("", "{n},North,9/{d}/2025,U", pupils=range(200, 210))[1:]
    _, mapping, _ = surveyed(folder, {"absences.csv": [*rows, *later]})
    assert mapping["tables"]["attendance_events"]["date_formats"] == ["%Y-%m-%d", "%m/%d/%Y"]


def test_ticks_say_no_where_there_is_none(folder: Path) -> None:
    rows = ["Student ID,Homeless,Special Education", *(f"{each},{'X' if each % 5 else ''},Y" for each in PUPILS)]
    _, mapping, _ = surveyed(folder, {"programs.csv": rows})
    table = mapping["tables"]["demographics"]
    assert table["codes"]["homeless"] == {"X": True}
    assert table["defaults"] == {"homeless": False}
    assert "disability" not in table["codes"]


def test_a_lunch_code_f_is_no_word_for_false(folder: Path) -> None:
    rows = ["Student ID,Gender,Lunch Status", *(f"{each},F,{'FRP'[each % 3]}" for each in PUPILS)]
    _, mapping, _ = surveyed(folder, {"programs.csv": rows})
    assert mapping["tables"]["demographics"]["codes"]["low_income"] == {"F": True, "P": False, "R": True}


def test_years_that_begin_or_come_in_pairs_become_the_year_that_ends(folder: Path) -> None:
    enrolled = lines("Student ID,School ID,Entry Date,School Year", "{n},North,2025-09-{d:02},2025")
    graded = lines("Student ID,School ID,Course ID,School Year,Term,Mark", "{n},North,ALG,2025-26,S1,B")
    _, mapping, _ = surveyed(folder, {"enrollments.csv": enrolled, "marks.csv": graded})
    assert mapping["tables"]["enrollments"]["codes"]["school_year"] == {"2025": 2026}
    assert "2025-26 = 2026" in toml_of(survey(folder / "source"), command="")


def test_what_slid_into_a_column_of_years_is_counted_and_not_written(folder: Path) -> None:
    headings, pupils = "Student ID,School ID,Entry Date,School Year", range(100, 400)  # most of its years agree
    rows = lines(headings, "{n},North,2025-09-{d:02},2025", pupils=pupils)
    slid = [f"{number},North,2025-09-02,{cell}" for number, cell in ((400, "8675309"), (401, "²"), (402, "20٢٥"))]
    found, mapping, text = surveyed(folder, {"enrollments.csv": [*rows, *slid]})
    assert mapping["tables"]["enrollments"]["codes"]["school_year"] == {"2025": 2026}
    assert found.tables[0].codes["school_year"].hidden == 3
    assert "QUESTION: 3 further values that may be personal" in text
    assert not [cell for cell in ("8675309", "²", "20٢٥") if cell in text]


@pytest.mark.parametrize(
    ("pair", "ends"),
    [
        ("2025-26", 2026),
        ("2025/2026", 2026),
        ("1998-1999", 1999),
        ("1999-00", 2000),
        ("99-00", 2000),
        ("98-99", 1999),
        ("25-26", 2026),
    ],
)
def test_a_pair_of_years_ends_in_its_own_century(pair: str, ends: int, folder: Path) -> None:
    rows = lines("Student ID,School ID,Course ID,School Year,Term,Mark", f"{{n}},North,ALG,{pair},S1,B")
    found, _, text = surveyed(folder, {"marks.csv": rows})
    assert found.tables[0].codes["school_year"].known == {pair: ends}
    assert f"{pair if '/' not in pair else json.dumps(pair)} = {ends}" in text


@pytest.mark.parametrize(("pair", "known"), [("2025-26", {"2025-26": 2026}), ("2024-2026", {})])
def test_what_is_no_year_and_the_next_is_counted_and_not_written(
    pair: str, known: dict[str, int], folder: Path
) -> None:
    rows = lines("Student ID,School ID,Course ID,School Year,Term,Mark", f"{{n}},North,ALG,{pair},S1,B")
    odd = [f"{number},North,ALG,{cell},S1,B" for number, cell in ((130, "20-48"), (131, "2026-2025"))]
    found, _, text = surveyed(folder, {"marks.csv": [*rows, *odd]})
    years = found.tables[0].codes["school_year"]
    assert (years.known, years.hidden) == (known, 3 - len(known))
    assert not [cell for cell in ("20-48", "2026-2025", "2024-2026") if cell in text]


def test_without_an_id_no_value_is_shown_that_is_not_known(folder: Path) -> None:
    """Three rows may be three days of one student: `Quillan` is in more of them than a code has to be."""
    odd = {3: "Quillan", 4: "Quillan"}
    rows = [f"{school},2025-09-{day:02},{odd.get(day, 'Y')}" for school in ("N", "S") for day in range(2, 30)]
    found, _, text = surveyed(folder, {"calendar.csv": ["School ID,Calendar Date,In Session", *rows]})
    assert (found.tables[0].table, found.tables[0].codes["is_instructional"].hidden) == ("calendar_days", 1)
    assert "Quillan" not in text
    held = lines("Incident ID,School ID,Incident Date,Severity", "i{n},North,2025-09-{d:02},minor")
    strange = [f"j{number},North,2025-09-03,Quillan" for number in range(3)]
    text = toml_of(survey(_folder_of(folder / "more", {"incidents.csv": [*held, *strange]})), command="")
    assert "[tables.incidents.codes.severity]" in text
    assert "Quillan" not in text


def test_credits_in_other_units_are_a_question(folder: Path) -> None:
    rows = lines("Student ID,Course ID,Year,Term,Mark,Credits Attempted", "{n},ALG,2026,S1,B,5")
    found, _, text = surveyed(folder, {"marks.csv": rows})
    (table,) = found.tables
    assert set(table.factors) == {"credits_attempted"}
    assert "credits_attempted = 0.1  # QUESTION" in text


def test_ids_that_lost_their_zeros_are_a_question(folder: Path) -> None:
    students = lines("Student ID,First Name,Last Name", "00{n},{w},Ruiz{w}")
    absences = lines("Student ID,School ID,Absence Date,Code", "{n},North,2025-09-{d:02},E")
    found, _, _ = surveyed(folder, {"students.csv": students, "absences.csv": absences})
    questions = [each.question for table in found.tables for each in table.columns if each.column == "student_id"]
    assert all("leading zeros" in (question or "") for question in questions)


def test_the_id_that_joins_the_other_files_is_taken(folder: Path) -> None:
    students = lines("ID,Student Number,First Name,Last Name,DOB", "9{n}7,{n},{w},Ruiz{w},2012-05-{d:02}")
    absences = lines("Student ID,School ID,Absence Date,Code", "{n},North,2025-09-{d:02},E")
    marks = lines("Student ID,School ID,Course ID,Year,Term,Mark", "{n},North,ALG,2026,S1,B")
    found, mapping, _ = surveyed(folder, {"students.csv": students, "absences.csv": absences, "marks.csv": marks})
    assert mapping["tables"]["students"]["columns"]["student_id"] == "Student Number"
    (student,) = [each for each in found.tables[0].columns if each.column == "student_id"]
    assert "100 % of its values join another file" in student.reasons


def test_two_files_that_look_like_students_are_a_question(folder: Path) -> None:
    now = lines("Student ID,First Name,Last Name,Birth Date", "{n},{w},Ruiz{w},2012-05-{d:02}")
    left = lines("Pupil No,Forename,Surname,DOB", "{n},{w},Ruiz{w},2012-05-{d:02}", pupils=range(300, 320))
    found, _, text = surveyed(folder, {"students.csv": now, "former_students.csv": left})
    (table,) = found.tables
    assert table.files == ("students.csv",)
    assert "students.csv" in table.questions["files"]
    assert "former_students.csv" in table.questions["files"]
    assert text.index("QUESTION: students.csv and") < text.index('files = ["students.csv"]')


def test_a_heading_that_stands_twice_is_not_used_and_told(folder: Path) -> None:
    rows = lines("Student ID,Absence Date,Absence Date,School ID,Code", "{n},2025-09-{d:02},x,North,E")
    with pytest.raises(DataError, match="none of 1 table") as refused:
        surveyed(folder, {"absences.csv": rows})
    assert "columns of one heading names of their own: 1 table has some" in (refused.value.hint or "")


def test_columns_that_cannot_be_told_apart_are_a_question_where_one_is_looked_for(folder: Path) -> None:
    headings = "Student ID,School ID,School ID,Entry Date,Exit Date,Exit Date,Zork,Grade Note,Grade Note"
    rows = lines(headings, "{n},North,South,2025-09-{d:02},2025-10-01,2025-10-02,z,a,b")
    found, _, text = surveyed(folder, {"enrollments.csv": rows})
    (table,) = found.tables
    assert table.open["school_id"].startswith('2 columns are called "School ID"')
    assert table.questions["exit_date"].startswith('2 columns are called "Exit Date"')
    assert "its cells are not what is asked" not in text
    assert "Grade Note (not alone), Grade Note (not alone)" in text


def test_an_id_that_joins_no_other_file_is_a_question(folder: Path) -> None:
    students = lines("Student ID,First Name,Last Name", "{n},{w},Ruiz{w}")
    absences = lines("Student ID,School ID,Absence Date,Code", "9{n}7,North,2025-09-{d:02},E")
    found, _, text = surveyed(folder, {"students.csv": students, "absences.csv": absences})
    questions = [each.question for table in found.tables for each in table.columns if each.column == "student_id"]
    assert len(questions) == 2
    assert all("0 % of its values are in another file" in (question or "") for question in questions)
    assert text.count("QUESTION: 0 % of its values are in another file") == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("roster.csv", b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00Student ID,Name"),
        ("roster.csv", bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 500),
        ("roster.xlsx", b"PK\x03\x04"),
        ("Roster.XLS", bytes.fromhex("d0cf11e0a1b11ae1")),
    ],
)
def test_a_spreadsheet_is_called_one_whatever_its_name_says(name: str, content: bytes, folder: Path) -> None:
    students = lines("Student ID,First Name,Last Name", "{n},{w},Ruiz{w}")
    found, _, text = surveyed(folder, {"students.csv": students, name: content})
    assert found.passed == {SPREADSHEET: 1}
    assert "1 file not looked into: a spreadsheet" in text


def test_pairs_of_years_of_summaries_are_written_as_the_year_that_ends(folder: Path) -> None:
    students = lines("Student ID,First Name,Last Name", "{n},{w},Ruiz{w}")
    row = "{n},2023-24,1{d:02},{d},1"
    summaries = lines("Student ID,School Year,Days Enrolled,Days Absent,Incidents", row)
    found, mapping, _ = surveyed(folder, {"students.csv": students, "year_totals.csv": summaries})
    years = mapping["tables"]["student_years"]
    assert years["columns"]["school_year"] == "School Year"
    assert years["codes"]["school_year"] == {"2023-24": 2024}
    assert [table.table for table in found.tables if table.open] == []


def test_the_plain_format_needs_no_mapping(folder: Path) -> None:
    found = survey(write_extract(folder / "extract", small_district()))
    assert found.known_as is not None
    assert "plain format" in found.known_as


@pytest.mark.parametrize(("mark", "written"), [(";", None), ("\t", None), ("^", "^")])
def test_a_delimiter_is_written_where_readers_do_not_find_it(mark: str, written: str | None, folder: Path) -> None:
    rows = lines("Student ID,School,Date,Code", "{n},North,2025-09-{d:02},E")
    found, mapping, _ = surveyed(folder, {"absences.txt": [each.replace(",", mark) for each in rows]})
    assert mapping["tables"]["attendance_events"].get("delimiter") == written
    assert found.tables[0].rows == len(PUPILS)


def test_a_first_line_without_headings_is_never_told(folder: Path) -> None:
    rows = lines("", "{n},Quixworth,Zebedee,2012-05-{d:02}")[1:]
    good = lines("Student ID,School ID,Absence Date,Code", "{n},North,2025-09-{d:02},E")
    found, _, text = surveyed(folder, {"students.csv": rows, "absences.csv": good})
    assert dict(found.passed) == {"a first line in which no headings are known": 1}
    assert "Quixworth" not in text


def test_a_table_that_lacks_a_column_is_held_back_and_the_rest_is_read(folder: Path) -> None:
    source = write_extract(folder / "source", small_district())
    incidents = (source / "incidents.csv").read_text(encoding="utf-8").replace("severity", "zzz")
    (source / "incidents.csv").write_text(incidents, encoding="utf-8")
    found = survey(source)
    (held,) = [table for table in found.tables if table.is_held_back]
    assert (held.table, list(held.open)) == ("incidents", ["severity"])
    (folder / "m.toml").write_text(toml_of(found, command=""), encoding="utf-8")
    assert "incidents" not in load_mapping(folder / "m.toml").tables
    assert read_school_data(source, format=str(folder / "m.toml")).students.height == 24


def sampled(path: Path) -> Sample:
    (entry,) = list_entries(path.parent, ReadLimits())
    return sample_of(entry, ReadLimits())


def test_a_large_file_is_sampled_to_its_end_and_no_more_is_held(folder: Path) -> None:
    line = "{0},North,2025-09-03,{1}\n"
    count = 400_000
    body = "".join(line.format(at, "E" if at < count - 20_000 else "ZZ") for at in range(count))
    (folder / "absences.csv").write_text("Student ID,School,Date,Code\n" + body, encoding="utf-8")
    sample = sampled(folder / "absences.csv")
    held = sum(len(line.format(*row[::3])) for row in sample.cells.rows())
    assert not sample.is_whole
    assert HEAD < held <= HEAD + 2 * PIECES * PIECE
    assert sample.cells["3"].unique().sort().to_list() == ["E", "ZZ"]
    assert sample.dropped == 0


@pytest.mark.parametrize(
    ("heading", "table", "column"),
    [
        ("[Students]Student_Number", "attendance_events", "student_id"),
        ("STU_NO", "students", "student_id"),
        ("student.studentNumber", "enrollments", "student_id"),
        ("Student > Date of Birth", "students", "birth_date"),
        ("PotentialCrHrs", "course_grades", "credits_attempted"),
        ("birthdate", "students", "birth_date"),
        ("Tier (text)", "supports", "tier"),
    ],
)
def test_headings_as_systems_write_them(heading: str, table: str, column: str) -> None:
    assert speaks(heading)
    assert name_score(heading, table, column) >= 0.85


@pytest.mark.parametrize(
    "heading", ["Mother_First_Name", "Teacher ID", "Next School", "guardian.lastName", "Date Modified"]
)
def test_headings_that_speak_of_something_else(heading: str) -> None:
    for column in ("student_id", "first_name", "last_name", "birth_date"):
        assert name_score(heading, "students", column) < 0.3
    assert name_score(heading, "enrollments", "school_id") < 0.3


@pytest.mark.parametrize("text", ["Quixworth", "Ana Ruiz", "0071", "9/3/2025", "student_idQuixworth", "Lucía", ""])
def test_words_that_nobody_knows_are_not_shown(text: str) -> None:
    assert not speaks(text)


def test_codes_as_schools_write_them() -> None:
    assert [code_of("grade_level", each) for each in ("09", "KG", "-1", "Grade 3", "12", "99")] == [
        *("9", "K", "PK", "3", "12"),
        None,
    ]
    assert [code_of("status", each) for each in ("UX", "exc", "T", "P", "A", "ZQ")] == [
        *("unexcused", "excused", "tardy", "present", "unexcused"),
        None,
    ]


def test_what_was_held_back_can_be_used_when_it_is_answered(folder: Path) -> None:
    source = write_extract(folder / "source", small_district())
    incidents = (source / "incidents.csv").read_text(encoding="utf-8").replace("severity", "Kind of it")
    (source / "incidents.csv").write_text(incidents, encoding="utf-8")
    text = toml_of(survey(source), command="")
    before, held = text.split("# Held back", 1)
    held, after = held.split("\n\n", 1)
    block = held[held.index("# [tables.incidents]") :].replace("\n#\n", "\n# \n")
    answered = "\n".join(line.removeprefix("# ") for line in block.split("\n"))
    answered = answered.replace('# severity = "?"', 'severity = "Kind of it"')
    (folder / "m.toml").write_text(f"{before}{answered}\n\n{after}", encoding="utf-8")
    data = read_school_data(source, format=str(folder / "m.toml"))
    assert data.incidents["severity"].to_list() == ["major"]


def test_periods_without_presence_are_a_question(folder: Path) -> None:
    rows = lines("Student ID,School ID,Date,Period,Code", "{n},North,2025-09-{d:02},1,U")
    later = [each.replace(",1,U", ",2,E") for each in rows[1:]]
    found, mapping, _ = surveyed(folder, {"attendance.csv": [*rows, *later]})
    assert mapping["tables"]["attendance_events"]["merge"] == "day"
    assert "is a row a whole day" in found.tables[0].questions["merge"]


def test_headings_that_look_as_much_like_it_are_a_question_with_both(folder: Path) -> None:
    rows = lines("Student ID,School ID,Date,Attendance Code,Attendance Status", "{n},North,2025-09-{d:02},U,U")
    found, _, text = surveyed(folder, {"attendance.csv": rows})
    (status,) = [each for each in found.tables[0].columns if each.column == "status"]
    assert status.confidence != "sure"
    assert '"Attendance Code", or "Attendance Status"' in (status.question or "")
    assert text.index("QUESTION: " + (status.question or "-")[:30]) < text.index('status = "Attendance Code"')


def test_known_formats_are_told(folder: Path) -> None:
    tables = clean_district()
    write_cedars(folder / "cedars", cedars_of(tables), vendor=COMMA)
    package = write_package(folder / "oneroster", package_of(clean_frames()))
    for source, name in ((folder / "cedars", "cedars"), (package, "oneroster")):
        try:
            told = survey(source).known_as
        except DataError as error:
            told = error.hint
        assert f"--format {name}" in (told or "")


def test_columns_that_are_called_right_and_hold_something_else_are_questions(folder: Path) -> None:
    files = {
        "marks.csv": lines("Student ID,Course ID,Year,Term,Mark,Percent", "{n},ALG,2026,S1,B,3.{d}"),
        "enrollments.csv": lines("Student ID,School ID,Entry Date,Exit Date", "{n},North,2025-09-02,00/00/0000"),
        "calendar.csv": [
            "School ID,Calendar Date,Zork",
            *(f"North,2025-09-{day:02},{day // 11}" for day in range(8, 13)),
        ],
    }
    _, _, text = surveyed(folder, files)
    assert "QUESTION: no cell is above 5" in text
    assert 'QUESTION: "Exit Date" is called so, and its cells are not what is asked' in text
    assert "QUESTION: a column of two values is not used" in text
