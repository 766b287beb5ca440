"""Sentences that are put together for many rows at once, beside one template and one row at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cis_ews.enums import GradeLevel
from cis_ews.risk.alike import NULL, Columns
from cis_ews.risk.templates import render, template_fields
from cis_ews.risk.writing import Asked, write

SCHEMA = {
    "days": pl.Int32(),
    "parts": pl.Int64(),
    "rate": pl.Float64(),
    "yes": pl.Boolean(),
    "level": pl.String(),
    "grade": pl.Enum(GradeLevel),
}
FLOATS = st.sampled_from([0.0, -0.0, 0.1, 1.0, 1 / 3, 0.19996, 9.995, float("nan"), float("inf")]) | st.floats()
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "days": st.none() | st.sampled_from([0, 1, 2, 45]) | st.integers(-(2**31), 2**31 - 1),
            "parts": st.none() | st.integers(-(2**53) + 1, 2**53 - 1),
            "rate": st.none() | FLOATS,
            "yes": st.none() | st.booleans(),
            "level": st.none() | st.sampled_from(["", "one", "1", "{x}"]),
            "grade": st.none() | st.sampled_from(list(GradeLevel)),
        }
    ),
    max_size=8,
)
FIELD = st.sampled_from(["days", "parts", "rate", "yes"]).flatmap(
    lambda name: st.sampled_from(["", ":%%", ":day|days"] + [":%"] * (name == "rate")).map(
        lambda style: f"{{{name}{style}}}"
    )
)
PIECE = st.sampled_from(["", "Missed ", "; ", " of the last ", "{{", "100 %"]) | FIELD
TEXT_FIELD = st.sampled_from(["{level:text}", "{grade:text}"])
TEMPLATES = st.lists(st.lists(PIECE | TEXT_FIELD, max_size=5).map("".join), max_size=6)


def frame_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """The rows, every column there."""
    return pl.DataFrame(rows, schema=SCHEMA)


@given(rows=ROWS, templates=TEMPLATES, data=st.data())
def test_what_is_written_at_once_is_what_each_template_says_of_each_row(
    rows: list[dict[str, Any]], templates: list[str], data: st.DataObject
) -> None:
    frame = frame_of(rows)
    asked: list[Asked] = []
    for template in templates:
        places = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=5)) if rows else []
        otherwise = data.draw(st.none() | st.just("the title"))
        asked.append(Asked(template, np.array(places, dtype=np.int64), otherwise))
    expected = [
        each.otherwise if sentence is None else sentence
        for each in asked
        for sentence in frame[each.rows].with_columns(said=render(each.template))["said"]
    ]
    columns = Columns(frame, [name for template in templates for name in template_fields(template)])
    assert write(columns, asked).to_list() == expected


@given(rows=ROWS, names=st.lists(st.sampled_from(list(SCHEMA)), max_size=3), data=st.data())
def test_rows_of_a_kind_are_alike_and_rows_of_others_are_not(
    rows: list[dict[str, Any]], names: list[str], data: st.DataObject
) -> None:
    frame = frame_of(rows)
    places = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=12)) if rows else []
    codes, firsts = Columns(frame, names).kinds(names, np.array(places, dtype=np.int64))
    # As text, zero and minus zero, null and NaN are told apart, as they are in words.
    said = [tuple(str(frame[place, name]) for name in names) for place in places]
    kinds = list(dict.fromkeys(said))
    assert codes.tolist() == [kinds.index(each) for each in said]
    assert [said[places.index(first)] for first in firsts.tolist()] == kinds


def test_no_number_is_taken_for_null() -> None:
    numbers = pl.Series("number", [None, float("nan"), -float("nan"), float("inf"), 0.0], dtype=pl.Float64)
    computed = (pl.Series([0.0]) / 0.0).append(pl.Series([float("inf")]) - float("inf")).alias("number")
    bits = Columns(pl.concat([numbers, computed]).to_frame(), ["number"]).bits("number")
    assert (bits == NULL).tolist() == [True] + [False] * 6
