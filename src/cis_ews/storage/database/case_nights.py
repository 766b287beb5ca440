"""What a night does to cases, inside the transaction that makes it current; the rule itself is the caller's."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, select

from cis_ews.enums import AuditAction, CaseState
from cis_ews.storage.cases import Case, Move, NightRule, Seen
from cis_ews.storage.database import audit, tables
from cis_ews.storage.database.cases import move_case

NIGHT = "the night that was published"


def follow_night(connection: Connection, districts: Collection[str], *, rule: NightRule, now: datetime) -> int:
    """Hold every case of the districts against its new score; returns the number that the night moved.

    Cases are locked in the order of their key while this reads them, so that a decision made meanwhile waits, and then
    finds that the night was first.
    """
    moved = 0
    for row in _beside_scores(connection, districts):
        outcome = rule(_seen(row), now)
        if outcome is not None:
            action, after = outcome
            move = Move(action=action, before=CaseState(row["state"]), after=after)
            version = move_case(connection, _case(row), move=move, person_id=None)
            audit.record(
                connection,
                audit.Event(
                    action=AuditAction.CASE_MOVED,
                    why_allowed=NIGHT,
                    district_id=row["district_id"],
                    ref=row["ref"],
                    detail={"action": action.value, "after": after.value, "version": version},
                ),
            )
            moved += 1
    return moved


def _beside_scores(connection: Connection, districts: Collection[str]) -> list[Any]:
    cases, scores = tables.cases, tables.scores
    same = and_(cases.c.district_id == scores.c.district_id, cases.c.ref == scores.c.ref)
    query = (
        select(*cases.c, scores.c.school_id, scores.c.tier.label("tier_now"), scores.c.abstained)
        .select_from(cases.outerjoin(scores, same))
        .where(cases.c.district_id.in_(sorted(districts)))
        .order_by(cases.c.district_id, cases.c.ref)
        .with_for_update(of=cases)
    )
    return list(connection.execute(query).mappings())


def _seen(row: Any) -> Seen:
    return Seen(
        state=CaseState(row["state"]),
        tier_then=row["tier"],
        tier_now=row["tier_now"],
        # Who has no score tonight may have left, or the file of the school is missing: the night cannot tell.
        is_known=row["abstained"] is not None and not row["abstained"],
        until=row["until"],
    )


def _case(row: Any) -> Case:
    same = ("district_id", "ref", "student_id", "tier_now", "version", "until")
    return Case(
        school_id=row["school_id"] or "",
        grade_level=None,
        abstained=bool(row["abstained"]),
        state=CaseState(row["state"]),
        **{name: row[name] for name in same},
    )
