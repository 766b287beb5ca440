"""Which file is which table, and which of its columns which column: the assignments of greatest total score.

One heading serves one column of a table, and one file one table, but for tables that schools often keep in one file
(`SHARED`). Both are linear assignments, not greedy choices: a column that two want goes where the loss is least.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np

from cis_ews.readers.survey.files import SourceTable
from cis_ews.readers.survey.profile import Profile
from cis_ews.readers.survey.values import KEYS, MISFIT, Around, columns_of, fit
from cis_ews.readers.survey.words import SAME_NAME, columns_named, file_score, lexicon, name_score, words_of
from cis_ews.schema.school_data import TABLES

optimize: Any = importlib.import_module("scipy.optimize")  # it has no type information

LEAST_COLUMN, LEAST_TABLE = 0.4, 0.45
NEAR = 0.15  # a file that is so near in score might be the table as well
WITHOUT_VALUES = 0.9  # of a score by name, where a file has headings and no rows
JOINED, APART = 0.6, 0.1
STRANGE = 0.6  # what is left of a key's name where its values join no other file
SHARED = (frozenset(("students", "demographics", "enrollments")), frozenset(("incidents", "discipline_actions")))
ONE_A_KEY = ("schools", "students", "demographics", "reporting", "student_years")
"""Tables with one row a key: a file in which the key comes back is another one."""
BY_VALUES = frozenset(
    ("birth_date", "entry_date", "date", "start_date", "grade_level", "status", "action", "school_year")
)
"""Columns that their values can tell where their heading says nothing."""
ESSENTIAL: Mapping[str, tuple[frozenset[str], ...]] = {
    "calendar_days": (frozenset(("date",)),),
    "enrollments": (frozenset(("student_id",)), frozenset(("entry_date", "grade_level"))),
    "attendance_events": (frozenset(("date",)), frozenset(("student_id",))),
    "incidents": (frozenset(("date",)), frozenset(("incident_id", "behavior", "severity"))),
    "discipline_actions": (frozenset(("action",)), frozenset(("student_id", "incident_id"))),
    "course_grades": (frozenset(("student_id",)), frozenset(("mark", "percent", "grade_points", "credits_earned"))),
    "reporting": (frozenset(("reported_through",)),),
    "supports": (frozenset(("date",)), frozenset(("category",))),
    "student_years": (frozenset(("school_year",)), frozenset(("student_id",))),
}
"""What a file needs to be a table at all: one of each group."""
COMPUTED: Mapping[str, tuple[str, ...]] = {
    "school_year": ("entry_date", "date", "graded_on"),
    "fraction_absent": ("status",),
    "is_core": ("subject",),
    "district_id": (),
    "is_instructional": (),
}
"""Columns that something else can fill: any of these, or an answer that holds for all rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMatch:
    """A column of the contract and the column of a file that is taken for it.

    `score`: 0 to 1. `by_name`: how well the heading says it. `by_values`: how well the values do, None without any.
    `joins`: the share of its values that the same key of another file has; `alike`: without case and leading zeros.
    `rival`: another heading that is as good.
    """

    column: str
    profile: Profile
    score: float
    by_name: float
    by_values: float | None
    joins: float | None = None
    alike: float | None = None
    rival: Profile | None = None
    rival_score: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMatch:
    """A table of the contract and the file that is taken for it."""

    table: str
    source: SourceTable
    score: float
    by_file_name: float
    unique: float
    columns: Mapping[str, ColumnMatch] = field(default_factory=dict[str, ColumnMatch])


def match_all(sources: Sequence[SourceTable]) -> tuple[dict[str, TableMatch], dict[str, TableMatch]]:
    """Table -> the file taken for it; and table -> the next best file, where it would have served as well.

    Twice: what the first round takes for keys tells the second which columns join.
    """
    latest, firsts = _latest(sources), _without_copies(sources)
    around = Around(latest=latest, keys=_keys(_assigned(_scored(firsts, Around(latest=latest)), len(firsts))))
    scored = _scored(firsts, around)
    chosen = _assigned(scored, len(firsts))
    copies = [each for each in sources if each not in firsts]
    return chosen, _runners_up([*scored.values(), *_scored(copies, around).values()], chosen)


