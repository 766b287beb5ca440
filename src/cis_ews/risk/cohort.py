"""Who is scored on an as-of date, and the counted steps that led to them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from cis_ews.enums import GradeLevel
from cis_ews.indicators import compute_indicators
from cis_ews.schema.school_data import SchoolData
from cis_ews.texts import places_of

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
        return frame.filter(places_of(frame["student_id"], self.students["student_id"]) >= 0)


def cohort_of(indicators: pl.DataFrame) -> pl.DataFrame:
    """Those columns of scored students' indicators that make up a cohort, sorted by `student_id`."""
    days = pl.col("days_enrolled_ytd").fill_null(0).cast(pl.Int32)
    return indicators.select("student_id", "school_id", "grade_level", days_enrolled=days).sort("student_id")


def whole_flow(
    parts: Sequence[Sequence[tuple[str, int, int]]], *, rows_read: int, rejections: pl.DataFrame
) -> tuple[CohortStep, ...]:
    """The flow of a whole extract, from those of its parts (name, before, after): numbers of students add up.

    What was read (`rows_read` of the students table) and rejected is known of the whole alone.
    """
    added = [
        CohortStep(steps[0][0], sum(step[1] for step in steps), sum(step[2] for step in steps))
        for steps in zip(*parts, strict=True)
    ]
    handed_over = added[2].after
    return (*_reading_steps(handed_over, rows_read=rows_read, rejections=rejections), *added[3:])


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
    handed_over = school_data.students.height
    rows_read = school_data.rows_read.get("students", handed_over)
    flow = _reading_steps(handed_over, rows_read=rows_read, rejections=school_data.rejections)
    known = school_data.students.select("student_id")
    kept = known.filter(~pl.col("student_id").is_in(list(erased)))
    flow.append(CohortStep("left out at a family's request", known.height, kept.height))
    rows = compute_indicators(school_data, as_of) if indicators is None else indicators
    rows = rows.select("student_id", "school_id", "grade_level", "days_enrolled_ytd", "is_enrolled")
    enrolled = rows.filter(places_of(rows["student_id"], kept["student_id"]) >= 0)
    flow.append(CohortStep("never enrolled this school year up to the as-of date", kept.height, enrolled.height))
    current = enrolled.filter(pl.col("is_enrolled"))
    flow.append(CohortStep("left before the as-of date", enrolled.height, current.height))
    scored = current.filter(pl.col("grade_level").cast(pl.String).ne_missing(GradeLevel.PK.value))
    flow.append(CohortStep("in PreK", current.height, scored.height))
    return Cohort(students=cohort_of(scored), flow=tuple(flow))


def _reading_steps(handed_over: int, *, rows_read: int, rejections: pl.DataFrame) -> list[CohortStep]:
    """From the rows of the students table to the students that the reader handed over."""
    read = max(handed_over, rows_read)
    rejected_rows = rejections.filter(pl.col("table") == "students").select("file", "row_number").n_unique()
    kept = max(handed_over, read - rejected_rows)
    return [
        CohortStep("rows of the students table", read, read),
        CohortStep("rejected by the reader", read, kept),
        CohortStep("further rows of the same students", kept, handed_over),
    ]
