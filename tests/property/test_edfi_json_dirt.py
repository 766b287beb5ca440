"""Whatever is done to an API's record: no error outside the tree, no row dropped uncounted, no value in a message."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cis_ews.errors import EwsError
from cis_ews.schema.school_data import SchoolData
from tests.lib.edfi_api_records import Record, Records, numbered_frames, records_of
from tests.lib.source_rows import EDFI, lost, records_of_json
from tests.lib.spoilers import CELLS, PLACES, is_sound, outcome_of

CLEAN = records_of(numbered_frames())
NAMES = sorted(CLEAN)
VALUES = st.one_of(
    CELLS,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["ref:MARKERID000", "\ud800", "uri://ed-fi.org/x#MARKERNAME", "#"]),
    st.lists(CELLS, max_size=2),
    st.dictionaries(st.sampled_from(["schoolId", "studentUniqueId", "x"]), CELLS, max_size=2),
)


def read(files: dict[str, str]) -> SchoolData | EwsError:
    written = {f"{name}.jsonl": text.encode("utf-8", "surrogatepass") for name, text in files.items()}
    return outcome_of(written, format="edfi")


def is_whole(files: dict[str, str]) -> bool:
    """Whether the reading is sound and accounts for every record of the files."""
    outcome = read(files)
    if isinstance(outcome, SchoolData):
        assert lost(outcome, EDFI, records_of_json(files)) == {}
    return is_sound(outcome)


def lines_of(records: Records) -> dict[str, str]:
    return {name: "".join(f"{json.dumps(record)}\n" for record in found) for name, found in records.items()}


def places_of(node: Any) -> list[tuple[Any, Any]]:
    """Every place of a record: what holds it, and under which key."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
    return [place for key in keys for place in [(node, key), *places_of(node[key])]]


def at(place: float, options: list[Any]) -> Any:
    return options[int(place * len(options))]


def spoiled(record: Record, place: float, value: Any) -> Record:
    """The record with another value, whatever its shape, at one of its places."""
    other = copy.deepcopy(record)
    holder, key = at(place, places_of(other))
    holder[key] = value
    return other


@settings(max_examples=25)
@given(name=st.sampled_from(NAMES), place=PLACES, value=VALUES, times=st.integers(1, 3))
@example(name="students", place=0.0, value="MARKERNAME", times=1)
@example(name="grades", place=0.3, value=float("nan"), times=1)
@example(name="schools", place=0.3, value="ref:MARKERID000", times=1)
def test_other_values_are_an_error_of_the_tree_or_counted(name: str, place: float, value: Any, times: int) -> None:
    found = list(CLEAN[name])
    for number in range(times):
        row = int((place * 7 + number / times) % 1 * len(found))
        found[row] = spoiled(found[row], (place + number / times) % 1, value)
    assert is_whole(lines_of({**CLEAN, name: found}))


@settings(max_examples=15)
@given(name=st.sampled_from(NAMES), place=PLACES, length=st.integers(0, 200), text=CELLS)
def test_a_torn_file_is_an_error_of_the_tree(name: str, place: float, length: int, text: str) -> None:
    lines = lines_of(CLEAN)
    cut = int(place * len(lines[name]))
    torn = lines[name][:cut] + text + lines[name][cut + length :]
    assert is_whole({**lines, name: torn})


@settings(max_examples=10)
@given(name=st.sampled_from(NAMES), place=PLACES, drop=st.booleans())
def test_a_record_twice_or_without_a_part_is_counted(name: str, place: float, drop: bool) -> None:
    record = copy.deepcopy(at(place, CLEAN[name]))
    if drop:
        holder, key = at(place * 11 % 1, places_of(record))
        del holder[key]
    assert is_whole(lines_of({**CLEAN, name: [*CLEAN[name], record]}))
