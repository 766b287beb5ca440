"""A coordinator's morning in a real Chromium, from sign-in to the recap on paper; by keyboard, and without scripts."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from cis_ews.enums import Role
from cis_ews.storage.access import Grant
from tests.lib.console_pages import local_day
from tests.lib.districts import LAKEVIEW
from tests.lib.pages import signed_in
from tests.lib.people import add_person
from tests.lib.service import Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EMAIL = "ana@example.org"


@pytest.fixture(scope="module", autouse=True)
def people(served: Served) -> None:
    """A coordinator of the school `north`."""
    add_person(served.database, EMAIL, Grant(Role.COORDINATOR, LAKEVIEW, "north"))


@pytest.fixture
def page(chrome: Browser, served: Served) -> Generator[Page]:
    """The coordinator's page; whatever a script or the console of the browser complains of fails the test."""
    page = signed_in(chrome, served, EMAIL)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(error.message))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield page
    page.context.close()
    assert complaints == []


def test_a_meeting_from_the_first_student_to_the_recap(page: Page, tmp_path: Path) -> None:
    page.goto("/meetings")
    page.get_by_label("Students").select_option("flagged")
    page.get_by_role("button", name="Begin a meeting").click()
    page.wait_for_url("**/1")
    assert "1 of 3" in page.get_by_role("navigation", name="Students of this meeting").inner_text()
    # To the next student and back with the arrow keys; in a text they move the cursor.
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/2")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/1")
    page.locator("#meeting-note").fill("Rides the bus")
    page.locator("#meeting-note").press("ArrowRight")
    assert page.url.endswith("/1")
    page.get_by_role("button", name="Keep the note").click()
    page.get_by_text("Rides the bus").first.wait_for()
    # By keyboard alone: a decision is a summary, opened by Enter, and a button.
    accept = page.locator("details", has=page.locator("input[name=action][value=accept]"))
    accept.locator("summary").focus()
    page.keyboard.press("Enter")
    accept.get_by_role("button", name="Accept").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Accepted: needs assessment").wait_for()
    plan = page.locator("details", has=page.locator("input[name=action][value=open_plan]"))
    plan.locator("summary").click()
    plan.get_by_label("Parent or guardian consented on").fill(local_day().isoformat())
    plan.get_by_label("What the needs assessment found").fill("A way to school")
    plan.get_by_label("Kind of support").select_option("basic_needs")
    plan.get_by_label("What is to be reached").fill("In school on 9 of 10 days")
    plan.get_by_label("Who sees to it").fill("Ms. Lee")
    plan.get_by_role("button", name="Start a support plan").click()
    page.get_by_role("heading", name="Support plan").wait_for()
    assert page.url.endswith("/1")
    page.get_by_role("link", name="Recap", exact=True).click()
    page.wait_for_url("**/recap")
    article = page.get_by_role("article").inner_text()
    for text in ("Rides the bus", "In school on 9 of 10 days", "Ms. Lee", "accepted the flag"):
        assert text in article
    page.emulate_media(media="print")
    assert not page.locator(".account").is_visible()
    assert page.get_by_text("Rides the bus").is_visible()
    page.pdf(path=tmp_path / "recap.pdf", format="Letter")


def test_the_next_student_of_a_meeting_is_one_request_away(page: Page) -> None:
    """No detour and nothing fetched afterwards; the seconds that it takes are `benchmarks.console`'s to tell."""
    page.goto("/meetings")
    page.get_by_role("button", name="Begin a meeting").click()
    page.wait_for_url("**/1")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    for turn in range(12):
        forth = turn % 2 == 0
        page.keyboard.press("ArrowRight" if forth else "ArrowLeft")
        page.wait_for_url("**/2" if forth else "**/1")
    assert len([path for path in asked if not path.startswith("/static/")]) == 12


def test_without_javascript(chrome: Browser, served: Served) -> None:
    page = signed_in(chrome, served, EMAIL, java_script_enabled=False)
    page.goto("/meetings")
    page.get_by_role("button", name="Begin a meeting").click()
    page.wait_for_url("**/1")
    page.get_by_role("link", name="Next").click()
    page.wait_for_url("**/2")
    page.locator("summary", has_text="Record a contact").click()
    page.locator("#do-contact-contact").select_option("student")
    page.locator("#do-contact-reason").fill("Talked at lunch")
    page.get_by_role("button", name="Record a contact").click()
    page.get_by_text("Talked at lunch").first.wait_for()
    page.context.close()
