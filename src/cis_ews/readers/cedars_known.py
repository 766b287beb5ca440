"""What CEDARS files say by a day: nothing is made of a row that is dated later, and no tolerance is a share of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from cis_ews.readers.cedars_roster import begins_later
from cis_ews.readers.cells import iso_dates
from cis_ews.readers.ledger import Ledger
from cis_ews.schema.coverage import known_grades
from cis_ews.schema.parsing import DATE_FORMAT
from cis_ews.wording import counted

DISCIPLINE = ("incidents", "discipline_actions")
OF_STUDENTS: Mapping[str, tuple[str, str, str]] = {
    "B": ("students", "student", "students"),
    "H": ("course_grades", "mark of students who are enrolled later", "marks of students who are enrolled later"),
    "L": ("demographics", "ethnicity", "ethnicities"),
    "M": ("demographics", "race", "races"),
}
"""File -> its table, and what one row and several are called that are of students who are enrolled later."""


@dataclass(frozen=True, slots=True)
class Day:
    """The day as of which is read."""

    as_of: date
    ledger: Ledger

    def known_rows(self, rows: Mapping[str, pl.DataFrame], bounds: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """The rows of all files without those that are dated later, each counted.

        `rows`: those of C with `year`. `bounds`: of the school years. Students who are enrolled later alone are not
        known yet, and nor is anything of them. Where all enrollments are later they stay, and whoever asks for the
        students of that day says that there are none. A row whose date cannot be read stays, for the contract to
        reject.
        """
        known = dict(rows)
        if "N" in rows:
            later = self._is_later(rows["N"], "date")
            words = "absence", "absences"
            known["N"] = self._without(rows["N"], later, tables=("attendance_events",), words=words)
        if "R" in rows:
            later = self._is_later(rows["R"], "incident_date")
            words = "row of an incident", "rows of incidents"
            known["R"] = self._without(rows["R"], later, tables=DISCIPLINE, words=words)
        later = begins_later(rows["C"], bounds, self.as_of)
        if later.all():
            return known
        known["C"] = self._without(rows["C"], later, tables=("enrollments",), words=("enrollment", "enrollments"))
        if "E" in rows:
            known["E"] = self._schedule(rows["E"], known["C"], rows["C"].filter(later))
        return self._of_enrolled(known, rows["C"].filter(later))

    def known_actions(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows of R whose action is not of a later day than the incident's."""
        later = self._is_later(rows, "action_date")
        return self._without(rows, later, tables=("discipline_actions",), words=("action", "actions"))

    def known_marks(self, rows: pl.DataFrame, calendar: pl.DataFrame) -> pl.DataFrame:
        """The marks, with `school_id`, `school_year` and `term` as written, of terms or years that are over.

        `calendar`: as it came; one that lacks a column tells of no day, and the contract will refuse it.
        """
        if not {"school_id", "school_year", "date"} <= set(calendar.columns):
            return rows
        year = pl.col("school_year").cast(pl.String).cast(pl.Int16, strict=False)
        days = calendar.select(
            pl.col("school_id").cast(pl.String),
            year,
            pl.col("term").cast(pl.String) if "term" in calendar.columns else pl.lit(None, pl.String).alias("term"),
            pl.col("date").cast(pl.String).str.to_date(DATE_FORMAT, strict=False),
        )
        undated = rows.select("school_id", year, "term", graded_on=pl.lit(None, dtype=pl.Date))
        later = (known_grades(undated, days)["graded_on"] > self.as_of).fill_null(value=False)
        return self._without(rows, later, tables=("course_grades",), words=("mark", "marks"))

    def _schedule(self, rows: pl.DataFrame, enrolled: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
        """The rows of E without those at a school in which the student is enrolled later alone: E itself has no day."""
        of_school = ["student_id", "location", "year"]
        only_later = later.join(enrolled, on=of_school, how="anti")
        known = rows.join(only_later, on=of_school, how="anti", maintain_order="left")
        count = rows.height - known.height
        words = "row of E (Student Schedule) is", "rows of E (Student Schedule) are"
        self.ledger.note(f"course_grades: {counted(count, *words)} of enrollments after {self.as_of}; not used", count)
        return known

    def _of_enrolled(self, rows: dict[str, pl.DataFrame], later: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """The rows without those of students who are enrolled later alone, and without what B says of later days.

        A row of B of a later day stays where nothing else tells of a student who is enrolled.
        """
        unknown = later.join(rows["C"], on="student_id", how="anti").select("student_id").unique()
        for letter in (each for each in OF_STUDENTS if each in rows):
            table, *words = OF_STUDENTS[letter]
            is_unknown = rows[letter]["student_id"].is_in(unknown["student_id"].implode()).fill_null(value=False)
            rows[letter] = self._without(rows[letter], is_unknown, tables=(table,), words=(words[0], words[1]))
        is_later = self._is_later(rows["B"], "enrolled")
        told = rows["B"].filter(~is_later).select("student_id")
        untold = rows["C"].join(told, on="student_id", how="anti").select("student_id").unique()
        is_needed = rows["B"]["student_id"].is_in(untold["student_id"].implode()).fill_null(value=False)
        words = "row of a student", "rows of students"
        rows["B"] = self._without(rows["B"], is_later & ~is_needed, tables=("students",), words=words)
        return rows

    def _is_later(self, rows: pl.DataFrame, column: str) -> pl.Series:
        written = iso_dates(rows.select(column), "", (column,), ledger=Ledger())[column]
        return (written.str.to_date(DATE_FORMAT, strict=False) > self.as_of).fill_null(value=False)

    def _without(
        self, rows: pl.DataFrame, later: pl.Series, *, tables: tuple[str, ...], words: tuple[str, str]
    ) -> pl.DataFrame:
        for table in tables:
            self.ledger.put_off(table, int(later.sum()), as_of=self.as_of, words=words)
        return rows.filter(~later) if later.any() else rows
