"""Worker processes on this machine: spawned, handed paths, with the cores shared out between them.

One worker a core, and one thread in each of its libraries: work on a part is many small steps, of which threads would
mostly wait for each other. A worker ends with its parent, however that ends, and by it alone: what asks to end, and is
sent to every process by a terminal or systemd, is for the parent to answer.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import TypeVar

from cis_ews.errors import StorageError
from cis_ews.garbage import collect_seldom
from cis_ews.interrupts import held_back
from cis_ews.night.engine import InProcess

Task = TypeVar("Task")
Result = TypeVar("Result")

THREADS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What tells polars, LightGBM, numba and numpy how many threads to start; read when a process loads them."""

ALLOCATION = "_RJEM_MALLOC_CONF"
KEEP = "dirty_decay_ms:-1,muzzy_decay_ms:-1,narenas:1"
"""How a worker's polars keeps memory that it has used for what it needs next, as every part needs about the same: to
give it back after a while and ask for it again costs a tenth of a part's time, and more where other work makes the
while long (docs/benchmarks.md). A worker holds what its largest part needed until it ends, before a night publishes."""
SET_BY_POLARS = "dirty_decay_ms:500,muzzy_decay_ms:1000"
"""What polars puts there when it is imported, before what was set already: nobody's wish."""


class LocalEngine:
    """`workers` processes, one a core by default; a single task is done in this process.

    Use it as a context manager, or call `close`: the workers stay for the passes of a night.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or available_cores()
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not issubclass(kind, Exception):
            _kill_workers()
        self.close()

    def run(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Future[Result]]]:
        """As `cis_ews.night.engine.Engine.run`. A worker that dies takes the tasks that were not done with it."""
        if len(tasks) < 2 or self.workers < 2:
            yield from InProcess().run(work, tasks)
            return
        with threads_a_worker(1):
            try:
                places = {self._submitted(work, task): place for place, task in enumerate(tasks)}
                for future in as_completed(places):
                    yield places[future], self._told(future)
            except GeneratorExit:
                raise
            except BaseException as error:
                if not isinstance(error, Exception):  # ended: before the store is given free nobody writes to it
                    _kill_workers()
                raise

    def rest(self) -> None:
        """End the workers; the next run starts new ones."""
        self.close()

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _submitted(self, work: Callable[[Task], Result], task: Task) -> Future[Result]:
        """The task's future; one that has failed, where a worker has died before the task was taken."""
        pool = self._workers()
        try:
            with held_back():
                return pool.submit(work, task)
        except BrokenProcessPool as error:
            broken: Future[Result] = Future()
            broken.set_exception(error)
            return broken

    def _workers(self) -> ProcessPoolExecutor:
        if self._pool is None:
            with held_back():  # it starts a process that clears up after the others
                self._pool = ProcessPoolExecutor(
                    max_workers=self.workers, mp_context=_Workers(), initializer=begin_worker
                )
        return self._pool

    def _told(self, future: Future[Result]) -> Future[Result]:
        """The future itself; in words where its worker died."""
        if not isinstance(future.exception(), BrokenProcessPool):
            return future
        self.close()
        died: Future[Result] = Future()
        died.set_exception(StorageError("a worker process died: killed, or out of memory", hint=_DIED))
        return died


class _Worker(SpawnProcess):
    """A process that is deaf to SIGTERM, as to all that asks to end."""

    def terminate(self) -> None:
        """As `kill`: what a worker writes is whole or not there, however it ends."""
        self.kill()


class _Workers(SpawnContext):
    """How workers are started."""

    Process = _Worker


def _kill_workers() -> None:
    """End the workers of this process in the middle of what they do."""
    for child in multiprocessing.active_children():
        if isinstance(child, _Worker):
            child.kill()


_DIED = "see to the memory of the machine, or use fewer workers; the parts that are done are kept: run again"


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def threads_a_worker(threads: int) -> Generator[None]:
    """The environment that workers inherit; put back afterwards. What someone has set for allocation counts more."""
    wished = os.environ.get(ALLOCATION, "").removeprefix(SET_BY_POLARS).removeprefix(",")
    given = {ALLOCATION: ",".join(filter(None, (KEEP, wished)))}  # of two settings the last one counts
    before = {name: os.environ.get(name) for name in (*THREADS, *given)}
    os.environ.update({**dict.fromkeys(THREADS, str(threads)), **given})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def begin_worker() -> None:
    """Set a worker up for much work on large tables, before it imports what does it (docs/benchmarks.md).

    Its libraries hand every step to a thread of theirs and wait: as batch work, neither interrupts the other.
    """
    collect_seldom()
    if hasattr(os, "SCHED_BATCH") and os.sched_getscheduler(0) == os.SCHED_OTHER:  # else somebody has chosen
        with suppress(OSError):  # where a container does not let it, the worker is slower, and as good
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    end_with_parent()


def end_with_parent() -> None:
    """Watch for the end of the parent from a thread: a killed parent cannot say good-bye."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_end, args=(parent.sentinel,), daemon=True).start()


def _wait_and_end(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
