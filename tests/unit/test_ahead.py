"""Work that is done one piece ahead gives what it gives otherwise."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from cis_ews.readers.ahead import ahead


@pytest.mark.parametrize("items", [[], [None], [0], ["", None, 1], list(range(7))])
def test_every_item_in_its_order(items: list[object]) -> None:
    assert list(ahead(iter(items))) == items


def test_one_item_is_made_ahead_and_no_more() -> None:
    made: list[int] = []
    done = threading.Semaphore(0)

    def making() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            yield number
            done.release()

    coming = ahead(making())
    assert next(coming) == 0
    assert done.acquire(timeout=5)  # the second item is asked for while the first one is used
    coming.close()  # pyright: ignore[reportAttributeAccessIssue] - a generator, which ends its thread
    assert made == [0, 1]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


def test_what_the_making_raises_is_raised_in_its_place() -> None:
    def making() -> Iterator[int]:
        yield 1
        raise ValueError("torn")

    coming = ahead(making())
    assert next(coming) == 1
    with pytest.raises(ValueError, match="torn"):
        next(coming)
