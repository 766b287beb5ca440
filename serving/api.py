"""The addresses for programs. Every query names the district of the key: there is no way to name another one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Depends, Path, Query, Request, Response, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPBearer

from cis_ews import __version__
from serving import jobs
from serving.backend import key_of, of
from serving.errors import ApiError
from serving.models import (
    ErrorBody,
    HealthOut,
    Hex32,
    NightIn,
    NightOut,
    RunsOut,
    ScoresOut,
    Since,
    StudentReasonsOut,
)
from serving.observability import METRICS

Tier = Literal["1", "2", "3", "not_enough_data"]
Ref = Annotated[Hex32, Path(description="The `ref` of a score.")]

# The guard has let the request in already; this says so in the description.
_scheme = HTTPBearer(
    scheme_name="key", description="`cisews_<id>_<secret>`, made by `cis-ews key create`", auto_error=False
)


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorBody} for status in statuses}


def _link(name: str, operation: str, *, status: int = 200, **parameters: str) -> dict[int | str, dict[str, Any]]:
    """That an answer leads to another operation, and with which of its values."""
    return {status: {"links": {name: {"operationId": operation, "parameters": parameters}}}}


def _json_only(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415)


open_routes = APIRouter(tags=["service"])
routes = APIRouter(tags=["results"], dependencies=[Security(_scheme)], responses=_errors(401, 422, 429, 503))


@open_routes.get("/v1/health", responses=_errors(503))
def health(request: Request) -> HealthOut:
    """Whether the service and its database answer."""
    of(request).check()
    return HealthOut(status="ok", version=__version__)


@open_routes.get("/metrics", include_in_schema=False)
def metrics() -> Response:
    """Counters for Prometheus."""
    return Response(METRICS.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@routes.get("/v1/runs")
def runs(request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> RunsOut:
    """The runs of your district, newest first."""
    found = of(request).database.runs_of(key_of(request).district_id, limit=limit)
    return RunsOut.model_validate({"runs": found}, from_attributes=True)


@routes.get("/v1/scores", responses=_link("reasons", "reasons", ref="$response.body#/scores/0/ref"))
def scores(
    request: Request,
    *,
    school_id: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    tier: Annotated[Tier | None, Query(description="Only this tier, or those without enough data.")] = None,
    since: Annotated[Since, Query()] = None,
    cursor: Annotated[Hex32 | None, Query(description="The `next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ScoresOut:
    """The current scores of your district, page by page."""
    page = of(request).database.current_scores(
        key_of(request).district_id,
        school_id=school_id,
        tier=_TIERS.get(tier) if tier is not None else None,
        since=since,
        after=cursor,
        limit=limit,
    )
    body = {
        "run_id": page.run_id,
        "as_of": page.as_of,
        "published_at": page.published_at,
        "scores": page.rows,
        "next_cursor": page.next,
    }
    return ScoresOut.model_validate(body, from_attributes=True)


@routes.get("/v1/students/{ref}/reasons", operation_id="reasons", responses=_errors(404))
def reasons(request: Request, ref: Ref) -> StudentReasonsOut:
    """One student's current score with its reasons and strengths."""
    found = of(request).database.student_reasons(key_of(request).district_id, ref)
    if found is None:
        raise ApiError(404, "Your district has no such student today")
    return StudentReasonsOut.model_validate(found, from_attributes=True)


@routes.post(
    "/v1/nights",
    status_code=202,
    responses=_errors(404, 409, 413, 415) | _link("night", "night", status=202, job_id="$response.body#/job_id"),
    dependencies=[Depends(_json_only)],
)
async def ask_for_night(
    request: Request, night: NightIn, *, background: BackgroundTasks, response: Response
) -> NightOut:
    """Ask for a night over a source that your administrator has set up; it runs after the answer."""
    job = await run_in_threadpool(
        jobs.ask_for_night, of(request), key_of(request), source=night.source, as_of=night.as_of
    )
    background.add_task(jobs.submit, of(request), request.state.behind, job)
    response.headers["location"] = f"/v1/nights/{job.job_id}"
    return NightOut.model_validate(job, from_attributes=True)


@routes.get("/v1/nights/{job_id}", operation_id="night", responses=_errors(404))
def night(request: Request, job_id: Hex32) -> NightOut:
    """How a night that your district asked for stands."""
    return NightOut.model_validate(jobs.find_night(of(request), key_of(request), job_id), from_attributes=True)


_TIERS: dict[str, Literal[1, 2, 3, "not_enough_data"]] = {
    "1": 1,
    "2": 2,
    "3": 3,
    "not_enough_data": "not_enough_data",
}
