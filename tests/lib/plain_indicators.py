"""Every indicator once more, in plain Python: days are written out one by one, and loops count them.

Written from the definitions and not from the library, slow and readable, with exact fractions. The property tests
compare the library with it, column by column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

from cis_ews.schema.school_data import SchoolData
from tests.lib.builders import Row

MONTH_NAMES = [date(2026, month, 1).strftime("%B").lower() for month in range(1, 13)]
EXPELLED = {"expulsion", "emergency_expulsion"}
SUSPENDED = {"short_term_suspension", "long_term_suspension", *EXPELLED}
FAILED = {"F", "F+", "F-", "E", "NC", "U", "N", "NP", "FAIL", "FAILED"}
NEARLY_FAILED = {"D+", "D", "D-"}
PASSED = {*"ABC", "A+", "A-", "B+", "B-", "C+", "C-", "P", "PASS", "PASSED", "CR", "S"}
WITHDRAWN = {"W", "WD", "WITHDRAWN"}
INCOMPLETE = {"I", "INC", "INCOMPLETE"}
SUMMED = ("incidents", "suspensions", "course_failures", "school_changes")


def plain_indicators(school_data: SchoolData, as_of: date) -> list[Row]:
    """One row a student, sorted by student."""
    extract = Extract(school_data, as_of)
    return [Child(extract, student_id).row() for student_id in extract.students()]


def exactly(value: float) -> Fraction:
    """The fraction that a float stands for: thirds and sixths, and hundredths."""
    return Fraction(value).limit_denominator(1000)


def ratio(part: Fraction | int, whole: int) -> float | None:
    return float(Fraction(part) / whole) if whole else None


def mean(values: Iterable[float | None]) -> float | None:
    known = [exactly(value) for value in values if value is not None]
    return ratio(sum(known, Fraction(0)), len(known))


def difference(later: float | None, earlier: float | None) -> float | None:
    return None if later is None or earlier is None else later - earlier


@dataclass(frozen=True)
class Extract:
    """The tables as lists of rows, and what the whole extract tells."""

    school_data: SchoolData
    as_of: date

    def rows(self, table: str) -> list[Row]:
        return self.school_data.table(table).to_dicts()

    @cached_property
    def calendar(self) -> list[Row]:
        return self.rows("calendar_days")

    @cached_property
    def year(self) -> int:
        last = max(row["date"] for row in self.calendar if row["date"] <= self.as_of)
        return max(row["school_year"] for row in self.calendar if row["date"] == last)

    @cached_property
    def school_days(self) -> set[tuple[str, date, int]]:
        return {(row["school_id"], row["date"], row["school_year"]) for row in self.calendar if row["is_instructional"]}

    @cached_property
    def reported_through(self) -> dict[str, date]:
        return {row["school_id"]: row["reported_through"] for row in self.rows("reporting")}

    @cached_property
    def levels(self) -> dict[str, str | None]:
        return {row["school_id"]: row["level"] for row in self.rows("schools")}

    @cached_property
    def enrollments(self) -> list[Row]:
        return self.rows("enrollments")

    def year_starts(self, year: int) -> dict[str, date]:
        starts: dict[str, date] = {}
        for row in self.calendar:
            if row["school_year"] == year:
                starts[row["school_id"]] = min(row["date"], starts.get(row["school_id"], date.max))
        return starts

    def last_day(self, matches: Callable[[Row], bool]) -> date | None:
        return max((row["date"] for row in self.calendar if matches(row)), default=None)

    def covers(self, domain: str) -> bool:
        return getattr(self.school_data.coverage, domain).level != "none"

    def covers_actions(self) -> bool:
        missing = self.school_data.coverage.behavior.missing_tables
        return self.covers("behavior") and "discipline_actions" not in missing

    def covers_last_year(self, domain: str) -> bool:
        first = getattr(self.school_data.coverage, domain).first
        return first is not None and first < min(self.year_starts(self.year).values())

    def students(self) -> list[str]:
        return sorted(
            {
                row["student_id"]
                for row in self.enrollments
                if row["school_year"] == self.year and row["entry_date"] <= self.as_of
            }
        )


@dataclass(frozen=True)
class Child:
    """One student's records and the numbers that follow from them."""

    extract: Extract
    student_id: str

    def row(self) -> Row:
        row = {**self.identity(), **self.context()}
        parts: dict[str, Callable[[], Row]] = {
            "attendance": self.attendance,
            "behavior": self.behavior,
            "coursework": self.coursework,
        }
        for domain, compute in parts.items():
            if self.extract.covers(domain):
                row |= compute()
        return row | self.from_summary(row)

    def from_summary(self, row: Row) -> Row:
        """What the summary of last year says where the row has nothing."""
        last_day = self.extract.last_day(lambda each: each["school_year"] == self.extract.year - 1)
        of_year = [each for each in self.mine("student_years") if each["school_year"] == self.extract.year - 1]
        if not of_year or (last_day is not None and last_day > self.extract.as_of):
            return {}
        summary = of_year[0]
        said = {f"{name}_last_year": summary[name] for name in SUMMED} | {"gpa_last_year": summary["grade_points"]}
        if summary["days_enrolled"] != 0:
            absent = None if summary["days_absent"] is None else exactly(summary["days_absent"])
            said |= {"days_enrolled_last_year": summary["days_enrolled"]} | absence_last_year(
                absent, summary["days_enrolled"]
            )
        return {name: value for name, value in said.items() if row.get(name) is None}

    def mine(self, table: str) -> list[Row]:
        return [row for row in self.extract.rows(table) if row["student_id"] == self.student_id]

    # Enrollment

    def begun(self) -> list[Row]:
        """Enrollments of any year that have begun."""
        return [row for row in self.mine("enrollments") if row["entry_date"] <= self.extract.as_of]

    def spells(self, year: int) -> list[Row]:
        """Enrollments of a year that have begun, with exits that are known already."""
        as_of = self.extract.as_of
        return [
            {**row, "exit_date": row["exit_date"] if row["exit_date"] and row["exit_date"] <= as_of else None}
            for row in self.begun()
            if row["school_year"] == year
        ]

    def owner(self, day: date, year: int) -> str | None:
        """The school that a day belongs to."""
        there = [
            row
            for row in self.spells(year)
            if row["entry_date"] <= day and (row["exit_date"] is None or day <= row["exit_date"])
        ]
        latest = max((row["entry_date"] for row in there), default=None)
        return min((row["school_id"] for row in there if row["entry_date"] == latest), default=None)

    def days(self, year: int, *, reported: bool) -> list[date]:
        """The student's days of a school year, one by one."""
        extract = self.extract
        dates = sorted({row["date"] for row in extract.calendar if row["date"] <= extract.as_of})
        days: list[date] = []
        for each in dates:
            owner = self.owner(each, year)
            is_school_day = owner is not None and (owner, each, year) in extract.school_days
            if is_school_day and (not reported or each <= extract.reported_through.get(str(owner), date.max)):
                days.append(each)
        return days

    def identity(self) -> Row:
        as_of = self.extract.as_of
        spells = self.spells(self.extract.year)
        current = [row for row in spells if row["exit_date"] is None or row["exit_date"] >= as_of]
        candidates = current or spells
        latest = max(row["entry_date"] for row in candidates)
        chosen = min((row for row in candidates if row["entry_date"] == latest), key=lambda row: row["school_id"])
        return {
            "student_id": self.student_id,
            "school_id": chosen["school_id"],
            "grade_level": chosen["grade_level"],
            "school_year": self.extract.year,
            "is_enrolled": bool(current),
            "school_level": self.extract.levels[chosen["school_id"]],
        }

    def context(self) -> Row:
        year = self.extract.year
        return {
            "days_enrolled_ytd": len(self.days(year, reported=True)),
            "school_changes_ytd": self.school_changes(year),
            "school_changes_last_year": self.school_changes(year - 1) if self.spells(year - 1) else None,
            "is_first_time_grade_9": self.first_time_grade_9(),
        }

    def school_changes(self, year: int) -> int:
        ordered = sorted(self.spells(year), key=lambda row: (row["entry_date"], row["school_id"]))
        return sum(
            later["school_id"] != earlier["school_id"] and later["entry_date"] > earlier["entry_date"]
            for earlier, later in pairwise(ordered)
        )

    def first_time_grade_9(self) -> bool | None:
        year, grade = self.extract.year, self.identity()["grade_level"]
        if grade is None or not any(row["school_year"] < year for row in self.extract.calendar):
            return None
        before = [row for row in self.begun() if row["school_year"] < year]
        return grade == "9" and not any(row["grade_level"] in {"9", "10", "11", "12"} for row in before)

    # Attendance

    def missed(self, days: list[date]) -> dict[date, tuple[Fraction, bool]]:
        """The part of each day that was missed and whether it was excused: the largest record of the day."""
        missed: dict[date, tuple[Fraction, bool]] = {}
        for row in self.mine("attendance_events"):
            if row["date"] in days and row["status"] in {"excused", "unexcused"}:
                record = (exactly(row["fraction_absent"]), row["status"] == "excused")
                missed[row["date"]] = max(record, missed.get(row["date"], record))
        return missed

    def attendance(self) -> Row:
        days = self.days(self.extract.year, reported=True)
        missed = self.missed(days)
        row = self.year_to_date(days, missed)
        windows = {"first_20": days[:20], "last_10": days[-10:], "last_20": days[-20:], "last_45": days[-45:]}
        for name, window in windows.items():
            row |= rates(name, window, missed)
            row[f"absent_parts_{name}"] = parts(window, missed)
            if name.startswith("last"):
                row[f"days_unexcused_{name}"] = float(total(window, missed, excused=False))
        for number, name in enumerate(MONTH_NAMES, start=1):
            row |= rates(name, [each for each in days if each.month == number], missed)
        return row | self.months_of_full_days(days, missed) | self.course_of_the_year(days, missed) | self.last_year()

    def year_to_date(self, days: list[date], missed: dict[date, tuple[Fraction, bool]]) -> Row:
        elapsed = self.days(self.extract.year, reported=False)
        absent = total(days, missed)
        late = {row["date"] for row in self.mine("attendance_events") if row["status"] == "tardy"}
        row = rates("ytd", days, missed) | {
            "absent_parts_ytd": parts(days, missed),
            "days_excused_ytd": float(total(days, missed, excused=True)),
            "days_unexcused_ytd": float(total(days, missed, excused=False)),
            "full_days_absent_ytd": len(full_days(days, missed)),
            "full_days_excused_ytd": len(full_days(days, missed, excused=True)),
            "full_days_unexcused_ytd": len(full_days(days, missed, excused=False)),
            "tardies_ytd": len(late.intersection(days)),
            "chronically_absent": absent * 10 >= len(days) if days else None,
            "absence_band": band(absent, len(days)),
            "days_unreported_ytd": len(elapsed) - len(days),
        }
        suspensions = self.suspensions()
        if self.extract.covers_actions() and all(each["days"] is not None for each in suspensions):
            row["days_absent_suspended_ytd"] = float(total(self.suspended(days, suspensions), missed))
        return row

    def suspensions(self) -> list[Row]:
        begins = min(self.extract.year_starts(self.extract.year).values())
        return [row for row in self.actions() if row["action"] in SUSPENDED and row["start_date"] >= begins]

    def suspended(self, days: list[date], suspensions: list[Row]) -> list[date]:
        """The student's days inside the days that suspensions of this year imposed."""
        inside: set[date] = set()
        for row in suspensions:
            inside.update([each for each in days if each >= row["start_date"]][: math.ceil(row["days"])])
        return sorted(inside)

    def months_of_full_days(self, days: list[date], missed: dict[date, tuple[Fraction, bool]]) -> Row:
        as_of = self.extract.as_of
        row: Row = {}
        for kind in ("excused", "unexcused"):
            full = full_days(days, missed, excused=kind == "excused")
            by_month = [sum(each.month == month for each in full) for month in range(1, 13)]
            row[f"full_days_{kind}_month_max"] = max(by_month)
            row[f"full_days_{kind}_this_month"] = sum(
                (each.year, each.month) == (as_of.year, as_of.month) for each in full
            )
        return row

    def course_of_the_year(self, days: list[date], missed: dict[date, tuple[Fraction, bool]]) -> Row:
        recent, before = days[-20:], days[-40:-20]
        longest = run = 0
        full = full_days(days, missed)
        for each in days:
            run = run + 1 if each in full else 0
            longest = max(longest, run)
        since = [ago for ago, each in enumerate(reversed(days)) if each in missed]
        return {
            "absence_trend": difference(
                ratio(total(recent, missed), len(recent)), ratio(total(before, missed), len(before))
            ),
            "longest_absence_run": longest,
            "current_absence_run": run,
            "days_since_last_absence": min(since, default=None),
        }

    def last_year(self) -> Row:
        days = self.days(self.extract.year - 1, reported=True)
        if not days or not self.extract.covers_last_year("attendance"):
            return {}
        missed = self.missed(days)
        return rates("last_year", days, missed) | {"absent_parts_last_year": parts(days, missed)}

    # Behavior

    def incidents(self) -> list[Row]:
        return [row for row in self.mine("incidents") if row["date"] <= self.extract.as_of]

    def actions(self) -> list[Row]:
        """Actions that have started, with the school of their incident."""
        schools = {row["incident_id"]: row["school_id"] for row in self.incidents()}
        return [
            {**row, "school_id": schools[row["incident_id"]], "date": row["start_date"]}
            for row in self.mine("discipline_actions")
            if row["incident_id"] in schools and row["start_date"] <= self.extract.as_of
        ]

    def of_year(self, rows: list[Row], year: int) -> list[Row]:
        starts, next_starts = self.extract.year_starts(year), self.extract.year_starts(year + 1)
        is_last = year < self.extract.year
        return [
            row
            for row in rows
            if starts.get(row["school_id"], date.max) <= row["date"]
            and not (is_last and next_starts.get(row["school_id"], date.max) <= row["date"])
        ]

    def behavior(self) -> Row:
        year = self.extract.year
        days = self.days(year, reported=False)
        incidents = self.of_year(self.incidents(), year)
        row: Row = {}
        for severity in ("minor", "major"):
            some = [each for each in incidents if each["severity"] == severity]
            row |= {f"incidents_{severity}_{name}": len(inside) for name, inside in windows_of(some, days).items()}
        numbers = [number_of(each["date"], days) for each in incidents]
        kinds = {each["behavior"] for each in incidents} - {None}
        row |= {
            "incidents_ytd": len(incidents),
            "days_since_last_incident": max(len(days) - max(numbers), 0) if numbers else None,
            "distinct_behaviors_ytd": len(kinds) if kinds or not incidents else None,
            "share_of_days_with_incident_ytd": ratio(len(set(numbers)), len(days)),
        }
        known_last_year = bool(self.spells(year - 1)) and self.extract.covers_last_year("behavior")
        if known_last_year:
            row["incidents_last_year"] = len(self.of_year(self.incidents(), year - 1))
        return row | (self.exclusion(days, known_last_year) if self.extract.covers_actions() else {})

    def exclusion(self, days: list[date], known_last_year: bool) -> Row:
        year = self.extract.year
        actions = self.of_year(self.actions(), year)
        kinds = [each["action"] for each in actions]
        row: Row = {f"exclusion_days_{name}": imposed(inside) for name, inside in windows_of(actions, days).items()} | {
            "suspensions_ytd": sum(kind in SUSPENDED for kind in kinds),
            "in_school_suspensions_ytd": kinds.count("in_school_suspension"),
            "classroom_exclusions_ytd": kinds.count("classroom_exclusion"),
            "expulsions_ytd": sum(kind in EXPELLED for kind in kinds),
            "out_of_school_days_ytd": imposed([each for each in actions if each["action"] in SUSPENDED]),
        }
        if known_last_year:
            last = self.of_year(self.actions(), year - 1)
            row["suspensions_last_year"] = sum(each["action"] in SUSPENDED for each in last)
        return row

    # Coursework

    def grades(self) -> list[Row]:
        """Grades that are known."""
        return [row for row in map(judged, self.mine("course_grades")) if self.is_known(row)]

    def is_known(self, row: Row) -> bool:
        if row["graded_on"] is not None:
            return row["graded_on"] <= self.extract.as_of and row["school_year"] <= self.extract.year
        if row["school_year"] < self.extract.year:
            return True
        return row["school_year"] == self.extract.year and self.term_end(row) <= self.extract.as_of

    def planned_end(self, row: Row) -> date | None:
        """The last day of the term in the school's calendar."""
        return self.extract.last_day(
            lambda each: (
                (each["school_id"], each["school_year"], each["term"])
                == (row["school_id"], row["school_year"], row["term"])
            )
        )

    def term_end(self, row: Row) -> date:
        year = row["school_year"]
        ends = [
            self.planned_end(row),
            self.extract.last_day(lambda each: (each["school_id"], each["school_year"]) == (row["school_id"], year)),
            self.extract.last_day(lambda each: each["school_year"] == year),
        ]
        return next(end for end in ends if end is not None)

    def coursework(self) -> Row:
        grades, year = self.grades(), self.extract.year
        now = [row for row in grades if row["school_year"] == year]
        last = [row for row in grades if row["school_year"] == year - 1]
        row = self.terms(now) | self.credits(grades) | self.assignments(now)
        row["gpa_last_year"] = mean(each["grade_points"] for each in last)
        final = [each for each in last if each["is_final"]]
        row["course_failures_last_year"] = how_many("failing", final) if final else None
        row["percent_average_ytd"] = mean(each["percent"] for each in now)
        row["gpa_ytd"] = mean(each["grade_points"] for each in now)
        return row | finals([each for each in now if each["is_final"]])

    def terms(self, now: list[Row]) -> Row:
        dates: dict[str, date] = {}
        for row in now:
            place = self.place_of(row)
            dates[row["term"]] = max(place, dates.get(row["term"], place))
        marked = {row["term"] for row in now if row["has_mark"]}
        ordered = sorted(marked, key=lambda term: (dates[term], term), reverse=True)
        if not ordered:
            return {}
        latest = term_row([row for row in now if row["term"] == ordered[0]])
        before = [row for row in now if row["term"] in ordered[1:2]]
        percent, points = mean(row["percent"] for row in before), mean(row["grade_points"] for row in before)
        return latest | {
            "latest_term": ordered[0],
            "percent_average_previous_term": percent,
            "mark_trend": difference(latest["percent_average_latest_term"], percent),
            "gpa_trend": difference(latest["gpa_latest_term"], points),
        }

    def assignments(self, now: list[Row]) -> Row:
        told = [row for row in now if row["assignments"] and row["assignments_missing_or_late"] is not None]
        if not told:
            return {}
        places = {row["term"]: max(self.place_of(each) for each in told if each["term"] == row["term"]) for row in told}
        latest = max(places, key=lambda term: (places[term], term))
        flagged = sum(row["assignments_missing_or_late"] for row in told if row["term"] == latest)
        assigned = sum(row["assignments"] for row in told if row["term"] == latest)
        return {
            "assignments_latest_term": assigned,
            "missing_or_late_assignments": flagged,
            "missing_or_late_share": ratio(Fraction(flagged), assigned),
        }

    def place_of(self, row: Row) -> date:
        return self.planned_end(row) or row["graded_on"] or self.term_end(row)

    def credits(self, grades: list[Row]) -> Row:
        below = {
            row["school_year"] for row in self.begun() if row["grade_level"] in {"PK", "K", *map(str, range(1, 9))}
        }
        with_credits = {
            row["school_year"]
            for row in grades
            if row["is_final"] and not row["withdrawn"] and row["credits_attempted"] is not None
        } - below
        counted = [
            row for row in grades if row["school_year"] in with_credits and row["is_final"] and not row["withdrawn"]
        ]
        earned = sum((exactly(row["credits_earned"] or 0) for row in counted), Fraction(0)) if counted else None
        grade = self.identity()["grade_level"]
        completed = {"9": 0, "10": 1, "11": 2, "12": 3}.get(grade)
        expected = None if completed is None else 6 * completed
        reaches_back = (
            bool(with_credits) and completed is not None and min(with_credits) <= self.extract.year - completed
        )
        return {
            "credits_earned_total": None if earned is None else float(earned),
            "credits_expected": None if expected is None else float(expected),
            "credits_gap": float(max(expected - earned, 0)) if reaches_back and expected is not None else None,
        }


