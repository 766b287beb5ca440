"""Texts as numbers: what the compiled loop finds is what a join finds, whatever the texts are."""

from __future__ import annotations

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from cis_ews import texts
from cis_ews.texts import codes_of, places_of, ranked, surely_fit

SHORT = st.text(max_size=3) | st.sampled_from(["", "\0", "a\0", "123456789012", "12345678901"])
ANY = SHORT | st.sampled_from(["1234567890123", "a name that is longer", "a name that is longest", "ñandú ñandú ñandú"])


def _column(chunks: list[list[str | None]]) -> pl.Series:
    return pl.concat([pl.Series(each, dtype=pl.String) for each in chunks], rechunk=False)


def test_a_place_is_of_each_id_whether_equal_ones_stand_together_or_not() -> None:
    ids = pl.Series(["zed", "ann", "ann", None, "bob", "ann", "zed", "eve", "eve"])

    assert places_of(ids, pl.Series(["bob", "eve", "ann"])).tolist() == [-1, 2, 2, -1, 0, 2, -1, 1, 1]


@given(
    st.lists(st.lists(ANY | st.none(), max_size=8), min_size=1, max_size=3),
    st.lists(ANY | st.none(), max_size=8),
)
@example([["a", "b"], []], [None, "a"])
@example([[]], [])
@example([["b", "c", "a", "x"]], ["a", "a", "b", "c"])
@example([["b", "a text that is longer than twelve"]], ["a", "a", "b", "a text that is longer than twelve"])
def test_places_are_those_of_a_look_up_in_words(chunks: list[list[str | None]], known: list[str | None]) -> None:
    where = {text: known.index(text) for text in known if text is not None}

    found = places_of(_column(chunks), pl.Series(known, dtype=pl.String))

    assert found.tolist() == [-1 if text is None else where.get(text, -1) for some in chunks for text in some]


@given(st.lists(st.lists(ANY | st.none(), max_size=8), min_size=1, max_size=3))
def test_codes_are_the_places_of_texts_as_they_come_up(chunks: list[list[str | None]]) -> None:
    rows = [text for some in chunks for text in some]
    first = list(dict.fromkeys(text for text in rows if text is not None))

    codes, known = codes_of(_column(chunks))

    assert known.to_list() == first
    assert codes.tolist() == [-1 if text is None else first.index(text) for text in rows]


def test_a_slice_of_a_column_has_its_own_rows() -> None:
    column = pl.Series([f"s{number % 7}" for number in range(100)])

    codes, known = codes_of(column.slice(13, 20))

    assert known.gather(pl.Series(codes)).to_list() == column.to_list()[13:33]


def test_more_texts_than_a_small_table_holds_have_places_too() -> None:
    count = texts.MOST_KNOWN + 3
    column = pl.Series([str(number) for number in range(count)])

    codes, known = codes_of(column)

    assert codes.tolist() == list(range(count))
    assert known.equals(column)


@given(st.lists(st.lists(ANY | st.none(), max_size=8), min_size=1, max_size=3))
def test_ranks_order_as_the_texts_do(chunks: list[list[str | None]]) -> None:
    rows = [text for some in chunks for text in some]
    ordered = sorted({text for text in rows if text is not None}, key=str.encode)

    ranks, known = ranked(_column(chunks))

    assert known.to_list() == ordered
    assert ranks.tolist() == [-1 if text is None else ordered.index(text) for text in rows]


@given(st.lists(st.lists(ANY | st.sampled_from(["~", "\x7f", " a", "é"]), max_size=4), min_size=1, max_size=3))
@example([["123456789012", "1234\x005678901", "1234"]])
@example([["12345678901\x00"]])
def test_what_surely_fits_is_short_visible_and_without_the_null_character(chunks: list[list[str]]) -> None:
    rows = [text for some in chunks for text in some]

    expected = all(0 < len(text.encode()) <= 12 and "!" <= text[0] <= "~" and "\0" not in text for text in rows)

    assert surely_fit(_column(list(chunks))) == expected
    assert not surely_fit(_column([*chunks, [None]]))
