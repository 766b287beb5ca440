"""Plain words for indicators and rules, with the student's own numbers, at a sixth-grade reading level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import polars as pl

from cis_ews.enums import Domain
from cis_ews.risk.rule_catalog.parts import EXTERNAL_INPUTS
from cis_ews.risk.rule_terms import Condition, Leaf, Number, Season, Share, inputs, leaves
from cis_ews.risk.templates import FACTS_FIELD


@dataclass(frozen=True, slots=True)
class Fact:
    """What an indicator says. Indicators with the same `topic` speak of the same thing: one reason is made of them."""

    topic: str
    domain: Domain
    sentence: str


def _attendance(topic: str, sentence: str) -> Fact:
    return Fact(topic, Domain.ATTENDANCE, sentence)


def _behavior(topic: str, sentence: str) -> Fact:
    return Fact(topic, Domain.BEHAVIOR, sentence)


def _coursework(topic: str, sentence: str) -> Fact:
    return Fact(topic, Domain.COURSEWORK, sentence)


FACTS_PLACE = "{" + FACTS_FIELD + "}"
_MISSED_THIS_YEAR = "Missed {days_absent_ytd} of {days_enrolled_ytd:school day|school days} this year"
_SUSPENDED = "Was suspended {suspensions_ytd:time|times} this year"
_MAJOR = "Had {incidents_major_ytd:major incident|major incidents} this year"
_MINOR = "Had {incidents_minor_ytd:minor incident|minor incidents} this year"

FACTS: dict[str, Fact] = {
    # What a conversation can change soonest stands first: this is the order of reasons of equal concern.
    "absence_rate_last_45": _attendance(
        "absence lately", "Missed {days_absent_last_45} of the last {days_enrolled_last_45:school day|school days}"
    ),
    "days_absent_last_45": _attendance(
        "absence lately", "Missed {days_absent_last_45} of the last {days_enrolled_last_45:school day|school days}"
    ),
    "days_absent_last_20": _attendance(
        "absence lately", "Missed {days_absent_last_20} of the last {days_enrolled_last_20:school day|school days}"
    ),
    "absence_trend": _attendance(
        "absence lately", "Missed {days_absent_last_20} of the last {days_enrolled_last_20:school day|school days}"
    ),
    "absence_rate_ytd": _attendance("absence this year", _MISSED_THIS_YEAR + " ({absence_rate_ytd:%})"),
    "no_improvement_under_tier_2": _attendance("support so far", "Tier 2 support has not changed attendance yet"),
    "full_day_absence_rate_ytd": _attendance(
        "absence this year",
        "Missed half a day or more on {full_days_absent_ytd} of {days_enrolled_ytd:school day|school days} this year",
    ),
    "days_absent_ytd": _attendance("absence this year", _MISSED_THIS_YEAR),
    "full_days_absent_ytd": _attendance(
        "absence this year", "Missed half a day or more on {full_days_absent_ytd:school day|school days} this year"
    ),
    "full_days_unexcused_this_month": _attendance(
        "unexcused absence", "Missed {full_days_unexcused_this_month:day|days} without an excuse this month"
    ),
    "full_days_unexcused_month_max": _attendance(
        "unexcused absence", "Missed {full_days_unexcused_month_max:day|days} without an excuse in one month this year"
    ),
    "full_days_unexcused_ytd": _attendance(
        "unexcused absence", "Missed {full_days_unexcused_ytd:day|days} without an excuse this year"
    ),
    "days_unexcused_ytd": _attendance(
        "unexcused absence", "Missed {days_unexcused_ytd:day|days} without an excuse this year"
    ),
    "full_days_excused_month_max": _attendance(
        "excused absence", "Missed {full_days_excused_month_max:day|days} with an excuse in one month this year"
    ),
    "full_days_excused_ytd": _attendance(
        "excused absence", "Missed {full_days_excused_ytd:day|days} with an excuse this year"
    ),
    "incidents_last_45": _behavior(
        "incidents lately",
        "Had {incidents_major_last_45} major and {incidents_minor_last_45} minor incidents in the last 45 school days",
    ),
    "exclusion_days_last_45": _behavior(
        "suspension", "Was kept out of class for {exclusion_days_last_45:day|days} in the last 45 school days"
    ),
    "exclusion_days_first_20": _behavior(
        "suspension", "Was kept out of class for {exclusion_days_first_20:day|days} in the first 20 school days"
    ),
    "incidents_major_ytd": _behavior("major incidents", _MAJOR),
    "incidents_minor_ytd": _behavior("minor incidents", _MINOR),
    "incidents_ytd": _behavior("incidents lately", "Had {incidents_ytd:incident|incidents} this year"),
    "suspensions_ytd": _behavior("suspension", _SUSPENDED),
    "in_school_suspensions_ytd": _behavior(
        "suspension", "Was suspended in school {in_school_suspensions_ytd:time|times} this year"
    ),
    "out_of_school_days_ytd": _behavior(
        "suspension", "Was suspended from school for {out_of_school_days_ytd:day|days} this year"
    ),
    "failing_courses": _coursework("failing courses", "Is not passing {failing_courses:course|courses} right now"),
    "f_marks_latest_term": _coursework(
        "failing courses", "Has {f_marks_latest_term:mark|marks} below 65 % or not passing right now"
    ),
    "failing_english": _coursework("English", "Is not passing English right now"),
    "percent_english": _coursework("English", "Has {percent_english:%%} in English"),
    "failing_math": _coursework("math", "Is not passing math right now"),
    "percent_math": _coursework("math", "Has {percent_math:%%} in math"),
    "d_marks_latest_term": _coursework("low marks", "Has {d_marks_latest_term:D mark|D marks} right now"),
    "mark_trend": _coursework("mark trend", "Marks changed since last term"),
    "credits_attempted_not_earned_ytd": _coursework(
        "credits", "Has not yet earned {credits_attempted_not_earned_ytd:credit|credits} tried this year"
    ),
    "credits_earned_ytd": _coursework("credits", "Has earned {credits_earned_ytd:credit|credits} this year"),
    "incomplete_marks_ytd": _coursework(
        "incomplete courses", "Has {incomplete_marks_ytd:course|courses} to finish this year"
    ),
    "core_semester_failures_ytd": _coursework(
        "failed courses",
        "Did not pass {core_semester_failures_ytd:core course|core courses} in a semester this year",
    ),
    "reading_percentile": _coursework("reading", "Reads at percentile {reading_percentile}"),
    "state_test_level_english": _coursework(
        "English", "Scored at level {state_test_level_english} on the state English test"
    ),
    "state_test_level_math": _coursework("math", "Scored at level {state_test_level_math} on the state math test"),
    "below_grade_level": _coursework("reading", "Is working toward grade level in reading or math"),
    "unsatisfactory_behavior_mark": _behavior("behavior mark", "Has a low behavior mark in a core course"),
    "gpa_ytd": _coursework("grade point average", "Has a grade point average of {gpa_ytd} this year"),
    "absence_rate_first_20": _attendance(
        "absence in fall", "Missed {days_absent_first_20} of the first {days_enrolled_first_20:school day|school days}"
    ),
    "days_absent_september": _attendance(
        "absence in fall", "Missed {days_absent_september} of {days_enrolled_september:day|days} in September"
    ),
    "absence_rate_last_year": _attendance(
        "absence last year",
        "Missed {days_absent_last_year} of {days_enrolled_last_year:school day|school days} last year",
    ),
}
"""Every indicator that a rule may give as a reason."""

OF_THIS_YEAR = ("absence lately", "absence in fall")
SAME_DAYS_UNTIL = 45
"""Before this many days enrolled, the windows within a year are nearly the year itself, and give one reason with it."""
TOPICS: tuple[str, ...] = tuple(dict.fromkeys(fact.topic for fact in FACTS.values()))


def fact_of(leaf: Leaf) -> Fact | None:
    """What a condition says of a student when it holds; None for gates (season, grade, days needed)."""
    return None if isinstance(leaf, Season) else FACTS.get(leaf.indicator)


def fact_value(leaf: Leaf) -> pl.Expr:
    """The number behind a condition: a share for shares, 1 for yes."""
    if isinstance(leaf, Share):
        return pl.col(leaf.part).cast(pl.Float64) / (leaf.units * pl.col(leaf.whole))
    if isinstance(leaf, Number):
        return reduce(add, (pl.col(name) for name in inputs(leaf))).cast(pl.Float64)
    return pl.col(inputs(leaf)[0]).cast(pl.Float64)


def fact_sentences(condition: Condition) -> list[str]:
    """What can be said of a student of whom the condition holds, each fact once, in reading order."""
    facts = [fact for fact in map(fact_of, leaves(condition)) if fact is not None]
    return list(dict.fromkeys(fact.sentence for fact in facts))


def asks_for_facts(template: str) -> bool:
    """Whether a rule's sentence has a place for facts."""
    return FACTS_PLACE in template


