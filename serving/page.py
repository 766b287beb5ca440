"""The page for people: today's flags of one school, with reasons and strengths. Read-only, and without JavaScript."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from serving.admission import SIGN_IN, address_of, checked_key
from serving.auth import COOKIE
from serving.backend import Backend, of, session_key_of
from serving.console.context import any_viewer_of, home_of, render
from serving.errors import ApiError
from serving.flags_view import FlagsView, day, flags_view

FOLDER = Path(__file__).parent

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
    if (viewer := any_viewer_of(request)) is not None:
        return RedirectResponse(home_of(viewer), status_code=303)
    key = session_key_of(request)
    if key is None:
        return RedirectResponse(SIGN_IN, status_code=303)
    view = flags_view(of(request), key.district_id, school_id=school)
    return HTMLResponse(render_flags(view), status_code=200 if view.is_known else 404)


async def sign_in_with_key(request: Request, text: str) -> Response:
    """Take a district's key and give a session for it."""
    backend = of(request)
    try:
        key = await run_in_threadpool(checked_key, backend, text.strip(), address=address_of(request.scope))
    except ApiError as error:
        return _key_problem(request, error)
    answer = RedirectResponse("/", status_code=303)
    _set_session(answer, backend, key.key_id, secure=request.url.scheme == "https")
    return answer


def sign_out_of_key() -> Response:
    """End the session of this browser."""
    answer = RedirectResponse(SIGN_IN, status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def render_flags(view: FlagsView) -> str:
    """The page as HTML."""
    return _templates.get_template("flags.html").render(view=view)


def _key_problem(request: Request, problem: ApiError) -> Response:
    text = f"{problem.message}: {problem.hint}."
    return render(
        request, "sign_in.html", status_code=problem.status, next="/", problem=None, key_problem=text, providers=[]
    )


def _set_session(answer: Response, backend: Backend, key_id: str, *, secure: bool) -> None:
    sessions = backend.sessions
    value = sessions.issue(key_id)
    answer.set_cookie(COOKIE, value, max_age=sessions.seconds, httponly=True, samesite="strict", secure=secure)
