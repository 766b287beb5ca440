"""The Chromium that the browser tests drive: found on the machine, never fetched by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = "apt-get install chromium, or name one in CIS_EWS_CHROMIUM"


def chromium_path() -> str | None:
    """Where Chromium is; None where there is none."""
    return os.environ.get("CIS_EWS_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium() -> Generator[Browser]:
    """A started Chromium that asks nobody but the page's own address."""
    from playwright.sync_api import sync_playwright

    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update", "--disable-sync"]
    # Chromium refuses its sandbox to root, as which CI runs.
    rooted = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        args = [*quiet, *rooted, "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=args)
        try:
            yield browser
        finally:
            browser.close()
