"""Checks school data against the contract; rows that break a rule become rejections, and the rest goes on.

A required table that loses more rows than its tolerance allows refuses the night; an optional one is left out whole.

    check_shared   the tables that are not about students
    check_part     every row of some students, or of all, beside the shared tables
    Whole          what is known of all parts together: tolerance, coverage, notes

The rules between tables look at one student's rows and at the shared tables, so that ranges of students can be checked
apart, by one process each. What needs all rows is worked out from counts. Where a table loses too many rows, it is left
out and the parts are checked again without it, since other tables may have leant on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

import polars as pl

from cis_ews.enums import AttendanceStatus
from cis_ews.errors import ToleranceError
from cis_ews.schema.coverage import Coverage, CoverageFacts, describe_coverage
from cis_ews.schema.links import LINK_RULES, ROW
from cis_ews.schema.presence import Enrolled, Sorted, sort_out
from cis_ews.schema.refusals import places_by_rule, rows_by_rule
from cis_ews.schema.required import column_notes, refuse_empty, require_tables
from cis_ews.schema.rows import PLACE, check_rows, no_rejections, rejected, sorted_by, with_known_on
from cis_ews.schema.school_data import REQUIRED_TABLES, TABLES, SchoolData, SourceFile
from cis_ews.schema.scores import Rejections
from cis_ews.schema.spelling import known_and_unknown_ids, spelling_notes

DEFAULT_TOLERANCE = 0.05
SHARED = tuple(table for table, schema in TABLES.items() if "student_id" not in schema.columns())
"""Tables that are not about students: whole beside each part."""
OWNED = tuple(table for table in TABLES if table not in SHARED)
EVENTS = "attendance_events"

Frames = Mapping[str, pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNotes:
    """What only the reader of a source can know.

    `files`: what was read. `notes`: sentences for the coverage statement. `rejections`: rows that never became a row of
    a frame (a ragged line). `reduced`: table -> rows that the reader merged into others. `later`: those of them that
    are not known on the as-of date yet; a tolerance is no share of them. `left_out`: optional table -> why the source
    has it and it is not used. `partial`: domain -> why the source speaks of it only in part. `missing_kinds`: domain ->
    kinds of records that the source never has.
    """

    files: tuple[SourceFile, ...] = ()
    notes: tuple[str, ...] = ()
    rejections: pl.DataFrame = field(default_factory=no_rejections)
    reduced: Mapping[str, int] = field(default_factory=dict[str, int])
    later: Mapping[str, int] = field(default_factory=dict[str, int])
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])
    partial: Mapping[str, str] = field(default_factory=dict[str, str])
    missing_kinds: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFacts:
    """What the whole has to know of a part, besides rejections and ids.

    `read`, `reduced`: rows by table, and those of them that say nothing of their own. `unreadable`: table -> columns
    with cells that cannot be read. `readable`: table -> columns with cells that can. `coverage`: of the rows kept.
    """

    read: Mapping[str, int]
    reduced: Mapping[str, int]
    unreadable: Mapping[str, Collection[str]]
    readable: Mapping[str, Collection[str]]
    coverage: CoverageFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPart:
    """Checked tables of some students, or those that are about none.

    `tables`: exactly the contract's columns, sorted by the key, without rows that say nothing of their own. `alone`,
    `linked`: rejections by the rules of single tables, and by those between tables, each with the day from which its
    row is known (`known_on`). `ids`: `known_and_unknown_ids`.
    """

    tables: Mapping[str, pl.DataFrame]
    alone: pl.DataFrame
    linked: pl.DataFrame
    ids: pl.DataFrame
    facts: PartFacts


@dataclass(slots=True)
class _Checking:
    """Tables while they are checked, with the rows' own numbers still among their columns."""

    tables: dict[str, pl.DataFrame]
    alone: list[pl.DataFrame] = field(default_factory=list[pl.DataFrame])
    linked: list[pl.DataFrame] = field(default_factory=list[pl.DataFrame])
    unreadable: dict[str, Collection[str]] = field(default_factory=dict[str, Collection[str]])
    readable: dict[str, Collection[str]] = field(default_factory=dict[str, Collection[str]])

    def check_alone(self, frames: Frames) -> None:
        """The rules of each table by itself."""
        for table, frame in frames.items():
            schema = TABLES[table]
            given = frame.select([name for name in frame.columns if name in schema.columns() or name in PLACE])
            checked = check_rows(table, schema, given, calendar_days=self.tables.get("calendar_days"))
            self.tables[table] = checked.rows
            self.alone.append(checked.rejections)
            self.unreadable[table], self.readable[table] = checked.unreadable, checked.readable

    def check_links(self, names: Collection[str]) -> None:
        """The rules between tables, table by table in their declared order."""
        known = _empty_tables() | self.tables
        for rule in (rule for rule in LINK_RULES if rule.table in names):
            rows = known[rule.table]
            broken = rule.broken(rows, known)
            if broken.height:
                dated = with_known_on(rule.table, broken, known["calendar_days"])
                self.linked.append(rejected(dated, table=rule.table, rule=rule.rule, columns=rule.columns))
                known[rule.table] = rows.join(broken.select(ROW), on=ROW, how="anti", maintain_order="left")
        self.tables.update({table: known[table] for table in names})


