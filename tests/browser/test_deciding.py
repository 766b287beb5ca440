"""Deciding on a student's own page in a real Chromium: how many clicks it takes, two at once, by keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cis_ews.enums import Role
from cis_ews.storage.access import Grant
from tests.lib.districts import LAKEVIEW
from tests.lib.pages import NARROW, WIDE, faults, signed_in
from tests.lib.people import PASSWORD, add_person
from tests.lib.service import Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EMAIL, OTHER = "ana@example.org", "ben@example.org"
COUNT_CLICKS = "addEventListener('click', (event) => { if (event.isTrusted && event.detail) clicked(); }, true)"


@pytest.fixture(scope="module", autouse=True)
def people(served: Served) -> None:
    """Two coordinators of the school `north`."""
    for email in (EMAIL, OTHER):
        add_person(served.database, email, Grant(Role.COORDINATOR, LAKEVIEW, "north"))


def _address(served: Served, student: str) -> str:
    return "/students/" + next(row["ref"] for row in served.scores(LAKEVIEW) if row["student_id"] == student)


def _decide(page: Page, button: str, reason: str) -> None:
    page.locator("summary", has_text=button).click()
    page.get_by_label("Why", exact=True).and_(page.locator(":visible")).fill(reason)
    page.get_by_role("button", name=button).click()


def test_somebody_new_finds_reasons_in_three_clicks_and_decides_in_five(chrome: Browser, served: Served) -> None:
    """Every click from the sign-in form on is counted, and nothing is known but what the pages say."""
    context = chrome.new_context(base_url=served.service.url, viewport=WIDE)
    clicks: list[int] = []
    context.expose_function("clicked", lambda: clicks.append(1))
    context.add_init_script(COUNT_CLICKS)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/today")
    page.get_by_role("main").get_by_role("link", name="Last-north-004").first.click()
    page.wait_for_url("**/students/*")
    reasons = page.get_by_role("list").filter(has_text="See the records")
    assert reasons.get_by_role("listitem").count() > 0
    assert len(clicks) <= 3
    _decide(page, "No action needed", "On a long trip with the family")
    page.get_by_text("said that no action is needed").wait_for()
    assert len(clicks) <= 5
    # In place: the page is still the one that was opened, and what was said has the focus.
    assert page.evaluate("performance.getEntriesByType('navigation')[0].name").endswith(
        page.url.partition("#")[0][-32:]
    )
    page.locator("[data-told]:focus", has_text="No action needed").wait_for()
    context.close()


def test_the_second_is_told_in_place_what_the_first_did(chrome: Browser, served: Served) -> None:
    address = _address(served, "north-008")
    first, second = (signed_in(chrome, served, email) for email in (EMAIL, OTHER))
    for page in (first, second):
        page.goto(address)
    _decide(first, "Already known", "Meets the counselor every week")
    first.get_by_text("Already known and supported").wait_for()
    _decide(second, "No action needed", "My own words")
    alert = second.get_by_role("alert")
    alert.wait_for()
    assert "Person of ana said that the student is known" in alert.inner_text()
    assert "Meets the counselor every week" in alert.inner_text()
    assert "My own words" in alert.inner_text()
    second.locator("#problem:focus").wait_for()
    for page in (first, second):
        page.context.close()


def test_lines_of_today_are_cleared_where_they_stand_by_keyboard_alone(chrome: Browser, served: Served) -> None:
    page = signed_in(chrome, served, EMAIL)
    lines = page.get_by_role("list", name="Flagged, and nobody has been in touch").get_by_role("listitem")
    line = lines.filter(has=page.locator(f"a[href='{_address(served, 'north-000')}']"))
    line.locator("summary", has_text="Record a contact").press("Enter")
    line.get_by_label("With whom").press("T")  # Talked with the student
    line.get_by_label("Note").fill("Will come on Tuesday")
    line.get_by_label("Note").press("Tab")
    page.keyboard.press("Enter")
    page.locator("[data-told]:focus", has_text="Somebody has been in touch").wait_for()
    assert page.url.endswith("/today")
    page.reload()
    page.get_by_role("heading", name="Today").wait_for()
    assert line.count() == 0
    page.context.close()


def test_whoever_was_signed_out_meanwhile_gets_the_text_back_and_comes_to_the_sign_in_form(
    chrome: Browser, served: Served
) -> None:
    page = signed_in(chrome, served, EMAIL)
    page.goto(_address(served, "north-000"))
    page.context.clear_cookies()
    _decide(page, "No action needed", "Too late")
    page.get_by_text("Your session has ended").wait_for()
    assert page.get_by_label("What you wrote").input_value() == "Too late"
    assert faults(page) == []
    page.get_by_role("link", name="Sign in").click()
    page.wait_for_url("**/sign-in*")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_axe_finds_nothing_where_one_decides(
    chrome: Browser, served: Served, scheme: str, size: dict[str, int]
) -> None:
    page = signed_in(chrome, served, EMAIL, color_scheme=scheme, viewport=size)
    for address in (_address(served, "north-000"), _address(served, "north-001"), "/today"):
        page.goto(address)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.context.close()
