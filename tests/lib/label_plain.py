"""Every label once more, in plain Python: one student, one enrollment, one day after the other.

Written from the definitions (docs/labels.md) and not from the library. The property tests compare the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from cis_ews.schema.school_data import SchoolData
from tests.lib.builders import Row
from tests.lib.plain_indicators import FAILED, NEARLY_FAILED, PASSED, SUSPENDED, Child, Extract, total

Judged = tuple[bool | None, str | None]
GRADE_NUMBERS = {"9": 9, "10": 10, "11": 11, "12": 12}
TRANSFERRED = "transferred out before the end of the horizon"
LEFT = "left before the end of the horizon, and the records do not say how"
EXTRACT_ENDS = "the extract ends before the horizon"
YEAR_IS_OVER = "the school's year was over on the as-of date"
NOT_REPORTED = "the school has not reported all absences of the horizon"


class RefusedError(Exception):
    """The extract cannot tell this label of anybody."""


def plain_labels(school_data: SchoolData, as_of: date, name: str) -> dict[str, Judged]:
    """Label and reason of every student of the cohort; raises RefusedError."""
    years = Years(school_data, as_of)
    outcome, whole = name.removesuffix("_whole_year"), name.endswith("_whole_year")
    years.check(outcome, whole=whole)
    return {
        each.student_id: each.judged(outcome, whole=whole)
        for each in (Future(years, student_id) for student_id in years.now.students())
        if each.is_in_cohort()
    }


@dataclass(frozen=True)
class YearExtract(Extract):
    """What is known at the end of a given school year."""

    given_year: int

    @cached_property
    def year(self) -> int:
        return self.given_year


@dataclass(frozen=True)
class Years:
    """An extract, seen from the as-of date and from the end of its school year."""

    school_data: SchoolData
    as_of: date

    @cached_property
    def now(self) -> Extract:
        return Extract(self.school_data, self.as_of)

    @cached_property
    def at_end(self) -> YearExtract:
        return YearExtract(self.school_data, self.last_day(self.now.year), self.now.year)

    def last_day(self, year: int, school_id: str | None = None) -> date:
        """The last school day of a year, anywhere or in one school; date.min where there is none."""
        days = (
            row["date"]
            for row in self.now.calendar
            if row["school_year"] == year and row["is_instructional"] and school_id in (None, row["school_id"])
        )
        return max(days, default=date.min)

    @cached_property
    def a_year_later(self) -> date:
        return self.as_of.replace(year=self.as_of.year + 1)

    @cached_property
    def known_through(self) -> date:
        coverage = self.school_data.coverage
        said = {*coverage.last_reported.values(), coverage.attendance.last, coverage.behavior.last} - {None}
        dated = [day for day in (said or {coverage.coursework.last}) if day is not None]
        if not dated:
            raise RefusedError
        last = max(dated) + timedelta(days=0 if coverage.reporting_known else 14)
        over = [year for year in {row["school_year"] for row in self.now.calendar} if self.last_day(year) <= last]
        return max([last, *(date(year, 8, 31) for year in over)])

    def check(self, outcome: str, *, whole: bool) -> None:
        """Refuse what the extract does not cover or reach."""
        if all(row["date"] > self.as_of for row in self.now.calendar):
            raise RefusedError
        covered = {
            "chronic_absence": self.now.covers("attendance"),
            "course_failure": self.now.covers("coursework"),
            "exclusion": self.now.covers_actions(),
        }
        if not covered.get(outcome, any(covered.values()) or outcome != "off_track"):
            raise RefusedError
        if self.earliest_end(outcome) > self.known_through:
            raise RefusedError
        of_a_year = outcome in {*covered, "off_track"}
        if of_a_year and not whole and self.last_day(self.now.year) <= self.as_of:
            raise RefusedError

    def earliest_end(self, outcome: str) -> date:
        year = self.now.year
        if outcome == "dropped_out":
            return self.a_year_later
        if outcome == "not_graduated_on_time":
            return date(year, 8, 31)
        schools = {row["school_id"] for row in self.now.calendar if row["school_year"] == year}
        return min(self.last_day(year, each) for each in schools)


@dataclass(frozen=True)
class Future:
    """One student, and what became of them."""

    years: Years
    student_id: str

    @cached_property
    def now(self) -> Child:
        return Child(self.years.now, self.student_id)

    @cached_property
    def grade(self) -> str | None:
        return self.now.identity()["grade_level"]

    def is_in_cohort(self) -> bool:
        return bool(self.now.identity()["is_enrolled"]) and self.grade != "PK"

    def judged(self, outcome: str, *, whole: bool) -> Judged:
        if outcome == "dropped_out":
            return self.dropped_out()
        if outcome == "not_graduated_on_time":
            return self.not_graduated()
        return self.of_year(outcome, since=date.min if whole else self.years.as_of)

    # Enrollments

    def stays(self) -> list[Row]:
        """Enrollments of any year, in the order in which they end."""
        rows = [row | self.ends(row) for row in self.years.now.enrollments if row["student_id"] == self.student_id]
        by_school = sorted(rows, key=lambda row: row["school_id"], reverse=True)
        return sorted(by_school, key=lambda row: (row["last_day"], row["entry_date"]))

    def ends(self, row: Row) -> Row:
        year = row["school_year"]
        year_end = self.years.last_day(year, row["school_id"])
        if year_end == date.min:
            year_end = self.years.last_day(year)
        if year_end == date.min:
            year_end = row["exit_date"] or row["entry_date"]
        last_day = max(row["exit_date"] or year_end, row["entry_date"])
        goes_on = last_day >= year_end and row["exit_type"] in {None, "other"}
        until = max(last_day, date(year, 8, 31)) if goes_on else last_day
        return {"year_end": year_end, "last_day": last_day, "until": until}

    # Labels of a school year

    def of_year(self, outcome: str, *, since: date) -> Judged:
        stays = [row for row in self.stays() if row["school_year"] == self.years.now.year]
        begun = [row for row in stays if max(row["entry_date"], since + timedelta(days=1)) <= row["year_end"]]
        if not begun:
            return None, YEAR_IS_OVER
        last = begun[-1]
        gone = self.why_gone(begun, there=last["last_day"] >= last["year_end"], since=since)
        if last["year_end"] > self.years.known_through:
            gone = EXTRACT_ENDS
        if gone:
            return None, gone
        parts = {
            "chronic_absence": self.chronic(last, since=since),
            "course_failure": self.failed(since=since),
            "exclusion": self.excluded(since=since),
        }
        if outcome != "off_track":
            return parts[outcome]
        return self.off_track(parts, dropped=last["exit_type"] == "dropped_out" and last["last_day"] > since)

    def off_track(self, parts: dict[str, Judged], *, dropped: bool) -> Judged:
        if parts["chronic_absence"][1] == NOT_REPORTED:
            return None, NOT_REPORTED
        if dropped or any(value for value, _ in parts.values()):
            return True, None
        if any(value is not None for value, _ in parts.values()):
            return False, None
        return None, "the records speak of no part of the label"

    def why_gone(self, begun: list[Row], *, there: bool, since: date) -> str | None:
        """Why a student who is not there any more is not judged."""
        last = begun[-1]
        if there or any(row["exit_type"] == "graduated" and row["last_day"] <= row["year_end"] for row in begun):
            return None
        if last["exit_type"] == "dropped_out":
            return "dropped out on the as-of date itself" if last["last_day"] <= since else None
        return TRANSFERRED if last["exit_type"] == "transfer" else LEFT

    def chronic(self, last: Row, *, since: date) -> Judged:
        if not self.years.now.covers("attendance"):
            return None, "not covered"
        year = self.years.now.year
        child = Child(self.years.at_end, self.student_id)
        every_day = [each for each in child.days(year, reported=False) if each > since]
        days = [each for each in child.days(year, reported=True) if each > since]
        last_reported = self.years.now.reported_through.get(last["school_id"], date.max)
        if len(days) < len(every_day) or last_reported < last["year_end"]:
            return None, NOT_REPORTED
        if len(days) < 10:
            return None, "fewer than 10 school days in the horizon"
        return total(days, child.missed(days)) * 10 >= len(days), None

    def failed(self, *, since: date) -> Judged:
        year, end = self.years.now.year, self.years.last_day(self.years.now.year)
        child = Child(self.years.at_end, self.student_id)
        fails: list[bool] = []
        finals = [row for row in child.mine("course_grades") if row["school_year"] == year and row["is_final"]]
        for row in finals:
            known_on = row["graded_on"] or child.term_end(row)
            if since < min(known_on, end) and known_on <= date(year, 8, 31):
                fails += fails_course(row)
        return (any(fails), None) if fails else (None, "no final mark in the horizon")

    def excluded(self, *, since: date) -> Judged:
        if not self.years.now.covers_actions():
            return None, "not covered"
        end, starts = self.years.at_end.as_of, self.years.at_end.year_starts(self.years.now.year)
        incidents = {row["incident_id"]: row for row in self.now.mine("incidents") if row["date"] <= end}
        for row in self.now.mine("discipline_actions"):
            incident = incidents.get(row["incident_id"])
            first = starts.get(incident["school_id"], date.max) if incident else date.max
            if row["action"] in SUSPENDED and since < row["start_date"] <= end and first <= row["start_date"]:
                return True, None
        return False, None

    # Labels of more than a year

    def dropped_out(self) -> Judged:
        as_of, horizon = self.years.as_of, self.years.a_year_later
        if self.grade not in {"7", "8", *GRADE_NUMBERS}:
            return None, "grade not covered by the label"
        begun = [row for row in self.stays() if row["entry_date"] <= horizon]
        graduated = any(row["exit_type"] == "graduated" and row["last_day"] <= horizon for row in begun)
        there = any(row["until"] >= horizon for row in self.stays())
        last = begun[-1]
        if last["exit_type"] == "dropped_out" and as_of < last["last_day"] <= horizon and not graduated:
            return True, None
        if there or graduated:
            return False, None
        if last["exit_type"] == "dropped_out":
            return None, "dropped out on the as-of date itself"
        return None, TRANSFERRED if last["exit_type"] == "transfer" else LEFT

    def not_graduated(self) -> Judged:
        if self.grade not in GRADE_NUMBERS:
            return None, "grade not covered by the label"
        so_far = [row for row in self.stays() if row["school_year"] <= self.years.now.year]
        in_9 = [row["school_year"] for row in so_far if row["grade_level"] == "9"]
        on_pace = [
            row["school_year"] - GRADE_NUMBERS[row["grade_level"]] + 9
            for row in so_far
            if row["grade_level"] in GRADE_NUMBERS
        ]
        due = date(min(in_9 or on_pace) + 3, 8, 31)
        if due < self.years.as_of:
            return None, "was due to graduate before the as-of date"
        begun = [row for row in self.stays() if row["entry_date"] <= due]
        if any(row["exit_type"] == "graduated" and row["last_day"] <= due for row in begun):
            return False, None
        if due > self.years.known_through:
            return None, EXTRACT_ENDS
        if begun[-1]["exit_type"] == "dropped_out" or any(row["until"] >= due for row in self.stays()):
            return True, None
        return None, TRANSFERRED if begun[-1]["exit_type"] == "transfer" else LEFT


def fails_course(row: Row) -> list[bool]:
    """Whether a mark fails the course; nothing where it is no grade."""
    mark = (row["mark"] or "").strip().upper()
    if mark in FAILED | NEARLY_FAILED | PASSED:
        return [mark in FAILED]
    return [] if row["percent"] is None else [row["percent"] < 60]
