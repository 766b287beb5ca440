"""Ways to spoil the lines of a text file, whatever its format, for hypothesis to put together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st

from cis_ews.errors import EwsError
from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import SchoolData
from tests.lib.dirt import accounted, leaks

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


def lines_with_cells(text: str) -> int:
    """Rows below the header: without quotation marks a row is a line, and anyone can count them."""
    return sum(bool(line.strip(" ,;|\t")) for line in re.split(r"\r\n|\r|\n", text)) - 1


def bytes_of(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def outcome_of(files: Mapping[str, bytes], *, format: str, source: str = "") -> SchoolData | EwsError:  # noqa: A002
    """What comes of reading these files; `source`: the one that is named, or the folder of all of them."""
    with TemporaryDirectory() as name:
        for file, content in files.items():
            (Path(name) / file).parent.mkdir(exist_ok=True)
            (Path(name) / file).write_bytes(content)
        try:
            return read_school_data(Path(name) / source, format=format, tolerance=1.0)
        except EwsError as error:
            return error


def is_sound(outcome: SchoolData | EwsError) -> bool:
    """Whether nothing of a student is told; every row that was read has to be accounted for."""
    if isinstance(outcome, SchoolData):
        assert all(read == kept for read, kept in accounted(outcome).values())
    return leaks(told(outcome)) == []


def told(outcome: SchoolData | EwsError) -> list[Any]:
    """All that a person or a log may see of a reading."""
    if isinstance(outcome, EwsError):
        return [str(outcome), outcome.details, outcome.__cause__]
    return [outcome.coverage.to_dict(), outcome.rejections.rows(), outcome.files, outcome.rows_reduced]