# Sums over days


def total(days: list[date], missed: dict[date, tuple[Fraction, bool]], *, excused: bool | None = None) -> Fraction:
    """Parts of days missed."""
    inside = [missed[each] for each in days if each in missed]
    return sum((part for part, is_excused in inside if excused in (None, is_excused)), Fraction(0))


def parts(days: list[date], missed: dict[date, tuple[Fraction, bool]]) -> int:
    whole = total(days, missed) * 25_200
    assert whole.denominator == 1
    return int(whole)


def full_days(
    days: list[date], missed: dict[date, tuple[Fraction, bool]], *, excused: bool | None = None
) -> list[date]:
    """Days missed by half or more."""
    return [
        each
        for each in days
        if each in missed and missed[each][0] >= Fraction(1, 2) and excused in (None, missed[each][1])
    ]


def rates(name: str, days: list[date], missed: dict[date, tuple[Fraction, bool]]) -> Row:
    absent = total(days, missed)
    return {
        f"days_enrolled_{name}": len(days),
        f"days_absent_{name}": float(absent),
        f"absence_rate_{name}": ratio(absent, len(days)),
    }


def absence_last_year(absent: Fraction | None, days: int | None) -> Row:
    """What follows from the days of a summary."""
    if absent is None:
        return {}
    rate = ratio(absent, days) if days else None
    return {
        "absent_parts_last_year": int(absent * 25_200),
        "days_absent_last_year": float(absent),
        "absence_rate_last_year": rate,
    }


