"""The way from a reason to the records behind it, where their table is folded: with scripts and without."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from tests.lib.console_pages import COORDINATOR
from tests.lib.made_up import World
from tests.lib.pages import entered

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

LINK = "ol > li a[href='#coursework-records']"
FOLDED = "#coursework details"


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
def student(chrome: Browser, world: World, request: pytest.FixtureRequest) -> Generator[Page]:
    """A page on which a reason leads to marks that are folded."""
    page = entered(chrome, world.served, world.email(COORDINATOR), java_script_enabled=request.param)
    _go_to_folded(page, world)
    yield page
    page.context.close()


def _go_to_folded(page: Page, world: World) -> None:
    for ref in world.refs:
        page.goto(f"/students/{ref}")
        if page.locator(LINK).count() and _is_folded(page.locator(FOLDED)):
            return
    raise AssertionError("no student has a reason about courses, and marks that are folded")


def _is_folded(details: Locator) -> bool:
    return details.count() == 1 and details.get_attribute("open") is None


def test_the_records_of_a_reason_are_seen_after_a_click(student: Page) -> None:
    marks = student.locator("#coursework-records")
    assert not marks.is_visible()
    student.locator(LINK).first.click()
    marks.wait_for(state="visible")
    assert student.locator("#coursework summary").is_visible()
    box, size = marks.bounding_box(), student.viewport_size
    assert box is not None
    assert size is not None
    assert 0 <= box["y"] < size["height"]


def test_the_script_opens_what_a_browser_would_leave_folded(chrome: Browser, world: World) -> None:
    """The browser is kept from following the link: what opens is opened by the script."""
    page = entered(chrome, world.served, world.email(COORDINATOR))
    _go_to_folded(page, world)
    page.evaluate("addEventListener('click', (event) => event.preventDefault())")
    page.locator(LINK).first.click()
    page.locator("#coursework-records").wait_for(state="visible")
    page.context.close()
