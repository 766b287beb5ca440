"""When an outcome happened, and that support which came after it leaves no case out of what a model learns."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from cis_ews.indicators import compute_indicators
from cis_ews.indicators.coursework import is_failed
from cis_ews.risk.cohort import build_cohort
from cis_ews.risk.labels import happened_on, horizon_end, make_labels, make_outcomes
from cis_ews.risk.supported import supported_students
from cis_ews.schema.school_data import SchoolData
from tests.lib.builders import Row, absence, action, district, enrollment, grade, incident, reported, weekdays

AS_OF = date(2026, 3, 2)
CALENDAR = weekdays("2025-09-03", "2026-06-12", terms={"S1": "2026-01-30", "S2": "2026-06-12"})
DAYS_LEFT = [row["date"] for row in CALENDAR if row["is_instructional"] and row["date"] > AS_OF]


def _district(*enrollments: Row, **tables: list[Row]) -> SchoolData:
    complete = {"attendance": [], "reporting": [reported("2026-06-12")], **tables}
    return district(calendar=CALENDAR, enrollments=list(enrollments) or [enrollment("ann")], **complete)


def _day(data: SchoolData, label: str, *, as_of: date = AS_OF) -> date | None:
    found = happened_on(data, as_of, label=label)
    labels = make_labels(data, as_of, label=label)
    assert set(found["student_id"]) <= set(labels.filter("label")["student_id"])
    both = make_outcomes(data, as_of, label=label, cohort=build_cohort(data, as_of))
    assert both[0].equals(labels)
    assert both[1].equals(found)
    return found["happened_on"].item() if found.height else None


def _suspended(*days: str) -> dict[str, list[Row]]:
    incidents = [incident("ann", day, incident_id=f"i{day}") for day in days]
    return {"incidents": incidents, "actions": [action("ann", day, incident_id=f"i{day}") for day in days]}


def test_each_outcome_has_the_day_of_its_first_record_after_the_as_of_date() -> None:
    suspended = _district(**_suspended("2026-02-10", "2026-04-10", "2026-05-11"))
    assert _day(suspended, "exclusion") == date(2026, 4, 10)
    assert _day(suspended, "exclusion_whole_year") == date(2026, 2, 10)
    failed = _district(
        grades=[
            grade("ann", course, "S2", mark=mark, graded_on=day)
            for course, mark, day in (("m1", "B", "2026-03-20"), ("m2", "F", "2026-05-29"), ("m3", "F", "2026-06-05"))
        ]
    )
    assert _day(failed, "course_failure") == date(2026, 5, 29)
    dropped = _district(enrollment("ann", exit="2026-04-24", exit_type="dropped_out"))
    assert _day(dropped, "off_track") == date(2026, 4, 24)
    for_good = district(
        calendar=[*CALENDAR, *weekdays("2026-09-02", "2027-06-11", school_year=2027)],
        enrollments=[enrollment("ann", exit="2026-04-24", exit_type="dropped_out", grade="9")],
        attendance=[],
        reporting=[reported("2027-06-11")],
    )
    assert _day(for_good, "dropped_out") == date(2026, 4, 24)


def test_a_rate_of_absence_and_an_outcome_that_did_not_happen_have_no_day() -> None:
    absent = _district(attendance=[absence("ann", day) for day in DAYS_LEFT[:20]])
    assert make_labels(absent, AS_OF, label="off_track")["label"].to_list() == [True]
    assert _day(absent, "off_track") is None
    assert _day(absent, "chronic_absence") is None
    came_back = _district(
        enrollment("ann", exit="2026-03-20", exit_type="dropped_out"), enrollment("ann", entry="2026-04-01")
    )
    assert _day(came_back, "off_track") is None


def test_a_failed_grade_is_the_one_that_the_indicators_count() -> None:
    marks = ["F", " e ", "NC", "B", "D-", "I", "W", "?", None]
    graded = [(mark, percent) for mark in marks for percent in (None, 0.0, 59.9, 60.0, 95.0)]
    grades = [
        grade(f"s{number:02}", "m", "S1", subject="math", mark=mark, percent=percent)
        for number, (mark, percent) in enumerate(graded)
    ]
    data = _district(*(enrollment(f"s{number:02}") for number in range(len(graded))), grades=grades)
    counted = compute_indicators(data, AS_OF).sort("student_id")["course_failures_ytd"].fill_null(0) > 0
    failed = data.course_grades.sort("student_id").select(is_failed().fill_null(value=False)).to_series()
    assert failed.to_list() == counted.to_list()
    assert 0 < failed.sum() < len(graded)


@pytest.mark.parametrize(
    ("supported_on", "left_out"), [("2026-04-09", True), ("2026-04-10", False), ("2026-05-01", False)]
)
def test_support_that_answers_an_outcome_leaves_no_case_out(supported_on: str, *, left_out: bool) -> None:
    data = _district(**_suspended("2026-04-10"))
    supports = pl.DataFrame({"student_id": ["ann"], "date": [date.fromisoformat(supported_on)], "tier": [3]})
    found = supported_students(
        supports,
        as_of=AS_OF,
        horizon_end=horizon_end(data, AS_OF, label="off_track"),
        happened_on=happened_on(data, AS_OF, label="off_track"),
    )
    assert found.to_list() == ["ann"] * left_out
