"""Every page of the console, a role that sees it, and how to write what is on it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from starlette.routing import Route

from cis_ews.enums import Role
from cis_ews.settings import ServiceSettings
from serving.console.context import FOLDER
from serving.console.routes import console_routes
from tests.lib.browser import Browser
from tests.lib.people import PASSWORD
from tests.lib.service import Served

NO_PAGE = {"/", "/schools/{school_ref}/roster.csv", "/sign-in/with/{provider}", "/sign-in/with/{provider}/callback"}
"""Addresses that answer a GET with something else: another address, or a file."""
COORDINATOR, MANAGER, STATE = Role.COORDINATOR, Role.DISTRICT_MANAGER, Role.STATE
STEWARD, ADMINISTRATOR = Role.DATA_STEWARD, Role.ADMINISTRATOR
SEEN_BY: Mapping[str, tuple[Role, ...]] = {
    "/today": (COORDINATOR, MANAGER),
    "/worklist": (COORDINATOR,),
    "/schools": (MANAGER,),
    "/schools/{school_ref}": (COORDINATOR,),
    "/students/{ref}": (COORDINATOR, MANAGER),
    "/meetings": (COORDINATOR,),
    "/meetings/{meeting_id}/{place}": (COORDINATOR,),
    "/meetings/{meeting_id}/recap": (COORDINATOR,),
    "/network": (MANAGER, STATE),
    "/network/{district_ref}": (STATE,),
    "/tickets": (STEWARD,),
    "/data-health": (STEWARD,),
    "/account": (STATE,),
    "/account/password": (STATE,),
    "/admin": (ADMINISTRATOR,),
    "/admin/people": (ADMINISTRATOR,),
    "/admin/people/{person_id}": (ADMINISTRATOR,),
    "/admin/keys": (ADMINISTRATOR,),
    "/admin/audit": (ADMINISTRATOR,),
    "/admin/model": (ADMINISTRATOR,),
    "/admin/switch": (ADMINISTRATOR,),
    "/admin/emergency": (ADMINISTRATOR,),
}
READING = {route.path for route in console_routes() if isinstance(route, Route) and "GET" in (route.methods or ())}
_NAMED = re.compile(r'name="(\w+)"|choice\([^,]+, "(\w+)"')
FIELDS = {
    plain or chosen
    for template in FOLDER.glob("*.html")
    for plain, chosen in _NAMED.findall(template.read_text(encoding="utf-8"))
} - {"csrf"}
"""The names of all fields of all forms, as the templates have them."""
WRITING = {route.path for route in console_routes() if isinstance(route, Route) and "POST" in (route.methods or ())}
CASES = [(path, role) for path, roles in SEEN_BY.items() for role in roles]


def address_of(path: str, **names: str) -> str:
    """The address of a page of a route, by what its names stand for; the first place of a meeting."""
    for name, value in {**names, "place": "1"}.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, f"say what stands in the address {path}"
    return path


def local_day() -> date:
    """The day that it is on the pages."""
    return datetime.now(ServiceSettings().zone).date()


def forms_of(served: Served, email: str) -> Browser:
    """A browser without JavaScript of somebody who has signed in."""
    browser = Browser(served.service)
    assert browser.sign_in(email, PASSWORD).status == 303
    return browser


def undecided(browser: Browser, refs: Sequence[str]) -> list[str]:
    """Those of whom nothing was decided yet, in whichever order tests came to the district that they share."""
    return [ref for ref in refs if 'id="do-accept-reason"' in browser.get(f"/students/{ref}").text]


def decide(browser: Browser, ref: str, action: str, *, to: str = "decisions", **fields: str) -> None:
    """Send a form of a student's page, with the version that the page holds."""
    page = f"/students/{ref}"
    version = re.search(r'name="version" value="(\d+)"', browser.get(page).text)
    assert version is not None
    answer = browser.send(page, f"{page}/{to}", action=action, version=version[1], **fields)
    assert answer.status == 303, re.findall(r'role="alert".*?</div>', answer.text, re.DOTALL)
