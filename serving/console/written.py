"""What somebody wrote into a form that was not taken: it is given back on the page that says so, and kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from serving.auth import same_site
from serving.errors import ApiError

FIELDS = ("reason", "needs", "assets", "goal", "owner", "note", "answer")
"""The fields into which people write about a student; of no other anything is given back."""
_STATE = "written"


async def keep_written(scope: Scope, receive: Receive) -> None:
    """Keep the texts of a form that is not let in, for the page that says why; nothing of what another site sent."""
    headers = Headers(scope=scope)
    if scope["method"] != "POST" or headers.get("hx-request") == "true":
        return
    try:
        same_site(headers)
        body = await Request(scope, receive).body()
        fields = dict(parse_qsl(body.decode("utf-8"), max_num_fields=100))
    except (ApiError, ClientDisconnect, ValueError):
        return
    keep_fields(scope, fields)


def keep_fields(scope: Scope, fields: Mapping[str, str]) -> None:
    """Keep the texts among the fields of a form, for the time of this request."""
    scope["state"][_STATE] = [fields[name] for name in FIELDS if fields.get(name, "").strip()]


def written_of(scope: Scope) -> Sequence[str]:
    """What was kept."""
    return scope["state"].get(_STATE, ())
