"""Measures of drift by hand, what is judged and what is not, and risks beside their outcomes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from cis_ews.errors import ModelError
from cis_ews.evaluation.drift import monitor, outcomes_beside_risks, told_apart
from cis_ews.evaluation.drift_checks import CHECKS
from cis_ews.evaluation.drift_measures import COUNTS, DAYS, VALUES, NightFacts, measured
from cis_ews.evaluation.shift import binned, chance_index, jensen_shannon, poisson_distance, population_stability_index

MONDAY = date(2025, 10, 6)
STUDENTS = 40


def test_shares_that_moved_by_hand() -> None:
    before, now = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    assert population_stability_index(before, now) == pytest.approx(-0.25 * math.log(0.5) + 0.25 * math.log(1.5))
    middle = np.array([0.375, 0.625])
    parts = [float((each * np.log2(each / middle)).sum()) for each in (before, now)]
    assert jensen_shannon(before, now) == pytest.approx(math.sqrt(sum(parts) / 2))
    assert population_stability_index(before, before) == jensen_shannon(before, before) == 0.0
    assert jensen_shannon(np.array([1 - 1e-12, 1e-12]), np.array([1e-12, 1 - 1e-12])) == pytest.approx(1.0)


def test_bins_are_fifths_of_what_was_and_half_a_student_is_added_to_each() -> None:
    before, now = binned(np.arange(10.0), np.full(10, 99.0))
    assert before.tolist() == pytest.approx([2.5 / 12.5] * 5)
    assert now.tolist() == pytest.approx([0.5 / 12.5] * 4 + [10.5 / 12.5])
    assert binned(np.zeros(10), np.array([0.0, 1.0]))[1].tolist() == pytest.approx([1.5 / 3, 1.5 / 3])


def test_a_count_beside_what_was_expected() -> None:
    assert poisson_distance(0.0, 9.0) == -6.0
    assert poisson_distance(16.0, 9.0) == 2.0
    assert poisson_distance(-3.0, 4.0) == -4.0  # records were withdrawn


def test_chance_alone_seldom_exceeds_its_index() -> None:
    draw = np.random.default_rng(5)
    for students in (12, 40, 300):
        pairs = [draw.normal(size=(2, students)) for _ in range(1_000)]
        above = [population_stability_index(*binned(*pair)) > chance_index(students, students) for pair in pairs]
        assert sum(above) <= 6


def test_every_check_says_what_to_do_under_a_code_of_its_own() -> None:
    assert [check.code for check in CHECKS] == [f"EWS{number:03}" for number in range(1, len(CHECKS) + 1)]
    assert all(check.least > 0.0 and check.what_to_do and check.measure for check in CHECKS)


def _night(week: int, *, held: int | None = None, reported: int | None = None, **changed: Any) -> NightFacts:
    """Three schools of 40, one of each record a student and day; the rest replaces what the first school has.

    `held`: the school days of its calendar; `reported`: those of them that it has reported.
    """
    days = 10 + 5 * week
    whole = {"held": days, "reported": days}
    first = {"held": held or days, "reported": reported or held or days}
    rows: dict[str, object] = {
        "tier": 1,
        "risk": None,
        DAYS: days,
        **dict.fromkeys(COUNTS, days),
        **dict.fromkeys(VALUES, 0.5),
    }
    students = [
        {"student_id": f"{school}{number}", "school_id": school, **rows, **(changed if school == "north" else {})}
        for school in ("north", "south", "east")
        for number in range(STUDENTS)
    ]
    schema = {"risk": pl.Float64, "tier": pl.Int8}
    frame = pl.DataFrame(students, schema_overrides=schema)
    return NightFacts(
        as_of=MONDAY + timedelta(weeks=week),
        school_year=2026,
        students=frame,
        school_days={"north": first, "south": whole, "east": whole},
    )


def test_the_first_nights_are_not_judged_and_a_steady_year_is_silent() -> None:
    nights = [_night(week) for week in range(7)]
    assert [monitor(each, nights).earlier for each in nights] == [0, 0, 1, 2, 3, 4, 5]
    assert monitor(nights[0], nights).compared_with is None
    assert all(monitor(each, nights).findings == () for each in nights)
    early = _night(3, tardies_ytd=500)
    assert monitor(early, nights).findings == ()


def test_nights_of_another_year_of_the_same_week_and_of_long_ago_are_passed_over() -> None:
    nights = [_night(week) for week in range(6)]
    tonight = _night(6)
    other_year = [NightFacts(as_of=each.as_of, school_year=2025, students=each.students) for each in nights]
    assert monitor(tonight, other_year).compared_with is None
    yesterday = NightFacts(as_of=tonight.as_of - timedelta(days=1), school_year=2026, students=tonight.students)
    assert monitor(tonight, [*nights, yesterday]).compared_with == nights[-1].as_of
    assert monitor(_night(12), nights).compared_with is None


@pytest.mark.parametrize(
    ("changed", "code", "feature"),
    [
        ({"reported": 35, DAYS: 35}, "EWS001", DAYS),
        ({"held": 45, DAYS: 45}, "EWS002", DAYS),
        ({"tardies_ytd": 35}, "EWS003", "tardies_ytd"),
        ({"tardies_ytd": 80}, "EWS004", "tardies_ytd"),
        ({"gpa_latest_term": 5.0}, "EWS005", "gpa_latest_term"),
        ({"gpa_latest_term": None}, "EWS006", "gpa_latest_term"),
        ({"tier": 2}, "EWS008", "flagged"),
    ],
)
def test_each_check_finds_its_fault_at_its_school(changed: dict[str, Any], code: str, feature: str) -> None:
    found = monitor(_night(6, **changed), [_night(week) for week in range(6)]).findings
    assert (code, "north", feature) in {(each.check.code, each.school_id, each.feature) for each in found}
    assert {each.school_id for each in found} == {"north"}


def _year_of_one_late(days_late: Callable[[int], int], *, weeks: int, holiday: int) -> list[NightFacts]:
    """Nights a week apart with a week without school; the first school reports some school days late."""
    nights = list[NightFacts]()
    for week in range(weeks):
        held = 10 + 5 * (week - (week >= holiday))
        known = held - days_late(week)
        night = _night(week)
        students = night.students.with_columns(
            pl.when(pl.col("school_id") == "north").then(known).otherwise(held).alias(name) for name in (DAYS, *COUNTS)
        )
        days = {"north": {"held": held, "reported": known}}
        days |= {school: {"held": held, "reported": held} for school in ("south", "east")}
        nights.append(replace(night, students=students, school_days=days))
    return nights


def test_a_school_that_is_always_late_is_no_finding_in_a_holiday_and_one_that_stops_is() -> None:
    # A week late: in the week without school it catches up, and in the week after it is late again.
    nights = _year_of_one_late(lambda week: 0 if week == 7 else 5, weeks=12, holiday=7)
    assert [monitor(each, nights).findings for each in nights] == [()] * 12
    stops = _year_of_one_late(lambda week: {7: 0, 11: 10}.get(week, 5), weeks=12, holiday=7)
    [found, *_] = monitor(stops[-1], stops).findings
    assert (found.check.code, found.school_id, found.then, found.now, found.value) == ("EWS001", "north", 5, 10, 5)


def test_a_school_with_a_break_of_its_own_is_no_finding_and_the_others_are_none() -> None:
    nights = [_night(week) for week in range(6)]
    break_of_north = _night(6, held=35, **dict.fromkeys((DAYS, *COUNTS), 35))
    assert monitor(break_of_north, nights).findings == ()
    others_break = _night(5)
    moved = others_break.students.with_columns(
        pl.when(pl.col("school_id") == "north").then(pl.lit(40)).otherwise(name).alias(name) for name in (DAYS, *COUNTS)
    )
    days = dict(others_break.school_days) | {"north": {"held": 40, "reported": 40}}
    tonight = replace(others_break, as_of=_night(6).as_of, students=moved, school_days=days)
    assert monitor(tonight, nights).findings == ()


def test_of_two_schools_the_late_one_is_named_and_a_lone_one_too() -> None:
    for schools in (["north", "south"], ["north"]):
        some = pl.col("school_id").is_in(schools)
        every = [*(_night(week) for week in range(6)), _night(6, reported=35, **{DAYS: 35})]
        nights = [
            replace(
                night,
                students=night.students.filter(some),
                school_days={school: night.school_days[school] for school in schools},
            )
            for night in every
        ]
        found = [each for each in monitor(nights[-1], nights).findings if each.check.code in ("EWS001", "EWS002")]
        assert [(each.check.code, each.school_id) for each in found] == [("EWS001", "north")]


def test_a_finding_is_told_in_words_without_a_usual_of_nothing() -> None:
    for check in CHECKS:
        said = check.sentence(value=0.5, usual=-1.0, then=3.0, now=5.0)
        assert "0.00" not in said.replace("3.00", "").replace("5.00", "")
        assert "-1" not in said
        assert said == check.sentence(value=0.5, usual=0.0, then=3.0, now=5.0)


def test_students_who_are_gone_and_rows_that_are_rejected() -> None:
    nights = [_night(week) for week in range(6)]
    rest = _night(6).students.filter((pl.col("school_id") != "north") | pl.col("student_id").str.ends_with("1"))
    tonight = NightFacts(
        as_of=nights[-1].as_of + timedelta(days=7), school_year=2026, students=rest, rejected={"incidents": 0.2}
    )
    found = monitor(tonight, nights).findings
    assert [(each.check.code, each.school_id, each.then, each.now) for each in found] == [
        ("EWS009", "north", 40.0, 4.0),
        ("EWS010", None, 0.0, 0.2),
    ]


def test_a_school_of_fewer_than_ten_is_not_measured() -> None:
    few = pl.col("student_id").str.contains("1$")
    nights = [_night(week) for week in (0, 1)]
    small = [NightFacts(as_of=each.as_of, school_year=2026, students=each.students.filter(few)) for each in nights]
    assert measured(*small).is_empty()


def _risks(seed: int, *, factor: float = 1.0, students: int = 1_000) -> tuple[pl.DataFrame, pl.DataFrame]:
    draw = np.random.default_rng(seed)
    risk = draw.beta(2.0, 8.0, students)
    schools = np.array(["north", "south"])[np.arange(students) % 2]
    met = draw.random(students) < np.where(schools == "north", np.clip(risk * factor, 0.0, 1.0), risk)
    ids = [str(number) for number in range(students)]
    scores = pl.DataFrame({"student_id": ids, "school_id": schools, "risk": risk})
    return scores, pl.DataFrame({"student_id": ids, "label": met.astype(int)})


def test_risks_that_no_longer_mean_what_they_say() -> None:
    assert sum(bool(outcomes_beside_risks(*_risks(seed))) for seed in range(40)) <= 3
    for seed in range(10):
        found = outcomes_beside_risks(*_risks(seed, factor=1.8))
        assert "north" in {each.school_id for each in found}
        assert "south" not in {each.school_id for each in found}


def _quiet(seed: int, *, factor: float = 1.0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two schools of 150 with hardly a risk: a twentieth of the students at most is met."""
    scores, _ = _risks(seed, students=300)
    draw, risk = np.random.default_rng(seed), scores["risk"].to_numpy() / 12.0
    met = draw.random(300) < np.where(scores["school_id"].to_numpy() == "north", np.clip(risk * factor, 0, 1), risk)
    return scores.with_columns(risk=risk), scores.select("student_id", label=pl.Series(met.astype(int)))


