"""How a pass is carried over the parts: here, one after the other in this process; elsewhere, by worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar

from cis_ews.errors import EwsError, StorageError
from cis_ews.progress import Progress
from cis_ews.wording import counted

Task = TypeVar("Task")
Result = TypeVar("Result")


class Engine(Protocol):
    """Whatever can do the same work on several tasks, in any order and place.

    Work and tasks are handed to other processes: both must be picklable, and refer to large things by their paths.
    """

    def run(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Future[Result]]]:
        """Each task's place among `tasks` and what came of it, as it ends. One that fails does not stop the others."""
        ...

    def rest(self) -> None:
        """Give back what is held for the next run, as memory: none comes soon."""
        ...


class InProcess:
    """Task after task, in this process."""

    def run(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Future[Result]]]:
        """As `Engine.run`."""
        for place, task in enumerate(tasks):
            future: Future[Result] = Future()
            try:
                future.set_result(work(task))
            except EwsError as error:
                future.set_exception(error)
            yield place, future

    def rest(self) -> None:
        """As `Engine.rest`: nothing is held."""


def over_parts(
    engine: Engine, work: Callable[[Task], Result], tasks: Sequence[Task], *, progress: Progress
) -> list[Result]:
    """What came of every task, in the order of the tasks.

    Raises, after all others are done, the error of the first part that failed, with how many failed.
    """
    done: dict[int, Result] = {}
    failed: dict[int, BaseException] = {}
    for place, future in engine.run(work, tasks):
        error = future.exception()
        if error is None:
            done[place] = future.result()
        else:
            failed[place] = error
        progress.advance()
    if failed:
        raise _told(failed, parts=len(tasks)) from None
    return [done[place] for place in range(len(tasks))]


def _told(failed: dict[int, BaseException], *, parts: int) -> EwsError:
    """The first failure in its own class; with the numbers of the parts, unless it is that of all."""
    first = failed[min(failed)]
    if not isinstance(first, EwsError):
        # Nothing of the error itself: its text could carry what it worked on.
        hint = _MEMORY if isinstance(first, MemoryError) else _FAULT
        first = StorageError(f"a part of the night ended with {type(first).__name__}", hint=hint)
    if len({str(error) for error in failed.values()}) == 1 and len(failed) == parts:
        return first
    places = ", ".join(str(place + 1) for place in sorted(failed)[:10]) + (", ..." if len(failed) > 10 else "")
    which = f"{counted(len(failed), 'part')} of {parts} of the night failed ({places})"
    return type(first)(f"{which}: {first.message}", hint=first.hint or _AGAIN, parts=sorted(failed))


_MEMORY = "give it more memory, fewer workers or smaller parts; the parts that are done are kept: run the night again"
_FAULT = "this is a fault of the program: report it with the versions of the packages; to run again will not mend it"
_AGAIN = "the parts that are done are kept: run the night again"
