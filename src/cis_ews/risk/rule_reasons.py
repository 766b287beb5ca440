"""Reasons and strengths from rules that hold: distinct facts, ranked, at most a few.

What rules can say is numbered by how much it matters, the same for all students: a student's reasons are the lowest
numbers that hold, one a topic, and only these are put into words, once for all students whose numbers are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.enums import Direction, RuleStatus
from cis_ews.risk.alike import Columns
from cis_ews.risk.rule_engine import Flags, Mark, paths_to_leaves
from cis_ews.risk.rule_results import CASE, STUDENT, Evaluated
from cis_ews.risk.rule_terms import Condition, FlagRule, Is, Level, Number, OneOf, Share
from cis_ews.risk.sentences import (
    FACTS_PLACE,
    OF_THIS_YEAR,
    SAME_DAYS_UNTIL,
    TOPICS,
    Fact,
    asks_for_facts,
    fact_of,
    fact_value,
)
from cis_ews.risk.templates import template_fields
from cis_ews.risk.writing import Asked, write
from cis_ews.schema.coded import CodedTable, rows_among
from cis_ews.schema.scores import Reasons

DAYS = "days_enrolled_ytd"
DIRECTIONS = (Direction.RISK, Direction.STRENGTH)
KIND, WORDS = "kind", "words"
"""The codes of reasons, beside that of a student: of all that is the same for all students, and of what is said."""
SAID = {STUDENT: ["student_id"], KIND: ["direction", "domain", "indicator"], WORDS: ["value", "sentence"]}
_KINDS = {column: Reasons.create_empty().schema[column] for column in SAID[KIND]}
_SAID = {column: Reasons.create_empty().schema[column] for column in SAID[WORDS]}
_NOTHING = np.iinfo(np.uint16).max
_NO_LEVEL = -1
_VALUE = "__value_"
Outcomes = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Statement:
    """What a rule can say on one topic: of whom the level of this place holds on this way to a leaf; `early`: only
    early in a year, or only later."""

    rule: FlagRule
    level: Level
    place: int
    path: tuple[Condition, ...]
    leaf: Number | Share | Is | OneOf
    fact: Fact
    words: str
    topic: str
    early: bool | None

    @property
    def kind(self) -> tuple[str, str, str]:
        """What is the same for all students: the columns of KIND."""
        return self.rule.direction.value, self.fact.domain.value, self.leaf.indicator

    @property
    def turn(self) -> tuple[int, int]:
        """What is said first: what is of most concern, then what a conversation can change soonest."""
        return -self.level.concern, TOPICS.index(self.topic)


def rank_reasons(
    evaluated: Evaluated, results: CodedTable, *, limit: int, asked: Sequence[Flags] | None = None
) -> CodedTable:
    """Ranked reasons as `schema.scores.Reasons` describes them, coded by `SAID`; a code of a student is the row.

    One reason a student, direction and topic: that of the rule of most concern; among equals, of the first rule; of a
    rule with two facts on one topic, the first. `evaluated` with DAYS; `asked`: for each of DIRECTIONS, of which
    students it is told, of all if None.
    """
    statements = _in_turn(tuple(evaluated.rules))
    outcomes = _outcomes(results, evaluated)
    first = [_first(evaluated, outcomes, direction, limit=limit) for direction in DIRECTIONS]
    for numbers, wanted in zip(first, asked or (), strict=False):
        numbers[~wanted] = _NOTHING
    told = np.hstack(first)
    rows, columns = np.nonzero(told != _NOTHING)
    shown = told[rows, columns]
    ranks = np.concatenate([np.arange(1, each.shape[1] + 1, dtype=np.int16) for each in first])
    words, said = _said(evaluated.students, statements, rows=rows, shown=shown)
    kinds = pl.DataFrame([each.kind for each in statements], schema=_KINDS, orient="row")
    coded = pl.DataFrame({STUDENT: rows.astype(np.uint32), "rank": ranks[columns], KIND: shown, WORDS: words})
    ids = evaluated.students.select(SAID[STUDENT])
    return CodedTable(coded, {STUDENT: ids, KIND: kinds, WORDS: said})


def _outcomes(results: CodedTable, evaluated: Evaluated) -> Outcomes:
    """Which level of each rule holds of each student by the results: its place, or _NO_LEVEL; a row a rule."""
    rules, ids = evaluated.rules, evaluated.students.get_column("student_id")
    places = {(rule.name, level.name): place for rule in rules for place, level in enumerate(rule.levels)}
    numbers = {rule.name: number for number, rule in enumerate(rules)}
    cases = results.said[CASE].select("rule", "level", pl.col("status") == RuleStatus.HOLDS).rows()
    rule_of = np.array([numbers.get(rule, -1) if holds else -1 for rule, _, holds in cases], dtype=np.int64)
    place_of = np.array([places.get((rule, level), _NO_LEVEL) for rule, level, _ in cases], dtype=np.int8)
    row_of = rows_among(results.said[STUDENT].get_column("student_id"), ids)
    case, student = (results.rows.get_column(code).to_numpy() for code in (CASE, STUDENT))
    rule, row = rule_of[case], row_of[student]
    known = (rule >= 0) & (row >= 0)
    outcomes = np.full((len(rules), len(ids)), _NO_LEVEL, dtype=np.int8)
    outcomes[rule[known], row[known]] = place_of[case[known]]
    return outcomes


@lru_cache(maxsize=16)
def _in_turn(rules: tuple[FlagRule, ...]) -> Sequence[Statement]:
    """What can be said by these rules, in the order in which it is; put together once for all parts of a night."""
    every = [statement for rule in rules for statement in _statements(rule)]
    return sorted(every, key=lambda statement: statement.turn)


def _statements(rule: FlagRule) -> Iterator[Statement]:
    for place, (level, condition) in enumerate(zip(rule.levels, rule.conditions, strict=True)):
        facts = [
            (leaf, path, fact)
            for path in paths_to_leaves(condition)
            if isinstance(leaf := path[-1], Number | Share | Is | OneOf) and (fact := fact_of(leaf))
        ]
        if rule.direction == Direction.STRENGTH:
            facts = facts[:1]
        speaks_of_one = len({fact.topic for _, _, fact in facts}) == 1
        for leaf, path, fact in facts:
            template = level.sentence if speaks_of_one or asks_for_facts(level.sentence) else fact.sentence
            words = template.replace(FACTS_PLACE, fact.sentence)
            for topic, early in _topics(fact):
                yield Statement(rule, level, place, path, leaf, fact, words, topic, early)


def _topics(fact: Fact) -> Iterator[tuple[str, bool | None]]:
    """The fact's topic and when it is that; early in a year, every window of it speaks of the same days."""
    if fact.topic not in OF_THIS_YEAR:
        yield fact.topic, None
        return
    yield "absence this year", True
    yield fact.topic, False


