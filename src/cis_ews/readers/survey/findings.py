"""What a survey of a source comes to: a first mapping, with reasons, a confidence for each, and questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cis_ews.readers.codes import Plain

SURE, LIKELY = 0.85, 0.6


def in_words(score: float) -> str:
    """A confidence in a word; docs/mapping.md says how often each was right."""
    return "sure" if score >= SURE else "likely" if score >= LIKELY else "a guess"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One column of the contract and where its cells come from.

    `heading`: of the source. `reasons`: what speaks for it. `score`: how sure, 0 to 1. `question`: what only the
    district can say, with both readings.
    """

    column: str
    heading: str
    reasons: tuple[str, ...]
    score: float
    question: str | None = None

    @property
    def confidence(self) -> str:
        """In a word."""
        return in_words(self.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The codes of a column: code -> value of the contract; those that nobody here knows, with their rows; how many
    are not shown. `questions`: code -> question."""

    known: Mapping[str, Plain] = field(default_factory=dict[str, Plain])
    open: Mapping[str, int] = field(default_factory=dict[str, int])
    hidden: int = 0
    questions: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a table needs beside its columns.

    `settings`: further keys of the table, key -> (value, why). `constants`, `defaults`: column -> (value, why).
    `factors`: column -> (by what its cells may have to be multiplied, question). `open`: column that must be filled and
    that nothing fills -> what to look for. `questions`: key -> question.
    """

    settings: dict[str, tuple[Plain | tuple[str, ...], str]] = field(
        default_factory=dict[str, "tuple[Plain | tuple[str, ...], str]"]
    )
    constants: dict[str, tuple[Plain, str]] = field(default_factory=dict[str, "tuple[Plain, str]"])
    defaults: dict[str, tuple[Plain, str]] = field(default_factory=dict[str, "tuple[Plain, str]"])
    factors: dict[str, tuple[float, str]] = field(default_factory=dict[str, "tuple[float, str]"])
    codes: dict[str, Codes] = field(default_factory=dict[str, Codes])
    open: dict[str, str] = field(default_factory=dict[str, str])
    questions: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReading(Beside):
    """One table of the contract and the files that are taken for it.

    `unused`: headings of its files that nothing needs; `hidden`: places (the first is 1) of those whose headings are
    not shown.
    """

    table: str
    files: tuple[str, ...]
    rows: int
    is_whole: bool
    score: float
    reasons: tuple[str, ...]
    columns: tuple[Reading, ...]
    unused: tuple[str, ...] = ()
    hidden: tuple[int, ...] = ()
    is_held_back: bool = False

    @property
    def confidence(self) -> str:
        """In a word."""
        return in_words(self.score)

    @property
    def asked(self) -> int:
        """How many questions it asks."""
        own = (
            len(self.open)
            + len(self.questions)
            + len(self.factors)
            + sum(each.question is not None for each in self.columns)
        )
        return own + sum(len(each.open) + len(each.questions) + bool(each.hidden) for each in self.codes.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A source as it was understood.

    `missing`: required table -> what would fill it. `unmatched`: files that are no table, those whose names may be
    shown; `unnamed`: how many others. `passed`: why -> how many files were not looked into. `derived`: tables to be
    derived of attendance. `known_as`: a format that needs no mapping, where it looks like one. `untold`: the first
    table of a domain of which no file tells -> what would fill it.
    """

    name: str
    tables: tuple[TableReading, ...]
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    untold: Mapping[str, str] = field(default_factory=dict[str, str])
    unmatched: tuple[str, ...] = ()
    unnamed: int = 0
    passed: Mapping[str, int] = field(default_factory=dict[str, int])
    derived: tuple[str, ...] = ()
    known_as: str | None = None

    @property
    def asked(self) -> int:
        """How many questions there are in all."""
        return len(self.missing) + sum(table.asked for table in self.tables) + ("schools" in self.derived)
