"""Reasons by hand-made contributions: what is told, what is not, and in which words."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import cis_ews
from cis_ews.errors import ModelError
from cis_ews.risk.explanations import explain, peer_values
from cis_ews.risk.feature_catalog import FEATURES, Feature
from cis_ews.risk.features import build_features
from cis_ews.synthetic import write_district
from tests.lib.indicator_frames import indicator_frame
from tests.lib.reading_level import reading_grade, syllables
from tests.lib.reasons import by_hand, copied_for_each_feature, each_feature_alone, linear, told_of

SIXTH_GRADE = 6.0
BY_NAME = {feature.name: feature for feature in FEATURES}


def in_window(absent: float, *, days: int = 20, **more: Any) -> dict[str, Any]:
    """A grade 8 student who missed so many of the last 20 days, in the middle of a year."""
    return {
        "grade_level": "8",
        "days_enrolled_ytd": 100,
        "days_enrolled_last_20": days,
        "days_absent_last_20": absent,
        **more,
    }


def classmates(absent: float, *, count: int = 10, **more: Any) -> list[dict[str, Any]]:
    """Students of the same school and grade who all missed as many days."""
    return [in_window(absent, student_id=f"t{number}", **more) for number in range(count)]


def test_a_risk_is_told_beside_half_of_the_grade() -> None:
    assert told_of(in_window(9), *classmates(1), absence_rate_last_20=0.8) == [
        ("risk", "Missed 9 of the last 20 school days; half of the grade 8 students here missed 1 or fewer")
    ]


def test_where_half_of_the_grade_have_none_it_says_so() -> None:
    assert told_of(in_window(9), *classmates(0), absence_rate_last_20=0.8) == [
        ("risk", "Missed 9 of the last 20 school days; half of the grade 8 students here missed none")
    ]


def test_fewer_than_ten_students_are_no_comparison() -> None:
    alone = [("risk", "Missed 9 of the last 20 school days")]
    assert told_of(in_window(9), *classmates(1, count=8), absence_rate_last_20=0.8) == alone
    assert told_of(in_window(9), *classmates(1, count=9), absence_rate_last_20=0.8) != alone


@pytest.mark.parametrize("differing", [{"grade_level": "7"}, {"school_id": "south"}, {"is_enrolled": False}])
def test_other_grades_schools_and_leavers_are_no_comparison(differing: dict[str, Any]) -> None:
    others = [{**mate, **differing} for mate in classmates(1)]
    assert told_of(in_window(9), *others, absence_rate_last_20=0.8) == [("risk", "Missed 9 of the last 20 school days")]


def test_a_student_of_an_unknown_grade_is_compared_with_nobody() -> None:
    unknown = {**in_window(9), "grade_level": None}
    mates = [{**mate, "grade_level": None} for mate in classmates(1)]
    assert told_of(unknown, *mates, absence_rate_last_20=0.8) == [("risk", "Missed 9 of the last 20 school days")]


def test_the_same_as_half_of_the_grade_needs_no_comparison() -> None:
    assert told_of(in_window(3), *classmates(3), absence_rate_last_20=0.8) == [
        ("risk", "Missed 3 of the last 20 school days")
    ]


def test_better_than_half_of_the_grade_is_no_risk() -> None:
    assert told_of(in_window(3), *classmates(4), absence_rate_last_20=0.8) == []


def test_worse_than_half_of_the_grade_is_no_strength() -> None:
    assert told_of(in_window(1), *classmates(0), absence_rate_last_20=-0.8) == []
    assert told_of(in_window(1), *classmates(2), absence_rate_last_20=-0.8) == [
        ("strength", "Missed only 1 of the last 20 school days; half of the grade 8 students here missed 2 or more")
    ]


@pytest.mark.parametrize(
    ("indicators", "name", "weight"),
    [
        (in_window(0), "absence_rate_last_20", 0.8),
        (in_window(1), "absence_rate_last_20", 0.8),
        (in_window(9), "absence_rate_last_20", -0.8),
        ({"days_enrolled_ytd": 108, "days_absent_ytd": 12.0}, "absence_rate_ytd", -0.8),
        ({"days_enrolled_ytd": 108, "days_absent_ytd": 2.0}, "absence_rate_ytd", 0.8),
        ({"failing_courses": 0, "courses_latest_term": 6}, "failing_courses", 0.8),
        ({"failing_courses": 2, "courses_latest_term": 6}, "failing_courses", -0.8),
        ({"percent_math": 85.0}, "percent_math", 0.8),
        ({"percent_math": 65.0}, "percent_math", -0.8),
        ({"days_enrolled_ytd": 100, "incidents_ytd": 0}, "incidents_per_100_days", 0.8),
        ({"days_enrolled_ytd": 100, "incidents_ytd": 4}, "incidents_per_100_days", -0.8),
        ({"current_absence_run": 0}, "current_absence_run", 0.8),
    ],
)
def test_a_number_on_the_other_side_is_not_told(indicators: dict[str, Any], name: str, weight: float) -> None:
    assert told_of(indicators, **{name: weight}) == []


@pytest.mark.parametrize(
    ("indicators", "name", "weight", "sentence"),
    [
        (in_window(0), "absence_rate_last_20", -0.8, "Has not missed any of the last 20 school days"),
        ({"percent_math": 65.0}, "percent_math", 0.8, "Has 65 % in math"),
        ({"percent_math": 85.0}, "percent_math", -0.8, "Has 85 % in math"),
        ({"failing_math": True}, "failing_math", 0.8, "Is not passing math right now"),
        ({"credits_gap": 1.0}, "credits_gap", 0.8, "Needs 1 more credit to be on time"),
        ({"current_absence_run": 3}, "current_absence_run", 0.8, "Has missed the last 3 school days in a row"),
        (
            {"days_enrolled_ytd": 180, "days_absent_ytd": 17.999},
            "absence_rate_ytd",
            0.8,
            "Missed 9.9 % of 180 days this year",
        ),
    ],
)
def test_what_is_told_of_a_number(indicators: dict[str, Any], name: str, weight: float, sentence: str) -> None:
    assert [words for _, words in told_of(indicators, **{name: weight})] == [sentence]


def test_the_number_and_its_indicator_stand_beside_the_sentence() -> None:
    indicators = indicator_frame(
        {"days_enrolled_ytd": 90, "incidents_major_last_20": 1, "incidents_minor_last_20": 2, "gpa_ytd": 1.5}
    )
    given = by_hand(indicators, incidents_last_20=0.5, gpa_ytd=0.9)
    found = explain(build_features(indicators), given, indicators)
    assert found.select("rank", "direction", "domain", "indicator", "value").rows() == [
        (1, "risk", "coursework", "gpa_ytd", 1.5),
        (2, "risk", "behavior", "incidents_last_20", 3.0),
    ]


def test_a_topic_is_told_once_by_its_strongest_feature() -> None:
    child = in_window(9, days_enrolled_last_45=45, days_absent_last_45=12.0)
    lately = told_of(child, absence_rate_last_20=0.3, absence_rate_last_45=0.4)
    assert lately == [("risk", "Missed 12 of the last 45 school days")]


def test_contributions_of_a_topic_are_summed() -> None:
    child = in_window(9, days_enrolled_last_45=45, days_absent_last_45=12.0, gpa_ytd=1.0)
    weights = {"absence_rate_last_20": 0.3, "absence_rate_last_45": 0.3, "gpa_ytd": 0.5}
    assert [words for _, words in told_of(child, **weights)] == [
        "Missed 9 of the last 20 school days",
        "Has a grade point average of 1 this year",
    ]
    assert told_of(child, absence_rate_last_20=0.3, absence_rate_last_45=-0.4) == []


def test_a_feature_that_points_the_other_way_does_not_speak_for_its_topic() -> None:
    child = in_window(9, absence_trend=0.0)
    assert told_of(child, absence_trend=0.5, absence_rate_last_20=-0.1) == []


def test_what_hardly_weighs_is_no_reason() -> None:
    assert told_of(in_window(9), absence_rate_last_20=0.02) == []
    assert len(told_of(in_window(9), absence_rate_last_20=0.021)) == 1


def test_what_is_missing_is_never_a_reason_but_said_to_be_unknown() -> None:
    assert told_of(in_window(9), absence_rate_last_year=0.4) == [("unknown", "We do not know last year's attendance")]
    assert told_of(in_window(9), absence_rate_last_year=-0.4) == []
    assert told_of(in_window(9), credits_gap=0.4) == []


def test_what_is_not_known_is_said_once() -> None:
    both = told_of({}, absence_rate_last_year=0.4, absence_change_from_last_year=0.3, gpa_last_year=0.5)
    assert both == [
        ("unknown", "We do not know last year's attendance"),
        ("unknown", "We do not know last year's marks"),
    ]


def test_the_missing_part_of_a_topic_does_not_weigh_in_what_is_known_of_it() -> None:
    child = {"incidents_last_year": 3}
    told = told_of(child, incidents_last_year=0.3, suspensions_last_year=-0.9)
    assert told == [("risk", "Had 3 incidents last year")]


def test_an_unknown_reason_has_no_number() -> None:
    indicators = indicator_frame({})
    found = explain(build_features(indicators), by_hand(indicators, gpa_last_year=0.5), indicators)
    assert found.select("indicator", "value").rows() == [("gpa_last_year", None)]


def test_grade_moves_and_school_are_never_told() -> None:
    weights = {feature.name: weight for weight in (2.0,) for feature in FEATURES if feature.domain == "context"}
    child = {"grade_level": "9", "is_first_time_grade_9": True, "school_changes_ytd": 3, "days_enrolled_ytd": 100}
    assert len(weights) == 9
    assert told_of(child, **weights) == []


def test_early_in_a_year_its_windows_are_one_topic() -> None:
    child = {"days_enrolled_ytd": 44, "days_absent_ytd": 12.0, "days_enrolled_last_20": 20, "days_absent_last_20": 8.0}
    weights = {"absence_rate_last_20": 0.5, "absence_rate_ytd": 0.4}
    assert told_of(child, **weights) == [("risk", "Missed 8 of the last 20 school days")]
    assert told_of({**child, "days_enrolled_ytd": 45}, **weights) == [
        ("risk", "Missed 8 of the last 20 school days"),
        ("risk", "Missed 26.7 % of 45 days this year"),
    ]


def test_at_most_so_many_are_told_in_each_direction() -> None:
    child = in_window(9, failing_math=True, failing_english=True, gpa_ytd=1.0, percent_average_latest_term=90.0)
    weights = {"absence_rate_last_20": 0.1, "failing_math": 0.4, "failing_english": 0.3, "gpa_ytd": 0.2}
    indicators = indicator_frame(child)
    given = by_hand(indicators, **weights, percent_average_latest_term=-0.1, gpa_last_year=0.1)
    found = explain(build_features(indicators), given, indicators, limit=2)
    assert found.select("direction", "rank", "indicator").rows() == [
        ("risk", 1, "failing_math"),
        ("risk", 2, "failing_english"),
        ("strength", 1, "percent_average_latest_term"),
        ("unknown", 1, "gpa_last_year"),
    ]


def test_equal_reasons_stand_in_the_order_of_the_catalog() -> None:
    child = in_window(9, failing_math=True, failing_english=True)
    told = told_of(child, failing_math=0.5, absence_rate_last_20=0.5, failing_english=0.5)
    assert [words.split(" ")[-1] for _, words in told] == ["days", "now", "now"]
    assert [words for _, words in told][1] == "Is not passing English right now"


def test_nobody_to_explain_gives_no_reason() -> None:
    indicators = indicator_frame({})
    nobody = by_hand(indicators, gpa_ytd=1.0).clear()
    assert explain(build_features(indicators), nobody, indicators).height == 0


def test_columns_that_are_no_features_are_named() -> None:
    indicators = indicator_frame({})
    with pytest.raises(ModelError, match="1 feature is not in the catalog: gpa_yesterday"):
        explain(build_features(indicators), by_hand(indicators, gpa_yesterday=1.0), indicators)


@pytest.mark.parametrize("lacking", ["features", "indicators"])
def test_students_without_features_or_indicators_are_counted_and_not_named(lacking: str) -> None:
    indicators = indicator_frame({"student_id": "ann"}, {"student_id": "bob"})
    given = {"features": build_features(indicators), "indicators": indicators}
    given[lacking] = given[lacking].head(1)
    with pytest.raises(ModelError, match=f"the {lacking} lack 1 student of those with contributions") as caught:
        explain(given["features"], by_hand(indicators, gpa_ytd=1.0), given["indicators"])
    assert "bob" not in str(caught.value)


@pytest.mark.parametrize("lacking", ["features", "indicators"])
def test_a_column_that_is_spoken_of_and_missing_is_named(lacking: str) -> None:
    indicators = indicator_frame({})
    given = {"features": build_features(indicators), "indicators": indicators}
    given[lacking] = given[lacking].drop("gpa_ytd")
    with pytest.raises(ModelError, match=f"the {lacking} lack 1 column that reasons speak of: gpa_ytd"):
        explain(given["features"], by_hand(indicators, gpa_ytd=1.0), given["indicators"])


def test_medians_are_numbers_that_a_student_has() -> None:
    mates = [in_window(absent, student_id=f"t{absent:02}") for absent in range(10)]
    found = peer_values(indicator_frame(*mates))
    assert found.select("school_id", "grade_level", "students", "absence_rate_last_20").rows() == [
        ("north", "8", 10, 4.0)
    ]
    assert found.get_column("percent_math").to_list() == [None]


@pytest.fixture(scope="module")
def indicators(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Indicators of a made-up district in February."""
    folder = tmp_path_factory.mktemp("district")
    as_of = date(2026, 2, 27)
    write_district(folder / "extract", students=2_400, years=2, seed=7, through=as_of)
    return cis_ews.compute_indicators(cis_ews.read_school_data(folder / "extract"), as_of)