def check_shared(frames: Frames) -> CheckedPart:
    """Check the tables of `frames` that are not about students."""
    given = {table: frames[table] for table in SHARED if table in frames}
    checking = _Checking({})
    checking.check_alone(given)
    checking.check_links(given)
    return _checked(checking, given, facts=CoverageFacts(tables=frozenset(given)))


def check_part(frames: Frames, shared: Frames, *, events: Iterable[pl.DataFrame] | None = None) -> CheckedPart:
    """Check every row of some students, or of all.

    `frames`: a table about students each, with `file` and `row_number`; one that the source does not have, or that is
    left out, is not among them. `shared`: the tables of `check_shared`. `events`: the rows of `attendance_events` in
    batches, typed as `presence.can_be_sorted` asks, where there are very many; then it is not among `frames`. They are
    gone through once, and once more where their rows do not lie by student.
    """
    given = {table: frames[table] for table in OWNED if table in frames}
    checking = _Checking(dict(shared))
    checking.check_alone(given)
    ids = known_and_unknown_ids(checking.tables)
    checking.check_links(given)
    if events is None:
        return _checked(checking, given, facts=CoverageFacts.of(checking.tables), ids=ids)
    plain = sort_out(events, Enrolled.of(checking.tables["enrollments"], shared["calendar_days"]))
    rows = pl.concat(events, how="vertical_relaxed") if plain is None else plain.doubtful
    doubtful = {EVENTS: rows.with_columns(pl.col("file").cast(pl.String))}
    checking.check_alone(doubtful)
    ids = pl.concat(
        [ids, known_and_unknown_ids({name: checking.tables[name] for name in ("students", EVENTS)}, known=False)]
    )
    checking.check_links(doubtful)
    return _checked(checking, given | doubtful, facts=CoverageFacts.of(checking.tables), ids=ids, plain=plain)


def _checked(
    checking: _Checking,
    given: Frames,
    *,
    facts: CoverageFacts,
    ids: pl.DataFrame | None = None,
    plain: Sorted | None = None,
) -> CheckedPart:
    read = {table: rows.height for table, rows in given.items()}
    kept = {table: checking.tables[table].select(list(TABLES[table].columns())) for table in given}
    reduced: dict[str, int] = {}
    if EVENTS in kept:
        exceptions = kept[EVENTS].filter(pl.col("status") != AttendanceStatus.PRESENT)
        reduced = {EVENTS: kept[EVENTS].height - exceptions.height}
        kept[EVENTS] = exceptions
    if plain is not None:
        facts = facts.with_events(plain.rows, present=plain.present, last_recorded=plain.last)
        read[EVENTS] += plain.exceptions.height + plain.present
        reduced[EVENTS] += plain.present
        events = _as_contract(EVENTS, plain.exceptions)
        if kept[EVENTS].height:
            events = sorted_by(pl.concat([events, kept[EVENTS]]), TABLES[EVENTS].primary_key())
        kept[EVENTS] = events
    return CheckedPart(
        tables=kept,
        alone=pl.concat([no_rejections(), *checking.alone]),
        linked=pl.concat([no_rejections(), *checking.linked]),
        ids=known_and_unknown_ids({}) if ids is None else ids,
        facts=PartFacts(
            read=read,
            reduced=reduced,
            unreadable=checking.unreadable,
            readable=checking.readable,
            coverage=facts,
        ),
    )


def _as_contract(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(column.dtype) for name, column in TABLES[table].columns().items())


