"""Today, a student, a school and the network on the started service: what a person finds, and what is not shown."""

from __future__ import annotations

import csv
import io
import json
import re
from html import escape, unescape
from itertools import count
from urllib.parse import urlencode

import pytest

from cis_ews.enums import AuditAction, Role
from cis_ews.storage.access import Grant
from cis_ews.storage.database import By
from cis_ews.storage.database.audit import hash_of_refs
from tests.lib.browser import Browser
from tests.lib.districts import FORMULAS, HARBOR, HOSTILE_GROUP, LAKEVIEW
from tests.lib.people import PASSWORD, add_person, grants_for
from tests.lib.service import Served

STUDENT, SCHOOL, NETWORK = (re.compile(rf"/{place}/[0-9a-f]{{32}}") for place in ("students", "schools", "network"))
_numbers = count()


def _browser(served: Served, role: Role, *, locale: str = "en") -> Browser:
    email = f"pages-{next(_numbers)}@example.org"
    add_person(served.database, email, grants_for(LAKEVIEW, "north")[role], locale=locale)
    browser = Browser(served.service)
    assert browser.sign_in(email, PASSWORD).status == 303
    return browser


@pytest.fixture
def coordinator(served: Served) -> Browser:
    return _browser(served, Role.COORDINATOR)


def _school(browser: Browser) -> str:
    found = SCHOOL.search(browser.get("/schools").text)
    assert found is not None
    return found[0]


def _student(browser: Browser, filters: str = "?tier=3&tier=2") -> str:
    found = STUDENT.search(browser.get(_school(browser) + filters).text)
    assert found is not None
    return found[0]


def test_from_today_a_student_is_a_click_away(coordinator: Browser) -> None:
    today = coordinator.get("/today").text
    assert "Flagged, and nobody has been in touch" in today
    assert "nobody has recorded a contact or a decision" in today  # the rule
    student = STUDENT.search(today)
    assert student is not None
    page = coordinator.get(student[0])
    assert page.status == 200
    assert "site coordinator of this school" in page.text


def test_today_says_how_old_it_is_and_who_decided(served: Served, coordinator: Browser) -> None:
    """The night is of a February that is long past, and by rules; the school `south` has not entered two weeks."""
    today = coordinator.get("/today").text
    assert re.search(r"This list is \d{2,} days old: no later night has been run.", today)
    assert "Decided by: Published rules; no trained model was used." in today
    assert "school days behind" not in today
    assert "This is the first night that is known" in today
    assert "Nothing has changed" not in today
    of_district = unescape(_browser(served, Role.DISTRICT_MANAGER).get("/today").text)
    assert "This school's absences are 11 school days behind." in of_district


def test_the_records_behind_a_reason_are_on_the_page(coordinator: Browser) -> None:
    page = coordinator.get(_student(coordinator)).text
    assert 'href="#attendance-records"' in page
    assert 'id="attendance-records"' in page
    attendance = page.partition('id="attendance"')[2].partition("</section>")[0]
    assert re.search(r"<td>[A-Z][a-z]+ \d+, 20\d\d</td><td>Unexcused</td>", attendance)
    assert attendance.count("<rect") > 20
    assert "style=" not in page


def test_a_risk_is_shown_to_nobody_but_whoever_may_see_it_and_asks(served: Served, coordinator: Browser) -> None:
    assert "risk" not in coordinator.get(_student(coordinator) + "?risk=1").text.lower()
    manager = _browser(served, Role.DISTRICT_MANAGER)
    # The night of this store is one by rules: there is no number to show.
    assert "Estimated risk" not in manager.get(_student(manager) + "?risk=1").text


def test_who_looks_at_a_student_is_in_the_audit(served: Served, coordinator: Browser) -> None:
    address = _student(coordinator)
    coordinator.get(address)
    ref = address.rpartition("/")[2]
    seen = [row for row in served.database.audit.search(district_id=LAKEVIEW) if row.ref == ref]
    assert seen
    assert {row.action for row in seen} == {AuditAction.STUDENT_SEEN}


