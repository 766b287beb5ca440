"""What results come to for each student, beside a plain reading of them, one student at a time."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cis_ews.enums import RuleStatus
from cis_ews.risk.rule_catalog.parts import EXTERNAL_INPUTS
from cis_ews.risk.rule_counts import count_results
from cis_ews.risk.rule_results import SAID, results_of
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.sentences import input_words
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.risk.tiers import FLAGS
from cis_ews.schema.coded import CodedTable
from tests.lib.random_schools import schools
from tests.property.test_tier_properties import WINTER

MODEL, POLICY = RulesModel(), TierPolicy.load()


def _counted(rows: list[dict[str, Any]], *, few_days: bool) -> dict[str, Any]:
    """What the results of one student come to."""
    held = [row for row in rows if row["status"] == RuleStatus.HOLDS]
    asking = [
        (entry, row)
        for entry in POLICY.rules
        for row in held
        if row["rule"] == entry.rule.name and row["level"] in entry.levels and not (few_days and entry.needs_a_rate)
    ]
    entry, said = asking[0] if asking else (None, None)
    names = {entry.rule.name for entry in POLICY.rules}
    lacking = [
        {input_words(name) for name in (row["missing"] or "").split(",") if name and name not in EXTERNAL_INPUTS}
        for row in rows
        if row["status"] == RuleStatus.ABSTAINS and row["rule"] in names
    ]
    return {
        "by_rules": entry and entry.tier,
        "because": entry and said and f"{entry.rule.authority}: {said['sentence']}",
        "further": len({row["rule"] for _, row in asking}) - 1 if asking else None,
        "flags": sum(row["rule"] in FLAGS for row in held),
        "abstaining": sum(map(bool, lacking)),
        "missing": ", ".join(sorted(set[str]().union(*lacking))) or None,
    }


@given(indicators=schools(), seed=st.integers(0, 99))
def test_results_come_to_what_a_plain_reading_says(indicators: pl.DataFrame, seed: int) -> None:
    """Coded or not, in any order, and beside those of students who are not asked of."""
    results = results_of(MODEL.evaluated(indicators, as_of=WINTER))
    in_full = results.decoded()
    asked = indicators.select("student_id", days_enrolled="days_enrolled_ytd").sample(
        fraction=0.7, shuffle=True, seed=seed
    )
    order = list(range(in_full.height))
    random.Random(seed).shuffle(order)
    expected = [
        _counted(
            in_full.filter(pl.col("student_id") == student).rows(named=True),
            few_days=days is not None and days < POLICY.minimum_days_enrolled,
        )
        for student, days in asked.iter_rows()
    ]
    found = count_results(results, asked, POLICY, flags=FLAGS)
    assert found.rows(named=True) == expected
    again = count_results(CodedTable.of(in_full[order], SAID), asked, POLICY, flags=FLAGS)
    assert_frame_equal(again, found, check_exact=True)
