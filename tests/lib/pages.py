"""Walking the console in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axe_playwright_python.sync_playwright import Axe

from tests.lib.people import PASSWORD
from tests.lib.service import Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 320, "height": 640}
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}


def signed_in(chrome: Browser, served: Served, email: str, **options: Any) -> Page:
    """A page of somebody who has just signed in. `options`: of the browser's context."""
    page = chrome.new_context(base_url=served.service.url, **{"viewport": WIDE, **options}).new_page()
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


def faults(page: Page) -> list[str]:
    """What axe-core finds on the page: rule and place, never a text of the page."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{one['id']}: {node['target']}" for one in found for node in one["nodes"]]
