"""The bytes of a block, which outlive what a page asks of it: nothing in them is of a student of another block."""

from __future__ import annotations

import polars as pl
import pyarrow as arrow
import pytest

from cis_ews.schema.coded import CodedTable
from cis_ews.storage.packing import batch_of, packed, packed_lists
from tests.lib.lists import with_lists

STUDENTS = 40
IDS = [f"s{number:06d}" for number in range(STUDENTS)]
NAMES = [f"Name{number:03d}" for number in range(STUDENTS)]
SENTENCES = [f"Sentence {number:03d}" for number in range(STUDENTS)]
PEOPLE = pl.DataFrame({"student_id": IDS, "last_name": NAMES})
CODES = {"student": ["student_id"], "words": ["sentence"]}
REASONS = {"reasons": pl.DataFrame({"student_id": IDS, "sentence": SENTENCES})}


def _others(block: bytes, own: range) -> list[str]:
    """The ids, names and sentences of other students that are anywhere in a block."""
    with arrow.CompressedInputStream(arrow.BufferReader(block), "zstd") as stream:
        content = bytes(stream.read())
    texts = [text for said in (IDS, NAMES, SENTENCES) for text in said if text.encode() in content]
    return [text for text in texts if int(text[-3:]) not in own]


@pytest.mark.parametrize(("first", "size"), [(0, 1), (0, 5), (10, 20), (39, 1)])
def test_a_block_of_names_and_reasons_holds_its_students_alone(first: int, size: int) -> None:
    whole = batch_of(with_lists(PEOPLE, REASONS))
    assert _others(packed(whole.slice(first, size)), range(first, first + size)) == []
    assert len(_others(packed(whole), range(0))) == 3 * STUDENTS  # they would be found


@pytest.mark.parametrize(
    "reasons", [REASONS["reasons"], CodedTable.of(REASONS["reasons"], CODES)], ids=["full", "coded"]
)
def test_a_block_in_codes_holds_its_students_alone(reasons: pl.DataFrame | CodedTable) -> None:
    """Not a byte of it is another one than in a block of these students that nobody else was packed beside."""
    sizes, first = [5, 15, 1, 19], 0
    for size, block in zip(sizes, packed_lists(PEOPLE, sizes, {"reasons": reasons}), strict=True):
        assert _others(block, range(first, first + size)) == []
        (alone,) = packed_lists(PEOPLE.slice(first, size), [size], {"reasons": reasons})
        assert block == alone
        first += size
