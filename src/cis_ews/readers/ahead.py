"""One piece of work ahead of whoever uses what comes of it: on two cores the one is made while the other is used."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Made = TypeVar("Made")


def ahead(makes: Iterator[Made]) -> Iterator[Made]:
    """The same items; while one is used, a thread of its own makes the next. What the making raises is raised here."""
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(_next, makes)
        while made := coming.result():
            coming = worker.submit(_next, makes)
            yield from made


def _next(makes: Iterator[Made]) -> list[Made]:
    """The next item as a list; an empty one at the end."""
    return list(islice(makes, 1))
