"""The TOML of a district with several sources: where each lies, which tables it supplies, whose ids are whose.

docs/combine.md explains every key with an example.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from cis_ews.errors import ConfigError
from cis_ews.readers.choices import load_choices
from cis_ews.schema.school_data import DOMAIN_TABLES, REQUIRED_TABLES, TABLES

READER = "combine"
CONFIG = "config"
"""Stands before the names of files that say how sources are read, as its name stands before those of a source."""
RESERVED = (CONFIG, "corrections")  # a store keeps its corrections under that name among the inputs of a run
IdKind = Literal["students", "schools", "courses", "terms"]
ID_COLUMNS: Mapping[IdKind, str] = {
    "students": "student_id",
    "schools": "school_id",
    "courses": "course_id",
    "terms": "term",
}
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,30}$")]
Filled = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class IdSettings(_Strict):
    """How ids of a source become those of the district: from one column of a file to another.

    `gaps`: whether rows of an id without an entry are rejected, or kept as they are. `two_to_one`: whether two ids that
    become one are refused, or merged and counted.
    """

    crosswalk: Filled
    from_: Annotated[str, Field(min_length=1, alias="from")]
    to: Filled
    gaps: Literal["reject", "keep"] = "reject"
    two_to_one: Literal["refuse", "merge"] = "refuse"


class SourceChoice(_Strict):
    """One source. `path`, `format`: where it lies and how it is read, as on a command line; paths are relative to the
    TOML. `tables`: what it may supply."""

    path: Filled
    format: Filled = "folder"
    tables: Annotated[tuple[str, ...], Field(min_length=1)]
    ids: Mapping[IdKind, IdSettings] = {}


class CombineConfig(_Strict):
    """`sources`: by name, in the order in which they are asked. `precedence`: table -> the order, where it is
    another one."""

    config_version: Literal[1]
    reader: Literal["combine"]
    sources: Annotated[Mapping[Name, SourceChoice], Field(min_length=1)]
    precedence: Mapping[str, tuple[str, ...]] = {}

    def order(self, table: str) -> tuple[str, ...]:
        """The sources that may supply a table, the first that has it counts."""
        return self.precedence.get(table) or self._named_for(table)

    def _named_for(self, table: str) -> tuple[str, ...]:
        return tuple(name for name, source in self.sources.items() if table in source.tables)

    @model_validator(mode="after")
    def _consistent(self) -> CombineConfig:
        problems = [*self._problems_of_sources(), *self._problems_of_precedence()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems_of_sources(self) -> Iterator[str]:
        for name, source in self.sources.items():
            if name in RESERVED:
                yield f"sources.{name}: choose another name"
            if source.format == READER:
                yield f"sources.{name}.format: a combination cannot be a source of another one"
            for table in (each for each in source.tables if each not in TABLES):
                yield f"sources.{name}.tables: {table} is no table of the contract"
        for table in (each for each in REQUIRED_TABLES if not self._named_for(each)):
            yield f"{table} is among the tables of no source"
        if not any(self._named_for(table) for tables in DOMAIN_TABLES.values() for table in tables):
            yield "no source supplies a table of attendance, behavior or coursework"

    def _problems_of_precedence(self) -> Iterator[str]:
        for table, order in self.precedence.items():
            if sorted(order) != sorted(self._named_for(table)):
                named = ", ".join(self._named_for(table)) or "none"
                yield f"precedence.{table}: name each source once that has the table among its own: {named}"


def load_combine(path: Path) -> CombineConfig:
    """The combination of a TOML. Raises ConfigError where there is none, and for every mistake by its key."""
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such combination", hint="give the path of a TOML: docs/combine.md")
    return load_choices(path, CombineConfig, page="docs/combine.md", sections=(SourceChoice, IdSettings))
