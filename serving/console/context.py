"""What every page has: who is looking, in which language, the token of its forms, and the way to the other pages."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cis_ews.support.permissions import LOCALES, May, Viewer, why_allowed
from serving.console import catalogs, sentences
from serving.console.clock import zone_of

FOLDER = Path(__file__).parent / "templates"


def marked(message: str) -> str:
    """A message that is translated where it is shown."""
    return message


@dataclass(frozen=True, slots=True)
class Place:
    """A page that the navigation leads to, for whoever may see it."""

    address: str
    title: str
    may: May | None


PLACES = (
    Place("/today", marked("Today"), May.SEE_STUDENTS),
    Place("/worklist", marked("Worklist"), May.SEE_STUDENTS),
    Place("/schools", marked("Schools"), May.SEE_STUDENTS),
    Place("/meetings", marked("Meetings"), May.SEE_STUDENTS),
    Place("/network", marked("Network"), May.SEE_NETWORK),
    Place("/tickets", marked("Questions about the data"), May.MEND_DATA),
    Place("/data-health", marked("Data health"), May.SEE_DATA_HEALTH),
    Place("/admin", marked("Administration"), May.ADMINISTER),
)
"""The pages in the order of the navigation."""


def home_of(viewer: Viewer) -> str:
    """Where a person begins: the first page of the navigation that the roles open."""
    return next((place.address for place in _places(viewer) if place.may is not None), "/account")


def viewer_of(request: Request) -> Viewer:
    """Who is looking. The guard lets nobody else come to a page of the console."""
    return cast("Viewer", request.state.viewer)


def any_viewer_of(request: Request) -> Viewer | None:
    """Who is looking, on the pages that are open to everybody."""
    return cast("Viewer | None", getattr(request.state, "viewer", None))


def render(request: Request, template: str, *, status_code: int = 200, **values: Any) -> HTMLResponse:
    """A page."""
    viewer = any_viewer_of(request)
    locale = viewer.locale if viewer else catalogs.chosen_locale(request.headers.get("accept-language", ""))
    content = (
        environment(locale, zone_of(request))
        .get_template(template)
        .render(
            viewer=viewer,
            locale=locale,
            locales=LOCALES,
            csrf=partial(csrf_field, csrf_token(viewer)),
            places=_places(viewer),
            here=_here(request),
            stop=getattr(request.state, "stop", None),
            **values,
        )
    )
    return HTMLResponse(content, status_code=status_code)


def is_for_part(request: Request) -> bool:
    """Whether htmx asks, and puts the answer into the page that is there."""
    return request.headers.get("hx-request") == "true"


def as_part(answer: HTMLResponse) -> HTMLResponse:
    """Mark an answer as a part of a page: `parts.js` puts nothing else into one."""
    answer.headers["x-part"] = "true"
    return answer


@cache
def environment(locale: str, zone: tzinfo) -> Environment:
    """The templates in a language and by the clock of a time zone."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    install = cast("Any", made).install_gettext_translations
    install(catalogs.translations(locale), newstyle=True)
    made.filters["day"] = partial(catalogs.day, locale=locale, zone=zone)
    made.filters["month"] = partial(catalogs.month, locale=locale)
    made.filters["moment"] = partial(catalogs.moment, locale=locale, zone=zone)
    made.filters["told"] = partial(sentences.shown, locale=locale)
    return made


def csrf_token(viewer: Viewer | None) -> str:
    """The token of a session's forms: made from the session, and nothing that leads back to it."""
    return "" if viewer is None else hmac.digest(viewer.session_id.encode(), b"forms", "sha256").hex()


def csrf_field(token: str) -> Markup:
    """The hidden field that every form holds."""
    return Markup('<input type="hidden" name="csrf" value="{}">').format(token)


def translated(request: Request, message: str, values: Mapping[str, object] | None = None) -> str:
    """A message in the language of whoever is looking."""
    viewer = any_viewer_of(request)
    locale = viewer.locale if viewer else catalogs.chosen_locale(request.headers.get("accept-language", ""))
    found = catalogs.translations(locale).gettext(message)
    return found % dict(values) if values else found


def _places(viewer: Viewer | None) -> list[Place]:
    if viewer is None or viewer.has_to_change_password:
        return []
    return [place for place in PLACES if place.may is None or why_allowed(viewer, place.may)]


def _here(request: Request) -> str:
    return "/" + request.url.path.strip("/").partition("/")[0]
