"""One piece of work ahead of whoever uses what comes of it: on two cores the one is made while the other is used."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Made = TypeVar("Made")


def ahead(makes: Iterator[Made]) -> Generator[Made, None, None]:
    """The same items; while one is used, a thread of its own makes the next. What the making raises is raised here.

    Close it where it may not be used to its end: the thread that makes the items cannot wait for itself, and could be
    the one that collects it as garbage.
    """
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(_next, makes)
        while made := coming.result():
            coming = worker.submit(_next, makes)
            yield from made


def _next(makes: Iterator[Made]) -> list[Made]:
    """The next item as a list; an empty one at the end."""
    return list(islice(makes, 1))
