"""Counts of students that are told, and those that would tell of 1 to 9."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cis_ews.evaluation.suppression import FEWEST, as_told, told_count, told_reasons, told_whole


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
