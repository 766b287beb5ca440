"""One student: strengths, reasons with the records behind them, the year, how it came to this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from typing import Any

from fastapi import APIRouter, Request, Response

from cis_ews.enums import Domain
from cis_ews.storage.pages import StudentPage
from cis_ews.support.permissions import CASELOAD, EMERGENCY, May, check, scope_of, why_allowed
from cis_ews.support.texts import LONGEST_TEXT
from serving.backend import of
from serving.console.case_view import WORDS, CaseView, case_view, record_seen
from serving.console.charts import absence_trend, kind_of, year_calendar
from serving.console.context import as_part, render, viewer_of
from serving.errors import ApiError

routes = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Risk:
    """A calibrated probability, for those alone who may see it and ask for it."""

    share: float


@routes.get("/students/{ref}")
def student(request: Request, ref: str) -> Response:
    """The page of a student; 404 for whoever may not see this one, as for a student who is not there."""
    check(viewer_of(request), May.SEE_STUDENTS)
    return render_student(request, case_view(of(request).database, viewer_of(request), ref))


def render_student(request: Request, view: CaseView, *, status_code: int = 200) -> Response:
    """The whole page; that it was seen is kept in the audit."""
    viewer, backend = viewer_of(request), of(request)
    page = backend.database.pages.student(scope_of(viewer), view.case.ref)
    if page is None:
        raise ApiError(404)
    here = page.school
    allowed = why_allowed(viewer, May.SEE_RISK, district_id=here.district_id, school_id=here.school_id)
    may_see_risk = allowed is not None and page.row.risk is not None
    is_asked = bool(request.query_params.get("risk"))
    shown = Risk(page.row.risk) if may_see_risk and is_asked and page.row.risk is not None else None
    seeing = backend.database.people.seeing_besides((here.district_id, here.school_id), view.case.ref)
    values = {"besides": [one for one in seeing if one.person_id != viewer.person_id], "by": (CASELOAD, EMERGENCY)}
    values |= {"why": record_seen(request, view.case), "may_see_risk": may_see_risk, "risk": shown}
    return render(request, "student.html", status_code=status_code, **values, **_of_case(view), **told(page))


def render_case(request: Request, view: CaseView, *, status_code: int = 200) -> Response:
    """The part of the page in which one decides. What was written is in the audit; that nothing was, and seen, too."""
    if view.problem is not None:
        record_seen(request, view.case)
    return as_part(render(request, "_decisions.html", status_code=status_code, **_of_case(view)))


def _of_case(view: CaseView) -> dict[str, Any]:
    return {"view": view, "words": WORDS, "longest": LONGEST_TEXT}


def told(page: StudentPage) -> dict[str, Any]:
    """What the template tells."""
    row, records = page.row, page.records
    events = _newest(records, "attendance_events", "date")
    enrolled = _newest(records, "enrollments", "entry_date")
    supports = _newest(records, "supports", "date")
    days = _days_known(page, enrolled)
    behavior = _behavior(records, since=page.school_days[0] if page.school_days else None)
    grades = sorted(records.get("course_grades", ()), key=_by_grade, reverse=True)
    tables = {Domain.ATTENDANCE: events, Domain.BEHAVIOR: any(behavior.values()), Domain.COURSEWORK: grades}
    return {
        "row": row,
        "school": page.school,
        "schools": page.schools,
        "strengths": row.having("strength"),
        "reasons": row.having("risk"),
        "unknown": row.having("unknown"),
        "has_records": bool(records),
        "calendar": year_calendar(days, events),
        "trend": absence_trend(days, events, supports=supports[::-1]) if records else None,
        "absences": [{**event, "kind": kind_of(event)} for event in events],
        "behavior": behavior,
        "grades": grades,
        "tells_assignments": any(one["assignments_missing_or_late"] is not None for one in grades),
        "with_records": [domain for domain, rows in tables.items() if rows],
        "enrollments": enrolled,
        "supports": supports[:5],
        "years": _newest(records, "student_years", "school_year"),
        "history": page.history,
        "first_night": page.first_night,
    }


def _behavior(records: Mapping[str, Sequence[Mapping[str, Any]]], *, since: date | None) -> dict[str, list[Any]]:
    """Incidents and what followed, newest first: of the school year, and before it, which one has to ask for.

    `since`: the first school day; None where the night did not keep the days: everything is then of the year.
    """
    told = [{**one, "day": one["date"]} for one in records.get("incidents", ())]
    told += [{**one, "day": one["start_date"]} for one in records.get("discipline_actions", ())]
    told.sort(key=itemgetter("day"), reverse=True)
    first = since or date.min
    return {
        "this_year": [one for one in told if one["day"] >= first],
        "before": [one for one in told if one["day"] < first],
    }


def _newest(records: Mapping[str, Sequence[Mapping[str, Any]]], table: str, column: str) -> list[Mapping[str, Any]]:
    return sorted(records.get(table, ()), key=itemgetter(column), reverse=True)


def _by_grade(grade: Mapping[str, Any]) -> tuple[Any, ...]:
    return (grade["school_year"], grade["graded_on"] or date.min, grade["term"], grade["course_id"])


def _days_known(page: StudentPage, enrolled: Sequence[Mapping[str, Any]]) -> list[date]:
    """The school days of this year of which the records can tell: from the day on which the student came into it, into
    whichever school, through the last one that the school has entered. What came later is silence, and not presence."""
    if not page.school_days:
        return []
    current = [
        each["entry_date"] for each in enrolled if each["exit_date"] is None or each["exit_date"] >= page.school_days[0]
    ]
    first, last = min(current, default=page.school_days[0]), page.school.reported_through or page.school.as_of
    return [day for day in page.school_days if first <= day <= min(last, page.school.as_of)]
