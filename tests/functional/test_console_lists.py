"""Long lists: each comes a page at a time and says how many there are, and no page is heavy."""

from __future__ import annotations

import gzip
import re
from collections.abc import Generator, Mapping
from html import unescape

import pytest

from cis_ews.enums import AuditAction, Role
from cis_ews.storage.access import Grant
from cis_ews.storage.database.meetings import MOST_STUDENTS
from tests.lib.browser import Browser
from tests.lib.console_pages import CASES, address_of, decide, forms_of
from tests.lib.crowd import FLAGGED, MEETINGS, PEOPLE, QUESTIONS, Crowd, serve_crowd
from tests.lib.districts import LAKEVIEW
from tests.lib.people import add_person, grants_for

MOST_BYTES = 60_000
"""Of a page on its way: what the console promises."""
HEAVY = {
    ("/today", Role.COORDINATOR),
    ("/worklist", Role.COORDINATOR),
    ("/admin/people", Role.ADMINISTRATOR),
    ("/admin/people/{person_id}", Role.ADMINISTRATOR),
    ("/admin/emergency", Role.ADMINISTRATOR),
}
"""What would be heavier than promised as it is."""
QUESTION = re.compile(r"Question (\d+) about")


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Generator[Crowd]:
    """A service of this module alone: answers and meetings change it."""
    with serve_crowd(tmp_path_factory.mktemp("crowd")) as crowd:
        yield crowd


@pytest.fixture(scope="module")
def browsers(crowd: Crowd) -> Mapping[Role, Browser]:
    """Somebody of each role."""
    for role, grant in grants_for(LAKEVIEW, "north").items():
        add_person(crowd.served.database, f"{role.value}@example.org", grant)
    return {role: forms_of(crowd.served, f"{role.value}@example.org") for role in Role}


def _address(crowd: Crowd, path: str) -> str:
    database = crowd.served.database
    meeting = re.search(r"/meetings/([0-9a-f]{32})/1", forms_of(crowd.served, "ana@example.org").get("/meetings").text)
    person = database.people.by_email("somebody-000@example.org")
    assert meeting is not None
    assert person is not None
    return address_of(
        path,
        ref=crowd.refs[0],
        school_ref=crowd.school_ref,
        meeting_id=meeting[1],
        person_id=person.person_id,
        district_ref=database.pages.districts(only={"district-0"})[0].ref,
    )


@pytest.mark.parametrize(("path", "role"), CASES, ids=str)
def test_no_page_is_heavier_than_promised(
    crowd: Crowd, browsers: Mapping[Role, Browser], path: str, role: Role
) -> None:
    answer, size = crowd.got(browsers[role], _address(crowd, path))
    assert answer.status == 200
    assert answer.text.rstrip().endswith("</html>")
    assert size <= MOST_BYTES
    if (path, role) in HEAVY:  # there is really much on the page
        assert len(answer.body) > MOST_BYTES


@pytest.mark.parametrize("path", ["/today", "/schools", "/meetings", "/network"])
def test_no_page_of_many_schools_is_heavier_either(crowd: Crowd, path: str) -> None:
    email = f"many-{path[1:]}@example.org"
    add_person(crowd.served.database, email, Grant(Role.DISTRICT_MANAGER, "district-0"))
    answer, size = crowd.got(forms_of(crowd.served, email), path)
    assert answer.status == 200
    assert len(answer.body) > MOST_BYTES / 5
    assert size <= MOST_BYTES


