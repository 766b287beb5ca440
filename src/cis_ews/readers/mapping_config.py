"""The mapping TOML: which of someone's files, columns, codes and date formats mean what in the contract.

docs/formats.md explains every key with an example. A typo is an error that names the key, never a default.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from cis_ews.readers.choices import load_choices
from cis_ews.readers.codes import Plain, plain_text
from cis_ews.readers.draft import DEFAULT
from cis_ews.schema.parsing import BOOLEANS, DATE_FORMAT
from cis_ews.schema.school_data import DOMAIN_TABLES, REQUIRED_TABLES, TABLES
from cis_ews.wording import counted

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
WHOLE = "is_whole"
DerivedTable = Literal["schools", "students", "enrollments", "calendar_days", "reporting"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _is_date_format(text: str) -> bool:
    """Whether a date written in this format is read back as the same date."""
    day = pl.Series([datetime(2025, 12, 31)])
    try:
        return day.dt.to_string(text).str.to_date(text, strict=False).equals(day.dt.date())
    except pl.exceptions.PolarsError:
        return False


class TableMapping(_Strict):
    """How the files of one table become its columns.

    `columns`, `constants`, `defaults`, `codes`, `factors` are keyed by the contract's column names.
    """

    files: Annotated[tuple[str, ...], Field(min_length=1)]
    columns: Mapping[str, str]
    constants: Mapping[str, Plain] = {}
    defaults: Mapping[str, Plain] = {}
    codes: Mapping[str, Mapping[str, Plain]] = {}
    factors: Mapping[str, float] = {}
    date_formats: Annotated[tuple[str, ...], Field(min_length=1)] = (DATE_FORMAT,)
    encoding: str | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    merge: Literal["day"] | None = None
    school_from_enrollments: bool = False
    school_year_from: str | None = None

    @field_validator("date_formats")
    @classmethod
    def _readable_formats(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [each for each in formats if not _is_date_format(each)]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} is no date format")
        return formats

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str | None) -> str | None:
        try:
            return encoding and codecs.lookup(encoding).name
        except LookupError:
            raise ValueError(f"{encoding} is no encoding") from None

    @field_validator("files")
    @classmethod
    def _inside_the_source(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        if any(".." in Path(each).parts or Path(each).is_absolute() for each in patterns):
            raise ValueError("files are named below the folder of the source")
        return patterns


class Derivation(_Strict):
    """Tables that the source does not have and that are derived from its attendance rows, present or absent."""

    tables: Annotated[tuple[DerivedTable, ...], Field(min_length=1)]
    district_id: str | None = None

    @model_validator(mode="after")
    def _schools_need_a_district(self) -> Derivation:
        if "schools" in self.tables and not self.district_id:
            raise ValueError("derived schools need a district_id")
        return self


class SourceMapping(_Strict):
    """One source system."""

    config_version: Literal[1]
    name: Annotated[str, Field(min_length=1)]
    tables: Mapping[str, TableMapping]
    derive: Derivation | None = None
    tolerance: Mapping[str, Share] = {}
    partial: Mapping[Literal["attendance", "behavior", "coursework"], str] = {}
    notes: tuple[str, ...] = ()
    school_year_starts: Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")] = "07-01"

    @property
    def derived(self) -> tuple[str, ...]:
        """The tables to derive."""
        return self.derive.tables if self.derive else ()

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> SourceMapping:
        said: dict[str, bool] = info.context or {}
        problems = [*_problems(self), *(_lacking(self) if said.get(WHOLE, True) else ())]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def load_mapping(path: Path, *, is_whole: bool = True) -> SourceMapping:
    """A mapping from its TOML file. `is_whole`: whether it has to tell of a whole district, with nothing beside it.

    Raises ConfigError that names the key of every mistake.
    """
    return load_choices(
        path, SourceMapping, page="docs/formats.md", sections=(TableMapping, Derivation), context={WHOLE: is_whole}
    )


def _problems(mapping: SourceMapping) -> Iterator[str]:
    for table in (*mapping.tables, *mapping.tolerance):
        if table not in (*TABLES, DEFAULT):
            yield f"{table} is no table of the contract"
    for table in sorted(set(mapping.derived) & set(mapping.tables)):
        yield f"derive.tables: {table} is mapped already"
    if mapping.derived and "attendance_events" not in mapping.tables:
        yield "derive.tables: tables are derived from attendance_events, which is not mapped"
    for table, each in mapping.tables.items():
        if table in TABLES:
            yield from (f"tables.{table}.{problem}" for problem in _table_problems(table, each))


def _lacking(mapping: SourceMapping) -> Iterator[str]:
    """What a mapping that stands alone cannot do without."""
    given = {*mapping.tables, *mapping.derived}
    for table in (each for each in REQUIRED_TABLES if each not in given):
        yield f"tables.{table} is missing, and not derived"
    if not any(table in given for tables in DOMAIN_TABLES.values() for table in tables):
        yield "tables: no attendance, behavior or coursework table is mapped"


def _table_problems(table: str, mapping: TableMapping) -> Iterator[str]:
    columns = TABLES[table].columns()
    keys = {
        "columns": mapping.columns,
        "constants": mapping.constants,
        "defaults": mapping.defaults,
        "codes": mapping.codes,
        "factors": mapping.factors,
    }
    for key, named in keys.items():
        for column in named:
            if column not in columns:
                yield f"{key}.{column} is no column of the contract"
            elif key not in ("columns", "constants") and column not in mapping.columns:
                yield f"{key}.{column} is not among the columns"
    for column in sorted(set(mapping.columns) & set(mapping.constants)):
        yield f"constants.{column} is among the columns already"
    for column in mapping.factors:
        if column in columns and not columns[column].dtype.is_numeric():
            yield f"factors.{column} is no number"
    for column in _without_source(table, mapping):
        yield f"columns.{column} is missing, and no constant"
    yield from _computed_problems(table, mapping)
    yield from _code_problems(table, mapping)


def _computed_problems(table: str, mapping: TableMapping) -> Iterator[str]:
    """Computed columns where they cannot be computed, or are given already."""
    columns, given = TABLES[table].columns(), {*mapping.columns, *mapping.constants}
    if mapping.merge and table != "attendance_events":
        yield "merge is for attendance_events alone"
    if mapping.school_year_from is not None:
        if "school_year" not in columns:
            yield "school_year_from is for tables with a school_year"
        if "school_year" in given:
            yield "school_year_from, and columns.school_year or a constant: one of them"
        if mapping.school_year_from not in mapping.columns:
            yield "school_year_from names no mapped column"
        elif columns[mapping.school_year_from].dtype != pl.Date:
            yield "school_year_from names no column of dates"
    if mapping.school_from_enrollments and "school_id" in given:
        yield "school_from_enrollments, and columns.school_id or a constant: one of them"
    if mapping.school_from_enrollments and not {"school_id", "student_id"} <= set(columns):
        yield "school_from_enrollments is for tables with a student_id and a school_id"


def _without_source(table: str, mapping: TableMapping) -> Iterator[str]:
    """Columns that must be filled and that nothing fills."""
    computed = {
        "school_id": mapping.school_from_enrollments,
        "school_year": mapping.school_year_from is not None,
    }
    given = {*mapping.columns, *mapping.constants, *(column for column, is_computed in computed.items() if is_computed)}
    for name, column in TABLES[table].columns().items():
        if not column.nullable and name not in given:
            yield name


def _code_problems(table: str, mapping: TableMapping) -> Iterator[str]:
    """Values that no cell of their column may have."""
    columns = TABLES[table].columns()
    values = {
        **{f"codes.{column}": (column, list(codes.values())) for column, codes in mapping.codes.items()},
        **{f"constants.{column}": (column, [value]) for column, value in mapping.constants.items()},
        **{f"defaults.{column}": (column, [value]) for column, value in mapping.defaults.items()},
    }
    for key, (column, given) in values.items():
        dtype = columns[column].dtype if column in columns else None
        allowed = _allowed(dtype)
        wrong = [each for each in given if allowed and plain_text(each) not in allowed]
        if wrong:
            yield f"{key}: {counted(len(wrong), 'value')} not in the vocabulary ({', '.join(sorted(allowed))})"


def _allowed(dtype: pl.DataType | None) -> set[str]:
    if isinstance(dtype, pl.Enum):
        return {str(each) for each in dtype.categories}
    return set(BOOLEANS) if dtype == pl.Boolean else set()
