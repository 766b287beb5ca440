"""Reasons and strengths from rules that hold: distinct facts, ranked, at most a few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import polars as pl

from cis_ews.enums import RuleStatus
from cis_ews.risk.rule_engine import deciding_leaves, is_true, needed_columns
from cis_ews.risk.rule_terms import FlagRule, Leaf, Level, leaves
from cis_ews.risk.sentences import TOPICS, Fact, fact_of, fact_value, level_sentence, render

COLUMNS = {
    "student_id": pl.String,
    "direction": pl.String,
    "domain": pl.String,
    "indicator": pl.String,
    "value": pl.Float64,
    "sentence": pl.String,
    "topic": pl.Int32,
    "concern": pl.Int32,
    "preference": pl.Int32,
}


def rank_reasons(
    indicators: pl.DataFrame, results: pl.DataFrame, rules: Sequence[FlagRule], *, as_of: date, limit: int
) -> pl.DataFrame:
    """Ranked reasons as `schema.scores.Reasons` describes them.

    One reason a student, direction and topic: that of the rule of most concern; among equals a rule that speaks of this
    one thing before a rule that adds up several, then the order of the rules.
    """
    held = results.filter(pl.col("status") == RuleStatus.HOLDS)
    candidates = [
        candidate
        for order, rule in enumerate(rules)
        for candidate in _candidates(_held_rows(indicators, held, rule), rule, as_of=as_of, order=order)
    ]
    return (
        pl.concat([pl.DataFrame(schema=COLUMNS), *candidates])
        .sort(
            "student_id", "direction", "concern", "topic", "preference", descending=[False, False, True, False, False]
        )
        .unique(["student_id", "direction", "topic"], keep="first", maintain_order=True)
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("student_id", "direction"))
        .filter(pl.col("rank") <= limit)
        .select("student_id", "rank", "direction", "domain", "indicator", "value", "sentence")
        .sort("student_id", "direction", "rank")
    )


def _held_rows(indicators: pl.DataFrame, held: pl.DataFrame, rule: FlagRule) -> pl.DataFrame:
    chosen = held.filter(pl.col("rule") == rule.name).select("student_id", __outcome="level")
    return indicators.select(needed_columns(rule)).join(chosen, on="student_id")


def _candidates(rows: pl.DataFrame, rule: FlagRule, *, as_of: date, order: int) -> Iterator[pl.DataFrame]:
    if rows.is_empty():
        return
    for level, condition in zip(rule.levels, rule.conditions, strict=True):
        at_level = rows.filter(pl.col("__outcome").eq_missing(pl.lit(level.name, dtype=pl.String)))
        deciding = list(deciding_leaves(condition, as_of, is_true))
        topics = {fact.topic for fact in map(fact_of, leaves(condition)) if fact is not None}
        own_words = len(topics) == 1
        for leaf, holds in deciding:
            fact = fact_of(leaf)
            if fact is not None:
                words = level_sentence(level.sentence, rule.title, deciding) if own_words else render(fact.sentence)
                preference = order + (0 if own_words else len(TOPICS) * 1_000)
                yield _reason(
                    at_level.filter(holds), rule, level, leaf=leaf, fact=fact, words=words, preference=preference
                )


def _reason(
    rows: pl.DataFrame, rule: FlagRule, level: Level, *, leaf: Leaf, fact: Fact, words: pl.Expr, preference: int
) -> pl.DataFrame:
    indicator = getattr(leaf, "indicator", "")
    return rows.select(
        "student_id",
        direction=pl.lit(rule.direction.value),
        domain=pl.lit(fact.domain.value),
        indicator=pl.lit(indicator),
        value=fact_value(leaf),
        sentence=pl.coalesce(words, pl.lit(fact.topic)),
        topic=pl.lit(TOPICS.index(fact.topic), dtype=pl.Int32),
        concern=pl.lit(level.concern, dtype=pl.Int32),
        preference=pl.lit(preference, dtype=pl.Int32),
    )
