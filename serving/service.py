"""The service: `bentoml serve serving.service:EarlyWarning`. Thin: it opens the backend and mounts the application.

BentoML's own addresses are closed but for the health checks (guard.py). It listens on 127.0.0.1 unless told otherwise,
reports no usage, and writes no access log and no metrics of its own, since both would hold whole addresses.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import bentoml
from bentoml._internal.utils.analytics import usage_stats
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from cis_ews import __version__
from cis_ews.errors import EwsError
from serving import api
from serving.admission import Admission
from serving.backend import open_backend
from serving.compression import Compression
from serving.console.cookies import limits_of
from serving.console.problems import answer, handle
from serving.console.routes import console_addresses, console_routes
from serving.errors import ApiError
from serving.guard import Addresses, Guard
from serving.jobs import TASK_ROUTE, run_night
from serving.observability import METRICS, configure_logging
from serving.process import end_with_the_parent, freeze

HANDLED = (ApiError, EwsError, RequestValidationError, HTTPException, Exception)
MAX_BODY = 64 * 1024
STATIC = Path(__file__).parent / "static"
DESCRIPTION = """Current tiers, the rules that set them, reasons and strengths. For support only: never for discipline,
placement, truancy petitions or the ranking of staff. Errors have one shape; pages are read with `next_cursor`."""


def make_application() -> FastAPI:
    """The application that is mounted: addresses for programs, and the pages of the console for people."""
    application = FastAPI(
        title="cis_ews",
        version=__version__,
        description=DESCRIPTION,
        routes=[*api.open_routes.routes, *api.routes.routes, *console_routes()],
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        exception_handlers=dict.fromkeys(HANDLED, handle),
    )
    application.add_middleware(Compression)
    application.mount("/static", StaticFiles(directory=STATIC), name="static")
    return application


def _keep_to_ourselves() -> tempfile.TemporaryDirectory[str] | None:
    """No usage reports, and the task's notes in a folder of this start, which is returned; the worker inherits both.

    BentoML would put the notes into the home of the account, where a second service that starts deletes them.
    """
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    usage_stats.do_not_track.cache_clear()  # the command line has asked already, before it loaded this module
    if "BENTOML_RESULT_STORE" in os.environ:
        return None
    folder = tempfile.TemporaryDirectory(prefix="cis_ews-tasks-")
    os.environ["BENTOML_RESULT_STORE"] = str(Path(folder.name) / "tasks.db")
    return folder


_notes = _keep_to_ourselves()  # the folder goes when this name does: with the process
application = make_application()


@bentoml.asgi_app(application)
@bentoml.service(
    workers=1,
    threads=1,
    http={"host": "127.0.0.1"},  # pyright: ignore[reportArgumentType] - BentoML asks for all keys and fills them in
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},  # nobody collects spans, and their addresses would tell who was looked at
)
class EarlyWarning:
    """Tiers, reasons and nights for school systems, and the console for people."""

    def __init__(self) -> None:
        end_with_the_parent()
        configure_logging()
        self._backend = open_backend()
        self._backend.database.jobs_interrupted()
        self._backend.database.sessions.drop_ended(limits_of(self._backend.settings.service))
        application.state.backend = self._backend
        freeze()

    @bentoml.on_deployment
    @staticmethod
    def check_before_start() -> None:
        """Refuse to start, in plain words, where the settings or the database cannot be used."""
        try:
            open_backend().database.close()
        except EwsError as error:
            sys.stderr.write(f"The service cannot start: {error}\n")
            raise SystemExit(error.exit_code) from None

    @bentoml.on_shutdown
    def close(self) -> None:
        """Give the database's connections back."""
        self._backend.database.close()

    @bentoml.task(route=TASK_ROUTE)
    def run_night(self, job_id: str, district_id: str) -> str:
        """Run a night of the job table; reached from inside only, by `POST /v1/nights`."""
        return run_night(self._backend, job_id, district_id=district_id)


def is_reached_by_https() -> bool:
    """Whether people's browsers speak https with whatever stands before the service."""
    backend = getattr(application.state, "backend", None)
    address = backend.settings.service.public_url if backend else None
    return bool(address and address.startswith("https://"))


EarlyWarning.add_asgi_middleware(
    Guard,  # pyright: ignore[reportArgumentType] - BentoML types the class as if it were its factory
    addresses=Addresses(application),
    admit=Admission(application, pages=console_addresses()),
    metrics=METRICS,
    max_body=MAX_BODY,
    render=answer,
    is_secure=is_reached_by_https,
)
