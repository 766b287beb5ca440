"""Who may what: one table of roles, and from it the checks, the reasons and the rows that a person may see.

`check` raises the reason; a disabled button shows what `why_not` gives, which is the same reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cis_ews.enums import Role
from cis_ews.errors import ConfigError, NotAllowedError
from cis_ews.storage.access import Grant, Scope

LOCALES = ("en", "es")


class May(StrEnum):
    """What there is to be allowed."""

    SEE_STUDENTS = "see_students"
    SEE_RISK = "see_risk"
    DECIDE = "decide"
    EXPORT = "export"
    SEE_NUMBERS = "see_numbers"
    SEE_NETWORK = "see_network"
    SEE_DATA_HEALTH = "see_data_health"
    MEND_DATA = "mend_data"
    ADMINISTER = "administer"
    BREAK_GLASS = "break_glass"


_STUDENTS = frozenset({May.SEE_STUDENTS, May.SEE_NUMBERS})
_MANAGER = _STUDENTS | {May.SEE_RISK, May.EXPORT, May.SEE_NETWORK, May.SEE_DATA_HEALTH}

ROLES: Mapping[Role, frozenset[May]] = {
    Role.COORDINATOR: _STUDENTS | {May.DECIDE, May.EXPORT},
    Role.SCHOOL_STAFF: _STUDENTS,
    Role.DISTRICT_MANAGER: _MANAGER,
    Role.AFFILIATE_MANAGER: _MANAGER,
    Role.STATE: frozenset({May.SEE_NUMBERS, May.SEE_NETWORK}),
    Role.DATA_STEWARD: frozenset({May.SEE_NUMBERS, May.SEE_DATA_HEALTH, May.MEND_DATA}),
    Role.ADMINISTRATOR: frozenset({May.ADMINISTER, May.SEE_DATA_HEALTH, May.BREAK_GLASS}),
}

ROLE_WORDS: Mapping[Role, str] = {
    Role.COORDINATOR: "site coordinator",
    Role.SCHOOL_STAFF: "school staff",
    Role.DISTRICT_MANAGER: "district manager",
    Role.AFFILIATE_MANAGER: "affiliate manager",
    Role.STATE: "state agency",
    Role.DATA_STEWARD: "data steward",
    Role.ADMINISTRATOR: "administrator",
}

EMERGENCY = "emergency access, for an hour and with a reason"
CASELOAD = "site coordinator with this student in the caseload"

WHY_NOT: Mapping[May, str] = {
    May.SEE_STUDENTS: "Your role does not show students here",
    May.SEE_RISK: "Risk numbers are for managers",
    May.DECIDE: "Decisions are made by the site coordinator of the school",
    May.EXPORT: "Your role may not take lists out of the console",
    May.SEE_NUMBERS: "Your role does not show these numbers",
    May.SEE_NETWORK: "Schools side by side are for managers and the state",
    May.SEE_DATA_HEALTH: "Your role does not show the state of the data",
    May.MEND_DATA: "Data tickets are closed by the data steward",
    May.ADMINISTER: "This is for administrators",
    May.BREAK_GLASS: "Emergency access is for administrators",
}

_OF_A_SCHOOL = frozenset({Role.COORDINATOR, Role.SCHOOL_STAFF})
_OF_A_DISTRICT = frozenset({Role.DISTRICT_MANAGER, Role.AFFILIATE_MANAGER, Role.DATA_STEWARD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who asks: built anew for each request from the session."""

    person_id: str
    name: str
    email: str
    locale: str
    grants: tuple[Grant, ...]
    session_id: str
    has_to_change_password: bool = False


def why_allowed(
    viewer: Viewer, may: May, *, district_id: str | None = None, school_id: str | None = None, is_own: bool = False
) -> str | None:
    """The reason that allows something, for the audit and for the page; None where nothing does.

    Without a district: whether it is allowed anywhere. `is_own`: the student is in the viewer's caseload.
    """
    for grant in viewer.grants:
        if may not in ROLES[grant.role]:
            continue
        if district_id is None or _covers(grant, district_id, school_id):
            if grant.is_emergency:
                return EMERGENCY
            return _of_place(grant.role, _place(grant)) if grant.district_id else ROLE_WORDS[grant.role]
        if is_own and grant.role is Role.COORDINATOR:
            return CASELOAD
    return None


def reasons_to_see() -> frozenset[str]:
    """Every reason for which a page of a student may be shown: what has to be there in every language."""
    seeing = [role for role in Role if May.SEE_STUDENTS in ROLES[role]]
    return frozenset({EMERGENCY, CASELOAD, *(_of_place(role, place) for role in seeing for place in _PLACES)})


