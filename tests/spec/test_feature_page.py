"""The page of features says what the catalog says."""

from __future__ import annotations

from tests.lib.feature_page import PAGE, render_page


def test_the_page_of_features_is_fresh() -> None:
    renew = "run: python -m tests.lib.feature_page"
    assert PAGE.exists(), renew
    assert PAGE.read_text(encoding="utf-8") == render_page(), renew