def band(absent: Fraction, days: int) -> str | None:
    if not days:
        return None
    cuts = ((Fraction(1, 5), "severe"), (Fraction(1, 10), "moderate"), (Fraction(1, 20), "at_risk"))
    return next((name for cut, name in cuts if absent / days >= cut), "satisfactory")


def number_of(day: date, days: list[date]) -> int:
    """The place of a date among the student's days; one without school counts with the day before it."""
    return max(sum(each <= day for each in days), 1)


def windows_of(rows: list[Row], days: list[date]) -> dict[str, list[Row]]:
    """Rows by window."""
    placed = [(number_of(row["date"], days), row) for row in rows]
    inside = {"ytd": rows, "first_20": [row for number, row in placed if number <= 20]}
    return inside | {
        f"last_{length}": [row for number, row in placed if number > len(days) - length] for length in (10, 20, 45)
    }


def imposed(actions: list[Row]) -> float | None:
    if any(row["days"] is None for row in actions):
        return None
    return float(sum((exactly(row["days"]) for row in actions), Fraction(0)))


# Marks


def judged(row: Row) -> Row:
    """A grade with what its mark and percent say."""
    mark, percent = (row["mark"] or "").strip().upper(), row["percent"]
    if mark in FAILED | NEARLY_FAILED | PASSED:
        failing, near = mark in FAILED, mark in NEARLY_FAILED
    elif percent is not None:
        failing, near = percent < 60, 60 <= percent < 70
    else:
        failing = near = None
    is_f = mark in FAILED or (percent is not None and percent < 65)
    is_d = mark in NEARLY_FAILED if percent is None else 65 < percent <= 69
    return {
        **row,
        "has_mark": bool(mark) or percent is not None,
        "failing": failing,
        "near": near,
        "is_f": is_f,
        "is_d": is_d and not is_f,
        "incomplete": mark in INCOMPLETE,
        "withdrawn": mark in WITHDRAWN,
    }


