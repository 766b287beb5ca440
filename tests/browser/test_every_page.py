"""Every page of the console as a role that sees it: axe-core in light, dark and at 320 px, languages."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from cis_ews.enums import Role
from tests.lib.console_pages import CASES, NO_PAGE, READING, SEEN_BY
from tests.lib.done import Done, something_done
from tests.lib.made_up import World
from tests.lib.pages import NARROW, WIDE, all_open, entered, faults, too_wide

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

COORDINATOR, STATE = Role.COORDINATOR, Role.STATE


@dataclass(frozen=True)
class Seen:
    """What the pages have to show. `pages`: one of each role."""

    done: Done
    pages: Mapping[Role, Page]

    @property
    def world(self) -> World:
        """The district."""
        return self.done.world

    def address(self, path: str) -> str:
        """A page of a route."""
        return self.done.address(path)


@pytest.fixture(scope="module")
def seen(chrome: Browser, world: World) -> Generator[Seen]:
    """A district in which something was done, and somebody of each role who has signed in."""
    done = something_done(world)
    roles = sorted({role for _, role in CASES})
    pages = {role: entered(chrome, world.served, world.email(role)) for role in roles}
    yield Seen(done, pages)
    for page in pages.values():
        page.context.close()


def test_every_page_is_here() -> None:
    assert {*SEEN_BY, *NO_PAGE, "/sign-in"} == READING


@pytest.mark.parametrize(("path", "role"), CASES, ids=str)
def test_axe_finds_nothing_on_a_page(seen: Seen, path: str, role: Role) -> None:
    _check(seen.pages[role], seen.address(path))


def test_axe_finds_nothing_before_the_sign_in_and_where_something_is_wrong(chrome: Browser, seen: Seen) -> None:
    page = chrome.new_context(base_url=seen.world.served.service.url, viewport=WIDE).new_page()
    for address in ("/sign-in", "/sign-in/with/nobody"):
        _check(page, address)
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill("nobody@example.org")
    page.get_by_label("Password").fill("a wrong password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    _check(page)
    page.context.close()
    _check(seen.pages[STATE], "/today")
    assert seen.pages[STATE].locator("h1").inner_text() == "This did not work"


def _check(page: Page, address: str | None = None) -> None:
    """Wide and light, then dark at 320 px: nothing that axe-core finds, and nothing beside the page."""
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")
    if address is not None:
        page.goto(address)
    all_open(page)
    assert page.locator("html").get_attribute("lang") == "en"
    found = faults(page)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(NARROW)
    found += faults(page)
    assert found == []
    assert too_wide(page) == []


def test_the_language_of_every_page_is_that_of_whoever_looks(chrome: Browser, seen: Seen) -> None:
    """In Spanish nothing breaks either, where words are longer; and no heading is left in English."""
    page = entered(chrome, seen.world.served, seen.world.email(COORDINATOR), viewport=NARROW)
    page.goto("/account")
    english = {path: _headings(page, seen.address(path)) for path, role in CASES if role is COORDINATOR}
    page.goto("/account")
    page.get_by_label("Language of your pages").select_option("es")
    page.locator("form[action='/account/language'] button").click()
    page.locator("html[lang=es]").wait_for()
    try:
        for path, before in english.items():
            spanish = _headings(page, seen.address(path))
            assert page.locator("html").get_attribute("lang") == "es"
            assert too_wide(page) == []
            assert not {text for text in before & spanish if text and text not in _said_of_people(page)}, path
        records = "".join(_records(page, ref) for ref in seen.world.refs)
        assert all(word in records for word in ("matemáticas", "ciencias", "Suspensión")), "of courses and of actions"
        assert re.search(r"\b(math|science|social studies|[Ss]uspension|[Ee]xclusion)\b", records) is None
    finally:
        page.goto("/account")
        page.locator("#locale").select_option("en")
        page.locator("form[action='/account/language'] button").click()
        page.locator("html[lang=en]").wait_for()
        page.context.close()
    stranger = chrome.new_context(base_url=seen.world.served.service.url, locale="es-MX").new_page()
    stranger.goto("/")
    assert stranger.locator("html").get_attribute("lang") == "es"
    assert faults(stranger) == []
    stranger.context.close()


def _records(page: Page, ref: str) -> str:
    """The text of a student's courses and of what happened, folded or not."""
    page.goto(f"/students/{ref}")
    return "".join(page.locator(f"#{section}").text_content() or "" for section in ("behavior", "coursework"))


def _headings(page: Page, address: str) -> set[str]:
    page.goto(address)
    return set(page.locator("h1, h2, h3, th[scope=col], summary").all_inner_texts())


def _said_of_people(page: Page) -> set[str]:
    """What stands in a `bdi` or was written by people is a name or a text of somebody, and in no language of ours."""
    return set(page.locator("h1, h2, h3, th").filter(has=page.locator("bdi")).all_inner_texts()) | set(
        page.locator(".written").all_inner_texts()
    )
