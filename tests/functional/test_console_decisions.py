"""Deciding in the started service: worklist, decisions, two at once, meetings, and text that wants to be code."""

from __future__ import annotations

import re
from collections.abc import Generator
from html import escape, unescape
from itertools import count
from pathlib import Path

import pytest

from cis_ews.enums import AuditAction, Role
from cis_ews.storage.access import Grant
from cis_ews.storage.database import By
from cis_ews.support.passwords import hash_password
from cis_ews.support.reviews import OFFERED
from tests.lib.browser import Browser
from tests.lib.console_pages import local_day
from tests.lib.districts import HARBOR, LAKEVIEW
from tests.lib.people import PASSWORD, add_person
from tests.lib.service import Served, serve_two_districts

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \"'`{{7*7}}{% raw %} \u202eabc\u2066 &lt; </textarea>"
_numbers = count()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A service of this module alone: decisions change it."""
    folder: Path = tmp_path_factory.mktemp("decisions")
    with serve_two_districts(folder) as served:
        yield served


def somebody(
    served: Served,
    role: Role = Role.COORDINATOR,
    *,
    district: str = LAKEVIEW,
    school: str | None = "north",
    locale: str = "en",
) -> Browser:
    email = f"person-{next(_numbers)}@example.org"
    add_person(served.database, email, Grant(role, district, school), locale=locale)
    browser = Browser(served.service)
    assert browser.sign_in(email, PASSWORD).status == 303
    return browser


def ref_of(served: Served, student: str) -> str:
    district = HARBOR if student.startswith("east") else LAKEVIEW
    return next(row["ref"] for row in served.scores(district) if row["student_id"] == student)


def page_of(ref: str) -> str:
    return f"/students/{ref}"


def version_in(page: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', page)
    return found[1] if found else "0"


def version(browser: Browser, ref: str) -> str:
    return version_in(browser.get(page_of(ref)).text)


def decide(browser: Browser, ref: str, action: str, **fields: str) -> int:
    given = {"version": version(browser, ref), "action": action, **fields}
    return browser.send(page_of(ref), f"/students/{ref}/decisions", **given).status


def buttons(page: str) -> dict[str, str]:
    """Disabled button -> the reason beside it."""
    offers = re.findall(r'disabled aria-describedby="do-(\w+)-why">.*?id="do-\w+-why">(.*?)</p>', page, re.DOTALL)
    return {action: unescape(why) for action, why in offers}


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.SCHOOL_STAFF, Role.DISTRICT_MANAGER])
@pytest.mark.parametrize("student", ["south-004", "south-001"])  # flagged; not flagged
def test_a_disabled_button_shows_the_reason_that_the_decision_would_be_refused_with(
    served: Served, role: Role, student: str
) -> None:
    school = None if role is Role.DISTRICT_MANAGER else "south"
    browser, ref = somebody(served, role, school=school), ref_of(served, student)
    page = browser.get(page_of(ref))
    closed = buttons(page.text)
    forms = set(re.findall(r'name="action" value="(\w+)"', page.text))
    assert closed
    assert forms | set(closed) == set(OFFERED)
    for action, why in closed.items():
        token = {"csrf": browser.token(page_of(ref)), "version": version_in(page.text), "action": action}
        answer = browser.post(f"/students/{ref}/decisions", headers={"HX-Request": "true"}, **token)
        assert answer.status in (403, 409, 422)
        assert why in unescape(answer.text.partition('role="alert"')[2].partition("</div>")[0])


def test_what_a_form_answers_takes_the_place_of_the_part(served: Served) -> None:
    first, second = (somebody(served, school="south") for _ in range(2))
    ref = ref_of(served, "south-008")
    address = f"/students/{ref}/decisions"
    old = {"version": version(second, ref), "csrf": second.token(page_of(ref)), "reason": "My own text"}
    sent = {"version": version(first, ref), "csrf": first.token(page_of(ref)), "reason": "Knows her sister"}
    done = first.post(address, headers={"HX-Request": "true"}, action="already_known", **sent)
    moved = second.post(address, headers={"HX-Request": "true"}, action="no_action", **old)
    assert (done.status, moved.status) == (200, 409)
    for answer in (done, moved):
        assert answer.headers["x-part"] == "true"
        assert answer.text.lstrip().startswith('<div id="case"')
        assert "<html" not in answer.text
    assert "Already known and supported" in done.text
    assert "Knows her sister" in moved.text
    assert "My own text" in moved.text
    (newest, *_) = served.database.audit.search(district_id=LAKEVIEW)
    assert (newest.action, newest.ref) == (AuditAction.STUDENT_SEEN, ref)
    assert version(second, ref) == str(int(old["version"]) + 1)


def test_a_refused_form_shows_nothing_that_the_audit_does_not_know_of(served: Served) -> None:
    browser, ref = somebody(served, school="south"), ref_of(served, "south-008")
    token = browser.token("/account")
    before, *_ = served.database.audit.search(district_id=LAKEVIEW)
    answer = browser.post(f"/students/{ref}/decisions", csrf=token, version="99", action="accept")
    assert "First-south-008" in answer.text
    after, *_ = served.database.audit.search(district_id=LAKEVIEW)
    assert (after.number, after.action, after.ref) == (before.number + 1, AuditAction.STUDENT_SEEN, ref)


LINE = re.compile(r'<li class="card" hx-target.*?</li>\s*(?=<li class="card" hx-target|</ol>)', re.DOTALL)


def line_of(page: str, ref: str) -> str:
    """The line of a student who waits, or nothing."""
    return next((line for line in LINE.findall(page) if f'href="/students/{ref}"' in line), "")


@pytest.mark.parametrize(("student", "action"), [("south-008", "contact"), ("south-004", "no_action")])
def test_a_line_of_today_is_cleared_where_it_stands(served: Served, student: str, action: str) -> None:
    ref = ref_of(served, student)
    browser = somebody(served, school="south")
    decide(browser, ref, "reopen", reason="Looks different now")  # where another test has decided
    assert "no contact yet" in line_of(browser.get("/today").text, ref)
    assert line_of(browser.get("/worklist").text, ref)
    old = {"version": version_in(line_of(browser.get("/today").text, ref)), "csrf": browser.token("/today")}
    sent = {**old, "action": action, "line": "today", "contact": "family", "reason": ""}
    if action == "no_action":
        refused = browser.post(f"/students/{ref}/decisions", headers={"HX-Request": "true"}, **sent)
        assert refused.status == 422
        assert "Write a reason" in line_of(refused.text + "</ol>", ref)
        sent["reason"] = "Away with the family"
    done = browser.post(f"/students/{ref}/decisions", headers={"HX-Request": "true"}, **sent)
    assert (done.status, done.headers["x-part"]) == (200, "true")
    assert done.text.lstrip().startswith("<li")
    assert {"contact": "Somebody has been in touch", "no_action": "No action needed"}[action] in done.text
    for page in ("/today", "/worklist"):
        assert line_of(browser.get(page).text, ref) == ""
    second = browser.post(f"/students/{ref}/decisions", headers={"HX-Request": "true"}, **{**sent, "reason": "Mine"})
    assert second.status == 409
    assert "<q>Mine</q>" in second.text


def test_without_scripts_a_line_leads_back_to_the_page_that_it_is_on(served: Served) -> None:
    browser, ref = somebody(served), ref_of(served, "north-008")
    for page in ("today", "worklist", "https://evil.example"):
        fields = {"version": version(browser, ref), "action": "contact", "contact": "staff", "line": page}
        answer = browser.send("/account", f"/students/{ref}/decisions", **fields)
        back = f"/students/{ref}#case" if ":" in page else f"/{page}"
        assert (answer.status, answer.headers["location"]) == (303, back)


def test_a_line_offers_what_the_role_may_do(served: Served) -> None:
    offered = {Role.COORDINATOR: {"contact", "no_action"}, Role.SCHOOL_STAFF: {"contact"}, Role.DISTRICT_MANAGER: set()}
    ref = ref_of(served, "north-004")
    for role, actions in offered.items():
        browser = somebody(served, role, school=None if role is Role.DISTRICT_MANAGER else "north")
        line = line_of(browser.get("/today").text, ref)
        assert "no contact yet" in line
        assert set(re.findall(r'name="action" value="(\w+)"', line)) == actions


def test_a_contact_takes_a_student_off_the_worklist(served: Served) -> None:
    browser, ref = somebody(served), ref_of(served, "north-004")
    assert f'href="{page_of(ref)}"' in browser.get("/worklist").text
    assert decide(browser, ref, "contact", contact="family", reason="Called the mother") == 303
    assert f'href="{page_of(ref)}"' not in browser.get("/worklist").text
    page = browser.get(page_of(ref)).text
    assert "Talked with the family" in page
    assert "Called the mother" in page
    assert "no-store" in browser.get(page_of(ref)).headers["cache-control"]


def test_the_second_sees_what_the_first_did_and_keeps_the_text(served: Served) -> None:
    first, second = somebody(served), somebody(served)
    ref = ref_of(served, "north-008")
    old = version(second, ref)
    assert decide(first, ref, "accept", reason="Knows her sister") == 303
    answer = second.send(
        page_of(ref), f"/students/{ref}/decisions", version=old, action="no_action", reason="My own text"
    )
    assert answer.status == 409
    assert "was there first" in answer.text
    assert "Knows her sister" in answer.text
    assert "My own text" in answer.text
    assert "My own text" not in first.get(page_of(ref)).text


def test_who_sends_the_same_form_twice_is_told_that_it_was_oneself(served: Served) -> None:
    browser, ref = somebody(served), ref_of(served, "north-008")
    old = version(browser, ref)
    fields = {"version": old, "action": "contact", "contact": "family", "reason": "Called her aunt"}
    assert browser.send(page_of(ref), f"/students/{ref}/decisions", **fields).status == 303
    again = browser.send(page_of(ref), f"/students/{ref}/decisions", **fields)
    assert again.status == 409
    assert "You were there first" in again.text
    assert "Somebody else" not in again.text
    spanish = somebody(served, locale="es")
    stale = spanish.send(page_of(ref), f"/students/{ref}/decisions", **fields)
    assert "Otra persona, o la noche" in stale.text


TEXT = "A long note about <b>the family</b>"


def test_a_text_is_given_back_where_the_session_has_ended(served: Served) -> None:
    browser, ref = somebody(served), ref_of(served, "north-004")
    fields = {"version": version(browser, ref), "action": "contact", "contact": "family", "reason": TEXT, "csrf": "x"}
    browser.cookies.clear()
    answer = browser.post(f"/students/{ref}/decisions", **fields)
    assert answer.status == 401
    assert f"readonly>{escape(TEXT)}</textarea>" in answer.text
    assert 'href="/sign-in?next=%2F"' in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "x</textarea>" not in answer.text
    # Scripts send a form once more the plain way, where the answer is no part of the page and leads nowhere.
    by_script = browser.post(f"/students/{ref}/decisions", headers={"hx-request": "true"}, **fields)
    assert (by_script.status, by_script.headers["hx-redirect"]) == (401, None)
    # Nobody else's text is put on our page, and who wrote nothing is led to the form as before.
    foreign = browser.post(f"/students/{ref}/decisions", headers={"Origin": "https://elsewhere.example"}, **fields)
    assert (foreign.status, TEXT in unescape(foreign.text)) == (303, False)
    assert browser.post(f"/students/{ref}/decisions", **(fields | {"reason": " "})).status == 303
    assert TEXT not in unescape(somebody(served).get(page_of(ref)).text)


def test_a_text_is_given_back_where_the_form_is_of_another_session(served: Served) -> None:
    browser, ref = somebody(served), ref_of(served, "north-004")
    answer = browser.post(f"/students/{ref}/decisions", csrf="of before", action="contact", reason=TEXT)
    assert answer.status == 403
    assert "not of your present session" in answer.text
    assert TEXT in unescape(answer.text)


def test_a_text_is_given_back_while_flags_are_stopped(served: Served) -> None:
    browser, ref = somebody(served, locale="es"), ref_of(served, "north-004")
    fields = {"version": version(browser, ref), "action": "contact", "reason": TEXT, "csrf": browser.token("/account")}
    by = By(person_id=add_person(served.database, "stopper@example.org", Grant(Role.ADMINISTRATOR, None, None)))
    served.database.switch.turn_off("a wrong night was published", by=by)
    try:
        answer = browser.post(f"/students/{ref}/decisions", **fields)
        assert answer.status == 503
        assert TEXT in unescape(answer.text)
        assert "Lo que escribi\u00f3" in answer.text
    finally:
        served.database.switch.turn_on(by=by)


def test_a_text_that_is_too_long_is_given_back(served: Served) -> None:
    browser, ref = somebody(served), ref_of(served, "north-004")
    fields = {"version": version(browser, ref), "action": "contact", "contact": "family", "reason": "late bus " * 450}
    answer = browser.send(page_of(ref), f"/students/{ref}/decisions", **fields)
    assert answer.status == 422
    assert "more than 4,000 characters" in answer.text
    assert "late bus " * 440 in answer.text


def test_who_has_to_choose_a_password_is_told_of_no_session_that_ended(served: Served) -> None:
    """An old page is sent from a new session, whose password somebody else has made."""
    email, temporary = f"person-{next(_numbers)}@example.org", "a password of the administrator"
    person_id = add_person(served.database, email, Grant(Role.COORDINATOR, LAKEVIEW, "north"))
    served.database.people.set_password(person_id, hash_password(temporary), is_temporary=True, by=By())
    browser = Browser(served.service)
    browser.sign_in(email, temporary)
    answer = browser.post(f"/students/{ref_of(served, 'north-004')}/decisions", action="contact", reason=TEXT)
    assert (answer.status, answer.headers["location"]) == (303, "/account/password")


def test_a_text_with_line_breaks_is_as_long_as_the_browser_counted(served: Served) -> None:
    browser, page = somebody(served), page_of(ref_of(served, "north-000"))
    fields = {"action": "contact", "contact": "student", "version": version_in(browser.get(page).text)}
    assert browser.send(page, f"{page}/decisions", reason="noted\r\n" * 660, **fields).status == 303
    assert "noted\n" * 600 in browser.get(page).text


def test_what_is_missing_is_said_beside_what_was_written(served: Served) -> None:
    browser, ref = somebody(served), ref_of(served, "north-000")
    fields = {"version": version(browser, ref), "action": "not_now", "until": "2020-01-01", "reason": "A trip"}
    answer = browser.send(page_of(ref), f"/students/{ref}/decisions", **fields)
    assert answer.status == 422
    assert "Name a day after today" in answer.text
    assert ">A trip</textarea>" in answer.text


def test_staff_read_why_a_button_is_not_theirs(served: Served) -> None:
    staff, ref = somebody(served, Role.SCHOOL_STAFF), ref_of(served, "north-000")
    assert "Only a coordinator of the school can accept a flag." in staff.get(page_of(ref)).text
    answer = staff.send(page_of(ref), f"/students/{ref}/decisions", version=version(staff, ref), action="accept")
    assert answer.status == 403
    assert "Only a coordinator of the school can accept a flag." in answer.text


@pytest.mark.parametrize("role", [Role.STATE, Role.DATA_STEWARD, Role.ADMINISTRATOR])
def test_who_sees_no_students_finds_none(served: Served, role: Role) -> None:
    district = LAKEVIEW if role is Role.DATA_STEWARD else None
    email = f"person-{next(_numbers)}@example.org"
    add_person(served.database, email, Grant(role, district))
    browser = Browser(served.service)
    browser.sign_in(email, PASSWORD)
    ref = ref_of(served, "north-000")
    assert browser.get(page_of(ref)).status == 403
    assert browser.get("/worklist").status == 403
    assert browser.get("/meetings").status == 403
    assert browser.send("/account", f"/students/{ref}/decisions", version="0", action="accept").status == 404


def test_another_school_and_district_are_not_there(served: Served) -> None:
    browser = somebody(served)
    for student in ("south-000", "east-000"):
        ref = ref_of(served, student)
        assert browser.get(page_of(ref)).status == 404
        for path in ("decisions", "goals", "check-ins"):
            assert (
                browser.send("/worklist" if False else "/account", f"/students/{ref}/{path}", action="accept").status
                == 404
            )
    other = somebody(served, school="south")
    begun = other.send("/meetings", "/meetings", school=f"{LAKEVIEW}/south", about="flagged")
    address = begun.headers["location"]
    assert other.get(address).status == 200
    assert browser.get(address).status == 404
    assert browser.send("/meetings", "/meetings", school=f"{LAKEVIEW}/south", about="flagged").status == 422


def test_a_form_without_the_token_of_the_session_is_refused(served: Served) -> None:
    browser, ref = somebody(served), ref_of(served, "north-000")
    for path in (f"/students/{ref}/decisions", f"/students/{ref}/goals", f"/students/{ref}/check-ins", "/meetings"):
        assert browser.post(path, version="0", action="accept").status == 403
        assert browser.post(path, csrf="0" * 64, version="0", action="accept").status == 403


def test_a_morning_from_meeting_to_recap(served: Served) -> None:
    browser, ref = somebody(served, school="south"), ref_of(served, "south-000")
    begun = browser.send("/meetings", "/meetings", school=f"{LAKEVIEW}/south", about="flagged")
    place = begun.headers["location"]
    assert place.endswith("/1")
    meeting = place.split("/")[2]
    assert ref in browser.get(place).text
    assert 'rel="next" accesskey="n"' in browser.get(place).text
    note = {"version": version(browser, ref), "action": "contact", "contact": "meeting", "reason": "Rides the bus"}
    of_meeting = {"meeting": meeting, "place": "1"}
    answer = browser.send(place, f"/students/{ref}/decisions", **note, **of_meeting)
    assert (answer.status, answer.headers["location"]) == (303, place)
    assert decide(browser, ref, "accept", **of_meeting) == 303
    plan = {
        "consent_on": "2020-01-01",
        "needs": "A way to school",
        "area": "basic_needs",
        "goal": "In school on time",
        "owner": "Ms. Lee",
    }
    assert decide(browser, ref, "open_plan", **plan, **of_meeting) == 422
    assert decide(browser, ref, "open_plan", **{**plan, "consent_on": local_day().isoformat()}, **of_meeting) == 303
    page = browser.get(page_of(ref)).text
    goal = re.search(r'name="goal_id" value="([0-9a-f]{32})"', page)
    assert goal is not None
    check_in = {"goal_id": goal[1], "progress": "no_progress_positive", "note": "Tries"}
    for _ in range(2):  # a form that is sent twice is written once
        assert browser.send(page_of(ref), f"/students/{ref}/check-ins", **check_in).status == 303
    page = browser.get(page_of(ref)).text
    assert "No progress - positive" in page
    assert page.count("Tries") == 1
    another = {"area": "academics", "goal": "Turns work in", "owner": "Mr. Ruiz", **of_meeting}
    for _ in range(2):
        assert browser.send(page_of(ref), f"/students/{ref}/goals", **another).status == 303
    assert browser.get(page_of(ref)).text.count("Mr. Ruiz") == 1
    recap = browser.get(f"/meetings/{meeting}/recap").text
    for text in ("Rides the bus", "In school on time", "Ms. Lee", "Turns work in", "accepted the flag"):
        assert text in recap
    assert f"/meetings/{meeting}/recap" in browser.get("/meetings").text


def test_who_has_a_caseload_and_no_school_holds_a_meeting_about_it(served: Served) -> None:
    """The role is of another school; in `south` there is one student of the own caseload."""
    ref = ref_of(served, "south-008")
    email = f"person-{next(_numbers)}@example.org"
    person_id = add_person(served.database, email, Grant(Role.COORDINATOR, HARBOR, "east"))
    served.database.people.add_to_caseload(person_id, LAKEVIEW, ref=ref, by=By())
    browser = Browser(served.service)
    browser.sign_in(email, PASSWORD)
    assert f'value="{LAKEVIEW}/south"' in browser.get("/meetings").text
    begun = browser.send("/meetings", "/meetings", school=f"{LAKEVIEW}/south", about="flagged")
    assert begun.status == 303
    page = browser.get(begun.headers["location"]).text
    assert "1 of 1" in page
    assert f"/students/{ref}/decisions" in page
    assert browser.get(begun.headers["location"].removesuffix("1") + "recap").status == 200
    assert browser.send("/meetings", "/meetings", school=f"{LAKEVIEW}/north", about="flagged").status == 422
    newest = [row for row in served.database.audit.search(district_id=LAKEVIEW) if row.person_id == person_id]
    assert {row.why_allowed for row in newest} == {"site coordinator with this student in the caseload"}


def test_a_question_about_the_data_is_answered_without_a_name(served: Served) -> None:
    browser, ref = somebody(served), ref_of(served, "north-000")
    assert decide(browser, ref, "question_data", subject="attendance", reason="Was on a field trip") == 303
    steward = somebody(served, Role.DATA_STEWARD, school=None)
    page = steward.get("/tickets").text
    assert "Was on a field trip" in page
    assert "alert(1)" not in page  # the student's name
    ticket = re.search(r'action="(/tickets/[0-9a-f]{32})"', page)
    assert ticket is not None
    assert browser.send("/account", ticket[1], answer="x").status == 403
    elsewhere = somebody(served, Role.DATA_STEWARD, district=HARBOR, school=None)
    assert elsewhere.send("/account", ticket[1], answer="x").status == 404
    assert steward.send("/tickets", ticket[1], answer=" ").status == 422
    assert steward.send("/tickets", ticket[1], answer="Mended").status == 303
    assert "Mended" in browser.get(page_of(ref)).text
    assert f'href="{page_of(ref)}"' in browser.get("/worklist").text


@pytest.mark.parametrize("text", [HOSTILE, "\u200f\u202e" + "x" * 3990, "a\r\nb\tc\x07"])
def test_text_stays_text(served: Served, text: str) -> None:
    """Stored and reflected, in every field that a person can fill; the name of the student is one of the kind."""
    browser, ref = somebody(served), ref_of(served, "north-000")
    fields = {"version": version(browser, ref), "action": "no_action", "reason": "", "until": text, "subject": text}
    reflected = browser.send(page_of(ref), f"/students/{ref}/decisions", **fields)
    moved = browser.send(page_of(ref), f"/students/{ref}/decisions", version="99", action="no_action", reason=text)
    assert (reflected.status, moved.status) == (422, 409)
    assert decide(browser, ref, "contact", contact="student", reason=text) == 303
    pages = [reflected.text, moved.text, browser.get(page_of(ref)).text, browser.get("/worklist").text]
    for page in pages:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert page.count("</textarea>") == page.count("<textarea")
        assert "49" not in re.findall(r"`(\d+)\{", page)
    if text == HOSTILE:
        assert "&lt;script&gt;alert(1)" in pages[2]
    assert decide(browser, ref, "contact", contact="student", reason="x" * 4001) == 422


def test_in_spanish(served: Served) -> None:
    browser, ref = somebody(served, locale="es"), ref_of(served, "north-000")
    page = browser.get(page_of(ref)).text
    assert '<html lang="es">' in page
    assert "Qué se hará" in page
    assert "Lista de trabajo" in browser.get("/worklist").text