def test_who_looks_at_names_of_a_school_is_in_the_audit(served: Served) -> None:
    browser = _browser(served, Role.COORDINATOR)
    browser.get(_school(browser))
    newest, *_ = served.database.audit.search(district_id=LAKEVIEW)
    assert newest.action == AuditAction.LIST_SEEN
    assert newest.why_allowed == "site coordinator of this school"
    refs = [score["ref"] for score in served.scores(LAKEVIEW) if score["school_id"] == "north"]
    told = {"kind": "roster", "school_id": "north", "students": 12, "refs": hash_of_refs(refs)}
    assert json.loads(newest.detail) == told


def test_the_worklist_is_in_the_audit_school_by_school_with_the_right_that_opened_it(served: Served) -> None:
    """The role is of another district; in `south` there is one student of the own caseload."""
    ref = next(row["ref"] for row in served.scores(LAKEVIEW) if row["student_id"] == "south-008")
    person_id = add_person(served.database, "worklist@example.org", Grant(Role.COORDINATOR, HARBOR, "east"))
    served.database.people.add_to_caseload(person_id, LAKEVIEW, ref=ref, by=By())
    browser = Browser(served.service)
    browser.sign_in("worklist@example.org", PASSWORD)
    assert ref in browser.get("/worklist").text
    newest = served.database.audit.search(district_id=LAKEVIEW)[0]
    assert newest.why_allowed == "site coordinator with this student in the caseload"
    told = {"kind": "worklist", "school_id": "south", "students": 1, "refs": hash_of_refs([ref])}
    assert json.loads(newest.detail) == told


def test_who_saw_a_student_on_a_list_is_found_by_the_ref(served: Served) -> None:
    """On Today, the worklist, the roster and a file: whoever stands there is in the audit, and nobody else."""
    browser = _browser(served, Role.COORDINATOR)
    school = _school(browser)
    scores = [row for row in served.scores(LAKEVIEW) if row["school_id"] == "north"]
    elsewhere = next(row["ref"] for row in served.scores(LAKEVIEW) if row["school_id"] == "south")

    def lists(ref: str) -> list[str]:
        """The kinds of the lists with a student that this person has seen, the newest first."""
        found = served.database.audit.search(ref=ref, action=AuditAction.LIST_SEEN, person_id=person_id, limit=1000)
        assert all(row.ref is None for row in found)
        return [json.loads(row.detail)["kind"] for row in found]

    addresses = ("/today", "/worklist", f"{school}?tier=1", f"{school}/roster.csv")
    today, worklist, roster, _ = pages = [browser.get(address) for address in addresses]
    assert {page.status for page in pages} == {200}
    # Which of them stand on the first page hangs on their refs, which are others in each database.
    flagged = next(row["ref"] for row in scores if row["ref"] in today.text and row["ref"] in worklist.text)
    other = next(row["ref"] for row in scores if row["tier"] == 1 and row["ref"] in roster.text)
    person_id = served.database.audit.search(district_id=LAKEVIEW, limit=1)[0].person_id
    assert lists(flagged) == ["roster file", "worklist", "today"]
    assert lists(other) == ["roster file", "roster"]
    assert lists(elsewhere) == []
    administrator = _browser(served, Role.ADMINISTRATOR)
    page = administrator.get(f"/admin/audit?ref={flagged}").text
    assert re.search(r"<td>list seen</td><td>a list of \d+</td>", page)


def test_filters_are_in_the_address_or_inside_and_between(coordinator: Browser) -> None:
    school = _school(coordinator)

    def found(query: str) -> int:
        number = re.search(r"Found: (\d+)", coordinator.get(school + query).text)
        assert number is not None
        return int(number[1])

    everyone, third, second = found(""), found("?tier=3"), found("?tier=2")
    assert found("?tier=3&tier=2") == third + second < everyone
    assert found("?tier=3&grade=none") <= third
    assert found("?nonsense=1") == everyone
    assert found("?page=99") == everyone


