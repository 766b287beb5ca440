"""Network: districts, and the schools of one, side by side in numbers; no student is on these pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from fastapi import APIRouter, Request, Response

from cis_ews.storage.pages import DistrictCounts, SchoolCounts
from cis_ews.support.permissions import ROLES, May, Viewer, check
from serving.backend import of
from serving.console.context import render, viewer_of
from serving.console.roster import told_number
from serving.errors import ApiError

routes = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table; a number is None where it is too small to be told."""

    name: str
    address: str | None
    students: int | None
    tier_3: int | None
    tier_2: int | None
    beyond_list: int | None
    not_enough_data: int | None
    capacity: int | None
    as_of: date


@routes.get("/network")
def network(request: Request) -> Response:
    """The districts; of one alone, its schools."""
    viewer, pages = viewer_of(request), of(request).database.pages
    check(viewer, May.SEE_NETWORK)
    found = pages.districts(only=districts_of(viewer))
    if len(found) == 1:
        return _schools(request, found[0])
    rows = [_district(district) for district in found]
    return render(request, "network.html", rows=rows, is_schools=False)


@routes.get("/network/{district_ref}")
def district(request: Request, district_ref: str) -> Response:
    """The schools of one district."""
    viewer, pages = viewer_of(request), of(request).database.pages
    check(viewer, May.SEE_NETWORK)
    for found in pages.districts(only=districts_of(viewer)):
        if found.ref == district_ref:
            return _schools(request, found)
    raise ApiError(404)


def _schools(request: Request, found: DistrictCounts) -> Response:
    counted = of(request).database.pages.counts(districts=[found.district_id])
    return render(request, "network.html", rows=[_school(each) for each in counted], is_schools=True)


def districts_of(viewer: Viewer) -> frozenset[str] | None:
    """The districts whose numbers a viewer may see side by side; None for all."""
    seeing = [grant for grant in viewer.grants if May.SEE_NETWORK in ROLES[grant.role]]
    if any(grant.district_id is None for grant in seeing):
        return None
    return frozenset(grant.district_id for grant in seeing if grant.district_id)


def _district(counts: DistrictCounts) -> Row:
    return Row(
        name=counts.district_id,
        address=f"/network/{counts.ref}",
        students=told_number(counts.students),
        tier_3=told_number(counts.tier_3),
        tier_2=told_number(counts.tier_2),
        beyond_list=None,
        not_enough_data=told_number(counts.not_enough_data),
        capacity=None,
        as_of=counts.as_of,
    )


def _school(counts: SchoolCounts) -> Row:
    return Row(
        name=counts.school.name or counts.school.school_id,
        address=None,
        students=told_number(counts.students),
        tier_3=told_number(counts.tier_3),
        tier_2=told_number(counts.tier_2),
        beyond_list=told_number(counts.beyond_list),
        not_enough_data=told_number(counts.not_enough_data),
        capacity=counts.school.capacity,
        as_of=counts.school.as_of,
    )
