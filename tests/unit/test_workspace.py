"""Tables of a night's work, read or mapped where they lie."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cis_ews.schema.school_data import TABLES
from cis_ews.storage.workspace import Workspace

ROWS = pl.DataFrame(
    {
        "text": ["short", None, "longer than twelve bytes", "ñandú"],
        "code": pl.Series(["excused", None, "tardy", "tardy"], dtype=pl.Enum(["tardy", "excused"])),
        "day": [date(2026, 2, 27), None, date(1999, 12, 31), date(2026, 2, 28)],
        "whole": pl.Series([1, None, 3, -4], dtype=pl.Int16),
        "number": [0.5, None, float("nan"), float("inf")],
        "is_so": [True, None, False, True],
    }
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.opened(tmp_path, "night", plan={})


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("rows", [ROWS, ROWS.clear(), pl.concat([ROWS, ROWS.slice(1)], rechunk=False)])
def test_a_mapped_table_is_the_table(workspace: Workspace, rows: pl.DataFrame, *, compressed: bool) -> None:
    with workspace.piece("part") as piece:
        piece.write("rows", rows, compressed=compressed)

    assert_frame_equal(workspace.mapped("part", "rows"), rows, check_exact=True)
    assert_frame_equal(workspace.table("part", "rows"), rows, check_exact=True)


@pytest.mark.parametrize("table", TABLES)
def test_a_mapped_table_has_the_types_of_the_contract(workspace: Workspace, table: str) -> None:
    workspace.keep("part", {table: pl.DataFrame(TABLES[table].create_empty())})

    assert workspace.mapped("part", table).schema == TABLES[table].create_empty().schema


def test_a_mapped_table_outlives_its_file(workspace: Workspace) -> None:
    with workspace.piece("part") as piece:
        piece.write("rows", ROWS, compressed=False)

    mapped = workspace.mapped("part", "rows")
    workspace.close()

    assert_frame_equal(mapped.sort("whole"), ROWS.sort("whole"), check_exact=True)
