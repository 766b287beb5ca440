"""Whatever the students and the policy: lists within capacity, ties broken the same way, one tier each."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cis_ews.risk.cohort import Cohort
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tiers import JUDGED, TierPolicy, assign_tiers, judge_students, place_students
from tests.lib.indicator_frames import indicator_frame

WINTER = date(2026, 2, 27)
MODEL = RulesModel(
    ("attendance_works_this_year", "chronic_absence", "pasco_cis_referral", "ewims_suspension", "local_suspensions")
)
RULES = {"tier_3_rules": ["attendance_works_this_year"], "tier_2_rules": ["chronic_absence", "pasco_cis_referral"]}

days_enrolled = st.integers(0, 40)
counts = st.none() | st.integers(0, 3)
students = st.builds(
    lambda enrolled, absent, **numbers: {
        "days_enrolled_ytd": enrolled,
        "days_absent_ytd": absent * enrolled,
        **numbers,
    },
    days_enrolled,
    st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.5]),
    school_id=st.sampled_from(["north", "south", "west"]),
    grade_level=st.sampled_from([None, "K", "6", "9"]),
    incidents_major_ytd=counts,
    incidents_minor_ytd=counts,
    suspensions_ytd=counts,
)
rosters = st.lists(students, min_size=1, max_size=25)
capacities = st.fixed_dictionaries(
    {"share": st.sampled_from([0.01, 0.1, 0.29, 0.5, 1.0])}, optional={"number": st.integers(1, 10)}
)


risks_of_25 = st.lists(st.floats(0, 1), min_size=25, max_size=25)


def _policy(capacity: dict[str, Any], minimum_days: int = 20) -> TierPolicy:
    return TierPolicy.model_validate(
        {
            "config_version": 1,
            "minimum_days_enrolled": minimum_days,
            "tier_3_risk": 0.8,
            "tier_2_risk": 0.5,
            "places_for_rules": 0.5,
            "capacity": capacity,
            **RULES,
        }
    )


def _scores(frame: pl.DataFrame, policy: TierPolicy, risks: list[float] | None = None) -> pl.DataFrame:
    cohort = Cohort(frame.select("student_id", "school_id", "grade_level", days_enrolled="days_enrolled_ytd"), flow=())
    results = MODEL.evaluate(frame, as_of=WINTER)
    risk = None if risks is None else _risk(frame, risks)
    return assign_tiers(cohort, frame, results, policy=policy, model_version=MODEL.version, risk=risk)


def _risk(frame: pl.DataFrame, risks: list[float]) -> pl.DataFrame:
    return frame.select("student_id").with_columns(risk=pl.Series(risks[: frame.height]))


@given(rosters, capacities)
def test_no_list_is_longer_than_its_capacity(roster: list[dict[str, Any]], capacity: dict[str, Any]) -> None:
    policy = _policy(capacity)
    scores = _scores(indicator_frame(*roster), policy)
    schools = scores.group_by("school_id").agg(listed=(pl.col("tier") > 1).sum(), scored=pl.len())
    for school, listed, scored in schools.iter_rows():
        assert listed <= policy.places(school, scored)


@given(rosters, capacities, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(roster: list[dict[str, Any]], capacity: dict[str, Any], random: Any) -> None:
    frame, policy = indicator_frame(*roster), _policy(capacity)
    order = list(range(frame.height))
    random.shuffle(order)
    assert _scores(frame[order], policy).equals(_scores(frame, policy))


@given(rosters, capacities, st.integers(0, 45))
def test_every_student_of_the_cohort_has_one_tier_or_none_for_want_of_data(
    roster: list[dict[str, Any]], capacity: dict[str, Any], minimum_days: int
) -> None:
    frame = indicator_frame(*roster)
    scores = _scores(frame, _policy(capacity, minimum_days))
    assert scores.get_column("student_id").to_list() == sorted(frame.get_column("student_id"))
    said = {1: "Tier 1: ", 2: "Tier 2: ", 3: "Tier 3: ", None: "Not enough data: "}
    assert all(row["tier_reason"].startswith(said[row["tier"]]) for row in scores.iter_rows(named=True))
    assert (scores.get_column("abstained") == scores.get_column("tier").is_null()).all()


@given(rosters, capacities)
def test_nobody_on_a_list_stands_before_a_student_who_was_cut_from_it_with_more_need(
    roster: list[dict[str, Any]], capacity: dict[str, Any]
) -> None:
    frame = indicator_frame(*roster)
    wanted = _scores(frame, _policy({"number": 1_000})).select("student_id", asked="tier")
    scores = _scores(frame, _policy(capacity)).join(wanted, on="student_id")
    for _, school in scores.group_by("school_id"):
        cut = school.filter(pl.col("asked") > 1, pl.col("tier") == 1)["asked"].max()
        kept = school.filter(pl.col("tier") > 1)["tier"].min()
        assert cut is None or kept is None or kept >= cut


@given(rosters, capacities, risks_of_25)
def test_no_model_crowds_out_the_students_who_are_listed_first_by_rules(
    roster: list[dict[str, Any]], capacity: dict[str, Any], risks: list[float]
) -> None:
    frame, policy = indicator_frame(*roster), _policy(capacity)
    by_rules, beside = _scores(frame, policy), _scores(frame, policy, risks)
    for (school,), rows in by_rules.group_by("school_id"):
        kept = policy.rule_places(policy.places(str(school), rows.height))
        first = rows.filter(pl.col("tier") > 1, pl.col("list_place") <= kept)
        listed = beside.filter(pl.col("tier") > 1, pl.col("school_id") == school)
        assert set(first["student_id"]) <= set(listed["student_id"])
        assert listed.height <= policy.places(str(school), rows.height)
        lowered = listed.join(first.select("student_id", by_rules="tier"), on="student_id")
        assert (lowered["tier"] >= lowered["by_rules"]).all()


@given(rosters, capacities, st.sampled_from(["incidents_major_ytd", "days_absent_ytd"]))
def test_more_of_what_a_rule_counts_never_lowers_the_tier_that_is_asked_for(
    roster: list[dict[str, Any]], capacity: dict[str, Any], name: str
) -> None:
    policy = _policy({"number": 1_000})
    before = _scores(indicator_frame(*roster), policy)
    more = [{**student, name: _more(student, name)} for student in roster]
    after = _scores(indicator_frame(*more), policy)
    for tier, later in zip(before["tier"], after["tier"], strict=True):
        assert (later or 0) >= (tier or 0)


def _more(student: dict[str, Any], name: str) -> float | None:
    value = student[name]
    if value is None:
        return None
    return value + 1 if name != "days_absent_ytd" else min(value + 1, student["days_enrolled_ytd"])


@given(rosters, capacities, st.none() | risks_of_25, st.lists(st.integers(0, 3), min_size=25, max_size=25))
def test_judged_in_parts_and_placed_together_is_judged_at_once(
    roster: list[dict[str, Any]], capacity: dict[str, Any], risks: list[float] | None, split: list[int]
) -> None:
    frame, policy = indicator_frame(*roster), _policy(capacity)
    cohort = frame.select("student_id", "school_id", "grade_level", days_enrolled="days_enrolled_ytd")
    parts = pl.Series(split[: frame.height])
    judged = []
    for part in parts.unique():
        rows = parts == part
        results = MODEL.evaluate(frame.filter(rows), as_of=WINTER)
        told = None if risks is None else _risk(frame, risks).filter(rows)
        judged.append(judge_students(cohort.filter(rows), frame.filter(rows), results, policy=policy, risk=told))
    placed = place_students(pl.concat(judged), policy=policy, model_version=MODEL.version)
    assert placed.equals(_scores(frame, policy, risks))


@given(rosters, risks_of_25)
def test_a_student_is_judged_the_same_whoever_else_is_there(roster: list[dict[str, Any]], risks: list[float]) -> None:
    frame, policy = indicator_frame(*roster), _policy({"share": 0.1})
    cohort = frame.select("student_id", "school_id", "grade_level", days_enrolled="days_enrolled_ytd")
    results, risk = MODEL.evaluate(frame, as_of=WINTER), _risk(frame, risks)
    together = judge_students(cohort, frame, results, policy=policy, risk=risk)
    alone = [judge_students(cohort[row], frame, results, policy=policy, risk=risk) for row in range(frame.height)]
    assert pl.concat(alone).sort("student_id").equals(together)
    assert together.schema == JUDGED
