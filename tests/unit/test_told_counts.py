"""Counts of students that are told, and those that would tell of 1 to 9."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from cis_ews.evaluation.suppression import FEWEST, as_told, told_cells, told_count, told_reasons, told_whole


@given(st.integers(0, 30), st.dictionaries(st.sampled_from("abcd"), st.integers(1, 30)))
def test_a_whole_less_what_is_told_of_it_is_never_few(judged: int, left_out: dict[str, int]) -> None:
    whole, told, reasons = told_whole(judged, sum(left_out.values())), told_count(judged), told_reasons(left_out)
    numbers = [told, *reasons.values()]
    assert all(number is None or number == 0 or number >= FEWEST for number in numbers)
    if None in numbers:
        assert whole is None
        assert numbers.count(None) == 1 or not any(numbers)
    else:
        assert whole == sum(number for number in numbers if number is not None) == judged + sum(left_out.values())


def test_counts_in_words() -> None:
    assert [as_told(told_count(count)) for count in (0, 1, 9, 10, 1234)] == [
        "0",
        "fewer than 10",
        "fewer than 10",
        "10",
        "1,234",
    ]


def test_two_blocks_of_hidden_pairs_do_not_give_away_what_joins_them() -> None:
    """Rows F and M less columns a and b are what F and c have in common, though no line hides one pair alone."""
    met = dict.fromkeys(product("FMXN", "abcd"), 20)
    met |= dict.fromkeys([*product("FM", "ab"), *product("XN", "cd")], 6) | {("F", "c"): 3}
    hidden = met.keys() - told_cells(met)
    first, second = ({pair for pair in hidden if pair[place] in line} for place, line in ((0, "FM"), (1, "ab")))
    assert len(first - second) > 1, "or it is the sum of two rows less that of two columns"
    assert len(hidden) == 10


def test_a_group_in_one_place_alone_does_not_give_its_neighbor_away() -> None:
    """All newcomers have a low income: their number is told by themselves, and so would be what it is taken from."""
    sizes = {("newcomer", "yes"): 30, ("never", "yes"): 500, ("never", "no"): 60, ("never", "not recorded"): 50}
    sizes |= {("long-term", "yes"): 5, ("long-term", "no"): 40, ("long-term", "not recorded"): 45}
    with_low_income = {group for group, low_income in sizes.keys() - told_cells(sizes) if low_income == "yes"}
    assert with_low_income == {"long-term", "newcomer", "never"}, "or the third less newcomers is the five"
