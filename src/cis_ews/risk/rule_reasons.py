"""Reasons and strengths from rules that hold: distinct facts, ranked, at most a few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from cis_ews.enums import Direction, RuleStatus
from cis_ews.risk.rule_engine import AS_OF, deciding_leaves, is_true, needed_columns, with_truths
from cis_ews.risk.rule_terms import FlagRule, Leaf, Level, Season
from cis_ews.risk.sentences import (
    OF_THIS_YEAR,
    SAME_DAYS_UNTIL,
    TOPICS,
    Fact,
    fact_of,
    fact_value,
    level_sentence,
)
from cis_ews.risk.templates import FACTS_FIELD, render

COLUMNS = {
    "student_id": pl.String,
    "direction": pl.String,
    "domain": pl.String,
    "indicator": pl.String,
    "value": pl.Float64,
    "sentence": pl.String,
    "topic": pl.Int32,
    "concern": pl.Int32,
    "rule": pl.Int32,
}


def rank_reasons(
    indicators: pl.DataFrame, results: pl.DataFrame, rules: Sequence[FlagRule], *, limit: int
) -> pl.DataFrame:
    """Ranked reasons as `schema.scores.Reasons` describes them.

    One reason a student, direction and topic: that of the rule of most concern; among equals, of the first rule.
    """
    held = results.filter(pl.col("status") == RuleStatus.HOLDS)
    candidates = [
        candidate
        for order, rule in enumerate(rules)
        for candidate in _candidates(_held_rows(indicators, held, rule), rule, order=order)
    ]
    return (
        pl.concat([pl.DataFrame(schema=COLUMNS), *candidates])
        # Of a rule with two facts on one topic the first speaks: a sort that is not stable would choose by luck.
        .sort(
            "student_id",
            "direction",
            "concern",
            "topic",
            "rule",
            descending=[False, False, True, False, False],
            maintain_order=True,
        )
        .unique(["student_id", "direction", "topic"], keep="first", maintain_order=True)
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("student_id", "direction"))
        .filter(pl.col("rank") <= limit)
        .select("student_id", "rank", "direction", "domain", "indicator", "value", "sentence")
        .sort("student_id", "direction", "rank")
    )


def _held_rows(indicators: pl.DataFrame, held: pl.DataFrame, rule: FlagRule) -> pl.DataFrame:
    chosen = held.filter(pl.col("rule") == rule.name).select("student_id", __outcome="level")
    columns = dict.fromkeys([*needed_columns(rule), "days_enrolled_ytd", AS_OF])
    return indicators.select(columns.keys()).join(chosen, on="student_id")


def _candidates(rows: pl.DataFrame, rule: FlagRule, *, order: int) -> Iterator[pl.DataFrame]:
    if rows.is_empty():
        return
    known, truths = with_truths(rows, rule.conditions)
    for level, condition in zip(rule.levels, rule.conditions, strict=True):
        at_level = known.filter(pl.col("__outcome").eq_missing(pl.lit(level.name, dtype=pl.String)))
        deciding = deciding_leaves(condition, truths, mark=is_true)
        facts = [(leaf, holds, fact) for leaf, holds in deciding if (fact := fact_of(leaf))]
        if rule.direction == Direction.STRENGTH:
            facts = facts[:1]
        speaks_of_one = len({fact.topic for _, _, fact in facts}) == 1
        for leaf, holds, fact in facts:
            words = level.sentence if speaks_of_one or FACTS_FIELD in level.sentence else fact.sentence
            yield _reason(at_level.filter(holds), rule, level, leaf=leaf, fact=fact, words=words, order=order)


def _reason(
    rows: pl.DataFrame, rule: FlagRule, level: Level, *, leaf: Leaf, fact: Fact, words: str, order: int
) -> pl.DataFrame:
    return rows.select(
        "student_id",
        direction=pl.lit(rule.direction.value),
        domain=pl.lit(fact.domain.value),
        indicator=pl.lit("" if isinstance(leaf, Season) else leaf.indicator),
        value=fact_value(leaf),
        sentence=level_sentence(words, rule.title, render(fact.sentence)),
        topic=_topic(fact),
        concern=pl.lit(level.concern, dtype=pl.Int32),
        rule=pl.lit(order, dtype=pl.Int32),
    )


def _topic(fact: Fact) -> pl.Expr:
    """Where the fact stands among TOPICS; early in a year, every window of it speaks of the same days."""
    own = pl.lit(TOPICS.index(fact.topic), dtype=pl.Int32)
    if fact.topic not in OF_THIS_YEAR:
        return own
    this_year = pl.lit(TOPICS.index("absence this year"), dtype=pl.Int32)
    return pl.when(pl.col("days_enrolled_ytd") < SAME_DAYS_UNTIL).then(this_year).otherwise(own)
