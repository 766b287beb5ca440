"""Cells of a column of categories are read as those of one of text, each spelling once; and what is surely filled."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cis_ews.readers.cells import Spellings, dates, surely_filled, truths, word
from cis_ews.readers.ledger import Ledger

KIND = pl.Categorical(pl.Categories("cell", "tests.cells"))
DAYS = ["2025-09-08", None, " 09/09/2025", "", "soon", "2025-09-08", "2025-09-10T08:00", None]
WORDS = ["true", None, "TRUE ", "no", "", "maybe", "true", "0"]


def both(cells: list[str | None]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The cells as text and as categories, behind a heading that is none of them, with their places."""
    text = pl.DataFrame({"cell": pl.Series(["heading", *cells], dtype=pl.String)}).with_columns(file=pl.lit("t.csv"))
    text = text.with_columns(pl.int_range(pl.len()).alias("row_number"))
    return text.slice(1), text.cast({"cell": KIND}).slice(1)


@pytest.mark.parametrize("cells", [DAYS, [None, None], [], ["2025-09-08"] * 3, ["soon", None]])
def test_dates_of_categories_are_those_of_text(cells: list[str | None]) -> None:
    ledgers = Ledger(), Ledger()
    text, kept = (
        dates(rows, "t", ("cell",), table="course_grades", ledger=ledger)
        for rows, ledger in zip(both(cells), ledgers, strict=True)
    )
    assert_frame_equal(text, kept)
    assert ledgers[0].notes == ledgers[1].notes
    assert_frame_equal(pl.concat(ledgers[0].rejections), pl.concat(ledgers[1].rejections))


@pytest.mark.parametrize("cells", [WORDS, [None, None], [], ["true", "false", None]])
def test_truths_and_words_of_categories_are_those_of_text(cells: list[str | None]) -> None:
    ledgers, frames = (Ledger(), Ledger()), both(cells)
    text, kept = (truths(rows, "t", ("cell",), ledger=ledger) for rows, ledger in zip(frames, ledgers, strict=True))
    assert_frame_equal(text, kept)
    assert ledgers[0].notes == ledgers[1].notes
    text, kept = (rows.select(word("cell")) for rows in frames)
    assert_frame_equal(text, kept)


def test_a_text_of_categories_is_looked_at_once() -> None:
    each = Spellings.of(both(["a", "b", "a", None, "a"])[1]["cell"])
    assert sorted(set(each.texts.to_list())) == ["a", "b"]
    assert each.spread(each.texts.str.to_uppercase()).to_list() == ["A", "B", "A", None, "A"]


@pytest.mark.parametrize(
    ("cells", "is_filled"),
    [(["a", "~"], True), (["a", None], False), (["a", " b"], False), (["a", ""], False), (["a", "\u00a0"], False)],
)
def test_blank_cells_are_never_taken_for_filled(cells: list[str | None], is_filled: bool) -> None:
    assert surely_filled(pl.Series(cells, dtype=pl.String)) is is_filled
