"""The audit of fairness: right denominators, a planted bias found and sized, silence on its clean twin, small groups
never told."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from fairlearn import metrics as fairlearn
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import precision_score

from cis_ews.errors import ModelError
from cis_ews.evaluation.bootstrap import Bootstrap
from cis_ews.evaluation.clustering import Sums, clustered_gap
from cis_ews.evaluation.equity import (
    ATTRIBUTES,
    LESS,
    MORE,
    Audit,
    GroupFigure,
    audit,
    beyond_school_average,
    groups_of,
    in_words,
    trade_off,
)
from cis_ews.evaluation.intervals import difference, holm, p_of_difference, wilson
from cis_ews.evaluation.suppression import FEWEST, told_cells
from cis_ews.schema.roster import Demographics


def _figure(found: Audit, group: str, measure: str, *, attribute: str = "gender") -> GroupFigure:
    [figure] = [
        each
        for each in found.figures
        if (each.attribute, each.group, each.measure) == (attribute, group, measure) and each.decision == "flagged"
    ]
    return figure


def _rows(cells: dict[str, tuple[int, int, int, int]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Group -> true positives, false positives, false negatives, true negatives."""
    rows = [
        (group, label, flagged)
        for group, counts in cells.items()
        for (label, flagged), count in zip([(1, 1), (0, 1), (1, 0), (0, 0)], counts, strict=True)
        for _ in range(count)
    ]
    frame = pl.DataFrame(rows, schema=["gender", "label", "flagged"], orient="row").with_row_index("student_id")
    frame = frame.with_columns(pl.col("student_id").cast(pl.String), risk=pl.lit(0.3))
    return frame.drop("gender"), frame.select("student_id", "gender")


def _audit(cells: dict[str, tuple[int, int, int, int]]) -> Audit:
    return audit(*_rows(cells), decisions=["flagged"], attributes=["gender"])


def test_each_rate_stands_on_its_own_denominator() -> None:
    found = _audit({"F": (20, 30, 10, 140), "M": (40, 10, 20, 130)})
    told = {figure.measure: (figure.value, figure.of) for figure in found.figures if figure.group == "F"}
    assert told == {
        "selection_rate": (50 / 200, 200),
        "false_positive_rate": (30 / 170, 170),
        "false_negative_rate": (10 / 30, 30),
        "precision": (20 / 50, 50),
        "calibration": (pytest.approx(30 / 200 - 0.3), 200),
    }
    false_alarms = _figure(found, "F", "false_positive_rate")
    assert false_alarms.students == 200
    assert (false_alarms.low, false_alarms.high) == wilson(30 / 170, 170)
    assert false_alarms.gap == pytest.approx(30 / 170 - 10 / 140)
    assert (false_alarms.gap_low, false_alarms.gap_high) == difference(30 / 170, 170, other=10 / 140, of_other=140)


def test_the_same_rates_as_those_of_fairlearn() -> None:
    rows, groups = _district(9)
    found = audit(rows, groups, decisions=["flagged"], attributes=["english_learner", "gender"])
    label, flagged = rows["label"].to_numpy(), rows["flagged"].cast(pl.Int64).to_numpy()
    metrics = {
        "selection_rate": fairlearn.selection_rate,
        "false_positive_rate": fairlearn.false_positive_rate,
        "false_negative_rate": fairlearn.false_negative_rate,
        "precision": precision_score,
    }
    features = {name: groups[name].to_numpy() for name in ("english_learner", "gender")}
    frame = fairlearn.MetricFrame(metrics=metrics, y_true=label, y_pred=flagged, sensitive_features=features)
    for values, said in frame.by_group.to_dict("index").items():
        for measure, value in said.items():
            ours = _figure(found, " x ".join(values), measure, attribute="english_learner x gender")
            assert ours.value == pytest.approx(value, abs=1e-12)


