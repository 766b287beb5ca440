"""A part measured: indicators, the cohort, what it adds to the sums and medians of schools, and its records packed.

A part is measured as soon as it is checked, while its tables are in memory (`extract`). Of what the whole extract says,
indicators take next to nothing: whether a domain is there, and whether its first row is older than the school year. As
a rule a part tells the same. Where the whole says otherwise, as it may of a part with few rows, the part is measured
again once that is known (`passes.measure_part`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from cis_ews.indicators import compute_indicators
from cis_ews.indicators.coverage import told_of_coverage
from cis_ews.night.parts import Part
from cis_ews.progress import Stopwatch
from cis_ews.risk.cohort import build_cohort
from cis_ews.risk.explanations import peer_inputs
from cis_ews.risk.features import school_sums
from cis_ews.schema.freshness import schools_in_use
from cis_ews.schema.school_data import SchoolData
from cis_ews.schema.student_records import days_absent, student_records
from cis_ews.storage.erased import ErasedStudents
from cis_ews.storage.frames import checked
from cis_ews.storage.packing import packed_lists
from cis_ews.storage.workspace import Piece, Workspace
from cis_ews.texts import places_of

RECORDS_A_BLOCK = 256
"""Students of a district whose records are packed together: few enough to find one among them in a millisecond."""
BLOCKS = {"district_id": pl.String(), "part": pl.Int32(), "block": pl.Binary()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """What it takes to measure parts, besides their school data. `erased`: who is left out."""

    workspace: Workspace
    as_of: date
    erased: ErasedStudents

    def found(self, part: Part) -> dict[str, Any] | None:
        """What was noted of a part, if it is measured already and what it hangs on is as it is known by now."""
        notes = self.workspace.done(measured_piece(part))
        return notes if notes is not None and notes.get("hangs_on") == self._hangs_on(part) else None

    def measure(self, part: Part, school_data: SchoolData, watch: Stopwatch) -> dict[str, Any]:
        """Measure a part and keep what is found; what is noted of it. `school_data`: that of the part."""
        with watch.step("indicators"):
            indicators = compute_indicators(school_data, self.as_of)
        with watch.step("cohort"):
            erased = self.erased.among(school_data.students["student_id"])
            cohort = build_cohort(school_data, self.as_of, indicators=indicators, erased=erased)
            scored = cohort.rows_of(indicators)
        with watch.step("records"), self.workspace.piece(records_piece(part)) as piece:
            pack_records(piece, school_data, scored.select("student_id", "school_id"), as_of=self.as_of)
            piece.notes["of"] = part.piece
        with watch.step("keep"), self.workspace.piece(measured_piece(part)) as piece:
            piece.write("indicators", checked("indicators", scored), compressed=False)
            piece.write("sums", school_sums(scored))
            piece.write("peers", peer_inputs(scored), compressed=False)
            piece.notes["hangs_on"] = self._hangs_on(part)
            piece.notes["flow"] = [[step.name, step.before, step.after] for step in cohort.flow]
            piece.notes["rows_after"] = school_data.rows_after(self.as_of)
            piece.notes["schools"] = schools_in_use(school_data.enrollments, self.as_of)
        return piece.notes

    def _hangs_on(self, part: Part) -> list[object]:
        """What the indicators of a part hang on besides the day: its records, and what is said of the whole."""
        coverage, shared = part.whole
        return [part.piece, told_of_coverage(coverage, shared["calendar_days"], self.as_of)]


def measured_piece(part: Part) -> str:
    """Where the indicators of a part are."""
    return f"measured-{part.name}"


def records_piece(part: Part) -> str:
    """Where the packed records of a part are."""
    return f"packed-{part.name}"


def pack_records(piece: Piece, school_data: SchoolData, scored: pl.DataFrame, *, as_of: date) -> None:
    """Pack the records of the students who are scored (`student_id`, `school_id`), district by district.

    `blocks`: by `BLOCKS`. `behind`: `student_id`, `days_absent`, and as `records` the part that has the student.
    """
    placed, records = _by_school(scored, school_data.schools), student_records(school_data, as_of)
    districts, sizes = list[str](), list[int]()
    for district, students in placed.group_by("district_id", maintain_order=True).len().iter_rows():
        some = [min(RECORDS_A_BLOCK, students - start) for start in range(0, students, RECORDS_A_BLOCK)]
        districts, sizes = districts + [district] * len(some), sizes + some
    student_ids, numbers = placed["student_id"], range(len(sizes))
    packed = packed_lists(placed.select("student_id"), sizes, records)
    blocks = {"district_id": districts, "part": numbers, "block": packed}
    piece.write("blocks", pl.DataFrame(blocks, schema=BLOCKS), compressed=False)
    piece.notes["blocks"] = len(sizes)
    parts = pl.Series(np.repeat(numbers, sizes), dtype=pl.Int32)
    behind = {"student_id": student_ids, "records": parts, "days_absent": days_absent(records, student_ids)}
    piece.write("behind", pl.DataFrame(behind), compressed=False)


def _by_school(scored: pl.DataFrame, schools: pl.DataFrame) -> pl.DataFrame:
    """Students with their `district_id`, in the order of districts, then schools, then ids."""
    ordered = schools.select("school_id", "district_id").sort("district_id", "school_id")
    students = scored if scored["student_id"].is_sorted() else scored.sort("student_id")
    place = places_of(students["school_id"], ordered["school_id"])
    rows = np.argsort(place, kind="stable")[np.count_nonzero(place < 0) :]
    return students[rows].with_columns(ordered["district_id"].gather(place[rows]))
