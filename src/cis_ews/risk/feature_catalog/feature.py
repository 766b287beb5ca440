"""What a feature is made of: terms over columns of the table of indicators, words, the feature. Data only.

`risk.features` evaluates the terms, `risk.explanations` tells the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cis_ews.enums import Domain

Monotone = Literal[1, -1]
DAYS_ENROLLED = "days_enrolled_ytd"


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it stands; yes is 1, no is 0."""

    name: str

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (self.name,)


@dataclass(frozen=True, slots=True)
class Position:
    """The place of a text among `values`, counted from 0; another text is missing."""

    column: str
    values: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (self.column,)


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of columns; missing where one of them is."""

    columns: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return self.columns


@dataclass(frozen=True, slots=True)
class Ratio:
    """`per` times part over whole; missing where the whole is zero or less."""

    part: Term
    whole: Term
    per: int = 1

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (*self.part.reads, *self.whole.reads)


@dataclass(frozen=True, slots=True)
class Difference:
    """The one less the other."""

    term: Term
    less: Term

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (*self.term.reads, *self.less.reads)


@dataclass(frozen=True, slots=True)
class Largest:
    """The largest of the terms that are known."""

    terms: tuple[Term, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return tuple(name for term in self.terms for name in term.reads)


@dataclass(frozen=True, slots=True)
class Larger:
    """The larger of the two; missing where one of them is."""

    one: Term
    other: Term

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (*self.one.reads, *self.other.reads)


@dataclass(frozen=True, slots=True)
class Enough:
    """A term that is known only where a count of days is at least `minimum`."""

    term: Term
    minimum: int
    days: str = DAYS_ENROLLED

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (*self.term.reads, self.days)


@dataclass(frozen=True, slots=True)
class Slope:
    """Least squares over the months so far: by how much the rate (part over days) rises from month to month.

    Each month weighs as many as its days, so a month that has just begun says little. Missing before the second month.
    """

    parts: tuple[str, ...]
    days: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (*self.parts, *self.days)


@dataclass(frozen=True, slots=True)
class Shift:
    """By how much the rate (part over days) moved where it moved most: from a month on, less before it.

    A least-squares change point: of the months so far, parted in two with `minimum` days on either side, the parting
    with the greatest sum of squares between its sides (of equal ones the earliest). Missing where none is possible.
    """

    parts: tuple[str, ...]
    days: tuple[str, ...]
    minimum: int

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (*self.parts, *self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysSince:
    """School days since something last happened, at most `most`.

    Where it never happened this year (`count` is 0), all days enrolled; missing where `count` is.
    """

    last: str
    count: str
    most: int

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (self.last, self.count, DAYS_ENROLLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class OthersRate:
    """`per` times the sum of `part` over `units` times the sum of `whole`, of all others enrolled in the school.

    Without a `whole`, over their number. Only students of whom all is known count; missing with fewer than `minimum`
    of them, so that nobody's own number can be told from the school's.
    """

    part: str
    whole: str | None = None
    units: int = 1
    per: int = 1
    minimum: int = 10

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return ("school_id", "is_enrolled", self.part, *((self.whole,) if self.whole else ()))


Term = (
    Column | Position | Total | Ratio | Difference | Largest | Larger | Enough | Slope | Shift | DaysSince | OthersRate
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A sentence that is told of a value on one side of a stated reference, or between two: a template."""

    sentence: str
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is said of half of the students of the same school and grade, whose median of `value` is `{median}`.

    `value`: what is compared. `fewer`: where the median is below the student's value, `more`: where it is above,
    `none`: where it is below and zero.
    """

    value: Term
    fewer: str
    more: str
    none: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One column of the design matrix.

    `topic`: features of one topic speak of the same thing, and one reason is made of them. `window`: the days that it
    looks at. `definition`: one sentence. `value`: how it is made from columns of the table of indicators. `missing`:
    when it stays missing, besides a domain that is not covered, or the rule where it does not. `monotone`: 1 where more
    is surely more risk, -1 where less is, None where neither is sure. `indicator`: the column whose number stands
    beside its reason, or the name of what `number` makes. `risk`, `strength`: sentences, the first that fits; without
    one it is never told. `unknown`: what is said where it is missing and that raises the risk. `comparison`: with whom
    its sentences compare.
    """

    name: str
    domain: Domain
    topic: str
    window: str
    unit: str
    definition: str
    value: Term
    indicator: str
    number: Term | None = None
    missing: str = ""
    monotone: Monotone | None = None
    risk: tuple[Told, ...] = ()
    strength: tuple[Told, ...] = ()
    unknown: str | None = None
    comparison: Comparison | None = None