def with_facts(template: str, facts: Sequence[str]) -> str | None:
    """A rule's sentence with facts, joined, in the place of `{facts}`; None where it asks for facts and has none."""
    if not asks_for_facts(template):
        return template
    joined = "; ".join(fact[0].lower() + fact[1:] for fact in facts)
    return template.replace(FACTS_PLACE, joined[0].upper() + joined[1:]) if joined else None


INPUT_WORDS = (
    ("days_enrolled_last_year", "last year's attendance"),
    ("days_absent_last_year", "last year's attendance"),
    ("days_enrolled", "more days enrolled"),
    ("grade_level", "the grade level"),
    ("school_level", "the level of the school"),
    ("is_first_time_grade_9", "whether this is the first year in grade 9"),
    ("absent_parts_last_year", "last year's attendance"),
    ("absent_parts", "attendance"),
    ("days_", "attendance"),
    ("full_days_", "attendance"),
    ("absence_", "attendance"),
    ("tardies", "attendance"),
    ("incidents", "behavior records"),
    ("suspensions", "behavior records"),
    ("in_school_suspensions", "behavior records"),
    ("out_of_school", "behavior records"),
    ("exclusion", "behavior records"),
    ("gpa", "grade points"),
    ("credits", "credits"),
)
"""The beginning of an input's name and what a person calls it; the first that fits."""


def input_words(name: str) -> str:
    """What a person calls a missing input."""
    external = EXTERNAL_INPUTS.get(name)
    return external or next((words for start, words in INPUT_WORDS if name.startswith(start)), "marks")
