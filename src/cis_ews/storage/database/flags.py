"""Reading the current flags of a district; every query names the district, so that none sees another's students."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, TypedDict

import polars as pl
from sqlalchemy import ColumnElement, Connection, Row, and_, func, select

from cis_ews.enums import Direction
from cis_ews.errors import ConfigError
from cis_ews.storage.database import tables
from cis_ews.storage.database.blocks import PEOPLE
from cis_ews.storage.database.rows import (
    ReasonRow,
    RunRow,
    SchoolRow,
    ScorePage,
    ScoreRow,
    StudentReasons,
    TierFilter,
)

_SCORE_FIELDS = tuple(ScoreRow.__dataclass_fields__)
_REASON_FIELDS = tuple(ReasonRow.__dataclass_fields__)
_SCORE_COLUMNS = [tables.scores.c[name] for name in _SCORE_FIELDS]


def runs_of(connection: Connection, district_id: str, *, limit: int) -> list[RunRow]:
    """The newest runs of a district, newest first."""
    runs, districts = tables.runs, tables.run_districts
    counts = ("students", "tier_1", "tier_2", "tier_3", "not_enough_data")
    query = (
        select(
            *(runs.c[name] for name in ("run_id", "as_of", "created_at", "model_version", "path")),
            *(districts.c[name] for name in ("published_at", "is_current", *counts)),
        )
        .join_from(runs, districts)
        .where(districts.c.district_id == district_id)
        .order_by(runs.c.as_of.desc(), districts.c.published_at.desc(), runs.c.run_id)
        .limit(limit)
    )
    return [RunRow(**row) for row in connection.execute(query).mappings()]


def score_page(
    connection: Connection,
    district_id: str,
    *,
    conditions: Sequence[ColumnElement[bool]],
    limit: int,
) -> ScorePage:
    """One page by ref; asks for one row more than the page holds, to know whether there is a next one."""
    current = _current(connection, district_id)
    if current is None:
        return ScorePage()
    scores = tables.scores
    query = select(*_SCORE_COLUMNS).where(scores.c.district_id == district_id, *conditions)
    found = connection.execute(query.order_by(scores.c.ref).limit(limit + 1)).mappings().all()
    rows = tuple(ScoreRow(**row) for row in found[:limit])
    return ScorePage(
        rows=rows,
        next=rows[-1].ref if len(found) > limit else None,
        run_id=current.run_id,
        as_of=current.as_of,
        published_at=current.published_at,
    )


def score_conditions(
    *, school_id: str | None, tier: TierFilter | None, since: datetime | None, after: str | None
) -> list[ColumnElement[bool]]:
    """The filters of a page as conditions. Raises ConfigError if `since` has no time zone."""
    scores = tables.scores
    conditions: list[ColumnElement[bool]] = []
    if school_id is not None:
        conditions.append(scores.c.school_id == school_id)
    if tier is not None:
        conditions.append(scores.c.abstained if tier == "not_enough_data" else scores.c.tier == tier)
    if since is not None:
        if since.tzinfo is None:
            raise ConfigError("`since` has no time zone", hint="write it with one: 2026-02-27T06:00:00Z")
        conditions.append(scores.c.changed_at >= since)
    if after is not None:
        conditions.append(scores.c.ref > after)
    return conditions


def student_reasons(connection: Connection, district_id: str, ref: str) -> StudentReasons | None:
    """One student's current score, reasons and strengths; None if the district has no such student."""
    current = _current(connection, district_id)
    scores = tables.scores
    query = select(*_SCORE_COLUMNS).where(scores.c.district_id == district_id, scores.c.ref == ref)
    found = connection.execute(query).mappings().one_or_none()
    if current is None or found is None:
        return None
    score = ScoreRow(**found)
    school = PEOPLE.students(connection, (district_id, score.school_id), columns=("student_id", "reasons"))
    told = _told(school.filter(pl.col("student_id") == score.student_id)["reasons"].explode().drop_nulls().to_list())
    return StudentReasons(score=score, run_id=current.run_id, as_of=current.as_of, **told)


_Reason = Mapping[str, Any]


class _Told(TypedDict):
    reasons: tuple[ReasonRow, ...]
    strengths: tuple[ReasonRow, ...]
    unknown: tuple[ReasonRow, ...]


def _told(reasons: Sequence[_Reason]) -> _Told:
    def having(direction: Direction) -> tuple[ReasonRow, ...]:
        rows = sorted((one for one in reasons if one["direction"] == direction), key=itemgetter("rank"))
        return tuple(ReasonRow(**{name: row[name] for name in _REASON_FIELDS}) for row in rows)

    return {
        "reasons": having(Direction.RISK),
        "strengths": having(Direction.STRENGTH),
        "unknown": having(Direction.UNKNOWN),
    }


def schools_of(connection: Connection, district_id: str) -> list[SchoolRow]:
    """The schools of a district that have a scored student, by name and id."""
    scores, schools = tables.scores, tables.schools

    def in_tier(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count().filter(condition)

    same_school = and_(schools.c.district_id == scores.c.district_id, schools.c.school_id == scores.c.school_id)
    query = (
        select(
            schools.c.school_id,
            schools.c.name,
            func.count().label("students"),
            in_tier(scores.c.tier == 2).label("tier_2"),
            in_tier(scores.c.tier == 3).label("tier_3"),
            in_tier(and_(scores.c.tier == 1, scores.c.list_place.is_not(None))).label("beyond_list"),
            in_tier(scores.c.abstained).label("not_enough_data"),
        )
        .join_from(scores, schools, same_school)
        .where(scores.c.district_id == district_id)
        .group_by(schools.c.school_id, schools.c.name)
    )
    rows = [SchoolRow(**row) for row in connection.execute(query).mappings()]
    return sorted(rows, key=lambda row: (row.name or "", row.school_id))


def districts(connection: Connection) -> list[str]:
    """The districts that have current flags."""
    table = tables.run_districts
    return list(connection.scalars(select(table.c.district_id).where(tables.IS_CURRENT).order_by(table.c.district_id)))


def _current(connection: Connection, district_id: str) -> Row[Any, Any, Any] | None:
    runs, districts = tables.runs, tables.run_districts
    query = select(runs.c.run_id, runs.c.as_of, districts.c.published_at).join_from(runs, districts)
    return connection.execute(query.where(districts.c.district_id == district_id, tables.IS_CURRENT)).one_or_none()
