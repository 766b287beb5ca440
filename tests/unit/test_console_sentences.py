"""Every sentence that a night can store has words in every language, and is found again by its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from itertools import product
from string import Formatter

import pytest
from babel.messages.pofile import read_po

from cis_ews.enums import GradeLevel
from cis_ews.risk.feature_catalog import FEATURES
from cis_ews.risk.rules import RULES
from cis_ews.risk.sentences import FACTS, FACTS_PLACE
from cis_ews.risk.tellings import tellings_of
from cis_ews.support.permissions import LOCALES
from serving.console.catalogs import FOLDER, SOURCE, translations
from serving.console.context import environment
from serving.console.sentences import pieces, shown, translated

OTHER_LOCALES = [locale for locale in LOCALES if locale != SOURCE]
NUMBER = re.compile(r"\d+(?:\.\d+)?")
GRADE = "grade_level"
AS_IT_IS = {"%", "%%", "text"}
"""Styles that a translation keeps; a noun beside a number is its own in every language."""


def _styles(template: str) -> dict[str, str]:
    """The fields of a template, and how each is written where that is the same in every language."""
    fields = [(name, style or "") for _, name, style, _ in Formatter().parse(template) if name]
    assert len({name for name, _ in fields}) == len(fields), template
    return {name: style if style in AS_IT_IS else "" for name, style in fields}


def _filled(template: str, values: Mapping[str, str]) -> str:
    return "".join(
        words + (_written(values[name], style or "") if name else "")
        for words, name, style, _ in Formatter().parse(template)
    )


def _written(value: str, style: str) -> str:
    if "|" in style:
        return f"{value} {style.split('|')[value != '1']}"
    return f"{value} %" if style.startswith("%") else value


def _whole_templates() -> Iterator[str]:
    """Every template of the code as it stands."""
    yield from (fact.sentence for fact in FACTS.values())
    for rule in RULES:
        yield rule.title
        yield from (level.sentence for level in rule.levels)
    yield from (telling.told.sentence for telling in tellings_of(FEATURES))
    for feature in FEATURES:
        if (beside := feature.comparison) is not None:
            yield from (beside.none, beside.fewer, beside.more)


@pytest.mark.parametrize("locale", OTHER_LOCALES)
def test_every_sentence_has_a_translation_with_the_same_fields(locale: str) -> None:
    catalog, known = translations(locale), set(pieces())
    for template in _whole_templates():
        for piece in template.removeprefix(FACTS_PLACE + "; ").split("; "):
            said = catalog.gettext(piece)
            assert piece in known
            assert said != piece, f"translate it in {locale}/LC_MESSAGES/sentences.po: {piece}"
            assert _styles(said) == _styles(piece), piece
            assert "; " not in said
            assert said[0].isupper() == piece[0].isupper(), piece
    with (FOLDER / locale / "LC_MESSAGES" / "sentences.po").open("rb") as file:
        assert {str(message.id) for message in read_po(file) if message.id} == known


@pytest.mark.parametrize("locale", OTHER_LOCALES)
def test_no_sentence_is_taken_for_another(locale: str) -> None:
    """With every number that some sentence names in its own words: where two of them fit, they say the same."""
    named = sorted({number for piece in pieces() for number in NUMBER.findall(re.sub("{[^}]*}", "", piece))} | {"7.5"})
    for piece in pieces():
        fields = [name for name in _styles(piece) if name != FACTS_PLACE.strip("{}")]
        choices = [list(GradeLevel) if name == GRADE else named for name in fields]
        message = translations(locale).gettext(piece)
        for chosen in product(*choices) if len(fields) < 3 else [tuple(named[:3])]:
            values = dict(zip(fields, chosen, strict=True))
            if FACTS_PLACE in piece:
                values["facts"] = "Missed 3 of the last 20 school days"
                spoken = {"facts": translated(values["facts"], locale) or ""}
            else:
                spoken = values
            assert translated(_filled(piece, values), locale) == _filled(message, spoken), piece


@pytest.mark.parametrize(
    ("stored", "spanish"),
    [
        (
            "Missed 3.5 of the last 20 school days; half of the grade K students here missed 1 or fewer",
            "Faltó 3.5 de los últimos 20 días escolares; "
            "la mitad de los estudiantes de grado K de esta escuela faltó 1 o menos",
        ),
        (
            "Missed 14 of 110 school days this year (12.7 %); was suspended 1 time this year; is not passing math "
            "right now (3 of 5 signs in grade 6)",
            "Faltó 14 de 110 días escolares este año (12.7 %); tuvo 1 suspensión este año; no está aprobando "
            "matemáticas en este momento (3 de 5 señales en el grado 6)",
        ),
        (
            "Missed 7 days without an excuse in one month this year; the law sets a limit here; a talk with the family "
            "and a plan come first",
            "Faltó 7 días sin justificación en un mes de este año; la ley pone un límite aquí; primero van una "
            "conversación con la familia y un plan",
        ),
        ("Is passing every course right now (6)", "Está aprobando todos los cursos en este momento (6)"),
        ("Marks went up by 1 point since last term", "Las notas subieron 1 punto desde el periodo anterior"),
        ("Chronic absence", "Ausentismo crónico"),
    ],
)
def test_a_stored_sentence_is_said_whole_with_its_numbers(stored: str, spanish: str) -> None:
    assert translated(stored, "es") == spanish
    assert shown(stored, "en") == stored


@pytest.mark.parametrize(
    "stored",
    [
        "Missed 3 of the last 21 school days, and 2 of the first 20",
        "Missed 3 of the last 20 school days; a piece that nobody knows",
        "Missed many of the last 20 school days",
        "A sentence <b>of</b> an older night (5 of 5 signs in grade 6)",
        "Missed 3 of the last 20 school days (6 of 5 signs in grade 6)",
        "",
        "; ",
        "(",
    ],
)
def test_what_no_template_made_stays_as_it_is_and_is_marked_as_english(stored: str) -> None:
    page = environment("es", UTC).from_string("{{ stored|told }}")
    assert translated(stored, "es") is None
    assert page.render(stored=stored) == environment("es", UTC).from_string(
        '<span lang="en">{{ stored }}</span>'
    ).render(stored=stored)
    assert "<b>" not in page.render(stored=stored)
