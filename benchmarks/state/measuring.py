"""What a piece of work costs that is done in a process of its own: seconds on the clock, CPU seconds, memory.

CPU seconds are those of the process and of all its children. Memory is what they hold for themselves (unique set size),
added up, at its highest; looked at five times a second, and more seldom where that takes more than a twentieth of a
core: to look at large processes takes long, and those seconds are not counted. Starting a stage's process and its
workers, with their imports, is not in its time; what they hold is in its memory.
"""

from __future__ import annotations

import multiprocessing
import platform
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from cis_ews.engines.local import available_cores, end_with_parent

EVERY = 0.2
LOOKS = 20
"""Of the time, one part in so many at most is spent on looking."""
Within = Callable[[], AbstractContextManager[Any]]
PACKAGES = ("polars", "duckdb", "pandas", "lightgbm", "shap", "numba", "numpy")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Wall and CPU seconds, and MB of memory at the start and at the highest so far, all processes together."""

    wall: float
    cpu: float
    start_mb: float
    peak_mb: float

    def times(self, factor: float) -> Cost:
        """The cost of so many times as much; what was held at the start is held once."""
        grown = self.peak_mb - self.start_mb
        return Cost(
            wall=factor * self.wall,
            cpu=factor * self.cpu,
            start_mb=self.start_mb,
            peak_mb=self.start_mb + factor * grown,
        )


class Watch:
    """Progress that notes what each outermost step costs, all processes together."""

    def __init__(self) -> None:
        self.steps: dict[str, Cost] = {}
        self.peak = 0.0
        self._depth = 0
        self._looking = 0.0
        self._me = psutil.Process()
        threading.Thread(target=self._look_on, daemon=True).start()

    @contextmanager
    def step(self, name: str, *, total: int | None = None) -> Generator[None]:  # noqa: ARG002 - the protocol
        """Note the cost of a step."""
        start_mb, wall, cpu = self._look(), time.perf_counter(), self._cpu()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        if not self._depth:
            self._look()
            self.steps[name] = Cost(
                wall=time.perf_counter() - wall, cpu=self._cpu() - cpu, start_mb=start_mb, peak_mb=self.peak
            )

    def advance(self, amount: int = 1) -> None:
        """Nothing to show."""

    def _cpu(self) -> float:
        """Of the process, of its children that have ended, and of those that have not; without those of looking on."""
        spent = sum(self._me.cpu_times()[:4]) - self._looking
        for child in self._children():
            try:
                spent += sum(child.cpu_times()[:2])
            except psutil.Error:
                continue
        return spent

    def _children(self) -> list[psutil.Process]:
        return self._me.children(recursive=True)

    def _look(self) -> float:
        """What is held now, in MB."""
        held = 0
        for process in [self._me, *self._children()]:
            try:
                held += process.memory_full_info().uss
            except psutil.Error:
                continue
        self.peak = max(self.peak, held / 1e6)
        return held / 1e6

    def _look_on(self) -> None:
        while True:
            began = time.perf_counter()
            self._look()
            self._looking = time.thread_time()
            time.sleep(max(EVERY, LOOKS * (time.perf_counter() - began)))


def apart(work: Callable[..., Any], *arguments: object, within: Within | None = None) -> tuple[Any, Cost]:
    """What some work gives that is done in a process of its own, and what it costs.

    `within`: gives a context in which the work is done, and whose value it gets first; entering it does not count.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent) as pool:
        return pool.submit(_costed, work, arguments, within).result()


def _costed(work: Callable[..., Any], arguments: Sequence[object], within: Within | None) -> tuple[Any, Cost]:
    watch = Watch()
    with nullcontext() if within is None else within() as given:
        first = [] if within is None else [given]
        with watch.step("work"):
            result = work(*first, *arguments)
    return result, watch.steps["work"]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": available_cores(),
        "cpu": _cpu_model(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "load_before": psutil.getloadavg()[0],
    }


def _cpu_model() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
