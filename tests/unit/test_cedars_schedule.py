"""CEDARS files D and E, which only explain the marks of H: schools that nobody knows, lines that are torn."""

from __future__ import annotations

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
