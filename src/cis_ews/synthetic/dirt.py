"""Planted dirt: a few rows that a reader must reject, each breaking one known rule, counted.

Every such row is a copy of a good one with one thing changed, and its key belongs to no good row, so that the good rows
stay good. What needs text in a typed column (a date that is none) can be planted in CSV only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from cis_ews.synthetic.extract import Tables
from cis_ews.synthetic.plan import Array, Plan, Stream
from cis_ews.synthetic.roster import BlockKey

ROWS_A_BLEMISH = 120
COPIES = 3


@dataclass(frozen=True, slots=True)
class Blemish:
    """One kind of dirt: the rule that the reader will name, the expressions that spoil a copy, and where to copy from.

    `as_text`: the spoiled cell exists in text files only.
    """

    table: str
    rule: str
    changes: dict[str, pl.Expr]
    candidates: Callable[[Tables], pl.DataFrame] | None = None
    as_text: bool = False


def _stranger(letter: str = "X") -> dict[str, pl.Expr]:
    """An id that nobody has, since ids are digits; another letter makes another stranger."""
    return {"student_id": letter + pl.col("student_id").str.slice(1)}


def _text(value: str) -> pl.Expr:
    return pl.lit(value)


def _long_stays(tables: Tables) -> pl.DataFrame:
    lasts = pl.col("exit_date").is_null() | (pl.col("exit_date") >= pl.col("entry_date").dt.offset_by("30d"))
    return tables["enrollments"].filter(lasts)


def _fridays(tables: Tables) -> pl.DataFrame:
    """Absences on a Friday of students who are still there on the Monday."""
    stays = tables["enrollments"].select("student_id", "school_id", "entry_date", "exit_date")
    events = tables["attendance_events"]
    still = pl.col("exit_date").is_null() | (pl.col("date").dt.offset_by("3d") <= pl.col("exit_date"))
    return (
        events.filter(pl.col("date").dt.weekday() == 5)
        .join(stays, on=["student_id", "school_id"], maintain_order="left_right")
        .filter((pl.col("entry_date") <= pl.col("date")) & still)
        .select(events.columns)
    )


def _with_credits(tables: Tables) -> pl.DataFrame:
    return tables["course_grades"].filter(pl.col("credits_attempted").is_not_null())


_NO_DATE = _text("2025-02-30")
BLEMISHES: tuple[Blemish, ...] = (
    Blemish("students", "duplicate_row", {}),
    Blemish("students", "enrolled_somewhere", _stranger("Y")),
    Blemish(
        "students",
        "unreadable_date",
        {**_stranger("Z"), "birth_date": _text("31/12/2015")},
        as_text=True,
    ),
    Blemish("demographics", "student_known", _stranger()),
    Blemish(
        "enrollments",
        "no_overlap",
        {"entry_date": pl.col("entry_date").dt.offset_by("3d")},
        candidates=_long_stays,
    ),
    Blemish("enrollments", "student_known", _stranger()),
    Blemish(
        "enrollments",
        "exit_not_before_entry",
        {"entry_date": pl.col("entry_date").dt.offset_by("2d"), "exit_date": pl.col("entry_date")},
    ),
    Blemish("enrollments", "unknown_code", {"grade_level": _text("17")}, as_text=True),
    Blemish("attendance_events", "duplicate_row", {}),
    Blemish("attendance_events", "student_known", _stranger()),
    Blemish("attendance_events", "out_of_range", {"fraction_absent": pl.lit(1.5)}),
    Blemish("attendance_events", "school_known", {"school_id": _text("none")}),
    Blemish("attendance_events", "instructional_day", {"date": pl.col("date").dt.offset_by("1d")}, candidates=_fridays),
    Blemish("attendance_events", "inside_enrollment", {"date": pl.col("date").dt.offset_by("-20y")}),
    Blemish("attendance_events", "unreadable_date", {"date": _NO_DATE}, as_text=True),
    Blemish("attendance_events", "unknown_code", {"status": _text("ABS")}, as_text=True),
    Blemish("incidents", "duplicate_row", {}),
    Blemish("incidents", "student_known", _stranger()),
    Blemish("incidents", "unknown_code", {"severity": _text("severe")}, as_text=True),
    Blemish("discipline_actions", "incident_known", {"incident_id": "X" + pl.col("incident_id").str.slice(1)}),
    Blemish("discipline_actions", "out_of_range", {"days": pl.lit(821.0)}),
    Blemish("course_grades", "student_known", _stranger()),
    Blemish("course_grades", "out_of_range", {"percent": pl.lit(821.0)}),
    Blemish(
        "course_grades",
        "earns_no_more_than_attempted",
        {"course_id": "X" + pl.col("course_id"), "credits_earned": pl.col("credits_attempted") + 1},
        candidates=_with_credits,
    ),
    Blemish("course_grades", "unknown_code", {"subject": _text("lunch")}, as_text=True),
    Blemish("course_grades", "unreadable_date", {"graded_on": _NO_DATE}, as_text=True),
    Blemish("supports", "student_known", _stranger()),
    Blemish("supports", "out_of_range", {"minutes": pl.lit(-5, pl.Int32)}),
)


def plant_dirt(plan: Plan, key: BlockKey, tables: Tables) -> tuple[Tables, Counter[tuple[str, str]]]:
    """The tables of a block with dirt among the rows, and how many rows by table and rule."""
    rng = plan.generator(Stream.DIRT, key.district, key.number)
    planted: Counter[tuple[str, str]] = Counter()
    spoiled = {table: _spoiled(plan, table, tables, planted=planted, rng=rng) for table in tables}
    return spoiled, planted


def _spoiled(
    plan: Plan, table: str, tables: Tables, *, planted: Counter[tuple[str, str]], rng: np.random.Generator
) -> pl.DataFrame:
    rows, as_text = tables[table], plan.format == "csv"
    fitting = [each for each in BLEMISHES if each.table == table and (as_text or not each.as_text)]
    parts = [_plain(rows, as_text)]
    for blemish in fitting[: rows.height // ROWS_A_BLEMISH]:
        source = rows if blemish.candidates is None else blemish.candidates(tables)
        copies = min(COPIES, rows.height // (ROWS_A_BLEMISH * len(fitting)) + 1, source.height)
        chosen = source[np.sort(rng.choice(source.height, copies, replace=False))]
        parts.append(_plain(_changed(chosen, blemish, as_text=as_text), as_text))
        planted[table, blemish.rule] += copies
    return _mixed(parts, rng)


def _changed(rows: pl.DataFrame, blemish: Blemish, *, as_text: bool) -> pl.DataFrame:
    changed = rows.with_columns(**blemish.changes)
    return changed if as_text else changed.cast(rows.schema)


def _plain(rows: pl.DataFrame, as_text: bool) -> pl.DataFrame:
    return rows.select(pl.all().cast(pl.String)) if as_text else rows


def _mixed(parts: list[pl.DataFrame], rng: np.random.Generator) -> pl.DataFrame:
    """The good rows in their order, the others anywhere between them."""
    joined = pl.concat(parts)
    good = parts[0].height
    place: Array = np.concatenate([np.arange(good), rng.uniform(0, good, joined.height - good)])
    return joined[np.argsort(place, kind="stable")]
