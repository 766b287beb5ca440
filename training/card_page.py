"""The model card as one HTML file: nothing is fetched, it prints, and it is read on a phone and in the dark."""

from __future__ import annotations

import html
import re
from pathlib import Path

from markdown_it import MarkdownIt

from training.card import OVERRIDES, card_parts
from training.experiment import Trained
from training.figures import Figure

STYLE = Path(__file__).with_name("card.css")


def card_page(trained: Trained) -> str:
    """The card in HTML, with its plots."""
    title = html.escape(f"Model card: {trained.config.name}, {trained.model.version}")
    body = "\n".join(_part(part) for part in card_parts(trained))
    head = (
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>"
    )
    page = f"<head>\n{head}\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>"
    return f'<!doctype html>\n<html lang="en">\n{page}\n</html>\n'


def _part(part: str | Figure) -> str:
    if isinstance(part, Figure):
        caption = html.escape(part.caption)
        return f'<figure id="{part.name}">\n{part.svg}\n<figcaption>{caption}</figcaption>\n</figure>'
    return part if part == OVERRIDES else _markup(part)


def _markup(text: str) -> str:
    """Markdown of ours as HTML. What is in the data (the name of a school) can make no link, no picture and no tag."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink"])
    return re.sub(
        r"<table>.*?</table>", r'<div class="wide">\g<0></div>', reader.render(text).rstrip("\n"), flags=re.DOTALL
    )
