"""English that was left on a page in another language: the page beside itself in English."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser

from babel.messages.pofile import read_po

from serving.console.catalogs import FOLDER, SOURCE
from tests.lib.markup import VOID

OF_NO_LANGUAGE = frozenset({"bdi", "code", "q", "textarea", "blockquote", "script", "style"})
"""What stands in these was written by people or is a name: it is the same in every language."""
SPOKEN = ("aria-label", "title", "alt", "placeholder")
"""Attributes that are read out or shown."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_RUN = 3
"""So many words in a row that are on the English page too are English."""


class _Texts(HTMLParser):
    """The texts of a page that are in its language, one a node or an attribute."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.language = ""
        self.texts: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what it says, and whether what is in it is of the page's language."""
        values = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language = values["lang"]
        is_other = values.get("lang", self.language) != self.language or "written" in values.get("class", "").split()
        is_out = is_other or tag in OF_NO_LANGUAGE or (bool(self._open) and self._open[-1][1])
        if not is_out:
            self.texts += [values[name] for name in SPOKEN if name in values]
        if tag not in VOID:
            self._open.append((tag, is_out))

    def handle_endtag(self, tag: str) -> None:
        """What was open before is open again."""
        if tag not in VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        if not (self._open and self._open[-1][1]) and data.strip():
            self.texts.append(" ".join(data.split()))


def english_left(english: str, other: str, *, names: Iterable[str] = ()) -> list[str]:
    """Texts of a page that are as in English. `names`: of places and things, which are in no language.

    Words that a catalog says in the same way are none; nor is what the page marks as English.
    """
    beside, page = _Texts(english), _Texts(other)
    assert beside.language == SOURCE
    assert page.language not in ("", SOURCE)
    known = set(_said_alike(page.language))
    left = [_without(text, names) for text in beside.texts]
    runs = {run for text in left for run in _runs(text)}
    whole = {" ".join(_words(text)) for text in left}
    found: set[str] = set()
    for text in page.texts:
        said = _without(text, names)
        together = " ".join(_words(said))
        if together not in known and (together in whole or any(run in runs for run in _runs(said))):
            found.add(text)
    return sorted(found)


def _without(text: str, names: Iterable[str]) -> str:
    for name in names:
        text = text.replace(name, " 0 ")
    return text


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = _words(text)
    return (tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1))


def _said_alike(locale: str) -> Iterator[str]:
    yield ""
    for file in (FOLDER / locale / "LC_MESSAGES").glob("*.po"):
        with file.open("rb") as catalog:
            for message in read_po(catalog):
                if isinstance(message.id, str) and _words(message.id) == _words(str(message.string)):
                    yield " ".join(_words(message.id))
