"""Who is scored on an as-of date, and the counted steps that led to them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import polars as pl

from cis_ews.enums import GradeLevel
from cis_ews.indicators import compute_indicators
from cis_ews.schema.school_data import SchoolData

STUDENT_COLUMNS = ("student_id", "school_id", "grade_level", "days_enrolled")


@dataclass(frozen=True, slots=True)
class CohortStep:
    """One step of the cohort flow: how many there were, how many are left, how many it took out."""

    name: str
    before: int
    after: int

    @property
    def excluded(self) -> int:
        """How many this step took out."""
        return self.before - self.after

    def to_dict(self) -> dict[str, str | int]:
        """Plain values for JSON."""
        return {"name": self.name, "before": self.before, "after": self.after, "excluded": self.excluded}


@dataclass(frozen=True, slots=True)
class Cohort:
    """The students who are scored, sorted by `student_id` (columns: STUDENT_COLUMNS), and the flow that led to them."""

    students: pl.DataFrame
    flow: tuple[CohortStep, ...]

    def rows_of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Those rows of a frame with one row a student that belong to the cohort, in the frame's order."""
        return frame.join(self.students, on="student_id", how="semi", maintain_order="left")


def build_cohort(
    school_data: SchoolData,
    as_of: date,
    *,
    indicators: pl.DataFrame | None = None,
    erased: Collection[str] = frozenset(),
) -> Cohort:
    """Who is scored on `as_of`: enrolled that day, in kindergarten to grade 12 or without a known grade.

    `indicators`: those of `compute_indicators`, where they are there already. `erased`: ids of students who are left
    out at a family's request. PreK is left out because its attendance is not compulsory and no rule was made for it.
    """
    flow = _reading_steps(school_data)
    known = school_data.students.select("student_id")
    kept = known.filter(~pl.col("student_id").is_in(list(erased)))
    flow.append(CohortStep("left out at a family's request", known.height, kept.height))
    rows = compute_indicators(school_data, as_of) if indicators is None else indicators
    enrolled = rows.join(kept, on="student_id", how="semi")
    flow.append(CohortStep("never enrolled this school year up to the as-of date", kept.height, enrolled.height))
    current = enrolled.filter(pl.col("is_enrolled"))
    flow.append(CohortStep("left before the as-of date", enrolled.height, current.height))
    scored = current.filter(pl.col("grade_level").cast(pl.String).ne_missing(GradeLevel.PK.value))
    flow.append(CohortStep("in PreK", current.height, scored.height))
    return Cohort(students=_students(scored), flow=tuple(flow))


def _reading_steps(school_data: SchoolData) -> list[CohortStep]:
    """From the rows of the students table to the students that the reader handed over."""
    handed_over = school_data.students.height
    read = max(handed_over, school_data.rows_read.get("students", handed_over))
    rejected_rows = school_data.rejections.filter(pl.col("table") == "students").select("file", "row_number").n_unique()
    kept = max(handed_over, read - rejected_rows)
    return [
        CohortStep("rows of the students table", read, read),
        CohortStep("rejected by the reader", read, kept),
        CohortStep("further rows of the same students", kept, handed_over),
    ]


def _students(scored: pl.DataFrame) -> pl.DataFrame:
    days = pl.col("days_enrolled_ytd").fill_null(0).cast(pl.Int32)
    return scored.select("student_id", "school_id", "grade_level", days_enrolled=days).sort("student_id")
