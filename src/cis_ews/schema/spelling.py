"""Ids that differ only in spelling: "007" is not "7", but whoever reads the night should know that both are there."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from cis_ews.schema.links import unknown

SPELLED = "student ids are unknown as they are written, and known but for leading zeros, case or spaces"
_ID_TABLES = (
    *("enrollments", "attendance_events", "incidents", "course_grades", "demographics", "supports"),
    "student_years",
)


def known_and_unknown_ids(tables: Mapping[str, pl.DataFrame], *, known: bool = True) -> pl.DataFrame:
    """The ids of `students`, if they are asked for, and those that other tables have and `students` has not.

    `table`, `student_id`; each id once a table. Of parts of an extract, one after the other.
    """
    found = [pl.DataFrame(schema={"table": pl.String, "student_id": pl.String})]
    if "students" in tables:
        students = tables["students"].select("student_id")
        others = [name for name in _ID_TABLES if name in tables]
        found += [_ids("students", students)] if known else []
        found += [_ids(name, unknown(tables[name], students, ["student_id"])) for name in others]
    return pl.concat(found)


def _ids(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.lit(table).alias("table"), pl.col("student_id").unique())


def spelling_notes(ids: pl.DataFrame) -> list[str]:
    """Sentences that count student ids which differ only by leading zeros, case or spaces around; never the ids."""
    plain = ids.unique().with_columns(_plain())
    known = plain.filter(pl.col("table") == "students")
    cousins = plain.filter(pl.col("table") != "students").join(known, on="plain", how="semi")
    counts = dict(cousins.group_by("table").len().iter_rows())
    return [
        *_alike(known),
        *(f"{table}: {counts[table]:,} {SPELLED}" for table in _ID_TABLES if table in counts),
    ]


def _plain() -> pl.Expr:
    return pl.col("student_id").str.strip_chars().str.to_lowercase().str.strip_chars_start("0").alias("plain")


def _alike(known: pl.DataFrame) -> list[str]:
    alike = known.filter(pl.col("plain").is_duplicated()).height
    if not alike:
        return []
    return [f"students: {alike:,} student ids differ from another only by leading zeros, case or spaces; kept apart"]
