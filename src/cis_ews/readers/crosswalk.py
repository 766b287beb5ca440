"""Ids of one source as those of the district, by a file that has both; what it does not say is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cis_ews.errors import ReadError, SchemaError
from cis_ews.readers.base import read_file
from cis_ews.readers.combine_config import CONFIG, ID_COLUMNS, IdKind, IdSettings
from cis_ews.readers.delimited import read_delimited
from cis_ews.readers.ledger import Ledger
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import Entry
from cis_ews.schema.school_data import TABLES, SourceFile
from cis_ews.wording import counted

RULE = "id_in_crosswalk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crosswalk:
    """What ids of a kind become. `pairs`: `old`, `new`, each old id once. `merges`: ids that become one with another.

    `settings`: what to do with ids that are not among them.
    """

    kind: IdKind
    settings: IdSettings
    pairs: pl.DataFrame
    merges: int
    file: SourceFile
    notes: tuple[str, ...]

    @property
    def column(self) -> str:
        """The column that holds such ids, whatever the table."""
        return ID_COLUMNS[self.kind]

    def laid_over(self, frames: Mapping[str, pl.DataFrame], ledger: Ledger) -> dict[str, pl.DataFrame]:
        """The tables with the ids of the district."""
        for note in self.notes:
            ledger.note(note)
        unknown = [pl.Series(dtype=pl.String)]
        found: dict[str, pl.DataFrame] = {}
        for table, frame in frames.items():
            found[table] = frame
            if self.column in frame.columns:
                found[table] = self._laid_over(table, frame, ledger=ledger, unknown=unknown)
        ids = pl.concat(unknown).n_unique()
        what = "their rows are rejected" if self.settings.gaps == "reject" else "they are kept as they are"
        ledger.note(
            f"{self.settings.crosswalk}: "
            f"{counted(ids, f'id of {self.kind} has', f'ids of {self.kind} have')} no entry; {what}",
            ids,
        )
        return found

    def _laid_over(self, table: str, frame: pl.DataFrame, *, ledger: Ledger, unknown: list[pl.Series]) -> pl.DataFrame:
        old = pl.col(self.column).cast(pl.String).str.strip_chars()
        filled = (old != "").fill_null(value=False)
        rows = frame.with_columns(old.alias("__old"), filled.alias("__filled")).join(
            self.pairs, left_on="__old", right_on="old", how="left", maintain_order="left"
        )
        gap = pl.col("__filled") & pl.col("new").is_null()
        unknown.append(rows.filter(gap).get_column("__old").unique())
        if self.settings.gaps == "reject":
            refused = gap
        else:
            # A kept id that the crosswalk gives to somebody else would make two people one.
            refused = gap & pl.col("__old").is_in(self.pairs["new"].unique().implode())
        rows = ledger.keep(rows, ~refused, table=table, rule=RULE, column=self.column)
        rows = rows.with_columns(pl.coalesce("new", pl.when("__filled").then("__old")).alias(self.column))
        return self._once(table, rows.select(frame.columns), ledger)

    def _once(self, table: str, rows: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
        """Of ids that were merged the first row, in tables that have one row an id."""
        if not self.merges or TABLES[table].primary_key() != [self.column]:
            return rows
        is_first = pl.col(self.column).is_null() | pl.col(self.column).is_first_distinct()
        once = rows.filter(is_first)
        what = f"of an id that {self.settings.crosswalk} merges with an earlier one; the first row counts"
        ledger.reduce(table, rows.height - once.height, (f"row is {what}", f"rows are {what}"))
        return once


def read_crosswalk(base: Path, kind: IdKind, settings: IdSettings, *, limits: ReadLimits) -> Crosswalk:
    """The crosswalk that a combination names; its path is relative to `base`.

    Raises ReadError where it is not there or empty, and SchemaError where it lacks a column, where one id would become
    two, and where two would become one unless that is allowed.
    """
    name = settings.crosswalk
    entry = Entry(name, base / name)
    if not entry.path.is_file():
        raise ReadError(f"{name}: there is no such crosswalk", hint="check its path, which is relative to the TOML")
    columns = (settings.from_, settings.to)
    by_suffix = read_file if entry.suffix == ".parquet" else read_delimited  # a file of the source itself may be a .txt
    read = by_suffix(entry, known_columns=columns, limits=limits)
    missing = [column for column in columns if column not in read.frame.columns]
    if missing:
        raise SchemaError(
            f"{name}: {counted(len(missing), 'column')} that the combination names missing: {', '.join(missing)}",
            hint="correct `from` and `to`, or the file",
        )
    cells = read.frame.select(old=pl.col(settings.from_).cast(pl.String), new=pl.col(settings.to).cast(pl.String))
    filled = cells.with_columns(pl.all().str.strip_chars()).filter(pl.all_horizontal(pl.all() != ""))
    pairs = filled.unique(maintain_order=True)
    merges = pairs.height - pairs["new"].n_unique()
    _refuse(name, pairs, merges=merges, settings=settings)
    empty = read.rows - filled.height
    torn = counted(empty, "row lacks one of the two ids, or is torn", "rows lack one of the two ids, or are torn")
    notes = {
        f"{name}: {torn}; not used": empty,
        f"{name}: {counted(merges, f'id of {kind} becomes', f'ids of {kind} become')} one with another id": merges,
    }
    return Crosswalk(
        kind=kind,
        settings=settings,
        pairs=pairs,
        merges=merges,
        file=SourceFile(
            table=f"ids of {kind}", name=crosswalk_entry(base, settings).name, sha256=read.sha256, rows=read.rows
        ),
        notes=(*read.notes, *(note for note, count in notes.items() if count)),
    )


def crosswalk_entry(base: Path, settings: IdSettings) -> Entry:
    """The file of a crosswalk, under the name that a run has it by."""
    return Entry(f"{CONFIG}/{settings.crosswalk}", base / settings.crosswalk)


def _refuse(name: str, pairs: pl.DataFrame, *, merges: int, settings: IdSettings) -> None:
    if pairs.is_empty():
        raise ReadError(f"{name}: no row has both ids", hint="look at `from` and `to`, or export the file again")
    torn = pairs.height - pairs["old"].n_unique()
    if torn:
        raise SchemaError(
            f"{name}: {counted(torn, 'id')} of the column {settings.from_} would become more than one",
            hint="give each id one entry",
            ids=torn,
        )
    if merges and settings.two_to_one == "refuse":
        raise SchemaError(
            f"{name}: {counted(merges, 'id')} of the column {settings.from_} would become one with another id",
            hint='correct the file, or allow it with two_to_one = "merge"',
            ids=merges,
        )
