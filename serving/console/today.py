"""Today: what changed since the night before, school by school, cut where the coordinator's list ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from fastapi import APIRouter, Request, Response

from cis_ews.storage.access import Scope
from cis_ews.storage.pages import RosterRow, SchoolPlace, TierChange
from cis_ews.support.permissions import May, check, scope_of
from serving.backend import Backend, of
from serving.console.context import render, viewer_of
from serving.console.schools import record_list

routes = APIRouter(include_in_schema=False)

IN_WORDS = 3
"""Schools whose students a page names; somebody of many schools gets a number for each of the others."""
LINES = 40
"""Lines of a school where no capacity is known."""
LATE_DAYS = 5
"""School days from which on a school's absences are late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolToday:
    """A school on the page. `lines`: who changed, those of the list first; `left_out`: how many more did."""

    school: SchoolPlace
    lines: Sequence[tuple[RosterRow, TierChange]]
    left_out: int
    changed: int
    is_brief: bool
    days_late: int


@routes.get("/today")
def today(request: Request) -> Response:
    """The page of the morning."""
    viewer, backend = viewer_of(request), of(request)
    check(viewer, May.SEE_STUDENTS)
    scope = scope_of(viewer)
    schools = backend.database.pages.schools(scope)
    told = [_of_school(backend, scope, school, is_brief=place >= IN_WORDS) for place, school in enumerate(schools)]
    for each in told:
        record_list(backend, viewer, each.school, what="today", students=len(each.lines))
    return render(request, "today.html", schools=told)


def _of_school(backend: Backend, scope: Scope, school: SchoolPlace, *, is_brief: bool) -> SchoolToday:
    changes = backend.database.pages.changes_of_tonight(scope, school)
    lines: list[tuple[RosterRow, TierChange]] = []
    if changes and not is_brief:
        by_ref = {change.ref: change for change in changes}
        rows = backend.database.pages.roster(scope, school)
        lines = [(row, by_ref[row.ref]) for row in rows if row.ref in by_ref]
    shown = lines[: LINES if school.capacity is None else school.capacity]
    return SchoolToday(
        school=school,
        lines=shown,
        left_out=len(lines) - len(shown),
        changed=len(changes),
        is_brief=is_brief,
        days_late=days_late(school),
    )


def days_late(school: SchoolPlace) -> int:
    """Weekdays between the last day that the school entered and the as-of date; 0 where it is not late or not known."""
    if school.reported_through is None:
        return 0
    missing = sum(
        date.fromordinal(day).weekday() < 5
        for day in range(school.reported_through.toordinal() + 1, school.as_of.toordinal() + 1)
    )
    return missing if missing >= LATE_DAYS else 0