def test_schools_with_hardly_a_risk_are_judged_too() -> None:
    assert sum(bool(outcomes_beside_risks(*_quiet(seed))) for seed in range(100)) <= 5
    for seed in range(10):
        found = {each.school_id: each for each in outcomes_beside_risks(*_quiet(seed, factor=9.0))}
        assert "north" in found
        assert "south" not in found
        assert found["north"].now is not None
        assert found["north"].value > found["north"].check.least


def test_of_fewer_than_ten_with_the_outcome_a_finding_says_so_much_alone() -> None:
    scores = _at_schools({"north": 60}, risk=0.01).with_columns(student_id=pl.int_range(pl.len()).cast(pl.String))
    met = scores.select("student_id", label=(pl.int_range(pl.len()) < 9).cast(pl.Int64))
    both = outcomes_beside_risks(scores, met)
    assert [(each.school_id, each.now, each.value) for each in both] == [(None, None, 3.0), ("north", None, 3.0)]
    said = both[1].check.sentence(value=both[1].value, usual=1.0, then=both[1].then, now=both[1].now)
    assert said.startswith("1.0% were expected to have the outcome; what came of it is 3 deviations away or more")
    more = scores.select("student_id", label=(pl.int_range(pl.len()) < 10).cast(pl.Int64))
    assert [each.now for each in outcomes_beside_risks(scores, more)] == [pytest.approx(1 / 6)] * 2