@pytest.fixture(scope="module")
def alone(indicators: pl.DataFrame) -> pl.DataFrame:
    """What each feature alone makes told of each student, as risk, strength or unknown."""
    features, peers = build_features(indicators), peer_values(indicators)
    rows = copied_for_each_feature(features), copied_for_each_feature(indicators)
    told = [
        explain(rows[0], each_feature_alone(features, weight=weight), rows[1], peers=peers) for weight in (1.0, -1.0)
    ]
    return pl.concat(told).with_columns(feature=pl.col("student_id").str.split("|").list.last())


def test_every_feature_that_has_words_is_told_of_somebody(alone: pl.DataFrame) -> None:
    words = [(each.name, "risk", each.risk) for each in FEATURES]
    words += [(each.name, "strength", each.strength) for each in FEATURES]
    expected = {(name, direction) for name, direction, sentences in words if sentences}
    found = alone.filter(pl.col("direction") != "unknown").select("feature", pl.col("direction").cast(pl.String))
    assert set(found.unique().rows()) == expected


def test_every_sentence_is_at_the_level_of_a_sixth_grader(alone: pl.DataFrame) -> None:
    sentences = alone.get_column("sentence").unique().sort().to_list()
    assert len(sentences) > 1_000
    hard = {sentence: reading_grade([sentence]) for sentence in sentences if reading_grade([sentence]) > SIXTH_GRADE}
    assert hard == {}


