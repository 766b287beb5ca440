"""The real service on a free loopback port, as its own processes; ended for sure, its whole output kept.

with serving(store) as service:
    answer = service.get("/v1/scores", key=service.key)
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
START_SECONDS = 90
STOP_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP; redirects are not followed."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, str]:
        """The error of an answer that is one."""
        return self.json()["error"]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Leave a redirect to the test."""


# Without ProxyHandler a proxy of the machine would be asked for loopback addresses.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


@dataclass(frozen=True)
class Service:
    """A started service."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def request(
        self,
        method: str,
        path: str,
        *,
        key: str | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; a body that is no bytes is sent as JSON."""
        sent = dict(headers or {})
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None and not any(name.lower() == "content-type" for name in sent):
            sent["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data=data, headers=sent, method=method)  # noqa: S310 - http
        try:
            with _opener.open(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def get(self, path: str, *, key: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One GET."""
        return self.request("GET", path, key=key, headers=headers)

    def post(
        self, path: str, body: object, *, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One POST."""
        return self.request("POST", path, key=key, body=body, headers=headers)

    def wait_for_night(self, job_id: str, key: str, *, seconds: float = 120) -> dict[str, Any]:
        """The night's last word."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = self.get(f"/v1/nights/{job_id}", key=key).json()
            if job["status"] not in ("queued", "running"):
                return job
            time.sleep(0.2)
        raise AssertionError(f"the night did not end in {seconds} s\n{self.output()}")

    def output(self) -> str:
        """Everything that the service has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the service and its children; returns the exit code."""
        if self.process.poll() is None:
            target = os.killpg if how == signal.SIGKILL else os.kill
            target(self.process.pid, how)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        # Whatever is left of the group: a killed parent leaves its worker behind.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait(STOP_SECONDS)


def start(folder: Path, *, settings: str, port: int | None = None) -> Service:
    """Start the service with a settings file in `folder`, without waiting for it."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = port or _free_port()
    config, log = folder / "cis_ews.toml", folder / f"service-{chosen}.log"
    config.write_text(settings, encoding="utf-8")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("CIS_EWS_", "BENTOML"))}
    environment = {
        **outside,
        "CIS_EWS_CONFIG": str(config),
        "BENTOML_HOME": str(folder / "bentoml"),
        "PYTHONUNBUFFERED": "1",
    }
    command = [
        Path(sys.executable).with_name("bentoml"),
        "serve",
        "serving.service:EarlyWarning",
        "--port",
        str(chosen),
    ]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    return Service(process, f"http://127.0.0.1:{chosen}", log)


@contextmanager
def serving(folder: Path, *, settings: str, port: int | None = None) -> Generator[Service]:
    """A service that is ready, until the end of the block."""
    service = start(folder, settings=settings, port=port)
    try:
        _wait_until_ready(service)
        yield service
    finally:
        service.stop()


def _wait_until_ready(service: Service) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and service.process.poll() is None:
        with suppress(OSError):
            if service.get("/readyz").status == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"the service did not start\n{service.output()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
