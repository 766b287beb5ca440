"""A made-up state: in parts that a reader can take one by one, one year told in two ways, earlier years summed up."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as parquet
import pytest
from polars.testing import assert_frame_equal

from cis_ews.indicators import INDICATORS_SCHEMA, compute_indicators
from cis_ews.progress import Silent
from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import TABLES, SchoolData
from cis_ews.synthetic import is_made_up, parts, write_district, write_state
from cis_ews.synthetic.parts import MOST_ROWS_A_GROUP

STUDENTS = 8000
AS_OF = date(2026, 6, 12)
LAST_YEAR = ["student_id", *(name for name in INDICATORS_SCHEMA if name.endswith("_last_year"))]
OF_STUDENTS = [name for name, schema in TABLES.items() if "student_id" in schema.columns()]


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same state with exceptions and with every day, in parts of some 3,000 students."""
    folder = tmp_path_factory.mktemp("states")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "STUDENTS_A_PART", 3000)
        for attendance in ("exceptions", "positive"):
            write_state(folder / attendance, students=STUDENTS, attendance=attendance)
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def read(states: dict[str, Path]) -> dict[str, SchoolData]:
    return {kind: read_school_data(path) for kind, path in states.items()}


def parts_of(folder: Path, table: str) -> list[pl.DataFrame]:
    return [pl.read_parquet(path) for path in sorted((folder / table).iterdir())]


def test_both_ways_of_attendance_describe_the_same_year(read: dict[str, SchoolData]) -> None:
    exceptions, positive = read["exceptions"], read["positive"]
    for table in TABLES:
        assert exceptions.table(table).equals(positive.table(table)), table
    assert_frame_equal(compute_indicators(positive, AS_OF), compute_indicators(exceptions, AS_OF), check_exact=True)
    assert exceptions.rejections.height == positive.rejections.height == 0
    assert positive.coverage == replace(
        exceptions.coverage, attendance=positive.coverage.attendance, notes=positive.coverage.notes
    )


def test_every_day_enrolled_and_reported_has_a_row(read: dict[str, SchoolData]) -> None:
    indicators = compute_indicators(read["positive"], AS_OF)
    second = read["positive"].schools.filter(pl.col("level") == "other")
    assert second.height > 0
    rows = read["positive"].rows_read["attendance_events"]
    assert rows > indicators["days_enrolled_ytd"].sum() > 0.97 * rows


def test_all_rows_of_a_student_are_in_the_same_part_of_every_table(states: dict[str, Path]) -> None:
    folder = states["positive"]
    owners = [frozenset(rows["student_id"]) for rows in parts_of(folder, "students")]
    assert len(owners) > 2
    bounds = [(min(ids), max(ids)) for ids in owners]
    assert all(before[1] < after[0] for before, after in pairwise(bounds))
    for table in OF_STUDENTS:
        found = parts_of(folder, table)
        assert len(found) == len(owners), table
        assert all(set(rows["student_id"]) <= owner for rows, owner in zip(found, owners, strict=True)), table


@pytest.mark.parametrize("kind", ["exceptions", "positive"])
def test_parts_are_sorted_and_their_groups_are_of_one_size(states: dict[str, Path], kind: str) -> None:
    for rows in parts_of(states[kind], "attendance_events"):
        key = rows.select("student_id", "date", "school_id")
        assert key.equals(key.sort(key.columns))
    for table in OF_STUDENTS:
        assert all(rows["student_id"].is_sorted() for rows in parts_of(states[kind], table)), table
    for path in (states[kind] / "attendance_events").iterdir():
        metadata = parquet.ParquetFile(path).metadata
        assert all(metadata.row_group(at).num_rows <= MOST_ROWS_A_GROUP for at in range(metadata.num_row_groups))


def test_parquet_has_the_types_of_the_contract_and_texts_as_dictionaries(states: dict[str, Path]) -> None:
    for name, schema in TABLES.items():
        dtypes = {column: spec.dtype for column, spec in schema.columns().items()}
        expected = {column: pl.String if isinstance(dtype, pl.Enum) else dtype for column, dtype in dtypes.items()}
        assert dict(parts_of(states["positive"], name)[0].schema) == expected, name
    group = parquet.ParquetFile(states["positive"] / "attendance_events" / "part-00001.parquet").metadata.row_group(0)
    assert all("RLE_DICTIONARY" in group.column(at).encodings for at in range(5))


def test_a_state_is_of_the_size_that_was_asked_for(states: dict[str, Path], read: dict[str, SchoolData]) -> None:
    data = read["exceptions"]
    enrolled = compute_indicators(data, AS_OF).height
    assert 0.95 * STUDENTS < enrolled < 1.1 * STUDENTS
    assert 3.5 < data.incidents.height / enrolled < 6
    assert 6 < data.course_grades.height / enrolled < 9
    assert 15 < data.attendance_events.height / enrolled < 23
    assert set(data.student_years["school_year"]) == {2024, 2025}
    assert is_made_up(states["exceptions"])
    assert data.schools["district_id"].n_unique() == 2


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_state(tmp_path / name, students=600, attendance="positive", seed=11)
    files = [sorted(path for path in (tmp_path / name).rglob("*") if path.is_file()) for name in ("one", "two")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]


class _Stops(Silent):
    """Progress that is interrupted after the first block."""

    def advance(self, amount: int = 1) -> None:
        raise KeyboardInterrupt(amount)


def test_an_interrupted_state_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_state(tmp_path / "out", students=6000, attendance="positive", progress=_Stops())
    assert list(tmp_path.iterdir()) == []


def test_summaries_say_of_last_year_what_its_rows_would(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"students": 2500, "districts": 2, "format": "parquet", "dirt": False}
    found: list[pl.DataFrame] = []
    for summaries in (False, True):
        write_district(tmp_path / str(summaries), summaries=summaries, **arguments)
        data = read_school_data(tmp_path / str(summaries))
        assert data.student_years.is_empty() != summaries
        found.append(compute_indicators(data, date(2026, 2, 27)))
    assert found[1]["gpa_last_year"].null_count() < found[1].height
    assert_frame_equal(found[1].select(LAST_YEAR), found[0].select(LAST_YEAR), check_exact=True)
