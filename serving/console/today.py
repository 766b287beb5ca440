"""Today: what changed since the night before, then who waits; school by school, cut where the list of each ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl
from fastapi import APIRouter, Request, Response

from cis_ews.calendars import days_behind, is_behind
from cis_ews.storage.access import Scope
from cis_ews.storage.cases import CasePerson
from cis_ews.storage.pages import RosterRow, SchoolPlace, TierChange
from cis_ews.support.permissions import May, Viewer, check, scope_of
from serving.backend import Backend, of
from serving.console.case_view import WORDS
from serving.console.clock import today as this_day
from serving.console.context import render, viewer_of
from serving.console.notices import NightTold, night_told
from serving.console.roster import NONE, query_of
from serving.console.schools import record_list
from serving.console.worklist import Line, lines_of

routes = APIRouter(include_in_schema=False)

IN_WORDS = 3
"""Schools whose students a page names; somebody of many schools gets a number for each of the others."""
LINES = 40
"""Lines of a school where no capacity is known."""
NIGHTS_AT_MOST = 5
"""Districts of whose nights a page says something; somebody of many has the page of the data's health."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolToday:
    """A school on the page. `lines`: who changed, in the order of `order_of`; `left_out`: who else did. `waiting`: with
    whom nobody has been in touch; `has_more`: more than fit wait. `contacts`: ref -> day of the last contact."""

    school: SchoolPlace
    lines: Sequence[tuple[RosterRow, TierChange]] = ()
    left_out: Sequence[RosterRow] = ()
    changed: int = 0
    waiting: Sequence[Line] = ()
    has_more: bool = False
    contacts: Mapping[str, date] = field(default_factory=dict[str, date])
    is_brief: bool
    is_first_night: bool = False
    days_late: int = 0

    @property
    def changed_refs(self) -> frozenset[str]:
        """Who stands among the changes, reasons and all: they are not told twice."""
        return frozenset(row.ref for row, _ in self.lines)

    @property
    def rest(self) -> str:
        """The filters of the roster that have those who were left out: whoever is resolved is on no list any more."""
        return query_of({"tier": frozenset(str(row.tier or NONE) for row in self.left_out)})


@routes.get("/today")
def today(request: Request) -> Response:
    """The page of the morning."""
    viewer, backend = viewer_of(request), of(request)
    check(viewer, May.SEE_STUDENTS)
    scope = scope_of(viewer)
    schools = backend.database.pages.schools(scope)
    told = [_of_school(backend, viewer, school, is_brief=place >= IN_WORDS) for place, school in enumerate(schools)]
    for each in told:
        shown = each.changed_refs | {line.ref for line in each.waiting}
        record_list(backend, viewer, each.school, what="today", refs=shown)
    return render(request, "today.html", schools=told, nights=_nights(request, scope, schools), words=WORDS)


def _nights(request: Request, scope: Scope, schools: Sequence[SchoolPlace]) -> list[tuple[str, NightTold]]:
    """What there is to say of the night of each district, once a district; of schools that are missing too."""
    districts = sorted(
        {*scope.districts, *(district for district, _ in scope.schools), *(s.district_id for s in schools)}
    )
    own = {district: {school for of, school in scope.schools if of == district} for district in districts}
    told = [
        (district, night_told(of(request), district, own=own[district], today=this_day(request)))
        for district in districts[:NIGHTS_AT_MOST]
    ]
    return [(district, night) for district, night in told if night is not None]


def _of_school(backend: Backend, viewer: Viewer, school: SchoolPlace, *, is_brief: bool) -> SchoolToday:
    database, scope = backend.database, scope_of(viewer)
    changes = database.pages.changes_of_tonight(scope, school)
    if is_brief:
        return SchoolToday(school=school, changed=len(changes), is_brief=True)
    by_ref = {change.ref: change for change in changes}
    rows = database.pages.roster(scope, school, told_of=by_ref) if changes else []
    lines = sorted(((row, by_ref[row.ref]) for row in rows if row.ref in by_ref), key=order_of)
    room = LINES if school.capacity is None else school.capacity
    waiting = database.cases.worklist(scope, school=(school.district_id, school.school_id), limit=room + 1)
    shown, left_out = cut_at(lines, room)
    return SchoolToday(
        school=school,
        lines=shown,
        left_out=[row for row, _ in left_out],
        changed=len(changes),
        waiting=lines_of(
            database, viewer, waiting[:room], people={row.ref: person_of(row) for row in rows if row.tier in (2, 3)}
        ),
        has_more=len(waiting) > room,
        contacts=database.cases.last_contacts(school.district_id, [row.ref for row, _ in shown]),
        is_brief=False,
        is_first_night=not changes and database.pages.is_first_night(school),
        days_late=days_late(school, database.pages.school_days(school.district_id, school_id=school.school_id)),
    )


_Lines = list[tuple[RosterRow, TierChange]]


def order_of(line: tuple[RosterRow, TierChange]) -> int:
    """Who came onto the list or up on it, then down, then who is resolved, then who came without a flag; each as on the
    roster."""
    _, change = line
    before, now = change.tier_before or 1, change.tier_now or 1
    if now > 1:
        return 0 if now > before else 1
    return 2 if before > 1 else 3


def cut_at(lines: _Lines, room: int) -> tuple[_Lines, _Lines]:
    """The lines that are shown, and the others. A list that is full takes no room from those who are on it no more."""
    flagged = [line for line in lines if (line[1].tier_now or 1) > 1]
    rest = lines[len(flagged) :]
    return flagged[:room] + rest[:room], flagged[room:] + rest[room:]


def person_of(row: RosterRow) -> CasePerson:
    """A row of the roster as the worklist tells of a person."""
    return CasePerson(
        name=" ".join(part for part in (row.first_name, row.last_name) if part),
        reasons=tuple(reason.sentence for reason in row.having("risk")),
        strengths=tuple(reason.sentence for reason in row.having("strength")),
    )


def days_late(school: SchoolPlace, school_days: pl.DataFrame) -> int:
    """School days between the last one that the school entered and the as-of date; 0 where it is not behind, or says
    nothing. `school_days`: of the year, as `cis_ews.calendars.days_behind` has them."""
    if school.reported_through is None:
        return 0
    days = days_behind(school_days, {school.school_id: school.reported_through}, school.as_of)[school.school_id]
    return days if is_behind(days, is_known=True) else 0