def test_a_page_that_another_site_asked_for_is_sent_as_it_is(crowd: Crowd, browsers: Mapping[Role, Browser]) -> None:
    """Its length would tell that site what it guessed right: BREACH."""
    for site in ("same-origin", "none"):
        answer, size = crowd.got(browsers[Role.COORDINATOR], "/today", site=site)
        assert answer.headers["content-encoding"] == "gzip"
        assert size < len(answer.body) / 3
        assert "Accept-Encoding" in answer.headers["vary"]
    for site in ("cross-site", "same-site", "", "x"):
        for path in ("/today", f"/schools/{crowd.school_ref}?tier=3", "/sign-in?next=%2Ftoday"):
            browser = Browser(crowd.served.service) if path.startswith("/sign-in") else browsers[Role.COORDINATOR]
            answer, _ = crowd.got(browser, path, site=site)
            assert (answer.status, answer.headers["content-encoding"]) == (200, None)
    unsaid = browsers[Role.COORDINATOR].get("/today", headers={"Accept-Encoding": "gzip"})
    assert unsaid.headers["content-encoding"] is None
    unread = browsers[Role.COORDINATOR].get("/today", headers={"Sec-Fetch-Site": "none"})
    assert unread.headers["content-encoding"] is None


def test_files_without_secrets_are_always_compressed(crowd: Crowd) -> None:
    service = crowd.served.service
    for path in ("/static/console.css", "/static/vendor/htmx-2.0.11.min.js"):
        plain = service.get(path)
        packed = service.get(path, headers={"Accept-Encoding": "gzip", "Sec-Fetch-Site": "cross-site"})
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert "max-age" in packed.headers["cache-control"]
        part = service.get(path, headers={"Accept-Encoding": "gzip", "Range": "bytes=0-99"})
        assert (part.status, part.headers["content-encoding"], part.body) == (206, None, plain.body[:100])


def test_questions_about_the_data_come_a_page_at_a_time(crowd: Crowd, browsers: Mapping[Role, Browser]) -> None:
    steward = browsers[Role.DATA_STEWARD]
    pages = [steward.get(f"/tickets?page={number}").text for number in (1, 2, 3)]
    found = [set(QUESTION.findall(page)) for page in pages]
    assert [len(each) for each in found] == [50, 50, QUESTIONS - 100]
    assert set.union(*found) == {str(number) for number in range(QUESTIONS)}
    assert f"1 to 50 of {QUESTIONS} are shown." in pages[0]
    assert f"101 to {QUESTIONS} of {QUESTIONS} are shown." in pages[2]
    assert 'href="?page=2"' in pages[0]
    for wrong in ("x", "0", "-1", "9" * 40):
        assert len(QUESTION.findall(steward.get(f"/tickets?page={wrong}").text)) == 50
    assert len(QUESTION.findall(steward.get("/tickets?page=99").text)) == QUESTIONS - 100


def test_a_question_of_the_last_page_is_answered_there(crowd: Crowd, browsers: Mapping[Role, Browser]) -> None:
    steward = browsers[Role.DATA_STEWARD]
    page = steward.get("/tickets?page=3").text
    ticket = re.findall(r'action="(/tickets/[0-9a-f]{32})"', page)[-1]
    refused = steward.send("/tickets?page=3", ticket, answer=" ", page="3")
    assert refused.status == 422
    assert 'role="alert"' in refused.text
    assert set(QUESTION.findall(refused.text)) == set(QUESTION.findall(page))
    answered = steward.send("/tickets?page=3", ticket, answer="Mended at the source", page="3")
    assert (answered.status, answered.headers["location"]) == (303, "/tickets?page=3")
    assert "Mended at the source" in steward.get("/tickets?page=3").text
    again = steward.send("/tickets", ticket, answer="Once more", page="https://evil.example")
    assert again.status == 409
    assert "Mended at the source" in again.text


def test_who_is_on_a_page_of_questions_is_in_the_audit(crowd: Crowd, browsers: Mapping[Role, Browser]) -> None:
    audit = crowd.served.database.audit
    browsers[Role.DATA_STEWARD].get("/tickets?page=2")
    newest = audit.search(district_id=LAKEVIEW, limit=1)[0]
    assert (newest.action, newest.why_allowed, newest.students) == (
        AuditAction.LIST_SEEN,
        "data steward of this district",
        50,
    )
    assert audit.verify().faults == ()


