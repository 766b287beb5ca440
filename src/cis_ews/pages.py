"""A page as one HTML file: nothing is fetched and no script runs; it prints, and is read on a phone and in the dark."""

from __future__ import annotations

import html
from pathlib import Path

STYLE = Path(__file__).with_name("page.css")


def whole_page(title: str, body: str, *, style: str = "") -> str:
    """The page. `title`: as text. `body`: as markup, in which everything that came from outside is escaped."""
    head = (
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}{style}</style>"
    )
    page = f"<head>\n{head}\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>"
    return f'<!doctype html>\n<html lang="en">\n{page}\n</html>\n'
