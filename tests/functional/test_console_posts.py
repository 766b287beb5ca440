"""Every form of the console as every role and as who has a caseload alone: who may send it; that no log tells of it.

Filled in rightly, a table says what comes; filled with a mark, the mark is in no log and no metric.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest

from cis_ews.enums import Role
from cis_ews.storage.access import Grant, Scope
from cis_ews.storage.cases import Case
from cis_ews.storage.database import By, tables
from cis_ews.storage.store import RunStore
from serving.auth import OPEN
from tests.lib.browser import Browser
from tests.lib.console_pages import FIELDS, WRITING, address_of, decide, forms_of
from tests.lib.districts import HARBOR, LAKEVIEW
from tests.lib.people import add_person, grants_for
from tests.lib.service import Served, serve_two_districts

CASELOAD = "caseload alone"
WHO = (*(role.value for role in Role), CASELOAD)
"""The columns of the table. `CASELOAD`: a coordinator elsewhere, with one student of the school `south`."""
EVERYWHERE = Scope(districts=frozenset({LAKEVIEW, HARBOR}))
OWN, NEAR, FAR = "own", "near", "far"
STUDENTS = {OWN: "north-000", NEAR: "south-000", FAR: "east-000"}
OF_CASELOAD = {OWN: "south-004", NEAR: "south-000", FAR: "north-000"}
"""Whose student: of the own school; of the other one of the district, or of the own school but not in the caseload; of
another district, or of another school."""
NOT_THERE = (404,) * len(WHO)
ADMINISTRATOR_ALONE = (403, 403, 403, 403, 403, 403, 303, 403)
ADMINISTRATOR_IS_SHOWN = (403, 403, 403, 403, 403, 403, 200, 403)
EXPECTED: Mapping[tuple[str, str], tuple[int, ...]] = {
    # form, whose:            coordinator, staff, managers (2), state, steward, administrator, caseload alone
    ("decisions", OWN): (303, 303, 403, 403, 404, 404, 404, 303),
    ("decisions", NEAR): (404, 404, 403, 403, 404, 404, 404, 404),
    ("decisions", FAR): NOT_THERE,
    ("goals", OWN): (303, 403, 403, 403, 404, 404, 404, 303),
    ("goals", NEAR): (404, 404, 403, 403, 404, 404, 404, 404),
    ("goals", FAR): NOT_THERE,
    ("check-ins", OWN): (303, 403, 403, 403, 404, 404, 404, 303),
    ("check-ins", NEAR): (404, 404, 403, 403, 404, 404, 404, 404),
    ("check-ins", FAR): NOT_THERE,
    ("views", OWN): (303, 303, 303, 303, 403, 403, 403, 303),
    ("views", NEAR): (404, 404, 303, 303, 403, 403, 403, 404),
    ("views", FAR): (404, 404, 404, 404, 403, 403, 403, 404),
    ("views/drop", OWN): (303, 303, 303, 303, 403, 403, 403, 303),
    ("views/drop", NEAR): (404, 404, 303, 303, 403, 403, 403, 404),
    ("views/drop", FAR): (404, 404, 404, 404, 403, 403, 403, 404),
    ("meetings", OWN): (303, 303, 303, 303, 403, 403, 403, 303),
    ("meetings", NEAR): (422, 422, 303, 303, 403, 403, 403, 422),
    ("meetings", FAR): (422, 422, 422, 422, 403, 403, 403, 422),
    ("tickets", OWN): (403, 403, 403, 403, 403, 303, 403, 403),
    ("tickets", FAR): (403, 403, 403, 403, 403, 404, 403, 403),
    ("language", OWN): (303,) * len(WHO),
    ("password", OWN): (422,) * len(WHO),  # the present one is not right
    ("people", OWN): ADMINISTRATOR_IS_SHOWN,
    ("grant", OWN): ADMINISTRATOR_ALONE,
    ("revoke", OWN): ADMINISTRATOR_ALONE,
    ("password of somebody", OWN): ADMINISTRATOR_IS_SHOWN,
    ("disable", OWN): ADMINISTRATOR_ALONE,
    ("enable", OWN): ADMINISTRATOR_ALONE,
    ("caseload", OWN): ADMINISTRATOR_ALONE,
    ("key", OWN): ADMINISTRATOR_IS_SHOWN,
    ("end of a key", OWN): ADMINISTRATOR_ALONE,
    ("emergency", OWN): ADMINISTRATOR_ALONE,
    ("end of an emergency", OWN): ADMINISTRATOR_ALONE,
    ("switch off", OWN): ADMINISTRATOR_ALONE,
    ("switch on", OWN): ADMINISTRATOR_ALONE,
}
CHANGES = {"decisions", "goals", "check-ins", "views", "meetings", "tickets", "people", "grant", "caseload", "key"}
"""Forms after which something is otherwise, each time that they are taken."""
OF_SCHOOLS = {"views", "views/drop", "meetings"}
_numbers = count()


@dataclass(frozen=True)
class Posts:
    """Who sends forms, and about what. `person_id`: somebody of the district; `tickets`: by whose they are."""

    served: Served
    refs: Mapping[str, str]
    browsers: Mapping[str, Browser]
    tokens: Mapping[str, str]
    person_id: str
    tickets: Mapping[str, str]
    key_id: str

    def case(self, student: str) -> Case:
        """Where a student stands now."""
        found = self.served.database.cases.find(EVERYWHERE, self.refs[student])
        assert found is not None
        return found

    def form(self, form: str, who: str, whose: str) -> tuple[str, dict[str, str]]:
        """The address of a form, and fields that are right."""
        students = OF_CASELOAD if who == CASELOAD else STUDENTS
        # A school is open as far as a student of it is: near the caseload's is another school.
        student = students[FAR] if who == CASELOAD and whose == NEAR and form in OF_SCHOOLS else students[whose]
        return FORMS[form](self, self.case(student), whose)

    def send(self, form: str, who: str, whose: str) -> int:
        """Send it; returns the status."""
        address, fields = self.form(form, who, whose)
        return self.browsers[who].post(address, csrf=self.tokens[who], **fields).status

    def kept(self) -> dict[str, list[tuple[object, ...]]]:
        """Everything that the database holds, but for who came and looked, and for counts of wrong passwords."""
        left_out = {"audit", "audit_heads", "audit_lists", "sessions"}
        file = RunStore(self.served.folder / "store").database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(file)) as connection:
            return {
                name: connection.execute(f'SELECT {_columns(name)} FROM "{name}"').fetchall()  # noqa: S608 - our tables
                for name in sorted(tables.metadata.tables.keys() - left_out)
            }


def _columns(table: str) -> str:
    names = [column.name for column in tables.metadata.tables[table].columns]
    return ", ".join(f'"{name}"' for name in names if name not in ("failed_attempts", "locked_until"))


def _decision(_: Posts, case: Case, __: str) -> tuple[str, dict[str, str]]:
    fields = {"version": str(case.version), "action": "contact", "contact": "staff", "reason": "Talked with her"}
    return f"/students/{case.ref}/decisions", fields


def _goal(_: Posts, case: Case, __: str) -> tuple[str, dict[str, str]]:
    fields = {"area": "basic_needs", "goal": f"From {next(_numbers)} to 90 of 100 days", "owner": "Ms. Lee"}
    return f"/students/{case.ref}/goals", fields


def _check_in(posts: Posts, case: Case, _: str) -> tuple[str, dict[str, str]]:
    plan = posts.served.database.cases.history(case).plan
    assert plan is not None
    fields = {"goal_id": plan.goals[0].goal_id, "progress": "progressing", "note": f"Note {next(_numbers)}"}
    return f"/students/{case.ref}/check-ins", fields


def _school(posts: Posts, case: Case) -> str:
    places = posts.served.database.pages.schools(EVERYWHERE)
    return next(place.ref for place in places if place.school_id == case.school_id)


def _view(posts: Posts, case: Case, _: str) -> tuple[str, dict[str, str]]:
    return f"/schools/{_school(posts, case)}/views", {"name": f"View {next(_numbers)}", "filters": "tier=3"}


def _drop(posts: Posts, case: Case, _: str) -> tuple[str, dict[str, str]]:
    return f"/schools/{_school(posts, case)}/views/drop", {"name": "View 0"}


def _begin(_: Posts, case: Case, __: str) -> tuple[str, dict[str, str]]:
    return "/meetings", {"school": f"{case.district_id}/{case.school_id}", "about": "flagged"}


def _answer(posts: Posts, _: Case, whose: str) -> tuple[str, dict[str, str]]:
    return f"/tickets/{posts.tickets[whose]}", {"answer": "Mended at the source"}


def _person(change: str, **fields: str) -> Form:
    def of(posts: Posts, _: Case, __: str) -> tuple[str, dict[str, str]]:
        return f"/admin/people/{posts.person_id}/{change}", fields

    return of


def _new_person(_: Posts, __: Case, ___: str) -> tuple[str, dict[str, str]]:
    fields = {"email": f"new-{next(_numbers)}@example.org", "name": "N", "locale": "en"}
    return "/admin/people", {**fields, "role": "data_steward", "place": LAKEVIEW}


def _caseload(posts: Posts, _: Case, __: str) -> tuple[str, dict[str, str]]:
    ref = posts.case("north-008").ref
    return f"/admin/people/{posts.person_id}/caseload", {"district": LAKEVIEW, "ref": ref}


def _end_key(posts: Posts, _: Case, __: str) -> tuple[str, dict[str, str]]:
    return "/admin/keys", {"do": "revoke", "key_id": posts.key_id}


def _end_emergency(posts: Posts, _: Case, __: str) -> tuple[str, dict[str, str]]:
    newest = next(iter(posts.served.database.emergencies.list()), None)
    return "/admin/emergency", {"do": "end", "emergency": newest.emergency_id if newest else ""}


def _plain(address: str, **fields: str) -> Form:
    return lambda _, __, ___: (address, fields)


Form = Callable[[Posts, Case, str], tuple[str, dict[str, str]]]
FORMS: Mapping[str, Form] = {
    "decisions": _decision,
    "goals": _goal,
    "check-ins": _check_in,
    "views": _view,
    "views/drop": _drop,
    "meetings": _begin,
    "tickets": _answer,
    "language": _plain("/account/language", locale="en"),
    "password": _plain(
        "/account/password", present="not the present one", new="a new one it is", again="a new one it is"
    ),
    "people": _new_person,
    "grant": _person("grant", role="data_steward", place=LAKEVIEW),
    "revoke": _person("revoke", role="data_steward", place=LAKEVIEW),
    "password of somebody": _person("password"),
    "disable": _person("disable"),
    "enable": _person("enable"),
    "caseload": _caseload,
    "key": _plain("/admin/keys", district=LAKEVIEW, label="ours"),
    "end of a key": _end_key,
    "emergency": _plain("/admin/emergency", place=f"{LAKEVIEW}\tsouth", reason="a boy is hurt"),
    "end of an emergency": _end_emergency,
    "switch off": _plain("/admin/switch", do="off", reason="a wrong night was published"),
    "switch on": _plain("/admin/switch", do="on"),
}


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Generator[Posts]:
    """A service of this module alone, in which each school has a student with a plan, each district a question."""
    folder: Path = tmp_path_factory.mktemp("posts")
    with serve_two_districts(folder) as served:
        database = served.database
        browsers: dict[str, Browser] = {}
        for role, grant in grants_for(LAKEVIEW, "north").items():
            add_person(database, f"{role.value}@example.org", grant)
            browsers[role.value] = forms_of(served, f"{role.value}@example.org")
        person_id = add_person(database, "caseload@example.org", Grant(Role.COORDINATOR, HARBOR, "east"))
        somebody = add_person(database, "somebody@example.org", Grant(Role.COORDINATOR, LAKEVIEW, "north"))
        refs = {row["student_id"]: row["ref"] for each in (LAKEVIEW, HARBOR) for row in served.scores(each)}
        database.people.add_to_caseload(person_id, LAKEVIEW, ref=refs[OF_CASELOAD[OWN]], by=By())
        browsers[CASELOAD] = forms_of(served, "caseload@example.org")
        _prepare(served, refs)
        tokens = {who: browser.token("/account") for who, browser in browsers.items()}
        tickets = {
            whose: database.cases.tickets({district})[0].ticket_id
            for whose, district in ((OWN, LAKEVIEW), (FAR, HARBOR))
        }
        key_id, _ = database.create_key(LAKEVIEW, "to be ended")
        yield Posts(served, refs, browsers, tokens, somebody, tickets, key_id)


def _prepare(served: Served, refs: Mapping[str, str]) -> None:
    """Plans and questions, by the coordinator of each school."""
    plan = {"needs": "A way to school", "area": "basic_needs", "goal": "In school on time", "owner": "Ms. Lee"}
    for school, district in (("north", LAKEVIEW), ("south", LAKEVIEW), ("east", HARBOR)):
        add_person(served.database, f"of-{school}@example.org", Grant(Role.COORDINATOR, district, school))
        browser = forms_of(served, f"of-{school}@example.org")
        for student in {*STUDENTS.values(), *OF_CASELOAD.values()}:
            if student.startswith(school):
                decide(browser, refs[student], "accept")
                decide(browser, refs[student], "open_plan", consent_on="2026-01-15", **plan)
        if school != "south":
            decide(browser, refs[f"{school}-008"], "question_data", subject="attendance", reason="Was on a trip")


def test_every_form_is_in_the_table(posts: Posts) -> None:
    for path in WRITING - OPEN:
        shape = path.replace("{", "(?P<").replace("}", ">[^/]+)")
        sent = [posts.form(form, WHO[0], whose)[0] for form, whose in EXPECTED]
        assert any(re.fullmatch(shape, address) for address in sent), f"say in the table who may send a form to {path}"
    assert {form for form, _ in EXPECTED} == FORMS.keys()


@pytest.mark.parametrize(("form", "whose"), EXPECTED, ids=str)
def test_a_form_is_taken_from_whom_the_table_says(posts: Posts, form: str, whose: str) -> None:
    """Whoever is refused has changed nothing; what is taken is there."""
    answered: dict[str, int] = {}
    wrong: list[str] = []
    for who in WHO:
        before = posts.kept()
        answered[who] = posts.send(form, who, whose)
        has_changed = posts.kept() != before
        if answered[who] >= 400 and has_changed:
            wrong.append(f"{who} was refused, and something is otherwise")
        if answered[who] < 400 and form in CHANGES and not has_changed:
            wrong.append(f"{who} was taken, and nothing is otherwise")
    assert wrong == []
    assert answered == dict(zip(WHO, EXPECTED[form, whose], strict=True))


MARKER = "MARKER-9c1b-JOHN-ROE"
FURTHER: Mapping[str, Mapping[str, str]] = {
    "/students/{ref}/decisions": {"action": "contact", "contact": "staff", "on": "", "until": "", "line": "today"},
    "/students/{ref}/goals": {"area": "basic_needs", "due_on": ""},
    "/students/{ref}/check-ins": {"progress": "progressing", "on": ""},
    "/schools/{school_ref}/views": {"filters": "tier=3"},
    "/meetings": {"school": f"{LAKEVIEW}/north", "about": "flagged"},
    "/tickets/{ticket_id}": {"page": "1"},
    "/admin/people": {"email": "marked@example.org", "role": "state", "place": "", "locale": "en"},
    "/admin/keys": {"do": "", "district": LAKEVIEW},
    "/admin/switch": {"do": "off", "reason": ""},
    "/admin/emergency": {"do": "", "place": f"{LAKEVIEW}\tnorth"},
}
"""What takes a form with marked texts further than its first check; flags are not stopped, since nothing more would be
seen."""


@pytest.mark.parametrize("who", WHO)
def test_what_is_written_into_any_form_reaches_no_log_and_no_metric(posts: Posts, who: str) -> None:
    """Every field of every form, and every name in its address; of the caseload it is the same person as before."""
    browser = forms_of(posts.served, "caseload@example.org" if who == CASELOAD else f"{who}@example.org")
    token = browser.token("/account")
    case = posts.case((OF_CASELOAD if who == CASELOAD else STUDENTS)[OWN])
    there = {"ref": case.ref, "school_ref": _school(posts, case), "person_id": posts.person_id}
    there |= {"ticket_id": posts.tickets[OWN], "change": "caseload", "provider": quote(MARKER)}
    for path in sorted(WRITING, key=lambda path: (path == "/sign-out", path)):
        names = dict.fromkeys(re.findall(r"{(\w+)}", path), quote(MARKER))
        for address in (address_of(path, **names), address_of(path, **(names | there))):
            for further in ({}, FURTHER.get(path, {})):
                fields = dict.fromkeys(FIELDS | {MARKER}, MARKER)
                version = str(posts.case(case.student_id).version)
                answer = browser.post(address, csrf=token, **(fields | {"version": version} | further))
                assert answer.status < 500
        assert browser.post(address, csrf=MARKER, **{MARKER: MARKER}).status in (303, 401, 403, 404, 422, 429)
        assert browser.post(address, headers={"HX-Request": "true"}, csrf=token, reason=MARKER).status < 500
    told = posts.served.service.output() + posts.served.service.get("/metrics").text
    assert MARKER not in told
    assert MARKER.replace("-", "") not in told
    # Each of the forms has come to where requests are logged and counted.
    assert {path for path in WRITING if f'route="{path}"' not in told} == set()


def test_the_marks_were_taken_where_they_may_be(posts: Posts) -> None:
    """Not each of the forms above was turned away at the door: what was written is in the database."""
    for role in (Role.COORDINATOR.value, Role.ADMINISTRATOR.value):
        browser = forms_of(posts.served, f"{role}@example.org")
        token, case = browser.token("/account"), posts.case(STUDENTS[OWN])
        for path in ("/students/{ref}/decisions", "/schools/{school_ref}/views", "/admin/keys", "/admin/emergency"):
            address = address_of(path, ref=case.ref, school_ref=_school(posts, case))
            marked = dict.fromkeys(FIELDS, MARKER) | {"version": str(case.version)} | FURTHER[path]
            browser.post(address, csrf=token, **marked)
    kept = posts.kept()
    for table in ("contacts", "saved_views", "api_keys", "emergencies"):
        assert any(MARKER in row for row in kept[table]), table
