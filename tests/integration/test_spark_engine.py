"""A night on Spark: the bytes of the local engine, its errors in our words, nothing left running."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from cis_ews import RulesModel, ScoreRun, TierPolicy, score_night
from cis_ews.engines.local import LocalEngine
from cis_ews.engines.spark import SparkEngine
from cis_ews.errors import ConfigError, EwsError, StorageError
from cis_ews.night.engine import Engine
from cis_ews.synthetic import write_district
from tests.lib.children import child

DAY = date(2026, 2, 27)
needs_spark = pytest.mark.skipif(
    shutil.which("java") is None or find_spec("pyspark") is None,
    reason="the Spark engine needs Java 17 and the extra `spark`",
)
SESSION = """
import time
from cis_ews.engines.spark import SparkEngine
engine = SparkEngine(master="local[1]")
for _ in engine.run(abs, [-1]):
    print("works", flush=True)
time.sleep(600)
"""
JAVA_DIES = """
import os
import psutil
from cis_ews.engines.spark import SparkEngine
with SparkEngine(master="local[1]") as engine:
    print([future.result() for _, future in engine.run(abs, [-1])], flush=True)
    for process in psutil.Process().children(recursive=True):
        if process.name() == "java":
            process.kill()
            process.wait()
    error = [future.exception() for _, future in engine.run(abs, [-1])][0]
    print(f"{type(error).__name__}: Spark gave up: {'Spark gave up' in error.message}", flush=True)
print(os.environ.get("PYSPARK_PYTHON"), os.environ.get("SPARK_LOCAL_IP"), flush=True)
"""


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkEngine]:
    with SparkEngine(master="local[2]") as engine:
        yield engine


def _night(extract: Path, store: Path, engine: Engine) -> ScoreRun:
    judge, policy = RulesModel(), TierPolicy.load()
    return score_night(extract, model=judge, policy=policy, store=store, as_of=DAY, engine=engine, students_a_part=90)


def _bytes(night: ScoreRun) -> dict[str, str]:
    files = (path for path in night.run.path.iterdir() if path.name != "timings.json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def refuses(number: int) -> int:
    """Work that fails in our own words, in those of a library, or not at all."""
    if number == 1:
        raise StorageError("the disk is full", hint="make room")
    if number == 2:
        raise ZeroDivisionError("a value")
    return number * 10


def ends(number: int) -> int:
    """Work that takes its process with it."""
    os._exit(number)


@needs_spark
@pytest.mark.parametrize("layout", ["csv", "parquet"])
def test_spark_gives_the_bytes_of_the_local_engine(tmp_path: Path, spark: SparkEngine, layout: str) -> None:
    extract = tmp_path / "extract"
    write_district(extract, students=300, years=2, seed=11, format=layout, through=DAY)
    with LocalEngine(2) as local:
        expected = _night(extract, tmp_path / "local", local)
    found = _night(extract, tmp_path / "spark", spark)
    assert found.run.run_id == expected.run.run_id
    assert _bytes(found) == _bytes(expected)


@needs_spark
def test_a_task_that_fails_does_not_stop_the_others(spark: SparkEngine) -> None:
    futures = dict(spark.run(refuses, range(4)))
    errors = {place: future.exception() for place, future in futures.items()}
    assert [errors[0], errors[3]] == [None, None]
    assert [futures[0].result(), futures[3].result()] == [0, 30]
    refused, failed = errors[1], errors[2]
    assert isinstance(refused, EwsError)
    assert (refused.message, refused.hint) == ("the disk is full", "make room")
    assert (type(failed).__name__, str(failed)) == ("ZeroDivisionError", "")


@needs_spark
def test_a_worker_that_dies_is_told(spark: SparkEngine) -> None:
    errors = [future.exception() for _, future in spark.run(ends, [3, 3])]
    assert all(isinstance(error, StorageError) and "Spark gave up" in error.message for error in errors)
    assert [future.result() for _, future in spark.run(abs, [-1, -2])] == [1, 2]


@needs_spark
def test_java_that_dies_is_told_and_nothing_is_left_in_the_environment() -> None:
    with child(JAVA_DIES) as process:
        out, err = process.communicate(timeout=120)
    assert out.splitlines() == ["[1]", "StorageError: Spark gave up: True", "None None"], err[-2000:]


@needs_spark
def test_nothing_is_done_for_no_task(spark: SparkEngine) -> None:
    assert list(spark.run(abs, [])) == []


@needs_spark
def test_no_process_outlives_a_killed_parent() -> None:
    with child(SESSION, PYSPARK_SUBMIT_ARGS="pyspark-shell") as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "works\n"
        others = psutil.Process(parent.pid).children(recursive=True)
        assert others
        os.kill(parent.pid, signal.SIGKILL)
        end = time.monotonic() + 60
        while time.monotonic() < end and any(_runs(process) for process in others):
            time.sleep(0.2)
        assert [process for process in others if _runs(process)] == []


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_without_java_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("pyspark") is None:
        with pytest.raises(ConfigError, match="needs the package pyspark"):
            list(SparkEngine().run(abs, [-1]))
        return
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ConfigError, match="needs Java"):
        list(SparkEngine().run(abs, [-1]))
