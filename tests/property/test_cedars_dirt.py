"""Whatever is done to a CEDARS file: no error outside the tree, no row dropped uncounted, no value in a message."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cis_ews.schema.school_data import SchoolData
from tests.lib.cedars import COMMA, TAB, Vendor, cedars_of, clean_district, write_cedars
from tests.lib.source_rows import cedars_of_vendor, lines_of_files, lost
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

LETTERS = sorted(cedars_of(clean_district()))


@cache
def clean_files(vendor: Vendor) -> dict[str, bytes]:
    with TemporaryDirectory() as name:
        tables = clean_district()
        beside = {"calendar_days": tables["calendar_days"].head(300)}
        return bytes_of(write_cedars(Path(name), cedars_of(tables), vendor=vendor, beside=beside))


@given(letter=st.sampled_from(LETTERS), dirt=DIRT, encoding=ENCODINGS, has_calendar=st.booleans())
@settings(max_examples=30)
@example(letter="B", dirt=[(overwrite_cell, 0.5, '"MARKERNAME')], encoding="utf-8", has_calendar=True)
@example(letter="B", dirt=[(insert_text, 0.0, "MARKERNAME,")], encoding="utf-16", has_calendar=True)
@example(letter="H", dirt=[(repeat_line, 0.3, ""), (repeat_line, 0.6, "")], encoding="utf-8", has_calendar=False)
@example(letter="A", dirt=[(overwrite_cell, 0.9, "1e400")], encoding="utf-8", has_calendar=False)
@example(letter="N", dirt=[(overwrite_cell, 0.99, "MARKERNAME000")], encoding="utf-8", has_calendar=False)
@example(letter="R", dirt=[(overwrite_cell, 0.7, "MARKERNAME")], encoding="utf-8", has_calendar=False)
def test_dirt_is_an_error_of_the_tree_or_a_counted_rejection(
    letter: str, dirt: list[tuple[Spoiler, float, str]], encoding: str, has_calendar: bool
) -> None:
    clean = dict(clean_files(COMMA))
    if not has_calendar:
        del clean["calendar_days.csv"]
    name = COMMA.names[letter]
    text = spoiled(clean[name].decode().splitlines(), dirt)
    outcome = outcome_of(clean | {name: text.encode(encoding, errors="replace")}, format="cedars")
    assert is_sound(outcome)
    if isinstance(outcome, SchoolData):
        assert lost(outcome, cedars_of_vendor(COMMA), lines_of_files(clean | {name: text.encode()})) == {}


@given(content=st.binary(max_size=300), letter=st.sampled_from(LETTERS))
@settings(max_examples=15)
def test_any_bytes_at_all(content: bytes, letter: str) -> None:
    assert is_sound(outcome_of(clean_files(TAB) | {TAB.names[letter]: content}, format="cedars"))
