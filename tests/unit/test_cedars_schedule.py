"""CEDARS files D and E, which only explain the marks of H: schools that nobody knows, lines that are torn."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl

from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import SchoolData
from tests.lib.cedars import cedars_of, clean_district, write_cedars
from tests.lib.dirt import accounted, leaks
from tests.lib.spoilers import told


def read(folder: Path, *, tolerance: float | None = None) -> SchoolData:
    return read_school_data(folder, format="cedars", tolerance=tolerance)


def test_a_location_of_the_schedule_that_is_no_school_gives_way_to_the_enrollment(tmp_path: Path) -> None:
    files = cedars_of(clean_district())
    whole = read(write_cedars(tmp_path / "whole", files))
    first = pl.int_range(pl.len()) < 2
    # Of the first student two rows; the schedule of the second is at the school and at one that nobody knows.
    location = pl.when(first).then(pl.lit("MARKERNOWHERE")).otherwise("Location ID").alias("Location ID")
    files["E"] = pl.concat([files["E"].with_columns(location), files["E"].slice(2, 1).with_columns(location)])
    data = read(write_cedars(tmp_path / "unknown", files))
    assert data.rejections.is_empty()
    assert data.course_grades.equals(whole.course_grades)
    said = "course_grades: 3 rows of E (Student Schedule) name a location that is in neither A nor C"
    assert [note for note in data.coverage.notes if note.startswith(said)]
    assert not [note for note in whole.coverage.notes if "neither A nor C" in note]
    assert leaks(told(data)) == []
    assert all(rows == kept for rows, kept in accounted(data).values())


def test_torn_lines_of_files_that_explain_are_counted_there_and_cost_no_mark(tmp_path: Path) -> None:
    whole = read(write_cedars(tmp_path / "whole", cedars_of(clean_district())))
    folder = write_cedars(tmp_path / "torn", cedars_of(clean_district()))
    for letter in ("D", "E"):
        file = folder / f"{letter}.txt"
        torn = "2025-2026\tMARKERNAME\r\n" * (30 if letter == "E" else 1)
        file.write_text(file.read_text(encoding="utf-8") + torn, encoding="utf-8", newline="")
    data = read(folder)
    assert data.rejections.is_empty()
    assert data.course_grades.equals(whole.course_grades)
    assert data.rows_read["course_grades"] == whole.rows_read["course_grades"]
    assert [note for note in data.coverage.notes if "told into cells" in note] == [
        "D.txt: 1 line cannot be told into cells; not used",
        "E.txt: 30 lines cannot be told into cells; not used",
    ]
    assert leaks(told(data)) == []


def test_the_schedule_of_a_later_enrollment_moves_no_mark(tmp_path: Path) -> None:
    """E has no day: what it says of a school in which the student is enrolled later alone is not known yet."""
    as_of, files = date(2026, 1, 30), cedars_of(clean_district())
    first = pl.int_range(pl.len()) == 0
    third = pl.lit("third").alias("Location ID")
    files["A"] = pl.concat([files["A"], files["A"].head(1).with_columns(third)])
    # The first student takes the course at another school than that of the enrollment, and later at a third one.
    files["E"] = files["E"].with_columns(
        pl.when(first).then(pl.lit("north")).otherwise("Location ID").alias("Location ID")
    )
    spell = files["C"].head(1).with_columns(third, pl.lit(as_of + timedelta(days=20)).alias("Date Enrolled in School"))
    later = {
        **files,
        "C": pl.concat([files["C"], spell]),
        "E": pl.concat([files["E"], files["E"].head(1).with_columns(third)]),
    }
    beside = {"calendar_days": clean_district()["calendar_days"]}
    known, every = (
        read_school_data(write_cedars(tmp_path / name, each, beside=beside), format="cedars", as_of=as_of)
        for name, each in (("known", files), ("every", later))
    )
    assert known.course_grades.filter(student_id="MARKERID000")["school_id"].to_list() == ["north"]
    assert every.course_grades.equals(known.course_grades)
    said = "course_grades: 1 row of E (Student Schedule) is of enrollments after 2026-01-30; not used"
    assert [note for note in every.coverage.notes if note == said]
    assert all(rows == kept for rows, kept in accounted(every).values())
