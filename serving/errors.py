"""The one shape of every error that leaves the service.

    {"error": {"code": "not_found", "message": "...", "hint": "...", "request_id": "..."}}

`code` is for programs and stays; `message` and `hint` are for people and may change. No part of it ever repeats a value
that came with the request, so that no log, proxy or screenshot of an error holds one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from cis_ews.errors import EwsError
from serving.observability import log_failure


class Wording(NamedTuple):
    """What is said for a status when nothing more exact is known."""

    code: str
    message: str
    hint: str | None = None


WORDINGS: Mapping[int, Wording] = {
    303: Wording("elsewhere", "This is found at another address", "follow the Location header"),
    401: Wording("key_missing", "This needs a key", "send the header Authorization: Bearer cisews_<id>_<secret>"),
    403: Wording("forbidden", "This request was sent from another site"),
    404: Wording("not_found", "There is nothing here", "/v1/openapi.json lists what there is"),
    405: Wording("method_not_allowed", "This address does not know that method", "see the Allow header"),
    409: Wording("conflict", "This cannot be done now"),
    413: Wording("body_too_large", "The body of the request is too large"),
    415: Wording("media_type", "The body of the request is of another kind", "send Content-Type: application/json"),
    422: Wording("invalid", "The request does not fit its description", "/v1/openapi.json describes it"),
    429: Wording("too_many_attempts", "Too many attempts with a wrong key", "wait a minute, then check the key"),
    500: Wording("internal", "The service failed", "report the request_id; the log says where it happened"),
    503: Wording("unavailable", "The service cannot answer at the moment", "try again in a minute"),
    504: Wording("timeout", "The answer took too long", "try again, or ask for less at once"),
}


class ApiError(Exception):
    """An answer other than success. What is not said here comes from `WORDINGS`."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        code: str | None = None,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        wording = WORDINGS[status]
        super().__init__(message or wording.message)
        self.status = status
        self.code = code or wording.code
        self.message = message or wording.message
        self.hint = hint or (wording.hint if message is None else None)
        self.headers = dict(headers or {})


def render(error: ApiError, request_id: str) -> JSONResponse:
    """The response for an error."""
    body = {"code": error.code, "message": error.message, "hint": error.hint, "request_id": request_id}
    content = {"error": {name: value for name, value in body.items() if value is not None}}
    return JSONResponse(content, status_code=error.status, headers=error.headers)


def from_exception(error: Exception) -> ApiError:
    """An error of ours or of the framework, in our shape; anything unknown is a 500 that says nothing of itself."""
    match error:
        case ApiError():
            return error
        case RequestValidationError():
            return ApiError(422, _places(error))
        case EwsError():
            return _from_ews(error)
        case HTTPException():
            # The framework says 400 of a body that is no UTF-8, and 422 of one that is no JSON: here both are 422.
            status = 422 if error.status_code == 400 else error.status_code
            return ApiError(status if status in WORDINGS else 500, headers=error.headers)
        case _:
            return ApiError(500)


def _from_ews(error: EwsError) -> ApiError:
    # A storage message can name paths of the machine: it belongs into the log of the night, not to whoever asked.
    status = error.http_status
    return (
        ApiError(status) if status in (500, 503) else ApiError(status, error.message, code=error.code, hint=error.hint)
    )


def _places(error: RequestValidationError) -> str:
    """Which parameters are wrong, by the names that the description gives them; never what was sent."""
    known = ("query", "path", "body", "header", "cookie")
    places = sorted({_place(part["loc"]) for part in error.errors() if part["loc"] and part["loc"][0] in known})
    return f"The request does not fit its description: {', '.join(places)}" if places else WORDINGS[422].message


def _place(location: tuple[str | int, ...]) -> str:
    # An unknown field is named by whoever sent it, so only names that we know are repeated.
    names = {"school_id", "tier", "since", "cursor", "limit", "ref", "job_id", "source", "as_of", "district_id"}
    return " ".join([str(location[0]), *(str(part) for part in location[1:2] if part in names)])


async def handle(request: Request, error: Exception) -> JSONResponse:
    """Exception handler of the mounted application; what it does not know is logged by the guard."""
    known = from_exception(error)
    request_id = str(request.state.request_id)
    if known.status >= 500 and isinstance(error, EwsError):
        log_failure(error, request_id)
    return render(known, request_id)
