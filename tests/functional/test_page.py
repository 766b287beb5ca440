"""The page that a coordinator reads: over HTTP on the started service, and as HTML from what may be stored."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

import serving.page
from cis_ews.settings import Settings
from cis_ews.storage.store import RunStore
from serving.auth import Sessions
from serving.backend import Backend
from serving.flags_view import FlagsView, FlagView, School, Section, day, flags_view
from serving.page import render_flags
from tests.lib.districts import AS_OF, HOSTILE_LAST, LAKEVIEW
from tests.lib.service import Served

STATIC = Path(serving.page.__file__).parent / "static"
AS_OF_DATE = date.fromisoformat(AS_OF)


class Outline(HTMLParser):
    """What a test asks of a page: its tags, attributes, headings and texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(" ".join(data.split()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def _page(served: Served, query: str = "") -> str:
    answer = served.service.get(f"/{query}", headers=served.session(LAKEVIEW))
    assert answer.status == 200
    return answer.text


def test_signing_in_leads_to_the_page_and_signing_out_ends_it(served: Served) -> None:
    first = served.service.get("/")
    assert (first.status, first.headers["location"]) == (303, "/sign-in")
    answer = served.sign_in(served.keys[LAKEVIEW])
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=28800"} <= set(cookie.split("; "))
    assert served.keys[LAKEVIEW] not in cookie
    out = served.service.request("POST", "/sign-out", headers={"Cookie": cookie.partition(";")[0]})
    assert (out.status, out.headers["location"]) == (303, "/sign-in")
    assert "Max-Age=0" in out.headers["set-cookie"]


def test_over_https_the_cookie_is_sent_over_https_alone(served: Served) -> None:
    answer = served.sign_in(served.keys[LAKEVIEW], headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["set-cookie"].split("; ")
    assert "max-age=" in answer.headers["strict-transport-security"]


@pytest.mark.parametrize("key", ["", "nonsense", "cisews_0123456789ab_" + "0" * 64])
def test_a_wrong_key_is_said_on_the_form(served: Served, key: str) -> None:
    answer = served.sign_in(key)
    assert (answer.status, answer.headers["set-cookie"]) == (401, None)
    assert "This key is not known, or was revoked: ask your administrator for one." in answer.text
    described = [field.get("aria-describedby") for field in Outline(answer.text).all("input")]
    assert [each for each in described if each] == ["key-problem"]


def test_it_lists_the_flags_of_a_school_with_reasons_and_strengths(served: Served) -> None:
    outline = Outline(_page(served, "?school=south"))
    texts = outline.texts
    assert "South School" in texts
    assert "First-south-000 Last-south-000" in texts
    assert "First-south-004 Last-south-004" in texts
    assert texts.index("Intensive support") < texts.index("Targeted support") < texts.index("Not enough data")
    assert texts.count("What to talk about") == texts.count("Strengths") == 3
    assert sum(text.startswith("Missed 57 of 117 school days this year") for text in texts) == 1
    assert any(text.startswith("Listed by Attendance Works (rules that agree: ") for text in texts)


def test_it_says_from_when_it_is_and_who_decided(served: Served) -> None:
    text = _page(served, "?school=south")
    assert "Friday, February 27, 2026" in text
    assert "Thursday, February 12, 2026" in text
    assert "attendance is entered through Thursday, February 12, 2026; later days are not in this list." in text
    assert "Published rules; no trained model was used" in text
    assert "attendance is entered through" not in _page(served, "?school=north")


def test_whoever_has_too_few_records_is_named_with_what_is_missing(served: Served) -> None:
    text = _page(served)
    assert "First-north-011 Last-north-011" in text
    (score,) = served.scores(LAKEVIEW, "&school_id=north&tier=not_enough_data")
    assert score["tier_reason"].removeprefix("Not enough data: ") in unescape(text)


def test_names_are_text_and_never_markup(served: Served) -> None:
    text = _page(served)
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    # A right-to-left mark in a name turns the name, not the page.
    assert f"{HOSTILE_LAST[-1]}</bdi>" in text


def test_the_first_school_is_shown_where_none_is_chosen(served: Served) -> None:
    chosen = [option for option in Outline(_page(served)).all("option") if "selected" in option]
    assert [option["value"] for option in chosen] == ["north"]
    unknown = served.service.get("/?school=nowhere", headers=served.session(LAKEVIEW))
    assert unknown.status == 404
    assert "That school is not one of this district" in unknown.text


def test_it_works_without_javascript_and_loads_nothing_from_elsewhere(served: Served) -> None:
    outline = Outline(_page(served))
    assert outline.all("script") == []
    assert all(not name.startswith("on") and name != "style" for _, found in outline.tags for name in found)
    addresses = [found.get("href") or found.get("src") or found.get("action") for _, found in outline.tags]
    for address in filter(None, addresses):
        assert address.startswith(("/", "#"))
        if address.startswith("/static/"):
            assert served.service.get(address).status == 200


def test_nothing_of_a_student_is_in_the_title_or_an_address(served: Served) -> None:
    html = _page(served)
    (title,) = re.findall(r"<title>(.*)</title>", html)
    assert title == "North School - Early warning"
    assert "north-0" not in "".join(str(found) for _, found in Outline(html).tags)


def test_it_can_be_read_by_ear_and_by_keyboard(served: Served) -> None:
    for html in (_page(served), served.service.get("/sign-in").text):
        outline = Outline(html)
        assert outline.open == []
        assert outline.all("html") == [{"lang": "en"}]
        levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        labelled = {label["for"] for label in outline.all("label")}
        fields = [found for tag in ("input", "select") for found in outline.all(tag) if found.get("type") != "hidden"]
        assert {found["id"] for found in fields} == labelled
        ids = [found["id"] for _, found in outline.tags if "id" in found]
        assert len(ids) == len(set(ids))
        assert {link["href"].removeprefix("#") for link in outline.all("a") if link["href"]} <= set(ids)
        assert all("scope" in header for header in outline.all("th"))
        assert len(outline.all("table")) == len(outline.all("caption"))


def test_no_risk_number_no_red_and_no_label_on_a_child(served: Served) -> None:
    html = _page(served).lower()
    for word in ("risk", "danger", "dropout", "fail ", "at-risk", "probability", "red"):
        assert not re.search(rf"\b{word}\b", html)
    css = (STATIC / "page.css").read_text(encoding="utf-8")
    for color in re.findall(r"#[0-9a-f]{6}\b", css):
        red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
        assert not (red > 150 and green < 100 and blue < 100)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(scheme: str) -> None:
    """WCAG 2.1 AA: 4.5 to 1 for text, measured on the tokens of both color schemes."""
    css = (STATIC / "page.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in css.split("@media")[:2])
    tokens = light | (dark if scheme == "dark" else {})
    on = [
        ("ink", "paper"),
        ("ink", "card"),
        ("soft", "paper"),
        ("soft", "card"),
        ("accent", "paper"),
        ("accent", "card"),
    ]
    for text, behind in [*on, ("on-accent", "accent"), ("ink", "notice")]:
        bright, dim = sorted((_luminance(tokens[text]), _luminance(tokens[behind])), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (text, behind)


def _luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_those_for_whom_the_list_was_full_are_said() -> None:
    flag = FlagView(name="Ann", grade="Grade 9", listed_by="a rule", reasons=["x"], strengths=[])
    section = Section(anchor="tier-3", title="Intensive support", lead="Start here.", flags=[flag])
    view = FlagsView(school_id="1", school_name="North", as_of=AS_OF_DATE, sections=[section])
    assert "the list is full" not in render_flags(view)
    texts = Outline(render_flags(replace(view, beyond_list=12))).texts
    assert texts[texts.index("Asked for, but the list is full") + 1] == "12"


def test_what_is_not_known_is_said_apart_from_the_reasons() -> None:
    flag = FlagView(name="Ann", grade="Grade 9", listed_by="a rule", reasons=["x"], unknown=["We do not know y"])
    section = Section(anchor="tier-3", title="Intensive support", lead="Start here.", flags=[flag])
    view = FlagsView(school_id="1", school_name="North", as_of=AS_OF_DATE, sections=[section])
    texts = Outline(render_flags(view)).texts
    assert texts[texts.index("What we do not know") + 1] == "We do not know y"
    silent = replace(section, flags=[replace(flag, unknown=[])])
    assert "What we do not know" not in render_flags(replace(view, sections=[silent]))


def test_a_day_without_flags_is_a_friendly_one() -> None:
    schools = [School(school_id="1", name="North"), School(school_id="2", name="South")]
    html = render_flags(FlagsView(schools=schools, school_id="1", school_name="North", as_of=AS_OF_DATE))
    assert "Nobody is flagged today" in html
    assert "No night has been run yet" in render_flags(FlagsView())


def test_an_old_list_says_that_it_is_old(served: Served) -> None:
    backend = Backend(
        settings=Settings(),
        store=RunStore(served.folder / "store"),
        database=served.database,
        sessions=Sessions(b"secret", hours=1),
    )
    for days, said in ((4, False), (5, True), (200, True)):
        view = flags_view(backend, LAKEVIEW, school_id="north", today=AS_OF_DATE + timedelta(days=days))
        assert (f"This list is {days} days old: no later night has been run." in view.notices) is said


def test_everything_that_is_stored_is_escaped() -> None:
    evil = "\"'><script>alert(1)</script>" + "x" * 4000
    flag = FlagView(name=evil, grade=evil, listed_by=evil, reasons=[evil], strengths=[evil])
    view = FlagsView(
        schools=[School(school_id=evil, name=evil), School(school_id="2", name=evil)],
        school_id=evil,
        school_name=evil,
        as_of=AS_OF_DATE,
        reported=evil,
        decided_by=evil,
        notices=[evil],
        sections=[Section(anchor="tier-3", title=evil, lead=evil, flags=[flag])],
        not_enough_data=[flag],
    )
    html = render_flags(view)
    assert "<script" not in html
    assert Outline(html).open == []
    assert html.count("alert(1)") == 19


def test_a_day_is_written_as_people_say_it() -> None:
    assert day(date(2026, 3, 1)) == "Sunday, March 1, 2026"
