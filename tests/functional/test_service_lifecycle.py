"""Starting, refusing to start, dying and starting again."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from cis_ews.storage.database import Database
from cis_ews.storage.store import RunStore
from tests.lib.districts import LAKEVIEW
from tests.lib.service import Service, prepare_two_districts, serving, start

LATER = "2026-03-02"


@contextmanager
def _busy(database: Path) -> Generator[None]:
    """Hold the database's write lock, so that a night cannot end before the test wants it to."""
    connection = sqlite3.connect(database, isolation_level=None, timeout=60)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


def _wait_for(service: Service, job_id: str, key: str, status: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if service.get(f"/v1/nights/{job_id}", key=key).json()["status"] == status:
            return
        time.sleep(0.01)
    raise AssertionError(f"the night was never {status}")


def test_a_killed_night_is_interrupted_at_the_next_start_and_its_id_is_known(tmp_path: Path) -> None:
    settings = prepare_two_districts(tmp_path)
    with Database(RunStore(tmp_path / "store").database_url) as database:
        key = database.create_key(LAKEVIEW, "test")[1]
    with serving(tmp_path, settings=settings) as service:
        done = service.post("/v1/nights", {"source": "lost", "as_of": LATER}, key=key).json()["job_id"]
        service.wait_for_night(done, key)
        running, waiting = (
            service.post("/v1/nights", {"source": LAKEVIEW, "as_of": LATER}, key=key).json()["job_id"] for _ in range(2)
        )
        _wait_for(service, running, key, "running")
        with _busy(tmp_path / "store/cis_ews.db"):
            service.stop(signal.SIGKILL)
    with serving(tmp_path, settings=settings) as service:
        found = {job: service.get(f"/v1/nights/{job}", key=key).json() for job in (done, running, waiting)}
        assert [job["status"] for job in found.values()] == ["failed", "interrupted", "interrupted"]
        assert found[running]["error_code"] == "interrupted"
        # The store is whole, and the same night can be asked for again.
        again = service.post("/v1/nights", {"source": LAKEVIEW, "as_of": LATER}, key=key).json()["job_id"]
        assert service.wait_for_night(again, key)["status"] == "done"
        assert service.get("/v1/scores", key=key).json()["as_of"] == LATER


def test_the_worker_does_not_outlive_its_parent(tmp_path: Path) -> None:
    with Database(RunStore(tmp_path / "store").database_url) as database:
        database.upgrade()
    with serving(tmp_path, settings=f'config_version = 1\n[store]\npath = "{tmp_path}/store"\n') as service:
        family = service.family()
        os.kill(service.process.pid, signal.SIGKILL)
        assert psutil.wait_procs(family, 30)[1] == []


def test_a_stop_waits_for_the_night_and_leaves_no_process_and_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This variable makes BentoML print its usage reports in place of sending them.
    monkeypatch.setenv("__BENTOML_DEBUG_USAGE", "True")
    settings = prepare_two_districts(tmp_path)
    with Database(RunStore(tmp_path / "store").database_url) as database:
        key = database.create_key(LAKEVIEW, "test")[1]
        with serving(tmp_path, settings=settings) as service:
            job_id = service.post("/v1/nights", {"source": LAKEVIEW, "as_of": LATER}, key=key).json()["job_id"]
            _wait_for(service, job_id, key, "running")
            family = service.family()
            assert len(family) == 2
            with _busy(tmp_path / "store/cis_ews.db"):
                os.kill(service.process.pid, signal.SIGTERM)
                time.sleep(1)
            assert psutil.wait_procs(family, 60)[1] == []
            assert "Tracking Payload" not in service.output()
            assert "listening on http://127.0.0.1:" in service.output()
        job = database.job(job_id, LAKEVIEW)
        assert job is not None
        assert job.status == "done"


@pytest.mark.parametrize(
    ("settings", "exit_code", "said"),
    [
        ('config_version = 1\n[store]\npath = "{folder}/none"\n', 5, "there is no database at"),
        ('config_version = 1\n[sources.a]\npath = "{folder}"\n', 2, "sources.a.districts"),
    ],
)
def test_it_refuses_to_start_in_plain_words(tmp_path: Path, settings: str, exit_code: int, said: str) -> None:
    service = start(tmp_path, settings=settings.format(folder=tmp_path))
    try:
        assert service.process.wait(60) == exit_code
    finally:
        service.stop()
    told = service.output()
    assert "The service cannot start: " in told
    assert said in told
    assert "Traceback" not in told
