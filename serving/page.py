"""The page for people: today's flags of one school, with reasons and strengths. Read-only, and without JavaScript."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from serving.admission import address_of, checked_key
from serving.auth import COOKIE, same_site
from serving.backend import Backend, of, session_key_of
from serving.errors import ApiError
from serving.flags_view import FlagsView, day, flags_view

FOLDER = Path(__file__).parent
SIGN_IN = "/sign-in"

_templates = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["day"] = day

routes = APIRouter(include_in_schema=False)


@routes.get("/")
def flags(request: Request, school: str | None = None) -> Response:
    """The flags of a school; of the first one where none is chosen."""
    key = session_key_of(request)
    if key is None:
        return RedirectResponse(SIGN_IN, status_code=303)
    view = flags_view(of(request), key.district_id, school_id=school)
    return HTMLResponse(render_flags(view), status_code=200 if view.is_known else 404)


@routes.get(SIGN_IN)
def ask_for_key() -> Response:
    """The form that takes the key."""
    return _sign_in_page()


@routes.post(SIGN_IN)
async def sign_in(request: Request) -> Response:
    """Take the key and give a session for it."""
    same_site(request.headers)
    text = _field((await request.body()).decode("utf-8", "replace"), "key")
    backend = of(request)
    try:
        key = await run_in_threadpool(checked_key, backend, text, address=address_of(request.scope))
    except ApiError as error:
        return _sign_in_page(error)
    answer = RedirectResponse("/", status_code=303)
    _set_session(answer, backend, key.key_id, secure=request.url.scheme == "https")
    return answer


@routes.post("/sign-out")
def sign_out(request: Request) -> Response:
    """End the session of this browser."""
    same_site(request.headers)
    answer = RedirectResponse(SIGN_IN, status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def render_flags(view: FlagsView) -> str:
    """The page as HTML."""
    return _templates.get_template("flags.html").render(view=view)


def _sign_in_page(problem: ApiError | None = None) -> HTMLResponse:
    text = None if problem is None else f"{problem.message}: {problem.hint}."
    content = _templates.get_template("sign_in.html").render(problem=text)
    return HTMLResponse(content, status_code=200 if problem is None else problem.status)


def _set_session(answer: Response, backend: Backend, key_id: str, *, secure: bool) -> None:
    sessions = backend.sessions
    value = sessions.issue(key_id)
    answer.set_cookie(COOKIE, value, max_age=sessions.seconds, httponly=True, samesite="strict", secure=secure)


def _field(form: str, name: str) -> str:
    try:
        values = parse_qs(form, max_num_fields=8).get(name, [""])
    except ValueError:
        values = [""]
    return values[0].strip()