def test_what_a_linear_model_tells_is_easy_to_read(indicators: pl.DataFrame) -> None:
    features = build_features(indicators)
    found = explain(features, linear(features), indicators)
    assert found.get_column("direction").cast(pl.String).unique().sort().to_list() == ["risk", "strength", "unknown"]
    assert reading_grade(found.get_column("sentence")) <= SIXTH_GRADE


def test_no_sentence_names_a_feature_a_model_or_a_chance(alone: pl.DataFrame) -> None:
    words = alone.get_column("sentence").str.to_lowercase().unique()
    jargon = ["_", "{", "model", "probab", "odds", "chance", "score", "predict", "feature", "median", "null", "nan"]
    assert [each for each in jargon if words.str.contains(each, literal=True).any()] == []


def test_no_risk_speaks_of_nothing_and_no_strength_of_much(alone: pl.DataFrame) -> None:
    """Whatever a student's numbers are: what is told as a risk is a concern by itself, as a strength a strength."""
    risks = alone.filter(pl.col("direction") == "risk").get_column("sentence")
    nothing = risks.str.contains(r"^(Missed|Had|Has missed|Is not passing|Was late on) 0 ")
    assert risks.filter(nothing & ~risks.str.contains(" major and ")).to_list() == []
    missed = alone.filter(pl.col("direction") == "strength").get_column("sentence")
    parts = missed.str.extract_groups(
        r"^Missed (?:only )?(?<part>[\d.]+) of (?:the last )?(?<whole>\d+)"
    ).struct.unnest()
    shares = parts.select(pl.col("part").cast(pl.Float64) / pl.col("whole").cast(pl.Float64)).to_series().drop_nulls()
    assert shares.len() > 100
    assert shares.max() <= 0.06


