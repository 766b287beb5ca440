"""Walking the console in a browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from axe_playwright_python.base import AXE_SCRIPT

from serving.console.cookies import PLAIN
from tests.lib.people import PASSWORD
from tests.lib.service import Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 320, "height": 640}
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]},
    "resultTypes": ["violations"],
    "preload": False,
}


def signed_in(chrome: Browser, served: Served, email: str, **options: Any) -> Page:
    """A page of somebody who has just signed in. `options`: of the browser's context."""
    page = chrome.new_context(base_url=served.service.url, **{"viewport": WIDE, **options}).new_page()
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


def entered(chrome: Browser, served: Served, email: str, **options: Any) -> Page:
    """A page of somebody who signed in before: the same without the form, for tests of what comes after it."""
    person_id = next(one.person_id for one in served.database.people.list() if one.email == email)
    token = served.database.sessions.start(person_id, how="password")
    context = chrome.new_context(base_url=served.service.url, **{"viewport": WIDE, **options})
    context.add_cookies([{"name": PLAIN, "value": token, "url": served.service.url, "httpOnly": True}])
    return context.new_page()


def tab_to(page: Page, wanted: Locator, *, most: int = 250) -> None:
    """Press Tab until something has the focus; whatever is passed shows that it has it."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):  # past the last one; the next Tab begins anew
            continue
        assert page.evaluate(_SHOWS_FOCUS), f"no focus to be seen on {page.evaluate(_FOCUSED)} of {place_of(page)}"
        if wanted.evaluate("(one) => one === document.activeElement"):
            return
    raise AssertionError(f"{most} times Tab do not lead to it on {place_of(page)}")


def place_of(page: Page) -> str:
    """Where a page is, without whom it is about."""
    return re.sub(r"[0-9a-f]{32}", "...", page.url.partition("?")[0])


_FOCUSED = "document.activeElement.tagName"
_SHOWS_FOCUS = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const isInside = box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight;
  return isInside && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
}"""


def faults(page: Page) -> list[str]:
    """What axe-core finds on the page: rule and place, never a text of the page."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate("(rules) => axe.run(rules)", RULES)["violations"]
    return [f"{one['id']}: {node['target']} on {place_of(page)}" for one in found for node in one["nodes"]]


def all_open(page: Page) -> None:
    """Open everything that can be opened: what is closed is not looked at."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")


def too_wide(page: Page) -> list[str]:
    """What reaches beyond the right edge of the page, unless the page as a whole fits: tags with their classes."""
    return page.evaluate(_TOO_WIDE)


_TOO_WIDE = """() => {
  const edge = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= edge) return [];
  const beyond = [...document.body.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > edge + 1);
  const name = (one) => one.tagName + (one.getAttribute("class") ? "." + one.getAttribute("class") : "");
  return [`${location.pathname.replace(/[0-9a-f]{32}/g, "...")} is too wide`, ...new Set(beyond.map(name))];
}"""
