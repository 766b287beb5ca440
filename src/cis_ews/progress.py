"""Progress, handed down by whoever has a screen; the library itself is silent."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
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
