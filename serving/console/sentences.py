"""The sentences of reasons, strengths and what is not known, in the language of a page.

The night stores them in English, once for all readers. Each was made from a template of the rules or the features,
which is found again here by its words; its translation (`locales/*/LC_MESSAGES/sentences.po`, one message a piece of a
sentence, fields and all) then takes the numbers that stand in the sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from string import Formatter

from markupsafe import Markup

from cis_ews.enums import GradeLevel
from cis_ews.risk.feature_catalog import FEATURES, Feature
from cis_ews.risk.rules import RULES
from cis_ews.risk.sentences import FACTS, FACTS_PLACE
from serving.console.catalogs import SOURCE, translations

BETWEEN = "; "
"""Stands between the pieces of a sentence: facts, what a rule says of them, what peers have."""
_LETTERS = "|".join(grade for grade in GradeLevel if not grade.isdigit())
_VALUE = re.compile(rf"(-?\d+(?:\.\d+)?|\b(?:{_LETTERS})\b)")
"""What a field becomes in a sentence: a number, or a grade that is none."""
_Message = tuple[tuple[str, str, str], ...]
"""Words, a field and its style, again and again; the last two are empty where a template ends in words."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """A piece as sentences show it: of the values in it, by place, which are fields and which are its own."""

    piece: str
    fields: Mapping[int, str]
    own: Mapping[int, str]

    def read(self, values: Sequence[str]) -> dict[str, str] | None:
        """The values of the fields by name; None where the sentence has another value than the piece itself."""
        if any(values[place] != value for place, value in self.own.items()):
            return None
        return {name: values[place] for place, name in self.fields.items()}


def shown(sentence: str, locale: str) -> str:
    """A stored sentence for a page; what has no translation stays as it is, marked as English."""
    if locale == SOURCE:
        return sentence
    said = translated(sentence, locale)
    return Markup('<span lang="{}">{}</span>').format(SOURCE, sentence) if said is None else said


def translated(sentence: str, locale: str) -> str | None:
    """A stored sentence in another language; None where a piece of it has no template, or the template no translation.

    Another version of the rules or the features may have stored it. Half a sentence is never translated.
    """
    stored = sentence.split(BETWEEN)
    said = [text for piece in stored if (text := _translated(piece, locale)) is not None]
    return BETWEEN.join(said) if len(said) == len(stored) else None


@cache
def pieces() -> tuple[str, ...]:
    """Every piece of every sentence that the rules and the features can say, as their templates write it."""
    rules = [text for rule in RULES for text in (rule.title, *(level.sentence for level in rule.levels))]
    features = [text for feature in FEATURES for text in _templates(feature)]
    templates = [*(fact.sentence for fact in FACTS.values()), *rules, *features]
    found = dict.fromkeys(piece for template in templates for piece in template.split(BETWEEN))
    return tuple(piece for piece in found if piece != FACTS_PLACE)


def _templates(feature: Feature) -> Iterator[str]:
    yield from (told.sentence for told in (*feature.risk, *feature.strength))
    if feature.unknown is not None:
        yield feature.unknown
    if feature.comparison is not None:
        yield from (feature.comparison.none, feature.comparison.fewer, feature.comparison.more)


def _translated(piece: str, locale: str) -> str | None:
    words, values = _parted(piece)
    for known in _shapes().get(words, ()):
        if (fields := known.read(values)) is not None and (message := _message(known.piece, locale)) is not None:
            said = "".join([text + (_said(fields[name], style) if name else "") for text, name, style in message])
            return said if piece[:1].isupper() else said[:1].lower() + said[1:]
    return _with_brackets(piece, locale)


def _with_brackets(piece: str, locale: str) -> str | None:
    """What a rule says of its facts may stand behind the last of them, in brackets."""
    fact, bracket, rest = piece.rpartition(" (")
    rule = FACTS_PLACE + bracket + rest
    message = _message(rule, locale) if bracket and rule in pieces() else None
    said = _translated(fact, locale) if message else None
    return "".join(text + (said if name else "") for text, name, _ in message) if message and said else None


def _said(value: str, style: str) -> str:
    """A field as `risk.templates` writes it."""
    one, many = _ends(style)
    return value + (one if value == "1" else many)


@cache
def _ends(style: str) -> tuple[str, str]:
    """What stands behind a field: behind 1, and behind other values."""
    if style in ("%", "%%"):
        return " %", " %"
    one, bar, many = style.partition("|")
    return (f" {one}", f" {many}") if bar else ("", "")


@cache
def _message(piece: str, locale: str) -> _Message | None:
    """The translation of a known piece; None where there is none. What is stored of students is kept in no cache."""
    said = translations(locale).gettext(piece)
    return None if said == piece else _parsed(said)


def _parsed(template: str) -> _Message:
    return tuple((words, name or "", style or "") for words, name, style, _ in Formatter().parse(template))


def _parted(text: str) -> tuple[tuple[str, ...], list[str]]:
    """The words around the values, and the values. A fact begins with a small letter where another stands before it."""
    parts = _VALUE.split(text)
    return (parts[0][:1].lower() + parts[0][1:], *parts[2::2]), parts[1::2]


@cache
def _shapes() -> Mapping[tuple[str, ...], Sequence[_Shape]]:
    """The pieces by their words; a noun beside a number has two forms, and so has the piece."""
    found: dict[tuple[str, ...], list[_Shape]] = {}
    for piece in pieces():
        shape, parsed = _shape_of(piece), _parsed(piece)
        for ends in product(*(dict.fromkeys(_ends(style)) for _, _, style in parsed)):
            shown = [words + ("0" + end if name else "") for (words, name, _), end in zip(parsed, ends, strict=True)]
            found.setdefault(_parted("".join(shown))[0], []).append(shape)
    return found


def _shape_of(piece: str) -> _Shape:
    fields: dict[int, str] = {}
    own: dict[int, str] = {}
    for words, name, _ in _parsed(piece):
        for value in _VALUE.findall(words):
            own[len(own) + len(fields)] = value
        if name:
            fields[len(own) + len(fields)] = name
    return _Shape(piece, fields, own)
