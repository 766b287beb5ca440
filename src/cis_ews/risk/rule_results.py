"""What flag rules say of students: a rule holds at a level, or abstains and names what it lacks.

Among the students of whom a rule speaks there are few cases that differ in more than numbers: the same level, the same
facts, the same inputs missing. Each case is worded once, as a template into which its students' numbers are set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from cis_ews.enums import RuleStatus
from cis_ews.risk.rule_engine import (
    ROW,
    Truths,
    deciding_leaves,
    is_true,
    is_unknown,
    outcome_column,
    truths_of,
    with_outcomes,
)
from cis_ews.risk.rule_terms import FlagRule, Leaf, Level, Share, inputs
from cis_ews.risk.sentences import asks_for_facts, fact_of, fact_sentences, with_facts, worded
from cis_ews.risk.templates import template_fields

KIND = {"rule": pl.String, "status": pl.String, "level": pl.String, "missing": pl.String}
_KEY = "__case"


@dataclass(frozen=True, slots=True)
class Case:
    """Students, by row, of whom a rule says the same but for the numbers; `level` is None where it abstains."""

    rule: FlagRule
    level: Level | None
    facts: Sequence[str]
    missing: Sequence[str]
    rows: pl.Series

    @property
    def kind(self) -> tuple[str | None, ...]:
        """What is the same for all its students: the columns KIND."""
        missing = ",".join(self.missing) or None
        if self.level is None:
            return self.rule.name, RuleStatus.ABSTAINS.value, None, missing
        return self.rule.name, RuleStatus.HOLDS.value, self.level.name, missing

    def sentences(self, students: pl.DataFrame) -> pl.Series:
        """The rule in words for each of its students; null where it abstains."""
        if self.level is None:
            return pl.Series("sentence", [None], dtype=pl.String).new_from_index(0, len(self.rows))
        template = with_facts(self.level.sentence, self.facts)
        return worded(students, template, rows=self.rows, title=self.rule.title)


def evaluate_rules(indicators: pl.DataFrame, rules: Sequence[FlagRule]) -> pl.DataFrame:
    """Whom a rule holds or abstains of, by student and rule: student_id, rule, status, level, missing, sentence."""
    students, _ = with_outcomes(indicators, rules)
    cases = [case for asked in _asked(tuple(rules)) for case in _cases(students, asked)]
    told = pl.concat([_told(students, case, number) for number, case in enumerate(cases)] or [_NOTHING_TOLD])
    # The rules stand in order, and a stable sort by student leaves them so.
    told = told.rechunk().sort(ROW, maintain_order=True)
    kinds = pl.DataFrame([case.kind for case in cases], schema=KIND, orient="row")[told[_KEY]]
    return pl.DataFrame([students["student_id"].gather(told[ROW]), *kinds, told["sentence"]])


_NOTHING_TOLD = pl.DataFrame(schema={ROW: pl.UInt32, _KEY: pl.UInt32, "sentence": pl.String})


def _told(students: pl.DataFrame, case: Case, number: int) -> pl.DataFrame:
    numbers = pl.Series(_KEY, [number], dtype=pl.UInt32).new_from_index(0, len(case.rows))
    return pl.DataFrame([case.rows, numbers, case.sentences(students)])


@dataclass(frozen=True, slots=True)
class _Asked:
    """A rule, every fact that it may tell and every input that it may lack, and the key of a case: its outcome and a
    bit for each of them."""

    rule: FlagRule
    flags: Sequence[str]
    key: pl.Expr


@lru_cache(maxsize=16)
def _asked(rules: tuple[FlagRule, ...]) -> Sequence[_Asked]:
    """The rules by name; put together once for all parts of a night."""
    truths = truths_of([condition for rule in rules for condition in rule.conditions])
    return [_keyed(rule, truths) for rule in sorted(rules, key=lambda rule: rule.name)]


def _keyed(rule: FlagRule, truths: Truths) -> _Asked:
    flags = {**_facts(rule, truths), **_gaps(rule, truths)}
    bits = [flag.cast(pl.Int64) * (1 << place) for place, flag in enumerate(flags.values())]
    outcome = pl.col(outcome_column(rule)).cast(pl.Int64) * (1 << len(flags))
    return _Asked(rule, tuple(flags), pl.sum_horizontal([outcome, *bits]))


def _cases(students: pl.DataFrame, asked: _Asked) -> Iterator[Case]:
    """The cases of a rule, by their keys."""
    is_told = pl.col(outcome_column(asked.rule)).is_not_null()
    for rows in students.lazy().filter(is_told).select(ROW, asked.key.alias(_KEY)).collect().partition_by(_KEY):
        order, set_bits = divmod(rows.item(0, _KEY), 1 << len(asked.flags))
        true = [name for place, name in enumerate(asked.flags) if set_bits >> place & 1]
        yield _case(asked.rule, order, true=true, rows=rows[ROW])


def _case(rule: FlagRule, order: int, *, true: Sequence[str], rows: pl.Series) -> Case:
    if order == len(rule.levels):
        return Case(rule, None, facts=(), missing=true, rows=rows)
    facts = fact_sentences(rule.levels[order].when)
    told = [fact for fact in facts if fact in true]
    return Case(rule, rule.levels[order], facts=told, missing=[name for name in true if name not in facts], rows=rows)


def _facts(rule: FlagRule, truths: Truths) -> dict[str, pl.Expr]:
    """The facts that the rule's sentences ask for, and where each makes the level hold and has its numbers."""
    places: dict[str, list[pl.Expr]] = {}
    for order, (level, condition) in enumerate(zip(rule.levels, rule.conditions, strict=True)):
        if not asks_for_facts(level.sentence):
            continue
        at_level = pl.col(outcome_column(rule)) == order
        for leaf, holds in deciding_leaves(condition, truths, mark=is_true):
            if fact := fact_of(leaf):
                places.setdefault(fact.sentence, []).append(at_level & holds)
    return {fact: pl.any_horizontal(where) & _has_its_numbers(fact) for fact, where in places.items()}


def _has_its_numbers(sentence: str) -> pl.Expr:
    return pl.all_horizontal([pl.col(name).is_not_null() for name in template_fields(sentence)] or [pl.lit(value=True)])


def _gaps(rule: FlagRule, truths: Truths) -> dict[str, pl.Expr]:
    """The inputs without which the outcome, or one more severe than the one that holds, stays unknown; and where."""
    places: dict[str, list[pl.Expr]] = {}
    for order, condition in enumerate(rule.conditions):
        is_above = pl.col(outcome_column(rule)) > order
        for leaf, unknown in deciding_leaves(condition, truths, mark=is_unknown):
            for name in inputs(leaf):
                places.setdefault(name, []).append(is_above & unknown & _is_absent(name, leaf))
    return {name: pl.any_horizontal(where) for name, where in places.items()}


def _is_absent(name: str, leaf: Leaf) -> pl.Expr:
    """Whether an input is missing, or is too few days to speak of a share of them."""
    absent = pl.col(name).is_null()
    if isinstance(leaf, Share) and name == leaf.whole:
        return absent | (pl.col(name) < max(1, leaf.minimum_days))
    return absent
