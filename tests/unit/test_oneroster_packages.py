"""Bulk packages and deltas of OneRoster laid over each other; how files are written; score scales of line items."""

from __future__ import annotations

import codecs
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cis_ews.readers import read_school_data
from cis_ews.readers.oneroster_tables import ID
from cis_ews.schema.school_data import TABLES, SchoolData
from tests.lib.dirt import accounted
from tests.lib.extracts import small_district
from tests.lib.oneroster import Package, package_of, rows, write_package


@pytest.fixture
def package() -> Package:
    return package_of(small_district())


def read(path: Path) -> SchoolData:
    return read_school_data(path, format="oneroster")


def without(package: Package, student: str) -> Package:
    """The package before a student came."""
    columns = {"users": ID, "demographics": ID, "roles": "userSourcedId", "enrollments": "userSourcedId"}
    columns["results"] = "studentSourcedId"
    return package | {file: package[file].filter(pl.col(column) != student) for file, column in columns.items()}


def assert_same(one: SchoolData, two: SchoolData) -> None:
    for table in TABLES:
        assert_frame_equal(one.table(table), two.table(table))
    assert all(there == told for there, told in accounted(one).values())


def test_a_delta_brings_new_rows(tmp_path: Path, package: Package) -> None:
    before = without(package, "s07")
    new = {
        file: frame.join(before[file], on=ID, how="anti", maintain_order="left")
        for file, frame in package.items()
        if frame.height > before[file].height
    }
    assert set(new) == {"users", "demographics", "roles", "enrollments", "results"}
    write_package(tmp_path / "both/1-bulk", before)
    write_package(tmp_path / "both/2-delta", new, mode="delta")
    both = read(tmp_path / "both")
    assert "s07" in set(both.students["student_id"])
    assert_same(both, read(write_package(tmp_path / "merged", package)))


def test_a_later_bulk_replaces_what_came_before_it(tmp_path: Path, package: Package) -> None:
    write_package(tmp_path / "both/1-bulk", package)
    write_package(tmp_path / "both/2-bulk", without(package, "s07"))
    both = read(tmp_path / "both")
    assert_same(both, read(write_package(tmp_path / "alone", without(package, "s07"))))
    for file in ("users", "results"):
        assert f"{file}: {package[file].height:,} rows replaced by a later bulk" in both.coverage.notes
    assert both.rows_reduced["enrollments"] >= package["enrollments"].height


def test_a_row_that_is_inactive_is_withdrawn_and_noted(tmp_path: Path, package: Package) -> None:
    is_theirs = pl.col(ID) == "s07"
    status = pl.when(is_theirs).then(pl.lit("inactive")).otherwise(pl.lit("active"))
    left = package | {"users": package["users"].with_columns(status.alias("status"))}
    left["enrollments"] = without(package, "s07")["enrollments"]
    data = read(write_package(tmp_path, left))
    assert "s07" not in set(data.students["student_id"])
    assert data.students.height == package["users"].height - 2  # the teacher is no student
    assert "users: 1 row withdrawn (inactive)" in data.coverage.notes


@pytest.mark.parametrize("file", ["users", "results", "manifest"])
def test_a_byte_order_mark_is_noted_and_changes_nothing(tmp_path: Path, package: Package, file: str) -> None:
    plain = read(write_package(tmp_path / "plain", package))
    marked = write_package(tmp_path / "marked", package) / f"{file}.csv"
    marked.write_bytes(codecs.BOM_UTF8 + marked.read_bytes())
    data = read(marked.parent)
    assert_same(data, plain)
    assert set(data.coverage.notes) - set(plain.coverage.notes) == {f"{file}.csv: it begins with a byte order mark"}


@pytest.mark.parametrize(
    ("linked", "owner", "percent"),
    [
        (True, {"orgSourcedId": "north"}, 77.0),
        (True, {"courseSourcedId": "math"}, 77.0),
        (False, {"orgSourcedId": "north"}, None),
        (False, {"courseSourcedId": "math"}, None),
    ],
)
def test_a_score_scale_of_a_course_or_an_org_counts_where_it_is_linked(
    tmp_path: Path, package: Package, linked: bool, owner: dict[str, str], percent: float | None
) -> None:
    results = package["results"].with_columns(score=pl.lit(None, dtype=pl.String), textScore=pl.lit("good"))
    package |= {
        "results": results,
        "scoreScales": rows("scoreScales", [{ID: "s", "scoreScaleValue": "{Good:77}", **owner}]),
    }
    if linked:
        links = [
            {ID: f"link-{at}", "lineItemSourcedId": item, "scoreScaleSourcedId": "s"}
            for at, item in enumerate(package["lineItems"][ID])
        ]
        package["lineItemScoreScales"] = rows("lineItemScoreScales", links)
    data = read(write_package(tmp_path, package))
    assert data.course_grades["percent"].to_list() == [percent] * results.height
