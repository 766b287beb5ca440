"""Nothing that becomes known after the as-of date changes or hides what Ed-Fi's records say on that day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cis_ews import compute_indicators, read_school_data
from cis_ews.schema.school_data import TABLES, SchoolData
from tests.lib.builders import absence, action, frame, grade, incident
from tests.lib.dirt import accounted
from tests.lib.edfi import (
    document,
    grading_period,
    mark,
    package_of,
    section_attendance,
    support,
    transcript,
    with_records,
    write_package,
)
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


STUDENTS = {f"s{number:02}": "south" if number % 2 else "north" for number in range(6)}
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["absence", "section", "support", "incident", "incident with an action"]),
        st.sampled_from(sorted(STUDENTS)),
        st.integers(0, 60),
    ),
    min_size=1,
    max_size=20,
    unique=True,
)
"""What, of whom, and on which school day after the first."""
TAUGHT = [FIRST + timedelta(days=days) for days in range(120) if (FIRST + timedelta(days=days)).weekday() < 5]
FOLLOWS = 7
"""School days between an incident and its action."""


def _without_enrollments(events: Sequence[tuple[str, str, int]], *, until: date, as_of: date) -> SchoolData:
    """A package without enrollments, of what is dated up to a day."""
    of_kind: dict[str, list[Row]] = {kind: [] for kind in ("absence", "section", "support", "incident", "action")}
    for kind, who, at in events:
        if kind in ("absence", "section"):
            of_kind[kind].append(absence(who, TAUGHT[at], STUDENTS[who]))
        elif kind == "support":
            of_kind[kind].append({"student_id": who, "date": TAUGHT[at], "category": "tutoring", "minutes": 30})
        else:
            name = f"{who}.{at}.{kind[9:13]}"
            of_kind["incident"].append(incident(who, TAUGHT[at], STUDENTS[who], incident_id=name))
            if kind != "incident":
                of_kind["action"].append(action(who, TAUGHT[at + FOLLOWS], incident_id=name))
    known = {kind: [row for row in of_kind[kind] if row["date"] <= until] for kind in ("absence", "section", "support")}
    early = absence("s06", FIRST, "north")
    district = small_district() | {
        "attendance_events": frame("attendance_events", [early, *known["absence"]]),
        "incidents": frame("incidents", of_kind["incident"]),
        "discipline_actions": frame("discipline_actions", of_kind["action"]),
    }
    files = package_of(district)
    del files["StudentEnrollment.xml"], files["StudentTranscript.xml"]
    later = [str(row["incident_id"]) for row in of_kind["incident"] if row["date"] > until]
    dated = [f"<DisciplineDate>{row['start_date']}<" for row in of_kind["action"] if row["start_date"] > until]
    lines = files["StudentDiscipline.xml"].splitlines()
    gone = [*(f"<IncidentIdentifier>{each}<" for each in later), *dated]
    files["StudentDiscipline.xml"] = "\n".join(line for line in lines if not any(each in line for each in gone))
    sections = section_attendance(frame("attendance_events", known["section"]))
    files["StudentSectionAttendance.xml"] = document("StudentAttendance", sections)
    files["StudentIntervention.xml"] = document("StudentIntervention", map(support, known["support"]))
    with TemporaryDirectory() as folder:
        return read_school_data(write_package(Path(folder), files), format="edfi", as_of=as_of)


def _said(data: SchoolData) -> dict[str, Any]:
    """The coverage statement without its notes, which count what is not known yet."""
    return {name: said for name, said in data.coverage.to_dict().items() if name != "notes"}


@given(events=EVENTS, days=st.integers(0, 90))
@example(events=[("incident with an action", who, at) for who, at in (("s00", 1), ("s01", 2), ("s02", 50))], days=40)
@settings(max_examples=25, deadline=None)
def test_where_enrollments_are_derived_later_events_change_nothing(
    events: list[tuple[str, str, int]], days: int
) -> None:
    """Of students who are not enrolled yet, too: their rows must not cost a table those of the others."""
    as_of = FIRST + timedelta(days=days)
    every = _without_enrollments(events, until=date.max, as_of=as_of)
    known = _without_enrollments(events, until=as_of, as_of=as_of)
    for table in TABLES:
        assert_frame_equal(every.table(table), known.table(table))
    assert _said(every) == _said(known)
    assert every.rejections.drop("row_number").equals(known.rejections.drop("row_number"))
    assert_frame_equal(compute_indicators(every, as_of), compute_indicators(known, as_of))
    of_kept = {table: counts for table, counts in accounted(every).items() if every.table(table).height}
    assert all(read == kept for read, kept in of_kept.values())
