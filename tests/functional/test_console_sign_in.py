"""Signing in to the started service: who gets in, for how long, and what an answer gives away."""

from __future__ import annotations

import re
import statistics
import time
from datetime import timedelta
from http.cookies import SimpleCookie
from itertools import count
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.types import Message

from cis_ews.enums import AuditAction, Role
from cis_ews.settings import ServiceSettings, Settings
from cis_ews.storage.access import Grant
from cis_ews.storage.database import Database, NewPerson
from cis_ews.storage.store import RunStore
from serving.admission import Admission
from serving.auth import Pace
from serving.backend import Backend
from serving.console.cookies import limits_of
from serving.console.sign_in import own_address
from serving.errors import ApiError
from tests.lib.browser import FORM, Browser
from tests.lib.districts import LAKEVIEW
from tests.lib.loops import run_apart
from tests.lib.people import PASSWORD, add_person
from tests.lib.service import Served

COOKIE = "cis_ews_person"
_numbers = count()


@pytest.fixture
def browser(served: Served) -> Browser:
    """A browser of nobody yet."""
    return Browser(served.service)


@pytest.fixture
def email(served: Served) -> str:
    """The e-mail address of a coordinator whom only this test knows."""
    address = f"coordinator-{next(_numbers)}@example.org"
    add_person(served.database, address, Grant(Role.COORDINATOR, LAKEVIEW, "north"))
    return address


def test_signing_in_leads_to_ones_own_account_and_signing_out_ends_it(browser: Browser, email: str) -> None:
    assert browser.get("/account").headers["location"] == "/sign-in?next=%2Faccount"
    answer = browser.sign_in(email, PASSWORD, next="/account")
    assert (answer.status, answer.headers["location"]) == (303, "/account")
    page = browser.get("/account")
    assert page.status == 200
    assert email in page.text
    assert "site coordinator" in page.text
    kept = dict(browser.cookies)
    assert browser.send("/account", "/sign-out").headers["location"] == "/sign-in"
    # The session is over in the database, and not only in this browser.
    assert Browser(browser.service, kept).get("/account").status == 303


def test_the_cookie_is_out_of_reach_of_scripts_and_ends_with_the_browser(browser: Browser, email: str) -> None:
    cookie = SimpleCookie(browser.sign_in(email, PASSWORD).headers["set-cookie"])[COOKIE]
    assert (cookie["httponly"], cookie["samesite"].lower(), cookie["path"]) == (True, "lax", "/")
    assert (cookie["max-age"], cookie["expires"], cookie["domain"]) == ("", "", "")


def test_over_https_the_cookie_is_bound_to_the_host_and_browsers_stay_on_https(served: Served, email: str) -> None:
    browser = Browser(served.service)
    answer = browser.post("/sign-in", headers={"X-Forwarded-Proto": "https"}, email=email, password=PASSWORD)
    cookie = SimpleCookie(answer.headers["set-cookie"])[f"__Host-{COOKIE}"]
    assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")
    assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


def test_a_session_that_was_planted_is_not_taken_on(served: Served, browser: Browser, email: str) -> None:
    planted = "a" * 43
    browser.cookies[COOKIE] = planted
    browser.sign_in(email, PASSWORD)
    assert browser.cookies[COOKIE] != planted
    assert Browser(served.service, {COOKIE: planted}).get("/account").status == 303


def test_signing_in_again_ends_the_session_before(served: Served, browser: Browser, email: str) -> None:
    browser.sign_in(email, PASSWORD)
    before = dict(browser.cookies)
    browser.post("/sign-in", email=email, password=PASSWORD, csrf=browser.token("/account"))
    assert browser.cookies != before
    assert Browser(served.service, before).get("/account").status == 303
    assert browser.get("/account").status == 200


def test_an_answer_does_not_tell_which_accounts_there_are(served: Served, browser: Browser, email: str) -> None:
    """The same words, status and headers for a wrong password, no such account, and one that is closed or locked."""
    closed, locked = f"closed-{email}", f"locked-{email}"
    served.database.people.disable(add_person(served.database, closed))
    person_id = add_person(served.database, locked)
    for _ in range(10):
        served.database.people.refused(person_id)
    answers = [
        browser.sign_in(email, "wrong password here"),
        browser.sign_in("nobody@example.org", PASSWORD),
        browser.sign_in(closed, PASSWORD),
        browser.sign_in(locked, PASSWORD),
    ]
    assert {answer.status for answer in answers} == {401}
    assert len({re.sub(r"[0-9a-f]{32}", "", answer.text) for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.keys())) for answer in answers}) == 1


def test_time_does_not_tell_which_accounts_there_are(served: Served, email: str) -> None:
    def seconds(address: str) -> float:
        begun = time.perf_counter()
        Browser(served.service).sign_in(address, "wrong password here")
        return time.perf_counter() - begun

    seconds(email)
    pairs = [(seconds(email), seconds("nobody@example.org")) for _ in range(8)]
    known, unknown = (statistics.median(times) for times in zip(*pairs, strict=True))
    # A password takes some 50 ms to check: without it an unknown address would be answered in a tenth of the time.
    assert unknown > known * 0.6
    assert known > unknown * 0.6


