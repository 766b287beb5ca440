"""Every row of the files of a source is kept, rejected or reduced; and a row that is not would be seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import pytest

from cis_ews.readers import read_school_data
from cis_ews.readers.oneroster_tables import ID
from cis_ews.schema.school_data import SchoolData
from tests.lib.cedars import COMMA, cedars_of, clean_district, write_cedars
from tests.lib.dirt import clean_frames
from tests.lib.edfi import write_package as write_xml
from tests.lib.edfi_api_records import numbered_frames, records_of, write_lines, xml_of
from tests.lib.oneroster import FINAL, HOMEWORK, package_of, write_package
from tests.lib.source_rows import (
    EDFI,
    ONEROSTER,
    Origin,
    cedars_of_vendor,
    lines_of_files,
    lost,
    records_of_json,
    records_of_xml,
)
from tests.lib.spoilers import bytes_of


def texts_of(folder: Path) -> dict[str, str]:
    return {Path(name).stem: content.decode() for name, content in bytes_of(folder).items()}


FORMATS: Mapping[str, tuple[Callable[[Path], Path], Callable[[Path], Mapping[str, int]], Mapping[str, Origin]]] = {
    "oneroster": (
        lambda folder: write_package(folder, package_of(clean_frames())),
        lambda folder: lines_of_files(bytes_of(folder)),
        ONEROSTER,
    ),
    "cedars": (
        lambda folder: write_cedars(folder, cedars_of(clean_district()), vendor=COMMA),
        lambda folder: lines_of_files(bytes_of(folder)),
        cedars_of_vendor(COMMA),
    ),
    "edfi": (
        lambda folder: write_xml(folder, xml_of(numbered_frames())),
        lambda folder: records_of_xml(texts_of(folder)),
        EDFI,
    ),
    "edfi api": (
        lambda folder: write_lines(folder, records_of(numbered_frames())),
        lambda folder: records_of_json(texts_of(folder)),
        EDFI,
    ),
}
"""Format -> who writes a clean source, who counts its rows, and the tables that are made of them."""


def read(folder: Path, name: str) -> SchoolData:
    return read_school_data(folder, format=name.split(maxsplit=1)[0])


@pytest.mark.parametrize("name", FORMATS)
def test_every_row_is_accounted_for_and_one_that_is_not_would_be_seen(name: str, tmp_path: Path) -> None:
    write, count, origins = FORMATS[name]
    data, rows = read(write(tmp_path / "source"), name), count(tmp_path / "source")
    assert {table for table in origins if data.table(table).height} == set(origins)
    assert lost(data, origins, rows) == {}
    for source in {source for origin in origins.values() for source in origin.sources}:
        of_it = {table for table, origin in origins.items() if source in origin.sources}
        found = lost(data, origins, {**rows, source: rows[source] + 1})
        assert {table: there - told for table, (there, told) in found.items()} == dict.fromkeys(of_it, 1)


def test_results_of_a_term_are_reduced_to_one_grade_a_student_course_and_term(tmp_path: Path) -> None:
    package = package_of(clean_frames())
    items, results = package["lineItems"], package["results"]
    assert set(items["categorySourcedId"]) == {FINAL}
    finals = read(write_package(tmp_path / "finals", package), "oneroster")
    assert (finals.course_grades.height, finals.rows_reduced["course_grades"]) == (results.height, 0)
    further = [(numbered(items, number, ID), numbered(results, number, ID, "lineItemSourcedId")) for number in range(4)]
    package["lineItems"] = pl.concat([each for each, _ in further]).with_columns(categorySourcedId=pl.lit(HOMEWORK))
    package["results"] = pl.concat([each for _, each in further])
    data = read(write_package(tmp_path / "package", package), "oneroster")
    # Each student has one result of the one course and term in the clean package.
    assert data.course_grades.height == results.select("studentSourcedId", "lineItemSourcedId").n_unique()
    assert data.rows_reduced["course_grades"] == package["results"].height - data.course_grades.height
    assert lost(data, ONEROSTER, lines_of_files(bytes_of(tmp_path / "package"))) == {}


def numbered(rows: pl.DataFrame, number: int, *columns: str) -> pl.DataFrame:
    """The rows once more, under other ids."""
    return rows.with_columns(pl.format("{}-{}", pl.col(name), pl.lit(number)).alias(name) for name in columns)
