"""Nights that a program asks for over HTTP: ours in the job table, run one after the other by BentoML's task."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Scope

from cis_ews.errors import ConfigError, EwsError, ModelNotFoundError, StorageError
from cis_ews.evaluation.groups import told_groups
from cis_ews.night.reach import check_has_come
from cis_ews.risk.registry import load_model
from cis_ews.risk.tiers import TierPolicy
from cis_ews.scoring import score_night
from cis_ews.settings import NamedSourceSettings
from cis_ews.storage.database import ApiKey, Job
from serving.backend import Backend
from serving.errors import ApiError
from serving.observability import METRICS, log_failure, log_night, log_withheld

KIND = "night"
TASK_ROUTE = "/tasks/night"
WITHHELD = "the store, the database, a model or a setting of the service cannot be used"


def ask_for_night(backend: Backend, key: ApiKey, *, source: str, as_of: date) -> Job:
    """Note down a night over a source that the settings name and open to the key's district."""
    named = backend.settings.sources.get(source)
    if named is None or key.district_id not in named.districts:
        raise ApiError(404, "No such source is set up for this district", hint="your administrator names the sources")
    try:
        check_has_come(as_of, datetime.now(UTC).date())
    except ConfigError as error:
        raise ApiError(409, error.message, hint=error.hint) from None
    job_id = backend.database.create_job(
        key.district_id, kind=KIND, source=source, as_of=as_of, requested_by=key.key_id
    )
    return find_night(backend, key, job_id)


def find_night(backend: Backend, key: ApiKey, job_id: str) -> Job:
    """A night of the key's district."""
    job = backend.database.job(job_id, key.district_id)
    if job is None:
        raise ApiError(404, "There is no such night")
    return job


def run_night(backend: Backend, job_id: str, *, district_id: str) -> str:
    """Run a night that was asked for; its outcome, good or bad, goes into the job table. Returns the outcome."""
    try:
        run_id = _run(backend, job_id, district_id)
        backend.database.finish_job(job_id, run_id=run_id)
        outcome = "done"
    except EwsError as error:
        outcome = _failed(backend, job_id, error)
    except BaseException as error:  # noqa: BLE001  (a job has to end, by a panic of polars too, and messages quote values)
        log_failure(error, job_id)
        outcome = _failed(backend, job_id, EwsError("the night failed", hint="the log of the service says where"))
    log_night(job_id, outcome)
    METRICS.night(outcome)
    return outcome


def _run(backend: Backend, job_id: str, district_id: str) -> str:
    job = backend.database.job(job_id, district_id)
    source = backend.settings.sources.get(job.source) if job is not None else None
    if job is None or job.as_of is None or source is None:
        raise ConfigError("the source of this night is not set up", hint="ask your administrator for its name")
    backend.database.start_job(job_id)
    try:
        return _score(backend, source, job.as_of)
    except EwsError as error:
        error.message = error.message.replace(str(source.path), job.source)
        raise


def _score(backend: Backend, source: NamedSourceSettings, as_of: date) -> str:
    scored = score_night(
        source.path,
        model=load_model(backend.settings.model.use, registry=backend.registry),
        policy=TierPolicy.load(backend.settings.policy.tiers),
        store=backend.store,
        as_of=as_of,
        format=source.format,
        tolerance=source.tolerance,
        database=backend.database,
        groups=told_groups,
        time_zone=backend.settings.service.zone,
    )
    return scored.run.run_id


def _failed(backend: Backend, job_id: str, error: EwsError) -> str:
    try:
        backend.database.fail_job(job_id, _told(error, job_id))
    except EwsError as unreachable:
        log_failure(unreachable, job_id)
    return error.code


def _told(error: EwsError, job_id: str) -> EwsError:
    """What whoever asked may know: where store, models and settings lie is nobody's business; the log says it."""
    if not isinstance(error, StorageError | ConfigError | ModelNotFoundError):
        return error
    log_withheld(job_id, error)
    return type(error)(WITHHELD, hint="try again later; the log of the service says why")


async def submit(backend: Backend, bento: ASGIApp, job: Job) -> None:
    """Hand a night to BentoML's task, as a request from inside; ends when the night has ended.

    BentoML's own client would do this too, but loses its connection over a task that takes longer than its answer.
    """
    body = json.dumps({"job_id": job.job_id, "district_id": job.district_id}).encode()
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    statuses: list[int] = []

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await bento(_inner_request(f"{TASK_ROUTE}/submit", len(body)), receive, send)
    if statuses != [200]:
        await run_in_threadpool(_failed, backend, job.job_id, EwsError("the night could not be started"))


def _inner_request(path: str, length: int) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(length).encode())],
        "client": None,
        "server": None,
        "state": {},
    }
