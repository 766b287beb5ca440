"""Who may what: the table, its reasons, and the rows that follow."""

from __future__ import annotations

from itertools import product

import pytest

from cis_ews.enums import Role
from cis_ews.errors import ConfigError, NotAllowedError
from cis_ews.storage.access import Grant, Scope
from cis_ews.support.permissions import ROLE_WORDS, ROLES, WHY_NOT, May, Viewer, check, checked_grant, scope_of, why_not
from tests.lib.people import grants_for

MAKES_SENSE = grants_for("d1", "north")


def viewer(*grants: Grant) -> Viewer:
    return Viewer(person_id="p", name="P", email="p@example.org", locale="en", grants=grants, session_id="s")


def test_the_tables_name_every_role_and_every_permission() -> None:
    assert set(ROLES) == set(ROLE_WORDS) == set(Role)
    assert set(WHY_NOT) == set(May) == {may for given in ROLES.values() for may in given}


@pytest.mark.parametrize(("role", "may"), list(product(Role, May)))
def test_a_role_may_in_its_own_place_and_in_no_other(role: Role, may: May) -> None:
    someone = viewer(MAKES_SENSE[role])
    own = {"district_id": "d1", "school_id": "north"}
    if may not in ROLES[role]:
        assert why_not(someone, may, **own) == why_not(someone, may) == WHY_NOT[may]
        with pytest.raises(NotAllowedError, match=WHY_NOT[may]):
            check(someone, may, **own)
        return
    assert ROLE_WORDS[role] in check(someone, may, **own)
    is_everywhere = MAKES_SENSE[role].district_id is None
    assert (why_not(someone, may, district_id="d2", school_id="north") is None) is is_everywhere
    is_of_one_school = MAKES_SENSE[role].school_id is not None
    assert (why_not(someone, may, district_id="d1", school_id="south") is None) is not is_of_one_school
    # A district as a whole is for who was given the whole of it.
    assert (why_not(someone, may, district_id="d1") is None) is not is_of_one_school


def test_a_student_of_the_caseload_is_seen_in_any_school_and_no_risk_with_it() -> None:
    someone, elsewhere = viewer(MAKES_SENSE[Role.COORDINATOR]), {"district_id": "d1", "school_id": "south"}
    assert "caseload" in check(someone, May.SEE_STUDENTS, **elsewhere, is_own=True)
    assert why_not(someone, May.SEE_RISK, **elsewhere, is_own=True) == WHY_NOT[May.SEE_RISK]
    staff = viewer(MAKES_SENSE[Role.SCHOOL_STAFF])
    assert why_not(staff, May.SEE_STUDENTS, **elsewhere, is_own=True) is not None


def test_the_rows_of_each_role() -> None:
    expected = {
        Role.COORDINATOR: Scope(schools=frozenset({("d1", "north")}), caseload_of="p"),
        Role.SCHOOL_STAFF: Scope(schools=frozenset({("d1", "north")})),
        Role.DISTRICT_MANAGER: Scope(districts=frozenset({"d1"})),
        Role.AFFILIATE_MANAGER: Scope(districts=frozenset({"d1"})),
    }
    for role, grant in MAKES_SENSE.items():
        assert scope_of(viewer(grant)) == expected.get(role, Scope())
    assert scope_of(viewer()).is_empty
    # A grant that names too little gives nothing, and never everything.
    too_little = [Grant(role) for role in Role] + [Grant(Role.COORDINATOR, "d1"), Grant(Role.SCHOOL_STAFF, "d1")]
    for grant in too_little:
        scope = scope_of(viewer(grant))
        assert not scope.districts
        assert not scope.schools


@pytest.mark.parametrize("role", list(Role))
def test_a_grant_names_what_its_role_needs_and_no_more(role: Role) -> None:
    right = MAKES_SENSE[role]
    assert checked_grant(role, district_id=right.district_id, school_id=right.school_id) == right
    wrong: list[dict[str, str]] = []
    if right.school_id:
        wrong += [{"district_id": "d1"}, {"school_id": "north"}]
    else:
        wrong += [{"district_id": "d1", "school_id": "north"}]
    if right.district_id:
        wrong += [{}]
    for places in wrong:
        with pytest.raises(ConfigError, match="This role "):
            checked_grant(role, **places)
