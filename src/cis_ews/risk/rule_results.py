"""What flag rules say of students: a rule holds at a level, or abstains and names what it lacks.

Among the students of whom a rule speaks there are few cases that differ in more than numbers: the same level, the same
facts, the same inputs missing. Each case is worded once, as a template into which numbers are set; and of the students
whose numbers are the same too, the sentence is made once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.enums import RuleStatus
from cis_ews.risk.alike import Columns
from cis_ews.risk.rule_engine import Codes, Flags, Mark, Truths, outcomes_of, paths_to_leaves, students_of, truths_of
from cis_ews.risk.rule_terms import COMBINED, Condition, FlagRule, Leaf, Level, Share, inputs
from cis_ews.risk.sentences import asks_for_facts, fact_of, fact_sentences, with_facts
from cis_ews.risk.templates import template_fields
from cis_ews.risk.writing import Asked, write
from cis_ews.schema.coded import CodedTable
from cis_ews.schema.scores import RuleResults

STUDENT, CASE, TEXT = "student", "case", "text"
"""The codes of results: of a student, of all that is the same for the students of a case, and of a sentence."""
SAID = {STUDENT: ["student_id"], CASE: ["rule", "status", "level", "missing"], TEXT: ["sentence"]}
_NOT_TOLD = -1
_CASES = {column: RuleResults.create_empty().schema[column] for column in SAID[CASE]}


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule says of some students, all but the numbers; `level` is None where it abstains."""

    rule: FlagRule
    level: Level | None
    facts: Sequence[str]
    missing: Sequence[str]

    @property
    def kind(self) -> tuple[str | None, ...]:
        """What results say of a case."""
        missing = ",".join(self.missing) or None
        if self.level is None:
            return self.rule.name, RuleStatus.ABSTAINS.value, None, missing
        return self.rule.name, RuleStatus.HOLDS.value, self.level.name, missing

    @property
    def words(self) -> str | None:
        """The template of its sentence, the rule's title where there are no facts for it; None where it abstains."""
        if self.level is None:
            return None
        return with_facts(self.level.sentence, self.facts) or self.rule.title


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Students, by `student_id`, with the truth of all conditions of some rules."""

    rules: Sequence[FlagRule]
    students: pl.DataFrame
    truths: Truths

    @classmethod
    def of(cls, indicators: pl.DataFrame, rules: Sequence[FlagRule], *more: str) -> Evaluated:
        """The rules over `on_date(indicators)`; `more`: further columns to keep."""
        students = students_of(indicators, rules, *more)
        return cls(rules, students, truths_of(students, [each for rule in rules for each in rule.conditions]))


def results_of(evaluated: Evaluated) -> CodedTable:
    """Whom a rule holds or abstains of, by student and rule, as `schema.scores.RuleResults`; coded by `SAID`."""
    cases, told = _cases(evaluated)
    # The rules stand in order, and a student's lie side by side.
    by_student = np.ascontiguousarray(told.T).ravel()
    places = np.flatnonzero(by_student != _NOT_TOLD)
    case, student = by_student[places], places // max(1, len(told))
    text, sentences = _sentences(evaluated.students, cases, case=case, student=student)
    said = {
        STUDENT: evaluated.students.select(SAID[STUDENT]),
        CASE: pl.DataFrame([each.kind for each in cases], schema=_CASES, orient="row"),
        TEXT: pl.DataFrame({SAID[TEXT][0]: sentences}, schema={SAID[TEXT][0]: pl.String}),
    }
    rows = pl.DataFrame({STUDENT: student.astype(np.uint32), CASE: case.astype(np.uint32), TEXT: text})
    return CodedTable(rows, said)


def _cases(evaluated: Evaluated) -> tuple[list[Case], NDArray[np.int32]]:
    """The cases that there are, and their numbers: a row a rule, by name, and a column a student."""
    seen = _Seen(evaluated.students, evaluated.truths)
    asked = _asked(tuple(evaluated.rules))
    told = np.empty((len(asked), evaluated.students.height), dtype=np.int32)
    cases: list[Case] = []
    for row, each in enumerate(asked):
        keys = each.keys(seen)
        numbers = np.full(each.most_keys, _NOT_TOLD, dtype=np.int32)
        numbers[keys] = 0
        found = np.flatnonzero(numbers[: each.nothing_from] == 0)
        numbers[:] = _NOT_TOLD
        numbers[found] = np.arange(len(cases), len(cases) + found.size)
        told[row] = numbers[keys]
        cases += [each.case(key) for key in found.tolist()]
    return cases, told


def _sentences(
    students: pl.DataFrame, cases: Sequence[Case], *, case: NDArray[np.int32], student: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], pl.Series]:
    """The number of the sentence of each result, and the sentences; the first is null, for rules that abstain."""
    templates = [(each.words, each.rule.title) for each in cases]
    numbers = {template: number for number, template in enumerate(dict.fromkeys(templates))}
    template_of = np.array([numbers[template] for template in templates], dtype=np.int16)[case]
    order = np.argsort(template_of, kind="stable")
    bounds = np.searchsorted(template_of[order], np.arange(len(numbers) + 1))
    fields = [template_fields(words or "") for words, _ in numbers]
    columns, text, count = Columns(students, chain.from_iterable(fields)), np.zeros(case.size, dtype=np.uint32), 1
    asked: list[Asked] = []
    for number, (words, title) in enumerate(numbers):
        places = order[bounds[number] : bounds[number + 1]]
        if words is not None and places.size:
            codes, firsts = columns.kinds(list(dict.fromkeys(fields[number])), student[places])
            asked.append(Asked(words, firsts, title))
            text[places] = codes + np.uint32(count)
            count += firsts.size
    return text, pl.concat([pl.Series("sentence", [None], dtype=pl.String), write(columns, asked)], rechunk=True)


class _Seen:
    """Students, with the truths of conditions, and which of their inputs are absent, each worked out once."""

    def __init__(self, students: pl.DataFrame, truths: Truths) -> None:
        self.truths = truths
        self._students = students
        self._absent: dict[tuple[str, int | None], Flags] = {}

    def absent(self, name: str, *, minimum: int | None = None) -> Flags:
        """Whose input is missing, or too few to speak of a share of them."""
        if (name, minimum) not in self._absent:
            column = self._students.get_column(name)
            few = column.is_null() if minimum is None else column.is_null() | (column < minimum).fill_null(value=False)
            self._absent[name, minimum] = few.to_numpy()
        return self._absent[name, minimum]


@dataclass(frozen=True, slots=True)
class _Way:
    """A way from the condition of a level, whose place is `order`, to a leaf of it."""

    order: int
    path: tuple[Condition, ...]
    leaf: Leaf


@dataclass(frozen=True, slots=True)
class _Asked:
    """A rule, every fact that it may tell and every input that it may lack, with the ways on which they decide."""

    rule: FlagRule
    facts: Mapping[str, Sequence[_Way]]
    gaps: Mapping[str, Sequence[_Way]]

    @property
    def flags(self) -> int:
        """How many bits a key has below the outcome."""
        return len(self.facts) + len(self.gaps)

    @property
    def nothing_from(self) -> int:
        """From which key on nothing is told."""
        return (len(self.rule.levels) + 1) << self.flags

    @property
    def most_keys(self) -> int:
        """How many keys there may be."""
        return (len(self.rule.levels) + 2) << self.flags

    def keys(self, seen: _Seen) -> NDArray[np.int64]:
        """What tells a student's case from others: the rule's outcome, and a bit for each fact and gap."""
        outcomes = outcomes_of(self.rule, seen.truths)
        keys = outcomes.astype(np.int64) << self.flags
        flags = chain(
            (_fact_is_told(fact, ways, outcomes=outcomes, seen=seen) for fact, ways in self.facts.items()),
            (_is_gap(name, ways, outcomes=outcomes, seen=seen) for name, ways in self.gaps.items()),
        )
        for place, flag in enumerate(flags):
            if flag.any():
                keys |= flag.astype(np.int64) << place
        return keys

    def case(self, key: int) -> Case:
        """The case of a key."""
        order, bits = divmod(key, 1 << self.flags)
        true = [name for place, name in enumerate([*self.facts, *self.gaps]) if bits >> place & 1]
        if order == len(self.rule.levels):
            return Case(self.rule, None, facts=(), missing=true)
        facts = fact_sentences(self.rule.levels[order].when)
        missing = [name for name in true if name not in facts]
        return Case(self.rule, self.rule.levels[order], facts=[fact for fact in facts if fact in true], missing=missing)


@lru_cache(maxsize=16)
def _asked(rules: tuple[FlagRule, ...]) -> Sequence[_Asked]:
    """The rules by name; put together once for all parts of a night."""
    return [_Asked(rule, _facts(rule), _gaps(rule)) for rule in sorted(rules, key=lambda rule: rule.name)]


def _ways(rule: FlagRule) -> Iterator[_Way]:
    for order, condition in enumerate(rule.conditions):
        for path in paths_to_leaves(condition):
            *_, leaf = path
            if not isinstance(leaf, COMBINED):
                yield _Way(order, path, leaf)


def _facts(rule: FlagRule) -> dict[str, list[_Way]]:
    """The facts that the rule's sentences ask for, and the ways on which each makes a level hold."""
    facts: dict[str, list[_Way]] = {}
    for way in _ways(rule):
        if asks_for_facts(rule.levels[way.order].sentence) and (fact := fact_of(way.leaf)):
            facts.setdefault(fact.sentence, []).append(way)
    return facts