def reasons_kept() -> frozenset[str]:
    """Every reason of a role that the audit may hold: what has to be there in every language."""
    acting = [role for role in Role if ROLES[role] & {May.ADMINISTER, May.MEND_DATA}]
    return reasons_to_see() | {*ROLE_WORDS.values(), *(_of_place(role, "district") for role in acting)}


def why_seen(viewer: Viewer, *, district_id: str, school_id: str) -> str:
    """Why a viewer sees students whom the own scope has found in a place: a role of the place, else the caseload.

    Raises NotAllowedError with the reason why not where it is neither.
    """
    of_place = why_allowed(viewer, May.SEE_STUDENTS, district_id=district_id, school_id=school_id)
    return of_place or check(viewer, May.SEE_STUDENTS, district_id=district_id, school_id=school_id, is_own=True)


def why_not(
    viewer: Viewer, may: May, *, district_id: str | None = None, school_id: str | None = None, is_own: bool = False
) -> str | None:
    """Why something is not allowed, in words; None where it is."""
    allowed = why_allowed(viewer, may, district_id=district_id, school_id=school_id, is_own=is_own)
    return None if allowed is not None else WHY_NOT[may]


def check(
    viewer: Viewer, may: May, *, district_id: str | None = None, school_id: str | None = None, is_own: bool = False
) -> str:
    """The reason that allows something. Raises NotAllowedError with the reason why not."""
    allowed = why_allowed(viewer, may, district_id=district_id, school_id=school_id, is_own=is_own)
    if allowed is None:
        raise NotAllowedError(WHY_NOT[may], hint="your administrator gives roles")
    return allowed


def administers(viewer: Viewer, grants: Sequence[Grant]) -> bool:
    """Whether a viewer is administrator over all of these grants: everything, or the one district that they are of.

    Who could reset the password of somebody with more could become that person.
    """
    own = administered(viewer)
    return own is None or (bool(grants) and all(grant.district_id in own for grant in grants))


def administered(viewer: Viewer) -> frozenset[str] | None:
    """The districts that a viewer is administrator of; None: every one."""
    own = {grant.district_id for grant in viewer.grants if May.ADMINISTER in ROLES[grant.role]}
    return None if None in own else frozenset(district for district in own if district is not None)


def roles_at(viewer: Viewer, district_id: str, school_id: str, *, is_own: bool = False) -> frozenset[Role]:
    """What a viewer is with regard to a student of a school. `is_own`: the student is in the viewer's caseload."""
    roles = {grant.role for grant in viewer.grants if _covers(grant, district_id, school_id)}
    if is_own:
        roles |= {Role.COORDINATOR} & {grant.role for grant in viewer.grants}
    return frozenset(roles)


def scope_of(viewer: Viewer) -> Scope:
    """The students whose rows a query may give to a viewer."""
    seeing = [grant for grant in viewer.grants if May.SEE_STUDENTS in ROLES[grant.role]]
    of_schools = [grant for grant in seeing if grant.role in _OF_A_SCHOOL]
    return Scope(
        districts=frozenset(
            grant.district_id for grant in seeing if grant.role not in _OF_A_SCHOOL and grant.district_id
        ),
        schools=frozenset(
            (grant.district_id, grant.school_id) for grant in of_schools if grant.district_id and grant.school_id
        ),
        caseload_of=viewer.person_id if any(grant.role is Role.COORDINATOR for grant in seeing) else None,
    )


def checked_grant(role: Role, *, district_id: str | None = None, school_id: str | None = None) -> Grant:
    """A grant that makes sense. Raises ConfigError where a role lacks its school or district, or has one too many."""
    needs_school, needs_district = role in _OF_A_SCHOOL, role in _OF_A_SCHOOL | _OF_A_DISTRICT
    if needs_district and not district_id:
        raise ConfigError("This role needs a district", hint="name the district")
    if needs_school and not school_id:
        raise ConfigError("This role needs a school", hint="name the school, and its district")
    if school_id and not needs_school:
        raise ConfigError("This role is of no single school", hint="leave the school away")
    if district_id and role is Role.STATE:
        raise ConfigError("This role is of no single district", hint="leave the district away")
    return Grant(role, district_id or None, school_id or None)


def _covers(grant: Grant, district_id: str, school_id: str | None) -> bool:
    if grant.district_id is not None and grant.district_id != district_id:
        return False
    return grant.school_id is None or grant.school_id == school_id


def _place(grant: Grant) -> str:
    return "school" if grant.school_id else "district"


_PLACES = ("school", "district")


def _of_place(role: Role, place: str) -> str:
    return f"{ROLE_WORDS[role]} of this {place}"
