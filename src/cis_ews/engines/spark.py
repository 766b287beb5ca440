"""The passes of a night on Apache Spark: paths of parts go out, small rows come back, nothing is shuffled.

Each task is one partition, worked on by the same functions as everywhere else. The store and the extract have to lie
where every executor sees them under the same path (docs/spark.md). Needs the extra `spark` and Java 17.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from cis_ews.engines import probe
from cis_ews.engines.local import THREADS, threads_a_worker
from cis_ews.errors import ConfigError, EwsError, StorageError
from cis_ews.storage.workspace import Workspace

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
_SAID = "host string, said string"
_ASKED = 16
"""How many tasks ask the executors where nobody says how many cores they have."""
_SAME = "give every executor the environment of the driver: docs/spark.md, The same Python"
_SHARED = "put the store where all executors see it under the same path: docs/spark.md, Storage that all see"
_JAVA = "install Java 17 (Debian, Ubuntu: apt-get install openjdk-17-jre-headless), or use the local engine"
_DIED = "see the log of Spark; give an executor more memory or make parts smaller; the parts that are done are kept"


class SparkEngine:
    """Spark in place of `LocalEngine`: a session that is there, or one of this machine, as long as the engine lives.

    `session`: a SparkSession; the active one, if there is one, where none is given. Either is left as it is at the end.
    `master`: of the session that is made where there is none.
    """

    def __init__(self, session: Any | None = None, *, master: str = "local[*]") -> None:
        self._session = session
        self._is_ours = session is None
        self._master = master
        self._was_asked = False

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
        count = len(tasks)
        with threads_a_worker(1):
            session = self._started()
        self._ask(session, tasks)
        try:
            worker = _Worker(_sent_once(session, packed(work, tasks)))
            told = session.range(0, count, 1, count).mapInArrow(worker, _ROWS).collect()
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
            self._session = _spark("pyspark.sql").SparkSession.getActiveSession()
            self._is_ours = self._session is None
        if self._session is None:
            self._session = _new_session(self._master)
        return self._session

    def _ask(self, session: Any, tasks: Sequence[Any]) -> None:
        """Ask the executors, once, whether they are as this process is.

        Raises ConfigError where one has another Python or package, or does not see the folders of the tasks.
        """
        if self._was_asked:
            return
        folders = sorted({str(folder) for task in tasks for folder in _folders_of(task)})
        expected = probe.described(probe.PACKAGES, ()) | dict.fromkeys(folders, "seen")
        _spark("pyspark.cloudpickle").register_pickle_by_value(probe)
        count = 2 * _cores_of(session)
        try:
            asked = session.range(0, count, 1, count).mapInArrow(probe.asking(probe.PACKAGES, folders), _SAID)
            told = {row["host"]: json.loads(row["said"]) for row in asked.collect()}
        except _failures() as error:
            found = f"The executors could not say which versions they have: {type(error).__name__}"
            raise ConfigError(found, hint=f"see the log of Spark; {_SAME}") from None
        for host, said in sorted(told.items()):
            _refuse_other(host, said, expected)
        self._was_asked = True


def packed(work: Callable[[Task], Result], tasks: Sequence[Task]) -> bytes:
    """The work and all tasks in one: what tasks share, as the coverage of the extract, is in it once."""
    return pickle.dumps((work, list(tasks)))


def _sent_once(session: Any, content: bytes) -> Any:
    """A broadcast, which an executor fetches once and not with every task; the bytes where there is none (Connect)."""
    context = _context_of(session)
    return content if context is None else context.broadcast(content)


def _context_of(session: Any) -> Any | None:
    try:
        return session.sparkContext
    except _spark("pyspark.errors").PySparkException:
        return None


def _cores_of(session: Any) -> int:
    context = _context_of(session)
    return _ASKED if context is None else int(context.defaultParallelism)


def _folders_of(task: Any) -> list[Path]:
    """The folders of work or state that a task reads and writes."""
    fields = getattr(task, "__dataclass_fields__", {})
    return [value.folder for value in (getattr(task, name) for name in fields) if isinstance(value, Workspace)]


def _refuse_other(host: str, said: Mapping[str, str], expected: Mapping[str, str]) -> None:
    other = [name for name in expected if said.get(name) != expected[name]]
    folders = [name for name in other if expected[name] == "seen"]
    if folders:
        raise ConfigError(f"The executor on {host} does not see {', '.join(folders)}", hint=_SHARED)
    if other:
        found = ", ".join(f"{name} {said.get(name)} in place of {expected[name]}" for name in other)
        raise ConfigError(f"The executor on {host} is not as the driver: {found}", hint=_SAME)


class _Worker:
    """What an executor does: unpack the tasks whose places it was given, and pack what comes of each."""

    def __init__(self, sent: Any) -> None:
        self._sent = sent

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        # Before the first library with threads of its own is loaded, which unpacking a task does.
        for name in THREADS:
            os.environ.setdefault(name, "1")
        arrow = import_module("pyarrow")
        schema = arrow.schema([("place", arrow.int64()), ("outcome", arrow.binary())])
        sent: bytes = self._sent if isinstance(self._sent, bytes) else self._sent.value
        for batch in batches:
            places: list[int] = batch.column(0).to_pylist()
            for place in places:
                outcome = pickle.dumps(_outcome(sent, place))
                yield arrow.RecordBatch.from_pydict({"place": [place], "outcome": [outcome]}, schema=schema)


class _Failed(Exception):  # noqa: N818 - never raised: it carries the name of an error
    """An error that cannot travel: its class may be unknown where it arrives, and its text could carry a value."""


def _outcome(sent: bytes, place: int) -> object:
    try:
        work, tasks = pickle.loads(sent)  # noqa: S301 - packed by `run`
        return work(tasks[place])
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
