"""Ids that differ only in spelling: "007" is not "7", but whoever reads the night should know that both are there."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

_ID_TABLES = (
    *("enrollments", "attendance_events", "incidents", "course_grades", "demographics", "supports"),
    "student_years",
)


def spelling_notes(tables: Mapping[str, pl.DataFrame]) -> list[str]:
    """Sentences that count student ids which differ only by leading zeros, case or spaces around; never the ids."""
    if "students" not in tables:
        return []
    known = _spelled(tables["students"])
    notes = _alike(known)
    for table in (name for name in _ID_TABLES if name in tables):
        orphans = _spelled(tables[table]).join(known, on="student_id", how="anti")
        cousins = orphans.join(known, on="plain", how="semi")["student_id"].n_unique()
        if cousins:
            notes.append(
                f"{table}: {cousins:,} student ids are unknown as they are written, and known but for leading zeros, "
                "case or spaces"
            )
    return notes


def _spelled(table: pl.DataFrame) -> pl.DataFrame:
    plain = pl.col("student_id").str.strip_chars().str.to_lowercase().str.strip_chars_start("0")
    return table.select(pl.col("student_id").unique()).with_columns(plain.alias("plain"))


def _alike(known: pl.DataFrame) -> list[str]:
    alike = known.filter(pl.col("plain").is_duplicated()).height
    if not alike:
        return []
    return [f"students: {alike:,} student ids differ from another only by leading zeros, case or spaces; kept apart"]
