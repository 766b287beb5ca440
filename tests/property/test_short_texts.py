"""Texts compared and looked up as numbers say what the texts say, of whatever length they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cis_ews.calendars import places_of
from cis_ews.short_texts import LONGEST, places_among, ranked, surely_fit, words_of

# Few different characters, so that texts share beginnings; with what ends a text in memory, and more than one byte.
texts = st.text(alphabet="ab1 \0\x7fé", max_size=5) | st.text(max_size=14) | st.sampled_from(["0042504152", "x" * 12])
short = texts.filter(lambda text: len(text.encode()) <= LONGEST)


def column(values: Sequence[str | None], *, first: int = 0) -> pl.Series:
    """A column that begins within its buffer, in two pieces."""
    whole = pl.Series("id", ["before"] * first + list(values), dtype=pl.String).slice(first)
    return pl.concat([whole.head(2), whole.slice(2)], rechunk=False) if len(whole) > 3 else whole


@given(st.lists(texts), st.lists(texts, unique=True), st.integers(0, 2))
def test_each_text_has_its_place_among_those_known(asked: list[str], known: list[str], first: int) -> None:
    expected = [known.index(text) if text in known else -1 for text in asked]
    assert places_of(column(asked, first=first), column(known, first=first)).tolist() == expected


@given(st.lists(short, min_size=1), st.lists(short, min_size=1))
def test_a_text_that_is_known_twice_has_one_of_its_places(asked: list[str], known: list[str]) -> None:
    places = places_among(column(asked), column(known))
    assert places is not None
    for text, place in zip(asked, places, strict=True):
        assert known[place] == text if text in known else place == -1


def test_many_ids_far_apart_are_found_in_any_order() -> None:
    known = pl.Series([f"{number:08d}" for number in range(0, 60_000, 3)])
    asked = pl.Series(np.random.default_rng(1).permutation([f"{number:08d}" for number in range(20_000)]))
    assert pl.Series(places_of(asked, known) >= 0).equals(asked.is_in(known.implode()), null_equal=True)
    assert asked.gather(np.flatnonzero(places_of(asked, known) >= 0)).equals(
        known.gather(places_of(asked, known)[places_of(asked, known) >= 0])
    )


@given(st.lists(texts), st.integers(0, 2))
def test_ranks_order_as_the_texts_do(values: list[str], first: int) -> None:
    given_texts = column(values, first=first)
    ranks, different = ranked(given_texts)
    assert different.to_list() == sorted(set(values), key=str.encode)
    assert different.gather(ranks).to_list() == values


@given(st.lists(texts, min_size=1))
def test_what_surely_fits_is_short_visible_and_without_the_null_character(values: list[str]) -> None:
    expected = all(0 < len(text.encode()) <= LONGEST and "!" <= text[0] <= "~" and "\0" not in text for text in values)
    assert surely_fit(column(values)) == expected


def test_nothing_is_said_of_long_texts_nulls_and_other_types() -> None:
    assert words_of(pl.Series(["a", "x" * 13])) is None
    assert words_of(pl.Series(["a", None])) is None
    assert words_of(pl.Series([1, 2])) is None
    assert not surely_fit(pl.Series(["a", "x" * 13]))
    assert places_among(pl.Series(["x" * 13]), pl.Series(["a"])) is None
