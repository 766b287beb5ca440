"""Reasons and strengths from rules that hold: distinct facts, ranked, at most a few.

What rules can say is numbered by how much it matters, the same for all students: a student's reasons are the lowest
numbers that hold, one a topic, and only these are put into words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.enums import Direction, RuleStatus
from cis_ews.risk.rule_engine import (
    ROW,
    Truths,
    deciding_leaves,
    is_true,
    outcome_column,
    students_of,
    truths_of,
    with_truths,
)
from cis_ews.risk.rule_terms import FlagRule, Is, Level, Number, OneOf, Season, Share, inputs
from cis_ews.risk.sentences import (
    FACTS_PLACE,
    OF_THIS_YEAR,
    SAME_DAYS_UNTIL,
    TOPICS,
    Fact,
    asks_for_facts,
    fact_of,
    fact_value,
    worded,
)

DIRECTIONS = (Direction.RISK, Direction.STRENGTH)
KIND = {"direction": pl.String, "domain": pl.String, "indicator": pl.String}
_NOTHING = np.iinfo(np.uint16).max
_NO_LEVEL = -1
_NUMBER, _PLACE = "__number", "__place"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a rule can say on one topic, and of whom it holds."""

    rule: FlagRule
    level: Level
    leaf: Number | Share | Is | OneOf
    fact: Fact
    words: str
    topic: str
    holds: pl.Expr

    @property
    def kind(self) -> tuple[str, str, str]:
        """What is the same for all students: the columns KIND."""
        return self.rule.direction.value, self.fact.domain.value, self.leaf.indicator

    @property
    def turn(self) -> tuple[int, int]:
        """What is said first: what is of most concern, then what a conversation can change soonest."""
        return -self.level.concern, TOPICS.index(self.topic)


def rank_reasons(
    indicators: pl.DataFrame, results: pl.DataFrame, rules: Sequence[FlagRule], *, limit: int
) -> pl.DataFrame:
    """Ranked reasons as `schema.scores.Reasons` describes them.

    One reason a student, direction and topic: that of the rule of most concern; among equals, of the first rule; of a
    rule with two facts on one topic, the first.
    """
    asked = students_of(indicators, rules, "days_enrolled_ytd")
    conditions = [condition for rule in rules for condition in rule.conditions]
    students, _ = with_truths(asked.with_columns(_outcomes(results, asked, rules)), conditions)
    statements = _in_turn(tuple(rules))
    first = [_first(students, statements, direction, limit=limit) for direction in DIRECTIONS]
    rows, columns = np.nonzero(np.hstack(first) != _NOTHING)
    shown = pl.DataFrame({ROW: rows.astype(np.uint32), _NUMBER: np.hstack(first)[rows, columns]})
    ranks = np.concatenate([np.arange(1, each.shape[1] + 1, dtype=np.int16) for each in first])
    kinds = pl.DataFrame([each.kind for each in statements], schema=KIND, orient="row")[shown[_NUMBER]]
    said = _said(students, statements, shown)
    ids = students["student_id"].gather(shown[ROW])
    return pl.DataFrame([ids, pl.Series("rank", ranks[columns]), *kinds, *said])


def _outcomes(results: pl.DataFrame, students: pl.DataFrame, rules: Sequence[FlagRule]) -> list[pl.Series]:
    """For each rule, which of its levels holds by the results: its place, or _NO_LEVEL."""
    held = results.lazy().filter(pl.col("status") == RuleStatus.HOLDS).select("student_id", "rule", "level").collect()
    names = [rule.name for rule in rules]
    levels = sorted({level.name for rule in rules for level in rule.levels if level.name})
    codes = held.select(
        _rows_of(held["student_id"], students),
        pl.col("rule").cast(pl.Enum(names), strict=False).to_physical(),
        pl.col("level").cast(pl.Enum(levels), strict=False).to_physical().fill_null(len(levels)),
    ).drop_nulls()
    places = np.full((len(rules), len(levels) + 1), _NO_LEVEL, dtype=np.int8)
    for number, rule in enumerate(rules):
        for place, level in enumerate(rule.levels):
            places[number, levels.index(level.name) if level.name else -1] = place
    row, rule_code, level_code = (codes.to_series(column).to_numpy() for column in range(codes.width))
    outcomes = np.full((len(rules), students.height), _NO_LEVEL, dtype=np.int8)
    outcomes[rule_code, row] = places[rule_code, level_code]
    return [pl.Series(outcome_column(rule), outcome) for rule, outcome in zip(rules, outcomes, strict=True)]


