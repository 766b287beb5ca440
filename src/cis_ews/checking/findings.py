"""What is wrong with an extract by itself: tables left out, rows rejected, schools that are behind or silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from cis_ews.calendars import days_behind, instructional_so_far, is_behind
from cis_ews.checking.catalog import BY_CODE, STOPPED, Kind, Severity
from cis_ews.checking.reading import CheckedSource
from cis_ews.checking.words import school_words
from cis_ews.enums import CoverageLevel, Domain
from cis_ews.schema.refusals import PLACES, rejected_rows
from cis_ews.schema.school_data import REQUIRED_TABLES
from cis_ews.schema.spelling import SPELLED
from cis_ews.wording import counted

LEFT_OUT = " was left out whole: "
"""How the coverage statement words it."""
DOMAINS = (Domain.ATTENDANCE, Domain.BEHAVIOR, Domain.COURSEWORK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that somebody has to see to.

    `says`: what was found, as a sentence. `count`: rows, days or cells that it is about. `places`: the first rows, file
    and row number. None where it is not about a table, school, column or code.
    """

    kind: Kind
    says: str
    count: int
    table: str | None = None
    column: str | None = None
    code: str | None = None
    school_id: str | None = None
    school: str | None = None
    places: tuple[tuple[str | None, int], ...] = ()
    hint: str | None = None

    @property
    def what_to_do(self) -> str:
        """What to do about it: `hint`, where it says more than the kind can."""
        return self.hint or self.kind.what_to_do

    @property
    def where(self) -> str:
        """Table, column and school, as far as it is about any."""
        place = ".".join(each for each in (self.table, self.column) if each)
        school = f"school {school_words(self.school_id, self.school)}" if self.school_id is not None else ""
        return ", ".join(each for each in (place, school) if each) or "the whole extract"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the keys that docs/checking.md names."""
        return {
            "finding": self.kind.code,
            "severity": self.kind.severity.value,
            "title": self.kind.title,
            "table": self.table,
            "column": self.column,
            "code": self.code,
            "school_id": self.school_id,
            "school": self.school,
            "says": self.says,
            "count": self.count,
            "first": [{"file": file, "row": row} for file, row in self.places],
            "what_to_do": self.what_to_do,
        }


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The worst first: errors, then by code, then the largest."""
    return tuple(
        sorted(
            findings,
            key=lambda each: (
                each.kind.severity != Severity.ERROR,
                each.kind.code,
                -each.count,
                each.table or "",
                each.column or "",
                each.school_id or "",
                each.code or "",
            ),
        )
    )


def found_in(source: CheckedSource, day: date) -> list[Finding]:
    """What is wrong on a day."""
    return [*_left_out(source), *_silent(source), *_rejected(source), *_schools(source, day), *_calendar(source, day)]


def _left_out(source: CheckedSource) -> Iterator[Finding]:
    lost = rejected_rows(source.rejections)
    for note in source.coverage.notes:
        table, is_one, why = note.partition(LEFT_OUT)
        if is_one:
            # What follows the second colon is told by rule below.
            says = f"nothing of it is used: {why.partition(': ')[0]}"
            yield Finding(kind=BY_CODE["EWS101"], table=table, says=says, count=lost.get(table, 0))


def shortly(reason: str) -> str:
    """Why a domain is not covered, without the rules that broke a table: rejections tell them."""
    table, is_left_out, _ = reason.partition(LEFT_OUT)
    return f"{table}{LEFT_OUT.rstrip(': ')}" if is_left_out else reason


def _silent(source: CheckedSource) -> Iterator[Finding]:
    domains = [source.coverage.of(domain) for domain in DOMAINS]
    if all(domain.level == CoverageLevel.NONE for domain in domains):
        why = "; ".join(dict.fromkeys(shortly(domain.reason) for domain in domains if domain.reason))
        yield Finding(kind=BY_CODE["EWS108"], says=f"No attendance, no behavior and no coursework: {why}", count=1)
        return
    for name, domain in zip(DOMAINS, domains, strict=True):
        # A table that was left out is a finding of its own.
        if domain.level == CoverageLevel.NONE and LEFT_OUT not in (domain.reason or ""):
            says = f"No {name.value}: {domain.reason}; no student can be flagged for it"
            yield Finding(kind=BY_CODE["EWS109"], says=says, count=1)


