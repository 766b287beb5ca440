"""The days of people in a real Chromium: a coordinator's by keyboard alone, a manager's, an administrator's.

`make screenshots` takes the pictures of the docs on these walks.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cis_ews.enums import Role
from tests.lib.console_pages import decide, forms_of, undecided
from tests.lib.made_up import SCHOOL, World
from tests.lib.pages import WIDE, entered, place_of, tab_to
from tests.lib.people import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Picture = Callable[..., None]
TALL, PHONE, PAPER = ({"width": width, "height": height} for width, height in ((1280, 1500), (390, 844), (816, 600)))
STOPPED = "Flags have been stopped by an administrator"
NAVIGATION = {
    Role.COORDINATOR: ["Today", "Worklist", "Schools", "Meetings"],
    Role.DISTRICT_MANAGER: ["Today", "Worklist", "Schools", "Meetings", "Network", "Data health"],
    Role.STATE: ["Network"],
    Role.DATA_STEWARD: ["Questions about the data", "Data health"],
    Role.ADMINISTRATOR: ["Data health", "Administration"],
}


@pytest.fixture
def open_as(chrome: Browser, world: World) -> Generator[Callable[..., Page]]:
    """A page of a role. Whatever a script, the console or the policy of a page complains of fails the test."""
    complaints: list[str] = []
    pages: list[Page] = []

    def note(message: Any) -> None:
        # Chromium reports every answer of 4xx and 5xx; whether one was due is for the test to say.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    def sign_in(role: Role, **options: Any) -> Page:
        page = entered(chrome, world.served, world.email(role), **options)
        page.goto("/")
        page.on("pageerror", lambda error: complaints.append(error.message))
        page.on("console", note)
        pages.append(page)
        return page

    yield sign_in
    for page in pages:
        page.context.close()
    assert complaints == []


def _places(page: Page) -> list[str]:
    return page.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts()


def _enter(page: Page, wanted: Any, *, leads: bool = True) -> None:
    """Go to something by Tab and press Enter; `leads`: another page follows."""
    tab_to(page, wanted)
    if not leads:
        page.keyboard.press("Enter")
        return
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_a_coordinator_s_morning_by_keyboard_alone(chrome: Browser, world: World, picture: Picture) -> None:
    """From sign-in to the recap on paper with Tab, Enter and letters; at every step one sees where one is."""
    page = chrome.new_context(base_url=world.served.service.url, viewport=WIDE).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(error.message))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto("/")
    tab_to(page, page.get_by_label("E-mail"))
    page.keyboard.type(world.email(Role.COORDINATOR))
    tab_to(page, page.get_by_label("Password"))
    page.keyboard.type(PASSWORD)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert place_of(page).endswith("/today")
    assert _places(page) == NAVIGATION[Role.COORDINATOR]
    picture(page, "today")
    picture(page, "today_dark", scheme="dark")
    # The skip link is the first thing that Tab finds, and leads past the navigation.
    skip = page.get_by_role("link", name="Skip to the content")
    _enter(page, skip, leads=False)
    assert page.evaluate("document.activeElement.id") == "main"
    # A student who changed, and the records behind the first reason.
    _enter(page, page.locator("#main .flags").get_by_role("link").first)
    assert "/students/" in page.url
    page.get_by_role("heading", name="Reasons").wait_for()
    reason = page.get_by_role("link", name="See the records").first
    section = page.locator(str(reason.get_attribute("href")))
    _enter(page, reason, leads=False)
    section.wait_for()
    assert section.locator("tr, li").count() > 0
    picture(page, "student", size=TALL)
    picture(page, "student_narrow", size=PHONE)
    # The worklist, and a decision.
    _enter(page, page.get_by_role("link", name="Worklist"))
    _enter(page, page.locator("#main ol").get_by_role("link").first)
    _enter(page, page.locator("summary", has_text="No action needed"), leads=False)
    tab_to(page, page.locator("#do-no_action-reason"))
    page.keyboard.type("On a long trip with the family")
    _enter(page, page.get_by_role("button", name="No action needed"), leads=False)
    page.get_by_text("said that no action is needed").wait_for()
    _hold_a_meeting(page, world, picture)
    page.context.close()
    assert complaints == []


def _hold_a_meeting(page: Page, world: World, picture: Picture) -> None:
    """A note about the first student, and the recap on paper."""
    _enter(page, page.get_by_role("link", name="Meetings"))
    _enter(page, page.get_by_role("button", name="Begin a meeting"))
    assert page.url.endswith("/1")
    tab_to(page, page.locator("#meeting-note"))
    page.keyboard.type("Rides two buses; the first one is late on Mondays")
    _enter(page, page.get_by_role("button", name="Keep the note"))
    page.locator(".written", has_text="Rides two buses").first.wait_for()
    _enter(page, page.get_by_role("link", name="Next"))
    assert page.url.endswith("/2")
    _enter(page, page.get_by_role("link", name="Recap", exact=True))
    article = page.get_by_role("article").first.inner_text()
    assert "Rides two buses" in article
    assert "Ana Ruiz" in article
    _rest_of_the_meeting(world, page.url.split("/")[-2])
    page.reload()
    assert page.get_by_role("article").count() == 1 + len(SAID)
    assert page.pdf(format="Letter").startswith(b"%PDF-")
    picture(page, "recap", size=PAPER, media="print")


SAID = (
    ("Talked with grandmother, who drives on Fridays", "accept", "Wants to stay in the robotics club"),
    ("The counselor meets the student on Tuesdays", "already_known", "In the counselor's group since January"),
    ("Was on a trip with the family, back on Monday", "no_action", "The absences are excused and over"),
    ("Says that mornings are hard since the move", "accept", "Asked for help with the bus"),
    ("Feels lost in algebra since the second term", "accept", "Would come to tutoring after school"),
)


def _rest_of_the_meeting(world: World, meeting: str) -> None:
    """What is said of the students who come next: a note each, a decision, and for the first a plan with a goal."""
    ana = forms_of(world.served, world.email(Role.COORDINATOR))
    refs = undecided(ana, world.refs[1:])
    for ref, (note, action, reason) in zip(refs, SAID, strict=False):
        here = {"meeting": meeting, "place": "2"}
        decide(ana, ref, "contact", contact="meeting", reason=note, **here)
        decide(ana, ref, action, reason=reason, **here)
    plan = {"needs": "A way to school", "assets": "Builds robots", "area": "basic_needs", "owner": "Ms. Lee"}
    goal = {"goal": "In school on 9 of 10 days", "consent_on": "2026-01-15"}
    decide(ana, refs[0], "open_plan", **plan, **goal, meeting=meeting, place="2")


def test_a_manager_s_day(open_as: Callable[..., Page], world: World, picture: Picture, tmp_path: Path) -> None:
    """Schools side by side, a school with its filters and its file, a student with the number on request alone."""
    page = open_as(Role.DISTRICT_MANAGER)
    assert _places(page) == NAVIGATION[Role.DISTRICT_MANAGER]
    assert "Trillium Canyon" in page.get_by_role("main").inner_text()
    page.get_by_role("link", name="Network").click()
    page.wait_for_url("**/network")
    rows = page.get_by_role("main").get_by_role("table").first.get_by_role("row").all_inner_texts()
    assert [row for row in rows if "Sage Bridge High School" in row]
    assert "Room for" in rows[0]
    picture(page, "network")
    page.goto(f"/schools/{world.school_refs[SCHOOL]}")
    page.get_by_role("heading", name="Sage Bridge High School").wait_for()
    picture(page, "school")
    page.get_by_role("main").get_by_role("link", name="Intensive support").first.click()
    page.wait_for_url("**?tier=3")
    found = re.search(r"Found: (\d+)", page.get_by_role("status").last.inner_text())
    assert found is not None
    with page.expect_download() as download:
        page.get_by_role("link", name="As a CSV file").click()
    assert download.value.suggested_filename == "roster.csv"
    download.value.save_as(tmp_path / "roster.csv")
    with (tmp_path / "roster.csv").open(encoding="utf-8", newline="") as file:
        taken = list(csv.DictReader(file))
    assert len(taken) == int(found[1]) > 0
    assert {row["tier"] for row in taken} == {"3"}
    page.locator(".roster tbody").get_by_role("link").first.click()
    page.get_by_role("heading", name="Reasons").wait_for()
    assert "Estimated risk" not in page.get_by_role("main").inner_text()
    page.get_by_role("link", name="Show the risk number").click()
    page.get_by_text(re.compile(r"Estimated risk: \d+ of 100")).wait_for()
    page.get_by_role("link", name="Hide the number").click()
    page.get_by_role("link", name="Show the risk number").wait_for()
    # What a manager may not do is said on the button; what is for others is not there.
    accept = page.get_by_role("button", name="Accept")
    assert accept.is_disabled()
    assert page.locator("summary", has_text="Accept").count() == 0
    why = page.locator(f"#{accept.get_attribute('aria-describedby')}").inner_text()
    assert why.startswith("Only a coordinator")
    for address in ("/admin", "/admin/people", "/tickets"):
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 403


def test_an_administrator_s_day(open_as: Callable[..., Page], world: World) -> None:
    """People, roles, a caseload, keys, the audit, the state of the data, the model; and no page of a student."""
    page = open_as(Role.ADMINISTRATOR)
    assert _places(page) == NAVIGATION[Role.ADMINISTRATOR]
    page.get_by_role("link", name="Administration").click()
    parts = page.get_by_role("navigation", name="Administration")
    parts.get_by_role("link", name="People").click()
    form = page.locator("form[method='post'][action='/admin/people']")
    form.get_by_label("Name").fill("Nora New")
    form.get_by_label("E-mail address").fill("nora@example.org")
    form.get_by_label("Role").select_option(label="site coordinator")
    form.locator("select[name=place]").select_option(label="Sage Summit Middle School")
    form.get_by_role("button", name="Add").click()
    page.get_by_role("heading", name="Nora New").wait_for()
    first = page.get_by_role("status").locator("code").inner_text()
    assert len(first) >= 12
    page.get_by_label("One more role").select_option(label="school staff")
    page.locator("select[name=place]").select_option(label="Sage Bridge High School")
    page.get_by_role("button", name="Give").click()
    page.get_by_role("button", name="Take away the role school staff").wait_for()
    page.get_by_label("Ref of the student").fill(world.refs[0])
    page.get_by_role("button", name="Add to the caseload").click()
    page.get_by_role("button", name="Take out").wait_for()
    page.get_by_role("button", name="Make a new password").click()
    second = page.get_by_role("status").locator("code").inner_text()
    assert second != first
    # A key is shown once, opens the addresses for programs, and ends.
    parts.get_by_role("link", name="Keys").click()
    page.get_by_label("What it is for").fill("attendance vendor")
    page.get_by_role("button", name="Make a key").click()
    key = page.get_by_role("status").locator("code").inner_text()
    assert world.served.service.get("/v1/runs", key=key).status == 200
    row = page.get_by_role("row", name="attendance vendor")
    row.get_by_role("button", name="End the key").click()
    page.get_by_role("row", name="attendance vendor").get_by_role("button").wait_for(state="detached")
    assert world.served.service.get("/v1/runs", key=key).status == 401
    assert key not in page.content()
    # The audit tells who did it.
    parts.get_by_role("link", name="Audit").click()
    page.get_by_label("Who (e-mail address)").fill(world.email(Role.ADMINISTRATOR))
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**person=**")
    told = page.get_by_role("table").inner_text()
    for action in ("person added", "role given", "student added to a caseload", "key made", "key ended"):
        assert action in told
    parts.get_by_role("link", name="Data health").click()
    page.get_by_role("heading", name="Data health", level=1).wait_for()
    assert "Trillium Canyon Elementary School" in page.get_by_role("table").last.inner_text()
    page.goto("/admin/model")
    assert "model.json" in page.get_by_role("main").inner_text()
    for address in (f"/students/{world.refs[0]}", f"/schools/{world.school_refs[SCHOOL]}", "/today", "/worklist"):
        answer = page.goto(address)
        assert answer is not None
        assert answer.status in (403, 404)
        assert page.locator("h1").inner_text() == "This did not work"


def test_the_off_switch_is_said_on_every_page_of_everybody(open_as: Callable[..., Page], world: World) -> None:
    administrator, others = open_as(Role.ADMINISTRATOR), [open_as(role) for role in NAVIGATION]
    ref, key = world.refs[0], world.served.keys[world.district]
    others[0].goto(f"/students/{ref}")
    with _stopped(administrator):
        for page in others:
            for address in _addresses(page):
                page.goto(address)
                assert STOPPED in page.get_by_role("main").inner_text(), address
        for address in (f"/students/{ref}", f"/schools/{world.school_refs[SCHOOL]}"):
            answer = others[0].goto(address)
            assert answer is not None
            assert answer.status == 503
            assert others[0].locator(".flags, .roster, .offer").count() == 0
        assert world.served.service.get("/v1/scores", key=key).status == 503
    answer = others[0].goto(f"/students/{ref}")
    assert answer is not None
    assert answer.status == 200
    assert STOPPED not in others[0].get_by_role("main").inner_text()
    assert world.served.service.get("/v1/scores", key=key).status == 200


def _addresses(page: Page) -> list[str]:
    """Everything that the navigation of whoever is signed in leads to, and the account."""
    links = page.get_by_role("navigation", name="Pages").get_by_role("link").all()
    return ["/account", *(str(link.get_attribute("href")) for link in links)]


@contextmanager
def _stopped(page: Page) -> Generator[None]:
    """Flags are stopped in the block, and shown again after it whatever happens in it."""
    page.goto("/admin/switch")
    page.get_by_label("Reason").fill("Absences of the whole district were entered twice")
    page.get_by_role("button", name="Stop flags").click()
    page.get_by_role("button", name="Show flags again").wait_for()
    assert "entered twice" in page.get_by_role("main").inner_text()
    try:
        yield
    finally:
        page.goto("/admin/switch")
        page.get_by_role("button", name="Show flags again").click()
        page.get_by_role("button", name="Stop flags").wait_for()
