"""A night on Spark: the bytes of the local engine, its errors in our words, nothing left running."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from cis_ews import RulesModel, ScoreRun, TierPolicy, score_night
from cis_ews.engines.local import LocalEngine
from cis_ews.engines.spark import SparkEngine, packed
from cis_ews.errors import ConfigError, EwsError, StorageError
from cis_ews.night.engine import Engine
from cis_ews.storage.workspace import Workspace
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
NO_JAVA = """
import os
from cis_ews.engines.spark import SparkEngine
from cis_ews.errors import ConfigError
os.environ.pop("JAVA_HOME", None)
try:
    list(SparkEngine().run(abs, [-1]))
except ConfigError as error:
    print(error.message, flush=True)
"""
OTHER = """
import sys
from pyspark.sql import SparkSession
from cis_ews.engines.spark import SparkEngine
from cis_ews.errors import ConfigError
session = (SparkSession.builder.master("local[1]").config("spark.executorEnv.PYTHONPATH", sys.argv[1])
           .config("spark.log.level", "ERROR").config("spark.ui.enabled", "false").getOrCreate())
with SparkEngine() as engine:
    try:
        list(engine.run(abs, [-1]))
    except ConfigError as error:
        print(f"{error.message} ({error.hint})", flush=True)
print(session.range(3).count(), flush=True)
"""


@dataclass(frozen=True)
class WriteTask:
    """A task of a night, as far as Spark looks at it."""

    workspace: Workspace


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
def test_a_session_that_is_active_is_used_and_left_running(spark: SparkEngine) -> None:
    assert [future.result() for _, future in spark.run(abs, [-1])] == [1]
    with SparkEngine(master="local[9]") as other:
        assert [future.result() for _, future in other.run(abs, [-2])] == [2]
    assert [future.result() for _, future in spark.run(abs, [-3])] == [3]


@needs_spark
def test_executors_that_are_not_as_the_driver_stop_the_night(tmp_path: Path) -> None:
    (tmp_path / "polars-0.0.1.dist-info").mkdir()
    (tmp_path / "polars-0.0.1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: polars\nVersion: 0.0.1\n"
    )
    with child(OTHER, str(tmp_path), PYSPARK_PYTHON=sys.executable) as process:
        out, err = process.communicate(timeout=120)
    told = out.splitlines()
    assert len(told) == 2, err[-2000:]
    assert re.fullmatch(r"The executor on \S+ is not as the driver: polars 0.0.1 in place of \S+ \(give .*\)", told[0])
    assert told[1] == "3"


@needs_spark
def test_executors_that_do_not_see_the_store_stop_the_night(spark: SparkEngine, tmp_path: Path) -> None:
    list(spark.run(abs, [-1]))
    task = WriteTask(Workspace(tmp_path / "nowhere"))
    with SparkEngine() as engine, pytest.raises(ConfigError, match=f"does not see {tmp_path / 'nowhere'}"):
        list(engine.run(str, [task]))


def test_what_tasks_share_is_packed_once() -> None:
    shared = random.Random(1).randbytes(100_000)
    sizes = [len(packed(refuses, [(place, shared) for place in range(count)])) for count in (1, 200)]
    assert sizes[1] - sizes[0] < 200 * 20


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


def test_without_java_the_message_says_what_to_install() -> None:
    if find_spec("pyspark") is None:
        with pytest.raises(ConfigError, match="needs the package pyspark"):
            list(SparkEngine().run(abs, [-1]))
        return
    # In a process of its own: a session that is active here would be used, and needs no Java of ours.
    with child(NO_JAVA, PATH="") as process:
        out, err = process.communicate(timeout=120)
    assert "needs Java" in out, err[-2000:]
