"""The passes of a night on Apache Spark: paths of parts go out, small rows come back, nothing is shuffled.

Each task is one partition, worked on by the same functions as everywhere else. The store and the extract have to lie
where every executor sees them under the same path (docs/spark.md). Needs the extra `spark` and Java 17.
"""

from __future__ import annotations

import os
import pickle
import shutil
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, TypeVar

from cis_ews.engines.local import THREADS, threads_a_worker
from cis_ews.errors import ConfigError, EwsError, StorageError

Task = TypeVar("Task")
Result = TypeVar("Result")

_OURS: Mapping[str, str] = {
    "spark.app.name": "cis_ews",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.log.level": "ERROR",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
"""Of a session that is made here, on this machine alone: a cluster's session is made by whoever knows the cluster."""
_ROWS = "place long, outcome binary"
_JAVA = "install Java 17 (Debian, Ubuntu: apt-get install openjdk-17-jre-headless), or use the local engine"
_DIED = "see the log of Spark; give an executor more memory or make parts smaller; the parts that are done are kept"


class SparkEngine:
    """Spark in place of `LocalEngine`: a session that is there, or one of this machine, as long as the engine lives.

    `session`: a SparkSession, which is left as it is at the end. `master`: of the session that is made without one.
    """

    def __init__(self, session: Any | None = None, *, master: str = "local[*]") -> None:
        self._session = session
        self._is_ours = session is None
        self._master = master

    def __enter__(self) -> SparkEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Future[Result]]]:
        """As `cis_ews.night.engine.Engine.run`; what came of the tasks is known when all have ended.

        Raises ConfigError where Spark or Java is missing.
        """
        if not tasks:
            return
        count, sent = len(tasks), [pickle.dumps((work, task)) for task in tasks]
        with threads_a_worker(1):
            session = self._started()
        try:
            told = session.range(0, count, 1, count).mapInArrow(_Worker(sent), _ROWS).collect()
            outcomes = {row["place"]: pickle.loads(row["outcome"]) for row in told}  # noqa: S301 - our own
        except _failures() as error:
            # Only its kind: the text of a Java error can hold what it worked on.
            outcomes = dict.fromkeys(range(count), StorageError(f"Spark gave up: {type(error).__name__}", hint=_DIED))
        for place in range(count):
            yield place, _future(outcomes[place])

    def rest(self) -> None:
        """As `Engine.rest`: Spark keeps its executors by its own rules."""

    def close(self) -> None:
        """End the session that was made here."""
        if self._is_ours and self._session is not None:
            with suppress(*_failures()):  # Java has ended before
                self._session.stop()
            self._session = None

    def _started(self) -> Any:
        if self._session is None:
            self._session = _new_session(self._master)
        return self._session


class _Worker:
    """What an executor does: unpack the tasks whose places it was given, and pack what comes of each."""

    def __init__(self, tasks: Sequence[bytes]) -> None:
        self._tasks = tasks

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        # Before the first library with threads of its own is loaded, which unpacking a task does.
        for name in THREADS:
            os.environ.setdefault(name, "1")
        arrow = import_module("pyarrow")
        schema = arrow.schema([("place", arrow.int64()), ("outcome", arrow.binary())])
        for batch in batches:
            places: list[int] = batch.column(0).to_pylist()
            for place in places:
                outcome = pickle.dumps(_outcome(self._tasks[place]))
                yield arrow.RecordBatch.from_pydict({"place": [place], "outcome": [outcome]}, schema=schema)


class _Failed(Exception):  # noqa: N818 - never raised: it carries the name of an error
    """An error that cannot travel: its class may be unknown where it arrives, and its text could carry a value."""


def _outcome(sent: bytes) -> object:
    try:
        work, task = pickle.loads(sent)  # noqa: S301 - packed by `run`
        return work(task)
    except EwsError as error:
        return error
    except Exception as error:  # noqa: BLE001 - the boundary of the process: a failing task must not end the others
        return _Failed(type(error).__name__)


def _future(outcome: Any) -> Future[Any]:
    future: Future[Any] = Future()
    if isinstance(outcome, EwsError):
        future.set_exception(outcome)
    elif isinstance(outcome, _Failed):
        future.set_exception(type(str(outcome), (Exception,), {})())
    else:
        future.set_result(outcome)
    return future


def _new_session(master: str) -> Any:
    sql = _spark("pyspark.sql")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise ConfigError("Spark needs Java, and there is none", hint=_JAVA)
    builder = sql.SparkSession.builder.master(master)
    for name, value in _OURS.items():
        builder = builder.config(name, value)
    with _same_python():
        try:
            return builder.getOrCreate()
        except _failures() as error:
            raise ConfigError(f"Spark did not start: {type(error).__name__}", hint=_JAVA) from None


def _spark(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        found = f"The Spark engine needs the package {missing.name}"
        raise ConfigError(found, hint="install it: pip install 'cis_ews[spark]'") from None


def _failures() -> tuple[type[Exception], ...]:
    """What Spark raises where it fails, and where its Java has ended."""
    return _spark("pyspark.errors").PySparkException, _spark("py4j.protocol").Py4JError, ConnectionError


@contextmanager
def _same_python() -> Generator[None]:
    """What Spark looks for while it starts: this Python for workers, and this machine's own address; then as before."""
    named = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    ours = {name: value for name, value in named.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]