@dataclass(slots=True, kw_only=True)
class Whole:
    """What is known of an extract as a whole, from its source and from its checked parts.

    `given`: table -> its columns in the source. `as_of`: rows that are known from a later day on count in no tolerance;
    None: every row counts. Raises SchemaError where a required table or column is missing.
    """

    given: Mapping[str, Collection[str]]
    as_of: date | None = None
    tolerance: float = DEFAULT_TOLERANCE
    tolerances: Mapping[str, float] = field(default_factory=dict[str, float])
    source: SourceNotes = field(default_factory=SourceNotes)
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    rows_read: dict[str, int] = field(default_factory=dict[str, int])
    _reduced: dict[str, int] = field(default_factory=dict[str, int])
    _notes: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    _rejections: dict[str, list[pl.DataFrame]] = field(default_factory=dict[str, list[pl.DataFrame]])
    _ids: list[pl.DataFrame] = field(default_factory=list[pl.DataFrame])
    _facts: CoverageFacts = field(default_factory=lambda: CoverageFacts(tables=frozenset()))

    def __post_init__(self) -> None:
        require_tables(self.given)
        self.left_out.update(self.source.left_out)
        self._notes = {table: column_notes(table, self.given[table]) for table in TABLES if table in self.given}

    @property
    def tables(self) -> list[str]:
        """The tables that are used, as far as is known by now."""
        return [table for table in TABLES if table in self.given and table not in self.left_out]

    def judge_shared(self, shared: CheckedPart) -> None:
        """Take in the shared tables before any part is checked, since parts lean on them. Raises as `judge`."""
        for table in (table for table in self.tables if table in SHARED):
            self._take(table, [shared])
            self._settle(table, [shared.alone, shared.linked])

    def judge(self, parts: Sequence[CheckedPart]) -> bool:
        """Take in the shared tables and all parts, checked with `tables`; whether they stand as they are.

        If not, a table was left out: check the parts again. Raises ToleranceError where a required table loses too many
        rows, and SchemaError where it has none.
        """
        before = set(self.left_out)
        self._facts = sum((part.facts.coverage for part in parts), CoverageFacts(tables=frozenset()))
        for table in self.tables:
            self._take(table, parts)
        # Those of a table that was left out tell why its rows were lost.
        unknown = [ids.filter(pl.col("table") != "students") for ids in self._ids]
        self._ids = [*unknown, *(part.ids for part in parts)]
        for table in self.tables:
            self._settle(table, [part.alone for part in parts])
        if set(self.left_out) == before:
            for table in dict.fromkeys(rule.table for rule in LINK_RULES):
                self._settle(table, [rejections for part in parts for rejections in (part.alone, part.linked)])
                if set(self.left_out) != before:
                    break
        return set(self.left_out) == before

    def coverage(self, shared: Frames) -> Coverage:
        """The coverage statement."""
        spelling = spelling_notes(pl.concat([known_and_unknown_ids({}), *self._ids]))
        return describe_coverage(
            self._facts,
            schools=shared["schools"],
            reporting=shared.get("reporting"),
            left_out=self.left_out,
            partial=self.source.partial,
            missing_kinds=self.source.missing_kinds,
            notes=(*self.source.notes, *(note for notes in self._notes.values() for note in notes), *spelling),
        )

    @property
    def rejections(self) -> pl.DataFrame:
        """Every rejection, in order."""
        found = [rejections for of_table in self._rejections.values() for rejections in of_table]
        order = pl.col("table").replace_strict({table: at for at, table in enumerate(TABLES)}, return_dtype=pl.Int8)
        every = pl.concat([no_rejections(), self.source.rejections, *found])
        return Rejections.cast(every.sort(order, "file", "row_number", "rule", "column"))

    @property
    def rows_reduced(self) -> dict[str, int]:
        """Rows that say nothing of their own, by table."""
        reduced = dict(self.source.reduced)
        for table, rows in self._reduced.items():
            if rows and table not in self.left_out:
                reduced[table] = reduced.get(table, 0) + rows
        return reduced

    def _take(self, table: str, parts: Sequence[CheckedPart]) -> None:
        facts = [part.facts for part in parts]
        ragged = _rows_of(table, [self.source.rejections])
        read = sum(part.read.get(table, 0) for part in facts) + ragged
        self.rows_read[table] = read + self.source.reduced.get(table, 0)
        refuse_empty(table, read)
        self._reduced[table] = sum(part.reduced.get(table, 0) for part in facts)
        self._rejections[table] = [
            rejections.filter(pl.col("table") == table) for part in parts for rejections in (part.alone, part.linked)
        ]
        unreadable = {name: None for part in facts for name in part.unreadable.get(table, ())}
        readable = {name for part in facts for name in part.readable.get(table, ())}
        hopeless = [f"{_hopeless(table)} {name} can be read" for name in unreadable if name not in readable]
        self._notes[table] = [note for note in self._notes[table] if not note.startswith(_hopeless(table))] + hopeless

    def _is_later(self) -> pl.Expr:
        """Whether the row of a rejection is known after the as-of date; one of which no day can be read is not."""
        return (pl.col("known_on") > pl.lit(self.as_of, dtype=pl.Date)).fill_null(value=False)

    def _rows_later(self, table: str) -> int:
        """Rows of a table that are known after the as-of date: kept, rejected, or never made a row of it."""
        later = self.source.later.get(table, 0)
        if self.as_of is None:
            return later
        rejections = [self.source.rejections, *self._rejections[table]]
        broken = _rows_of(table, [found.filter(self._is_later()) for found in rejections])
        return later + self._facts.of_table(table).after(self.as_of) + broken

    def _settle(self, table: str, found: Sequence[pl.DataFrame]) -> None:
        """Refuse or leave out a table that has lost more rows than its tolerance allows."""
        if table not in self.tables:
            return
        of_table = pl.concat([self.source.rejections, *found]).filter(pl.col("table") == table)
        rejections = of_table.filter(~self._is_later())
        rows = self.rows_read.get(table, 0) - self._rows_later(table)
        lost = rejections.select(PLACE).n_unique()
        allowed = self.tolerances.get(table, self.tolerance)
        if lost <= allowed * rows:
            return
        said = f"{lost:,} of {rows:,} rows break a rule ({lost / rows:.1%}, tolerance {allowed:.1%})"
        by_rule = rows_by_rule(rejections)
        words = "; ".join(f"{rule}: {count:,}" for rule, count in by_rule.items())
        if table not in REQUIRED_TABLES:
            self._rejections[table] = [pl.concat([no_rejections(), *found]).filter(pl.col("table") == table)]
            self.left_out[table] = f"{table} was left out whole: {said}: {words}"
            return
        hopeless = [note for note in self._notes[table] if note.startswith(_hopeless(table))]
        error = ToleranceError(
            "; ".join([f"{table}: {said}: {words}", *hopeless]),
            hint="correct the export, or allow more: `tolerance` under [source] in the settings, or in a mapping that "
            "of the table (docs/formats.md)",
            table=table,
            rows=rows,
            rejected=lost,
            tolerance=allowed,
            by_rule=by_rule,
            places=places_by_rule(rejections),
        )
        error.rejections = self.rejections
        raise error