def _fact_is_told(fact: str, ways: Sequence[_Way], *, outcomes: Codes, seen: _Seen) -> Flags:
    """Where a fact makes the level hold, and has its numbers."""
    told = np.zeros(outcomes.size, dtype=np.bool_)
    for way in ways:
        told |= (outcomes == way.order) & seen.truths.where_all(way.path, Mark.HOLDS)
    for name in template_fields(fact):
        told &= ~seen.absent(name)
    return told


def _gaps(rule: FlagRule) -> dict[str, list[_Way]]:
    """The inputs without which the outcome, or one more severe than the one that holds, stays unknown; and the ways."""
    gaps: dict[str, list[_Way]] = {}
    for way in _ways(rule):
        for name in inputs(way.leaf):
            gaps.setdefault(name, []).append(way)
    return gaps


def _is_gap(name: str, ways: Sequence[_Way], *, outcomes: Codes, seen: _Seen) -> Flags:
    gap = np.zeros(outcomes.size, dtype=np.bool_)
    for way in ways:
        gap |= _is_gap_on(name, way, outcomes=outcomes, seen=seen)
    return gap


def _is_gap_on(name: str, way: _Way, *, outcomes: Codes, seen: _Seen) -> Flags:
    """Where a rule that speaks at a less severe level, or abstains, lacks an input on the way."""
    unknown = seen.truths.where_all(way.path, Mark.UNKNOWN)
    if not unknown.any():
        return unknown
    leaf, minimum = way.leaf, None
    if isinstance(leaf, Share) and name == leaf.whole:
        minimum = max(1, leaf.minimum_days)
    return unknown & seen.absent(name, minimum=minimum) & (outcomes > way.order)
