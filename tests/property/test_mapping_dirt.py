"""Whatever is done to a mapped file: no error outside the tree, no row dropped uncounted, no value in a message."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cis_ews.errors import EwsError
from cis_ews.readers.survey import survey
from cis_ews.readers.survey.writing import toml_of
from cis_ews.schema.school_data import SchoolData
from tests.lib.dirt import clean_frames, write_plain
from tests.lib.spoilers import (
    DIRT,
    ENCODINGS,
    Spoiler,
    bytes_of,
    insert_text,
    is_sound,
    lines_with_cells,
    outcome_of,
    overwrite_cell,
    spoiled,
)

RENAMED = {"student_id": "Student Number", "date": "Date", "status": "Attendance Code", "entry_date": "Start Date"}
TABLES = sorted(clean_frames())


@cache
def clean_files() -> dict[str, bytes]:
    """The clean extract under other headings, with American dates and codes, as text files; and its mapping."""
    with TemporaryDirectory() as name:
        folder = write_plain(Path(name) / "source")
        for path in folder.glob("*.csv"):
            header, *rows = path.read_text(encoding="utf-8").splitlines()
            named = ",".join(RENAMED.get(each, each) for each in header.split(","))
            path.with_suffix(".txt").write_text("\n".join([named, *map(_other, rows)]), encoding="utf-8")
            path.unlink()
        (folder / "mapping.toml").write_text(toml_of(survey(folder), command=""), encoding="utf-8")
        return bytes_of(folder)


def _other(row: str) -> str:
    cells = [f"{each[5:7]}/{each[8:]}/{each[:4]}" if each[4:5] == each[7:8] == "-" else each for each in row.split(",")]
    return ",".join({"excused": "E", "unexcused": "U", "tardy": "T"}.get(each, each) for each in cells)


def test_the_clean_files_are_read() -> None:
    outcome = _outcome({})
    assert isinstance(outcome, SchoolData)
    assert outcome.rejections.is_empty()
    assert outcome.attendance_events.height == clean_frames()["attendance_events"].height


def _outcome(files: dict[str, bytes]) -> SchoolData | EwsError:
    with TemporaryDirectory() as name:
        (Path(name) / "mapping.toml").write_bytes(clean_files()["mapping.toml"])
        return outcome_of(clean_files() | files, format=f"{name}/mapping.toml")


@given(table=st.sampled_from(TABLES), dirt=DIRT, encoding=ENCODINGS)
@settings(max_examples=25, deadline=None)
@example(table="students", dirt=[(overwrite_cell, 0.5, '"MARKERNAME')], encoding="utf-8")
@example(table="attendance_events", dirt=[(overwrite_cell, 0.43, "MARKERNAME")], encoding="utf-8")
@example(table="students", dirt=[(insert_text, 0.0, "MARKERNAME,")], encoding="utf-16")
def test_dirt_is_an_error_of_the_tree_or_a_counted_rejection(
    table: str, dirt: list[tuple[Spoiler, float, str]], encoding: str
) -> None:
    text = spoiled(clean_files()[f"{table}.txt"].decode().splitlines(), dirt)
    outcome = _outcome({f"{table}.txt": text.encode(encoding, errors="replace")})
    assert is_sound(outcome)
    if isinstance(outcome, SchoolData) and '"' not in text:
        assert outcome.rows_read.get(table, 0) == lines_with_cells(text)
