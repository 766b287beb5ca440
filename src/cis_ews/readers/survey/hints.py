"""What to look for where nothing was found: for people who know their own system and not ours."""

from __future__ import annotations

from collections.abc import Mapping

LOOK_FOR: Mapping[tuple[str, str], str] = {
    ("", "student_id"): "the id that is the same in all files: not a name, and not the number of a row",
    ("", "school_id"): "the school's number or code, as in the file of schools",
    ("", "school_year"): "the year in which the school year ends, or under constants one year for all rows",
    ("", "date"): "the day on which it happened",
    ("", "term"): "the grading term: S1, Q2; under constants where there is one for all rows",
    ("schools", "district_id"): "the district's own code or the state's; the same for all: under constants",
    ("calendar_days", "is_instructional"): "whether students were expected on the day",
    ("enrollments", "entry_date"): "the first day in the school",
    ("attendance_events", "status"): "the attendance code: excused, unexcused, tardy, present",
    (
        "attendance_events",
        "fraction_absent",
    ): "the part of the day that was missed, 0 to 1; or the same heading as the status, by codes",
    ("incidents", "incident_id"): "the number of the incident or referral",
    ("incidents", "severity"): "minor or major; under constants where the files hold one kind alone",
    ("discipline_actions", "incident_id"): "the number of the incident, as in the file of incidents",
    ("discipline_actions", "action"): "what was done: suspension in or out of school, expulsion, removal from class",
    ("discipline_actions", "start_date"): "the first day of the action",
    ("course_grades", "course_id"): "the course's number or code",
    (
        "course_grades",
        "subject",
    ): "english, math, science, social_studies, other: by codes of a department or credit type",
    (
        "course_grades",
        "is_core",
    ): "whether the school counts the course as core; or the heading of the subject, by codes",
    (
        "course_grades",
        "is_final",
    ): "whether the mark stands on the transcript; under constants where all rows do, or none",
    ("reporting", "reported_through"): "the last day whose absences the school has entered",
    ("supports", "category"): "the kind of support",
}
MISSING: Mapping[str, str] = {
    "schools": "a file with a row a school: its id, its district's id, its name",
    "calendar_days": "a file with a row a school and day: the school's id, the date, whether students were expected",
    "students": "a file with a row a student: the student's id, and names if people are to see them",
    "enrollments": "a file with a row a student and school: both ids, the first day, the last one, the grade level",
    "": "at least one of attendance_events, incidents and course_grades",
}
UNTOLD: Mapping[str, str] = {
    "attendance_events": "a file with a row a student and absence: both ids, the day (all in one form), the code",
    "incidents": "a file with a row an incident and student: its id, the student's, the day, minor or major",
    "course_grades": "a file with a row a student and course: both ids, school year, term, department, the mark",
}
"""The first table of each domain: no extract has to have it, and nothing is known of the domain without it."""
