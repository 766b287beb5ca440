"""Nothing that is dated after the as-of date changes what CEDARS files say on that day, nor whether they are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cis_ews import compute_indicators, read_school_data
from cis_ews.schema.school_data import TABLES, SchoolData
from tests.lib.cedars import Files, cedars_of, clean_district, write_cedars
from tests.lib.dirt import accounted

CLEAN = cedars_of(clean_district())
DAYS = {"N": "Absence Date", "R": "Incident Date", "C": "Date Enrolled in School", "B": "Date Enrolled in District"}
OWNERS = ("District Student ID", "District Student Code")
SPOILED: Mapping[str, Mapping[str, Any]] = {
    "as it is": {},
    "another school": {"Location ID": "east"},
    "no school": {"Location ID": "9999"},
    "unknown codes": {"Absence Code": "ZZ", "Action Applied": "QQ", "Grade Level": "??", "Withdrawal Code": "??"},
    "other names": {"Legal First Name": "MARKERNAMEX", "Birth Date": date(1999, 1, 1), "Behavior Code": "77"},
    "a newcomer": {"District Student ID": "MARKERID900", "District Student Code": "MARKERID900"},
    "empty": {"District Student ID": "", "District Student Code": "", "Location ID": ""},
}
LATER = st.lists(
    st.tuples(
        st.sampled_from(["N", "R", "C", "B", "action", "student"]),
        st.sampled_from(sorted(SPOILED)),
        st.integers(0, 39),
        st.integers(1, 300),
    ),
    min_size=1,
    max_size=25,
)
"""File (or the action of an incident that is known, or all that is undated of one who comes later), how it is spoiled,
the row that it is like, and how many days after the as-of date."""


def _cells(row: pl.DataFrame, cells: Mapping[str, Any]) -> pl.DataFrame:
    known = {name: value for name, value in cells.items() if name in row.columns}
    return row.with_columns(pl.lit(value).cast(row.schema[name]).alias(name) for name, value in known.items())


def _with(files: Files, later: Sequence[tuple[str, str, int, int]], as_of: date) -> Files:
    """The files and, before their rows, these."""
    more: dict[str, list[pl.DataFrame]] = {letter: [] for letter in files}
    for kind, spoiled, at, days in later:
        day, cells = as_of + timedelta(days=days), SPOILED[spoiled]
        if kind == "student":
            newcomer = dict.fromkeys(OWNERS, "MARKERID901")
            for letter in "BCHLM":
                row = _cells(files[letter].head(1), {**cells, **newcomer, DAYS.get(letter, ""): day})
                more[letter].append(row)
        elif kind == "action":
            known = CLEAN["R"].filter(pl.col("Incident Date") <= as_of).slice(at, 1)
            more["R"].append(_cells(known, {"Action Applied": "QQ", "Behavior Code": "77", "Action Date": day}))
        else:
            row = CLEAN[kind].slice(at, 1).with_columns(pl.lit(day).alias(DAYS[kind]))
            more[kind].append(_cells(row, cells))
    return {letter: pl.concat([*more[letter], frame]) for letter, frame in files.items()}


def _read(files: Files, as_of: date) -> SchoolData:
    with TemporaryDirectory() as folder:
        beside = {name: clean_district()[name] for name in ("calendar_days", "reporting")}
        return read_school_data(write_cedars(Path(folder), files, beside=beside), format="cedars", as_of=as_of)


@given(later=LATER, as_of=st.sampled_from([date(2025, 9, 9), date(2025, 9, 10), date(2026, 1, 30)]))
@example(later=[("N", "unknown codes", at, 1) for at in range(20)], as_of=date(2025, 9, 9))
@example(later=[("R", "another school", at, 1) for at in range(20)], as_of=date(2026, 1, 30))
@example(later=[("C", "another school", at, 300) for at in range(20)], as_of=date(2026, 1, 30))
@example(
    later=[("B", "other names", 0, 1), ("action", "as it is", 0, 1), ("student", "empty", 0, 1)],
    as_of=date(2025, 9, 10),
)
@settings(max_examples=20, deadline=None)
def test_later_rows_change_nothing(later: list[tuple[str, str, int, int]], as_of: date) -> None:
    then = {
        letter: frame.filter(pl.col(DAYS[letter]) <= as_of) if letter in DAYS else frame
        for letter, frame in CLEAN.items()
    }
    every, known = _read(_with(then, later, as_of), as_of), _read(then, as_of)
    for table in TABLES:
        assert_frame_equal(every.table(table), known.table(table))
    said = [{name: each for name, each in one.coverage.to_dict().items() if name != "notes"} for one in (every, known)]
    assert said[0] == said[1]
    assert every.rejections.drop("row_number").equals(known.rejections.drop("row_number"))
    assert_frame_equal(compute_indicators(every, as_of), compute_indicators(known, as_of))
    assert all(rows == kept for table, (rows, kept) in accounted(every).items() if every.table(table).height)