def _without_copies(sources: Sequence[SourceTable]) -> list[SourceTable]:
    """The sources without those that have the headings of another one, and fewer rows."""
    best: dict[frozenset[str], SourceTable] = {}
    for each in sorted(sources, key=lambda each: -each.rows):
        best.setdefault(frozenset(each.headings), each)
    return [each for each in sources if best[frozenset(each.headings)] is each]


def _scored(sources: Sequence[SourceTable], around: Around) -> dict[tuple[str, int], TableMatch]:
    return {(table, at): match_table(table, each, around) for table in TABLES for at, each in enumerate(sources)}


def _latest(sources: Sequence[SourceTable]) -> date | None:
    days = sorted(
        each.latest for source in sources for each in source.profiles if each.latest and each.latest.year < 2090
    )
    return days[len(days) // 2] if days else None


def _keys(chosen: Mapping[str, TableMatch]) -> dict[str, dict[str, tuple[str, Profile]]]:
    keys: dict[str, dict[str, tuple[str, Profile]]] = {key: {} for key in KEYS}
    for match in chosen.values():
        for key in KEYS:
            if key in match.columns:
                keys[key][match.table] = (match.source.name, match.columns[key].profile)
    return keys


def match_table(table: str, source: SourceTable, around: Around) -> TableMatch:
    """A file as this table: its columns, and how well it is one."""
    columns = _columns(table, source, around)
    by_file = file_score(source.name, table)
    unique = source.uniqueness([columns[key].profile.place for key in _key_of(table) if key in columns])
    return TableMatch(
        table=table,
        source=source,
        score=_table_score(table, columns, by_file=by_file, unique=unique),
        by_file_name=by_file,
        unique=unique,
        columns=columns,
    )


def _key_of(table: str) -> list[str]:
    return [name for name, column in columns_of(table).items() if column.primary_key]


def _columns(table: str, source: SourceTable, around: Around) -> dict[str, ColumnMatch]:
    names = list(columns_of(table))
    profiles = [each for each in source.profiles if each.heading and each.heading not in source.twice]
    if not profiles:
        return {}
    matches = [[_column(table, name, each, source=source, around=around) for each in profiles] for name in names]
    pairs = _greatest([[each.score for each in row] for row in matches], least=LEAST_COLUMN)
    taken = {place for _, place in pairs}
    free = [at for at in range(len(profiles)) if at not in taken]
    return {names[row]: _with_rival(matches[row][place], [matches[row][at] for at in free]) for row, place in pairs}


def _greatest(scores: Sequence[Sequence[float]], *, least: float) -> list[tuple[int, int]]:
    """Row and place of each pair of the one-to-one assignment of greatest total, without pairs below `least`."""
    grid = np.array(scores)
    rows, places = optimize.linear_sum_assignment(np.where(grid >= least, grid, 0.0), maximize=True)
    pairs = zip(rows.tolist(), places.tolist(), strict=True)
    return [(row, place) for row, place in pairs if grid[row, place] >= least]


def _with_rival(match: ColumnMatch, others: Sequence[ColumnMatch]) -> ColumnMatch:
    rival = max(others, key=lambda each: each.score, default=None)
    if rival is None or rival.score < LEAST_COLUMN:
        return match
    return replace(match, rival=rival.profile, rival_score=rival.score)


def _column(table: str, column: str, profile: Profile, *, source: SourceTable, around: Around) -> ColumnMatch:
    by_name = name_score(profile.heading, table, column)
    if not by_name and column not in BY_VALUES and column not in KEYS:
        return ColumnMatch(column=column, profile=profile, score=0.0, by_name=0.0, by_values=None)
    by_values = fit(table, column, profile, around=around)
    joins = around.joins(column, profile, file=source.name, table=table) if column in KEYS else None
    if by_name < LEAST_COLUMN and _is_told(profile, column):
        by_values = MISFIT if by_values is not None else None
    return ColumnMatch(
        column=column,
        profile=profile,
        score=_score(column, by_name, by_values=by_values, joins=joins and joins[1]),
        by_name=by_name,
        by_values=by_values,
        joins=joins and joins[0],
        alike=joins and joins[1],
    )


def _is_told(profile: Profile, column: str) -> bool:
    """Whether the heading says that it is something else."""
    named = columns_named(profile.heading)
    return (bool(named) and column not in named) or bool(set(words_of(profile.heading)) & lexicon().foreign)


def _score(column: str, by_name: float, *, by_values: float | None, joins: float | None) -> float:
    if by_values is None:
        return WITHOUT_VALUES * by_name
    if by_values == MISFIT:
        return 0.0
    values = by_values
    if joins is not None:
        if joins >= JOINED and by_name < LEAST_COLUMN:
            return 0.3 * by_name + 0.5 * joins
        values = 1.0 if joins >= JOINED else by_values
        by_name = by_name if joins >= APART else STRANGE * by_name
    if by_name < LEAST_COLUMN and column in BY_VALUES:
        return 0.45 * values + 0.25 * by_name
    return by_name * (0.75 + 0.25 * values)


def _table_score(table: str, columns: Mapping[str, ColumnMatch], *, by_file: float, unique: float) -> float:
    required, optional = list[float](), list[float]()
    for name, column in columns_of(table).items():
        score = columns[name].score if name in columns else 0.0
        filled = name not in columns and _can_be_computed(name, columns)
        if column.nullable:
            optional.append(score)
        elif not filled:
            required.append(score)
    telling = [score for score in optional if score]
    if _says_too_little(table, columns, telling=bool(telling), by_file=by_file):
        return 0.0
    whole = sum(required) / len(required) if required else 0.0
    besides = min(1.0, sum(optional) / min(3, len(optional))) if optional else whole
    once = unique**2 if table in ONE_A_KEY and unique < SAME_NAME else 1.0
    return (0.6 * whole + 0.2 * besides + 0.2 * by_file) * once


def _can_be_computed(name: str, columns: Mapping[str, ColumnMatch]) -> bool:
    if name == "school_id":
        return "student_id" in columns
    if name not in COMPUTED:
        return False
    return not COMPUTED[name] or any(each in columns for each in COMPUTED[name])


def _says_too_little(table: str, columns: Mapping[str, ColumnMatch], *, telling: bool, by_file: float) -> bool:
    """Whether keys alone were found: every file has those."""
    if any(not group & set(columns) for group in ESSENTIAL.get(table, ())):
        return True
    key_columns = {*KEYS, "district_id", "school_year", "term"}
    others = set(columns) - key_columns
    if table in ("students", "demographics", "schools", "student_years"):
        return not telling and by_file < SAME_NAME
    return not others


def _assigned(scored: Mapping[tuple[str, int], TableMatch], count: int) -> dict[str, TableMatch]:
    """One file a table, by the greatest total; then tables that were left may share a file with their kin."""
    if not count:
        return {}
    tables = list(TABLES)
    grid = [[scored[table, at].score for at in range(count)] for table in tables]
    chosen = {tables[row]: scored[tables[row], at] for row, at in _greatest(grid, least=LEAST_TABLE)}
    served = {match.source.name: table for table, match in chosen.items()}
    for table in tables:
        kin = [
            match
            for at in range(count)
            if (match := scored[table, at]).score >= LEAST_TABLE
            and any({table, served.get(match.source.name)} <= family for family in SHARED)
        ]
        best = max(kin, key=lambda each: each.score, default=None)
        if best and (table not in chosen or best.score > chosen[table].score):
            chosen[table] = best
    return {table: chosen[table] for table in tables if table in chosen}


def _runners_up(scored: Sequence[TableMatch], chosen: Mapping[str, TableMatch]) -> dict[str, TableMatch]:
    """Files that would have served as well for a table and serve no other."""
    used = {match.source.name for match in chosen.values()}
    found: dict[str, TableMatch] = {}
    for table, best in chosen.items():
        others = [match for match in scored if match.table == table and match.source.name not in used]
        next_best = max(others, key=lambda each: each.score, default=None)
        if next_best is not None and next_best.score >= max(LEAST_TABLE, best.score - NEAR):
            found[table] = next_best
    return found
