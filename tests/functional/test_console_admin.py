"""Administration over the started service: what an administrator may, and what one of a district alone may not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from cis_ews.enums import AuditAction, Role
from cis_ews.storage.access import Grant
from cis_ews.storage.database import By
from cis_ews.support.permissions import EMERGENCY
from tests.lib.browser import Browser
from tests.lib.districts import HARBOR, LAKEVIEW
from tests.lib.people import PASSWORD, add_person
from tests.lib.service import Served

_numbers = count()
NAME = "D'Arcy \"& <script>alert(1)</script>\u202e"


def signed_in(served: Served, *grants: Grant) -> Browser:
    """A browser of somebody new with these grants."""
    email = f"admin-{next(_numbers)}@example.org"
    add_person(served.database, email, *grants)
    browser = Browser(served.service)
    assert browser.sign_in(email, PASSWORD).status == 303
    return browser


@pytest.fixture
def everything(served: Served) -> Browser:
    """An administrator of everything."""
    return signed_in(served, Grant(Role.ADMINISTRATOR))


@pytest.fixture
def harbor(served: Served) -> Browser:
    """An administrator of one district."""
    return signed_in(served, Grant(Role.ADMINISTRATOR, HARBOR))


def _new_email() -> str:
    return f"new-{next(_numbers)}@example.org"


def _id_of(served: Served, email: str) -> str:
    person = served.database.people.by_email(email)
    assert person is not None
    return person.person_id


def _code(page: str) -> str:
    found = re.search(r"<p><code>([^<]+)</code></p>", page)
    assert found is not None
    return found[1]


def test_a_person_is_added_and_signs_in_with_the_password_that_was_shown(served: Served, everything: Browser) -> None:
    email = _new_email()
    fields = {"email": email, "name": NAME, "role": "coordinator", "place": f"{LAKEVIEW}\tnorth", "locale": "es"}
    page = everything.send("/admin/people", "/admin/people", **fields)
    assert page.status == 200
    assert "<script>" not in page.text
    password = _code(page.text)
    newcomer = Browser(served.service)
    assert newcomer.sign_in(email, password).status == 303
    assert newcomer.get("/account").headers["location"] == "/account/password"
    person = served.database.people.by_email(email)
    assert person is not None
    assert person.grants == (Grant(Role.COORDINATOR, LAKEVIEW, "north"),)
    # Shown once: never again, and kept nowhere.
    assert password not in everything.get(f"/admin/people/{person.person_id}").text
    assert password not in served.service.output()
    assert "<script>" not in everything.get("/admin/people").text
    found = served.database.audit.search(action=AuditAction.PERSON_ADDED, limit=1)[0]
    assert (person.person_id in found.detail, found.why_allowed) == (True, "administrator")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"email": "no address"},
        {"role": "king"},
        {"role": "coordinator", "place": LAKEVIEW},
        {"role": "state", "place": LAKEVIEW},
        {"locale": "xx"},
    ],
)
def test_a_person_who_makes_no_sense_is_not_added(served: Served, everything: Browser, fields: dict[str, str]) -> None:
    before = len(served.database.people.list())
    sent = {"email": _new_email(), "name": "N", "role": "state", "place": "", "locale": "en", **fields}
    assert everything.send("/admin/people", "/admin/people", **sent).status == 422
    assert len(served.database.people.list()) == before


def test_roles_passwords_and_accounts_are_changed_page_by_page(served: Served, everything: Browser) -> None:
    email = _new_email()
    person_id = add_person(served.database, email, Grant(Role.COORDINATOR, LAKEVIEW, "north"))
    theirs = Browser(served.service)
    theirs.sign_in(email, PASSWORD)
    page = f"/admin/people/{person_id}"
    everything.send(page, f"{page}/grant", role="data_steward", place=LAKEVIEW)
    assert "data steward" in theirs.get("/account").text
    everything.send(page, f"{page}/revoke", role="data_steward", place=LAKEVIEW)
    assert "data steward" not in theirs.get("/account").text
    password = _code(everything.send(page, f"{page}/password").text)
    assert theirs.get("/account").status == 303
    assert theirs.sign_in(email, password).status == 303
    everything.send(page, f"{page}/disable")
    assert Browser(served.service).sign_in(email, password).status == 401
    everything.send(page, f"{page}/enable")
    assert Browser(served.service).sign_in(email, password).status == 303
    assert everything.send(page, f"{page}/become").status == 404


def test_nobody_closes_their_own_account(served: Served, everything: Browser) -> None:
    own = re.search(r'href="/account"[^>]*><bdi>Person of ([^<]+)', everything.get("/account").text)
    assert own is not None
    person_id = _id_of(served, f"{own[1]}@example.org")
    assert everything.send("/account", f"/admin/people/{person_id}/disable").status == 409


def test_a_caseload_is_made_of_students_who_are_there(served: Served, everything: Browser) -> None:
    person_id = add_person(served.database, _new_email(), Grant(Role.COORDINATOR, LAKEVIEW, "north"))
    ref, page = served.scores(LAKEVIEW)[0]["ref"], f"/admin/people/{person_id}"
    assert everything.send(page, f"{page}/caseload", district=LAKEVIEW, ref="0" * 32).status == 422
    assert everything.send(page, f"{page}/caseload", district=HARBOR, ref=ref).status == 422
    assert everything.send(page, f"{page}/caseload", district=LAKEVIEW, ref=ref).status == 303
    assert served.database.people.caseload(person_id) == {(LAKEVIEW, ref)}
    assert ref in everything.get(page).text
    everything.send(page, f"{page}/caseload", do="remove", district=LAKEVIEW, ref=ref)
    assert served.database.people.caseload(person_id) == frozenset()


def test_an_administrator_of_a_district_stays_in_it(served: Served, harbor: Browser) -> None:
    """Nor becomes somebody with more: by a role, or by the password of such a person."""
    own = add_person(served.database, _new_email(), Grant(Role.COORDINATOR, HARBOR, "east"))
    others = {
        add_person(served.database, _new_email(), *grants)
        for grants in (
            [Grant(Role.COORDINATOR, LAKEVIEW, "north")],
            [Grant(Role.STATE)],
            [Grant(Role.ADMINISTRATOR)],
            [],
            [Grant(Role.COORDINATOR, HARBOR, "east"), Grant(Role.DATA_STEWARD, LAKEVIEW)],
        )
    }
    listed = harbor.get("/admin/people").text
    assert own in listed
    assert not any(each in listed for each in others)
    for each in others:
        assert harbor.get(f"/admin/people/{each}").status == 404
        for change in ("grant", "revoke", "password", "disable", "enable", "caseload"):
            answer = harbor.send(
                "/admin", f"/admin/people/{each}/{change}", role="coordinator", place=f"{HARBOR}\teast"
            )
            assert answer.status == 404
    page = f"/admin/people/{own}"
    for role, place in (
        ("administrator", ""),
        ("state", ""),
        ("coordinator", f"{LAKEVIEW}\tnorth"),
        ("data_steward", LAKEVIEW),
    ):
        assert harbor.send(page, f"{page}/grant", role=role, place=place).status == 403
        fields = {"email": _new_email(), "name": "N", "role": role, "place": place, "locale": "en"}
        assert harbor.send("/admin/people", "/admin/people", **fields).status == 403
    assert harbor.send(page, f"{page}/caseload", district=LAKEVIEW, ref=served.scores(LAKEVIEW)[0]["ref"]).status == 403
    assert harbor.send(page, f"{page}/grant", role="administrator", place=HARBOR).status == 303
    text = "".join(
        harbor.get(path).text for path in ("/admin/people", page, "/admin/keys", "/admin/audit", "/data-health")
    )
    assert LAKEVIEW not in text
    assert "North School" not in text


def test_keys_are_made_shown_once_and_ended(served: Served, everything: Browser, harbor: Browser) -> None:
    page = everything.send("/admin/keys", "/admin/keys", district=LAKEVIEW, label=NAME)
    assert "<script>" not in page.text
    key = _code(page.text)
    assert served.service.get("/v1/runs", key=key).status == 200
    key_id = key.split("_")[1]
    assert key not in everything.get("/admin/keys").text
    assert key_id in everything.get("/admin/keys").text
    assert key_id not in harbor.get("/admin/keys").text
    assert harbor.send("/admin/keys", "/admin/keys", do="revoke", key_id=key_id).status == 404
    assert harbor.send("/admin/keys", "/admin/keys", district=LAKEVIEW, label="x").status == 422
    everything.send("/admin/keys", "/admin/keys", do="revoke", key_id=key_id)
    assert served.service.get("/v1/runs", key=key).status == 401
    entries = served.database.audit.search(district_id=LAKEVIEW, action=AuditAction.KEY_REVOKED)
    assert key_id in entries[0].detail
    assert entries[0].person_id is not None


def test_the_audit_is_searched_by_what_the_form_asks(served: Served, everything: Browser, harbor: Browser) -> None:
    email = _new_email()
    add_person(served.database, email, Grant(Role.COORDINATOR, LAKEVIEW, "north"))
    Browser(served.service).sign_in(email, PASSWORD)
    page = everything.get(f"/admin/audit?person={email}&action=signed_in").text
    assert page.count("<td>signed in</td>") == 1
    Browser(served.service).sign_in(email, "wrong")
    # Nobody signed in, and nobody had the command line of the server.
    assert "command line" not in everything.get("/admin/audit?action=sign_in_refused").text
    assert "command line" in everything.get("/admin/audit?action=role_granted").text
    assert "There are no such entries" in everything.get("/admin/audit?person=nobody@example.org").text
    assert "There are no such entries" in everything.get(f"/admin/audit?since=2999-01-01&person={email}").text
    assert everything.get("/admin/audit?action=nothing").status == 422
    assert everything.get("/admin/audit?since=yesterday").status == 422
    assert "There are no such entries" in harbor.get(f"/admin/audit?person={email}").text
    hostile = everything.get("/admin/audit?ref=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&person=%22%3E%3Cb%3E").text
    assert "<script>" not in hostile
    assert "<b>" not in hostile


def test_data_health_names_schools_that_are_behind_and_no_student(served: Served, everything: Browser) -> None:
    page = everything.get("/data-health").text
    assert "South School" in page
    assert "North School" not in page
    for score in served.scores(LAKEVIEW):
        assert score["student_id"] not in page
        assert f"Last-{score['student_id']}" not in page
    steward = signed_in(served, Grant(Role.DATA_STEWARD, HARBOR))
    assert LAKEVIEW not in steward.get("/data-health").text
    assert 'href="/admin"' not in steward.get("/data-health").text
    # Another role elsewhere does not open that place's data.
    both = signed_in(served, Grant(Role.DATA_STEWARD, HARBOR), Grant(Role.COORDINATOR, LAKEVIEW, "north"))
    page = both.get("/data-health").text
    assert HARBOR in page
    assert LAKEVIEW not in page
    assert "South School" not in page


def test_the_off_switch_stops_flags_everywhere_and_every_page_says_so(served: Served, everything: Browser) -> None:
    coordinator = signed_in(served, Grant(Role.COORDINATOR, LAKEVIEW, "north"))
    ref = served.scores(LAKEVIEW)[0]["ref"]
    paths = ("/v1/scores", f"/v1/students/{ref}/reasons")
    assert everything.send("/admin/switch", "/admin/switch", do="off", reason="short").status == 422
    assert everything.send("/admin/switch", "/admin/switch", do="off", reason=f"wrong data {NAME}").status == 303
    try:
        for path in paths:
            answer = served.service.get(path, key=served.keys[LAKEVIEW])
            assert (answer.status, answer.error["code"]) == (503, "stopped")
        assert coordinator.get("/today").status == 503
        assert served.service.get("/v1/runs", key=served.keys[LAKEVIEW]).status == 200
        for browser, page in ((coordinator, "/account"), (everything, "/admin"), (everything, "/admin/switch")):
            assert "Flags have been stopped" in browser.get(page).text
        assert "<script>" not in everything.get("/admin/switch").text
    finally:
        everything.send("/admin/switch", "/admin/switch", do="on")
    assert all(served.service.get(path, key=served.keys[LAKEVIEW]).status == 200 for path in paths)
    assert "Flags have been stopped" not in coordinator.get("/account").text
    actions = [row.action for row in served.database.audit.search(district_id="", limit=1000)]
    assert {"switched_off", "switched_on"} <= set(actions)


def test_emergency_access_needs_a_reason_ends_by_itself_and_is_seen(
    served: Served, everything: Browser, harbor: Browser
) -> None:
    page, place = "/admin/emergency", f"{LAKEVIEW}\tnorth"
    assert everything.send(page, page, place=place, reason="").status == 422
    assert everything.send(page, page, place=f"{LAKEVIEW}\tnowhere", reason="a boy is hurt").status == 422
    assert harbor.send(page, page, place=place, reason="a boy is hurt").status == 403
    assert "emergency access" not in everything.get("/account").text
    assert everything.send(page, page, place=place, reason=f"a boy is hurt {NAME}").status == 303
    assert "You have emergency access" in everything.get("/account").text
    other = signed_in(served, Grant(Role.ADMINISTRATOR, LAKEVIEW))
    assert "a boy is hurt" in other.get(page).text
    assert "<script>" not in other.get(page).text
    assert "a boy is hurt" not in harbor.get(page).text
    # The operators are told, without the reason, which may name a child.
    assert "emergency access taken" in served.service.output()
    assert "is hurt" not in served.service.output()
    assert "cis_ews_emergencies_total 1.0" in served.service.get("/metrics").text
    entry = served.database.audit.search(district_id=LAKEVIEW, action=AuditAction.EMERGENCY_BEGUN)[0]
    assert "hurt" not in entry.detail
    # It opens the one school, for an hour; each look says why.
    refs = {school: f"/students/{_ref_of(served, f'{school}-004')}" for school in ("north", "south")}
    assert (everything.get(refs["north"]).status, everything.get(refs["south"]).status) == (200, 404)
    seen = served.database.audit.search(district_id=LAKEVIEW, action=AuditAction.STUDENT_SEEN)[0]
    assert seen.why_allowed == EMERGENCY
    emergency = served.database.emergencies.list()[0]
    assert timedelta(minutes=55) < emergency.until - datetime.now(UTC) <= timedelta(hours=1)
    assert harbor.send(page, page, do="end", emergency=emergency.emergency_id).status == 404
    other.send(page, page, do="end", emergency=emergency.emergency_id)
    assert "You have emergency access" not in everything.get("/account").text
    assert everything.get(refs["north"]).status in (403, 404)


def _ref_of(served: Served, student: str) -> str:
    return next(row["ref"] for row in served.scores(LAKEVIEW) if row["student_id"] == student)


def test_a_page_names_who_else_sees_the_student(served: Served) -> None:
    """By a caseload, in an emergency; not whose account is closed, whose emergency is over or who has another role."""
    people, emergencies = served.database.people, served.database.emergencies
    coordinator = signed_in(served, Grant(Role.COORDINATOR, LAKEVIEW, "north"))
    ref = served.scores(LAKEVIEW, "&school_id=north")[0]["ref"]
    page = f"/students/{ref}"
    assert "Besides them" not in coordinator.get(page).text
    elsewhere, far, ids = Grant(Role.COORDINATOR, HARBOR, "east"), Grant(Role.SCHOOL_STAFF, HARBOR, "east"), {}
    for name, grant in (("caseload", elsewhere), ("closed", elsewhere), ("staff", far)):
        ids[name] = add_person(served.database, f"{name}-of-page@example.org", grant)
        people.add_to_caseload(ids[name], LAKEVIEW, ref=ref, by=By())
    people.disable(ids["closed"], by=By())
    in_need = add_person(served.database, "emergency-of-page@example.org", Grant(Role.ADMINISTRATOR))
    taken = emergencies.begin(LAKEVIEW, "north", reason="a boy is hurt", by=By(person_id=in_need))
    emergencies.begin(HARBOR, "east", reason="a girl is hurt", by=By(person_id=ids["staff"]))

    def named() -> list[str]:
        told = coordinator.get(page).text.partition("Besides them:")[2]
        return re.findall(r"<li><bdi>Person of (\w+)-of-page</bdi>: (\w+ \w+)", told)

    assert named() == [("caseload", "site coordinator"), ("emergency", "emergency access")]
    emergencies.end(taken, by=By(person_id=in_need))
    assert named() == [("caseload", "site coordinator")]
    own = Browser(served.service)
    assert own.sign_in("caseload-of-page@example.org", PASSWORD).status == 303
    assert "Besides them" not in own.get(page).text  # nobody besides whoever is looking


def test_an_emergency_is_of_a_person(served: Served) -> None:
    from cis_ews.errors import ConfigError

    with pytest.raises(ConfigError, match="has a person"):
        served.database.emergencies.begin(LAKEVIEW, "north", reason="a boy is hurt", by=By())