def _first(evaluated: Evaluated, outcomes: Outcomes, direction: Direction, *, limit: int) -> NDArray[np.uint16]:
    """The numbers of the first statements of a direction that hold of each student, one a topic; then _NOTHING."""
    statements = _in_turn(tuple(evaluated.rules))
    spoken = [(number, each) for number, each in enumerate(statements) if each.rule.direction == direction]
    topics = {topic: place for place, topic in enumerate(dict.fromkeys(each.topic for _, each in spoken))}
    rules = {rule.name: number for number, rule in enumerate(evaluated.rules)}
    days = evaluated.students.get_column(DAYS)
    is_early = (days < SAME_DAYS_UNTIL).fill_null(value=False).to_numpy()
    lowest = np.full((len(topics), evaluated.students.height), _NOTHING, dtype=np.uint16)
    for number, each in reversed(spoken):
        holds = (outcomes[rules[each.rule.name]] == each.place) & evaluated.truths.where_all(each.path, Mark.HOLDS)
        if each.early is not None:
            holds &= is_early == each.early
        np.copyto(lowest[topics[each.topic]], np.uint16(number), where=holds)
    return np.sort(lowest.T, axis=1)[:, :limit]


def _said(
    students: pl.DataFrame, statements: Sequence[Statement], *, rows: NDArray[np.int64], shown: NDArray[np.uint16]
) -> tuple[NDArray[np.uint32], pl.DataFrame]:
    """What is said by each statement that is shown, as a number, and the value and sentence of each number."""
    order = np.argsort(shown, kind="stable")
    bounds = np.searchsorted(shown[order], np.arange(len(statements) + 1))
    used = [(number, statements[number]) for number in np.flatnonzero(np.diff(bounds)).tolist()]
    beside = students.select(fact_value(each.leaf).alias(f"{_VALUE}{number}") for number, each in used)
    fields = [template_fields(each.words) for _, each in used]
    columns = Columns(students.hstack(beside), [*beside.columns, *chain.from_iterable(fields)])
    words, count = np.empty(shown.size, dtype=np.uint32), 0
    asked, values = list[Asked](), [pl.Series("value", [], dtype=pl.Float64)]
    for (number, each), names in zip(used, fields, strict=True):
        places, value = order[bounds[number] : bounds[number + 1]], f"{_VALUE}{number}"
        codes, firsts = columns.kinds([value, *dict.fromkeys(names)], rows[places])
        asked.append(Asked(each.words, firsts, each.rule.title))
        values.append(beside.get_column(value)[firsts].alias("value"))
        words[places] = codes + np.uint32(count)
        count += firsts.size
    return words, pl.DataFrame([pl.concat(values, rechunk=True), write(columns, asked)])
