"""The model card as one HTML file (`cis_ews.pages`), with its plots in the text."""

from __future__ import annotations

import html
import re
from pathlib import Path

from markdown_it import MarkdownIt

from cis_ews.pages import whole_page
from training.card import OVERRIDES, card_parts
from training.experiment import Trained
from training.figures import Figure

STYLE = Path(__file__).with_name("card.css")


def card_page(trained: Trained) -> str:
    """The card in HTML, with its plots."""
    title = f"Model card: {trained.config.name}, {trained.model.version}"
    body = "\n".join(_part(part) for part in card_parts(trained))
    return whole_page(title, body, style=STYLE.read_text(encoding="utf-8"))


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
