"""Whatever is done to a OneRoster file: no error outside the tree, no row dropped uncounted, no value in a message."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given
from hypothesis import strategies as st

from cis_ews.schema.school_data import SchoolData
from tests.lib.dirt import clean_frames
from tests.lib.oneroster import package_of, write_package
from tests.lib.source_rows import ONEROSTER, lines_of_files, lost
from tests.lib.spoilers import (
    DIRT,
    ENCODINGS,
    Spoiler,
    bytes_of,
    insert_text,
    is_sound,
    outcome_of,
    overwrite_cell,
    repeat_line,
    spoiled,
)

FILES = sorted(package_of(clean_frames()))


@cache
def clean_files() -> dict[str, bytes]:
    with TemporaryDirectory() as name:
        return bytes_of(write_package(Path(name), package_of(clean_frames())))


@given(file=st.sampled_from([*FILES, "manifest"]), dirt=DIRT, encoding=ENCODINGS)
@example(file="users", dirt=[(overwrite_cell, 0.5, '"MARKERNAME')], encoding="utf-8")
@example(file="users", dirt=[(insert_text, 0.0, "MARKERNAME,")], encoding="utf-16")
@example(file="results", dirt=[(repeat_line, 0.3, ""), (repeat_line, 0.6, "")], encoding="utf-8")
@example(file="academicSessions", dirt=[(overwrite_cell, 0.9, "1e400")], encoding="utf-8")
def test_dirt_is_an_error_of_the_tree_or_a_counted_rejection(
    file: str, dirt: list[tuple[Spoiler, float, str]], encoding: str
) -> None:
    clean = clean_files()
    text = spoiled(clean[f"{file}.csv"].decode().splitlines(), dirt)
    outcome = outcome_of(clean | {f"{file}.csv": text.encode(encoding, errors="replace")}, format="oneroster")
    assert is_sound(outcome)
    if isinstance(outcome, SchoolData):
        rows = lines_of_files(clean | {f"{file}.csv": text.encode()})
        if file == "manifest":  # it may say that a file is absent
            rows = {
                stem: count for stem, count in rows.items() if f"{stem}.csv" in {each.name for each in outcome.files}
            }
        assert lost(outcome, ONEROSTER, rows) == {}


@given(content=st.binary(max_size=300), file=st.sampled_from([*FILES, "manifest"]))
def test_any_bytes_at_all(content: bytes, file: str) -> None:
    assert is_sound(outcome_of(clean_files() | {f"{file}.csv": content}, format="oneroster"))
