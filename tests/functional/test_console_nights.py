"""The morning after the second night: what changed stands on Today, how it came to this on a student's page."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from html import unescape
from pathlib import Path

import pytest

from cis_ews.enums import Role
from cis_ews.storage.access import Grant
from serving.console.charts import FIRST_POINT
from tests.lib.browser import Browser
from tests.lib.builders import weekdays
from tests.lib.people import PASSWORD, add_person
from tests.lib.service import Served
from tests.lib.two_nights import CAPACITY, DISTRICT, FIRST_DAY, MISSED, NOW, SCHOOL, missed_days, serve_two_nights

LOCALES = ("en", "es")
THREE = {"en": "Intensive support", "es": "Apoyo intensivo"}
TWO = {"en": "Targeted support", "es": "Apoyo específico"}
ONE = {"en": "Support for all", "es": "Apoyo para todos"}
NEW = {"en": "New on the roster", "es": "Nuevo en la lista"}
TO = {"en": "to", "es": "a"}
CORRECTED = {"en": "corrected records", "es": "registros corregidos"}
WHEN = {"en": "February 27, 2026", "es": "27 de febrero de 2026"}
MOVES: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "anew": (ONE, THREE),
    "rises": (TWO, THREE),
    "falls": (THREE, TWO),
    "resolved": (TWO, ONE),
}
GUESTS = {name for name in MISSED if name.startswith("guest")}
RESOLVED = {"resolved", "resolved too"}
CARD = re.compile(r'<li class="card">(.*?)</li>\s*(?=<li class="card">|</ul>)', re.DOTALL)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """The second night, by a trained model."""
    folder: Path = tmp_path_factory.mktemp("nights")
    with serve_two_nights(folder) as served:
        yield served


@pytest.fixture(scope="module")
def readers(served: Served) -> Mapping[str, Browser]:
    """The coordinator of the school in each language."""
    found: dict[str, Browser] = {}
    for locale in LOCALES:
        add_person(served.database, f"{locale}@example.org", Grant(Role.COORDINATOR, DISTRICT, SCHOOL), locale=locale)
        found[locale] = Browser(served.service)
        assert found[locale].sign_in(f"{locale}@example.org", PASSWORD).status == 303
    return found


def _page(served: Served, browser: Browser, student: str) -> str:
    ref = next(row["ref"] for row in served.scores(DISTRICT) if row["student_id"] == student)
    answer = browser.get(f"/students/{ref}")
    assert answer.status == 200
    return unescape(answer.text)


def _words(markup: str) -> str:
    """What stands there for whoever hears it read: without the arrows that are drawn."""
    return " ".join(re.sub(r'<span aria-hidden="true">.*?</span>|<[^>]*>', " ", markup).split())


def _changed(page: str) -> dict[str, str]:
    """The lines of those who changed, by student, in the order of the page."""
    lines = CARD.findall(page.partition('<ul class="flags">')[2].partition('<h3 id="school-1-waiting">')[0])
    said = [_words(line) for line in lines]
    return {line.partition(" Doe")[0].lower(): line for line in said}


@pytest.mark.parametrize("locale", LOCALES)
def test_today_begins_with_who_is_new_rises_falls_and_is_resolved(readers: Mapping[str, Browser], locale: str) -> None:
    page = unescape(readers[locale].get("/today").text)
    lines = _changed(page)
    for student, (before, now) in MOVES.items():
        moved = f"{before[locale]} {TO[locale]} {now[locale]} ({CORRECTED[locale]})"
        assert f"{now[locale]} {moved}" in lines[student]
    assert f"{THREE[locale]} {NEW[locale]}: {THREE[locale]} ({CORRECTED[locale]})" in lines["comes"]
    assert not {"stays", "quiet", "late"} & lines.keys()
    # Up before down before those who are resolved; then who came without a flag.
    names = list(lines)
    assert (set(names[:3]), names[3], set(names[4:6])) == ({"anew", "rises", "comes"}, "falls", RESOLVED)
    assert set(names[6:]) < GUESTS


@pytest.mark.parametrize("locale", LOCALES)
def test_a_line_has_two_reasons_and_the_last_contact(readers: Mapping[str, Browser], locale: str) -> None:
    page = readers[locale].get("/today").text
    lines = CARD.findall(page.partition('<ul class="flags">')[2].partition('<h3 id="school-1-waiting">')[0])
    flagged = [line for line in lines if f"<strong>{ONE[locale]}</strong>" not in line]
    assert len(flagged) == CAPACITY - 1
    for line in flagged:
        assert 1 <= line.count("<li>") <= 2
        assert {"en": "no contact yet", "es": "sin contacto todavía"}[locale] in line
        assert {"en": "grade 7", "es": "grado 7"}[locale] in line


@pytest.mark.parametrize("locale", LOCALES)
def test_today_is_cut_where_the_list_ends_and_leads_to_the_rest(readers: Mapping[str, Browser], locale: str) -> None:
    """As many who are not on the list as would fit onto it; the others are where the link leads."""
    page = readers[locale].get("/today").text
    changed = _changed(page)
    left_out = GUESTS - changed.keys()
    assert len(left_out) == len(RESOLVED | GUESTS) - CAPACITY == 2
    more = re.search(r'<a href="(/schools/[0-9a-f]{32}\?[^"]*)">([^<]*)</a>', page)
    assert more is not None
    assert {"en": "2 more changed", "es": "Cambios que no caben aquí: 2"}[locale] in more[2]
    roster = readers[locale].get(unescape(more[1])).text
    assert not [name for name in left_out if f"{name.title()} Doe" not in _words(roster)]


@pytest.mark.parametrize("locale", LOCALES)
def test_who_waits_is_told_of_once(readers: Mapping[str, Browser], locale: str) -> None:
    """Whoever has changed stands above with the reasons; below, only who waits since before has them."""
    page = readers[locale].get("/today").text
    waiting = page.partition('id="school-1-waiting"')[2].split('<li class="card" hx-target')[1:]
    told = {_words(f"<li{line}").partition(" Doe")[0] for line in waiting if '<ul class="plain">' in line}
    assert len(waiting) == CAPACITY
    assert told == {"Stays"}


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("student", MOVES)
def test_a_students_page_tells_how_it_came_to_this(
    served: Served, readers: Mapping[str, Browser], student: str, locale: str
) -> None:
    page = _page(served, readers[locale], student)
    history = page.partition({"en": "How it came to this", "es": "Cómo se llegó a esto"}[locale])[2].partition("<h2")[0]
    before, now = (words[locale] for words in MOVES[student])
    lines = re.findall(r"<li>(.*?)</li>", history)
    assert [_words(line) for line in lines] == [f"{WHEN[locale]}: {before} {TO[locale]} {now} ({CORRECTED[locale]})"]


@pytest.mark.parametrize("locale", LOCALES)
def test_who_has_not_changed_is_told_so_with_the_first_night(
    served: Served, readers: Mapping[str, Browser], locale: str
) -> None:
    said = {
        "en": "No change since the first night that is known, February 20, 2026.",
        "es": "Ningún cambio desde la primera noche conocida, 20 de febrero de 2026.",
    }
    assert said[locale] in _page(served, readers[locale], "stays")


@pytest.mark.parametrize("locale", LOCALES)
def test_a_students_page_says_what_we_do_not_know(served: Served, readers: Mapping[str, Browser], locale: str) -> None:
    title = {"en": "What we do not know", "es": "Lo que no sabemos"}[locale]

    def unknown(student: str) -> str:
        return _words("<" + _page(served, readers[locale], student).partition(f"<h2>{title}")[2].partition("<h2")[0])

    marks = {"en": "We do not know this year's marks yet", "es": "Todavía no conocemos las notas de este año"}
    assert unknown("stays") == marks[locale]
    beyond = {"en": "Everything that the records do not hold", "es": "Todo lo que no está en los registros"}
    assert beyond[locale] in unknown("late")
    few = {"en": "The records are too few to raise a concern", "es": "Los registros son demasiado pocos"}
    assert few[locale] in _page(served, readers[locale], "late")
    assert few[locale] not in _page(served, readers[locale], "quiet")


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("student", ["rises", "falls"])
def test_the_trend_is_a_table_too(served: Served, readers: Mapping[str, Browser], student: str, locale: str) -> None:
    """Week by week the share of school days missed so far, counted here day by day once more."""
    share = MISSED[student][1]
    missed = set(missed_days(share, NOW))
    days = [row["date"] for row in weekdays(FIRST_DAY, NOW) if row["is_instructional"]]
    expected = [
        f"{100 * len(missed & set(days[:number])) / number:.1f}%"
        for number in range(FIRST_POINT, len(days) + 1)
        if days[number - 1].weekday() == 4
    ]
    table = _page(served, readers[locale], student).partition('class="trend"')[2].partition("</table>")[0]
    heads = [_words(head) for head in re.findall(r"<th scope=\"col\"[^>]*>.*?</th>", table)]
    assert heads == {"en": ["Week until", "Missed so far"], "es": ["Semana hasta", "Perdido hasta ahora"]}[locale]
    rows = re.findall(r'<tr><td>([^<]*)</td><td class="number">([^<]*)</td></tr>', table)
    assert [percent for _, percent in rows] == expected
    assert rows[-1][0] == WHEN[locale]
    assert f">{expected[-1]}</text>" in table.partition("</svg>")[0]
