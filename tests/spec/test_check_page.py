"""The page of `check` is the one that its findings make."""

from __future__ import annotations

from tests.lib.check_page import PAGE, render_page


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_page()