def check_tables(
    frames: Frames,
    *,
    as_of: date | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    tolerances: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
    files: Sequence[SourceFile] = (),
    source: SourceNotes | None = None,
) -> SchoolData:
    """School data from one frame a table, checked against the contract.

    Frames may hold text only (every cell is then read as the contract asks) or typed columns; `row_number` (Int64) and
    `file` (String) say where a row came from, without them rows count from 1. `tolerance` is the share of a table's
    rows that may be rejected, `tolerances` the same for single tables; with `as_of`, of the rows known by that day.

    Raises SchemaError where a required table or column is missing, and ToleranceError where a required table loses too
    many rows; its `details["by_rule"]` counts them.
    """
    whole = Whole(
        given={table: frame.columns for table, frame in frames.items()},
        as_of=as_of,
        tolerance=tolerance,
        tolerances=tolerances or {},
        source=source or SourceNotes(files=tuple(files), notes=tuple(notes)),
    )
    shared = check_shared(frames)
    while True:
        part = check_part({table: frames[table] for table in whole.tables}, used(shared, whole))
        if whole.judge([shared, part]):
            break
    return school_data_of(whole, {**used(shared, whole), **part.tables}, whole.coverage(used(shared, whole)))


def used(shared: CheckedPart, whole: Whole) -> dict[str, pl.DataFrame]:
    """The shared tables that are not left out."""
    return {table: rows for table, rows in shared.tables.items() if table in whole.tables}


def school_data_of(whole: Whole, tables: Frames, coverage: Coverage) -> SchoolData:
    """School data of checked tables; those that are not there are empty."""
    given = {**_empty_tables(), **tables}
    frames: dict[str, Any] = {table: schema.cast(given[table]) for table, schema in TABLES.items()}
    return SchoolData(
        **frames,
        rejections=Rejections.cast(whole.rejections),
        coverage=coverage,
        rows_read=whole.rows_read,
        rows_reduced=whole.rows_reduced,
        files=whole.source.files,
    )


@cache
def _empty_tables() -> dict[str, pl.DataFrame]:
    """A table that the source does not have knows nobody."""
    return {table: pl.DataFrame(schema.create_empty()) for table, schema in TABLES.items()}


def _hopeless(table: str) -> str:
    return f"{table}: no cell of column"


def _rows_of(table: str, found: Sequence[pl.DataFrame]) -> int:
    """Rows of a table among rejections, each counted once."""
    return pl.concat([no_rejections(), *found]).filter(pl.col("table") == table).select(PLACE).n_unique()