def test_a_group_without_positives_is_not_taken_for_a_perfect_one_and_hides_nothing() -> None:
    # Averaged over groups by their size, a group that cannot be missed would make the misses of the other half as many.
    found = _audit({"F": (0, 20, 0, 380), "M": (30, 20, 70, 280), "X": (60, 20, 40, 280)})
    nobody = _figure(found, "F", "false_negative_rate")
    assert (nobody.value, nobody.gap, nobody.p) == (None, None, None)
    missed = _figure(found, "M", "false_negative_rate")
    assert (missed.value, missed.of) == (0.7, 100)
    assert missed.gap == pytest.approx(0.7 - 0.4)
    assert missed.is_gap


def test_an_interval_against_published_figures() -> None:
    # Newcombe 1998, table II, method 10: 56/70 against 48/80.
    low, high = difference(56 / 70, 70, other=48 / 80, of_other=80)
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)
    low, high = wilson(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert p_of_difference(0.5, 100, other=0.5, of_other=50) == 1.0
    assert p_of_difference(0.0, 100, other=0.0, of_other=50) == 1.0


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.6, 0.7]) == [1.0, 1.0]


def _district(seed: int, *, planted: float = 0.0, students: int = 3_000) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Risks that are true, groups that have nothing to do with them, and false alarms planted in one of them."""
    draw = np.random.default_rng(seed)
    risk = draw.beta(1.2, 3.0, students)
    label = draw.random(students) < risk
    newcomer = draw.random(students) < 0.3
    flagged = risk >= np.quantile(risk, 0.85)
    flagged |= newcomer & ~label & (draw.random(students) < planted)
    language = np.where(newcomer, "newcomer", "never")
    groups = pl.DataFrame({"english_learner": language, "gender": draw.choice(["F", "M"], students)})
    groups = groups.with_row_index("student_id").with_columns(pl.col("student_id").cast(pl.String))
    rows = groups.select("student_id").with_columns(
        label=pl.Series(label.astype(int)), risk=pl.Series(risk), flagged=pl.Series(flagged)
    )
    return rows, groups


def test_a_planted_bias_is_found_and_sized_and_its_clean_twin_is_silent() -> None:
    attributes, planted = ["english_learner", "gender"], 0.10
    within = 0
    for seed in range(20):
        rows, groups = _district(seed)
        clean = audit(rows, groups, decisions=["flagged"], attributes=attributes)
        rows, groups = _district(seed, planted=planted)
        found = audit(rows, groups, decisions=["flagged"], attributes=attributes)
        assert found.gaps[0].measure in ("false_positive_rate", "precision")
        gap = _figure(found, "newcomer", "false_positive_rate", attribute="english_learner")
        assert gap.is_gap
        before = _figure(clean, "newcomer", "false_positive_rate", attribute="english_learner")
        # A tenth of those on track and not flagged is flagged on top.
        size = planted * (1.0 - (before.value or 0.0)) + (before.gap or 0.0)
        within += (gap.gap_low or 0.0) <= size <= (gap.gap_high or 0.0)
    assert within == 20


def test_calibration_hangs_on_no_decision_and_is_one_test_for_all_of_them() -> None:
    rows, groups = _district(3)
    low = rows.join(groups, on="student_id").with_columns(
        risk=pl.when(pl.col("gender") == "F").then(pl.col("risk") * 0.8).otherwise("risk"), again=pl.col("flagged")
    )
    (one, tests), (both, more) = (
        (audit(low, groups, decisions=decisions, attributes=["gender"], pairs=False), tests)
        for decisions, tests in ((["flagged"], 5), (["flagged", "again"], 9))
    )
    p, p_of_both = (
        next(each.p for each in found.figures if each.measure == "calibration" and each.group == "F")
        for found in (one, both)
    )
    assert p is not None
    assert p < 0.01, "the least of all is multiplied by the number of tests"
    assert p_of_both == pytest.approx(p * more / tests)


def test_of_two_hundred_clean_twins_no_more_than_one_in_twenty_is_loud() -> None:
    twins = 200
    loud = sum(
        bool(audit(*_district(seed), decisions=["flagged"], attributes=["english_learner", "gender"]).gaps)
        for seed in range(twins)
    )
    # Were it one in twenty, 16 or more would be loud in fewer than one in twenty such tests (binomial law).
    assert binom.sf(15, twins, 0.05) < 0.05 < binom.sf(14, twins, 0.05)
    assert loud <= 15


def test_a_gap_in_misses_is_judged_by_positives_and_not_by_the_size_of_the_group() -> None:
    """1,000 students of whom 100 went off track, 35 of them missed, beside 25: by size it would look like 9e-7."""
    found = _audit({"F": (65, 0, 35, 900), "M": (75, 0, 25, 900)})
    missed = _figure(found, "F", "false_negative_rate")
    alone = p_of_difference(0.35, 100, other=0.25, of_other=100)
    assert alone == pytest.approx(0.123, abs=0.001)
    # Four gaps are tested with it, of which two are 0: Holm takes the least times their number.
    assert missed.p is not None
    assert missed.p >= alone
    assert not missed.is_gap
    assert p_of_difference(0.35, 1_000, other=0.25, of_other=1_000) < 2e-6


def test_a_gap_of_a_small_perfect_group_is_found_and_its_numbers_are_not_told() -> None:
    """Of 60 who went off track 3 are missed, of the others two thirds: the gap is said, and the three are not."""
    found = _audit({"F": (57, 20, 3, 320), "M": (40, 20, 80, 260), "X": (40, 20, 80, 260)})
    perfect = _figure(found, "F", "false_negative_rate")
    assert (perfect.value, perfect.of, perfect.gap, perfect.p, perfect.students) == (None,) * 5
    assert (perfect.is_gap, perfect.untold) == (True, LESS)
    assert perfect in found.gaps
    # One of the others is left out too, or the three would be what is missing from all; its gap is found as well.
    others = [_figure(found, group, "false_negative_rate") for group in ("M", "X")]
    assert sorted((each.value is None, each.untold) for each in others) == [(False, None), (True, MORE)]
    assert all(each.is_gap for each in others)
    # Whom it spared is another table: false alarms are told of all three, how many are flagged of the one alone.
    assert [_figure(found, group, "false_positive_rate").of for group in "FMX"] == [340, 280, 280]
    flagged = [_figure(found, group, "selection_rate").value for group in "FMX"]
    assert [value is None for value in flagged] == [True, others[0].value is None, others[1].value is None]


def test_calibration_in_a_group_whose_risks_are_too_low() -> None:
    rows, groups = _district(3)
    lowered = rows.join(groups, on="student_id").with_columns(
        risk=pl.when(pl.col("english_learner") == "newcomer").then(pl.col("risk") * 0.6).otherwise("risk")
    )
    found = audit(lowered, groups, decisions=["flagged"], attributes=["english_learner"])
    figure = _figure(found, "newcomer", "calibration", attribute="english_learner")
    assert figure.is_gap
    assert figure.gap is not None
    assert figure.gap > 0.05


def test_served_against_flagged() -> None:
    rows, groups = _rows({"F": (60, 40, 10, 90), "M": (60, 40, 10, 90)})
    flagged = rows.join(groups, on="student_id")["flagged"].to_numpy() == 1
    is_f = groups["gender"].to_numpy() == "F"
    place = np.cumsum(flagged) - 1
    served = flagged & np.where(is_f, place % 4 != 0, place % 4 == 0)
    found = audit(rows.with_columns(served=pl.Series(served)), groups, decisions=["flagged"], attributes=["gender"])
    assert _figure(found, "F", "served").value == 0.75
    assert _figure(found, "M", "served").value == 0.25
    assert _figure(found, "F", "served").is_gap


def test_whoever_is_not_known_to_be_served_does_not_count_as_not_served() -> None:
    rows, groups = _rows({"F": (60, 40, 10, 90), "M": (60, 40, 10, 90)})
    place = pl.int_range(pl.len()).over("flagged", groups["gender"])
    served = pl.when(place % 2 == 0).then(place % 4 == 0)
    found = audit(rows.with_columns(served=served), groups, decisions=["flagged"], attributes=["gender"])
    figure = _figure(found, "F", "served")
    assert (figure.value, figure.of) == (0.5, 50)


def test_of_two_groups_the_gaps_are_one_test() -> None:
    rows, groups = _district(2, planted=0.05)
    two = audit(rows, groups, decisions=["flagged"], attributes=["english_learner"])
    ours, theirs = ([each for each in two.figures if each.group == group] for group in ("never", "newcomer"))
    assert [each.p for each in ours] == pytest.approx([each.p for each in theirs])
    alone = [
        p_of_difference(each.value or 0.0, each.of or 1, other=other.value or 0.0, of_other=other.of or 1)
        for each, other in zip(ours, theirs, strict=True)
        if each.measure != "calibration"
    ]
    assert min(each.p or 1.0 for each in ours) == pytest.approx(min(alone) * len(ours))


def _by_school(seed: int, *, schools: int = 40) -> tuple[pl.DataFrame, pl.DataFrame]:
    """No bias, but schools that flag in their own way, and of which each group has its own."""
    rows, groups = _district(seed)
    draw = np.random.default_rng(seed + 100)
    school = draw.integers(schools, size=rows.height)
    flagged = draw.random(rows.height) < draw.beta(1.0, 4.0, schools)[school]
    lives = np.where(draw.random(rows.height) < 0.95, school % 2 == 0, draw.random(rows.height) < 0.5)
    groups = groups.with_columns(english_learner=pl.Series(np.where(lives, "newcomer", "never")))
    return rows.with_columns(flagged=pl.Series(flagged), school_id=pl.Series(school).cast(pl.String)), groups


def test_schools_that_differ_are_no_bias() -> None:
    loud = {True: 0, False: 0}
    for seed in range(12):
        rows, groups = _by_school(seed)
        for clustered in loud:
            known = rows if clustered else rows.drop("school_id")
            found = audit(known, groups, decisions=["flagged"], attributes=["english_learner"])
            loud[clustered] += bool(found.gaps)
    assert loud[False] >= 6
    assert loud[True] <= 2


def test_a_gap_between_schools_is_as_uncertain_as_schools_drawn_again_say() -> None:
    rows, groups = _by_school(4)
    is_group = groups["english_learner"].to_numpy() == "newcomer"
    flagged, schools = rows["flagged"].to_numpy().astype(float), rows["school_id"].to_numpy()
    bootstrap = Bootstrap.of(schools, draws=2_000, seed=3)
    drawn = [bootstrap.ratio(flagged * of, of.astype(float)) for of in (is_group, ~is_group)]
    found = audit(rows, groups, decisions=["flagged"], attributes=["english_learner"])
    figure = _figure(found, "newcomer", "selection_rate", attribute="english_learner")
    assert figure.gap_low is not None
    assert figure.gap_high is not None
    width = 2.0 * 2.0227 * np.std(drawn[0] - drawn[1])  # Student's t of 39 degrees of freedom
    assert figure.gap_high - figure.gap_low == pytest.approx(width, rel=0.15)


def test_a_clustered_deviation_by_hand() -> None:
    group, rest = Sums(np.array([2.0, 0.0]), np.array([2.0, 2.0])), Sums(np.array([1.0, 1.0]), np.array([4.0, 4.0]))
    found = clustered_gap(group, rest)
    assert found is not None
    # The group's half moves by (2 - 1) / 4 and (0 - 1) / 4, the rest's quarter not at all; G / (G - 1) = 2.
    assert found.deviation == pytest.approx(np.sqrt(2 * (0.25**2 + 0.25**2)))
    assert (found.freedom, found.half_width) == (1, pytest.approx(12.7062 * found.deviation, rel=1e-4))
    assert found.p_of(found.deviation) == pytest.approx(0.5)
    assert clustered_gap(Sums(group.total[:1], group.of[:1]), Sums(rest.total[:1], rest.of[:1])) is None


def test_a_gap_that_is_as_wide_as_can_be_in_every_school_is_a_gap() -> None:
    """Everybody of a group is missed and nobody else: no school differs from another, which leaves no doubt."""
    rows, groups = _rows({"F": (0, 0, 40, 40), "M": (40, 0, 0, 40)})
    schools = pl.int_range(pl.len()).mod(4).cast(pl.String).alias("school_id")
    figure = _figure(
        audit(rows.with_columns(schools), groups, decisions=["flagged"], attributes=["gender"]),
        "F",
        "false_negative_rate",
    )
    assert figure.gap == 1.0
    assert figure.is_gap
    even = Sums(np.array([4.0, 4.0]), np.array([8.0, 8.0]))
    alike = clustered_gap(even, even)
    assert alike is not None
    assert (alike.p_of(0.0), alike.p_of(0.5)) == (1.0, 0.0)


def test_pairs_and_both_decisions_are_audited() -> None:
    rows, groups = _district(5)
    rows = rows.with_columns(listed=pl.col("risk") >= pl.col("risk").quantile(0.9))
    found = audit(rows, groups, decisions=["flagged", "listed"], attributes=["english_learner", "gender"])
    table = found.table()
    assert set(table["decision"]) == {"flagged", "listed"}
    assert "newcomer x F" in set(table.filter(pl.col("attribute") == "english_learner x gender")["group"])
    assert table.columns[-1] == "is_gap"


def test_nothing_is_told_of_fewer_than_ten() -> None:
    found = _audit({"F": (20, 30, 10, 140), "M": (40, 10, 20, 130), "X": (2, 1, 1, 4)})
    assert _figure(found, "X", "selection_rate").students is None
    # All other figures of one more group are left out, or X would be what is missing from the whole.
    assert _figure(found, "F", "selection_rate").students is None
    assert _figure(found, "M", "selection_rate").students == 200
    few_positives = _audit({"F": (5, 30, 3, 140), "M": (40, 10, 20, 130)})
    # With false alarms and the size told, the eight who went off track would be.
    for measure in ("false_negative_rate", "false_positive_rate"):
        assert _figure(few_positives, "F", measure).value is None
    # And those of the other group, or the eight would be what is missing from all who went off track.
    assert _figure(few_positives, "M", "false_negative_rate").value is None
    assert few_positives.suppressed == len(few_positives.figures) == 10
    pairs = _rows({"F": (1, 1, 0, 1), "M": (30, 10, 10, 22), "X": (12, 12, 12, 12)})
    groups = pairs[1].with_columns(disability=pl.Series(["no"] * pairs[1].height))
    found = audit(pairs[0], groups, decisions=["flagged"], attributes=["gender", "disability"])
    assert {one.group for one in found.figures if one.students is not None} == {"M", "no", "M x no"}


Sizes = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")), st.integers(1, 60), min_size=1, max_size=16
)


@given(Sizes)
@settings(max_examples=200)
def test_no_small_group_comes_out_by_subtraction(sizes: dict[tuple[str, ...], int]) -> None:
    told = told_cells(sizes)
    assert all(sizes[group] >= FEWEST for group in told)
    for place in (0, 1):
        for value in {group[place] for group in sizes}:
            line = [group for group in sizes if group[place] == value]
            left_out = [sizes[group] for group in line if group not in told]
            if len(left_out) < len(line):
                assert not left_out or (len(left_out) > 1 and sum(left_out) >= FEWEST)


def test_groups_as_the_records_say_them() -> None:
    demographics = Demographics.cast(
        pl.DataFrame(
            {
                "student_id": ["a", "b", "c"],
                "gender": ["F", None, "M"],
                "race_ethnicity": ["x", "y", None],
                "english_learner": ["current", "newcomer", None],
                "disability": [True, False, None],
                "low_income": [None, None, None],
                "homeless": [False, False, False],
                "foster": [False, True, False],
            },
            schema_overrides={"low_income": pl.Boolean},
        )
    )
    groups = groups_of(demographics, pl.Series(["c", "b", "a", "d"]))
    assert groups.columns == ["student_id", *ATTRIBUTES]
    assert groups["english_learner"].to_list() == ["not recorded", "newcomer", "long-term", "not recorded"]
    assert groups["disability"].to_list() == ["not recorded", "no", "yes", "not recorded"]
    assert groups["gender"].to_list() == ["M", "not recorded", "F", "not recorded"]


def test_a_group_may_be_called_like_a_pair() -> None:
    """Races are free text: one with what stands between the values of a pair ended the training."""
    rows, groups = _district(7)
    races = groups.select("student_id", race_ethnicity=pl.lit("Asian x White"), gender="gender")
    demographics = races.with_columns(pl.lit(None).alias(name) for name in ATTRIBUTES if name not in races.columns)
    found = audit(rows, groups_of(demographics, rows["student_id"]), decisions=["flagged"])
    names = {in_words(each.attribute, each.group) for each in found.figures}
    assert {"race ethnicity: Asian / White", "gender: F, race ethnicity: Asian / White"} <= names


def test_the_trade_off_of_longer_lists() -> None:
    rows, groups = _district(7)
    curve = trade_off(rows, groups, attributes=["english_learner"])
    assert [each.share for each in curve] == [0.05, 0.1, 0.15, 0.2, 0.3, 0.4]
    assert all(one.recall < other.recall for one, other in pairwise(curve))
    assert all(each.widest_miss is not None and 0.0 <= each.widest_miss < 0.15 for each in curve)
    by_school = trade_off(rows.with_columns(list=pl.lit("s")), groups, attributes=["english_learner"])
    assert by_school == curve


@pytest.mark.parametrize(("tells_more", "low", "high"), [(True, 0.05, 0.6), (False, -0.06, 0.06)])
def test_how_much_better_than_the_average_of_the_school(tells_more: bool, low: float, high: float) -> None:
    draw = np.random.default_rng(11)
    schools = draw.integers(40, size=6_000)
    average = draw.beta(16.0, 48.0, 40)[schools]
    own = np.clip(average + draw.normal(0.0, 0.3, 6_000), 0.01, 0.99) if tells_more else average
    label = (draw.random(6_000) < own).astype(int)
    noisy = own if tells_more else np.clip(average + draw.normal(0.0, 1e-3, 6_000), 0.0, 1.0)
    bootstrap = Bootstrap.of(schools, draws=200, seed=1)
    found = beyond_school_average(label, noisy, average, schools=schools, share=0.1, bootstrap=bootstrap)
    assert low <= found.value <= high
    assert found.excludes_zero == tells_more
    with pytest.raises(ModelError, match="the bootstrap is not of these schools"):
        beyond_school_average(label, noisy, average, schools=schools[::-1], share=0.1, bootstrap=bootstrap)


def test_what_cannot_be_audited() -> None:
    rows, groups = _rows({"F": (20, 30, 10, 140), "M": (40, 10, 20, 130)})
    with pytest.raises(ModelError, match="400 rows are of students who have one already"):
        audit(pl.concat([rows, rows]), groups, decisions=["flagged"])
    with pytest.raises(ModelError, match="flagged is below 0 or above 1"):
        audit(rows.with_columns(flagged=pl.col("flagged") * 2), groups, decisions=["flagged"], attributes=["gender"])
    with pytest.raises(ModelError, match="the label is the same"):
        audit(rows.with_columns(label=pl.lit(1)), groups, decisions=["flagged"], attributes=["gender"])
