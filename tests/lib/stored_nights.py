"""Nights to store: small, readable contents of a run and the school data that belong to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import polars as pl

from cis_ews.enums import Direction, Domain
from cis_ews.schema.roster import Schools, Students
from cis_ews.schema.school_data import SourceFile
from cis_ews.schema.scores import Reasons, Rejections, RuleResults, Scores
from cis_ews.storage.access import Scope
from cis_ews.storage.database import Database
from cis_ews.storage.pages import RosterRow
from cis_ews.storage.runs import RunContents

AS_OF = date(2026, 2, 27)
MODEL = "rules-0123456789ab"
SOURCE = SourceFile(table="students", name="students.csv", sha256="a" * 64, rows=3)
SCHOOL = "north"
DISTRICT = "d1"


def score(student: str, *, tier: int | None = 1, reason: str = "no rule holds", school: str = SCHOOL) -> dict[str, Any]:
    """One row of scores; no tier means that there was not enough data."""
    return {
        "student_id": student,
        "school_id": school,
        "grade_level": "9",
        "risk": None,
        "risk_low": None,
        "risk_high": None,
        "tier": tier,
        "tier_reason": reason,
        "list_place": {2: 2, 3: 1}.get(tier or 1),
        "days_enrolled": 100,
        "abstained": tier is None,
        "model_version": MODEL,
    }


def reason(
    student: str, *, rank: int = 1, direction: str = Direction.RISK, sentence: str | None = None
) -> dict[str, Any]:
    """One row of reasons."""
    return {
        "student_id": student,
        "rank": rank,
        "direction": direction,
        "domain": Domain.ATTENDANCE,
        "indicator": "absence_rate_ytd",
        "value": 0.125,
        "sentence": sentence or f"Missed 12 of 96 days ({direction}, {rank})",
    }


def contents(given_scores: Iterable[dict[str, Any]] = (), /, **changed: Any) -> RunContents:
    """The contents of a night with these scores, one reason and one strength a student; `changed` replaces the rest."""
    rows = list(given_scores) or [score("ann", tier=3, reason="chronic absence"), score("bob"), score("eve", tier=None)]
    students = [row["student_id"] for row in rows]
    told = (Direction.RISK, Direction.STRENGTH)
    reasons = [reason(student, direction=direction) for student in students for direction in told]
    given: dict[str, Any] = {
        "as_of": AS_OF,
        "model_version": MODEL,
        "config_hash": "c" * 64,
        "inputs": [SOURCE],
        "scores": _frame(rows, Scores),
        "rejections": _frame([rejection(2), rejection(5)], Rejections),
        "cohort_flow": [{"name": "students read", "before": len(rows), "after": len(rows), "excluded": 0}],
        "coverage": {"notes": ["nothing was derived"]},
    }
    tables = {
        "reasons": _frame(reasons, Reasons),
        "rules": _frame([rule_result(student) for student in students], RuleResults),
        "indicators": pl.DataFrame({"student_id": students, "absence_rate_ytd": [0.125] * len(rows)}),
    }
    tables |= {name: changed.pop(name) for name in (*tables, "contributions", "changes") if name in changed}
    return RunContents(**(given | {"tables": tables} | changed))


def rule_result(student: str) -> dict[str, Any]:
    """One row of rules."""
    return {
        "student_id": student,
        "rule": "chronic_absence",
        "status": "holds",
        "level": None,
        "missing": None,
        "sentence": "Missed 12 of 96 days",
    }


def rejection(row_number: int) -> dict[str, Any]:
    """One row of rejections."""
    return {
        "table": "students",
        "file": "students.csv",
        "row_number": row_number,
        "rule": "duplicate_row",
        "column": "student_id",
    }


def roster(
    students: Iterable[str] = ("ann", "bob", "eve"),
    *,
    schools: dict[str, str] | None = None,
    last_names: dict[str, str] | None = None,
) -> dict[str, pl.DataFrame]:
    """What `publish` takes with a run: students (named Doe but for `last_names`), school -> district (north -> d1)."""
    ids = list(students)
    districts = schools or {SCHOOL: DISTRICT}
    names = dict.fromkeys(ids, "Doe") | (last_names or {})
    people = [
        {"student_id": one, "first_name": one.title(), "last_name": names[one], "birth_date": None} for one in ids
    ]
    places = [
        {"school_id": school, "district_id": district, "name": f"{school.title()} High", "level": "high"}
        for school, district in districts.items()
    ]
    return {"students": _frame(people, Students), "schools": _frame(places, Schools)}


def listed(database: Database, district_id: str = DISTRICT, school_id: str = SCHOOL) -> list[RosterRow]:
    """The students of a school that its page tells of in words: those on the list, and without enough data."""
    scope = Scope(schools=frozenset({(district_id, school_id)}))
    return [
        row for place in database.pages.schools(scope) for row in database.pages.roster(scope, place) if row.tier != 1
    ]


def _frame(rows: list[dict[str, Any]], schema: Any) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema.create_empty().schema)
