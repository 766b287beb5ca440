"""Whatever school data or people write is shown as text: nothing of it runs, turns the page or makes it wider.

The fields come from the code: of school data from its schema, of people from the forms on the pages. A field
that nobody tells here where it is shown, or why it is not, fails.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from cis_ews.enums import Role
from tests.lib.console_pages import CASES, address_of, decide, forms_of
from tests.lib.hostile import Hostile, columns, hostile, mark
from tests.lib.pages import NARROW, all_open, entered, too_wide

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NOT_SHOWN = {
    "calendar_days.term": "terms of the calendar count days and are named nowhere",
    "incident_id": "joins actions to incidents",
}
"""Texts of school data that no page shows."""
WRITTEN = {
    ("/students/.../decisions", "reason"),
    ("/students/.../decisions", "needs"),
    ("/students/.../decisions", "assets"),
    ("/students/.../decisions", "goal"),
    ("/students/.../decisions", "owner"),
    ("/students/.../goals", "goal"),
    ("/students/.../goals", "owner"),
    ("/students/.../check-ins", "note"),
    ("/tickets/...", "answer"),
    ("/schools/.../views", "name"),
    ("/admin/people", "name"),
    ("/admin/keys", "label"),
    ("/admin/switch", "reason"),
    ("/admin/emergency", "reason"),
}
"""What people write that is kept: the form and the field. Each is written by `_write` or by the test of the switch."""
NOT_KEPT = {
    ("/admin/people", "email"): "an e-mail address is checked, and refused with a tag in it",
    ("/admin/people/.../caseload", "ref"): "32 digits, or refused",
    ("/admin/people", "find"): "asks, and is told back: see the test of what addresses say",
    ("/admin/audit", "person"): "asks, and is told back: see the test of what addresses say",
    ("/admin/audit", "ref"): "asks, and is told back: see the test of what addresses say",
    ("/account/password", "username"): "for password managers alone; nobody reads it",
    ("/account/password", "present"): "a password is told nowhere",
    ("/account/password", "new"): "a password is told nowhere",
    ("/account/password", "again"): "a password is told nowhere",
}
LIMITS = {"owner": 200, "name": 200, "label": 200, "reason-switch": 2000, "reason-emergency": 2000, "view": 60}


@dataclass(frozen=True)
class Looked:
    """What was seen on all pages: their text, the fields of their forms, and what was wrong."""

    text: str
    fields: set[tuple[str, str]]
    wrong: list[str]


def _write(world: Hostile) -> dict[str, str]:
    """Write a hostile text into every field that keeps one; returns what addresses need."""
    ana, steward = (forms_of(world.served, world.email(role)) for role in (Role.COORDINATOR, Role.DATA_STEWARD))
    first, second, third, fourth, *_ = world.refs
    begun = ana.send("/meetings", "/meetings", school=f"{world.district}/{world.school}", about="flagged")
    assert begun.status == 303, begun.status
    meeting = begun.headers["location"].split("/")[2]
    here = {"meeting": meeting, "place": "1"}
    decide(ana, first, "contact", contact="meeting", reason=hostile("contact.reason"), **here)
    decide(ana, first, "accept", reason=hostile("accept.reason"), **here)
    plan = {name: hostile(f"plan.{name}") for name in ("needs", "assets", "goal")}
    more = {"owner": hostile("plan.owner", length=LIMITS["owner"]), "area": "basic_needs", "consent_on": "2026-01-15"}
    decide(ana, first, "open_plan", **plan, **more, **here)
    goal = {"goal": hostile("goal.goal"), "owner": hostile("goal.owner", length=LIMITS["owner"]), "area": "basic_needs"}
    decide(ana, first, "goal", to="goals", **goal, **here)
    goal_id = re.search(r'name="goal_id" value="([0-9a-f]+)"', ana.get(f"/students/{first}").text)
    assert goal_id is not None
    decide(
        ana, first, "check_in", to="check-ins", goal_id=goal_id[1], progress="progressing", note=hostile("goal.note")
    )
    decide(ana, second, "question_data", subject="attendance", reason=hostile("question.reason"))
    ticket = re.search(r"/tickets/([0-9a-f]{32})", steward.get("/tickets").text)
    assert ticket is not None
    assert steward.send("/tickets", f"/tickets/{ticket[1]}", answer=hostile("ticket.answer")).status == 303
    decide(ana, third, "question_data", subject="attendance", reason=hostile("open.reason"))
    decide(ana, fourth, "accept")
    school = f"/schools/{world.school_ref}"
    view = hostile("view.name", length=LIMITS["view"])
    assert ana.send(f"{school}?tier=3", f"{school}/views", name=view, filters="tier=3").status == 303
    return {"meeting_id": meeting, "ref": first} | _write_as_administrator(world)


def _write_as_administrator(world: Hostile) -> dict[str, str]:
    ada = forms_of(world.served, world.email(Role.ADMINISTRATOR))
    place = f"{world.district}\t{world.school}"
    person = {"name": hostile("added.name", length=LIMITS["name"]), "email": "new@example.org", "locale": "en"}
    assert ada.send("/admin/people", "/admin/people", role="coordinator", place=place, **person).status == 200
    label = hostile("made.label", length=LIMITS["label"])
    assert ada.send("/admin/keys", "/admin/keys", district=world.district, label=label).status == 200
    reason = hostile("emergency.reason", length=LIMITS["reason-emergency"])
    assert ada.send("/admin/emergency", "/admin/emergency", place=place, reason=reason).status == 303
    taken = next(one.emergency_id for one in world.served.database.emergencies.list())
    assert ada.send("/admin/emergency", "/admin/emergency", do="end", emergency=taken).status == 303
    people = world.served.database.people.list()
    return {"person_id": next(one.person_id for one in people if one.email == "new@example.org")}


@pytest.fixture(scope="module")
def watched(chrome: Browser, hostile_world: Hostile) -> Generator[Any]:
    """A narrow page of a role; what its console says is kept, the policy's violations among it."""
    opened: list[Page] = []
    said: list[str] = []

    def watch(role: Role) -> Page:
        page = entered(chrome, hostile_world.served, hostile_world.email(role), viewport=NARROW)
        page.on("pageerror", lambda error: said.append(error.message))
        page.on("dialog", lambda dialog: said.append(f"a dialog: {dialog.type}"))
        page.on("console", lambda told: said.append(told.text) if "Failed to load resource" not in told.text else None)
        opened.append(page)
        return page

    yield watch, said
    for page in opened:
        page.context.close()


