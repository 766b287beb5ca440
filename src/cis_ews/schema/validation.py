"""Checks school data against the contract; rows that break a rule become rejections, and the rest goes on.

A required table that loses more rows than its tolerance allows refuses the night; an optional one is left out whole.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl

from cis_ews.enums import AttendanceStatus
from cis_ews.errors import SchemaError, ToleranceError
from cis_ews.schema.coverage import describe_coverage
from cis_ews.schema.links import LINK_RULES, ROW, LinkRule
from cis_ews.schema.rows import PLACE, check_rows, no_rejections, rejected
from cis_ews.schema.school_data import DOMAIN_TABLES, REQUIRED_TABLES, TABLES, SchoolData, SourceFile
from cis_ews.schema.scores import Rejections
from cis_ews.schema.spelling import spelling_notes
from cis_ews.wording import counted

if TYPE_CHECKING:
    from cis_ews.schema.coverage import Coverage

DEFAULT_TOLERANCE = 0.05
ROWS_NAMED = 5  # row numbers that a refusal names for each rule


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNotes:
    """What only the reader of a source can know.

    `files`: what was read. `notes`: sentences for the coverage statement. `rejections`: rows that never became a row of
    a frame (a ragged line). `reduced`: table -> rows that the reader merged into others. `left_out`: optional table ->
    why the source has it and it is not used. `partial`: domain -> why the source speaks of it only in part.
    """

    files: tuple[SourceFile, ...] = ()
    notes: tuple[str, ...] = ()
    rejections: pl.DataFrame = field(default_factory=no_rejections)
    reduced: Mapping[str, int] = field(default_factory=dict[str, int])
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])
    partial: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class _Inspection:
    """School data while they are checked."""

    tolerance: float
    tolerances: Mapping[str, float]
    source: SourceNotes
    tables: dict[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])
    rows_read: dict[str, int] = field(default_factory=dict[str, int])
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    notes: list[str] = field(default_factory=list[str])
    rejections: list[pl.DataFrame] = field(default_factory=list[pl.DataFrame])

    def rejections_of(self, table: str) -> pl.DataFrame:
        """Every rejection of one table so far."""
        return pl.concat([no_rejections(), *self.rejections]).filter(pl.col("table") == table)

    def rejected_rows(self, table: str) -> int:
        """Rows of a table that were rejected, each counted once however many rules it breaks."""
        return self.rejections_of(table).select(PLACE).n_unique()


def check_tables(
    frames: Mapping[str, pl.DataFrame],
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    tolerances: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
    files: Sequence[SourceFile] = (),
    source: SourceNotes | None = None,
) -> SchoolData:
    """School data from one frame a table, checked against the contract.

    Frames may hold text only (every cell is then read as the contract asks) or typed columns; `row_number` (Int64) and
    `file` (String) say where a row came from, without them rows count from 1. `tolerance` is the share of a table's
    rows that may be rejected, `tolerances` the same for single tables.

    Raises SchemaError where a required table or column is missing, and ToleranceError where a required table loses too
    many rows; its `details["by_rule"]` counts them.
    """
    source = source or SourceNotes(files=tuple(files), notes=tuple(notes))
    inspection = _Inspection(tolerance, tolerances or {}, source)
    inspection.rejections.append(source.rejections)
    inspection.left_out.update(source.left_out)
    _require_tables(frames)
    for table in TABLES:
        if table in frames:
            _check_alone(inspection, table, frames[table])
    inspection.notes.extend(spelling_notes(inspection.tables))
    _check_links(inspection)
    coverage = describe_coverage(
        inspection.tables,
        left_out=inspection.left_out,
        partial=source.partial,
        notes=(*source.notes, *inspection.notes),
    )
    return _finished(inspection, coverage)


def _require_tables(frames: Mapping[str, pl.DataFrame]) -> None:
    missing = [table for table in REQUIRED_TABLES if table not in frames]
    if missing:
        raise SchemaError(
            f"{len(missing)} of the required tables are missing: {', '.join(missing)}",
            hint="every extract needs schools, calendar_days, students and enrollments",
            tables=missing,
        )
    domains = [table for tables in DOMAIN_TABLES.values() for table in tables]
    if not any(table in frames for table in domains):
        raise SchemaError(
            "no attendance, behavior or coursework table is there",
            hint=f"add at least one of {', '.join(domains)}",
            tables=domains,
        )
    unknown = sorted(set(frames) - set(TABLES))
    if unknown:
        raise SchemaError(f"{len(unknown)} tables are not in the contract", hint=f"the tables are {', '.join(TABLES)}")


def _check_alone(inspection: _Inspection, table: str, frame: pl.DataFrame) -> None:
    schema = TABLES[table]
    inspection.notes.extend(_column_notes(table, frame))
    given = frame.select([name for name in frame.columns if name in schema.columns() or name in PLACE])
    checked = check_rows(table, schema, given)
    inspection.rejections.append(checked.rejections)
    inspection.tables[table] = checked.rows
    inspection.notes.extend(f"{table}: no cell of column {name} can be read" for name in checked.unreadable)
    lost_before = inspection.source.rejections.filter(pl.col("table") == table).select(PLACE).n_unique()
    inspection.rows_read[table] = frame.height + lost_before + inspection.source.reduced.get(table, 0)
    if table in REQUIRED_TABLES and frame.height + lost_before == 0:
        raise SchemaError(f"{table}: the table has no rows", hint="export it again", table=table)
    _settle(inspection, table)


def _column_notes(table: str, frame: pl.DataFrame) -> list[str]:
    columns = TABLES[table].columns()
    require_columns(table, frame.columns)
    absent = [name for name in columns if name not in frame.columns]
    unknown = [name for name in frame.columns if name not in columns and name not in PLACE]
    notes = [f"{table}: {counted(len(unknown), 'column')} unknown to the contract kept aside"] if unknown else []
    return notes + ([f"{table}: the source has no column {', '.join(absent)}"] if absent else [])


def require_columns(table: str, given: Collection[str]) -> None:
    """Raise SchemaError where a table lacks a required column."""
    columns = TABLES[table].columns()
    required = [name for name in columns if name not in given and not columns[name].nullable]
    if required:
        raise SchemaError(
            f"{table}: {counted(len(required), 'required column')} missing: {', '.join(required)}",
            hint="check the header line and the delimiter of the file; docs/formats.md names every column",
            table=table,
            columns=required,
        )


def _check_links(inspection: _Inspection) -> None:
    """Apply the rules between tables, table by table in their declared order."""
    for table in dict.fromkeys(rule.table for rule in LINK_RULES):
        for rule in (rule for rule in LINK_RULES if rule.table == table and table in inspection.tables):
            _apply(inspection, rule)
        _settle(inspection, table)


def _apply(inspection: _Inspection, rule: LinkRule) -> None:
    rows = inspection.tables[rule.table]
    broken = rule.broken(rows, _empty_tables() | inspection.tables)
    if broken.is_empty():
        return
    inspection.rejections.append(rejected(broken, table=rule.table, rule=rule.rule, columns=rule.columns))
    inspection.tables[rule.table] = rows.join(broken.select(ROW), on=ROW, how="anti", maintain_order="left")


@cache
def _empty_tables() -> dict[str, pl.DataFrame]:
    """A table that the source does not have knows nobody."""
    return {table: pl.DataFrame(schema.create_empty()) for table, schema in TABLES.items()}


def _settle(inspection: _Inspection, table: str) -> None:
    """Refuse or leave out a table that has lost more rows than its tolerance allows."""
    rows, lost = inspection.rows_read.get(table, 0), inspection.rejected_rows(table)
    allowed = inspection.tolerances.get(table, inspection.tolerance)
    if table not in inspection.tables or lost <= allowed * rows:
        return
    found = f"{lost:,} of {rows:,} rows break a rule ({lost / rows:.1%}, tolerance {allowed:.1%})"
    by_rule = _by_rule(inspection.rejections_of(table))
    words = "; ".join(f"{rule}: {count:,}" for rule, count in by_rule.items())
    if table not in REQUIRED_TABLES:
        del inspection.tables[table]
        inspection.left_out[table] = f"{table} was left out whole: {found}: {words}"
        return
    hopeless = [note for note in inspection.notes if note.startswith(f"{table}: no cell")]
    raise ToleranceError(
        "; ".join([f"{table}: {found}: {words}", *hopeless]),
        hint="correct the export, or allow more with a tolerance for this table",
        table=table,
        rows=rows,
        rejected=lost,
        tolerance=allowed,
        by_rule=by_rule,
        places=_places(inspection.rejections_of(table)),
    )


def _by_rule(rejections: pl.DataFrame) -> dict[str, int]:
    counts = rejections.group_by("rule", "column").len().sort("len", "rule", "column", descending=[True, False, False])
    return {_label(rule, column): count for rule, column, count in counts.iter_rows()}


def _places(rejections: pl.DataFrame) -> dict[str, list[str]]:
    """The first places of each rule: enough to find the mistake in the export."""
    firsts = rejections.sort(*PLACE).group_by("rule", "column", maintain_order=True).head(ROWS_NAMED)
    places: dict[str, list[str]] = {}
    for rule, column, file, row in firsts.select("rule", "column", *PLACE).iter_rows():
        places.setdefault(_label(rule, column), []).append(f"{file or 'row'}:{row}")
    return places


def _label(rule: str, column: str | None) -> str:
    return f"{rule} ({column})" if column else rule


def _finished(inspection: _Inspection, coverage: Coverage) -> SchoolData:
    exceptions = {"attendance_events": pl.col("status") != AttendanceStatus.PRESENT}
    tables: dict[str, Any] = {}
    reduced = dict(inspection.source.reduced)
    for table, schema in TABLES.items():
        # Each table is let go as soon as its sorted copy is made: a state is large.
        rows = inspection.tables.pop(table, _empty_tables()[table]).select(list(schema.columns()))
        kept = rows.filter(exceptions[table]) if table in exceptions else rows
        if kept.height < rows.height:
            reduced[table] = reduced.get(table, 0) + rows.height - kept.height
        tables[table] = schema.cast(kept.sort(schema.primary_key()))
    rejections = pl.concat([no_rejections(), *inspection.rejections])
    order = pl.col("table").replace_strict({table: at for at, table in enumerate(TABLES)}, return_dtype=pl.Int8)
    return SchoolData(
        **tables,
        rejections=Rejections.cast(rejections.sort(order, "file", "row_number", "rule", "column")),
        coverage=coverage,
        rows_read=inspection.rows_read,
        rows_reduced=reduced,
        files=inspection.source.files,
    )
