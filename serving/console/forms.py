"""Forms that people send: from our own pages, with the session's token, and no larger than they need to be."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi import Request

from serving.auth import same_site
from serving.console.context import any_viewer_of, csrf_token
from serving.console.written import keep_fields
from serving.errors import ApiError

FIELDS, LONGEST = 100, 4_000
KIND = "application/x-www-form-urlencoded"


async def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a form, the last one of each name. Raises ApiError unless a page of this session sent it.

    On a page that is open to everybody there is no session yet: that it came from our own site is checked all the same.
    """
    same_site(request.headers)
    body = await request.body()
    if body and request.headers.get("content-type", "").partition(";")[0].strip().lower() != KIND:
        raise ApiError(415, hint=f"send Content-Type: {KIND}")
    fields = _fields(body)
    viewer = any_viewer_of(request)
    keep_fields(request.scope, fields)
    if any(len(value) > LONGEST for value in fields.values()):
        raise ApiError(422, "A field holds more than 4,000 characters", hint="go back, and shorten it")
    if viewer is not None and not hmac.compare_digest(fields.pop("csrf", "").encode(), csrf_token(viewer).encode()):
        raise ApiError(403, "This form is not of your present session", code="form_stale", hint="load the page again")
    return fields


def _fields(body: bytes) -> dict[str, str]:
    try:
        fields = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS, encoding="utf-8", errors="strict"
        )
    except ValueError:  # no UTF-8, or too many fields
        raise ApiError(422) from None
    # A browser counts a line break as one character, and sends it as two.
    fields = [(name, value.replace("\r\n", "\n")) for name, value in fields]
    if any("\x00" in value for _, value in fields):
        raise ApiError(422)
    return dict(fields)
