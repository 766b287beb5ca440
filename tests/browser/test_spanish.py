"""Every page and every refusal in Spanish, beside the same in English: no text of ours is left in English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest

from cis_ews.enums import Role
from tests.lib.browser import Browser
from tests.lib.console_pages import CASES, forms_of, local_day, undecided
from tests.lib.done import Done, something_done
from tests.lib.languages import english_left
from tests.lib.made_up import SCHOOL, World
from tests.lib.people import add_person

COORDINATOR, STAFF, STATE = Role.COORDINATOR, Role.SCHOOL_STAFF, Role.STATE
STEWARD, ADMINISTRATOR = Role.DATA_STEWARD, Role.ADMINISTRATOR
PEOPLE, PERSON = "/admin/people", "/admin/people/{person_id}"
EMERGENCY, SWITCH, TODAY = "/admin/emergency", "/admin/switch", "/today"
NEW = {"email": "new@example.org", "name": "N. N.", "role": "state", "place": "", "locale": "en"}
TOO_LONG = "a" * 4_001


@dataclass(frozen=True)
class Refused:
    """A form that is not taken: whose it is, the page that has it, where it goes, what is in it."""

    role: Role
    page: str
    path: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Beside:
    """Browsers of the same roles in two languages."""

    done: Done
    english: Mapping[Role, Browser]
    spanish: Mapping[Role, Browser]
    names: tuple[str, ...]

    def left(self, english: str, spanish: str) -> list[str]:
        """What of a page is left in English."""
        return english_left(english, spanish, names=self.names)


@pytest.fixture(scope="module")
def beside(world: World) -> Beside:
    """Somebody of each role who reads Spanish beside the one who reads English."""
    done, database = something_done(world), world.served.database
    people = {one.email: one for one in database.people.list()}
    roles = sorted({*(role for _, role in CASES), STAFF})
    for role in roles:
        add_person(database, f"es-{role}@example.org", *people[world.email(role)].grants, locale="es")
    schools = [school.name or school.school_id for school in database.schools_of(world.district)]
    (run,) = database.runs_of(world.district, limit=1)
    keys = [key.key_id for key in database.list_keys()]
    return Beside(
        done,
        {role: forms_of(world.served, world.email(role)) for role in roles},
        {role: forms_of(world.served, f"es-{role}@example.org") for role in roles},
        (*schools, *keys, run.model_version, world.district),
    )


@pytest.mark.parametrize(("path", "role"), CASES, ids=str)
def test_no_text_of_a_page_is_left_in_english(beside: Beside, path: str, role: Role) -> None:
    address = beside.done.address(path)
    english, spanish = beside.english[role].get(address), beside.spanish[role].get(address)
    assert (english.status, spanish.status) == (200, 200)
    assert beside.left(english.text, spanish.text) == []


REFUSED = [
    *(
        Refused(ADMINISTRATOR, PEOPLE, PEOPLE, {**NEW, **wrong})
        for wrong in (
            {"email": "none"},
            {"email": "ana@example.org"},
            {"name": " "},
            {"role": "king"},
            {"role": "district_manager"},
            {"role": "coordinator", "place": "{district}"},
            {"role": "district_manager", "place": "{district}\t{school}"},
            {"role": "state", "place": "{district}"},
            {"csrf": "0"},
        )
    ),
    Refused(ADMINISTRATOR, PERSON, f"{PERSON}/caseload", {"district": "{district}", "ref": "0" * 32}),
    Refused(ADMINISTRATOR, "/admin/keys", "/admin/keys", {"district": "none"}),
    Refused(ADMINISTRATOR, EMERGENCY, EMERGENCY, {"place": "{district}\t{school}", "reason": "short"}),
    Refused(ADMINISTRATOR, EMERGENCY, EMERGENCY, {"place": "{district}\tnone", "reason": "a boy is hurt"}),
    Refused(ADMINISTRATOR, SWITCH, SWITCH, {"do": "off", "reason": "short"}),
    Refused(ADMINISTRATOR, SWITCH, SWITCH, {"do": "nothing"}),
    Refused(STEWARD, "/tickets", "/tickets/none", {"answer": "yes"}),
    Refused(COORDINATOR, TODAY, "/schools/{school_ref}/views", {"name": " ", "filters": "tier=3"}),
    Refused(COORDINATOR, TODAY, "/meetings", {"school": "none"}),
    Refused(COORDINATOR, TODAY, "/account/language", {"locale": "tlh"}),
    Refused(COORDINATOR, TODAY, "/account/language", {"locale": TOO_LONG}),
    *(
        Refused(STATE, "/account/password", "/account/password", fields)
        for fields in (
            {"present": "wrong", "new": "a", "again": "a"},
            {"present": "correct horse battery", "new": "a", "again": "b"},
            {"present": "correct horse battery", "new": "short", "again": "short"},
        )
    ),
    *(
        Refused(role, "/students/{waiting}", "/students/{waiting}/decisions", {"version": "0", **fields})
        for role in (COORDINATOR, STAFF)
        for fields in (
            {"action": "contact"},
            {"action": "contact", "contact": "family", "on": "soon"},
            {"action": "contact", "contact": "family", "on": str(local_day() + timedelta(days=9))},
            {"action": "not_now", "reason": "later", "until": "2026-01-01"},
            {"action": "no_action", "reason": ""},
            {"action": "question_data", "reason": "wrong"},
            {"action": "open_plan"},
            {"action": "exit", "reason": "done"},
            {"action": "accept", "version": "99"},
            {"action": "fly"},
        )
    ),
    *(
        Refused(COORDINATOR, "/students/{ref}", f"/students/{{ref}}/{where}", fields)
        for where, fields in (
            ("goals", {"area": "", "goal": "", "owner": ""}),
            ("goals", {"area": "basic_needs", "goal": "food", "owner": ""}),
            ("goals", {"area": "attendance", "goal": "much", "owner": "me", "due_on": "2026-01-01"}),
            ("check-ins", {"goal_id": "none", "progress": ""}),
            ("check-ins", {"goal_id": "none", "progress": "progressing"}),
        )
    ),
]


@pytest.mark.parametrize("refused", REFUSED, ids=lambda one: f"{one.role}{one.path}")
def test_no_refusal_is_told_in_english(beside: Beside, refused: Refused) -> None:
    done = beside.done
    waiting = undecided(beside.english[COORDINATOR], done.world.refs)[0]

    def filled(text: str) -> str:
        known = {"district": done.world.district, "school": SCHOOL, "waiting": waiting}
        return done.address(text.format_map({**known, **_KEPT}) if "{" in text else text)

    fields = {name: filled(value) for name, value in refused.fields.items()}
    sent = [
        browser.post(filled(refused.path), **{"csrf": browser.token(filled(refused.page)), **fields})
        for browser in (beside.english[refused.role], beside.spanish[refused.role])
    ]
    assert {answer.status for answer in sent} <= {403, 404, 409, 422}
    assert beside.left(sent[0].text, sent[1].text) == []


_KEPT = {name: f"{{{name}}}" for name in ("ref", "person_id", "school_ref")}
"""What stands in addresses and is filled in by those."""


@pytest.mark.parametrize("path", ["/nothing", "/today", "/sign-in/with/nobody"])
def test_no_refusal_of_an_address_is_told_in_english(beside: Beside, path: str) -> None:
    # An address that is not there is answered before anybody asks who is looking: by the language of the browser.
    english, spanish = (
        browser.get(path, headers={"Accept-Language": language})
        for browser, language in ((beside.english[STATE], "en"), (beside.spanish[STATE], "es"))
    )
    assert english.status == spanish.status != 200
    assert beside.left(english.text, spanish.text) == []


def test_a_wrong_password_is_told_in_the_language_of_the_browser(beside: Beside) -> None:
    fields = {"email": "nobody@example.org", "password": "wrong"}
    sent = [
        Browser(beside.done.world.served.service).post("/sign-in", headers={"Accept-Language": language}, **fields)
        for language in ("en", "es-MX")
    ]
    assert [answer.status for answer in sent] == [401, 401]
    assert beside.left(sent[0].text, sent[1].text) == []


def test_english_is_found_where_it_is_left() -> None:
    """The comparison itself: a text alone, inside of another, in an attribute; not what is a name or is marked."""
    english = '<html lang="en"><p>role granted</p><p>Decided: only for demonstration here</p><i title="Off switch"></i>'
    spanish = english.replace('lang="en"', 'lang="es"').replace("Decided", "Decidido")
    assert english_left(english, spanish) == ["Decidido: only for demonstration here", "Off switch", "role granted"]
    alike = "<bdi>Ana Ruiz</bdi><span lang='en'>No match</span><p class='written'>Rides two buses</p><td>9 B+</td>"
    assert english_left(f"{english}{alike}", f'<html lang="es">{alike}') == []
    assert english_left(english, '<html lang="es"><p>North Hill role granted</p>', names=["role granted"]) == []
