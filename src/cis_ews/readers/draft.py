"""What a reader makes of a source before the contract is asked: the frame that all readers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import polars as pl

from cis_ews.enums import Domain
from cis_ews.readers.base import ReadOptions, written_days
from cis_ews.readers.ledger import Ledger
from cis_ews.schema.rows import PLACE
from cis_ews.schema.school_data import TABLES, SchoolData
from cis_ews.schema.validation import DEFAULT_TOLERANCE, SourceNotes, check_tables

DEFAULT = "default"  # the key of `tolerances` for tables that they do not name
UNROLLED = ("is enrolled in no school: not scored", "are enrolled in no school: not scored")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The tables of a source, in the columns of the contract, unchecked; each row with its `file` and `row_number`.

    `tolerances`: table, or `default`, -> the share of its rows that may be rejected. `lists_everyone`: students are
    there who are enrolled in no school, and that is no fault. `without_school`: tables whose rows name no school; it is
    that of the student's enrollment. `calendar_is`: why days enrolled are known in part, where that is so.
    """

    frames: Mapping[str, pl.DataFrame]
    source: SourceNotes
    tolerances: Mapping[str, float] = field(default_factory=dict[str, float])
    lists_everyone: bool = False
    without_school: tuple[str, ...] = ()
    calendar_is: str | None = None

    def checked(self, options: ReadOptions) -> SchoolData:
        """School data. Raises SchemaError and ToleranceError as `check_tables` does."""
        whole = self._with_schools(options.as_of)._without_unrolled()
        declared = self.tolerances if options.tolerance is None else {DEFAULT: options.tolerance}
        with options.progress.step("check"):
            return check_tables(
                whole.frames,
                as_of=options.as_of,
                tolerance=declared.get(DEFAULT, DEFAULT_TOLERANCE),
                tolerances=declared,
                source=replace(whole.source, partial=whole._partial()),
            )

    def _partial(self) -> Mapping[str, str]:
        said = [self.calendar_is, self.source.partial.get(Domain.ATTENDANCE)]
        reasons = "; ".join(reason for reason in said if reason)
        return {**self.source.partial, Domain.ATTENDANCE: reasons} if reasons else self.source.partial

    def _with_schools(self, as_of: date | None) -> Draft:
        """Rows that name no school get that of their student's latest enrollment, then the lowest school_id."""
        named = [table for table in self.without_school if table in self.frames]
        if not named or "enrollments" not in self.frames:
            return self
        latest = latest_schools(self.frames["enrollments"], as_of)
        ledger, frames = Ledger(), dict(self.frames)
        for table in named:
            rows = frames[table].join(latest, on="student_id", how="left", maintain_order="left")
            rows, found = rows.with_columns(known_on=written_days(table, rows)), pl.col("school_id").is_not_null()
            kept = ledger.keep(rows, found, table=table, rule="student_known", column="student_id")
            frames[table] = kept.drop("known_on")
            ledger.note(f"{table}: the source names no school; a row belongs to the school of the latest enrollment")
        return with_ledger(replace(self, frames=frames), ledger)

    def _without_unrolled(self) -> Draft:
        """Who is in no school is reduced: nothing is asked of them."""
        if not self.lists_everyone or "enrollments" not in self.frames:
            return self
        enrolled = self.frames["enrollments"].select(pl.col("student_id").cast(pl.String))
        ledger, frames = Ledger(), dict(self.frames)
        for table in ("students", "demographics"):
            if table in frames:
                unrolled = frames[table].filter(pl.col("student_id").is_not_null())
                unrolled = unrolled.join(enrolled, on="student_id", how="anti").select("student_id")
                kept = frames[table].join(unrolled, on="student_id", how="anti", maintain_order="left")
                ledger.reduce(table, frames[table].height - kept.height, UNROLLED if table == "students" else None)
                frames[table] = kept
        return with_ledger(replace(self, frames=frames), ledger)


def drafted(
    frames: Mapping[str, pl.DataFrame],
    ledger: Ledger,
    *,
    left_out: Mapping[str, str] | None = None,
    partial: Mapping[str, str] | None = None,
    missing_kinds: Mapping[str, Sequence[str]] | None = None,
    lists_everyone: bool = False,
    calendar_is: str | None = None,
) -> Draft:
    """A draft of frames that may have further columns, and of what the ledger says of their source."""
    return Draft(
        frames={table: _of_contract(table, frame) for table, frame in frames.items()},
        source=SourceNotes(
            files=tuple(ledger.files),
            notes=tuple(ledger.notes),
            rejections=pl.concat(ledger.rejections),
            reduced=ledger.reduced,
            later=ledger.later,
            left_out=left_out or {},
            partial=partial or {},
            missing_kinds=missing_kinds or {},
        ),
        lists_everyone=lists_everyone,
        calendar_is=calendar_is,
    )


def _of_contract(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(name for name in (*TABLES[table].columns(), *PLACE) if name in frame.columns)


def latest_schools(enrollments: pl.DataFrame, as_of: date | None) -> pl.DataFrame:
    """`student_id`, `school_id` of each student's latest enrollment that has begun, else of the latest to come."""
    entry = pl.col("entry_date").cast(pl.String)
    begun = entry <= (as_of or date.max).isoformat()
    ordered = enrollments.sort(begun, entry, "school_id", descending=[True, True, False], nulls_last=True)
    return ordered.select("student_id", "school_id").unique("student_id", keep="first", maintain_order=True)


def with_ledger(draft: Draft, ledger: Ledger) -> Draft:
    """The draft with what was found later."""
    return replace(draft, source=_with(draft.source, ledger))


def _with(source: SourceNotes, ledger: Ledger) -> SourceNotes:
    reduced = {table: source.reduced.get(table, 0) + ledger.reduced.get(table, 0) for table in TABLES}
    return replace(
        source,
        files=(*source.files, *ledger.files),
        notes=(*source.notes, *ledger.notes),
        rejections=pl.concat([source.rejections, *ledger.rejections]),
        reduced={table: count for table, count in reduced.items() if count},
    )
