"""Every page of the console as every role over two schools and districts: nobody sees a student of another place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from html import unescape

import pytest
from starlette.routing import Route

from cis_ews.enums import Role
from cis_ews.storage.access import Scope
from cis_ews.storage.database import By
from cis_ews.support.permissions import ROLES, May
from serving.auth import OPEN
from serving.console.routes import console_routes
from tests.lib.browser import Browser
from tests.lib.districts import HARBOR, HOSTILE_LAST, LAKEVIEW
from tests.lib.people import PASSWORD, add_person, grants_for
from tests.lib.service import Served

STUDENT = re.compile(r"\b(north|south|east)-\d{3}\b")
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
OWN = {
    Role.COORDINATOR: {"north"},
    Role.SCHOOL_STAFF: {"north"},
    Role.DISTRICT_MANAGER: {"north", "south"},
    Role.AFFILIATE_MANAGER: {"north", "south"},
}
"""The schools whose students a role sees that was given for school `north` or its district."""
ROUTES = [route for route in console_routes() if isinstance(route, Route)]
READING = [route.path for route in ROUTES if "GET" in (route.methods or ())]
WRITING = [route.path for route in ROUTES if "POST" in (route.methods or ())]
ADMIN = ("/admin",)
HELD_ON = date(2026, 3, 2)


@dataclass(frozen=True)
class Walk:
    """Who walks, and what there is to find: refs by school, meetings by school, a person of another district."""

    browsers: Mapping[Role, Browser]
    refs: Mapping[str, str]
    meetings: Mapping[str, str]
    person_id: str
    school_refs: Mapping[str, str]

    def addresses(self, path: str) -> list[tuple[str, str]]:
        """Every address of a route, with the school whose student it names, or an empty text."""
        if "{ref}" in path:
            return [(path.replace("{ref}", ref), school) for ref, school in self.refs.items()]
        if "{school_ref}" in path:
            return [(path.replace("{school_ref}", ref), school) for ref, school in self.school_refs.items()]
        if "{meeting_id}" in path:
            placed = path.replace("{place}", "1")
            return [(placed.replace("{meeting_id}", one), school) for one, school in self.meetings.items()]
        fill: dict[str, Callable[[], str]] = {
            "{person_id}": lambda: self.person_id,
            "{change}": lambda: "password",
            "{ticket_id}": lambda: "0" * 32,
            "{provider}": lambda: "school",
            "{district_ref}": lambda: "0" * 32,
        }
        for name, value in fill.items():
            path = path.replace(name, value())
        assert "{" not in path, f"say here what stands in the address {path}, so that the route is walked"
        return [(path, "")]


@pytest.fixture(scope="module")
def walk(served: Served) -> Walk:
    """One person of each role."""
    browsers: dict[Role, Browser] = {}
    for role, grant in grants_for(LAKEVIEW, "north").items():
        email = f"walks-{role.value}@example.org"
        add_person(served.database, email, grant)
        browsers[role] = Browser(served.service)
        assert browsers[role].sign_in(email, PASSWORD).status == 303
    refs = {score["ref"]: score["school_id"] for district in (LAKEVIEW, HARBOR) for score in served.scores(district)}
    other = add_person(served.database, "walked@example.org", grants_for(HARBOR, "east")[Role.COORDINATOR])
    everywhere = Scope(districts=frozenset({LAKEVIEW, HARBOR}))
    school_refs = {place.ref: place.school_id for place in served.database.pages.schools(everywhere)}
    return Walk(browsers, refs, _meetings(served, other), other, school_refs)


def _meetings(served: Served, person_id: str) -> dict[str, str]:
    """A meeting of each school."""
    places = {"north": LAKEVIEW, "south": LAKEVIEW, "east": HARBOR}
    begun: dict[str, str] = {}
    for school, district in places.items():
        scope, by = Scope(districts=frozenset({district})), By(person_id=person_id)
        held = served.database.meetings.begin(scope, (district, school), about="flagged", held_on=HELD_ON, by=by)
        assert held is not None
        begun[held] = school
    return begun


def _names(text: str) -> set[str]:
    """The schools of the students whose names or ids a text holds."""
    return {found[1] for found in STUDENT.finditer(text)} | ({"north"} if HOSTILE_LAST[:7] in unescape(text) else set())


def _refs(walk: Walk, text: str) -> set[str]:
    """The schools of the students whose refs a text holds."""
    return {school for ref, school in walk.refs.items() if ref in text}


@pytest.mark.parametrize(
    ("role", "page"),
    [(Role.COORDINATOR, "/today"), (Role.STATE, "/network"), (Role.DATA_STEWARD, "/tickets")],
    ids=str,
)
def test_a_person_begins_with_the_first_page_of_the_role(walk: Walk, role: Role, page: str) -> None:
    answer = walk.browsers[role].get("/")
    assert (answer.status, answer.headers["location"]) == (303, page)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("path", READING)
def test_a_page_shows_a_role_no_student_of_another_place(walk: Walk, role: Role, path: str) -> None:
    allowed = OWN.get(role, set())
    for address, school in walk.addresses(path):
        answer = walk.browsers[role].get(address)
        assert answer.status in (200, 303, 403, 404)
        if school and school not in allowed:
            assert answer.status in (403, 404)
        text = answer.text.replace(address, "")
        # An administrator sees refs, which tell nothing, in caseloads and in the audit.
        assert _names(text) | (set() if path.startswith(ADMIN) else _refs(walk, text)) <= allowed
        assert STUDENT.search("".join(TITLE.findall(answer.text))) is None
        assert answer.headers["cache-control"] == "no-store"
        if path.startswith(ADMIN):
            assert (answer.status == 403) is (May.ADMINISTER not in ROLES[role])


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
@pytest.mark.parametrize("path", [path for path in WRITING if path.startswith(ADMIN)])
def test_nobody_but_an_administrator_administers(served: Served, walk: Walk, role: Role, path: str) -> None:
    def state() -> object:
        database = served.database
        return database.people.list(), database.list_keys(), database.switch.state(), database.emergencies.list()

    before = state()
    for address, _ in walk.addresses(path):
        fields = {"do": "off", "reason": "a long enough reason", "role": "administrator", "place": "", "name": "N"}
        sent = {**fields, "email": "made@example.org", "district": LAKEVIEW, "label": "l"}
        assert walk.browsers[role].send("/account", address, **sent).status == 403
    assert state() == before


@pytest.mark.parametrize("path", sorted({*READING, *WRITING} - OPEN))
def test_a_page_that_is_not_named_as_open_needs_somebody_who_has_signed_in(
    walk: Walk, served: Served, path: str
) -> None:
    browser = Browser(served.service)
    for address, _ in walk.addresses(path)[:1]:
        for answer in (browser.get(address), browser.post(address, do="off")):
            assert (answer.status, (answer.headers["location"] or "").partition("?")[0]) in (
                (303, "/sign-in"),
                (405, ""),
            )


@pytest.mark.parametrize("path", WRITING)
def test_a_form_needs_the_token_of_the_session(walk: Walk, path: str) -> None:
    """On every route that changes anything, as who may do the most."""
    for role in (Role.ADMINISTRATOR, Role.COORDINATOR):
        for address, _ in walk.addresses(path)[:1]:
            answer = walk.browsers[role].post(address, do="off", reason="a long enough reason", email="x@example.org")
            assert answer.status == 403
    assert walk.browsers[Role.ADMINISTRATOR].get("/account").status == 200


def test_a_role_may_open_in_the_navigation_what_it_is_led_to(walk: Walk) -> None:
    for browser in walk.browsers.values():
        navigation = browser.get("/account").text.partition("<nav")[2].partition("</nav>")[0]
        for address in re.findall(r'href="(/[^"]*)"', navigation):
            assert browser.get(address).status == 200
