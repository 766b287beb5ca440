"""What may be stored: the same table whether it comes in order or not, and nothing that breaks its contract."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cis_ews.enums import Direction
from cis_ews.errors import StorageError
from cis_ews.schema.scores import Reasons
from cis_ews.storage.frames import SCHEMAS, SORT_KEYS, checked
from tests.lib.stored_nights import reason

STUDENTS = ("ann", "bob", "eve")


def reasons() -> pl.DataFrame:
    """Two risks and a strength a student, in order."""
    rows = [
        reason(student, rank=rank, direction=direction)
        for student in STUDENTS
        for direction, rank in ((Direction.RISK, 1), (Direction.RISK, 2), (Direction.STRENGTH, 1))
    ]
    return pl.DataFrame(rows, schema=Reasons.create_empty().schema)


def test_a_table_is_the_same_in_whatever_order_it_comes() -> None:
    ordered = reasons()
    parts = pl.concat([ordered.tail(2), ordered.head(-2)])
    for given in (ordered, ordered.reverse(), parts):
        found = checked("reasons", given)
        assert_frame_equal(found, ordered, check_exact=True)
        assert found.n_chunks() == 1


@pytest.mark.parametrize("order", ["in order", "reversed"])
@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (pl.lit(0, dtype=pl.Int16).alias("rank"), "rank"),
        (pl.lit("").alias("sentence"), "sentence"),
        (pl.lit(None, dtype=pl.String).alias("student_id"), "student_id"),
    ],
)
def test_a_row_that_breaks_a_rule_is_found_in_any_order(order: str, broken: pl.Expr, rule: str) -> None:
    rows = reasons()
    middle = pl.int_range(pl.len()) == 3
    rows = rows.with_columns(pl.when(middle).then(broken).otherwise(pl.col(rule)).alias(rule))
    with pytest.raises(StorageError, match=rf"reasons cannot be stored: 1 row .*{rule}"):
        checked("reasons", rows if order == "in order" else rows.reverse())


@pytest.mark.parametrize("again", [0, 4, 8])
def test_a_row_twice_is_found(again: int) -> None:
    rows = pl.concat([reasons(), reasons().slice(again, 1)])
    for given in (rows, rows.sort(SORT_KEYS["reasons"])):
        with pytest.raises(StorageError, match="primary_key: 2"):
            checked("reasons", given)


@pytest.mark.parametrize("name", ["indicators", "contributions"])
def test_a_student_twice_is_found_in_any_order(name: str) -> None:
    for students in (["ann", "bob", "bob"], ["bob", "ann", "bob"]):
        with pytest.raises(StorageError, match="it has not one row a student"):
            checked(name, pl.DataFrame({"student_id": students}))
    assert checked(name, pl.DataFrame({"student_id": ["bob", "ann"]}))["student_id"].to_list() == ["ann", "bob"]


@pytest.mark.parametrize("name", [name for name, schema in SCHEMAS.items() if schema.primary_key()])
def test_the_order_of_a_table_proves_its_key(name: str) -> None:
    assert set(SORT_KEYS[name]) == set(SCHEMAS[name].primary_key())


@pytest.mark.parametrize("name", SORT_KEYS)
def test_an_empty_table_stays_empty(name: str) -> None:
    empty = SCHEMAS[name].create_empty() if name in SCHEMAS else pl.DataFrame(schema={"student_id": pl.String})
    assert checked(name, empty).is_empty()