def _rejected(source: CheckedSource) -> Iterator[Finding]:
    notes = [note.partition(": ") for note in source.coverage.notes if note.endswith(SPELLED)]
    spelled = {table: f"; {note}" for table, _, note in notes}
    for table, lost in sorted(rejected_rows(source.rejections).items()):
        read = source.rows_read.get(table, lost)
        rows = source.rejections.filter(pl.col("table") == table).sort("file", "row_number", nulls_last=True)
        rules = rows["rule"].n_unique()
        yield Finding(
            kind=BY_CODE["EWS102"],
            says=f"{lost:,} of {counted(read, 'row')} ({lost / max(read, lost):.1%}), by {counted(rules, 'rule')}"
            f"{spelled.get(table, '')}",
            count=lost,
            table=table,
            places=tuple(rows.select("file", "row_number").unique(maintain_order=True).head(PLACES).iter_rows()),
        )


def schools_of_rule(source: CheckedSource, row: Mapping[str, Any]) -> dict[str, int]:
    """School -> rows that a rule rejected there, most first; rows whose school is not known are not told."""
    same = [pl.col(name).eq_missing(pl.lit(row[name], pl.String)) for name in ("table", "rule", "column")]
    found = source.counts.rejected.filter(*same, pl.col("school_id").is_not_null())
    ordered = found.sort("rows", "school_id", descending=[True, False])
    return dict(ordered.select("school_id", "rows").iter_rows())


def behind(source: CheckedSource, day: date) -> dict[str, int]:
    """School -> school days after its last reported day, up to a day; of schools that have such a day."""
    return days_behind(source.calendar_days.filter("is_instructional"), source.coverage.last_reported, day)


def _schools(source: CheckedSource, day: date) -> Iterator[Finding]:
    in_use = source.counts.students(day)
    if source.calendar_days["date"].min() > day:  # pyright: ignore[reportOperatorIssue, reportOptionalOperand] - a date
        return
    with_days = set(instructional_so_far(source.calendar_days, day)["school_id"].unique())
    late = behind(source, day)
    covered = source.coverage.attendance.level != CoverageLevel.NONE and bool(late)
    for school, name in source.schools.select("school_id", "name").sort("school_id").iter_rows():
        if school not in in_use:
            continue
        told = {"school_id": school, "school": name}
        students = counted(in_use[school], "student")
        if school not in with_days:
            says = f"{students} and no instructional day this school year up to {day}"
            yield Finding(kind=BY_CODE["EWS106"], says=says, count=in_use[school], **told)
        elif covered and school not in late:
            says = f"{students}, and no day of attendance is reported"
            yield Finding(kind=BY_CODE["EWS105"], says=says, count=in_use[school], table="attendance_events", **told)
        elif covered:
            yield from _behind(source, late[school], told)


def _behind(source: CheckedSource, days: int, told: Mapping[str, Any]) -> Iterator[Finding]:
    known = source.coverage.reporting_known
    if not is_behind(days, is_known=known):
        return
    through = source.coverage.last_reported[told["school_id"]]
    how = "reported through" if known else "the last recorded day is"
    says = f"{how[0].upper()}{how[1:]} {through}: {counted(days, 'school day')} behind"
    kind = BY_CODE["EWS104" if known and days >= STOPPED else "EWS103"]
    yield Finding(kind=kind, says=says, count=days, table="reporting" if known else "attendance_events", **told)


def _calendar(source: CheckedSource, day: date) -> Iterator[Finding]:
    last: date = source.calendar_days["date"].max()  # pyright: ignore[reportAssignmentType] - a date
    late = (day - last).days
    if late > 0:
        says = f"The last calendar day is {last}, {counted(late, 'day')} before {day}"
        yield Finding(kind=BY_CODE["EWS107"], says=says, count=late, table=REQUIRED_TABLES[1])
