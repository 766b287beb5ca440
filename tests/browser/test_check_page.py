"""The page of a check in a real Chromium: wide and narrow, light and dark, printed; it fetches nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lib.checks import changed
from tests.lib.command import command
from tests.lib.extracts import small_district, write_extract
from tests.lib.pages import NARROW, WIDE, faults

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CLEAN = small_district()
SPOILED = changed(
    CLEAN,
    schools=lambda rows: rows.with_columns(name="\u202eName & <b>" + rows["name"] + "x" * 400),
    attendance_events=lambda rows: rows.vstack(rows.head(9)),
    course_grades=lambda rows: rows.head(20),
)


@pytest.fixture(scope="module")
def check_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a spoiled extract beside a clean one."""
    folder = tmp_path_factory.mktemp("check")
    store = ("--store", folder / "store")
    assert command("check", write_extract(folder / "clean", CLEAN), *store).code == 0
    assert command("check", write_extract(folder / "spoiled", SPOILED), *store, "--html", folder / "c.html").code == 0
    return folder / "c.html"


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_sticks_out(
    chrome: Browser, check_page: Path, scheme: str, size: dict[str, int]
) -> None:
    page = chrome.new_context(color_scheme=scheme, viewport=size).new_page()  # pyright: ignore[reportArgumentType]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(check_page.as_uri())
    assert page.locator("section.error").count() == 1
    assert page.locator("b").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert asked == [check_page.as_uri()]
    assert faults(page) == []
    page.context.close()


def test_on_paper_no_table_is_cut(chrome: Browser, check_page: Path) -> None:
    page = chrome.new_context(viewport={"width": 720, "height": 900}).new_page()
    page.goto(check_page.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
    page.context.close()
