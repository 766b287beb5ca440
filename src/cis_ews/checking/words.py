"""Texts that come with an extract (names of schools, ids, files), made fit to be shown to a person."""

from __future__ import annotations

from cis_ews.wording import visible

MOST = 60
_LEFT_OUT = "…"


def harmless(text: str, *, most: int = MOST) -> str:
    """The text in one line of at most `most` characters, without anything that moves a terminal or turns its writing.

    Control characters and marks of direction become a middle dot, so that one sees that something stood there.
    """
    cut = text if len(text) <= most else text[: most - 1] + _LEFT_OUT
    return visible(cut)


def school_words(school_id: str, name: str | None) -> str:
    """A school as a sentence names it."""
    shown = harmless(school_id)
    return f"{shown} ({harmless(name)})" if name and name != school_id else shown
