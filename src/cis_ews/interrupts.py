"""Being asked to end: Ctrl-C, SIGTERM (`kill`, systemd, a container that stops) and SIGHUP (a terminal that closes).

Each ends a command as an error would: everything is put in order on the way out, which no default of the system does
for the last two. What a signal does in a process that someone has told otherwise (`nohup`) stays as it is.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)
OF_SHELLS = 128
"""A shell's exit code for a process that a signal has ended is this and the signal's number."""
INTERRUPTED = OF_SHELLS + signal.SIGINT
"""After Ctrl-C; of typer too, where a library has raised KeyboardInterrupt."""


@dataclass(frozen=True, slots=True)
class Left:
    """How things are left where a command is ended: what is found, and what to do; both may be empty."""

    found: str = ""
    hint: str = ""


class EndedError(BaseException):
    """A signal has asked the command to end. No `Exception`: nothing that mends errors may take it for one."""

    def __init__(self, number: signal.Signals, left: Left) -> None:
        super().__init__(number.name)
        self.signal = number
        self.left = left

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""
        return OF_SHELLS + self.signal


class Hearing:
    """The first signal that asked this command to end, if one has."""

    def __init__(self) -> None:
        self.ended: EndedError | None = None
        self.is_told = False

    def end(self, number: int, _: FrameType | None) -> None:
        """The handler: ends what the main thread does. What comes once that is told has nothing to add."""
        if self.is_told:
            return
        self.ended = self.ended or EndedError(signal.Signals(number), _left())
        raise self.ended


_leaves: list[Callable[[], Left]] = []


def _left() -> Left:
    return _leaves[-1]() if _leaves else Left()


@contextmanager
def leaving(left: Callable[[], Left]) -> Generator[None]:
    """While this runs, a command that is ended leaves what `left` says when the signal comes."""
    _leaves.append(left)
    try:
        yield
    except KeyboardInterrupt:  # of a library that has put its own handler in the place of ours, as Spark does
        raise EndedError(signal.SIGINT, left()) from None
    finally:
        _leaves.pop()


@contextmanager
def hearing() -> Generator[Hearing]:
    """Have each signal that asks to end raise `EndedError` in the main thread; in another thread nothing is changed."""
    heard = Hearing()
    if threading.current_thread() is not threading.main_thread():
        yield heard
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    ours = [number for number in ENDING if before[number] in DEFAULTS]
    for number in ours:
        signal.signal(number, heard.end)
    try:
        yield heard
    finally:
        for number in ours:
            signal.signal(number, before[number])


def hear_no_more() -> None:
    """The process is about to end, and has said why: an impatient second Ctrl-C must not show the code it meets."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def held_back() -> Generator[None]:
    """Keep these signals from processes that are started in here, for as long as they live; this one gets them after.

    What is started inherits that they are blocked, and so shows nothing even while it loads. A start is not broken off
    in the middle, as its other end would complain of it.
    """
    if threading.current_thread() is not threading.main_thread():
        with _blocked():
            yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in ENDING}
    ours = [number for number in ENDING if before[number] not in (signal.SIG_IGN, None)]
    for number in ours:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        with _blocked():
            yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
        for number in came:
            signal.raise_signal(number)


@contextmanager
def _blocked() -> Generator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