def test_meetings_come_a_page_at_a_time(crowd: Crowd, browsers: Mapping[Role, Browser]) -> None:
    first, second = (browsers[Role.COORDINATOR].get(f"/meetings?page={number}").text for number in (1, 2))
    meetings = [re.findall(r"/meetings/([0-9a-f]{32})/1", page) for page in (first, second)]
    assert [len(each) for each in meetings] == [20, MEETINGS - 20]
    assert not set(meetings[0]) & set(meetings[1])
    assert ("Older meetings" in first, "Newer meetings" in first) == (True, False)
    assert ("Older meetings" in second, "Newer meetings" in second) == (False, True)
    assert "Newer meetings" in browsers[Role.COORDINATOR].get("/meetings?page=99").text


def test_a_meeting_says_for_whom_it_had_no_place(crowd: Crowd, browsers: Mapping[Role, Browser]) -> None:
    ana = browsers[Role.COORDINATOR]
    begun = ana.send("/meetings", "/meetings", school=f"{LAKEVIEW}/north", about="flagged").headers["location"]
    said = f"{MOST_STUDENTS} of {FLAGGED} students are in this meeting"
    assert said in ana.get(begun).text
    assert said not in ana.get(begun.replace("/1", "/2")).text
    assert said in ana.get(begun.removesuffix("1") + "recap").text
    assert f'<td class="number">{MOST_STUDENTS} of {FLAGGED}</td>' in ana.get("/meetings").text
    last = ana.get(begun.removesuffix("1") + str(MOST_STUDENTS)).text
    assert crowd.refs[MOST_STUDENTS - 1] in last
    assert ana.get(begun.removesuffix("1") + str(MOST_STUDENTS + 1)).status == 404


def test_another_meeting_has_those_for_whom_there_was_no_place(crowd: Crowd, browsers: Mapping[Role, Browser]) -> None:
    """Once it is decided on some, a meeting about who waits has the others."""
    ana = browsers[Role.COORDINATOR]
    waits = [ref for ref in crowd.refs if ref not in crowd.refs[: FLAGGED - MOST_STUDENTS]]
    for ref in set(crowd.refs) - set(waits):
        decide(ana, ref, "already_known", reason="Knows the family")
    begun = ana.send("/meetings", "/meetings", school=f"{LAKEVIEW}/north", about="waiting").headers["location"]
    page = ana.get(begun).text
    assert f"1 of {MOST_STUDENTS}" in page
    assert "students are in this meeting" not in page
    assert waits[-1] in ana.get(begun.removesuffix("1") + str(MOST_STUDENTS)).text


def test_people_come_a_page_at_a_time_and_are_found(crowd: Crowd, browsers: Mapping[Role, Browser]) -> None:
    ada = browsers[Role.ADMINISTRATOR]
    total = len(crowd.served.database.people.list())
    assert total > PEOPLE
    emails: list[str] = []
    for number in range(1, total // 100 + 2):
        page = ada.get(f"/admin/people?page={number}").text
        found = re.findall(r"<td><bdi>([^<@]+@example\.org)</bdi></td>", page)
        assert f"{(number - 1) * 100 + 1} to {min(number * 100, total)} of {total} are shown." in page
        emails += found
    assert sorted(emails) == sorted(one.email for one in crowd.served.database.people.list())
    page = ada.get("/admin/people?find=Somebody-01").text
    assert re.findall(r"<td><bdi>([^<@]+)@", page) == [f"somebody-01{digit}" for digit in range(10)]
    assert 'href="?find=somebody&amp;page=2"' in ada.get("/admin/people?find=%20SOMEBODY").text
    assert "Nobody has such a name" in ada.get("/admin/people?find=nobody-at-all").text
    hostile = ada.get("/admin/people?find=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E").text
    assert "<script>alert" not in hostile
    assert '"><script>alert(1)</script>' in unescape(hostile)


def test_a_roster_says_which_part_of_it_is_shown(crowd: Crowd, browsers: Mapping[Role, Browser]) -> None:
    school = f"/schools/{crowd.school_ref}"
    page = browsers[Role.COORDINATOR].get(f"{school}?page=5").text
    assert "401 to 440 of 440 are shown." in page
    assert "are shown." not in browsers[Role.COORDINATOR].get(f"{school}?tier=9").text
