"""What a load did to the kept state, for those who have to see to the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from cis_ews.schema.rows import no_rejections
from cis_ews.schema.school_data import TABLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a load did, in counts: rows brought, of these such of forgotten students that were left aside, keys
    withdrawn and of these such that no row had; and where rows that were brought and rejected stand in the extract."""

    brought: Mapping[str, int] = field(default_factory=dict[str, int])
    forgotten: Mapping[str, int] = field(default_factory=dict[str, int])
    withdrawn: Mapping[str, int] = field(default_factory=dict[str, int])
    unknown: Mapping[str, int] = field(default_factory=dict[str, int])
    rejections: pl.DataFrame = field(default_factory=no_rejections)

    def __add__(self, other: Loaded) -> Loaded:
        """Both together."""
        return Loaded(
            brought=_added(self.brought, other.brought),
            forgotten=_added(self.forgotten, other.forgotten),
            withdrawn=_added(self.withdrawn, other.withdrawn),
            unknown=_added(self.unknown, other.unknown),
            rejections=pl.concat([self.rejections, other.rejections]),
        )


def _added(some: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {table: some.get(table, 0) + more.get(table, 0) for table in TABLES if table in some or table in more}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What became of an extract that was loaded.

    `was_loaded`: it was the last one loaded, and nothing had to be done. `parts`: how many of how many were checked.
    `torn`: rows by table that could not be told into cells. `notes`: of its files.
    """

    how: str
    was_loaded: bool
    parts: tuple[int, int]
    rows: Loaded = field(default_factory=Loaded)
    torn: Mapping[str, int] = field(default_factory=dict[str, int])
    notes: tuple[str, ...] = ()
