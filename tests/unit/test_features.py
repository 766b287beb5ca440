"""The catalog of features holds together, and each kind of term gives the number that its definition says."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cis_ews.enums import Domain
from cis_ews.errors import ModelError
from cis_ews.indicators import DAY_PARTS, INDICATORS_SCHEMA
from cis_ews.indicators.windows import MONTHS
from cis_ews.risk.feature_catalog import FEATURES, SAME_EARLY, attendance, context
from cis_ews.risk.feature_catalog.feature import OthersRate, Told
from cis_ews.risk.features import build_features, features_hash, monotone_constraints, school_sums
from cis_ews.risk.templates import template_fields
from tests.lib.indicator_frames import indicator_frame

NAMES = [feature.name for feature in FEATURES]
BY_NAME = {feature.name: feature for feature in FEATURES}


def value_of(name: str, **indicators: Any) -> float | None:
    """A feature of one student who has these indicators and no others."""
    return build_features(indicator_frame(indicators)).get_column(name).item()


def test_names_are_unique_and_about_sixty() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert 55 <= len(NAMES) <= 70


def test_every_column_that_is_read_or_spoken_of_is_an_indicator() -> None:
    told = [(feature, told) for feature in FEATURES for told in (*feature.risk, *feature.strength)]
    columns = {name for feature in FEATURES for name in feature.value.reads}
    columns |= {name for _, each in told for name in template_fields(each.sentence)}
    columns |= {name for feature in FEATURES if feature.number for name in feature.number.reads}
    columns |= {feature.indicator for feature in FEATURES if feature.number is None}
    assert columns - set(INDICATORS_SCHEMA) == set()


def test_comparisons_speak_of_the_grade_and_the_median_alone() -> None:
    compared = [feature.comparison for feature in FEATURES if feature.comparison]
    words = [text for each in compared for text in (each.fewer, each.more, each.none)]
    assert compared
    assert {name for text in words for name in template_fields(text)} == {"grade_level", "median"}
    assert {name for each in compared for name in template_fields(each.none)} == {"grade_level"}


def test_no_feature_is_made_of_text_but_the_grade() -> None:
    text = {name for name, dtype in INDICATORS_SCHEMA.items() if dtype in (pl.String, pl.Enum)} - {"grade_level"}
    alone = [feature for feature in FEATURES if not isinstance(feature.value, OthersRate)]
    assert {"student_id", "school_id"} <= text
    assert {name for feature in alone for name in feature.value.reads} & text == set()


def test_what_the_catalog_repeats_of_the_indicators_is_the_same() -> None:
    assert context.DAY_PARTS == DAY_PARTS
    assert sorted(attendance.MONTHS) == sorted(MONTHS)
    assert {*SAME_EARLY, *SAME_EARLY.values()} <= {feature.topic for feature in FEATURES}


def test_a_topic_has_one_domain() -> None:
    pairs = {(feature.topic, feature.domain) for feature in FEATURES}
    assert len(pairs) == len({topic for topic, _ in pairs})


def test_grade_and_school_are_never_told() -> None:
    of_place = [feature for feature in FEATURES if feature.domain == Domain.CONTEXT]
    assert {"grade", "school_absence_rate"} <= {feature.name for feature in of_place}
    assert [each.name for each in of_place if each.risk or each.strength or each.unknown or each.comparison] == []


def test_sentences_look_at_the_side_that_the_direction_says() -> None:
    for feature in FEATURES:
        for told, worse in [*((told, 1) for told in feature.risk), *((told, -1) for told in feature.strength)]:
            limits = (told.at_least, told.at_most)
            assert limits != (None, None), feature.name
            if feature.monotone and None in limits:
                assert (told.at_least is not None) == (feature.monotone * worse == 1), feature.name


def fits(told: Told, value: float) -> bool:
    """Whether a sentence is told of a value, peers aside."""
    above = told.at_least is None or value >= told.at_least
    return above and (told.at_most is None or value <= told.at_most)


def test_no_value_is_a_risk_and_a_strength_at_once() -> None:
    values = [number / 200 for number in range(-2000, 20_001)]
    for feature in FEATURES:
        risks = {value for value in values if any(fits(told, value) for told in feature.risk)}
        strengths = {value for value in values if any(fits(told, value) for told in feature.strength)}
        assert risks & strengths == set(), feature.name
        assert bool(risks) == bool(feature.risk), feature.name
        assert bool(strengths) == bool(feature.strength), feature.name


@pytest.mark.parametrize(
    ("name", "indicators", "expected"),
    [
        ("absence_rate_ytd", {"days_enrolled_ytd": 9, "days_absent_ytd": 3.0}, None),
        ("absence_rate_ytd", {"days_enrolled_ytd": 10, "days_absent_ytd": 3.0}, 0.3),
        ("full_day_absence_rate_ytd", {"days_enrolled_ytd": 20, "full_days_absent_ytd": 5}, 0.25),
        ("incidents_per_100_days", {"days_enrolled_ytd": 40, "incidents_ytd": 3}, 7.5),
        ("unexcused_share", {"days_unexcused_ytd": 0.0, "days_absent_ytd": 0.0}, None),
        ("unexcused_share", {"days_unexcused_ytd": 1.0, "days_absent_ytd": 4.0}, 0.25),
        ("gpa_change_from_last_year", {"gpa_ytd": 2.5, "gpa_last_year": 3.0}, -0.5),
        ("gpa_change_from_last_year", {"gpa_ytd": 2.5}, None),
        ("gpa_better_step", {"gpa_trend": -0.5, "gpa_ytd": 2.5, "gpa_last_year": 3.25}, -0.5),
        ("gpa_better_step", {"gpa_trend": -0.5, "gpa_ytd": 2.5, "gpa_last_year": 2.25}, 0.25),
        ("gpa_better_step", {"gpa_trend": -0.5}, None),
        ("failing_english", {"failing_english": True}, 1.0),
        ("failing_english", {"failing_english": False}, 0.0),
        ("grade", {"grade_level": "K"}, 0.0),
        ("grade", {"grade_level": "12"}, 12.0),
        ("grade", {"grade_level": "PK"}, None),
        ("grade", {"grade_level": None}, None),
        ("incidents_last_20", {"days_enrolled_ytd": 20, "incidents_major_last_20": 1}, None),
        (
            "incidents_last_20",
            {"days_enrolled_ytd": 20, "incidents_major_last_20": 1, "incidents_minor_last_20": 2},
            3.0,
        ),
    ],
)
def test_levels_ratios_and_differences(name: str, indicators: dict[str, Any], expected: float | None) -> None:
    assert value_of(name, **indicators) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("indicators", "expected"),
    [
        ({"absent_parts_ytd": 0, "days_enrolled_ytd": 12}, 12.0),
        ({"absent_parts_ytd": 0, "days_enrolled_ytd": 100}, 45.0),
        ({"absent_parts_ytd": 1, "days_since_last_absence": 7, "days_enrolled_ytd": 100}, 7.0),
        ({"absent_parts_ytd": 1, "days_since_last_absence": 80, "days_enrolled_ytd": 100}, 45.0),
        ({"days_enrolled_ytd": 100}, None),
    ],
)
def test_days_since_the_last_absence(indicators: dict[str, Any], expected: float | None) -> None:
    assert value_of("days_since_last_absence", **indicators) == expected


def months(**days_and_absent: tuple[int, float]) -> dict[str, Any]:
    """Indicators of months: days enrolled and days absent by month, 60 days enrolled in all."""
    days = {f"days_enrolled_{month}": days for month, (days, _) in days_and_absent.items()}
    absent = {f"days_absent_{month}": absent for month, (_, absent) in days_and_absent.items()}
    return {"days_enrolled_ytd": 60, **days, **absent}


def test_a_slope_is_the_least_squares_of_the_months() -> None:
    even = months(september=(20, 1.0), october=(20, 2.0), november=(20, 3.0))
    assert value_of("absence_slope", **even) == pytest.approx(0.05)
    gap = months(september=(20, 0.0), december=(20, 6.0))
    assert value_of("absence_slope", **gap) == pytest.approx(0.1)


def test_a_slope_weighs_months_by_their_days() -> None:
    begun = months(september=(20, 0.0), october=(20, 2.0), november=(1, 1.0))
    expected = np.polyfit([0, 1, 2], [0.0, 0.1, 1.0], 1, w=np.sqrt([20, 20, 1]))[0]
    assert value_of("absence_slope", **begun) == pytest.approx(expected)


def test_one_month_has_no_slope() -> None:
    assert value_of("absence_slope", **months(september=(20, 4.0))) is None


def test_the_worst_month_leaves_out_months_of_a_few_days() -> None:
    worst = months(september=(20, 2.0), october=(10, 3.0), november=(9, 9.0))
    assert value_of("absence_rate_worst_month", **worst) == pytest.approx(0.3)


def test_a_shift_is_at_the_month_where_absence_moved_most() -> None:
    rose = months(september=(20, 1.0), october=(20, 1.0), november=(10, 4.0), december=(10, 2.0))
    assert value_of("absence_shift", **rose) == pytest.approx(6 / 20 - 2 / 40)
    fell = months(september=(20, 8.0), october=(20, 2.0), november=(20, 2.0))
    assert value_of("absence_shift", **fell) == pytest.approx(0.1 - 0.4)
    assert value_of("absence_shift", **months(september=(30, 0.0), october=(30, 0.0))) == 0.0


def test_of_equal_shifts_the_earliest_counts() -> None:
    there_and_back = months(september=(20, 1.0), october=(20, 3.0), november=(20, 1.0))
    assert value_of("absence_shift", **there_and_back) == pytest.approx(4 / 40 - 1 / 20)


def test_a_few_days_are_no_side_of_a_shift() -> None:
    assert value_of("absence_shift", **months(september=(9, 9.0), october=(51, 0.0))) is None


def test_the_first_days_stand_beside_last_year_where_both_are_known() -> None:
    first = {"days_enrolled_ytd": 30, "absence_rate_first_20": 0.2, "absence_rate_last_year": 0.05}
    assert value_of("absence_first_20_from_last_year", **first, days_enrolled_last_year=170) == pytest.approx(0.15)
    assert value_of("absence_first_20_from_last_year", **first, days_enrolled_last_year=19) is None


def school(students: int, **of_the_first: Any) -> pl.DataFrame:
    """A school of students who were absent 2 of 20 days each; the first differs."""
    usual: dict[str, Any] = {"days_enrolled_ytd": 20, "days_absent_ytd": 2.0, "chronically_absent": True}
    rows = [usual | {"student_id": f"s{number:02}"} for number in range(students)]
    return indicator_frame({**rows[0], **of_the_first}, *rows[1:])


def test_a_school_is_everyone_else_in_it() -> None:
    found = build_features(school(11, days_absent_ytd=20.0, absence_rate_ytd=1.0))
    rates = found.get_column("school_absence_rate").to_list()
    assert rates[0] == pytest.approx(0.1)
    assert rates[1] == pytest.approx((9 * 2 + 20) / 200)


def test_a_school_is_not_told_of_with_fewer_than_ten_others() -> None:
    assert build_features(school(10)).get_column("school_chronic_share").null_count() == 10
    assert build_features(school(11)).get_column("school_chronic_share").to_list() == [1.0] * 11


def test_whoever_has_left_does_not_count_and_has_all_the_others() -> None:
    found = build_features(school(11, is_enrolled=False, chronically_absent=False))
    shares = found.get_column("school_chronic_share").to_list()
    assert shares == [1.0, *[None] * 10]


def test_others_of_whom_nothing_is_known_do_not_count() -> None:
    found = build_features(school(12, chronically_absent=None)).get_column("school_chronic_share").to_list()
    assert found == [1.0] * 12
    assert build_features(school(11, chronically_absent=None)).get_column("school_chronic_share").to_list() == [
        1.0,
        *[None] * 10,
    ]


def test_the_matrix_has_the_catalogs_columns_in_its_order() -> None:
    found = build_features(indicator_frame({"student_id": "zoe"}, {"student_id": "ann"}))
    assert found.schema == pl.Schema({"student_id": pl.String()} | dict.fromkeys(NAMES, pl.Float32()))
    assert found.get_column("student_id").to_list() == ["ann", "zoe"]


def test_an_empty_table_gives_an_empty_matrix() -> None:
    assert build_features(indicator_frame().clear()).height == 0


def test_sums_of_buckets_add_up_to_those_of_all() -> None:
    whole = school(25)
    parts = pl.concat([school_sums(whole.head(7)), school_sums(whole.tail(18))])
    assert_frame_equal(parts.group_by("school_id").sum(), school_sums(whole))
    found = build_features(whole.head(7), sums=school_sums(whole))
    assert_frame_equal(found, build_features(whole).head(7))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ModelError, match="lack 2 columns that features are made of: failing_math, gpa_ytd") as caught:
        build_features(indicator_frame({}).drop("gpa_ytd", "failing_math"))
    assert caught.value.hint == "make them with compute_indicators of this version"


def test_an_unknown_feature_is_named() -> None:
    with pytest.raises(ModelError, match="1 feature is not in the catalog: absence_rate_ydt"):
        monotone_constraints(["absence_rate_ytd", "absence_rate_ydt"])


def test_directions_are_those_of_the_catalog() -> None:
    found = monotone_constraints(["gpa_ytd", "absence_rate_ytd", "grade"])
    assert found == {"gpa_ytd": -1, "absence_rate_ytd": 1, "grade": 0}


def test_the_hash_is_that_of_the_terms_in_any_order() -> None:
    assert features_hash(["gpa_ytd", "grade"]) == features_hash(["grade", "gpa_ytd"])
    assert len({features_hash([name]) for name in NAMES}) == len(NAMES)
    # Pinned: it may change with the term or EVALUATION, never with a library's version or a sentence.
    assert features_hash(["gpa_ytd"]) == "1da236cd21b078228596cc6ab5848665b3b212e600b21a2d0d8a07ff333190d2"
