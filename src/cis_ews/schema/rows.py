"""The rules that one table can check alone: readable cells, the rules of its schema, no row twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import dataframely as dy
import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.schema.coverage import EVENT_DATES, known_days
from cis_ews.schema.links import ROW
from cis_ews.schema.parsing import MASK, UNREADABLE_DATE, parse_columns
from cis_ews.schema.scores import Rejections
from cis_ews.texts import ranked

PLACE = ("file", "row_number")
_OUT_OF_RANGE = ("min", "max", "inf", "nan")
_RULE_COLUMNS = {
    "exit_not_before_entry": "entry_date, exit_date",
    "present_misses_nothing": "status, fraction_absent",
    "absent_misses_something": "status, fraction_absent",
    "earns_no_more_than_attempted": "credits_attempted, credits_earned",
    "missing_or_late_no_more_than_all": "assignments_missing_or_late, assignments",
    "absent_no_more_than_enrolled": "days_absent, days_enrolled",
}
_RULE_NAMES = {"nullability": "missing", "min_length": "missing", **dict.fromkeys(_OUT_OF_RANGE, "out_of_range")}


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """The rows of a table that keep its own rules, with their `file`, `row_number` and row index; and the rejections.

    `unreadable`: the columns with cells that could not be read. `readable`: those with cells that could; a column with
    none of these at all is most likely written in another form.
    """

    rows: pl.DataFrame
    rejections: pl.DataFrame
    unreadable: tuple[str, ...]
    readable: tuple[str, ...]


def check_rows(
    table: str, schema: type[dy.Schema], raw: pl.DataFrame, *, calendar_days: pl.DataFrame | None = None
) -> CheckedRows:
    """Check one table alone. `calendar_days`: what tells from when on a rejected row that has no date is known.

    Exact duplicates: the first is kept. Rows that share a key and differ are all rejected: nothing says which is true.
    """
    parsed = parse_columns(table, schema, _placed(raw))
    masks = [name for name in parsed.columns if MASK in name]
    broken = with_known_on(table, parsed.filter(pl.any_horizontal(masks)) if masks else parsed.clear(), calendar_days)
    no_date = f"{UNREADABLE_DATE}{MASK}{EVENT_DATES.get(table)}"
    if no_date in masks:
        # What cannot be read is no later than anything, whatever a term or a year says of the row.
        broken = broken.with_columns(known_on=pl.when(~pl.col(no_date)).then("known_on"))
    unreadable = [
        rejected(broken.filter(mask), table=table, rule=mask.split(MASK)[0], columns=mask.split(MASK)[1])
        for mask in masks
        if broken[mask].any()
    ]
    readable = parsed.filter(~pl.any_horizontal(masks)) if broken.height else parsed
    once, repeated, shared = _without_duplicates(readable.select(*schema.columns(), *PLACE, ROW), schema)
    is_plain = not masks and not shared and schema.columns().keys() <= set(raw.columns)
    if is_plain and _between_columns(schema).is_valid(once):
        good, failure = once, None
    else:
        good, failure = _with_places(schema, keyed=shared).filter(once.with_columns(pl.col("file").cast(pl.String)))
    repeated = with_known_on(table, repeated, calendar_days)
    rejections = [*unreadable, rejected(repeated, table=table, rule="duplicate_row", columns=None)]
    if failure is not None and len(failure):
        details = with_known_on(table, failure.details(), calendar_days)
        rejections.extend(_broken_rules(details, table=table, schema=schema))
    return CheckedRows(
        rows=pl.DataFrame(good),
        rejections=pl.concat(rejections),
        unreadable=tuple(mask.split(MASK)[1] for mask in masks if mask.startswith("un") and parsed[mask].any()),
        readable=tuple(name for name in schema.columns() if parsed[name].null_count() < parsed.height),
    )


def with_known_on(table: str, rows: pl.DataFrame, calendar_days: pl.DataFrame | None) -> pl.DataFrame:
    """Rows with the day from which they are known (`known_on`), for their rejections to say."""
    return rows.with_columns(known_days(table, rows, calendar_days).alias("known_on"))


def rejected(rows: pl.DataFrame, *, table: str, rule: str, columns: str | None) -> pl.DataFrame:
    """One rejection a row, with the day from which the row is known where the row has it as `known_on`."""
    known_on = pl.col("known_on") if "known_on" in rows.columns else pl.lit(None)
    return rows.select(
        pl.lit(table).alias("table"),
        pl.col("file").cast(pl.String),
        pl.col("row_number").cast(pl.Int64),
        pl.lit(rule).alias("rule"),
        pl.lit(columns, dtype=pl.String).alias("column"),
        known_on.cast(pl.Date).alias("known_on"),
    )


@cache
def no_rejections() -> pl.DataFrame:
    """An empty frame of rejections, with the column `known_on` of `rejected`."""
    return Rejections.create_empty().with_columns(known_on=pl.lit(None, dtype=pl.Date))


def _placed(raw: pl.DataFrame) -> pl.DataFrame:
    """The frame with a row index, and with `row_number` and `file` where it came without."""
    numbered = raw.with_row_index(ROW)
    if "row_number" not in raw.columns:
        numbered = numbered.with_columns((pl.col(ROW).cast(pl.Int64) + 1).alias("row_number"))
    if "file" not in raw.columns:
        numbered = numbered.with_columns(pl.lit(None, dtype=pl.String).alias("file"))
    return numbered


def _without_duplicates(rows: pl.DataFrame, schema: type[dy.Schema]) -> tuple[pl.DataFrame, pl.DataFrame, bool]:
    """Each row once, sorted by the key; the repetitions; and whether rows that differ still share a key.

    Looks at whole rows only where a key occurs twice.
    """
    key = list(schema.primary_key())
    place = _place_in_order(rows, key)
    if _stands_in_order(rows, key) if place is None else (place[1:] > place[:-1]).all():
        return rows, rows.clear(), False
    ordered, place = _in_order(rows, key, place)
    as_before = _as_before(ordered, key) if place is None else pl.Series(place == np.roll(place, 1))
    if not as_before[1:].any():
        return ordered, ordered.clear(), False
    shared = ordered.filter(as_before | as_before.shift(-1))
    repeated = shared.filter(~pl.struct(list(schema.columns())).is_first_distinct())
    return ordered.join(repeated.select(ROW), on=ROW, how="anti", maintain_order="left"), repeated, True


def sorted_by(rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """The rows sorted by columns, rows that share a key in their order; quick where they are sorted already."""
    return _in_order(rows, key, _place_in_order(rows, key))[0]


def _in_order(
    rows: pl.DataFrame, key: Sequence[str], place: NDArray[np.int64] | None
) -> tuple[pl.DataFrame, NDArray[np.int64] | None]:
    """The rows sorted by columns, and the place of each; None where places do not fit into a number.

    Sorted by one whole number a row, which is many times quicker than by texts.
    """
    if place is None:
        return rows.sort(key, maintain_order=True), None
    if (place[1:] >= place[:-1]).all():
        return rows, place
    # Rows come nearly in order, which this sort sees in one pass.
    order = np.argsort(place, kind="stable")
    return rows[order], place[order]


def _as_before(rows: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    """Whether a row has the key of the row before it."""
    is_same = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in key)
    return rows.select(is_same.fill_null(value=False)).to_series()


def _stands_in_order(rows: pl.DataFrame, key: Sequence[str]) -> bool:
    """Whether each row stands after the one before it and differs from it in the key; not known where a key is null."""
    stands_after = pl.lit(value=False)
    for name in reversed(key):
        value, before = pl.col(name), pl.col(name).shift()
        stands_after = (value > before) | ((value == before) & stands_after)
    return bool(rows.select(stands_after.slice(1).all(ignore_nulls=False)).item())


def _place_in_order(rows: pl.DataFrame, key: Sequence[str]) -> NDArray[np.int64] | None:
    """A number a row that orders as the columns do, one after the other; None where there is no such number."""
    room, place = 1, np.zeros(rows.height, dtype=np.int64)
    for name in key if rows.height else ():
        ranks = _ranks(rows.get_column(name))
        if ranks is None:
            return None
        width = int(ranks.max()) + 1
        room *= width
        if room >= 2**63:
            return None
        place *= width
        place += ranks
    return place


def _ranks(column: pl.Series) -> NDArray[np.integer[Any]] | None:
    """Whole numbers from 0 that order as the values do; None for columns with nulls or of another kind."""
    if column.null_count():
        return None
    if column.dtype == pl.String:
        return ranked(column)[0]
    if column.dtype == pl.Date or column.dtype.is_integer():
        whole = column.to_physical().to_numpy()
        return whole.astype(np.int64) - int(whole.min())
    if isinstance(column.dtype, pl.Enum):
        return column.to_physical().to_numpy()
    return None


@cache
def _between_columns(schema: type[dy.Schema]) -> type[dy.Schema]:
    """What the schema asks of a row beyond each of its cells and the key."""
    columns = dict.fromkeys(schema.columns(), dy.Any())
    return cast("type[dy.Schema]", type(f"{schema.__name__}Rules", (schema,), columns))


@cache
def _with_places(schema: type[dy.Schema], *, keyed: bool) -> type[dy.Schema]:
    """The schema with the columns that say where a row came from: a filter drops what it does not know.

    `keyed`: whether rows may share a key; where it is known that they do not, looking for them again costs most.
    """
    placed = {
        "file": dy.String(nullable=True),
        "row_number": dy.Int64(nullable=False),
        ROW: dy.UInt32(nullable=False),
    }
    columns = {} if keyed else {name: _not_key(schema.columns()[name]) for name in schema.primary_key()}
    return cast("type[dy.Schema]", type(f"{schema.__name__}Rows", (schema,), columns | placed))


def _not_key(column: dy.Column) -> dy.Column:
    plain = copy(column)
    plain.primary_key, plain.nullable = False, False
    return plain


def _broken_rules(details: pl.DataFrame, *, table: str, schema: type[dy.Schema]) -> Iterator[pl.DataFrame]:
    data = {*schema.columns(), *PLACE, ROW, "known_on"}
    for check in (name for name in details.columns if name not in data):
        rule, columns = _named(check, schema)
        broken = details.filter(pl.col(check) == "invalid")
        if broken.height:
            yield rejected(broken, table=table, rule=rule, columns=columns)


def _named(check: str, schema: type[dy.Schema]) -> tuple[str, str | None]:
    """A dataframely check in the words of the report: `days|max` is `out_of_range` of `days`."""
    column, _, kind = check.rpartition("|")
    if column:
        return _RULE_NAMES.get(kind, kind), column
    if check == "primary_key":
        return check, ", ".join(schema.primary_key())
    return check, _RULE_COLUMNS.get(check)
