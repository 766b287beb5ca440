"""Rows by table and school, filled cells by column, codes by column: counts that add up over parts, and no value.

A row that names no school (a student, an action, a support) counts at the school of its student's latest enrollment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date

import polars as pl

from cis_ews.readers.draft import latest_schools
from cis_ews.schema.rows import PLACE
from cis_ews.schema.school_data import TABLES, SchoolData

CODE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "schools": ("level",),
    "calendar_days": ("term",),
    "enrollments": ("grade_level", "exit_type"),
    "attendance_events": ("status",),
    "incidents": ("severity", "behavior"),
    "discipline_actions": ("action",),
    "course_grades": ("subject", "term", "mark"),
    "supports": ("category",),
}
"""The columns whose words are a vocabulary. What tells who somebody is (gender, and the like) is not among them."""
MOST_CODES = 60
"""A column of free text with more words than this holds no codes."""
FEWEST_STUDENTS = 3
_CODE = re.compile(r"[A-Za-z0-9 _+/&().,:-]{1,40}")

Frame = pl.DataFrame
Given = Mapping[str, Iterable[Frame]]
"""Table -> the rows of a source as a reader made them, in one frame or several, with `file` and `row_number`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was counted.

    `rows`: table, school_id (null where it is not known), read, kept, rejected. `rejected`: table, rule, column,
    school_id, rows. `filled`: table, column, rows. `codes`: table, column, code, rows, students. `days`: table, day on
    which rows became known, rows. `stays`: school_id, entry_date, exit_date, students.
    """

    rows: Frame
    rejected: Frame
    filled: Frame
    codes: Frame
    days: Frame
    stays: Frame

    def kept(self, table: str) -> int:
        """Rows of a table that keep every rule."""
        return int(self.rows.filter(pl.col("table") == table)["kept"].sum())

    def left_out(self, tables: Iterable[str]) -> Counts:
        """What was read and rejected of tables of which nothing is used."""
        gone = pl.col("table").is_in(list(tables))
        rows, rejected = self.rows.filter(gone).with_columns(kept=pl.lit(0, pl.Int64)), self.rejected.filter(gone)
        none = {name: getattr(self, name).clear() for name in ("filled", "codes", "days", "stays")}
        return Counts(rows=rows, rejected=rejected, **none)

    def students(self, day: date) -> dict[str, int]:
        """School -> students enrolled on a day."""
        current = pl.col("entry_date").le(day) & pl.col("exit_date").fill_null(day).ge(day)
        return dict(self.stays.filter(current).group_by("school_id").agg(pl.col("students").sum()).iter_rows())

    def later(self, day: date) -> dict[str, int]:
        """Table -> rows that became known after a day."""
        later = self.days.filter(pl.col("day") > day).group_by("table").agg(pl.col("rows").sum())
        return dict(later.sort("table").iter_rows())


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCodes:
    """The codes of a column. `shown`: code -> rows, of those that may be kept and shown. `present`: all of them, to be
    compared with, and never told."""

    shown: Mapping[str, int]
    present: frozenset[str] = field(repr=False)

    @property
    def hidden(self) -> int:
        """How many are not shown."""
        return len(self.present) - len(self.shown)


_KEYS = {
    "rows": ("table", "school_id"),
    "rejected": ("table", "rule", "column", "school_id"),
    "filled": ("table", "column"),
    "codes": ("table", "column", "code"),
    "days": ("table", "day"),
    "stays": ("school_id", "entry_date", "exit_date"),
}


def together(parts: Sequence[Counts]) -> Counts:
    """The counts of several parts, which have no student in common."""
    return Counts(
        **{each.name: _summed([getattr(part, each.name) for part in parts], each.name) for each in fields(Counts)}
    )


def _summed(frames: Sequence[Frame], name: str) -> Frame:
    keys = list(_KEYS[name])
    return pl.concat(frames).group_by(keys).agg(pl.all().sum()).sort(keys, nulls_last=True)


def count(
    school_data: SchoolData, given: Given, *, rejections: Frame, tables: Iterable[str], as_of: date | None
) -> Counts:
    """Count the rows of `tables`. `given`: before the rules were asked. `rejections`: of these tables."""
    home = latest_schools(school_data.enrollments, as_of)
    places = {table: rejections.filter(pl.col("table") == table) for table in tables}
    schools = school_data.schools.select("school_id")
    found = [_of_table(school_data, table, given.get(table, ()), places=places[table], home=home) for table in places]
    rows, rejected = (_at_known_schools(pl.concat(each), schools) for each in zip(*found, strict=True))
    known_on = {table: days for table, days in school_data.known_on().items() if table in places}
    counts = Counts(
        rows=rows,
        rejected=rejected,
        filled=pl.concat([_filled(table, school_data.table(table)) for table in places]),
        codes=pl.concat([_no_codes(), *(_codes(table, school_data.table(table)) for table in places)]),
        days=pl.concat([_no_days(), *(_days(table, days) for table, days in known_on.items())]),
        stays=_stays(school_data.enrollments if "enrollments" in places else school_data.enrollments.clear()),
    )
    return together([counts])


def _of_table(
    school_data: SchoolData, table: str, given: Iterable[Frame], *, places: Frame, home: Frame
) -> tuple[Frame, Frame]:
    """Rows and rejections of a table by school, the schools as they are written."""
    read, rejected = [_no_schools()], [_no_places()]
    for frame in given:
        read.append(_by_school(frame, home))
        if not places.is_empty() and set(PLACE) <= set(frame.columns):
            rejected.append(_places(frame, places, home))
    kept = _by_school(school_data.table(table), home)
    named = pl.concat(rejected).unique(PLACE, keep="first")
    broken = places.join(named, on=PLACE, how="left", nulls_equal=True)
    once = broken.unique(PLACE).group_by("school_id").len("rejected")
    rows = (
        _summed_schools(read)
        .rename({"rows": "read"})
        .join(kept.rename({"rows": "kept"}), on="school_id", how="full", coalesce=True, nulls_equal=True)
        .join(once, on="school_id", how="full", coalesce=True, nulls_equal=True)
        .select(
            pl.lit(table).alias("table"),
            "school_id",
            *(pl.col(name).fill_null(0).cast(pl.Int64) for name in ("read", "kept", "rejected")),
        )
    )
    by_rule = broken.group_by("table", "rule", "column", "school_id").agg(rows=pl.len().cast(pl.Int64))
    return rows, by_rule


def _school_of(rows: Frame, home: Frame) -> Frame:
    """The rows with the school that each counts at, as text."""
    if "school_id" in rows.columns:
        return rows.with_columns(pl.col("school_id").cast(pl.String).str.strip_chars())
    if "student_id" not in rows.columns:
        return rows.with_columns(pl.lit(None, dtype=pl.String).alias("school_id"))
    student = pl.col("student_id").cast(pl.String).str.strip_chars()
    return rows.with_columns(student).join(home, on="student_id", how="left", maintain_order="left")


def _by_school(rows: Frame, home: Frame) -> Frame:
    named = [name for name in ("school_id", "student_id") if name in rows.columns][:1]
    counted = _school_of(rows.select(named), home) if named else rows.select(pl.lit(None, pl.String).alias("school_id"))
    return counted.group_by("school_id").agg(rows=pl.len().cast(pl.Int64))


def _places(rows: Frame, places: Frame, home: Frame) -> Frame:
    placed = rows.select(
        pl.col("file").cast(pl.String),
        pl.col("row_number").cast(pl.Int64),
        *(name for name in ("school_id", "student_id") if name in rows.columns),
    )
    return _school_of(placed.join(places, on=PLACE, how="semi"), home).select(*PLACE, "school_id")


def _at_known_schools(rows: Frame, schools: Frame) -> Frame:
    """A cell that is no school of the extract may be anything: it is not told."""
    known = schools.with_columns(pl.lit(value=True).alias("known"))
    joined = rows.join(known, on="school_id", how="left", maintain_order="left")
    return joined.with_columns(pl.when("known").then("school_id").alias("school_id")).drop("known")


def _summed_schools(frames: Sequence[Frame]) -> Frame:
    return pl.concat(frames).group_by("school_id").agg(pl.col("rows").sum())


def _filled(table: str, rows: Frame) -> Frame:
    columns = list(TABLES[table].columns())
    counts = rows.select(pl.col(columns).is_not_null().sum().cast(pl.Int64))
    return counts.unpivot(variable_name="column", value_name="rows").select(
        pl.lit(table).alias("table"), "column", "rows"
    )


def _codes(table: str, rows: Frame) -> Frame:
    students = pl.col("student_id").n_unique() if "student_id" in rows.columns else pl.len()
    found = [
        rows.drop_nulls(column)
        .group_by(pl.col(column).cast(pl.String).alias("code"))
        .agg(rows=pl.len().cast(pl.Int64), students=students.cast(pl.Int64))
        .select(pl.lit(table).alias("table"), pl.lit(column).alias("column"), "code", "rows", "students")
        for column in CODE_COLUMNS.get(table, ())
    ]
    return pl.concat([_no_codes(), *found])


def _days(table: str, days: pl.Series) -> Frame:
    counted = days.drop_nulls().alias("day").to_frame().group_by("day").agg(rows=pl.len().cast(pl.Int64))
    return counted.select(pl.lit(table).alias("table"), "day", "rows")


def _stays(enrollments: Frame) -> Frame:
    by = ["school_id", "entry_date", "exit_date"]
    return enrollments.group_by(by).agg(students=pl.col("student_id").n_unique().cast(pl.Int64))


def codes_by_column(codes: Frame) -> dict[str, ColumnCodes]:
    """`table.column` -> its codes, of the columns that hold codes at all.

    Words of the contract's own vocabularies may be shown. In a column of text a code is one that three students share,
    in a column of few words: anything else may be a name that stands in the wrong column.
    """
    found: dict[str, ColumnCodes] = {}
    for (table, column), of_column in codes.sort("table", "column", "code").group_by(
        "table", "column", maintain_order=True
    ):
        is_text = TABLES[str(table)].columns()[str(column)].dtype == pl.String
        if is_text and of_column.height > MOST_CODES:
            continue
        rows = list(of_column.select("code", "rows", "students").iter_rows())
        found[f"{table}.{column}"] = ColumnCodes(
            shown={
                code: count
                for code, count, students in rows
                if not is_text or (students >= FEWEST_STUDENTS and _CODE.fullmatch(code))
            },
            present=frozenset(code for code, _, _ in rows),
        )
    return found


def _no_schools() -> Frame:
    return pl.DataFrame(schema={"school_id": pl.String, "rows": pl.Int64})


def _no_places() -> Frame:
    return pl.DataFrame(schema={"file": pl.String, "row_number": pl.Int64, "school_id": pl.String})


def _no_codes() -> Frame:
    names = {"table": pl.String, "column": pl.String, "code": pl.String}
    return pl.DataFrame(schema={**names, "rows": pl.Int64, "students": pl.Int64})


def _no_days() -> Frame:
    return pl.DataFrame(schema={"table": pl.String, "day": pl.Date, "rows": pl.Int64})
