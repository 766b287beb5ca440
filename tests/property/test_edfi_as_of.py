"""Nothing that becomes known after the as-of date changes or hides what Ed-Fi's grades say on that day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cis_ews import compute_indicators, read_school_data
from cis_ews.schema.school_data import SchoolData
from tests.lib.builders import grade
from tests.lib.edfi import document, grading_period, mark, package_of, transcript, with_records, write_package
from tests.lib.extracts import small_district

FIRST, QUARTER, FALL, YEAR = date(2025, 9, 10), date(2025, 11, 5), date(2026, 1, 30), date(2026, 6, 12)
Row = dict[str, Any]
SAID: dict[str, tuple[Callable[[Row], str], date]] = {
    "quarter": (lambda row: mark(row, kind="Grading Period", period="Q1"), QUARTER),
    "semester": (lambda row: mark(row, kind="Semester"), FALL),
    "transcript of the semester": (transcript, FALL),
    "transcript of the year": (lambda row: transcript(row | {"term": "Year Round"}), YEAR),
}
"""Kind of record -> how it is written, and the day from which it is known: by hand."""
GRADES = st.lists(
    st.tuples(
        st.sampled_from(sorted(SAID)),
        st.sampled_from(["s00", "s02"]),
        st.sampled_from(["english", "math"]),
        st.sampled_from(["A", "D", "F"]),
    ),
    max_size=8,
    unique_by=lambda each: each[:3],
)


def _read(grades: Sequence[tuple[str, str, str, str]], *, as_of: date) -> SchoolData:
    files = package_of(small_district())
    written = {
        kind: [
            SAID[kind][0](grade(who, course, "S1", subject=course, mark=letter))
            for each, who, course, letter in grades
            if each == kind
        ]
        for kind in SAID
    }
    records = sorted((kind, record) for kind, of_kind in written.items() for record in of_kind)
    files["StudentGrade.xml"] = document("StudentGrade", [each for _, each in records if "<Grade>" in each])
    files["StudentTranscript.xml"] = document(
        "StudentTranscript", [each for _, each in records if "<Grade>" not in each]
    )
    period = grading_period("Q1", "north", begins="2025-09-03", ends=str(QUARTER))
    files["EducationOrgCalendar.xml"] = with_records(files["EducationOrgCalendar.xml"], [period])
    with TemporaryDirectory() as folder:
        return read_school_data(write_package(Path(folder), files), format="edfi", as_of=as_of)


@given(grades=GRADES, days=st.integers(0, 280))
@settings(max_examples=15, deadline=None)
def test_later_grades_change_nothing(grades: list[tuple[str, str, str, str]], days: int) -> None:
    as_of = FIRST + timedelta(days=days)
    known_grades = [each for each in grades if SAID[each[0]][1] <= as_of]
    every, known = _read(grades, as_of=as_of), _read(known_grades, as_of=as_of)
    assert_frame_equal(every.course_grades, known.course_grades)
    assert_frame_equal(compute_indicators(every, as_of), compute_indicators(known, as_of))
