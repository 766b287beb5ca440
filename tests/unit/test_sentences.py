"""Numbers in sentences: near enough for a calculator, and never past a cut-off that was not reached."""

from __future__ import annotations

import polars as pl
import pytest

from cis_ews.risk.sentences import FACTS, with_facts
from cis_ews.risk.templates import render


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (22 / 108, "20.4 %"),
        (46 / 108, "42.6 %"),
        (18 / 180, "10 %"),
        (0.0996, "9.9 %"),
        (0.19996, "19.9 %"),
        (1 / 3, "33.3 %"),
        (0.0, "0 %"),
        (1.0, "100 %"),
    ],
)
def test_shares_are_rounded_but_never_up_to_a_whole_percent(share: float, words: str) -> None:
    frame = pl.DataFrame({"rate": [share]})
    assert frame.select(render("{rate:%}")).item() == words


def test_a_sentence_without_its_number_is_null() -> None:
    frame = pl.DataFrame({"rate": [None]}, schema={"rate": pl.Float64})
    assert frame.select(render("Missed {rate:%}")).item() is None


def test_marks_below_65_percent_are_not_called_courses_that_are_not_passed() -> None:
    frame = pl.DataFrame({"f_marks_latest_term": [4]})
    said = frame.select(render(FACTS["f_marks_latest_term"].sentence)).item()
    assert said == "Has 4 marks below 65 % or not passing right now"


def test_facts_are_joined_into_one_sentence() -> None:
    facts = ["Missed {a} days", "Is not passing math"]
    assert with_facts("{facts} (2 signs)", facts) == "Missed {a} days; is not passing math (2 signs)"
    assert with_facts("{facts} (2 signs)", []) is None
    assert with_facts("Missed {a} days", []) == "Missed {a} days"


def test_every_fact_begins_with_a_word_that_can_stand_inside_a_sentence() -> None:
    assert all(fact.sentence[0].isupper() and fact.sentence[1].islower() for fact in FACTS.values())
