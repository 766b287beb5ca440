"""Who of those flagged was served, group by group, as a training tells it."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import asdict
from datetime import date

import numpy as np
import polars as pl
import pytest

from cis_ews.evaluation.equity import ATTRIBUTES, LESS, GroupFigure
from cis_ews.evaluation.intervals import difference, wilson
from cis_ews.evaluation.suppression import FEWEST
from cis_ews.risk.tier_policy import TierPolicy
from tests.lib.builders import district, enrollment, weekdays
from tests.lib.models import catalog_model
from training.config import TrainingConfig
from training.fairness import AT_THRESHOLD, Served
from training.served import (
    NO_GROUPS,
    NO_SUPPORTS,
    audit_served,
    served_gaps,
    served_section,
    without_counts,
)

POLICY = TierPolicy.load()
CALENDAR = weekdays("2025-09-03", "2026-06-12")
CONFIG = TrainingConfig(config_version=1, label="off_track", as_of=("11-30",), test_years=1, seed=7)


def _rows(*, girls: float, boys: float, few: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """400 girls and 400 boys at forty schools, half of them flagged, and served as often as said; a `few` others."""
    draw = np.random.default_rng(5)
    count = 800 + few
    gender = ["F", "M"] * 400 + ["X"] * few
    rows = pl.DataFrame(
        {
            "student_id": [f"s{number:04}" for number in range(count)],
            "school_id": [f"school {number // 2 % 40:02}" for number in range(count)],
            "label": draw.integers(0, 2, count),
            "risk": np.where(draw.random(count) < 0.5, 0.9, 0.01),
            "served": draw.random(count) < np.where(np.array(gender) == "F", girls, boys),
        }
    )
    blank = {name: pl.lit(None, pl.Boolean) for name in ATTRIBUTES if name != "gender"}
    return rows, rows.select("student_id", gender=pl.Series(gender)).with_columns(**blank)


def test_a_group_that_help_does_not_reach_is_found_and_sized() -> None:
    rows, demographics = _rows(girls=0.4, boys=0.8)
    found = served_gaps(rows, demographics, policy=POLICY)
    assert {each.measure for each in found.figures} == {"served"}
    girls = next(each for each in found.gaps if each.group == "F" and each.decision == AT_THRESHOLD)
    flagged = rows.join(demographics, on="student_id").filter(pl.col("gender") == "F", pl.col("risk") > 0.5)
    assert girls.value == pytest.approx(flagged["served"].mean(), abs=0.005)
    assert girls.gap_low is not None
    assert girls.gap_high is not None
    assert girls.gap_low < -0.4 < girls.gap_high
    assert girls.students is None
    section = served_section(Served(audit=found))
    assert any(row[0] == "gender: F" and "[" in row[2] and "[" in row[3] for row in section.rows)


def test_how_many_were_supported_comes_out_by_no_subtraction() -> None:
    """The main audit tells how many of a group were flagged and not supported; here all who were flagged are asked."""
    rows, demographics = _rows(girls=0.4, boys=0.8)
    found = served_gaps(rows, demographics, policy=POLICY)
    told = [asdict(each) for each in found.figures if each.value is not None]
    assert told
    for each in told:
        assert (each["students"], each["of"]) == (None, None)
        shares = {each[name] for name in ("value", "low", "high", "gap", "gap_low", "gap_high")} - {None}
        assert shares == {round(share, 2) for share in shares}, "all digits of an interval tell the number behind it"
    flagged = rows.join(demographics, on="student_id").filter(pl.col("risk") > 0.5)["gender"].value_counts()
    cells = [cell for row in served_section(Served(audit=found)).rows for cell in row]
    assert not {str(count) for count in flagged["count"]} & set(cells)
    assert "flagged" not in served_section(Served(audit=found)).columns


def _figure(met: int, of: int, *, rest: tuple[int, int]) -> GroupFigure:
    share, other = met / of, rest[0] / rest[1]
    low, high = wilson(share, of)
    gap_low, gap_high = difference(share, of, other=other, of_other=rest[1])
    return GroupFigure(
        decision=AT_THRESHOLD,
        attribute="gender",
        group="F",
        measure="served",
        students=3 * of,
        of=of,
        value=share,
        low=low,
        high=high,
        gap=share - other,
        gap_low=gap_low,
        gap_high=gap_high,
        p=0.0123,
    )


FEW = set(range(1, FEWEST))


@pytest.mark.parametrize("share", [0.0, 0.12, 0.43, 0.9])
def test_no_interval_tells_the_number_behind_a_share(share: float) -> None:
    """Whoever tries every number of students, and knows all others, finds several that read the same."""
    rest = (301, 1_003)
    read: defaultdict[tuple[float | None, ...], set[int]] = defaultdict(set)
    for of in range(10, 700):
        for met in (met for met in range(of + 1) if round(met / of, 2) == share and not {met, of - met} & FEW):
            exact = _figure(met, of, rest=rest)
            each = without_counts(exact)
            assert (each.students, each.of, each.p) == (None, None, 0.049)
            assert _contains((each.low, each.high), (exact.low, exact.high))
            assert _contains((each.gap_low, each.gap_high), (exact.gap_low, exact.gap_high))
            read[each.value, each.low, each.high, each.gap, each.gap_low, each.gap_high].add(of)
    assert len(read) >= 2
    assert min(map(len, read.values())) >= 3


def _contains(told: tuple[float | None, float | None], exact: tuple[float | None, float | None]) -> bool:
    low, exact_low, exact_high, high = (math.nan if end is None else end for end in (told[0], *exact, told[1]))
    return low <= exact_low <= exact_high <= high


def test_two_of_seventeen_are_not_told_by_their_interval() -> None:
    rows, demographics = _rows(girls=0.6, boys=0.6, few=40)
    risk = pl.when(pl.col("student_id") >= "s0800").then(pl.int_range(pl.len()) >= 823).otherwise(pl.col("risk") > 0.5)
    served = pl.when(pl.col("student_id") >= "s0800").then(pl.int_range(pl.len()) >= 838).otherwise("served")
    found = served_gaps(rows.with_columns(risk=risk.cast(pl.Float64), served=served), demographics, policy=POLICY)
    few = next(each for each in found.figures if (each.group, each.decision) == ("X", AT_THRESHOLD))
    assert (few.value, few.low, few.gap, few.p) == (None, None, None, None)
    assert few.untold == LESS
    assert ["gender: X", AT_THRESHOLD, "-", "less"] in served_section(Served(audit=found)).rows


def test_groups_that_are_served_alike_have_no_gap() -> None:
    assert served_gaps(*_rows(girls=0.6, boys=0.6), policy=POLICY).gaps == ()


def test_nothing_is_told_of_fewer_than_ten() -> None:
    found = served_gaps(*_rows(girls=0.6, boys=0.6, few=9), policy=POLICY)
    assert [each.value for each in found.figures if each.group == "X"] == [None, None]
    assert found.suppressed >= 2
    assert not any("X" in row[0] for row in served_section(Served(audit=found)).rows)


def test_a_source_without_supports_or_demographics_says_so_in_one_line() -> None:
    school_data = district(calendar=CALENDAR, enrollments=[enrollment("ann")], attendance=[])
    found = audit_served(school_data, catalog_model(), date(2026, 1, 30), config=CONFIG, policy=POLICY)
    assert found.audit is None
    assert served_section(found).markdown() == f"## Who of those flagged was served\n\n- {NO_SUPPORTS}"
    support = {"student_id": "ann", "date": date(2026, 3, 2), "category": "mentoring", "tier": 2}
    helped = district(calendar=CALENDAR, enrollments=[enrollment("ann")], attendance=[], supports=[support])
    found = audit_served(helped, catalog_model(), date(2026, 1, 30), config=CONFIG, policy=POLICY)
    assert (found.audit, found.why) == (None, NO_GROUPS)
