"""Whatever is done to a file: no error outside the tree, no row dropped uncounted, no value in a message."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given
from hypothesis import strategies as st

from cis_ews.errors import EwsError
from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import SchoolData
from tests.lib.dirt import accounted, clean_frames, leaks, write_plain
from tests.lib.spoilers import (
    DIRT,
    ENCODINGS,
    Spoiler,
    cut_off,
    drop_line,
    insert_text,
    overwrite_cell,
    repeat_line,
    spoiled,
    told,
)

TABLES = sorted(clean_frames())


@given(table=st.sampled_from(TABLES), dirt=DIRT, encoding=ENCODINGS)
@example(table="students", dirt=[(overwrite_cell, 0.5, '"MARKERNAME')], encoding="utf-8")
@example(table="students", dirt=[(insert_text, 0.0, "MARKERNAME,")], encoding="utf-8")
@example(table="schools", dirt=[(cut_off, 0.4, "")], encoding="utf-16")
@example(table="schools", dirt=[(cut_off, 0.0, ""), (drop_line, 0.0, ""), (repeat_line, 0.0, "")], encoding="utf-8")
def test_dirt_is_an_error_of_the_tree_or_a_counted_rejection(
    table: str, dirt: list[tuple[Spoiler, float, str]], encoding: str
) -> None:
    with TemporaryDirectory() as name:
        folder = write_plain(Path(name))
        path = folder / f"{table}.csv"
        text = spoiled(path.read_text(encoding="utf-8").splitlines(), dirt)
        path.write_bytes(text.encode(encoding, errors="replace"))
        outcome = _read(folder)
    assert leaks(told(outcome)) == []
    if isinstance(outcome, SchoolData):
        assert all(read == kept for read, kept in accounted(outcome).values())
        if '"' not in text:
            assert outcome.rows_read.get(table, 0) == _lines_with_cells(text)


def _read(folder: Path) -> SchoolData | EwsError:
    try:
        return read_school_data(folder, tolerance=1.0)
    except EwsError as error:
        return error


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
    assert leaks(told(outcome)) == []
    if isinstance(outcome, SchoolData):
        assert all(read == kept for read, kept in accounted(outcome).values())
