"""The tier policy and the list of each school."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cis_ews.errors import ConfigError
from cis_ews.risk.cohort import Cohort
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tiers import Capacity, TierPolicy, assign_tiers
from tests.lib.indicator_frames import indicator_frame

WINTER = date(2026, 2, 27)
MISSED_A_FIFTH = {"days_absent_ytd": 20, "days_enrolled_ytd": 100}
MISSED_A_TENTH = {"days_absent_ytd": 10, "days_enrolled_ytd": 100}
PRESENT = {"days_absent_ytd": 0, "days_enrolled_ytd": 100}
CALM = {"incidents_major_ytd": 0, "incidents_minor_ytd": 0}
ROOM_FOR_ALL = {"capacity": {"number": 1_000}}
BASE = {
    "config_version": 1,
    "minimum_days_enrolled": 20,
    "tier_3_risk": 0.8,
    "tier_2_risk": 0.5,
    "places_for_rules": 0.5,
}
ROOT = Path(__file__).parents[2]


def _policy(**changes: Any) -> TierPolicy:
    rules = {
        "tier_3_rules": ("attendance_works_this_year",),
        "tier_2_rules": ("chronic_absence", "attendance_works_first_months", "pasco_cis_referral"),
    }
    return TierPolicy.model_validate({**BASE, **rules, **ROOM_FOR_ALL, **changes})


def _scores(
    *students: dict[str, Any], as_of: date = WINTER, risks: Sequence[float] | None = None, **changes: Any
) -> pl.DataFrame:
    frame, model = indicator_frame(*students), RulesModel()
    days = pl.col("days_enrolled_ytd").fill_null(0)
    cohort = Cohort(frame.select("student_id", "school_id", "grade_level", days_enrolled=days), flow=())
    results = model.evaluate(frame, as_of=as_of)
    risk = None if risks is None else frame.select("student_id").with_columns(risk=pl.Series(risks, dtype=pl.Float64))
    return assign_tiers(cohort, frame, results, policy=_policy(**changes), model_version=model.version, risk=risk)


def _tiers(scores: pl.DataFrame) -> list[int | None]:
    return scores.get_column("tier").to_list()


def test_each_tier_names_the_rule_that_put_the_student_there() -> None:
    scores = _scores({**MISSED_A_FIFTH, **CALM}, {**MISSED_A_TENTH, **CALM}, {**PRESENT, **CALM})
    assert _tiers(scores) == [3, 2, 1]
    assert scores.get_column("tier_reason").to_list() == [
        "Tier 3: Attendance Works: Missed 20 of 100 school days this year (20 %); from 20 % on, one-on-one support is "
        "advised (rules that agree: 2)",
        "Tier 2: Attendance Works: Missed 10 of 100 school days this year (10 %); 10 % or more is chronic absence",
        "Tier 1: no rule for Tier 2 or 3 holds",
    ]


def test_scores_have_the_columns_of_the_contract_and_no_risk() -> None:
    scores = _scores({**PRESENT, **CALM, "student_id": "b"}, {**PRESENT, **CALM, "student_id": "a"})
    assert scores.get_column("student_id").to_list() == ["a", "b"]
    assert scores.select("risk", "risk_low", "risk_high").null_count().row(0) == (2, 2, 2)
    assert set(scores.get_column("model_version")) == {RulesModel().version}


def test_tier_1_says_how_many_rules_could_not_be_asked() -> None:
    [reason] = _scores(PRESENT).get_column("tier_reason")
    assert reason == "Tier 1: no rule for Tier 2 or 3 holds; 1 could not be asked, missing behavior records"


def test_too_few_days_are_not_enough_data() -> None:
    few = {"days_absent_ytd": 1, "days_enrolled_ytd": 8}
    scores = _scores({**few, **CALM})
    assert _tiers(scores) == [None]
    assert scores.get_column("abstained").to_list() == [True]
    assert scores.item(0, "tier_reason") == "Not enough data: 8 of 20 days enrolled; missing more days enrolled"


def test_a_child_who_missed_8_of_the_first_10_days_is_seen() -> None:
    scores = _scores({"days_absent_ytd": 8, "days_enrolled_ytd": 10, **CALM}, as_of=date(2025, 9, 17))
    assert _tiers(scores) == [2]
    assert "Missed 8 of 10 school days" in scores.item(0, "tier_reason")


def test_incidents_are_seen_from_the_first_day() -> None:
    scores = _scores({"days_absent_ytd": 0, "days_enrolled_ytd": 2, "incidents_major_ytd": 2, "incidents_minor_ytd": 0})
    assert _tiers(scores) == [2]


def test_a_longer_minimum_silences_shares_of_fewer_days() -> None:
    student = {"days_absent_ytd": 8, "days_enrolled_ytd": 30, **CALM}
    assert _tiers(_scores(student)) == [3]
    assert _tiers(_scores(student, minimum_days_enrolled=31)) == [None]


def test_a_student_of_whom_no_rule_can_be_asked_is_not_enough_data_and_what_is_missing_is_said() -> None:
    scores = _scores({"days_enrolled_ytd": 100})
    assert _tiers(scores) == [None]
    assert scores.item(0, "tier_reason") == "Not enough data: missing attendance, behavior records"


def test_the_list_is_cut_at_capacity_by_tier_then_flags_then_absence() -> None:
    fewer_flags = {"student_id": "d", "days_absent_ytd": 14, "days_enrolled_ytd": 100, **CALM}
    scores = _scores(
        {"student_id": "a", **MISSED_A_TENTH, **CALM},
        {"student_id": "b", **MISSED_A_FIFTH, **CALM},
        {"student_id": "c", **MISSED_A_TENTH, **CALM, "suspensions_ytd": 1},
        fewer_flags,
        capacity={"number": 3},
    )
    assert _tiers(scores) == [1, 3, 2, 2]
    assert scores.item(0, "tier_reason") == (
        "Tier 1: the list of the school was full at 3; otherwise Tier 2: Attendance Works: Missed 10 of 100 school "
        "days this year (10 %); 10 % or more is chronic absence"
    )


def test_each_school_has_a_list_of_its_own() -> None:
    students = [
        {"student_id": f"{school}{number}", "school_id": school, **MISSED_A_TENTH, **CALM}
        for school in ("north", "south")
        for number in range(4)
    ]
    by_school = {"capacity": {"number": 1}, "capacity_by_school": {"south": {"number": 3}}}
    on_list = _scores(*students, **by_school).filter(pl.col("tier") > 1).group_by("school_id").len()
    assert dict(on_list.iter_rows()) == {"north": 1, "south": 3}


@pytest.mark.parametrize(
    ("capacity", "scored", "places"),
    [
        ({"share": 0.1}, 29, 2),
        ({"share": 0.29}, 100, 29),
        ({"share": 0.1}, 3, 1),
        ({"share": 0.1, "number": 85}, 2_000, 85),
        ({"share": 0.1, "number": 85}, 300, 30),
        ({"number": 40}, 10, 40),
    ],
)
def test_places_on_a_list(capacity: dict[str, Any], scored: int, places: int) -> None:
    assert Capacity.model_validate(capacity).of(scored) == places


def test_the_shipped_policy_loads_and_a_file_replaces_key_by_key(tmp_path: Path) -> None:
    shipped = TierPolicy.load()
    assert (shipped.capacity.share, shipped.capacity.number, shipped.minimum_days_enrolled) == (Decimal("0.1"), 85, 20)
    path = tmp_path / "policy.toml"
    path.write_text('config_version = 1\n[capacity_by_school."0012"]\nnumber = 40\n', encoding="utf-8")
    changed = TierPolicy.load(path)
    assert changed.tier_3_rules == shipped.tier_3_rules
    assert (changed.places("0012", 900), changed.places("0013", 900)) == (40, 85)
    assert changed.hash != shipped.hash
    assert TierPolicy.load().hash == shipped.hash


def test_the_file_in_configs_changes_nothing_yet() -> None:
    assert TierPolicy.load(ROOT / "configs" / "tier_policy.toml").hash == TierPolicy.load().hash


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tier3_rules = []", "tier3_rules: there is no such key; did you mean tier_3_rules"),
        ('tier_2_rules = "chronic_absence"', "tier_2_rules: should be a list"),
        ('tier_2_rules = ["chronic_absence", "chronic_absence"]', "tier_2_rules: named twice: chronic_absence"),
        ("tier_2_rules = []\ntier_3_rules = []", "policy.toml: tier_2_rules and tier_3_rules are both empty"),
        ('tier_2_rules = ["septembre_rule"]', "there is no rule septembre_rule"),
        ('tier_2_rules = ["attendance_band:terrible"]', "attendance_band has no level terrible"),
        (
            'tier_2_rules = ["truancy_conference"]',
            "truancy_conference is a duty, and only flags put a student into a tier",
        ),
        ('tier_3_rules = ["solid_average"]', "solid_average is a strength, and only flags put a student into a tier"),
        ("[capacity]", "a capacity needs a share, a number or both"),
        ("[capacity]\nshare = 1.5", "capacity.share: should be less than or equal to 1"),
        ("[capacity]\nnumber = 0", "capacity.number: should be greater than or equal to 1"),
        ("config_version = 2", "config_version: should be less than or equal to 1"),
        ("minimum_days_enrolled = ", "not valid TOML"),
    ],
)
def test_a_mistake_in_the_policy_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        TierPolicy.load(path)


def test_a_missing_policy_file_is_an_error_and_not_the_default(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no tier policy policy\.toml"):
        TierPolicy.load(tmp_path / "policy.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        TierPolicy.load(tmp_path)


def test_a_level_in_the_policy_takes_the_more_severe_ones_with_it() -> None:
    students = [{"days_absent_ytd": days, "days_enrolled_ytd": 100} for days in (25, 15, 7, 3)]
    scores = _scores(*students, tier_3_rules=("attendance_band:severe",), tier_2_rules=("attendance_band:moderate",))
    assert _tiers(scores) == [3, 2, 1, 1]


def test_a_model_asks_for_a_tier_from_the_policy_s_thresholds_on() -> None:
    scores = _scores(*[{**PRESENT, **CALM}] * 4, risks=[0.9, 0.8, 0.5, 0.49])
    assert _tiers(scores) == [3, 3, 2, 1]
    assert scores["risk"].to_list() == [0.9, 0.8, 0.5, 0.49]
    assert scores["tier_reason"].to_list() == [
        "Tier 3: Trained model: records like these call for intensive support",
        "Tier 3: Trained model: records like these call for intensive support",
        "Tier 2: Trained model: records like these call for targeted support",
        "Tier 1: no rule for Tier 2 or 3 holds, and the model asks for neither",
    ]


def test_the_reason_says_whether_rule_or_model_decided_and_who_agrees() -> None:
    fifth, tenth = {**MISSED_A_FIFTH, **CALM}, {**MISSED_A_TENTH, **CALM}
    reasons = _scores(fifth, tenth, tenth, risks=[0.9, 0.9, 0.0])["tier_reason"].to_list()
    assert reasons[0].startswith("Tier 3: Attendance Works: Missed 20 of 100 school days")
    assert reasons[0].endswith("(rules that agree: 2; the model agrees)")
    assert reasons[1] == "Tier 3: Trained model: records like these call for intensive support (rules that hold: 1)"
    assert reasons[2] == (
        "Tier 2: Attendance Works: Missed 10 of 100 school days this year (10 %); 10 % or more is chronic absence"
    )


def test_no_model_switches_off_what_a_rule_asks_for() -> None:
    students = [{**MISSED_A_FIFTH, **CALM}, {**MISSED_A_TENTH, **CALM}, {**PRESENT, **CALM}]
    assert _tiers(_scores(*students, risks=[0.0, 0.0, 0.0])) == _tiers(_scores(*students)) == [3, 2, 1]


def test_a_share_of_the_places_is_filled_by_rules_whatever_the_model_says() -> None:
    by_rule = [{"student_id": f"r{number}", **MISSED_A_TENTH, **CALM} for number in range(4)]
    by_model = [{"student_id": f"m{number}", **PRESENT, **CALM} for number in range(6)]
    risks = [0.0] * 4 + [1.0] * 6
    listed = _scores(*by_rule, *by_model, risks=risks, capacity={"number": 4}).filter(pl.col("tier") > 1)
    assert sorted(student[0] for student in listed["student_id"]) == ["m", "m", "r", "r"]
    assert sorted(listed["list_place"]) == [1, 2, 3, 4]
    assert listed.sort("list_place")["tier"].to_list() == [3, 3, 2, 2]
    none_kept = _scores(*by_rule, *by_model, risks=risks, capacity={"number": 4}, places_for_rules=0)
    assert {student[0] for student in none_kept.filter(pl.col("tier") > 1)["student_id"]} == {"m"}


def test_a_model_orders_the_list_within_a_tier() -> None:
    students = [{"student_id": name, **MISSED_A_TENTH, **CALM} for name in "abc"]
    scores = _scores(*students, risks=[0.1, 0.3, 0.2])
    assert scores.sort("list_place")["student_id"].to_list() == ["b", "c", "a"]


def test_a_model_says_nothing_of_a_student_of_whom_too_little_is_known() -> None:
    few = {"days_absent_ytd": 1, "days_enrolled_ytd": 8, **CALM}
    incidents = {"days_enrolled_ytd": 2, "days_absent_ytd": 0, "incidents_major_ytd": 2, "incidents_minor_ytd": 0}
    scores = _scores(few, incidents, risks=[0.99, 0.99])
    assert _tiers(scores) == [None, 2]
    assert scores["risk"].to_list() == [None, None]
    assert "model" not in scores.item(1, "tier_reason")


def test_the_intensive_tier_needs_the_higher_risk() -> None:
    with pytest.raises(ValueError, match="tier_3_risk is below tier_2_risk"):
        _policy(tier_3_risk=0.4)