def test_reasons_stand_on_values_that_are_known_and_agree(alone: pl.DataFrame, indicators: pl.DataFrame) -> None:
    values = build_features(indicators).unpivot(index="student_id", variable_name="feature", value_name="number")
    told = alone.with_columns(student_id=pl.col("student_id").str.split("|").list.first())
    joined = told.join(values, on=["student_id", "feature"], how="left")
    assert joined.height == told.height
    unknown = pl.col("direction") == "unknown"
    assert joined.filter(unknown != pl.col("number").is_null()).height == 0
    for row in joined.filter(~unknown).unique(["feature", "direction"], keep="any").iter_rows(named=True):
        assert agrees(BY_NAME[row["feature"]], row["direction"], row["number"]), row["feature"]


def agrees(feature: Feature, direction: str, number: float) -> bool:
    """Whether a number is on the side of one of the references that the catalog states for a direction."""
    sentences = feature.risk if direction == "risk" else feature.strength
    dust = 1e-6
    return any(
        (told.at_least is None or number >= told.at_least - dust)
        and (told.at_most is None or number <= told.at_most + dust)
        for told in sentences
    )


def test_students_explained_apart_and_in_another_order_have_the_same_reasons(indicators: pl.DataFrame) -> None:
    features, peers = build_features(indicators), peer_values(indicators)
    whole = explain(features, linear(features), indicators)
    shuffled = linear(features).sample(fraction=1, shuffle=True, seed=4)
    names = shuffled.columns[2:-1]
    parts = [
        explain(
            features.sample(fraction=1, shuffle=True, seed=5),
            part.select("student_id", *reversed(names), "margin"),
            indicators.sample(fraction=1, shuffle=True, seed=6),
            peers=peers,
        )
        for part in (shuffled.head(700), shuffled.tail(-700))
    ]
    assert_frame_equal(pl.concat(parts).sort("student_id", "direction", "rank"), whole)


@pytest.mark.parametrize(
    ("word", "count"),
    [
        *[("missed", 1), ("school", 1), ("suspended", 3), ("attendance", 3), ("courses", 2), ("grade", 1)],
        *[("times", 1), ("needed", 2), ("table", 2), ("percent", 2), ("incidents", 3), ("behavior", 3), ("late", 1)],
        *[("excuse", 2), ("September", 3), ("average", 3), ("year's", 1), ("20.4", 1), ("%", 2), ("the", 1)],
    ],
)
def test_syllables_are_counted(word: str, count: int) -> None:
    assert syllables(word) == count


def test_the_reading_grade_of_plain_and_of_hard_words() -> None:
    assert reading_grade(["The cat sat on the mat."]) == pytest.approx(0.39 * 6 + 11.8 - 15.59)
    hard = "Longitudinal attendance irregularities necessitate multidisciplinary consideration."
    assert reading_grade([hard]) > 20
