"""The page of `check` is the one that its findings make."""

from __future__ import annotations

from pathlib import Path

from cis_ews.checking.result import refusal
from cis_ews.errors import DataError
from tests.lib.check_page import KEYS, PAGE, render_page


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_page(), "write it anew: python -m tests.lib.check_page"


def test_every_key_for_programs_is_told() -> None:
    said = refusal(DataError("unreadable"), path=Path("extract"), layout="folder").to_dict()
    told = "; ".join([*KEYS, *KEYS.values()])
    assert [key for key in (*said, *said["findings"][0]) if f"`{key}`" not in told] == []
