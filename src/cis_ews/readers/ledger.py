"""What becomes of the rows of a source that are no rows of the contract: each is counted, none is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import polars as pl

from cis_ews.schema.rows import no_rejections, rejected
from cis_ews.schema.school_data import SourceFile
from cis_ews.wording import counted


@dataclass(slots=True)
class Ledger:
    """Notes for the coverage statement, rejections, and by table the rows that say nothing of their own.

    `later`: those of them that are dated after the as-of date.
    """

    notes: list[str] = field(default_factory=list[str])
    rejections: list[pl.DataFrame] = field(default_factory=lambda: [no_rejections()])
    reduced: dict[str, int] = field(default_factory=dict[str, int])
    later: dict[str, int] = field(default_factory=dict[str, int])
    files: list[SourceFile] = field(default_factory=list[SourceFile])

    def note(self, sentence: str, count: int = 1) -> None:
        """A sentence, once, where there is anything to say."""
        if count and sentence not in self.notes:
            self.notes.append(sentence)

    def reduce(self, table: str, count: int, words: tuple[str, str] | None = None) -> None:
        """Rows that were read for a table and are no row of it. `words`: what one is, and what several are."""
        self.reduced[table] = self.reduced.get(table, 0) + count
        if words is not None:
            self.note(f"{table}: {counted(count, *words)}", count)

    def put_off(self, table: str, count: int, *, as_of: date, words: tuple[str, str]) -> None:
        """Rows that are not known on the as-of date yet, and not used. `words`: what one is called, and several."""
        one, several = words
        yet = f"known on {as_of} yet; not used"
        self.reduce(table, count, (f"{one} is not {yet}", f"{several} are not {yet}"))
        self.later[table] = self.later.get(table, 0) + count

    def take(self, other: Ledger) -> None:
        """What another one says, behind what this one says."""
        for sentence in other.notes:
            self.note(sentence)
        for table, count in other.reduced.items():
            self.reduce(table, count)
        for table, count in other.later.items():
            self.later[table] = self.later.get(table, 0) + count
        self.rejections += other.rejections
        self.files += other.files

    def reject(self, rows: pl.DataFrame, *, table: str, rule: str, column: str | None) -> None:
        """Rows, with `file` and `row_number`, that break a rule."""
        if rows.height:
            self.rejections.append(rejected(rows, table=table, rule=rule, columns=column))

    def keep(self, rows: pl.DataFrame, holds: pl.Expr, *, table: str, rule: str, column: str | None) -> pl.DataFrame:
        """The rows for which `holds` is true; the others are rejected."""
        kept = rows.select(holds.fill_null(value=False).alias("holds")).to_series()
        if kept.all():
            return rows
        self.reject(rows.filter(~kept), table=table, rule=rule, column=column)
        return rows.filter(kept)
