"""The page of the checks is the checks'."""

from __future__ import annotations

from tests.lib.drift_page import PAGE, render_page


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_page(), "write it anew: python -m tests.lib.drift_page"
