"""Whatever is done to a file: a survey ends in an error of the tree or in a mapping, and neither tells a value."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cis_ews.errors import ConfigError, EwsError
from cis_ews.readers.mapping_config import load_mapping
from cis_ews.readers.survey import survey
from cis_ews.readers.survey.writing import as_dict, toml_of
from tests.lib.dirt import clean_frames, leaks, write_plain
from tests.lib.spoilers import (
    DIRT,
    ENCODINGS,
    Spoiler,
    bytes_of,
    cut_off,
    drop_line,
    insert_text,
    overwrite_cell,
    spoiled,
)

TABLES = sorted(clean_frames())
BESIDE = ("students.csv", "enrollments.csv")  # few files: what is done to one says nothing of ten others
STUDENT_HEADINGS = st.sampled_from(
    ["student_id", "MARKERNAME id", "Student MARKERNAME", "id", "F1", "date", "status", ""]
)


@cache
def clean_files() -> dict[str, bytes]:
    with TemporaryDirectory() as name:
        return bytes_of(write_plain(Path(name)))


def tell(files: Mapping[str, bytes]) -> list[object]:
    """All that a person or a log may see of a survey; a mapping that was made of it has to be one, or to say what it
    lacks."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "source"
        folder.mkdir()
        for file, content in files.items():
            (folder / file).write_bytes(content)
        try:
            found = survey(folder)
        except EwsError as error:
            return [str(error), error.details, error.__cause__]
        mapping = Path(name) / "mapping.toml"
        mapping.write_text(toml_of(found, command="cis-ews check"), encoding="utf-8")
        return [
            mapping.read_text(encoding="utf-8"),
            as_dict(found),
            found,
            *_refusal(mapping, is_asked=found.asked > 0),
        ]


def _refusal(mapping: Path, *, is_asked: bool) -> list[str]:
    """What the reader says of a mapping that it does not take: something is left to answer then."""
    try:
        load_mapping(mapping)
    except ConfigError as error:
        said = str(error)
    else:
        return []
    assert is_asked
    assert "no TOML" not in said
    return [said]


@given(table=st.sampled_from(TABLES), dirt=DIRT, encoding=ENCODINGS)
@settings(max_examples=40, deadline=None)
@example(table="students", dirt=[(drop_line, 0.0, "")], encoding="utf-8")
@example(table="students", dirt=[(overwrite_cell, 0.0, "MARKERNAME")], encoding="utf-8")
@example(table="students", dirt=[(insert_text, 0.0, "MARKERNAME,")], encoding="utf-8")
@example(table="enrollments", dirt=[(insert_text, 0.001, "MARKERNAME")], encoding="utf-16")
@example(table="attendance_events", dirt=[(overwrite_cell, 0.5, "MARKERNAME")], encoding="utf-8")
@example(table="schools", dirt=[(cut_off, 0.0, "")], encoding="utf-8")
def test_dirt_is_an_error_of_the_tree_or_a_mapping_without_values(
    table: str, dirt: list[tuple[Spoiler, float, str]], encoding: str
) -> None:
    clean = {name: content for name, content in clean_files().items() if name in {f"{table}.csv", *BESIDE}}
    text = spoiled(clean[f"{table}.csv"].decode().splitlines(), dirt)
    assert leaks(tell(clean | {f"{table}.csv": text.encode(encoding, errors="replace")})) == []


@given(headings=st.lists(STUDENT_HEADINGS, min_size=1, max_size=5), suffix=st.sampled_from(["csv", "txt", "tsv"]))
@settings(max_examples=15, deadline=None)
@example(headings=["student_id", "status", "date", "", "date"], suffix="csv")
def test_columns_of_ids_and_names_under_any_headings(headings: list[str], suffix: str) -> None:
    """The words are shared by every row, as those of a vocabulary are."""
    rows = [[f"MARKERID{number:03}", "MARKERNAME", "2025-09-03", "MARKERNAME P", "excused"] for number in range(40)]
    lines = [",".join(headings), *(",".join(row[: len(headings)]) for row in rows)]
    assert leaks(tell({f"records.{suffix}": "\n".join(lines).encode()})) == []


@given(
    content=st.binary(max_size=300), name=st.sampled_from(["students.csv", "a.txt", "b.csv.gz", "c.zip", "d.parquet"])
)
@settings(max_examples=15, deadline=None)
def test_any_bytes_at_all(content: bytes, name: str) -> None:
    beside = {each: clean_files()[each] for each in BESIDE}
    assert leaks(tell(beside | {name: content})) == []
