"""Long lists, a page at a time: which part an address asks for, how many there are, and the way to the others."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

DIGITS = 9
"""Of the number of a page, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a list. `number` of `pages`, from 1 on; `first` and `last`: as a slice of the `total` has them."""

    number: int
    pages: int
    first: int
    last: int
    total: int


def number_of(page: str | None) -> int:
    """The number of a page in an address; 1 where it is none."""
    text = page or ""
    return max(int(text), 1) if text.isdecimal() and len(text) <= DIGITS else 1


def part_of(page: str | None, *, total: int, size: int) -> Part:
    """The part that the number of a page in an address asks for; the first where it is none, the last beyond them."""
    pages = max(1, ceil(total / size))
    number = min(number_of(page), pages)
    first = (number - 1) * size
    return Part(number=number, pages=pages, first=first, last=min(first + size, total), total=total)
