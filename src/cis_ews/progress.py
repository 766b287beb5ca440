"""Progress, handed down by whoever has a screen; the library itself is silent."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol


class Progress(Protocol):
    """What a long call tells its caller. Names of steps and counts only: never a student's name, id or value."""

    def step(self, name: str, *, total: int | None = None) -> AbstractContextManager[object]:
        """Enter one named step; `total` is the number of `advance` calls to expect, where it is known."""
        ...

    def advance(self, amount: int = 1) -> None:
        """Say that `amount` more units of the current step are done."""
        ...


class Silent:
    """Progress that nobody watches."""

    def step(self, name: str, *, total: int | None = None) -> AbstractContextManager[object]:  # noqa: ARG002
        """Do nothing."""
        return nullcontext()

    def advance(self, amount: int = 1) -> None:
        """Do nothing."""


SILENT: Progress = Silent()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """What one step cost: wall and CPU seconds, and the most memory the process had held when the step ended."""

    wall_seconds: float
    cpu_seconds: float
    peak_memory_mb: float


class Stopwatch:
    """Progress that notes what every outermost step costs, and passes everything on."""

    def __init__(self, watched: Progress = SILENT) -> None:
        self._watched = watched
        self._depth = 0
        self.times: dict[str, StageTime] = {}

    @contextmanager
    def step(self, name: str, *, total: int | None = None) -> Generator[None]:
        """Enter a step, and note its cost unless it is a part of another."""
        wall, cpu = time.perf_counter(), time.process_time()
        self._depth += 1
        try:
            with self._watched.step(name, total=total):
                yield
        finally:
            self._depth -= 1
        if not self._depth:
            self.times[name] = StageTime(
                wall_seconds=round(time.perf_counter() - wall, 3),
                cpu_seconds=round(time.process_time() - cpu, 3),
                peak_memory_mb=round(_peak_memory_mb(), 1),
            )

    def advance(self, amount: int = 1) -> None:
        """Pass it on."""
        self._watched.advance(amount)


def _peak_memory_mb() -> float:
    bytes_a_unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_a_unit / 1e6
