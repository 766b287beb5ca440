"""Whatever is done to a file: no error outside the tree, no row dropped uncounted, no value in a message."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from cis_ews.errors import EwsError
from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import SchoolData
from tests.lib.dirt import accounted, clean_frames, leaks, write_plain

TABLES = sorted(clean_frames())
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


def _overwrite_cell(lines: list[str], place: float, cell: str) -> list[str]:
    row = _at(place, len(lines))
    cells = lines[row].split(",")
    column = _at(place * 7 % 1, len(cells))
    return [*lines[:row], ",".join([*cells[:column], cell, *cells[column + 1 :]]), *lines[row + 1 :]]


def _insert_text(lines: list[str], place: float, cell: str) -> list[str]:
    text = "\n".join(lines)
    at = _at(place, len(text))
    return (text[:at] + cell + text[at:]).split("\n")


def _cut_off(lines: list[str], place: float, cell: str) -> list[str]:
    text = "\n".join(lines)
    return text[: _at(place, len(text))].split("\n")


def _repeat_line(lines: list[str], place: float, cell: str) -> list[str]:
    row = _at(place, len(lines))
    return [*lines[:row], lines[row], *lines[row:]]


def _drop_line(lines: list[str], place: float, cell: str) -> list[str]:
    row = _at(place, len(lines))
    return [*lines[:row], *lines[row + 1 :]]


def _other_delimiter(lines: list[str], place: float, cell: str) -> list[str]:
    return [line.replace(",", ";\t|^"[_at(place, 4)]) for line in lines]


def _empty_line(lines: list[str], place: float, cell: str) -> list[str]:
    row = _at(place, len(lines))
    return [*lines[:row], "," * _at(place, 5), *lines[row:]]


Spoiler = Callable[[list[str], float, str], list[str]]
SPOILERS: list[Spoiler] = [
    _overwrite_cell,
    _insert_text,
    _cut_off,
    _repeat_line,
    _drop_line,
    _other_delimiter,
    _empty_line,
]
DIRT = st.lists(st.tuples(st.sampled_from(SPOILERS), PLACES, CELLS), min_size=1, max_size=4)
ENCODINGS = st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32"])


def _spoiled(lines: list[str], dirt: list[tuple[Spoiler, float, str]]) -> str:
    for spoil, place, cell in dirt:
        # A file that lost its last line still has an empty one to spoil.
        lines = spoil(lines or [""], place, cell)
    return "\n".join(lines)


@given(table=st.sampled_from(TABLES), dirt=DIRT, encoding=ENCODINGS)
@example(table="students", dirt=[(_overwrite_cell, 0.5, '"MARKERNAME')], encoding="utf-8")
@example(table="students", dirt=[(_insert_text, 0.0, "MARKERNAME,")], encoding="utf-8")
@example(table="schools", dirt=[(_cut_off, 0.4, "")], encoding="utf-16")
@example(table="schools", dirt=[(_cut_off, 0.0, ""), (_drop_line, 0.0, ""), (_repeat_line, 0.0, "")], encoding="utf-8")
def test_dirt_is_an_error_of_the_tree_or_a_counted_rejection(
    table: str, dirt: list[tuple[Spoiler, float, str]], encoding: str
) -> None:
    with TemporaryDirectory() as name:
        folder = write_plain(Path(name))
        path = folder / f"{table}.csv"
        text = _spoiled(path.read_text(encoding="utf-8").splitlines(), dirt)
        path.write_bytes(text.encode(encoding, errors="replace"))
        outcome = _read(folder)
    assert leaks(_told(outcome)) == []
    if isinstance(outcome, SchoolData):
        assert all(read == kept for read, kept in accounted(outcome).values())
        if '"' not in text:
            assert outcome.rows_read.get(table, 0) == _lines_with_cells(text)


def _read(folder: Path) -> SchoolData | EwsError:
    try:
        return read_school_data(folder, tolerance=1.0)
    except EwsError as error:
        return error


def _told(outcome: SchoolData | EwsError) -> list[Any]:
    """All that a person or a log may see of a reading."""
    if isinstance(outcome, EwsError):
        return [str(outcome), outcome.details, outcome.__cause__]
    return [outcome.coverage.to_dict(), outcome.rejections.rows(), outcome.files, outcome.rows_reduced]


def _lines_with_cells(text: str) -> int:
    """Rows below the header: without quotation marks a row is a line, and anyone can count them."""
    return sum(bool(line.strip(" ,;|\t")) for line in re.split(r"\r\n|\r|\n", text)) - 1


@given(
    content=st.binary(max_size=400),
    table=st.sampled_from(TABLES),
    suffix=st.sampled_from(["csv", "csv.gz", "parquet", "zip"]),
)
def test_any_bytes_at_all(content: bytes, table: str, suffix: str) -> None:
    with TemporaryDirectory() as name:
        folder = write_plain(Path(name))
        (folder / f"{table}.csv").unlink()
        (folder / f"{table}.{suffix}").write_bytes(content)
        outcome = _read(folder)
    assert leaks(_told(outcome)) == []
    if isinstance(outcome, SchoolData):
        assert all(read == kept for read, kept in accounted(outcome).values())
