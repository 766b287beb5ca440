"""Small tables for people, made of the large ones: counts by rule, by school, by table."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.enums import Direction
from cis_ews.errors import ConfigError
from cis_ews.exports.files import neutralized
from cis_ews.schema import refusals
from cis_ews.schema.school_data import SchoolData
from cis_ews.storage.files import disk_errors, written_beside
from cis_ews.storage.runs import Run

Rows = list[dict[str, Any]]
_KINDS = {Direction.RISK: "reasons", Direction.STRENGTH: "strengths", Direction.UNKNOWN: "unknown"}
_NOTHING_SAID: dict[str, list[str]] = {kind: [] for kind in _KINDS.values()}


def tables_read(school_data: SchoolData) -> Rows:
    """One row a table that the source has: rows read, rejected, merged into others, kept."""
    rejected = refusals.rejected_rows(school_data.rejections)
    return [
        {
            "table": table,
            "read": read,
            "rejected": rejected.get(table, 0),
            "reduced": school_data.rows_reduced.get(table, 0),
            "kept": school_data.table(table).height,
        }
        for table, read in school_data.rows_read.items()
    ]


def rejections_by_rule(rejections: pl.DataFrame) -> Rows:
    """One row a table and rule: how many rows, and where the first of them are."""
    return [
        {name: value for name, value in row.items() if name != "places"}
        | {"first": ", ".join(str(number) for _, number in row["places"])}
        for row in refusals.rejections_by_rule(rejections)
    ]


def tiers_by_school(scores: pl.DataFrame) -> Rows:
    """One row a school: students scored, in each tier, and without enough data."""
    tier = pl.col("tier")
    return (
        scores.group_by("school_id")
        .agg(
            students=pl.len(),
            tier_1=(tier == 1).sum(),
            tier_2=(tier == 2).sum(),
            tier_3=(tier == 3).sum(),
            beyond_list=((tier == 1) & pl.col("list_place").is_not_null()).sum(),
            not_enough_data=tier.is_null().sum(),
        )
        .sort("school_id")
        .to_dicts()
    )


def changes_by_cause(changes: pl.DataFrame) -> Rows:
    """How many students changed in which way, and why; `cause` is None where causes could not be told apart."""
    by = ["change", "cause"]
    return changes.group_by(by).agg(students=pl.len()).sort(by, nulls_last=True).to_dicts()


def changes_of(run: Run, school_id: str | None) -> pl.DataFrame:
    """The changes of a run, or of one of its schools: who entered, left, moved tier, then whose risk moved furthest."""
    changes = run.table("changes")
    of_school = changes if school_id is None else changes.filter(pl.col("school_id") == school_id)
    moved = (pl.col("risk_now") - pl.col("risk_before")).abs()
    return of_school.sort("change", moved, "student_id", descending=[False, True, False], nulls_last=True)


def busiest_school(run: Run) -> str | None:
    """The school with the most flags, of several the lowest id; None where no student is flagged."""
    flagged = run.table("scores").filter(pl.col("tier") > 1)
    counts = flagged.group_by("school_id").len().sort("len", "school_id", descending=[True, False])
    return None if counts.is_empty() else str(counts["school_id"][0])


def flags_of(run: Run, school_id: str) -> Rows | None:
    """The flags of a school in the order of its list, reasons and strengths too; None where nobody was scored."""
    scores = run.table("scores").filter(pl.col("school_id") == school_id)
    if scores.is_empty():
        return None
    flagged = scores.filter(pl.col("tier") > 1).sort("list_place")
    said = _sentences(run.table("reasons").join(flagged, on="student_id", how="semi"))
    columns = ("student_id", "school_id", "grade_level", "tier", "tier_reason")
    return [row | said.get(row["student_id"], _NOTHING_SAID) for row in flagged.select(columns).to_dicts()]


def _sentences(reasons: pl.DataFrame) -> dict[str, dict[str, list[str]]]:
    said: dict[str, dict[str, list[str]]] = {}
    for row in reasons.sort("student_id", "direction", "rank").to_dicts():
        of_student = said.setdefault(row["student_id"], {kind: [] for kind in _KINDS.values()})
        of_student[_KINDS[Direction(row["direction"])]].append(row["sentence"])
    return said


def rules_by_student(results: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """One row a student, one column a rule: holds, abstains, or null."""
    statuses = [pl.col("status").filter(pl.col("rule") == name).first().alias(f"rule_{name}") for name in names]
    return results.group_by("student_id").agg(*statuses).sort("student_id")


def totals(rows: Rows, label: str) -> dict[str, Any]:
    """The sums of every column but the first, which says `label`."""
    name, *columns = rows[0]
    return {name: label, **{column: sum(row[column] for row in rows) for column in columns}}


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a table whole or not at all, as the suffix of its path says; CSV is safe for spreadsheets.

    Raises ConfigError for another suffix, StorageError.
    """
    writers = {".csv": neutralized(frame).write_csv, ".parquet": frame.write_parquet}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise ConfigError(f"{path} has no suffix that names a format", hint="end the name in .csv or .parquet")
    with disk_errors(path, "write"), written_beside(path) as beside:
        # By way of memory: where the disk is full, polars' own writer does not always say so.
        content = io.BytesIO()
        writer(content)
        beside.write_bytes(content.getbuffer())


def write_text(text: str, path: Path) -> None:
    """Write a text whole or not at all. Raises StorageError."""
    with disk_errors(path, "write"), written_beside(path) as beside:
        beside.write_bytes(text.encode())