def test_a_view_is_saved_and_forgotten(coordinator: Browser) -> None:
    school = _school(coordinator)
    page = f"{school}?tier=3"
    name = "Ours <b>\u202e"
    saved = coordinator.send(page, f"{school}/views", name=name, filters="tier=3&evil=1")
    assert (saved.status, saved.headers["location"]) == (303, page)
    text = coordinator.get(school).text
    assert "<b>" not in text
    assert name in unescape(text)
    assert coordinator.send(school, f"{school}/views/drop", name=name).status == 303
    assert name not in unescape(coordinator.get(school).text)
    for wrong in ({"name": " ", "filters": "tier=3"}, {"name": "n" * 61, "filters": "tier=3"}, {"name": "n"}):
        assert coordinator.send(page, f"{school}/views", **wrong).status == 422


def test_a_view_too_many_is_refused_with_what_to_do(served: Served) -> None:
    browser = _browser(served, Role.COORDINATOR)
    school = _school(browser)
    sent = [browser.send(school, f"{school}/views", name=f"V{number}", filters="tier=3") for number in range(21)]
    assert [answer.status for answer in sent] == [303] * 20 + [422]
    assert "forget one" in sent[-1].text


def test_a_file_is_for_those_who_may_take_lists_out(served: Served, coordinator: Browser) -> None:
    answer = coordinator.get(_school(coordinator) + "/roster.csv?tier=3")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.splitlines()[0].split(",")[:3] == ["last_name", "first_name", "grade_level"]
    staff = _browser(served, Role.SCHOOL_STAFF)
    assert staff.get(_school(staff) + "/roster.csv").status == 403
    assert "may not take lists" in staff.get(_school(staff)).text


def test_no_name_is_run_as_a_formula_by_a_spreadsheet(served: Served) -> None:
    """Names of students begin with whatever does; in the file an apostrophe stands before it."""
    add_person(served.database, "formulas@example.org", Grant(Role.COORDINATOR, HARBOR, "east"))
    browser = Browser(served.service)
    assert browser.sign_in("formulas@example.org", PASSWORD).status == 303
    school = _school(browser)
    assert "=First-east-000" in unescape(browser.get(school).text)
    rows = list(csv.reader(io.StringIO(browser.get(f"{school}/roster.csv").text, newline="")))
    names = {row[0] for row in rows} | {row[1] for row in rows}
    kept = [formula for formula in FORMULAS if f"'{formula}Last-east-{FORMULAS.index(formula):03}" in names]
    assert kept == list(FORMULAS)
    assert not [cell for row in rows for cell in row if cell[:1] in set("=+-@\t\r")]


def test_small_numbers_are_not_told_in_the_network(served: Served) -> None:
    state = _browser(served, Role.STATE)
    districts = state.get("/network").text
    assert len(set(NETWORK.findall(districts))) == 2
    schools = state.get(NETWORK.findall(districts)[0]).text
    assert STUDENT.search(schools) is None
    numbers = re.findall(r'<td class="number">(\d+)</td>', districts)
    assert numbers
    assert all(int(number) >= 10 for number in numbers)
    assert 'aria-label="not told"' in schools
    assert "Flagged and served" in schools
    assert all(int(number) >= 10 for number in re.findall(r'<td class="number">(\d+)</td>', schools) if number != "40")


def test_a_manager_sees_the_schools_of_the_own_district(served: Served) -> None:
    manager = _browser(served, Role.DISTRICT_MANAGER)
    page = manager.get("/network")
    assert page.status == 200
    assert NETWORK.search(page.text) is None
    # Whoever may open each of the students is told the small numbers of schools too, and of groups none.
    schools, _, groups = page.text.partition('id="by-group"')
    assert 'aria-label="not told"' not in schools
    assert [number for number in re.findall(r'<td class="number">(\d+)</td>', schools) if int(number) < 10]
    counts = [int(number) for number in re.findall(r'<td class="number">(\d+)</td>', groups)]
    assert counts
    assert min(counts) >= 10
    assert len(set(SCHOOL.findall(manager.get("/schools").text))) == 2


