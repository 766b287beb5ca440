"""A real Chromium in front of the started service."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from tests.lib.chromium import INSTALL, chromium, chromium_path
from tests.lib.hostile import Hostile, serve_hostile
from tests.lib.made_up import PICTURES, World, serve_made_up
from tests.lib.pages import WIDE
from tests.lib.service import Served, serve_two_districts

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

Scheme, Media = Literal["light", "dark"], Literal["screen", "print"]


@pytest.fixture(scope="session")
def chrome() -> Generator[Browser]:
    """One Chromium for all tests."""
    if chromium_path() is None:
        pytest.skip(f"no Chromium on this machine: {INSTALL}")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A service of each module: a morning changes it."""
    folder: Path = tmp_path_factory.mktemp("browser")
    with serve_two_districts(folder) as served:
        yield served


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, chrome: Browser) -> Generator[World]:
    """The made-up district, for all tests that leave no flag stopped; what they record adds up."""
    assert chrome.is_connected()  # without a Chromium nothing is made
    with serve_made_up(tmp_path_factory.mktemp("made_up")) as world:
        yield world


@pytest.fixture(scope="session")
def hostile_world(tmp_path_factory: pytest.TempPathFactory, chrome: Browser) -> Generator[Hostile]:
    """The district whose every text attacks the pages; what is written in it adds up."""
    assert chrome.is_connected()
    with serve_hostile(tmp_path_factory.mktemp("hostile")) as hostile_world:
        yield hostile_world


Picture = Callable[..., None]


@pytest.fixture
def picture() -> Picture:
    """Keep a picture of a page for the docs where `make screenshots` asks for it; otherwise look at nothing.

    `size`, `scheme`, `media`: for the picture alone.
    """
    folder = os.environ.get(PICTURES)

    def take(
        page: Page, name: str, *, size: ViewportSize = WIDE, scheme: Scheme = "light", media: Media = "screen"
    ) -> None:
        if folder is None:
            return
        before = page.viewport_size or WIDE
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme, media=media)
        page.evaluate("scrollTo(0, 0); document.activeElement.blur()")
        if media == "print":  # paper has a margin, which a picture of the page has not
            page.evaluate("document.body.style.margin = '12mm'")
        page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled", caret="hide")
        page.set_viewport_size(before)
        page.emulate_media(color_scheme="light", media="screen")

    return take
