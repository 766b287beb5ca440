"""Ways to spoil the lines of a text file, whatever its format, for hypothesis to put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from cis_ews.errors import EwsError
from cis_ews.schema.school_data import SchoolData

CELLS = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="0123456789-/.: ", max_size=12),
    st.sampled_from(
        ["", " ", '"', '""', "NaN", "inf", "-1", "821", "17", "MARKERNAME", "MARKERID000", "2025-02-30", "9/5/2025"]
    ),
    st.sampled_from(["a,b", "a;b", "x\ny", "\r\n", "\x00", "\ufeff", "é", "\U0001f600", "\u202e", "x" * 600]),
)
PLACES = st.floats(min_value=0, max_value=1, exclude_max=True)


def _at(place: float, length: int) -> int:
    return int(place * max(length, 1))


def overwrite_cell(lines: list[str], place: float, cell: str) -> list[str]:
    """One cell becomes another."""
    row = _at(place, len(lines))
    cells = lines[row].split(",")
    column = _at(place * 7 % 1, len(cells))
    return [*lines[:row], ",".join([*cells[:column], cell, *cells[column + 1 :]]), *lines[row + 1 :]]


def insert_text(lines: list[str], place: float, cell: str) -> list[str]:
    """A text anywhere."""
    text = "\n".join(lines)
    at = _at(place, len(text))
    return (text[:at] + cell + text[at:]).split("\n")


def cut_off(lines: list[str], place: float, cell: str) -> list[str]:
    """The file ends early."""
    text = "\n".join(lines)
    return text[: _at(place, len(text))].split("\n")


def repeat_line(lines: list[str], place: float, cell: str) -> list[str]:
    """A line twice."""
    row = _at(place, len(lines))
    return [*lines[:row], lines[row], *lines[row:]]


def drop_line(lines: list[str], place: float, cell: str) -> list[str]:
    """A line less."""
    row = _at(place, len(lines))
    return [*lines[:row], *lines[row + 1 :]]


def other_delimiter(lines: list[str], place: float, cell: str) -> list[str]:
    """Cells separated by something else."""
    return [line.replace(",", ";\t|^"[_at(place, 4)]) for line in lines]


def empty_line(lines: list[str], place: float, cell: str) -> list[str]:
    """A line of commas alone."""
    row = _at(place, len(lines))
    return [*lines[:row], "," * _at(place, 5), *lines[row:]]


Spoiler = Callable[[list[str], float, str], list[str]]
SPOILERS: list[Spoiler] = [
    overwrite_cell,
    insert_text,
    cut_off,
    repeat_line,
    drop_line,
    other_delimiter,
    empty_line,
]
DIRT = st.lists(st.tuples(st.sampled_from(SPOILERS), PLACES, CELLS), min_size=1, max_size=4)
ENCODINGS = st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32"])


def spoiled(lines: list[str], dirt: list[tuple[Spoiler, float, str]]) -> str:
    """The text of a file after all of it."""
    for spoil, place, cell in dirt:
        # A file that lost its last line still has an empty one to spoil.
        lines = spoil(lines or [""], place, cell)
    return "\n".join(lines)


def told(outcome: SchoolData | EwsError) -> list[Any]:
    """All that a person or a log may see of a reading."""
    if isinstance(outcome, EwsError):
        return [str(outcome), outcome.details, outcome.__cause__]
    return [outcome.coverage.to_dict(), outcome.rejections.rows(), outcome.files, outcome.rows_reduced]
