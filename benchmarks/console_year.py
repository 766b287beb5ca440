"""A year that a database has behind it: the nights before the current one, and what people did about students.

The current night is a real one, published as every night is; what stands here is bulk, as many rows as a year leaves:
a run for every school day, who came into another tier on each, and cases with their reviews and contacts.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
from sqlalchemy import Connection, select

from cis_ews.enums import CaseAction, CaseState, Cause, Change, ContactKind
from cis_ews.storage.database import tables
from cis_ews.storage.database.bulk import insert_frame
from cis_ews.storage.database.engine import Connections

NIGHTS = 178
MOVED_A_NIGHT = 0.01
"""The share of students who come into another tier on a night."""
IN_CASES = 0.05
"""The share of students about whom somebody did something within the year."""
CONTACTS_A_CASE = 3


def fill_year(url: str, *, as_of: date) -> dict[str, int]:
    """Add the year before the current night of every district; returns the rows of each table that grew."""
    connections = Connections(url)
    with connections.writing() as connection:
        students = _students(connection)
        nights = _nights(connection, as_of=as_of)
        rows = {
            tables.runs: nights.select(tables.runs.columns.keys()),
            tables.run_districts: _of_districts(students, nights),
            tables.tier_changes: pl.concat([_moved(students, night) for night in nights.iter_rows(named=True)]),
            **_cases(connection, students, as_of=as_of),
        }
        for table, frame in rows.items():
            insert_frame(connection, table, frame)
    connections.close()
    return {table.name: frame.height for table, frame in rows.items()}


def _students(connection: Connection) -> pl.DataFrame:
    names = ("district_id", "ref", "student_id", "school_id", "tier")
    columns = [tables.scores.c[name] for name in names]
    found = list(connection.execute(select(*columns).order_by("district_id", "ref")))
    return pl.DataFrame(found, schema=dict.fromkeys(names[:4], pl.String) | {"tier": pl.Int64}, orient="row")


def _nights(connection: Connection, *, as_of: date) -> pl.DataFrame:
    """A run a school day, back from the day before the nights that are there, each like the current one."""
    [current] = connection.execute(select(tables.runs).where(tables.runs.c.as_of == as_of)).mappings()
    days = [day for day in (as_of - timedelta(days=back) for back in range(2, 2 * NIGHTS)) if day.weekday() < 5]
    runs = [
        {
            **current,
            "run_id": f"{number:016x}",
            "as_of": day,
            "created_at": datetime(day.year, day.month, day.day, 3, tzinfo=UTC),
            "path": f"runs/{day}/{number:016x}",
        }
        for number, day in enumerate(days[:NIGHTS])
    ]
    return pl.DataFrame(runs)


def _of_districts(students: pl.DataFrame, nights: pl.DataFrame) -> pl.DataFrame:
    tiers = {f"tier_{number}": (pl.col("tier") == number).sum() for number in (1, 2, 3)}
    counted = students.group_by("district_id", maintain_order=True).agg(
        students=pl.len(), not_enough_data=pl.col("tier").null_count(), **tiers
    )
    each = counted.join(nights.select("run_id", published_at="created_at"), how="cross")
    return each.with_columns(is_current=False).select(tables.run_districts.columns.keys())


def _moved(students: pl.DataFrame, night: dict[str, object]) -> pl.DataFrame:
    draw = np.random.default_rng(int(str(night["run_id"]), 16))
    some = np.flatnonzero(draw.random(students.height) < MOVED_A_NIGHT)
    before = draw.integers(1, 4, some.size)
    return students[some].select(
        "district_id",
        "ref",
        pl.lit(night["run_id"]).alias("run_id"),
        pl.lit(night["as_of"]).alias("as_of"),
        "student_id",
        "school_id",
        change=pl.lit(Change.TIER_MOVED.value),
        cause=pl.lit(Cause.NEW_RECORDS.value),
        tier_before=pl.Series(before),
        tier_now=pl.Series(before % 3 + 1),
    )


def _cases(connection: Connection, students: pl.DataFrame, *, as_of: date) -> dict[object, pl.DataFrame]:
    """Cases that a coordinator has been in touch with, one review each, and contacts spread over the year."""
    person = connection.scalars(select(tables.people.c.person_id).order_by("person_id")).first()
    draw = np.random.default_rng(11)
    some = students[np.flatnonzero(draw.random(students.height) < IN_CASES)]
    at = pl.lit(datetime(as_of.year, as_of.month, as_of.day, 15, tzinfo=UTC))
    key = some.select("district_id", "ref")
    cases = some.select(
        "district_id",
        "ref",
        "student_id",
        "tier",
        state=pl.lit(CaseState.IN_TOUCH.value),
        version=pl.lit(1),
        changed_at=at,
    )
    reviews = key.with_columns(
        version=pl.lit(1),
        action=pl.lit(CaseAction.CONTACT.value),
        before=pl.lit(CaseState.WAITING.value),
        after=pl.lit(CaseState.IN_TOUCH.value),
        reason=pl.lit("Talked in the hall."),
        person_id=pl.lit(person),
        at=at,
    )
    many = pl.concat([key] * CONTACTS_A_CASE)
    contacts = many.with_columns(back=pl.Series(draw.integers(0, 170, many.height))).select(
        "district_id",
        "ref",
        contact_id=pl.int_range(pl.len()).cast(pl.String).str.zfill(32),
        kind=pl.lit(ContactKind.MEETING.value),
        on=pl.lit(as_of) - pl.duration(days="back"),
        note=pl.lit("Talked in the hall; the family will call back."),
        person_id=pl.lit(person),
        at=at,
    )
    return {tables.cases: cases, tables.reviews: reviews, tables.contacts: contacts}
