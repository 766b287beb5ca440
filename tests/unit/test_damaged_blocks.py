"""A cell of the database with flipped bits is told as such: it neither ends the process nor shows what it holds."""

from __future__ import annotations

import pytest

from tests.lib.children import child

FLIPS = 150
READ = """
import random, sys
from datetime import date
import polars as pl
from cis_ews.errors import StorageError
from cis_ews.schema.student_records import RECORDS, RECORDS_SCHEMA
from cis_ews.storage.database.blocks import STUDENT_RECORDS
from cis_ews.storage.packing import batch_of, packed, packed_lists, unpacked
form, flips = sys.argv[1], int(sys.argv[2])
chance = random.Random(form)
ids = [f"student {number:02}" for number in range(30)]
VALUES = {pl.Date: [None, date(2026, 1, 5)], pl.String: ["a", "b", "SECRET"], pl.Boolean: [True, False]}
def table(columns):
    values = {"student_id": [chance.choice(ids) for _ in range(120)]}
    for name, dtype in columns.items():
        said = list(dtype.categories) if isinstance(dtype, pl.Enum) else VALUES.get(dtype.base_type(), range(5))
        values[name] = [chance.choice(said) for _ in range(120)]
    return pl.DataFrame(values).cast(columns)
(block,) = packed_lists(pl.DataFrame({"student_id": ids}), [30], {name: table(of) for name, of in RECORDS.items()})
if form == "written out":
    block = packed(batch_of(unpacked(block).cast(dict(RECORDS_SCHEMA))))
refused = 0
for _ in range(flips):
    damaged = bytearray(block)
    for _ in range(chance.choice([1, 1, 2, 5])):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    try:
        STUDENT_RECORDS._read(bytes(damaged), dict(RECORDS_SCHEMA))
    except StorageError as error:
        assert str(error).startswith("the database holds records behind reasons that are damaged")
        assert "SECRET" not in f"{error!r}{error.__cause__}"
        refused += 1
print(refused)
"""


@pytest.mark.parametrize("form", ["coded", "written out"])
def test_flipped_bits_are_refused_or_change_a_value(form: str) -> None:
    with child(READ, form, str(FLIPS)) as process:
        out, err = process.communicate()

    assert process.returncode == 0, err
    refused = int(out)
    assert refused > FLIPS / 2