@pytest.mark.parametrize("address", ["/students/" + "0" * 32, "/schools/" + "0" * 32, "/students/x", "/network/x"])
def test_what_is_not_there_and_what_is_not_ones_own_look_the_same(served: Served, address: str) -> None:
    answer = _browser(served, Role.DISTRICT_MANAGER).get(address)
    assert answer.status == 404
    assert "0" * 32 not in answer.text


def test_the_pages_are_in_spanish_for_who_reads_spanish(served: Served) -> None:
    browser = _browser(served, Role.COORDINATOR, locale="es")
    assert "<h1>Hoy</h1>" in browser.get("/today").text
    page = browser.get(_student(browser)).text
    assert "Puntos fuertes" in page
    assert "coordinación de esta escuela" in page
    assert "site coordinator" not in page


ENGLISH = re.compile(
    r"\b(Missed|Has (?:not|had|no)|Was|school days?|this year|without an excuse|in September"
    r"|math|science|social studies|(?:[Ss]hort-term|[Ll]ong-term|[Ii]n-school) suspension)\b"
)
REASON = re.compile(r"Faltó \d+(?:\.\d)? de [^<]*días")


def test_what_the_records_tell_is_in_spanish_too(served: Served) -> None:
    """Reasons and strengths are stored in English; their numbers are the same for who reads Spanish."""
    english = _browser(served, Role.COORDINATOR)
    browser = _browser(served, Role.COORDINATOR, locale="es")
    school = _school(browser)
    students = set(STUDENT.findall(browser.get(school).text))
    assert len(students) == 12
    lists = ["/today", "/worklist", school]
    for address in [*lists, *sorted(students)]:
        before, page = english.get(address).text, browser.get(address).text
        assert 'lang="en"' not in page, address
        assert ENGLISH.search(page) is None, address
        assert ENGLISH.search(before) is not None, address
        if address in lists:
            assert REASON.search(page) is not None, address


def test_a_meeting_tells_of_students_in_spanish_too(served: Served) -> None:
    browser = _browser(served, Role.COORDINATOR, locale="es")
    begun = browser.send("/meetings", "/meetings", school=f"{LAKEVIEW}/north", about="flagged")
    assert begun.status == 303
    page = browser.get(begun.headers["location"]).text
    assert REASON.search(page) is not None
    assert ENGLISH.search(page) is None


def test_what_went_wrong_is_said_to_people_and_not_to_programs(served: Served, coordinator: Browser) -> None:
    """In the words and the language of a person, with what to do; no address of the interface for programs."""
    spanish = _browser(served, Role.COORDINATOR, locale="es")
    for browser, nothing, refused in (
        (coordinator, "begin at the first page", "look at what was entered"),
        (spanish, "empiece en la primera página", "revise lo que escribió"),
    ):
        school = _school(browser)
        answers = [browser.get("/students/" + "0" * 32), browser.get(f"/meetings/{'0' * 32}/x")]
        answers.append(browser.send(school, f"{school}/views", name="n" * 61, filters="tier=3"))
        assert [answer.status for answer in answers] == [404, 422, 422]
        for answer, said in zip(answers, (nothing, refused, refused), strict=True):
            assert said in answer.text
            assert "openapi" not in answer.text


GROUP = re.compile(r'<tr><th scope="row">([^\n]*?)</th>(.*?)</tr>', re.DOTALL)


def _groups(page: str) -> dict[str, str]:
    """The lines of the groups: what each is called, and its first number."""
    _, _, groups = page.partition('id="by-group"')
    rows = GROUP.findall(groups)
    return {name: re.sub(r"<[^>]*>", "", cells.partition("</td>")[0]) for name, cells in reversed(rows)}