def how_many(name: str, rows: list[Row]) -> int | None:
    """How many are known to be so; None where there are rows and nothing is known of any."""
    known = [each[name] for each in rows if each["failing"] is not None]
    return None if rows and not known else sum(known)


def term_row(rows: list[Row]) -> Row:
    """Indicators of the latest term."""
    core = [each for each in rows if each["is_core"]]
    row: Row = {
        "courses_latest_term": sum(each["has_mark"] for each in rows),
        "missing_marks": sum(not each["has_mark"] for each in rows),
        "percent_average_latest_term": mean(each["percent"] for each in rows),
        "gpa_latest_term": mean(each["grade_points"] for each in rows),
        "failing_courses": how_many("failing", rows),
        "failing_core_courses": how_many("failing", core),
        "near_failing_core_courses": how_many("near", core),
        "f_marks_latest_term": how_many("is_f", rows),
        "d_marks_latest_term": how_many("is_d", rows),
    }
    for subject in ("english", "math"):
        some = [each for each in rows if each["subject"] == subject]
        outcomes = [each["failing"] for each in some if each["failing"] is not None]
        row[f"failing_{subject}"] = any(outcomes) if outcomes else None
        row[f"percent_{subject}"] = mean(each["percent"] for each in some)
    return row


def finals(rows: list[Row]) -> Row:
    """Indicators of this year's final marks."""
    if not rows:
        return {}
    row: Row = {
        "course_failures_ytd": how_many("failing", rows),
        "core_semester_failures_ytd": how_many("failing", [each for each in rows if each["is_core"]]),
        "incomplete_marks_ytd": sum(each["incomplete"] for each in rows),
    }
    counted = [each for each in rows if not each["withdrawn"]]
    if any(each["credits_attempted"] is not None for each in counted):
        attempted = sum((exactly(each["credits_attempted"] or 0) for each in counted), Fraction(0))
        earned = sum((exactly(each["credits_earned"] or 0) for each in counted), Fraction(0))
        row |= {
            "credits_attempted_ytd": float(attempted),
            "credits_earned_ytd": float(earned),
            "credits_attempted_not_earned_ytd": float(attempted - earned),
        }
    return row


def complete(rows: list[Row], columns: Iterable[str]) -> list[dict[str, Any]]:
    """Rows with every column, None where the plain definition has no value."""
    return [{name: row.get(name) for name in columns} for row in rows]
