"""The plain folder format, file by file: what is missing, empty, double, or written in another way."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from cis_ews.enums import CoverageLevel
from cis_ews.errors import ConfigError, ReadError, SchemaError
from cis_ews.readers import read_school_data
from tests.lib.dirt import (
    accounted,
    clean_frames,
    lines_of,
    read_spoiled,
    rules_broken,
    spoil,
    student_id,
    write_lines,
    write_plain,
    zip_of,
)


def test_a_clean_folder_arrives_whole(tmp_path: Path) -> None:
    data = read_school_data(write_plain(tmp_path))
    for table, frame in clean_frames().items():
        key = [name for name in frame.columns if name in ("incident_id", "student_id", "school_id", "date")]
        assert data.table(table).equals(frame.sort(key)), table
    assert data.rejections.height == 0
    assert all(read == kept for read, kept in accounted(data).values())


def test_every_file_is_named_with_its_hash_and_rows(tmp_path: Path) -> None:
    data = read_school_data(write_plain(tmp_path))
    students = next(file for file in data.files if file.table == "students")
    assert (students.name, students.rows, len(students.sha256)) == ("students.csv", 40, 64)
    assert {file.table for file in data.files} == set(clean_frames())


@pytest.mark.parametrize("kind", ["parquet", "csv.gz", "parts of csv", "parts of parquet", "zip", "a zip of a table"])
def test_other_kinds_of_file_give_the_same_data(tmp_path: Path, kind: str) -> None:
    expected = read_school_data(write_plain(tmp_path / "plain"))
    source = _rewritten(write_plain(tmp_path / "other"), kind)
    data = read_school_data(source)
    for table in clean_frames():
        assert data.table(table).equals(expected.table(table)), table


def _rewritten(folder: Path, kind: str) -> Path:
    for path in sorted(folder.glob("*.csv")):
        table, frame = path.stem, pl.read_csv(path, infer_schema=False)
        if kind == "parquet":
            clean_frames()[table].write_parquet(folder / f"{table}.parquet")
        elif kind == "csv.gz":
            (folder / f"{table}.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
        elif kind == "a zip of a table":
            zip_of(folder / f"{table}.zip", {"anything.csv": path.read_bytes()})
        elif kind.startswith("parts"):
            suffix = kind.removeprefix("parts of ")
            (folder / table).mkdir()
            for at, part in enumerate((frame.head(7), frame.slice(7))):
                target = folder / table / f"part-{at}.{suffix}"
                _ = part.write_csv(target) if suffix == "csv" else part.write_parquet(target)
        else:
            continue
        path.unlink()
    if kind == "zip":
        return zip_of(folder / "x.zip", {f"extract/{each.name}": each.read_bytes() for each in folder.glob("*.csv")})
    return folder


def test_missing_folder() -> None:
    with pytest.raises(ReadError, match="no such folder"):
        read_school_data("nowhere/at/all")


def test_a_path_that_is_neither_folder_nor_archive(tmp_path: Path) -> None:
    (tmp_path / "students.csv").write_text("student_id\na\n")
    with pytest.raises(ReadError, match="neither a folder nor a zip"):
        read_school_data(tmp_path / "students.csv")


def test_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="known are folder"):
        read_school_data(tmp_path, format="foldr")


@pytest.mark.parametrize("table", ["schools", "calendar_days", "students", "enrollments"])
def test_missing_file_of_a_required_table(tmp_path: Path, table: str) -> None:
    (write_plain(tmp_path) / f"{table}.csv").unlink()
    with pytest.raises(SchemaError, match=f"1 required table missing: {table}"):
        read_school_data(tmp_path)


def test_missing_file_of_an_optional_table_is_a_table_that_the_source_does_not_have(tmp_path: Path) -> None:
    (write_plain(tmp_path) / "course_grades.csv").unlink()
    data = read_school_data(tmp_path)
    assert data.course_grades.height == 0
    assert data.coverage.coursework.level is CoverageLevel.NONE
    assert data.coverage.coursework.reason == "the source has no such table"


def test_no_table_of_attendance_behavior_or_coursework(tmp_path: Path) -> None:
    write_plain(tmp_path)
    for table in ("attendance_events", "incidents", "discipline_actions", "course_grades"):
        (tmp_path / f"{table}.csv").unlink()
    with pytest.raises(SchemaError, match="no attendance, behavior or coursework table"):
        read_school_data(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"   \n", b"\xef\xbb\xbf"])
def test_empty_file(tmp_path: Path, content: bytes) -> None:
    (write_plain(tmp_path) / "students.csv").write_bytes(content)
    with pytest.raises(ReadError, match=r"students\.csv: the file is empty"):
        read_school_data(tmp_path)


@pytest.mark.parametrize("end", ["\n", ""])
def test_header_only_in_a_required_table(tmp_path: Path, end: str) -> None:
    write_lines(write_plain(tmp_path), "students", lines_of(tmp_path, "students")[:1], end=end)
    with pytest.raises(SchemaError, match="students: the table has no rows"):
        read_school_data(tmp_path)


def test_header_only_in_incidents_is_a_month_without_incidents(tmp_path: Path) -> None:
    write_plain(tmp_path)
    for table in ("incidents", "discipline_actions"):
        write_lines(tmp_path, table, lines_of(tmp_path, table)[:1])
    data = read_school_data(tmp_path)
    assert data.incidents.height == 0
    assert data.coverage.behavior.level is CoverageLevel.FULL


def test_header_only_in_grades_is_a_failed_export(tmp_path: Path) -> None:
    write_lines(write_plain(tmp_path), "course_grades", lines_of(tmp_path, "course_grades")[:1])
    data = read_school_data(tmp_path)
    assert data.coverage.coursework.level is CoverageLevel.NONE
    assert data.coverage.coursework.reason == "course_grades has a header and no rows"


def test_header_only_in_attendance_tells_nothing_unless_the_schools_have_reported(tmp_path: Path) -> None:
    write_lines(write_plain(tmp_path), "attendance_events", lines_of(tmp_path, "attendance_events")[:1])
    assert read_school_data(tmp_path).coverage.attendance.level is CoverageLevel.FULL
    (tmp_path / "reporting.csv").unlink()
    silent = read_school_data(tmp_path).coverage.attendance
    assert (silent.level, silent.reason) == (CoverageLevel.NONE, "attendance_events has a header and no rows")


def test_unknown_column_is_kept_aside_and_counted(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "students")
    write_lines(tmp_path, "students", [f"{lines[0]},row_number", *(f"{line},9" for line in lines[1:])])
    data = read_school_data(tmp_path)
    assert data.students.height == 40
    assert "students: 1 column of its files not used and kept aside" in data.coverage.notes


def test_missing_required_column_is_named(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "enrollments")
    write_lines(tmp_path, "enrollments", [lines[0].replace("entry_date", "begin"), *lines[1:]])
    with pytest.raises(SchemaError, match="enrollments: 1 required column missing: entry_date") as caught:
        read_school_data(tmp_path)
    assert caught.value.details["columns"] == ["entry_date"]


def test_missing_nullable_column_is_null_and_noted(tmp_path: Path) -> None:
    lines = [line.split(",") for line in lines_of(write_plain(tmp_path), "students")]
    write_lines(tmp_path, "students", [",".join(cells[:3]) for cells in lines])
    data = read_school_data(tmp_path)
    assert data.students["birth_date"].null_count() == 40
    assert "students: the source has no column birth_date" in data.coverage.notes


def test_a_column_that_is_there_twice(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "schools")
    write_lines(tmp_path, "schools", [f"{line},{line.split(',')[0]}" for line in lines])
    with pytest.raises(SchemaError, match=r"schools\.csv: 1 column is there twice: school_id"):
        read_school_data(tmp_path)


@pytest.mark.parametrize(("delimiter", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_wrong_delimiter_is_found_by_the_header_and_noted(tmp_path: Path, delimiter: str, word: str) -> None:
    lines = lines_of(write_plain(tmp_path), "students")
    write_lines(tmp_path, "students", [line.replace(",", delimiter) for line in lines])
    data = read_school_data(tmp_path)
    assert data.students.height == 40
    assert f"students.csv: cells are separated by {word}" in data.coverage.notes


def test_a_delimiter_that_nobody_uses_is_an_error_that_names_the_columns(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "students")
    write_lines(tmp_path, "students", [line.replace(",", "^") for line in lines])
    with pytest.raises(SchemaError, match="student_id; check the header line and the delimiter"):
        read_school_data(tmp_path)


def test_the_same_table_twice(tmp_path: Path) -> None:
    clean_frames()["students"].write_parquet(write_plain(tmp_path) / "students.parquet")
    with pytest.raises(ReadError, match=r"more than one source for the table: students\.csv, students\.parquet"):
        read_school_data(tmp_path)


def test_a_table_in_parts_of_two_kinds(tmp_path: Path) -> None:
    write_plain(tmp_path)
    (tmp_path / "students").mkdir()
    (tmp_path / "students.csv").rename(tmp_path / "students" / "a.csv")
    clean_frames()["students"].write_parquet(tmp_path / "students" / "b.parquet")
    with pytest.raises(ReadError, match="students: more than one source"):
        read_school_data(tmp_path)


def test_parts_with_different_columns(tmp_path: Path) -> None:
    write_plain(tmp_path)
    (tmp_path / "students").mkdir()
    (tmp_path / "students.csv").unlink()
    students = clean_frames()["students"]
    students.head(20).write_csv(tmp_path / "students" / "a.csv")
    students.tail(20).drop("birth_date").write_csv(tmp_path / "students" / "b.csv")
    with pytest.raises(SchemaError, match="its 2 files differ in their columns"):
        read_school_data(tmp_path)


def test_a_row_of_a_later_part_is_named_with_its_own_file_and_number(tmp_path: Path) -> None:
    write_plain(tmp_path)
    (tmp_path / "students").mkdir()
    (tmp_path / "students.csv").unlink()
    students = clean_frames()["students"]
    students.head(20).write_csv(tmp_path / "students" / "a.csv")
    students.tail(20).write_csv(tmp_path / "students" / "b.csv")
    spoil(tmp_path / "students", "b", 3, birth_date="2012-13-01")
    rejection = read_school_data(tmp_path, tolerance=0.5).rejections.row(0, named=True)
    assert (rejection["file"], rejection["row_number"]) == ("students/b.csv", 3)


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    outside = write_plain(tmp_path / "outside")
    write_plain(tmp_path / "in")
    (tmp_path / "in" / "students.csv").unlink()
    (tmp_path / "in" / "students.csv").symlink_to(outside / "students.csv")
    with pytest.raises(ReadError, match="1 link out of the folder"):
        read_school_data(tmp_path / "in")


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    write_plain(tmp_path)
    (tmp_path / "students.csv").rename(tmp_path / "pupils.csv")
    (tmp_path / "students.csv").symlink_to("pupils.csv")
    assert read_school_data(tmp_path).students.height == 40


def test_hidden_files_are_not_read(tmp_path: Path) -> None:
    write_plain(tmp_path)
    (tmp_path / ".students.csv").write_text("nothing")
    (tmp_path / "._schools.csv").write_text("nothing")
    assert read_school_data(tmp_path).students.height == 40


def test_a_file_with_a_mistyped_name_is_passed_over_and_counted(tmp_path: Path) -> None:
    (write_plain(tmp_path) / "course_grades.csv").rename(tmp_path / "course_grade.csv")
    data = read_school_data(tmp_path)
    assert "1 file with the name of no table passed over" in data.coverage.notes


def test_a_suffix_in_capitals(tmp_path: Path) -> None:
    (write_plain(tmp_path) / "students.csv").rename(tmp_path / "students.CSV")
    assert read_school_data(tmp_path).students.height == 40


def test_an_empty_archive_for_a_table(tmp_path: Path) -> None:
    (write_plain(tmp_path) / "students.csv").unlink()
    zip_of(tmp_path / "students.zip", {})
    with pytest.raises(ReadError, match=r"students\.zip: the archive is empty"):
        read_school_data(tmp_path)


def test_parquet_that_is_none(tmp_path: Path) -> None:
    (write_plain(tmp_path) / "students.csv").unlink()
    (tmp_path / "students.parquet").write_bytes(b"PAR1 no PAR1")
    with pytest.raises(ReadError, match=r"students\.parquet: the file is no Parquet, or damaged"):
        read_school_data(tmp_path)


def test_parquet_with_a_column_of_another_kind(tmp_path: Path) -> None:
    (write_plain(tmp_path) / "students.csv").unlink()
    students = clean_frames()["students"].with_columns(pl.col("student_id").str.len_bytes().cast(pl.Float64))
    students.write_parquet(tmp_path / "students.parquet")
    with pytest.raises(SchemaError, match="students: column student_id is of type Float64; write it as text"):
        read_school_data(tmp_path)


def test_parquet_rows_are_counted_from_one(tmp_path: Path) -> None:
    (write_plain(tmp_path) / "students.csv").unlink()
    students = clean_frames()["students"].with_columns(
        pl.when(pl.col("student_id") == student_id(3)).then(None).otherwise("student_id").alias("student_id")
    )
    students.write_parquet(tmp_path / "students.parquet")
    data = read_school_data(tmp_path)
    assert rules_broken(data, "students") == [("missing", 4, "student_id")]


def test_a_row_that_was_spoiled_is_the_row_that_is_named(tmp_path: Path) -> None:
    data = read_spoiled(write_plain(tmp_path), "students", 17, student_id="")
    assert rules_broken(data, "students") == [("missing", 17, "student_id")]


def test_a_link_that_leads_to_itself_or_to_nothing_is_refused(tmp_path: Path) -> None:
    write_plain(tmp_path)
    for target in ("loop", "gone.csv"):
        (tmp_path / "loop").symlink_to(target)
        with pytest.raises(ReadError, match="1 link to nothing: loop"):
            read_school_data(tmp_path)
        (tmp_path / "loop").unlink()


@pytest.mark.parametrize("closed", ["students.csv", "."])
def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, closed: str) -> None:
    write_plain(tmp_path / "in")
    (tmp_path / "in" / closed).chmod(0)
    program = (
        "import os, sys; from pathlib import Path; from cis_ews.readers import read_school_data\n"
        "from cis_ews.errors import ReadError\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try: read_school_data(Path('in'))\n"
        "except ReadError as error: print(error)\n"
    )
    tmp_path.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    (tmp_path / "in" / closed).chmod(0o700)
    assert "permission is denied; let this account read it" in done.stdout, done.stderr
