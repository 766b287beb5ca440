"""Whatever is done to one of several sources: no error outside the tree, no row dropped uncounted, no value in a
message; and nothing that any of them dates after the as-of date changes a measure."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cis_ews import compute_indicators
from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import SchoolData
from tests.lib.cedars import clean_district
from tests.lib.combined import config, write_combined
from tests.lib.extracts import small_district
from tests.lib.spoilers import (
    DIRT,
    ENCODINGS,
    Spoiler,
    bytes_of,
    cut_off,
    insert_text,
    is_sound,
    lines_with_cells,
    outcome_of,
    overwrite_cell,
    repeat_line,
    spoiled,
)

KEPT = config(state={"ids": {"students": {"crosswalk": "ids.csv", "from": "theirs", "to": "ours", "gaps": "keep"}}})
COMBINED = {"format": "combine", "source": "all.toml"}
DIRTY = ("ids.csv", "sis/users.csv", "sis/enrollments.csv", "state/N.txt", "marks/marks.csv", "office/reporting.csv")
ALONE = {"marks/marks.csv": "course_grades", "office/reporting.csv": "reporting"}
"""Files that are all that a table is read from: their lines can be counted."""
DATED = {
    "attendance_events": "date",
    "incidents": "date",
    "discipline_actions": "start_date",
    "course_grades": "graded_on",
}
FIRST = date(2025, 9, 10)


def write_all(folder: Path, tables: dict[str, pl.DataFrame]) -> Path:
    """The five systems, and a crosswalk of state ids beside."""
    toml = write_combined(folder, tables, settings=KEPT)
    ids = tables["students"].select(theirs=pl.lit("9-") + pl.col("student_id"), ours="student_id")
    ids.write_csv(folder / "ids.csv")
    return toml


@cache
def clean_files() -> dict[str, bytes]:
    with TemporaryDirectory() as name:
        write_all(Path(name), clean_district())
        return bytes_of(Path(name))


def test_the_clean_files_are_read() -> None:
    assert isinstance(outcome_of(clean_files(), **COMBINED), SchoolData)


@given(file=st.sampled_from(DIRTY), dirt=DIRT, encoding=ENCODINGS)
@settings(max_examples=25)
@example(file="ids.csv", dirt=[(overwrite_cell, 0.5, "MARKERID000")], encoding="utf-8")
@example(file="ids.csv", dirt=[(overwrite_cell, 0.0, "MARKERNAME")], encoding="utf-8")
@example(file="ids.csv", dirt=[(cut_off, 0.6, "")], encoding="utf-16")
@example(file="sis/users.csv", dirt=[(repeat_line, 0.6, "")], encoding="utf-8")
@example(file="marks/marks.csv", dirt=[(insert_text, 0.5, '"')], encoding="utf-8")
def test_dirt_is_an_error_of_the_tree_or_a_counted_rejection(
    file: str, dirt: list[tuple[Spoiler, float, str]], encoding: str
) -> None:
    clean = clean_files()
    text = spoiled(clean[file].decode().splitlines(), dirt)
    outcome = outcome_of(clean | {file: text.encode(encoding, errors="replace")}, **COMBINED)
    assert is_sound(outcome)
    if isinstance(outcome, SchoolData) and file in ALONE and '"' not in text:
        assert outcome.rows_read.get(ALONE[file], 0) == lines_with_cells(text)


@given(content=st.binary(max_size=200), file=st.sampled_from(["all.toml", "marks.toml", "cedars.toml", "ids.csv"]))
@settings(max_examples=15)
def test_any_bytes_at_all(content: bytes, file: str) -> None:
    assert is_sound(outcome_of(clean_files() | {file: content}, **COMBINED))


def _measured(tables: dict[str, pl.DataFrame], as_of: date) -> pl.DataFrame:
    with TemporaryDirectory() as name:
        toml = write_all(Path(name), tables)
        return compute_indicators(read_school_data(toml, format="combine", as_of=as_of), as_of)


def _dated() -> dict[str, pl.DataFrame]:
    """A district with a day for each grade, the first of them before any as-of date."""
    tables = small_district()
    days = pl.lit(FIRST) + pl.duration(days=7 * (pl.int_range(pl.len()) % 30))
    return tables | {
        "course_grades": tables["course_grades"].with_columns(days.alias("graded_on")),
        "demographics": tables["students"].select("student_id"),
    }


@given(days=st.integers(70, 270))
@settings(max_examples=8, deadline=None)
def test_nothing_that_a_source_dates_later_changes_a_measure(days: int) -> None:
    as_of, tables = FIRST + timedelta(days=days), _dated()
    early = {table: tables[table].filter(pl.col(column) <= as_of) for table, column in DATED.items()}
    assert_frame_equal(_measured(tables, as_of), _measured(tables | early, as_of))
