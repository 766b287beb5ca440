"""The real service on a free loopback port, as its own processes; ended for sure, its whole output kept.

with serve_two_districts(folder) as served:
    answer = served.service.get("/v1/scores", key=served.keys["lakeview"])
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from email.message import Message
from pathlib import Path
from typing import Any

import psutil

from cis_ews.evaluation.groups import told_groups
from cis_ews.risk.model import RiskModel
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tiers import TierPolicy
from cis_ews.scoring import score_night
from cis_ews.storage.database import Database
from cis_ews.storage.store import RunStore
from tests.lib.districts import AS_OF, HARBOR, LAKEVIEW, write_extract

ROOT = Path(__file__).parents[2]
PR_SET_PDEATHSIG = 1
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

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the service and its worker; SIGKILL ends both at once, as a loss of power would."""
        family = self.family()
        if how == signal.SIGKILL:
            _kill(family)
        else:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, how)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        _kill(family)
        self.process.wait(STOP_SECONDS)

    def family(self) -> list[psutil.Process]:
        """The service's processes; the worker is in a group of its own."""
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        return []


def _kill(family: list[psutil.Process]) -> None:
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, STOP_SECONDS)


def start(folder: Path, *, settings: str, port: int | None = None, before: Sequence[str] = ()) -> Service:
    """Start the service with a settings file in `folder`, without waiting for it; `before`: its command's prefix."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = port or free_port()
    config, log = folder / "cis_ews.toml", folder / f"service-{chosen}.log"
    config.write_text(settings, encoding="utf-8")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("CIS_EWS_", "BENTOML"))}
    environment = {
        **outside,
        "CIS_EWS_CONFIG": str(config),
        "BENTOML_HOME": str(folder / "bentoml"),
        "TMPDIR": str(folder),  # a service that is killed leaves its temporary folders behind
        "PYTHONUNBUFFERED": "1",
    }
    command = [
        *before,
        Path(sys.executable).with_name("bentoml"),
        "serve",
        "serving.service:EarlyWarning",
        "--port",
        str(chosen),
    ]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_the_tests if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads are made here
        )
    return Service(process, f"http://127.0.0.1:{chosen}", log)


def _end_with_the_tests() -> None:
    """Ask Linux for a SIGTERM when the process of the tests is killed and cannot end the service itself."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def serving(folder: Path, *, settings: str, port: int | None = None, before: Sequence[str] = ()) -> Generator[Service]:
    """A service that is ready, until the end of the block."""
    service = start(folder, settings=settings, port=port, before=before)
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


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Served:
    """A service over two scored districts. `keys`: district -> key. `database`: the one behind the service."""

    service: Service
    folder: Path
    keys: Mapping[str, str]
    database: Database

    def scores(self, district: str, query: str = "") -> list[dict[str, Any]]:
        """All current scores of a district."""
        return self.service.get(f"/v1/scores?limit=1000{query}", key=self.keys[district]).json()["scores"]

    def sign_in(self, email: str, password: str, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to the sign-in form."""
        sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        body = urllib.parse.urlencode({"email": email, "password": password}).encode()
        return self.service.request("POST", "/sign-in", body=body, headers=sent)


def prepare_two_districts(folder: Path, *, model: RiskModel | None = None) -> str:
    """Score two districts into a store in `folder`, by rules or a model; returns the settings of a service over it."""
    extract, policy = write_extract(folder / "extract"), folder / "policy.toml"
    policy.write_text("config_version = 1\n[capacity]\nshare = 1.0\nnumber = 40\n", encoding="utf-8")
    score_night(
        extract,
        model=model or RulesModel(),
        policy=TierPolicy.load(policy),
        store=folder / "store",
        as_of=date.fromisoformat(AS_OF),
        groups=told_groups,
    )
    return f"""config_version = 1
[store]
path = "{folder / "store"}"
[policy]
tiers = "{policy}"
[sources.{LAKEVIEW}]
path = "{extract}"
districts = ["{LAKEVIEW}"]
[sources.lost]
path = "{folder / "nowhere"}"
districts = ["{LAKEVIEW}"]
"""


@contextmanager
def serve_two_districts(folder: Path, *, model: RiskModel | None = None) -> Generator[Served]:
    """A service over the two districts, scored by rules or a model."""
    settings = prepare_two_districts(folder, model=model)
    with Database(RunStore(folder / "store").database_url) as database:
        keys = {district: database.create_key(district, "test")[1] for district in (LAKEVIEW, HARBOR)}
        with serving(folder, settings=settings) as service:
            yield Served(service, folder, keys, database)
