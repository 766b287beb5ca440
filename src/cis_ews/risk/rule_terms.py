"""What a flag rule is made of: conditions on indicators, levels, the rule. Data only; `rule_engine` evaluates them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal

from cis_ews.enums import Direction, GradeLevel

Comparison = Literal[">=", ">", "<=", "<", "=="]
MonthDay = tuple[int, int]


class RuleKind(StrEnum):
    """A flag asks for a conversation; a duty is what the law asks of the school; a strength speaks for the student."""

    FLAG = "flag"
    DUTY = "duty"
    STRENGTH = "strength"


class Evidence(StrEnum):
    """How well the source of a rule is known."""

    PRIMARY = "P"
    SECONDARY = "S"
    RECALLED = "R"
    OWN = "C"


@dataclass(frozen=True, slots=True)
class Number:
    """An indicator beside a number; where `columns` are given, the indicator is their sum."""

    indicator: str
    comparison: Comparison
    threshold: float
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Absence as a share of the days enrolled, compared in whole numbers: exactly 10 % is at least 10 %.

    `part`: a count of which `units` make a day; `whole`: days. Unknown below `minimum_days` days.
    """

    indicator: str
    part: str
    units: int
    whole: str
    comparison: Comparison
    percent: int
    minimum_days: int


@dataclass(frozen=True, slots=True)
class Is:
    """A yes-or-no indicator that is yes."""

    indicator: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """A text indicator that is one of some values."""

    indicator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Season:
    """The as-of date lies on `first` (month, day) of the school year or later, and before `until`, where it is given.

    The school year turns on August 1.
    """

    first: MonthDay
    until: MonthDay | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every condition holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one condition holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """At least `count` conditions hold."""

    count: int
    conditions: tuple[Condition, ...]


Leaf = Number | Share | Is | OneOf | Season
Condition = Leaf | AllOf | AnyOf | AtLeast
COMBINED = (AllOf, AnyOf, AtLeast)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One outcome of a rule.

    `concern` orders reasons: 3 asks for intensive, 2 for targeted support, 1 is information, 0 is a strength. What a
    local table calls Tier 3 counts as 2 where primary sources ask for Tier 2 at the same number, and last year counts
    one less than this year. `sentence`: plain words with `{indicator}` fields; `{facts}` stands for the facts that made
    the rule hold.
    """

    name: str | None = None
    concern: int
    when: Condition
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRule:
    """A published threshold on indicators.

    `levels`: most severe first; the first that holds is the outcome. `grades`: None is any grade. `window`: the time
    that the rule looks at, in words. `effective_from`, `effective_to`: the first and last as-of date of this version.
    `note`: how the published words were read where they leave room. `accuracy`: what is known of its hits and misses.
    """

    name: str
    title: str
    authority: str
    source: str
    evidence: Evidence
    window: str
    levels: tuple[Level, ...]
    kind: RuleKind = RuleKind.FLAG
    grades: tuple[GradeLevel, ...] | None = None
    season: Season | None = None
    effective_from: date | None = None
    effective_to: date | None = None
    note: str | None = None
    accuracy: str | None = None

    @property
    def direction(self) -> Direction:
        """Whether the rule speaks of a risk or of a strength."""
        return Direction.STRENGTH if self.kind == RuleKind.STRENGTH else Direction.RISK

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What each level asks, with the grades and the season in which the rule may be asked."""
        gates = (*self._grade_gate, *((self.season,) if self.season else ()))
        return tuple(AllOf((*gates, level.when)) if gates else level.when for level in self.levels)

    @property
    def _grade_gate(self) -> tuple[Condition, ...]:
        return () if self.grades is None else (OneOf("grade_level", tuple(grade.value for grade in self.grades)),)

    def in_force(self, as_of: date) -> bool:
        """Whether this version of the rule applies on a date."""
        begun = self.effective_from is None or self.effective_from <= as_of
        return begun and (self.effective_to is None or as_of <= self.effective_to)


def leaves(condition: Condition) -> tuple[Leaf, ...]:
    """The conditions at the ends of the tree, in reading order."""
    if isinstance(condition, COMBINED):
        return tuple(leaf for part in condition.conditions for leaf in leaves(part))
    return (condition,)


def inputs(leaf: Leaf) -> tuple[str, ...]:
    """The columns that a condition reads."""
    if isinstance(leaf, Season):
        return ("school_year",)
    if isinstance(leaf, Share):
        return (leaf.part, leaf.whole)
    if isinstance(leaf, Number):
        return leaf.columns or (leaf.indicator,)
    return (leaf.indicator,)
