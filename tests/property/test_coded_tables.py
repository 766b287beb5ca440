"""Coded tables: what they decode to, and the same checks as of tables in full."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cis_ews.enums import Direction, Domain, RuleStatus
from cis_ews.errors import StorageError
from cis_ews.risk.rule_reasons import SAID as OF_REASONS
from cis_ews.risk.rule_results import SAID as OF_RULES
from cis_ews.schema.coded import CodedTable, rows_among
from cis_ews.schema.scores import Reasons, RuleResults
from cis_ews.storage.frames import SCHEMAS, checked, checked_codes, write_table
from cis_ews.storage.workspace import Workspace

IDS = st.sampled_from(["ann", "bob", "eve"])
RULES = st.fixed_dictionaries(
    {
        "student_id": IDS,
        "rule": st.sampled_from(["a", "b", "c", "d"]),
        "status": st.sampled_from(RuleStatus),
        "level": st.none() | st.sampled_from(["", "tier_3"]),
        "missing": st.none() | st.sampled_from(["", "days"]),
        "sentence": st.none() | st.sampled_from(["Has 2", "Has 3"]),
    }
)
REASONS = st.fixed_dictionaries(
    {
        "student_id": IDS,
        "rank": st.integers(1, 3),
        "direction": st.sampled_from(Direction),
        "domain": st.sampled_from(Domain),
        "indicator": st.sampled_from(["days", "marks"]),
        "value": st.none() | st.sampled_from([0.0, 1.5]),
        "sentence": st.sampled_from(["Has 2", "Has 3"]),
    }
)
BROKEN: dict[str, dict[str, Any]] = {
    "rules": {"student_id": "", "rule": None, "status": None},
    "reasons": {"student_id": None, "rank": 0, "domain": None, "indicator": "", "sentence": None},
}
CODES = {"rules": OF_RULES, "reasons": OF_REASONS}
EMPTY: dict[str, pl.DataFrame] = {"rules": RuleResults.create_empty(), "reasons": Reasons.create_empty()}
TABLES = st.lists(RULES, max_size=8).map(lambda rows: ("rules", rows)) | st.lists(REASONS, max_size=8).map(
    lambda rows: ("reasons", rows)
)


def _frame(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=EMPTY[name].schema)


@pytest.mark.parametrize("name", CODES)
def test_no_rule_speaks_of_columns_that_are_coded_apart(name: str) -> None:
    """Else a code would have to be checked beside the others."""
    spoken = {rule.split("|")[0] for rule in SCHEMAS[name].filter(EMPTY[name])[1].counts()}
    assert spoken <= {*EMPTY[name].columns, "primary_key"}
    own = [each for each in vars(SCHEMAS[name]).values() if type(each).__name__.endswith("Rule")]
    assert own == []


@given(TABLES)
def test_a_coded_table_decodes_to_what_it_was(table: tuple[str, list[dict[str, Any]]]) -> None:
    name, rows = table
    frame = _frame(name, rows)
    assert_frame_equal(CodedTable.of(frame, CODES[name]).decoded(), frame, check_exact=True)


@given(TABLES, st.data())
def test_a_coded_table_is_checked_as_the_table_in_full_is(
    table: tuple[str, list[dict[str, Any]]], data: st.DataObject
) -> None:
    name, rows = table
    if rows and data.draw(st.booleans()):
        column = data.draw(st.sampled_from(list(BROKEN[name])))
        place = data.draw(st.integers(0, len(rows) - 1))
        broken = rows[place] | {column: BROKEN[name][column]}
        # Of a row that is there already, the cell alone is wrong; of one more, the key too.
        rows = [*rows[:place], broken, *rows[place + data.draw(st.integers(0, 1)) :]]
    frame = _frame(name, rows)
    given_rows = frame.sort(EMPTY[name].columns[:2]) if data.draw(st.booleans()) else frame
    in_full = _outcome(lambda: checked(name, given_rows))
    coded = _outcome(lambda: checked_codes(name, CodedTable.of(given_rows, CODES[name])))
    if isinstance(in_full, str):
        assert isinstance(coded, str)
        assert coded == in_full
    else:
        assert isinstance(coded, pl.DataFrame)
        assert_frame_equal(coded, in_full, check_exact=True)


def _outcome(check: Callable[[], pl.DataFrame | CodedTable]) -> pl.DataFrame | str:
    """The table, or why it cannot be stored."""
    try:
        table = check()
    except StorageError as error:
        return str(error)
    return table.decoded() if isinstance(table, CodedTable) else table


@given(st.lists(TABLES.filter(lambda table: table[0] == "reasons"), min_size=1, max_size=3), st.lists(st.booleans()))
def test_parts_are_the_same_bytes_coded_or_not(
    tables: list[tuple[str, list[dict[str, Any]]]], coded: list[bool]
) -> None:
    frames = [_frame(name, rows) for name, rows in tables]
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        pieces = _kept(workspace, "reasons", frames, coded)
        parts = workspace.parts(pieces, ("reasons",))["reasons"]
        assert parts.height == sum(map(len, frames))
        write_table(parts, Path(folder) / "parts.parquet")
        write_table(pl.concat(frames, rechunk=True), Path(folder) / "whole.parquet")
        assert (Path(folder) / "parts.parquet").read_bytes() == (Path(folder) / "whole.parquet").read_bytes()


@given(st.lists(TABLES.filter(lambda table: table[0] == "rules"), min_size=1, max_size=3), st.lists(st.booleans()))
def test_pieces_are_put_together_coded_or_not(
    tables: list[tuple[str, list[dict[str, Any]]]], coded: list[bool]
) -> None:
    frames = [_frame(name, rows) for name, rows in tables]
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        pieces = _kept(workspace, "rules", frames, coded)
        found = CodedTable.concat([workspace.coded(piece, "rules") for piece in pieces])
        assert_frame_equal(found.decoded(), pl.concat(frames), check_exact=True)
        assert found.said.keys() == (
            OF_RULES.keys() if len(coded) >= len(frames) and all(coded[: len(frames)]) else set()
        )


def test_a_piece_that_is_made_anew_is_decoded_anew(tmp_path: Path) -> None:
    """A file system may give the new file the number that the old one had."""
    for number in range(20):
        workspace = Workspace.opened(tmp_path, "night", plan={})
        said = {"student": pl.DataFrame({"student_id": [f"a{number}", f"b{number}"]})}
        with workspace.piece("part") as piece:
            piece.keep("scores", CodedTable(pl.DataFrame({"student": [0, 1]}), said))
        found = workspace.parts(["part"], ("scores",))["scores"].lazy().collect()
        assert found["student_id"].to_list() == [f"a{number}", f"b{number}"]


@given(st.lists(st.sampled_from("abcde"), unique=True), st.lists(st.sampled_from("abcde"), unique=True))
def test_rows_are_found_among_others(ids: list[str], among: list[str]) -> None:
    found = rows_among(pl.Series("one", ids, dtype=pl.String), pl.Series("other", among, dtype=pl.String))
    assert found.tolist() == [among.index(each) if each in among else -1 for each in ids]


def _kept(workspace: Workspace, name: str, frames: list[pl.DataFrame], coded: list[bool]) -> list[str]:
    """The frames as pieces, each coded or not; a frame of which nothing is said is not."""
    for number, frame in enumerate(frames):
        with workspace.piece(str(number)) as piece:
            is_coded = number < len(coded) and coded[number]
            piece.keep(name, CodedTable.of(frame, CODES[name]) if is_coded else frame)
    return [str(number) for number in range(len(frames))]