@pytest.fixture(scope="module")
def looked(watched: Any, hostile_world: Hostile) -> Looked:
    """Every page once, as the roles that see it, with everything on it open."""
    watch, said = watched
    names = _write(hostile_world) | {"school_ref": hostile_world.school_ref}
    names["district_ref"] = hostile_world.served.database.pages.districts(only=None)[0].ref
    pages = {role: watch(role) for role in {role for _, role in CASES}}
    addresses = [(role, address_of(path, **names)) for path, role in CASES]
    addresses += [(Role.COORDINATOR, f"/students/{ref}") for ref in hostile_world.refs[1:4]]
    addresses += [(Role.DISTRICT_MANAGER, f"/students/{_supported(hostile_world)}")]
    addresses += [(Role.COORDINATOR, f"/schools/{names['school_ref']}?tier=3")]
    texts: list[str] = []
    fields: set[tuple[str, str]] = set()
    wrong: list[str] = []
    for role, address in addresses:
        page = pages[role]
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        all_open(page)
        texts.append(page.evaluate(TEXT))
        fields |= {(re.sub(r"[0-9a-f]{32}", "...", action), name) for action, name in page.evaluate(FIELDS)}
        wrong += [*_wrong(page), *said]
        said.clear()
    return Looked("\n".join(texts), fields, wrong)


def _supported(world: Hostile) -> str:
    """A student of the district of whom a support of this school year is recorded."""
    supports = pl.read_csv(world.served.folder / "extract" / "supports.csv", infer_schema=False)
    recorded = set(supports.filter(pl.col("date") >= "2025-09-15")["student_id"])
    return next(row["ref"] for row in world.served.scores(world.district) if row["student_id"] in recorded)


TEXT = "document.body.innerText + [...document.querySelectorAll('input, textarea')].map((one) => one.value).join('\\n')"
FIELDS = """[...document.forms].flatMap((form) => [...form.elements]
  .filter((one) => ["text", "search", "email", "password", "textarea", "url", "tel"].includes(one.type))
  .map((one) => [form.getAttribute("action"), one.name]))"""
TURNED = """() => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!/[\\u202e\\u2067]/.test(node.data)) continue;
    let isolating = node.parentElement;
    const isInline = (one) => getComputedStyle(one).display === "inline";
    const isOpen = (one) => isInline(one) && !getComputedStyle(one).unicodeBidi.startsWith("isolate");
    while (isOpen(isolating)) isolating = isolating.parentElement;
    const range = document.createRange();
    range.setStartAfter(node);
    range.setEndAfter(isolating.lastChild);
    // What stands after a mark that turns the text, in the same isolated piece, is turned with it.
    const after = range.toString().trim();
    if (after && !after.startsWith("q-")) found.push(isolating.tagName + " > " + node.parentElement.tagName);
  }
  return [...new Set(found)];
}"""


