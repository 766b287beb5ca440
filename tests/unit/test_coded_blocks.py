"""Blocks in codes: what comes out of one is what comes out of a block with everything written out."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cis_ews.enums import Severity
from cis_ews.schema.coded import CodedTable
from cis_ews.storage.coding import Coder, Layout, grouped
from cis_ews.storage.packing import batch_of, packed, packed_lists, unpacked
from tests.lib.lists import with_lists

SCHEMA = {
    "student_id": pl.String(),
    "day": pl.Date(),
    "kind": pl.Enum(Severity),
    "words": pl.String(),
    "number": pl.Float64(),
    "count": pl.Int32(),
    "year": pl.Int16(),
    "tier": pl.Int8(),
    "is_so": pl.Boolean(),
}
IDS = ("ann", "bob", "an id that is longer than twelve bytes", "zoë")
ROWS = st.tuples(
    st.sampled_from((*IDS, "nobody")),
    st.none() | st.dates(min_value=date(1900, 1, 1)),
    st.none() | st.sampled_from(Severity),
    st.none() | st.text(max_size=20),
    st.none() | st.floats(),
    st.none() | st.integers(-(2**31), 2**31 - 1),
    st.none() | st.integers(-(2**15), 2**15 - 1),
    st.none() | st.integers(-(2**7), 2**7 - 1),
    st.none() | st.booleans(),
)


def _frame(rows: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _written_out(block: bytes, schema: pl.Schema) -> pl.DataFrame:
    return unpacked(block).cast(schema)


@settings(max_examples=60)
@given(st.lists(ROWS, max_size=30), st.lists(ROWS, max_size=3), st.sampled_from([[4], [1, 3], [2, 0, 2], [1, 1, 1, 1]]))
def test_blocks_hold_the_rows_of_their_students(rows: list[Any], others: list[Any], sizes: list[int]) -> None:
    students, tables = pl.Series("student_id", IDS), {"first": _frame(rows), "second": _frame(others)}
    whole, place = with_lists(students.to_frame(), tables), 0

    for size, block in zip(sizes, packed_lists(students.to_frame(), sizes, tables), strict=True):
        inside = pl.List(pl.Struct({name: dtype for name, dtype in SCHEMA.items() if name != "student_id"}))
        schema = pl.Schema({"student_id": pl.String(), "first": inside, "second": inside})
        expected = _written_out(packed(batch_of(whole.slice(place, size))), schema)
        assert _written_out(block, schema).equals(expected, null_equal=True)
        place += size


@settings(max_examples=60)
@given(st.lists(ROWS, max_size=30), st.sampled_from([[4], [1, 3], [2, 0, 2]]))
def test_a_coded_table_makes_the_rows_that_it_says(rows: list[Any], sizes: list[int]) -> None:
    """Two codes for the same values too, and values that are null in part."""
    frame, names = _frame(rows), ["words", "day", "kind", "is_so", "number", "count"]
    codes = {"who": ["student_id"], "what": ["day", "words"], "which": ["kind", "is_so", "number"]}
    coded = CodedTable.of(frame.drop("year", "tier"), codes)
    twice = {**coded.said, "what": pl.concat([coded.said["what"], coded.said["what"]])}
    moved = coded.rows.with_columns(pl.col("what") + pl.int_range(pl.len()) % 2 * coded.said["what"].height)
    students = pl.DataFrame({"student_id": IDS, "name": ["A", None, "A", ""], "days": [1.5, 0.0, None, float("nan")]})
    inside = pl.List(pl.Struct({name: SCHEMA[name] for name in names}))
    schema = pl.Schema({**students.schema, "first": inside})
    whole, place = with_lists(students, {"first": frame.select("student_id", *names)}), 0

    blocks = packed_lists(students, sizes, {"first": CodedTable(moved, twice)}, fields={"first": names})

    for size, block in zip(sizes, blocks, strict=True):
        expected = _written_out(packed(batch_of(whole.slice(place, size))), schema)
        assert _written_out(block, schema).equals(expected, null_equal=True)
        place += size


def test_a_reader_asks_for_some_columns_and_those_that_are_not_there_are_left_out() -> None:
    tables = {"first": _frame([]), "second": _frame([])}

    (block,) = packed_lists(pl.DataFrame({"student_id": IDS}), [4], tables)

    assert unpacked(block, ["second", "student_id", "third"]).columns == ["student_id", "second"]


def test_the_same_records_are_the_same_bytes_whatever_was_packed_before() -> None:
    tables = {"first": _frame([("ann", date(2026, 1, 5), None, "late", 0.5, 1, 2, 3, True)])}

    once, again = (packed_lists(pl.DataFrame({"student_id": IDS}), [2, 2], tables) for _ in range(2))

    assert once == again


@pytest.mark.parametrize(("different", "width"), [(256, 1), (257, 2), (65_536, 2), (65_537, 4)])
def test_a_code_is_as_wide_as_it_has_to_be(different: int, width: int) -> None:
    rows = np.arange(different, dtype=np.int32)
    layout = Layout(rows=rows, bounds=np.array([0, different]))

    coded = Coder([layout]).coded(pl.Series(rows).cast(pl.Float64) / 7, layout)

    assert coded.width.tolist() == [width]
    assert np.frombuffer(coded.cells, dtype=f"<u{width}").tolist() == rows.tolist()


@pytest.mark.parametrize("span", [65_535, 65_536])
@pytest.mark.parametrize("dtype", [pl.Int32(), pl.Date()])
def test_the_lowest_and_the_highest_number_have_codes_of_their_own(span: int, dtype: pl.DataType) -> None:
    column = pl.Series([-5, span - 5, -5, 0], dtype=pl.Int32).cast(dtype)
    layout = Layout(rows=np.arange(4, dtype=np.int32), bounds=np.array([0, 4]))

    coded = Coder([layout]).coded(column, layout)

    assert coded.values.gather(np.frombuffer(coded.cells, dtype="<u1")).to_list() == column.to_list()


def test_blocks_that_do_not_hold_every_student_are_refused() -> None:
    with pytest.raises(ValueError, match="blocks of 3 students were asked for, and 4 given"):
        packed_lists(pl.DataFrame({"student_id": IDS}), [1, 2], {"first": _frame([])})


def test_a_block_with_more_different_values_than_a_byte_counts_is_read_back() -> None:
    days = [date.fromordinal(700_000 + number) for number in range(300)]
    rows = _frame([("bob", day, None, str(day), None, number, None, None, None) for number, day in enumerate(days)])

    (block,) = packed_lists(pl.DataFrame({"student_id": IDS}), [4], {"first": rows})

    (records,) = unpacked(block).filter(pl.col("student_id").cast(pl.String) == "bob")["first"].to_list()
    assert [each["day"] for each in records] == days
    assert [each["words"] for each in records] == [str(day) for day in days]


def test_rows_are_grouped_by_student_and_keep_their_order() -> None:
    layout, numbers = grouped(np.array([2, -1, 0, 2, 0, -1, 2], dtype=np.int32), np.array([0, 2, 3]))

    assert layout.rows.tolist() == [2, 4, 0, 3, 6]
    assert layout.bounds.tolist() == [0, 2, 5]
    assert numbers.tolist() == [2, 0, 3]


def test_nobody_makes_no_block() -> None:
    assert packed_lists(pl.DataFrame(schema={"student_id": pl.String}), [], {"first": _frame([])}) == []