def test_ten_wrong_passwords_lock_an_account_and_an_administrator_opens_it(
    served: Served, browser: Browser, email: str
) -> None:
    person = served.database.people.by_email(email)
    assert person is not None
    for _ in range(10):
        served.database.people.refused(person.person_id)
    assert browser.sign_in(email, PASSWORD).status == 401
    served.database.people.unlock(person.person_id)
    assert browser.sign_in(email, PASSWORD).status == 303
    refused = served.database.audit.search(action=AuditAction.SIGN_IN_REFUSED, limit=1000)
    assert len([row for row in refused if person.person_id in row.detail]) >= 10


def test_a_password_that_somebody_else_set_is_changed_first(served: Served, browser: Browser, email: str) -> None:
    address = f"new-{email}"
    add_person(served.database, address, Grant(Role.COORDINATOR, LAKEVIEW, "north"), temporary=True)
    browser.sign_in(address, PASSWORD)
    for page in ("/account", "/"):
        assert browser.get(page).headers["location"] == "/account/password"
    send = {"present": PASSWORD, "new": "another long password", "again": "another long password"}
    for problem in ({"present": "wrong"}, {"again": "otherwise"}, {"new": "short", "again": "short"}):
        assert browser.send("/account/password", "/account/password", **send | problem).status == 422
    assert browser.send("/account/password", "/account/password", **send).headers["location"] == "/account"
    assert browser.get("/account").status == 200
    assert Browser(served.service).sign_in(address, PASSWORD).status == 401


def test_a_session_does_not_help_to_guess_its_password(served: Served, browser: Browser, email: str) -> None:
    browser.sign_in(email, PASSWORD)
    wrong = {"present": "wrong password", "new": "another long password", "again": "another long password"}
    for _ in range(10):
        assert browser.send("/account/password", "/account/password", **wrong).status == 422
    right = {**wrong, "present": PASSWORD}
    assert browser.send("/account/password", "/account/password", **right).status == 422
    assert Browser(served.service).sign_in(email, PASSWORD).status == 401


def test_a_new_password_a_closed_account_and_a_lost_role_end_at_once(
    served: Served, browser: Browser, email: str
) -> None:
    people = served.database.people
    browser.sign_in(email, PASSWORD)
    person = people.by_email(email)
    assert person is not None
    people.revoke(person.person_id, person.grants[0])
    assert "Nothing yet" in browser.get("/account").text
    people.disable(person.person_id)
    assert browser.get("/account").status == 303
    people.enable(person.person_id)
    browser.sign_in(email, PASSWORD)
    assert browser.get("/account").status == 200
    people.set_password(person.person_id, "$argon2id$none", is_temporary=True)
    assert browser.get("/account").status == 303


@pytest.mark.parametrize(
    "address",
    [
        *("https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example", "\\\\elsewhere.example"),
        *("javascript:alert(1)", "/a\r\nLocation: https://elsewhere.example", "http:elsewhere.example", "", "account"),
        *("/\t/elsewhere.example", "///elsewhere.example", "/" + "a" * 600, "/%\u202e", " //elsewhere.example"),
    ],
)
def test_no_link_leads_from_signing_in_to_another_place(browser: Browser, email: str, address: str) -> None:
    assert own_address(address) == "/"
    assert browser.sign_in(email, PASSWORD, next=address).headers["location"] == "/"


@pytest.mark.parametrize("token", [None, "", "0" * 64, "\xe9", "x" * 5000])
def test_a_form_without_the_sessions_token_is_refused(browser: Browser, email: str, token: str | None) -> None:
    browser.sign_in(email, PASSWORD)
    fields = {} if token is None else {"csrf": token}
    assert browser.post("/account/language", locale="es", **fields).status in (403, 422)
    assert browser.post("/sign-out", **fields).status in (403, 422)
    assert browser.get("/account").status == 200


def test_a_token_of_another_session_is_refused(served: Served, browser: Browser, email: str) -> None:
    other = Browser(served.service)
    for each in (browser, other):
        each.sign_in(email, PASSWORD)
    assert browser.post("/account/language", locale="es", csrf=other.token("/account")).status == 403


