"""Two ways to the choice of reasons, what a reason stands for, and what must not change one."""

from __future__ import annotations

import random
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cis_ews.enums import Direction
from cis_ews.risk import explanations
from cis_ews.risk.explanations import NOTICEABLE, explain, peer_inputs, peer_values, peer_values_of
from cis_ews.risk.feature_catalog import FEATURES
from cis_ews.risk.features import add_school_sums, build_features, school_sums
from cis_ews.risk.night_model import NightModel, tell
from cis_ews.risk.reason_choice import NOTHING, Choices, Students, choose
from cis_ews.risk.rule_results import results_of
from cis_ews.risk.rules import RulesModel
from tests.lib.models import catalog_model
from tests.lib.random_schools import buckets, in_buckets, schools

JUNE = date(2026, 6, 10)
RULES = RulesModel()
NAMES = [feature.name for feature in FEATURES]


def contributions_of(features: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Random contributions, many of them zero or equal."""
    order = random.Random(seed)
    steps = [0.0, 0.0, 0.01, 0.1, 0.1, 0.4, 1.0]
    drawn = {name: [order.choice([-1, 1]) * order.choice(steps) for _ in range(features.height)] for name in NAMES}
    return features.select("student_id").hstack(pl.DataFrame(drawn))


@given(indicators=schools(), seed=st.integers(0, 999), limit=st.integers(1, 6))
def test_reasons_are_few_ranked_and_of_known_numbers(indicators: pl.DataFrame, seed: int, limit: int) -> None:
    features = build_features(indicators)
    reasons = explain(features, contributions_of(features, seed), indicators, limit=limit)
    ranks = reasons.group_by("student_id", "direction", maintain_order=True).agg("rank").get_column("rank")
    assert all(each.to_list() == list(range(1, each.len() + 1)) for each in ranks)
    assert reasons.is_empty() or reasons.get_column("rank").max() <= limit
    unknown = reasons.get_column("direction") == Direction.UNKNOWN
    assert (reasons.get_column("value").is_null() == unknown).all()
    assert reasons.filter(pl.col("domain") == "context").is_empty()
    assert reasons.select("student_id", "sentence").is_unique().all()


@given(indicators=schools(), seed=st.integers(0, 999))
def test_a_reason_stands_for_contributions_that_point_its_way(indicators: pl.DataFrame, seed: int) -> None:
    """Whoever is told a risk has known numbers that raise it; a strength, that lower it; and both noticeably."""
    features = build_features(indicators)
    contributions = contributions_of(features, seed)
    toward = {
        (student["student_id"], direction): max(sign * student[name] for name in NAMES)
        for direction, sign in (("risk", 1), ("strength", -1), ("unknown", 1))
        for student in contributions.rows(named=True)
    }
    told = explain(features, contributions, indicators).select("student_id", pl.col("direction").cast(pl.String))
    assert all(toward[row] * len(NAMES) > NOTICEABLE for row in told.rows())
    opposite = contributions.with_columns(-pl.col(NAMES).abs())
    none_raise = explain(features, opposite, indicators)
    assert set(none_raise.get_column("direction").cast(pl.String)) <= {"strength"}


@given(indicators=schools(), seed=st.integers(0, 999), split=in_buckets())
def test_order_and_buckets_change_no_reason(indicators: pl.DataFrame, seed: int, split: list[int]) -> None:
    features = build_features(indicators)
    contributions = contributions_of(features, seed)
    whole = explain(features, contributions, indicators)
    peers = peer_values_of(pl.concat(peer_inputs(bucket) for bucket in buckets(indicators, split)))
    assert_frame_equal(peers, peer_values(indicators), check_exact=True)
    shuffled = indicators.sample(fraction=1, shuffle=True, seed=seed)
    parts = [
        explain(features, bucket, shuffled, peers=peers)
        for bucket in buckets(contributions.sample(fraction=1, shuffle=True, seed=seed), split)
    ]
    assert_frame_equal(pl.concat(parts).sort("student_id", "direction", "rank"), whole, check_exact=True)


@given(indicators=schools(), seed=st.integers(0, 999), size=st.integers(1, 40))
def test_the_size_of_a_slice_changes_no_reason(indicators: pl.DataFrame, seed: int, size: int) -> None:
    features = build_features(indicators)
    contributions = contributions_of(features, seed)
    whole = explain(features, contributions, indicators)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explanations, "SLICE", size)
        assert_frame_equal(explain(features, contributions, indicators), whole, check_exact=True)


@given(indicators=schools(), seed=st.integers(0, 999), split=in_buckets())
def test_what_a_night_tells_of_buckets_is_what_it_tells_of_all(
    indicators: pl.DataFrame, seed: int, split: list[int]
) -> None:
    """From estimates to the reasons beside those of the rules; the risk of some students is not told."""
    model, order = NightModel.of(catalog_model()), random.Random(seed)
    risks = [order.choice([None, 0.2]) for _ in range(indicators.height)]
    scores = indicators.select("student_id", risk=pl.Series(risks, dtype=pl.Float64))
    by_rules = RULES.evaluated(indicators, as_of=JUNE)
    results = results_of(by_rules)
    whole = tell(model.estimate(indicators), indicators, scores, evaluated=by_rules, results=results)
    parts = buckets(indicators, split)
    sums = add_school_sums(school_sums(each) for each in parts)
    peers = peer_values_of(pl.concat(peer_inputs(each) for each in parts))
    told = [
        tell(
            model.estimate(each, sums=sums),
            each,
            scores.join(each, on="student_id", how="semi"),
            evaluated=RULES.evaluated(each, as_of=JUNE),
            results=results,
            peers=peers,
        )
        for each in parts
    ]
    reasons = pl.concat(each.reasons.decoded() for each in told).sort("student_id", "direction", "rank")
    assert_frame_equal(reasons, whole.reasons.decoded(), check_exact=True)
    contributions = pl.concat(each.contributions for each in told if each.contributions is not None)
    assert whole.contributions is not None
    assert_frame_equal(contributions.sort("student_id"), whole.contributions, check_exact=True)


@given(indicators=schools(), told=st.lists(st.booleans(), min_size=1))
def test_the_rules_speak_where_the_model_does_not(indicators: pl.DataFrame, told: list[bool]) -> None:
    """In each direction a student has the model's reasons or, without any, those of the rules; in order."""
    results = RULES.evaluate(indicators, as_of=JUNE)
    by_rules = RULES.reasons(indicators, results, as_of=JUNE)
    estimates = NightModel.of(catalog_model()).estimate(indicators)
    assert estimates is not None
    risks = [0.2 if told[row % len(told)] else None for row in range(indicators.height)]
    scores = indicators.select("student_id", risk=pl.Series(risks, dtype=pl.Float64))
    judged = scores.filter(pl.col("risk").is_not_null())
    contributions = estimates.contributions.join(judged, on="student_id", how="semi")
    of_model = explain(estimates.features, contributions, indicators)
    spoken_for = {(row["student_id"], row["direction"]) for row in of_model.iter_rows(named=True)}
    instead = [row for row in by_rules.rows(named=True) if (row["student_id"], row["direction"]) not in spoken_for]
    expected = sorted(
        [*of_model.rows(named=True), *instead], key=lambda row: (row["student_id"], row["direction"], row["rank"])
    )
    evaluated = RULES.evaluated(indicators, as_of=JUNE)
    found = tell(estimates, indicators, scores, evaluated=evaluated, results=results_of(evaluated))
    assert found.reasons.decoded().rows(named=True) == expected


@st.composite
def choice_cases(draw: st.DrawFn) -> tuple[Choices, Students]:
    """Any table of what can be told, and students with many equal contributions."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    features, students = draw(st.integers(1, 8)), draw(st.integers(0, 30))
    of_direction = [np.sort(rng.integers(0, features, draw(st.integers(0, 10)))) for _ in range(3)]
    choices = Choices(
        starts=np.cumsum([0, *(each.size for each in of_direction)]),
        features=np.concatenate(of_direction),
        topics=rng.integers(0, features, (2, 2, features)),
        known=np.array([1, 1, 0]),
        signs=np.array([1.0, -1.0, 1.0]),
        least=0.1,
    )
    known = rng.random((features, students)) < 0.8
    spoken = known[choices.features] == np.repeat(choices.known, [each.size for each in of_direction])[:, None]
    return choices, Students(
        contributions=rng.choice([-1.0, -0.5, 0.0, 0.05, 0.5, 1.0, np.nan], (features, students)),
        known=known,
        fits=(rng.random(spoken.shape) < 0.6) & spoken,
        early=rng.random(students) < 0.5,
    )


@given(case=choice_cases(), limit=st.integers(0, 6))
def test_the_choice_equals_its_plain_definition(case: tuple[Choices, Students], limit: int) -> None:
    choices, students = case
    expected = [
        [plain_choice(choices, students, place, direction)[:limit] for direction in range(3)]
        for place in range(students.early.size)
    ]
    found = choose(choices, students, limit=limit)
    assert found.shape == (students.early.size, 3, limit)
    assert [[[each for each in row if each != NOTHING] for row in of] for of in found.tolist()] == expected
    told = found != NOTHING
    assert (told == np.sort(told)[..., ::-1]).all()


def plain_choice(choices: Choices, students: Students, student: int, direction: int) -> list[int]:
    """The leading tellings of one student in one direction, the strongest topic first."""
    known = choices.known[direction]
    topics = choices.topics[int(students.early[student]), known]
    given = students.contributions[:, student] * choices.signs[direction]
    weights = {place: weight for place, weight in enumerate(given) if students.known[place, student] == known}
    amounts = dict.fromkeys(range(topics.size), 0.0)
    for place, weight in weights.items():
        amounts[topics[place]] += weight
    leading: dict[int, int] = {}
    for topic, amount in amounts.items():
        fitting = [
            (telling, weights[choices.features[telling]])
            for telling in range(choices.starts[direction], choices.starts[direction + 1])
            if topics[choices.features[telling]] == topic and students.fits[telling, student]
        ]
        heavy = [(telling, weight) for telling, weight in fitting if weight > 0]
        if heavy and amount > choices.least:
            leading[topic] = max(heavy, key=lambda pair: pair[1])[0]
    return [leading[topic] for topic in sorted(leading, key=lambda topic: -amounts[topic])]
