"""Whatever is done to a file: no error outside the tree, no row dropped uncounted, no value in a message."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given
from hypothesis import strategies as st

from cis_ews.schema.school_data import SchoolData
from tests.lib.dirt import clean_frames, write_plain
from tests.lib.spoilers import (
    DIRT,
    ENCODINGS,
    Spoiler,
    bytes_of,
    cut_off,
    drop_line,
    insert_text,
    is_sound,
    lines_with_cells,
    outcome_of,
    overwrite_cell,
    repeat_line,
    spoiled,
)

TABLES = sorted(clean_frames())


@cache
def clean_files() -> dict[str, bytes]:
    with TemporaryDirectory() as name:
        return bytes_of(write_plain(Path(name)))


@given(table=st.sampled_from(TABLES), dirt=DIRT, encoding=ENCODINGS)
@example(table="students", dirt=[(overwrite_cell, 0.5, '"MARKERNAME')], encoding="utf-8")
@example(table="students", dirt=[(insert_text, 0.0, "MARKERNAME,")], encoding="utf-8")
@example(table="schools", dirt=[(cut_off, 0.4, "")], encoding="utf-16")
@example(table="schools", dirt=[(cut_off, 0.0, ""), (drop_line, 0.0, ""), (repeat_line, 0.0, "")], encoding="utf-8")
def test_dirt_is_an_error_of_the_tree_or_a_counted_rejection(
    table: str, dirt: list[tuple[Spoiler, float, str]], encoding: str
) -> None:
    clean = clean_files()
    text = spoiled(clean[f"{table}.csv"].decode().splitlines(), dirt)
    outcome = outcome_of(clean | {f"{table}.csv": text.encode(encoding, errors="replace")}, format="folder")
    assert is_sound(outcome)
    if isinstance(outcome, SchoolData) and '"' not in text:
        assert outcome.rows_read.get(table, 0) == lines_with_cells(text)


@given(
    content=st.binary(max_size=400),
    table=st.sampled_from(TABLES),
    suffix=st.sampled_from(["csv", "csv.gz", "parquet", "zip"]),
)
def test_any_bytes_at_all(content: bytes, table: str, suffix: str) -> None:
    others = {name: lying for name, lying in clean_files().items() if name != f"{table}.csv"}
    assert is_sound(outcome_of(others | {f"{table}.{suffix}": content}, format="folder"))
