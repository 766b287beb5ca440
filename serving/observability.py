"""What the service tells its operators: one line a request, and counts for Prometheus.

Neither ever holds a value that came with a request: requests are named by the route they matched (`/v1/students/{ref}/
reasons`, never the ref), failures by their type and the lines of code they passed, never by their message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from cis_ews.errors import EwsError
from cis_ews.logs import frames_of

LOG = logging.getLogger("cis_ews.serving")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def configure_logging() -> None:
    """Say our own lines, and keep quiet whoever would print addresses with their values."""
    LOG.setLevel(logging.INFO)
    for talkative in ("uvicorn.access", "httpx", "httpcore", "multipart", "python_multipart"):
        logging.getLogger(talkative).disabled = True


class Metrics:
    """The counters at /metrics. Labels are routes, methods, statuses and outcomes: a small, closed set."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ["route", "method", "status"]
        self._requests = Counter("cis_ews_requests", "Requests answered", labels, registry=self._registry)
        self._seconds = Histogram(
            "cis_ews_request_seconds", "Time to answer", ["route"], buckets=SECONDS, registry=self._registry
        )
        self._nights = Counter(
            "cis_ews_nights", "Nights asked for here, by outcome", ["outcome"], registry=self._registry
        )
        self._refused = Counter("cis_ews_refused_keys", "Requests with a wrong key", registry=self._registry)
        self._emergencies = Counter("cis_ews_emergencies", "Access taken in an emergency", registry=self._registry)
        self._age = Gauge("cis_ews_data_age_days", "Days since the oldest current as-of date", registry=self._registry)

    def request(self, route: str, method: str, *, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def night(self, outcome: str) -> None:
        """Count one night that ended: `done`, or the code of its error."""
        self._nights.labels(outcome).inc()

    def emergency(self) -> None:
        """Count one access that was taken in an emergency: for an alert of the operators."""
        self._emergencies.inc()

    def refused_key(self) -> None:
        """Count one request with a wrong key."""
        self._refused.inc()

    def watch_data_age(self, days: Callable[[], float]) -> None:
        """Ask `days` for the age of the data whenever the metrics are read."""
        self._age.set_function(days)

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)


def log_request(method: str, route: str, *, status: int, seconds: float, request_id: str) -> None:
    """One line for an answered request."""
    LOG.info("%s %s %d %.1f ms request=%s", method, route, status, seconds * 1000, request_id)


def log_failure(error: BaseException, request_id: str) -> None:
    """Where an unexpected error came from, without its message: messages of libraries can quote values."""
    LOG.error("%s at %s request=%s", type(error).__name__, " < ".join(frames_of(error)[:6]), request_id)


def log_refused_sign_in(why: str, request_id: str) -> None:
    """Which check a sign-in by a provider failed; never what was sent."""
    LOG.warning("sign-in refused: %s request=%s", why, request_id)


def log_emergency(emergency_id: str) -> None:
    """That access was taken in an emergency: who and why is in the audit."""
    LOG.warning("emergency access taken: %s", emergency_id)


def log_night(job_id: str, outcome: str) -> None:
    """One line for a night that ended."""
    LOG.info("night %s %s", job_id, outcome)


def log_withheld(job_id: str, error: EwsError) -> None:
    """Why a night could not be run, for the operator alone: our own messages name places and never a student."""
    LOG.error("night %s: %s", job_id, error)


METRICS = Metrics()
