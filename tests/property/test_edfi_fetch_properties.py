"""Fetched records: merged as a plain dictionary would, recovered from any cut, and never spoiled uncounted."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cis_ews.errors import EwsError, FetchError
from cis_ews.fetching import merging
from cis_ews.fetching.arrivals import Arrivals, Part, Plan
from cis_ews.fetching.merging import merge, sorted_runs
from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import SchoolData
from tests.lib.dirt import accounted, leaks
from tests.lib.edfi_api_records import Record, numbered_frames, records_of
from tests.lib.edfi_fetch import fetch
from tests.lib.edfi_server import EdFiServer, serving
from tests.lib.spoilers import PLACES, told
from tests.property.test_edfi_json_dirt import VALUES, spoiled

CLEAN = records_of(numbered_frames())
IDS = st.integers(0, 8)
LINES = st.lists(st.tuples(IDS, st.integers(0, 99)), max_size=25)


def line(number: int, value: int) -> bytes:
    return json.dumps({"id": f"{number:x}", "v": value}, separators=(",", ":")).encode() + b"\n"


def written(path: Path, lines: list[tuple[int, int]]) -> Path:
    path.write_bytes(b"".join(line(*each) for each in lines))
    return path


@pytest.fixture(autouse=True, scope="module")
def few_lines_in_memory():
    """So that a few lines are several runs."""
    before = merging.LINES_IN_MEMORY
    merging.LINES_IN_MEMORY = 3
    yield
    merging.LINES_IN_MEMORY = before


@given(base=st.dictionaries(IDS, st.integers(0, 99)), changed=LINES, removed=st.sets(IDS), renamed=st.sets(IDS))
def test_a_merge_is_what_a_dictionary_would_say(
    base: dict[int, int], changed: list[tuple[int, int]], removed: set[int], renamed: set[int]
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        kept = written(folder / "kept", sorted(base.items()))
        runs = {
            kind: sorted_runs([written(folder / kind, lines)], folder / f"{kind}-runs")
            for kind, lines in {
                "changed": changed,
                "removed": [(each, 0) for each in removed],
                "renamed": [(each, 0) for each in renamed],
            }.items()
        }
        merged = merge(folder / "out", kept=kept, **runs)
        out = (folder / "out").read_bytes()
    after = {each: value for each, value in base.items() if each not in removed} | dict(changed)
    assert out == b"".join(line(*each) for each in sorted(after.items()))
    ids = {each for each, _ in changed}
    assert (merged.records, merged.changed) == (len(after), len(ids))
    assert merged.removed == len((removed & base.keys()) - ids)
    assert merged.duplicates == len(changed) - len(ids)
    assert merged.renamed_alone == len(renamed - ids - removed)


@given(pages=st.lists(LINES, min_size=1, max_size=4), data=st.data())
def test_a_part_goes_on_from_any_cut(pages: list[list[tuple[int, int]]], data: st.DataObject) -> None:
    contents = [b"".join(line(*each) for each in page) for page in pages]
    places = [*range(1, len(pages)), None]
    with TemporaryDirectory() as name:
        path = Path(name) / "000"

        def goes_on(part: Part) -> None:
            while part.next is not None:
                at = int(part.next)
                part.append(contents[at], records=len(pages[at]), following=places[at])

        goes_on(Part(path, 0))
        for suffix in (".jsonl", ".journal"):
            file = path.with_suffix(suffix)
            file.touch()  # pages without a record leave no file
            size = file.stat().st_size
            keep = data.draw(st.integers(0, size))
            # A page that was being written may stand behind those that are known, and never in their place.
            may_follow = suffix == ".journal" or keep == size
            rest = data.draw(st.sampled_from([b"", b"{", b"\n", b"null\n"])) if may_follow else b""
            file.write_bytes(file.read_bytes()[:keep] + rest)
        again = Part(path, 0)
        goes_on(again)
        assert path.with_suffix(".jsonl").read_bytes() == b"".join(contents)
        assert again.records == sum(map(len, pages))


@pytest.mark.parametrize("content", [b"", b"{}", b"MARKERNAME", b'{"paging": "x"}'])
def test_a_plan_that_is_damaged_is_none(tmp_path: Path, content: bytes) -> None:
    arrivals = Arrivals(tmp_path / "unit")
    arrivals.begin(Plan(paging="cursor", size=5, total=7, starts=("a", "b")))
    assert arrivals.plan is not None
    (tmp_path / "unit/plan.json").write_bytes(content)
    assert arrivals.plan is None


@pytest.fixture(scope="module")
def server():
    """One server for all examples; each puts its records in."""
    with ExitStack() as stack:
        started = stack.enter_context(serving(CLEAN))
        yield started
        started.violations.clear()  # that the records break the contract is what they are for


def outcome_of(server: EdFiServer, name: str, records: list[Record]) -> SchoolData | EwsError:
    held = [*server.held[name]]
    server.held[name].clear()
    for record in records:
        server.add(name, record)
    try:
        with TemporaryDirectory() as folder:
            try:
                fetched = fetch(server, Path(folder), page_size=500)
                assert fetched.resources[name].records + fetched.resources[name].duplicates == len(records)
                return read_school_data(folder, format="edfi", tolerance=1.0)
            except EwsError as error:
                return error
    finally:
        server.held[name] = held


@settings(max_examples=8)
@given(name=st.sampled_from(sorted(CLEAN)), place=PLACES, value=VALUES, twice=st.booleans())
@example(name="students", place=0.0, value="MARKERNAME", twice=False)
@example(name="schools", place=0.5, value={"schoolId": "MARKERNAME"}, twice=True)
def test_other_values_are_an_error_of_the_tree_or_counted(
    server: EdFiServer, name: str, place: float, value: Any, twice: bool
) -> None:
    row = int(place * 7 % 1 * len(CLEAN[name]))
    dirty = spoiled(CLEAN[name][row], place, value)
    records = [*CLEAN[name][:row], dirty, *CLEAN[name][row + 1 :], *([dirty] if twice else [])]
    try:
        json.dumps(dirty)
    except ValueError:
        return
    outcome = outcome_of(server, name, records)
    if isinstance(outcome, SchoolData):
        assert all(read == kept for read, kept in accounted(outcome).values())
    assert leaks(told(outcome)) == []
    if isinstance(outcome, FetchError):
        assert "MARKER" not in str(outcome.details)