@pytest.mark.parametrize("sent", [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_form_of_another_site_is_refused_even_with_the_token(
    browser: Browser, email: str, sent: dict[str, str]
) -> None:
    browser.sign_in(email, PASSWORD)
    token = browser.token("/account")
    assert browser.post("/account/language", headers=sent, locale="es", csrf=token).status == 403
    assert browser.post("/sign-in", headers=sent, email=email, password=PASSWORD, csrf=token).status == 403


def test_a_form_is_no_larger_than_it_needs_to_be(browser: Browser, email: str) -> None:
    browser.sign_in(email, PASSWORD)
    token = browser.token("/account")
    assert browser.post("/account/language", csrf=token, locale="e" * 4_001).status == 422
    assert browser.post("/account/language", csrf=token, **{f"field-{n}": "" for n in range(200)}).status == 422
    assert browser.post("/account/language", csrf=token, locale="e" * 70_000).status == 413
    assert browser.post("/account/language", headers={"Content-Type": "text/plain"}, csrf=token).status == 415
    headers = {"Content-Type": FORM, "Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    answer = browser.service.request("POST", "/account/language", body=b"csrf=%ff\xfe", headers=headers)
    assert answer.status == 422


def test_the_language_is_ones_own(browser: Browser, email: str) -> None:
    assert '<html lang="es">' in browser.get("/sign-in", headers={"Accept-Language": "fr, es;q=0.8, en;q=0.1"}).text
    browser.sign_in(email, PASSWORD)
    assert '<html lang="en">' in browser.get("/account").text
    browser.send("/account", "/account/language", locale="es")
    assert "Su cuenta" in browser.get("/account").text
    assert browser.send("/account", "/account/language", locale="xx").status == 422


def test_htmx_is_sent_to_the_sign_in_page_as_a_whole(browser: Browser) -> None:
    answer = browser.get("/account", headers={"HX-Request": "true"})
    assert (answer.status, answer.headers["hx-redirect"]) == (401, "/sign-in?next=%2Faccount")


def test_a_browser_gets_an_error_as_a_page_and_a_program_as_json(browser: Browser) -> None:
    page = browser.get("/nothing-<script>alert(1)</script>")
    assert (page.status, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is nothing here" in page.text
    assert "alert" not in page.text
    assert browser.service.get("/nothing").error["code"] == "not_found"


def test_pages_say_no_to_scripts_and_caches(browser: Browser, email: str) -> None:
    browser.sign_in(email, PASSWORD)
    for path in ("/account", "/account/password", "/sign-in"):
        answer = browser.get(path)
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        inline = r'<script(?! src="/static/[\w./-]+" defer></script>)|<style|\sstyle=|\son\w+='
        assert re.findall(inline, answer.text) == []


def test_the_database_has_no_token_that_lets_anybody_in(served: Served, browser: Browser, email: str) -> None:
    browser.sign_in(email, PASSWORD)
    token = browser.cookies[COOKIE]
    files = [served.folder / "store/cis_ews.db", served.folder / "store/cis_ews.db-wal"]
    kept = b"".join(file.read_bytes() for file in files if file.exists())
    assert email.encode() in kept
    assert token.encode() not in kept
    assert PASSWORD.encode() not in kept
    assert token not in served.service.output()
    assert email not in served.service.output()


def test_too_many_pages_at_once_have_to_wait(tmp_path: Path) -> None:
    """Asked of the admission itself, with a small pace: how fast the machine of the tests is does not matter."""
    store = RunStore(tmp_path)
    with Database(store.database_url) as database:
        database.upgrade()
        backend = Backend(
            settings=Settings(),
            store=store,
            database=database,
            pace=Pace(3, a_second=0.0001),
        )
        application = Starlette()
        application.state.backend = backend
        admit = Admission(application, pages=["/sign-in"])

        def ask(address: str) -> None:
            scope = {"type": "http", "scheme": "http", "path": "/sign-in", "method": "GET", "headers": [], "state": {}}

            async def receive() -> Message:
                return {"type": "http.disconnect"}

            run_apart(admit("/sign-in", {**scope, "client": (address, 1)}, receive))

        for _ in range(3):
            ask("192.0.2.1")
        with pytest.raises(ApiError) as caught:
            ask("192.0.2.1")
        assert (caught.value.status, caught.value.code) == (429, "too_fast")
        ask("192.0.2.2")


def test_a_pace_is_taken_up_again() -> None:
    pace = Pace(2, a_second=1000.0, remember=2)
    for _ in range(20):
        pace.take("ana")
        time.sleep(0.002)
    slow = Pace(2, a_second=0.001)
    for each in ("ana", "bob"):
        slow.take(each)
        slow.take(each)
        with pytest.raises(ApiError) as caught:
            slow.take(each)
        assert caught.value.status == 429


def test_the_settings_say_when_a_session_ends() -> None:
    limits = limits_of(ServiceSettings(idle_minutes=5, session_hours=2))
    assert (limits.idle, limits.absolute) == (timedelta(minutes=5), timedelta(hours=2))


def test_too_many_wrong_passwords_from_one_place_have_to_wait(served: Served) -> None:
    browser = Browser(served.service)
    statuses = [browser.sign_in(f"nobody-{number}@example.org", "x" * 12).status for number in range(62)]
    assert statuses == [401] * 60 + [429] * 2
    assert Browser(served.service).sign_in("nobody@example.org", "x" * 12).status == 401


def test_who_comes_in_by_a_provider_alone_is_offered_no_password_to_change(served: Served) -> None:
    new = NewPerson(email="provided@example.org", name="Provided")
    person_id = served.database.people.add(new, grants=[Grant(Role.COORDINATOR, LAKEVIEW, "north")])
    browser = Browser(served.service)
    browser.cookies[COOKIE] = served.database.sessions.start(person_id, how="a provider")
    page = browser.get("/account")
    assert page.status == 200
    assert "/account/password" not in page.text
    assert browser.get("/account/password").status == 404