def _rows_of(ids: pl.Series, students: pl.DataFrame) -> pl.Series:
    """The row of each id among students, null where it is not among them; an id that repeats is looked up once."""
    runs = ids.rle().struct.unnest()
    found = runs.join(students, left_on="value", right_on="student_id", how="left", maintain_order="left")
    return found.select(pl.col(ROW).repeat_by("len").explode()).to_series()


@lru_cache(maxsize=16)
def _in_turn(rules: tuple[FlagRule, ...]) -> Sequence[Statement]:
    """What can be said by these rules, in the order in which it is; put together once for all parts of a night."""
    truths = truths_of([condition for rule in rules for condition in rule.conditions])
    every = [statement for rule in rules for statement in _statements(rule, truths)]
    return sorted(every, key=lambda statement: statement.turn)


def _statements(rule: FlagRule, truths: Truths) -> Iterator[Statement]:
    for place, (level, condition) in enumerate(zip(rule.levels, rule.conditions, strict=True)):
        at_level = pl.col(outcome_column(rule)) == place
        deciding = deciding_leaves(condition, truths, mark=is_true)
        facts = [
            (leaf, at_level & holds, fact)
            for leaf, holds in deciding
            if not isinstance(leaf, Season) and (fact := fact_of(leaf))
        ]
        if rule.direction == Direction.STRENGTH:
            facts = facts[:1]
        speaks_of_one = len({fact.topic for _, _, fact in facts}) == 1
        for leaf, holds, fact in facts:
            template = level.sentence if speaks_of_one or asks_for_facts(level.sentence) else fact.sentence
            words = template.replace(FACTS_PLACE, fact.sentence)
            for topic, applies in _topics(fact, holds):
                yield Statement(rule, level, leaf, fact, words, topic, applies)


def _topics(fact: Fact, holds: pl.Expr) -> Iterator[tuple[str, pl.Expr]]:
    """The fact's topic and where it is that; early in a year, every window of it speaks of the same days."""
    if fact.topic not in OF_THIS_YEAR:
        yield fact.topic, holds
        return
    is_early = (pl.col("days_enrolled_ytd") < SAME_DAYS_UNTIL).fill_null(value=False)
    yield "absence this year", holds & is_early
    yield fact.topic, holds & ~is_early


def _first(
    students: pl.DataFrame, statements: Sequence[Statement], direction: Direction, *, limit: int
) -> NDArray[np.uint16]:
    """The numbers of the first statements of a direction that hold of each student, one a topic; then _NOTHING."""
    by_topic: dict[str, list[pl.Expr]] = {}
    for number, each in enumerate(statements):
        if each.rule.direction == direction:
            holds = pl.when(each.holds).then(pl.lit(number, dtype=pl.UInt16))
            by_topic.setdefault(each.topic, []).append(holds)
    nothing = pl.repeat(_NOTHING, pl.len(), dtype=pl.UInt16).alias("")
    lowest = [pl.coalesce(numbers).fill_null(_NOTHING).alias(topic) for topic, numbers in by_topic.items()]
    return np.sort(students.select(nothing, *lowest).to_numpy(), axis=1)[:, :limit]


def _said(students: pl.DataFrame, statements: Sequence[Statement], shown: pl.DataFrame) -> list[pl.Series]:
    """Value and sentence of each statement that is shown, in their order."""
    parts = [pl.DataFrame(schema={_PLACE: pl.UInt32, "value": pl.Float64, "sentence": pl.String})]
    for part in shown.with_row_index(_PLACE).partition_by(_NUMBER):
        number: int = part.item(0, _NUMBER)
        statement = statements[number]
        value = students[list(inputs(statement.leaf))][part[ROW]].select(value=fact_value(statement.leaf)).to_series()
        sentence = worded(students, statement.words, rows=part[ROW], title=statement.rule.title)
        parts.append(pl.DataFrame([part[_PLACE], value, sentence]))
    return pl.concat(parts).rechunk().sort(_PLACE).drop(_PLACE).get_columns()