def test_groups_are_told_as_sums_to_those_who_see_the_network(served: Served) -> None:
    state = _browser(served, Role.STATE)
    refs = sorted(set(NETWORK.findall(state.get("/network").text)))
    pages = [state.get(ref).text for ref in refs]
    manager = _browser(served, Role.DISTRICT_MANAGER).get("/network").text
    assert _groups(manager) in [_groups(page) for page in pages]
    # Twelve of the two schools have a low income; the ten who have not could tell the two of whom it is not known.
    known = {"All students": "24", f"<bdi>{escape(HOSTILE_GROUP)}</bdi>": "24", "Yes": "12"}
    assert _groups(manager) == known
    assert HOSTILE_GROUP not in manager
    _, _, groups = manager.partition('id="by-group"')
    assert re.findall(r'<th scope="col" class="number">([^<]*)</th>', groups)[:3] == [
        "Students",
        "Flagged",
        "Flagged of 100",
    ]
    spanish = _browser(served, Role.AFFILIATE_MANAGER, locale="es").get("/network").text
    assert set(_groups(spanish)) == {"Todos los estudiantes", f"<bdi>{escape(HOSTILE_GROUP)}</bdi>", "Sí"}
    assert "Sin registrar" not in spanish


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.SCHOOL_STAFF, Role.DATA_STEWARD, Role.ADMINISTRATOR])
def test_nobody_else_is_told_of_groups(served: Served, role: Role) -> None:
    browser = _browser(served, role)
    answer = browser.get("/network")
    assert answer.status == 403
    assert HOSTILE_GROUP not in unescape(answer.text)


def test_no_page_of_a_student_or_a_school_knows_a_group(served: Served) -> None:
    """Of a manager, who is told of the groups of the district."""
    manager = _browser(served, Role.DISTRICT_MANAGER)
    addresses = ["/today", "/worklist", _school(manager), _student(manager, "")]
    for answer in (manager.get(address) for address in [*addresses, f"{addresses[2]}/roster.csv"]):
        assert answer.status == 200
        assert HOSTILE_GROUP not in unescape(answer.text)


def test_the_districts_are_told_with_what_was_done_about_whom_is_flagged(served: Served) -> None:
    table = _browser(served, Role.STATE).get("/network").text
    for column in ("Flagged", "In support", "In touch, or set aside", "Nobody yet"):
        assert f'<th scope="col" class="number">{column}</th>' in table


@pytest.mark.parametrize("page", ["abc", "", "-1", "0", "1e3", "9" * 40, "\u00b2", "\u0663"])
def test_a_number_of_a_page_that_is_none_is_the_first_or_the_last(coordinator: Browser, page: str) -> None:
    answer = coordinator.get(f"{_school(coordinator)}?{urlencode({'page': page})}")
    assert answer.status == 200
    assert STUDENT.search(answer.text) is not None


@pytest.mark.parametrize("name", ["\u200b", "\u202e\u2066", "\u3164", "\u00ad \ufeff", "\u2800"])
def test_a_view_needs_a_name_that_can_be_seen(coordinator: Browser, name: str) -> None:
    school = _school(coordinator)
    answer = coordinator.send(f"{school}?tier=3", f"{school}/views", name=name, filters="tier=3")
    assert answer.status == 422
    assert "no name that could be seen" in answer.text
    assert "Forget this view" not in coordinator.get(school).text
    kept = coordinator.send(f"{school}?tier=3", f"{school}/views", name=f"{name}\u0634", filters="tier=3")
    assert kept.status == 303


@pytest.mark.parametrize(
    ("method", "address", "kind", "told"),
    [
        ("POST", "/today", None, "Esta direcci\u00f3n no es para"),
        ("POST", "/account/language", "text/plain", "no se puede leer como formulario"),
        ("POST", "/account/language", "long", "Se envi\u00f3 m\u00e1s"),
    ],
)
def test_what_is_refused_before_a_page_is_made_is_said_in_spanish_too(
    served: Served, method: str, address: str, kind: str | None, told: str
) -> None:
    browser = _browser(served, Role.COORDINATOR, locale="es")
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    body = b"x" * (70_000 if kind == "long" else 3)
    headers = {"Accept": "text/html", "Accept-Language": "es", "Cookie": cookie}
    headers["Content-Type"] = "text/plain" if kind == "text/plain" else "application/x-www-form-urlencoded"
    answer = served.service.request(method, address, body=body, headers=headers)
    assert told in answer.text
