"""Ed-Fi's records as JSON lines: the same tables as bulk XML, and what is refused or counted."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from cis_ews.errors import ReadError
from cis_ews.readers import read_school_data
from cis_ews.readers.edfi_fetched import MANIFEST, WORK
from cis_ews.readers.edfi_records import RECORDS
from cis_ews.readers.edfi_resources import RESOURCES, pruned, resources_of, tree_of
from cis_ews.schema.school_data import TABLES
from tests.lib.dirt import leaks, zip_of
from tests.lib.edfi import write_package
from tests.lib.edfi_api_records import Records, numbered_frames, records_of, write_lines, xml_of


@pytest.fixture
def records() -> Records:
    return records_of(numbered_frames())


def test_an_api_and_bulk_xml_of_one_district_are_equal_tables(tmp_path: Path, records: Records) -> None:
    from_api = read_school_data(write_lines(tmp_path / "api", records), format="edfi")
    from_xml = read_school_data(write_package(tmp_path / "xml", xml_of(numbered_frames())), format="edfi")
    for table in TABLES:
        ours, theirs = (data.table(table) for data in (from_api, from_xml))
        assert ours.sort(pl.all()).equals(theirs.sort(pl.all())), table
        assert ours.height > 0 or table in ("reporting", "student_years"), table
    assert from_api.rows_read == from_xml.rows_read
    assert from_api.rows_reduced == from_xml.rows_reduced
    assert from_api.rejections.drop("file", "row_number").equals(from_xml.rejections.drop("file", "row_number"))


def test_every_column_of_a_record_has_a_place_or_is_only_of_xml() -> None:
    assert all(set(each.columns) <= set(RECORDS[each.record]) for each in RESOURCES.values())
    lacking = {
        each.name: sorted(set(RECORDS[each.record]) - set(each.columns))
        for each in RESOURCES.values()
        if set(RECORDS[each.record]) - set(each.columns)
    }
    assert lacking == {"calendarDates": ["calendar"]}  # XML's reference to a calendar as a whole


def test_each_standard_has_its_resources() -> None:
    of = {standard: {each.name for each in resources_of(standard)} for standard in (4, 5, 6)}
    assert of[4] - of[5] == {"studentDisciplineIncidentAssociations"}
    assert of[5] - of[6] == {"studentEducationOrganizationAssociations"}
    assert of[6] - of[5] == {"studentDemographics"}


def test_only_what_is_read_is_kept(records: Records) -> None:
    student = pruned(records["students"][0], tree_of(RESOURCES["students"]))
    assert set(student) == {"id", "studentUniqueId", "firstName", "lastSurname", "birthDate"}
    action = pruned(records["disciplineActions"][0], tree_of(RESOURCES["disciplineActions"]))
    (of_incident,) = action["studentDisciplineIncidentBehaviorAssociations"]
    assert set(of_incident["studentDisciplineIncidentBehaviorAssociationReference"]) == {
        "incidentIdentifier",
        "schoolId",
    }
    assert pruned(["x", {"id": {"a": 1}}], tree_of(RESOURCES["students"])) == [None, {"id": None}]


def test_what_is_kept_reads_as_the_whole_does(tmp_path: Path, records: Records) -> None:
    kept = {name: [pruned(each, tree_of(RESOURCES[name])) for each in found] for name, found in records.items()}
    whole = read_school_data(write_lines(tmp_path / "whole", records), format="edfi")
    thin = read_school_data(write_lines(tmp_path / "thin", kept), format="edfi")
    assert all(whole.table(table).equals(thin.table(table)) for table in TABLES)


def test_files_may_lie_in_folders_and_archives_and_others_are_passed_over(tmp_path: Path, records: Records) -> None:
    whole = read_school_data(write_lines(tmp_path / "flat", records), format="edfi")
    lines = {path.stem: path.read_bytes() for path in (tmp_path / "flat").iterdir()}
    students = lines.pop("students").splitlines(keepends=True)
    members = {f"{name}.jsonl": content for name, content in lines.items()}
    members |= {"students/1.jsonl": b"".join(students[:7]), "students/2.ndjson": b"\n".join([b"", *students[7:]])}
    members |= {"staffs.jsonl": b"{}\n"}
    data = read_school_data(zip_of(tmp_path / "some.zip", members), format="edfi")
    assert data.students.sort("student_id").equals(whole.students.sort("student_id"))
    assert any(note.startswith("1 file passed over") for note in data.coverage.notes)


@pytest.mark.parametrize(
    "line", ['["MARKERNAME"]', '{"MARKERNAME"', "MARKERNAME", "[" * 100_000, '{"a":' * 100_000, "\x00"]
)
def test_a_line_that_is_no_record_is_told_by_its_number(tmp_path: Path, records: Records, line: str) -> None:
    folder = write_lines(tmp_path, records)
    with (folder / "grades.jsonl").open("a", encoding="utf-8") as file:
        file.write(line)
    with pytest.raises(ReadError, match=r"grades\.jsonl: line 7 is no JSON object") as caught:
        read_school_data(folder, format="edfi")
    assert leaks(caught.value) == []


def test_a_line_without_end_is_refused(tmp_path: Path, records: Records) -> None:
    folder = write_lines(tmp_path, records)
    (folder / "grades.jsonl").write_bytes(b"x" * (17 << 20))
    with pytest.raises(ReadError, match="a line is longer than 16 MiB"):
        read_school_data(folder, format="edfi")


def test_numbers_stay_as_they_are_written(tmp_path: Path, records: Records) -> None:
    records["grades"][0]["numericGradeEarned"] = 71.0625
    records["grades"][0]["studentSectionAssociationReference"]["localCourseCode"] = 10_000_000_000_000_000_000_001
    data = read_school_data(write_lines(tmp_path, records), format="edfi")
    row = data.course_grades.filter(pl.col("percent") == 71.0625).row(0, named=True)
    assert row["course_id"] == "10000000000000000000001"


def test_xml_beside_json_is_refused(tmp_path: Path, records: Records) -> None:
    write_package(write_lines(tmp_path, records), xml_of(numbered_frames()))
    with pytest.raises(ReadError, match="both XML and JSON"):
        read_school_data(tmp_path, format="edfi")


def test_without_schools_it_says_what_is_missing(tmp_path: Path, records: Records) -> None:
    del records["schools"]
    with pytest.raises(ReadError, match=r"no record of School \(InterchangeEducationOrganization\)") as caught:
        read_school_data(write_lines(tmp_path, records), format="edfi")
    assert "the JSON lines of an API (students, schools)" in str(caught.value)


def test_a_folder_that_no_fetch_has_finished_is_refused(tmp_path: Path) -> None:
    (tmp_path / WORK).mkdir()
    with pytest.raises(ReadError, match="nothing was fetched into it to the end yet") as caught:
        read_school_data(tmp_path, format="edfi")
    assert "goes on where it ended" in str(caught.value)


@pytest.mark.parametrize("content", ["{}", "MARKERNAME", json.dumps({"kind": "other"}), "[1]"])
def test_a_manifest_of_something_else_is_refused(tmp_path: Path, records: Records, content: str) -> None:
    write_lines(tmp_path, records)
    (tmp_path / MANIFEST).write_text(content, encoding="utf-8")
    with pytest.raises(ReadError, match="not the manifest of a fetch") as caught:
        read_school_data(tmp_path, format="edfi")
    assert leaks(caught.value) == []