@pytest.mark.parametrize(("few", "told"), [(3, [None, 0.5, 0.5]), (0, [0.4, 0.5, 0.5]), (12, [0.412, 0.5, 0.5])])
def test_a_school_with_few_outcomes_is_not_what_all_together_have_more_than_the_others(
    few: int, told: list[float | None]
) -> None:
    """Two schools of 400 with 200 each are told; of a third of 200 with 3, less them, the whole would tell the 3."""
    sizes, met = {"a": 400, "b": 400, "c": 200}, {"a": 200, "b": 200, "c": few}
    rows = [(f"{school}{place}", school, place) for school, size in sizes.items() for place in range(size)]
    known = pl.DataFrame(rows, schema=["student_id", "school_id", "place"], orient="row").with_columns(
        risk=pl.when(pl.col("school_id") == "c").then(few / 200).otherwise(0.2),
        label=(pl.col("place") < pl.col("school_id").replace_strict(met)).cast(pl.Int64),
    )
    found = outcomes_beside_risks(known.drop("label"), known.select("student_id", "label"))
    assert [each.school_id for each in found] == [None, "a", "b"]
    assert [each.now for each in found] == told


def test_outcomes_of_nobody() -> None:
    scores, outcomes = _risks(1)
    with pytest.raises(ModelError, match="no student has a risk and an outcome"):
        outcomes_beside_risks(scores, outcomes.with_columns(label=pl.lit(None, pl.Int64)))


def _at_schools(sizes: dict[str, int], *, risk: float = 0.3) -> pl.DataFrame:
    schools = [school for school, size in sizes.items() for _ in range(size)]
    return pl.DataFrame({"school_id": schools, "risk": [risk] * len(schools)})


def test_nothing_is_told_of_fewer_than_ten_nor_by_subtraction() -> None:
    found = told_apart(_at_schools({"north": 60, "south": 50, "east": 9}))
    assert found.schools == ("north", "south")
    assert found.together.height == 110  # all less the two schools would be the nine of the third
    found = told_apart(_at_schools({"north": 60, "east": 9, "west": 4}))
    assert (found.schools, found.together.height) == (("north",), 73)
    found = told_apart(_at_schools({"east": 9, "west": 9, "hill": 9}))
    assert (found.schools, found.together.height) == ((), 27)
    found = told_apart(_at_schools({"east": 9}, risk=0.5))
    assert (found.schools, found.together.height) == ((), 0)


def test_outcomes_of_fewer_than_ten_are_no_finding() -> None:
    scores = _at_schools({"east": 9}, risk=0.01).with_columns(student_id=pl.int_range(pl.len()).cast(pl.String))
    assert outcomes_beside_risks(scores, scores.select("student_id", label=1)) == ()
