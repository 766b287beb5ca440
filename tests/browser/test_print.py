"""A student on one page of paper, and a meeting on one: counted in the PDF that Chromium makes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cis_ews.enums import Role
from tests.lib.browser import Browser as Forms
from tests.lib.console_pages import decide, forms_of
from tests.lib.hostile import Hostile, hostile
from tests.lib.made_up import SCHOOL, World
from tests.lib.pages import entered

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAPERS = ("Letter", "A4")
LONG = " ".join(["Rides two buses, and the first one is late on Mondays."] * 70)[:4000]


def _pages(page: Page, paper: str) -> int:
    """How many pages of paper a page takes."""
    counts = re.findall(rb"/Type /Pages\s*/Count (\d+)", page.pdf(format=paper))
    assert len(counts) == 1
    return int(counts[0])


def test_pages_of_paper_are_counted(chrome: Browser) -> None:
    page = chrome.new_page()
    for number in (1, 3):
        page.set_content("<p style='break-after: page'>x</p>" * (number - 1) + "<p>x</p>")
        assert _pages(page, "Letter") == number
    page.context.close()


@pytest.mark.parametrize("paper", PAPERS)
def test_a_student_is_one_page(chrome: Browser, world: World, paper: str) -> None:
    """The first of the list and the last, with what a year has written about them: reasons, charts, a history."""
    page = entered(chrome, world.served, world.email(Role.COORDINATOR))
    for ref in (world.refs[0], world.refs[-1]):
        page.goto(f"/students/{ref}")
        assert _pages(page, paper) == 1
    page.context.close()


@pytest.mark.parametrize("paper", PAPERS)
def test_a_student_of_whom_everything_is_long_is_one_page(chrome: Browser, hostile_world: Hostile, paper: str) -> None:
    """A name of 1,000 letters without a space, ten contacts and a plan of four goals with 4,000 letters each."""
    ana, ref = forms_of(hostile_world.served, hostile_world.email(Role.COORDINATOR)), hostile_world.refs[-1]
    if "printed-owner" not in ana.get(f"/students/{ref}").text:
        _fill(ana, ref)
    page = entered(chrome, hostile_world.served, hostile_world.email(Role.COORDINATOR))
    page.goto(f"/students/{ref}")
    assert _pages(page, paper) == 1
    page.emulate_media(media="print")
    # What matters is on it: the name's beginning, strengths, reasons, the plan, that something was cut.
    for heading in ("Strengths and what helped before", "Reasons", "Support plan", "What was done", "Attendance"):
        assert page.get_by_role("heading", name=heading).is_visible()
    assert page.locator(".on-paper").is_visible()
    assert page.locator("form:visible, .bar nav:visible").count() == 0
    page.context.close()


def _fill(ana: Forms, ref: str) -> None:
    for number in range(10):
        decide(ana, ref, "contact", contact="family", reason=f"{number} {LONG}"[:4000])
    decide(ana, ref, "accept", reason=LONG)
    goal = {"goal": LONG, "owner": "printed-owner " + hostile("owner", length=180), "area": "basic_needs"}
    decide(ana, ref, "open_plan", needs=LONG, assets=LONG, consent_on="2026-01-15", **goal)
    for _ in range(3):
        decide(ana, ref, "goal", to="goals", **goal)


@pytest.mark.parametrize("paper", PAPERS)
def test_a_meeting_about_a_dozen_students_is_one_page(chrome: Browser, world: World, paper: str) -> None:
    """The list of a school, each with a note, every fifth with one of 4,000 letters."""
    ana = forms_of(world.served, world.email(Role.COORDINATOR))
    begun = ana.send("/meetings", "/meetings", school=f"{world.district}/{SCHOOL}", about="flagged")
    meeting = begun.headers["location"].split("/")[2]
    told = world.refs[2:]  # two stay on the worklist, for the walk of a morning
    for place, ref in enumerate(told):
        note = LONG if place % 5 == 0 else "Talks with the counselor on Tuesday; grandmother drives on Fridays"
        decide(ana, ref, "contact", contact="meeting", reason=note, meeting=meeting, place=str(place + 1))
    page = entered(chrome, world.served, world.email(Role.COORDINATOR))
    page.goto(f"/meetings/{meeting}/recap")
    assert page.get_by_role("article").count() == len(told) >= 12
    assert _pages(page, paper) == 1
    # A meeting about one student after the other: each is one page as well.
    page.goto(f"/meetings/{meeting}/1")
    assert _pages(page, paper) == 1
    page.context.close()
