"""What the generator writes is read without a rejection but those that it planted."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import TABLES, SchoolData
from cis_ews.synthetic import write_district
from cis_ews.synthetic.dirt import BLEMISHES

EXTRACTS: dict[str, dict[str, Any]] = {
    "the demo": {"through": date(2026, 2, 27)},
    "a whole year": {"years": 1, "seed": 1},
    "many districts in parts": {"students": 6000, "districts": 5, "format": "parquet", "seed": 2},
    "one district in parquet": {"students": 5000, "years": 2, "format": "parquet", "seed": 3},
    "many districts in text": {"students": 3000, "districts": 4, "years": 2, "seed": 4},
    "another time": {"students": 1000, "last_school_year": 2011, "years": 4, "seed": 5},
    "the smallest": {"students": 100, "seed": 6},
    "every day": {"students": 1500, "attendance": "positive", "years": 2, "seed": 8},
    "earlier years summed up": {"students": 1500, "summaries": True, "through": date(2026, 2, 27), "seed": 9},
}


@pytest.mark.parametrize("arguments", EXTRACTS.values(), ids=EXTRACTS.keys())
def test_exactly_the_planted_rows_are_rejected(tmp_path: Path, arguments: dict[str, Any]) -> None:
    summary = write_district(tmp_path / "out", **arguments)
    data = read_school_data(tmp_path / "out")
    counted = data.rejections.group_by("table", "rule").len().rows()
    assert {(table, rule): count for table, rule, count in counted} == summary.planted
    assert data.rows_read == summary.rows


@pytest.mark.parametrize("seed", range(6))
def test_a_district_without_dirt_has_no_rejection_and_no_note(tmp_path: Path, seed: int) -> None:
    write_district(tmp_path / "out", students=400 + 300 * seed, seed=seed, dirt=False, format="parquet")
    data = read_school_data(tmp_path / "out")
    assert data.rejections.height == 0
    assert data.coverage.notes == ()
    assert all(data.table(table).height for table in TABLES if table != "student_years")


def test_both_formats_hold_the_same_district(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"students": 1200, "years": 2, "dirt": False}
    tables: list[SchoolData] = []
    for kind in ("csv", "parquet"):
        write_district(tmp_path / kind, format=kind, **arguments)  # pyright: ignore[reportArgumentType]
        tables.append(read_school_data(tmp_path / kind))
    for table in TABLES:
        assert tables[0].table(table).equals(tables[1].table(table)), table


def test_every_kind_of_dirt_is_planted_in_the_demo(tmp_path: Path) -> None:
    summary = write_district(tmp_path / "out", through=date(2026, 2, 27))
    assert set(summary.planted) == {(each.table, each.rule) for each in BLEMISHES}
    shares = {
        table: sum(count for (of, _), count in summary.planted.items() if of == table) / rows
        for table, rows in summary.rows.items()
    }
    assert max(shares.values()) < 0.02


def test_the_coverage_knows_who_reported_until_when(tmp_path: Path) -> None:
    write_district(tmp_path / "out", through=date(2026, 2, 27))
    coverage = read_school_data(tmp_path / "out").coverage
    assert coverage.reporting_known
    assert min(coverage.last_reported.values()) == date(2026, 2, 13)
    assert {each.level.value for each in (coverage.attendance, coverage.behavior, coverage.coursework)} == {"full"}


def test_ids_keep_their_leading_zeros(tmp_path: Path) -> None:
    write_district(tmp_path / "out", students=400, years=1)
    students = read_school_data(tmp_path / "out").students
    assert students.select((pl.col("student_id").str.len_chars() == 10).all()).item()
