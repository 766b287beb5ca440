"""An extract checked in parts is the extract checked whole: the same rows, rejections, counts and statement."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cis_ews.errors import ToleranceError
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.folder import read_tables
from cis_ews.schema.school_data import TABLES, SchoolData
from cis_ews.schema.validation import (
    EVENTS,
    OWNED,
    SHARED,
    CheckedPart,
    Whole,
    check_part,
    check_shared,
    check_tables,
    used,
)
from cis_ews.synthetic import write_district

Frames = dict[str, pl.DataFrame]


@pytest.fixture(scope="module", params=["exceptions", "positive"])
def frames(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """The raw tables of a small dirty district, sorted by student as a source that is read in parts must be."""
    folder = tmp_path_factory.mktemp("parts") / "extract"
    write_district(folder, students=100, years=1, seed=5, format="parquet", attendance=request.param)
    read = read_tables(folder, ReadOptions())
    return {name: table.frame for name, table in read.items()}


def damaged(frames: Frames, rng: random.Random) -> Frames:
    """The tables with some cells and rows of the attendance made wrong, in place."""
    events = frames[EVENTS]
    chosen = pl.Series([rng.random() < 0.02 for _ in range(events.height)])
    wrong = rng.choice(
        [
            pl.col("date") + timedelta(days=rng.choice([-200, 2, 400])),
            pl.lit(None, pl.Date),
            pl.col("date"),
        ]
    )
    status = rng.choice(
        [pl.lit("present"), pl.lit(" tardy "), pl.lit("gone"), pl.col("status"), pl.lit(None, pl.String)]
    )
    fraction = rng.choice([pl.lit(0.0), pl.lit(1.5), pl.lit(float("nan")), pl.col("fraction_absent")])
    school = rng.choice([pl.col("school_id"), pl.lit("nowhere"), pl.lit(None, pl.String)])
    changed = events.with_columns(
        date=pl.when(chosen).then(wrong).otherwise("date"),
        status=pl.when(chosen).then(status).otherwise("status"),
        fraction_absent=pl.when(chosen).then(fraction).otherwise("fraction_absent"),
        school_id=pl.when(chosen).then(school).otherwise("school_id"),
    )
    if rng.random() < 0.5:
        twice = changed.filter(pl.Series([rng.random() < 0.01 for _ in range(events.height)]))
        changed = pl.concat([changed, twice]).sort("student_id", maintain_order=True, nulls_last=False)
    numbered = changed.with_columns(row_number=pl.int_range(1, changed.height + 1, dtype=pl.Int64))
    return {**frames, EVENTS: numbered}


def in_parts(frames: Frames, whole: Whole, rng: random.Random) -> tuple[dict[str, pl.DataFrame], Whole]:
    """The checked tables of random ranges of students, put together."""
    ids = sorted(set(frames["students"]["student_id"].drop_nulls()))
    bounds = ["", *sorted(rng.sample(ids, rng.randrange(4)))]
    by_batches = rng.random() < 0.7
    shared = check_shared(frames)
    while True:
        parts = [
            _part(
                frames, bounds, number, tables=whole.tables, shared=used(shared, whole), by_batches=by_batches, rng=rng
            )
            for number in range(len(bounds))
        ]
        if whole.judge([shared, *parts]):
            break
    owned = {
        name: pl.concat([part.tables[name] for part in parts]).sort(TABLES[name].primary_key())
        for name in whole.tables
        if name in OWNED
    }
    return {**used(shared, whole), **owned}, whole


def _part(
    frames: Frames,
    bounds: list[str],
    number: int,
    *,
    tables: list[str],
    shared: Mapping[str, pl.DataFrame],
    by_batches: bool,
    rng: random.Random,
) -> CheckedPart:
    low = bounds[number]
    high = bounds[number + 1] if number + 1 < len(bounds) else None
    student = pl.col("student_id")
    inside = pl.lit(value=True) if high is None else student < high
    inside = (inside & (student >= low)) if low else (inside | student.is_null())
    given = {name: frames[name].filter(inside) for name in tables if name in OWNED}
    if not by_batches or EVENTS not in given:
        return check_part(given, shared)
    events = given.pop(EVENTS)
    size = rng.choice([7, 100, 10_000])
    return check_part(given, shared, events=list(events.iter_slices(size)) or [events])


def _expected(given: Frames, tolerance: float, as_of: date | None) -> SchoolData | ToleranceError:
    try:
        return check_tables(given, tolerance=tolerance, as_of=as_of)
    except ToleranceError as error:
        return error


@settings(max_examples=150 if os.environ.get("CIS_EWS_TEST_LONG") else 12)
@given(seed=st.integers(0, 2**32), tolerance=st.sampled_from([0.0, 0.01, 0.05, 1.0]))
def test_parts_are_checked_as_the_whole(frames: Frames, seed: int, tolerance: float) -> None:
    rng = random.Random(seed)
    given = damaged(frames, rng)
    as_of = rng.choice([None, date(2025, 10, 1), date(2026, 1, 15)])
    whole = Whole(given={name: frame.columns for name, frame in given.items()}, tolerance=tolerance, as_of=as_of)
    expected = _expected(given, tolerance, as_of)
    if isinstance(expected, ToleranceError):
        with pytest.raises(ToleranceError) as refused:
            in_parts(given, whole, rng)
        assert (refused.value.message, refused.value.details) == (expected.message, expected.details)
        return
    tables, whole = in_parts(given, whole, rng)
    for name in TABLES:
        assert_frame_equal(tables.get(name, expected.table(name).clear()), expected.table(name), check_exact=True)
    assert_frame_equal(whole.rejections, expected.rejections)
    assert whole.coverage({name: tables[name] for name in SHARED if name in tables}) == expected.coverage
    assert (whole.rows_read, whole.rows_reduced) == (expected.rows_read, expected.rows_reduced)


PREFIX = "longer than twelve bytes: "
IDS = ("student_id", "school_id", "incident_id", "course_id", "term", "category")


def disordered(frames: Frames, rng: random.Random) -> Frames:
    """The tables with rows that lie elsewhere, stand twice, differ under one key, and name what is not there."""

    def share(rows: pl.DataFrame, most: float) -> pl.Series:
        return pl.Series([rng.random() < most for _ in range(rows.height)], dtype=pl.Boolean)

    changed: Frames = {}
    for name, rows in frames.items():
        others = [column for column in IDS if column in rows.columns]
        column = rng.choice(others)
        lost = pl.when(share(rows, 0.02)).then(pl.lit(rng.choice(["nowhere", "0", None]), pl.String)).otherwise(column)
        found = rows.with_columns(lost.alias(column)) if rng.random() < 0.5 else rows
        if rng.random() < 0.5:
            found = pl.concat([found, found.filter(share(found, 0.02)), rows.filter(share(rows, 0.02))])
        if rng.random() < 0.5:
            found = found.sample(fraction=rng.choice([1.0, 0.97]), shuffle=True, seed=rng.randrange(1000))
        changed[name] = found.with_columns(row_number=pl.int_range(1, found.height + 1, dtype=pl.Int64))
    return changed


@settings(max_examples=150 if os.environ.get("CIS_EWS_TEST_LONG") else 12)
@given(seed=st.integers(0, 2**32))
def test_long_ids_are_checked_as_short_ones_are(frames: Frames, seed: int) -> None:
    short = disordered(frames, random.Random(seed))
    long = {
        name: rows.with_columns(
            (pl.lit(PREFIX) + pl.col(column)).alias(column) for column in IDS if column in rows.columns
        )
        for name, rows in short.items()
    }
    expected, found = check_tables(short, tolerance=1.0), check_tables(long, tolerance=1.0)
    for name in TABLES:
        rows, ids = found.table(name), [column for column in IDS if column in found.table(name).columns]
        rows = rows.with_columns(pl.col(column).str.strip_prefix(PREFIX) for column in ids)
        assert_frame_equal(rows, expected.table(name), check_exact=True)
    assert_frame_equal(found.rejections, expected.rejections)
    assert (found.rows_read, found.rows_reduced) == (expected.rows_read, expected.rows_reduced)


@settings(max_examples=150 if os.environ.get("CIS_EWS_TEST_LONG") else 12)
@given(seed=st.integers(0, 2**32))
def test_batches_are_checked_as_one_table_however_their_rows_lie(frames: Frames, seed: int) -> None:
    rng = random.Random(seed)
    given = {name: rows for name, rows in damaged(frames, rng).items() if name in OWNED}
    shared = {name: rows for name, rows in check_shared(frames).tables.items() if name in SHARED}
    events = given.pop(EVENTS)
    # By day, as a source that is written night by night has them; in no order; or only a few rows elsewhere.
    order = rng.choice([pl.col("date"), pl.int_range(pl.len()).shuffle(seed), pl.int_range(pl.len()) // 50 % 7])
    lying = events.sort(order, maintain_order=True) if rng.random() < 0.8 else events
    batches = list(lying.iter_slices(rng.choice([7, 100, 1_000, 10_000])))
    whole, found = check_part({**given, EVENTS: lying}, shared), check_part(given, shared, events=batches)
    for name, rows in whole.tables.items():
        assert_frame_equal(found.tables[name], rows, check_exact=True)
    order_of_rejections = ["table", "row_number", "rule", "column"]
    for some, others in ((found.alone, whole.alone), (found.linked, whole.linked)):
        assert_frame_equal(some.sort(order_of_rejections), others.sort(order_of_rejections))
    assert_frame_equal(found.ids.unique(), whole.ids.unique(), check_row_order=False)
    assert found.facts.coverage == whole.facts.coverage
    assert (found.facts.read, found.facts.reduced) == (whole.facts.read, whole.facts.reduced)


def test_a_row_is_kept_reduced_or_rejected(frames: Frames) -> None:
    checked = check_tables(frames, tolerance=1.0)
    for name, rows in checked.rows_read.items():
        rejected = checked.rejections.filter(pl.col("table") == name).select("file", "row_number").n_unique()
        assert rows == checked.table(name).height + checked.rows_reduced.get(name, 0) + rejected, name
