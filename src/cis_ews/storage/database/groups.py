"""What a night tells of groups of students: kept as sums when it is published, and read by the pages of the network."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl
from sqlalchemy import ColumnElement, Connection, select

from cis_ews.storage.database import tables
from cis_ews.storage.database.bulk import insert_frame
from cis_ews.storage.pages import GROUP_COLUMNS, GroupRule, GroupTold

_CASE = {"district_id": pl.String, "student_id": pl.String, "state": pl.String}


def keep_groups(connection: Connection, scores: pl.DataFrame, *, districts: Collection[str], rule: GroupRule) -> None:
    """Keep what a night tells, with cases as they stand: after the night has moved them, in the same transaction.

    `scores`: one row a student of the districts, with `student_id`, `district_id` and `tier`.
    """
    cases = tables.cases
    query = select(*(cases.c[name] for name in _CASE)).where(cases.c.district_id.in_(sorted(districts)))
    states = pl.DataFrame([tuple(row) for row in connection.execute(query)], schema=_CASE, orient="row")
    placed = scores.select("student_id", "district_id", "tier")
    placed = placed.join(states, on=["district_id", "student_id"], how="left", maintain_order="left")
    insert_frame(connection, tables.group_counts, rule(placed))


def groups_told(connection: Connection, district_id: str) -> list[GroupTold]:
    """What is told of the groups of a district."""
    table = tables.group_counts
    return _rows(connection, table.c.district_id == district_id, table.c.attribute != "")


def sums_told(connection: Connection, only: Collection[str] | None) -> list[GroupTold]:
    """What is told of all students of each district, or of some districts."""
    table = tables.group_counts
    among = [] if only is None else [table.c.district_id.in_(sorted(only))]
    return _rows(connection, table.c.attribute == "", *among)


def _rows(connection: Connection, *conditions: ColumnElement[bool]) -> list[GroupTold]:
    table = tables.group_counts
    query = select(table).where(*conditions).order_by(*table.primary_key)
    return [
        GroupTold(
            district_id=row["district_id"],
            attribute=row["attribute"],
            group=row["group_name"],
            told={name: row[name] for name in GROUP_COLUMNS},
        )
        for row in connection.execute(query).mappings()
    ]
