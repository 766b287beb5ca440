"""What a source must have: tables, rows, columns."""

from __future__ import annotations

from collections.abc import Collection

from cis_ews.errors import SchemaError
from cis_ews.schema.rows import PLACE
from cis_ews.schema.school_data import DOMAIN_TABLES, REQUIRED_TABLES, TABLES
from cis_ews.wording import counted


def require_tables(frames: Collection[str]) -> None:
    """Raise SchemaError where a required table is missing, or all tables of attendance, behavior and coursework."""
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
        raise SchemaError(
            f"{counted(len(unknown), 'table is', 'tables are')} not in the contract",
            hint=f"the tables are {', '.join(TABLES)}",
        )


def refuse_empty(table: str, rows: int) -> None:
    """Raise SchemaError where a required table has no rows."""
    if table in REQUIRED_TABLES and not rows:
        raise SchemaError(f"{table}: the table has no rows", hint="export it again", table=table)


def column_notes(table: str, given: Collection[str]) -> list[str]:
    """What to note of the columns that a source has of a table. Raises SchemaError where a required one is missing."""
    columns = TABLES[table].columns()
    require_columns(table, given)
    absent = [name for name in columns if name not in given]
    unknown = [name for name in given if name not in columns and name not in PLACE]
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
