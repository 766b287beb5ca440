"""Network: districts, and the schools, grades and groups of one, side by side in numbers; no student is on these pages.

A number that would point at few students is left out, and so is whatever would give such a number away
(`cis_ews.evaluation.side_by_side`). Schools and grades are counted when a page is asked for. Groups, and the districts
of a state beside each other, are what the night told: nothing else knows who is in which group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from fastapi import APIRouter, Request, Response

from cis_ews.enums import GradeLevel
from cis_ews.evaluation.side_by_side import (
    EVERY,
    FLAGGED,
    OF_TIERS,
    SERVED,
    STUDENTS,
    TIERS,
    Told,
    in_full,
    side_by_side,
)
from cis_ews.evaluation.suppression import FEWEST
from cis_ews.storage.access import Scope
from cis_ews.storage.pages import DistrictCounts, GroupCount, SchoolPlace
from cis_ews.support.permissions import ROLES, May, Viewer, check, why_allowed
from serving.backend import of
from serving.console.context import render, viewer_of
from serving.console.groups import group_view
from serving.errors import ApiError

routes = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the tables. `told`: column -> number, None where it is not told."""

    name: str
    told: Mapping[str, int | None]
    address: str | None = None
    capacity: int | None = None
    as_of: date | None = None
    is_sum: bool = False


@routes.get("/network")
def network(request: Request) -> Response:
    """The districts; of one alone, its schools."""
    viewer, pages = viewer_of(request), of(request).database.pages
    check(viewer, May.SEE_NETWORK)
    found = pages.districts(only=districts_of(viewer))
    if len(found) == 1:
        return _schools(request, found[0])
    sums = {each.district_id: each.told for each in pages.district_sums(only=districts_of(viewer))}
    rows = [row_of_district(each, sums.get(each.district_id, {})) for each in found]
    return render(request, "network.html", districts=rows, smallest=FEWEST)


@routes.get("/network/{district_ref}")
def district(request: Request, district_ref: str) -> Response:
    """The schools of one district."""
    viewer, pages = viewer_of(request), of(request).database.pages
    check(viewer, May.SEE_NETWORK)
    for found in pages.districts(only=districts_of(viewer)):
        if found.ref == district_ref:
            return _schools(request, found)
    raise ApiError(404)


def districts_of(viewer: Viewer) -> frozenset[str] | None:
    """The districts whose numbers a viewer may see side by side; None for all."""
    seeing = [grant for grant in viewer.grants if May.SEE_NETWORK in ROLES[grant.role]]
    if any(grant.district_id is None for grant in seeing):
        return None
    return frozenset(grant.district_id for grant in seeing if grant.district_id)


def row_of_district(counts: DistrictCounts, of_night: Told) -> Row:
    """A district among others: its tiers as they are, what was done about whom is flagged as the night told it."""
    # By the same rule as the row of sums above the schools: neither page tells what the other leaves out.
    cells = {(EVERY, name): int(getattr(counts, name)) for name in (*TIERS.values(), STUDENTS)}
    told = OF_TIERS.told(cells)
    return Row(
        name=counts.district_id,
        address=f"/network/{counts.ref}",
        told={
            **{name: cells[row, name] if (row, name) in told else None for row, name in cells},
            **{name: of_night.get(name) for name in (FLAGGED, *SERVED)},
        },
        as_of=counts.as_of,
    )


def _schools(request: Request, found: DistrictCounts) -> Response:
    """Schools, grades and groups. Who may open every student's page here is told all numbers of schools and grades,
    which can be counted there; of groups nobody is told what is few."""
    pages = of(request).database.pages
    counts = pages.group_counts(found.district_id)
    seen = why_allowed(viewer_of(request), May.SEE_STUDENTS, district_id=found.district_id)
    is_full = seen is not None
    only = frozenset({found.district_id})
    schools = pages.schools(Scope(districts=only))
    return render(
        request,
        "network_district.html",
        district=found.district_id,
        as_of=found.as_of,
        tables=[
            ("schools", rows_of_schools(counts, schools, is_full=is_full)),
            ("grades", rows_of_grades(counts, is_full=is_full)),
        ],
        is_full=is_full,
        groups=group_view(pages.groups(found.district_id), next(iter(pages.district_sums(only=only)), None)),
        published_at=found.published_at,
        smallest=FEWEST,
    )


def rows_of_schools(
    counts: Sequence[GroupCount], schools: Iterable[SchoolPlace], *, is_full: bool = False
) -> list[Row]:
    """A row a school that has students, by name, the sums first. `is_full`: nothing is left out."""
    told = told_by(counts, lambda each: each.school_id, is_full=is_full)
    beyond: Counter[str] = Counter()
    for each in counts:
        beyond[each.school_id] += each.beyond_list

    def of_school(school_id: str) -> Told:
        numbers, over = told[school_id], beyond[school_id]
        return {**numbers, "beyond_list": over if is_full else _beyond(numbers, over)}

    rows = [
        Row(
            name=school.name or school.school_id,
            told=of_school(school.school_id),
            capacity=school.capacity,
        )
        for school in schools
        if school.school_id in told
    ]
    return [Row(name=EVERY, told=told[EVERY], is_sum=True), *rows]


def _beyond(told: Mapping[str, int | None], beyond: int) -> int | None:
    """How many more the list would have, where nothing of the tiers is hidden: whoever is beyond it is in Tier 1, and
    the list is full, so that it would give a hidden tier away."""
    tiers = [told[f"tier_{number}"] for number in (1, 2, 3)]
    rest = (tiers[0] or 0) - beyond
    return _large(beyond) if None not in tiers and (rest == 0 or rest >= FEWEST) else None


def rows_of_grades(counts: Sequence[GroupCount], *, is_full: bool = False) -> list[Row]:
    """A row a grade, in the order of grades. `is_full`: nothing is left out."""
    told = told_by(counts, lambda each: each.grade_level or NO_GRADE, is_full=is_full)
    return [Row(name=grade, told=told[grade]) for grade in (*map(str, GradeLevel), NO_GRADE) if grade in told]


NO_GRADE = "none"


def told_by(
    counts: Sequence[GroupCount], key: Callable[[GroupCount], str], *, is_full: bool = False
) -> dict[str, Told]:
    """Group -> column -> number, None where it is not told; under `EVERY` the sums."""
    counted = ((key(each), each.tier, each.state, each.students) for each in counts)
    return in_full(counted) if is_full else side_by_side(counted)


def _large(count: int) -> int | None:
    return count if count >= FEWEST else None