def _wrong(page: Page) -> list[str]:
    """What on a page is not as it should be: it ran, became markup, turned other text, or reaches beyond the edge."""
    where = re.sub(r"[0-9a-f]{32}", "...", page.url.partition("?")[0].partition("//")[2].partition("/")[2])
    found = [f"{where}: ran"] * page.evaluate("document.hit === 1")
    found += [f"{where}: became markup"] * (page.locator("[data-hit]").count() > 0)
    found += [f"{where}: a script of nobody"] * (page.locator("script:not([src])").count() > 0)
    found += [f"{where}: turns what stands after it in {place}" for place in page.evaluate(TURNED)]
    return [*found, *too_wide(page)]


def test_nothing_runs_becomes_markup_turns_or_widens_a_page(looked: Looked) -> None:
    assert "\n".join(dict.fromkeys(looked.wrong)) == ""


def test_every_text_of_school_data_is_shown_or_known_not_to_be(looked: Looked) -> None:
    shown = {name for name in columns() if mark(name) in looked.text}
    assert {*columns()} - shown == NOT_SHOWN.keys()


def test_every_text_that_people_write_is_shown(looked: Looked) -> None:
    written = ("contact.reason", "accept.reason", "plan.needs", "plan.assets", "plan.goal", "plan.owner", "goal.goal")
    more = ("goal.owner", "goal.note", "question.reason", "ticket.answer", "open.reason", "view.name", "added.name")
    others = ("made.label", "emergency.reason", "person.name", "key.label")
    assert [name for name in (*written, *more, *others) if mark(name) not in looked.text] == []
    # Whole, to the last of the 4,000 letters.
    assert hostile("contact.reason") in looked.text


def test_every_field_of_a_form_is_one_of_these(looked: Looked) -> None:
    assert looked.fields == WRITTEN | NOT_KEPT.keys()


def test_the_reason_of_the_off_switch_is_text(watched: Any, hostile_world: Hostile) -> None:
    watch, said = watched
    ada = forms_of(hostile_world.served, hostile_world.email(Role.ADMINISTRATOR))
    reason = hostile("switch.reason", length=LIMITS["reason-switch"])
    page = watch(Role.ADMINISTRATOR)
    try:
        assert ada.send("/admin/switch", "/admin/switch", do="off", reason=reason).status == 303
        page.goto("/admin/switch")
        assert mark("switch.reason") in page.get_by_role("main").inner_text()
        assert [*_wrong(page), *said] == []
    finally:
        ada.send("/admin/switch", "/admin/switch", do="on")


def test_what_an_address_or_a_refused_form_says_is_text(watched: Any, hostile_world: Hostile) -> None:
    """Told back and not kept: what the audit was asked for, filters, a page to go on to, an unknown address."""
    watch, said = watched
    ada, ana = watch(Role.ADMINISTRATOR), watch(Role.COORDINATOR)
    attack = hostile("asked", length=300)
    for page, address, names in (
        (ada, "/admin/audit", ("person", "ref")),
        (ada, "/admin/people", ("find", "page")),
        (ana, "/meetings", ("page",)),
        (ana, f"/schools/{hostile_world.school_ref}", ("tier", "grade", "unknown")),
        (ana, "/today", ("unknown",)),
        (ana, f"/students/{attack[:10]}", ("risk",)),
        (ana, "/no-such-page", ("unknown",)),
    ):
        for name in names:
            page.goto(address)
            page.evaluate("([name, text]) => { location.search = new URLSearchParams({[name]: text}) }", [name, attack])
            page.wait_for_url("**?**")
            assert [*_wrong(page), *said] == [], (address, name)
    # A refused form keeps what was typed.
    ana.goto(f"/students/{hostile_world.refs[4]}")
    all_open(ana)
    ana.locator("#do-not_now-reason").fill(hostile("kept"))
    ana.locator("#do-not_now-until").fill("2001-01-01")
    ana.get_by_role("button", name="Not now").click()
    ana.get_by_role("alert").wait_for()
    all_open(ana)
    assert mark("kept") in ana.locator("#do-not_now-reason").input_value()
    assert [*_wrong(ana), *said] == []
    stranger = ana.context.browser
    assert stranger is not None
    page = stranger.new_context(base_url=hostile_world.served.service.url, viewport=NARROW).new_page()
    page.goto("/sign-in")
    page.evaluate("(text) => { location.search = new URLSearchParams({next: text}) }", attack)
    page.wait_for_url("**?next=**")
    assert _wrong(page) == []
    page.context.close()
