"""The cookie that holds a session's token: out of reach of scripts, and over https bound to this host."""

from __future__ import annotations

from datetime import timedelta
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.responses import Response

from cis_ews.settings import ServiceSettings
from cis_ews.storage.database import Limits

PLAIN, SECURE = "cis_ews_person", "__Host-cis_ews_person"
"""Browsers take a cookie named `__Host-` over https alone, for `/` alone, and from no other host of the domain."""


def limits_of(settings: ServiceSettings) -> Limits:
    """When sessions end by themselves."""
    return Limits(idle=timedelta(minutes=settings.idle_minutes), absolute=timedelta(hours=settings.session_hours))


def token_of(headers: Headers, *, is_secure: bool) -> str | None:
    """The token that a browser sent."""
    return read_cookie(headers, name_for(is_secure=is_secure))


def name_for(*, is_secure: bool) -> str:
    """The cookie's name."""
    return SECURE if is_secure else PLAIN


def read_cookie(headers: Headers, name: str) -> str | None:
    """A cookie by its name."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return morsel.value if morsel is not None and morsel.value else None


def set_token(answer: Response, token: str, *, is_secure: bool) -> None:
    """Give a browser its token, until it is closed. Lax: a link in a mail opens the page of who is signed in."""
    answer.set_cookie(name_for(is_secure=is_secure), token, httponly=True, samesite="lax", secure=is_secure, path="/")


def drop_token(answer: Response, *, is_secure: bool) -> None:
    """Take the token back."""
    answer.delete_cookie(name_for(is_secure=is_secure), httponly=True, samesite="lax", secure=is_secure, path="/")
