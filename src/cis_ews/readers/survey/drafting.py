"""A match becomes the reading of a table: its settings, what is computed where no column says it, and its questions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import polars as pl

from cis_ews.readers.codes import Plain
from cis_ews.readers.mapping_table import school_year
from cis_ews.readers.survey.coding import codes_of, cores_of, fractions_of, has_spans, year_ends
from cis_ews.readers.survey.dating import Form, form_of, formats_of, question_of
from cis_ews.readers.survey.files import SourceTable
from cis_ews.readers.survey.findings import Beside, Codes, Reading, TableReading
from cis_ews.readers.survey.hints import LOOK_FOR
from cis_ews.readers.survey.matching import APART, COMPUTED, JOINED, ColumnMatch, TableMatch
from cis_ews.readers.survey.profile import YEAR
from cis_ews.readers.survey.values import KEYS, columns_of, is_ticked
from cis_ews.readers.survey.words import SAME_NAME, code_of, name_score, speaks
from cis_ews.schema.school_data import REQUIRED_TABLES
from cis_ews.wording import counted

YEAR_STARTS = "07-01"  # as `school_year_starts` of a mapping, where it is not given
CLOSE = 0.1
AGREES = 0.99
LOST = 0.2  # share of ids that join another file but for their writing
FULL_YEARS = 2.5
ONCE = 0.95
HIGHEST_POINTS = 5
SCHOOLDAYS = frozenset(("date", "start_date", "entry_date", "reported_through"))
NO_HEADING = "no heading of the files is one that is known here"


@dataclass(frozen=True, slots=True)
class _Work(Beside):
    """One table on its way to a reading: it is filled step by step."""

    match: TableMatch
    beside: Sequence[SourceTable]
    has_enrollments: bool
    readings: dict[str, Reading] = field(default_factory=dict[str, Reading])
    forms: dict[str, Form] = field(default_factory=dict[str, Form])

    @property
    def table(self) -> str:
        return self.match.table

    def place(self, column: str) -> str:
        return str(self.match.columns[column].profile.place)

    def cells(self, column: str) -> pl.DataFrame:
        """What the rule asks that says which codes may be shown: `code`, `student`, null where no column is an id: its
        rows may all be of one student."""
        cells = self.match.source.cells
        student = pl.col(self.place("student_id")) if "student_id" in self.readings else pl.lit(None, pl.String)
        return cells.select(pl.col(self.place(column)).alias("code"), student.alias("student"))


def reading_of(
    match: TableMatch, *, rival: TableMatch | None, sources: Sequence[SourceTable], has_enrollments: bool
) -> TableReading:
    """The reading of one table.

    `rival`: a file that might be it as well. `has_enrollments`: whether a school that no column names can be told.
    """
    own_first = sorted(sources, key=lambda each: each is not match.source)
    work = _Work(match, own_first, has_enrollments)
    for column, each in match.columns.items():
        if each.profile.is_shown:
            work.readings[column] = _reading(work, column, each)
        elif not columns_of(match.table)[column].nullable:
            work.open[column] = (
                f"column {each.profile.place + 1} of {match.source.name} looks like it: give its heading"
            )
    _say_files(work, rival)
    _say_dates(work)
    _say_codes(work)
    _say_ticks(work)
    _say_credits(work)
    _say_years(work)
    _fill(work)
    _say_days(work)
    _say_unfit(work)
    return _finished(work)


def _reading(work: _Work, column: str, match: ColumnMatch) -> Reading:
    score, question = match.score, None
    if match.rival is not None and match.score - match.rival_score < CLOSE:
        score -= 0.5 * (CLOSE - (match.score - match.rival_score)) / CLOSE * (1 - match.score + 0.4)
        if match.rival.is_shown:
            question = f'"{match.profile.heading}", or "{match.rival.heading}", which looks as much like it?'
    if column == "percent" and match.profile.numbers and match.profile.highest <= HIGHEST_POINTS:
        question = f"no cell is above {HIGHEST_POINTS}: is it percent, or is it grade_points, or a part of 1?"
    if match.joins is not None and match.alike is not None and match.alike - match.joins > LOST:
        question = (
            f"{_percent(match.joins)} of its values are in another file as they are written, {_percent(match.alike)} "
            "without case and leading zeros: can both be exported as text?"
        )
    elif match.joins is not None and match.joins < APART:
        question = (
            f"{_percent(match.joins)} of its values are in another file: is it the id that the other files have, or "
            "does another column hold that?"
        )
    return Reading(
        column=column,
        heading=match.profile.heading,
        reasons=tuple(_reasons(work, match)),
        score=round(max(0.05, min(score, work.match.score + 0.35)), 2),
        question=question,
    )


def _reasons(work: _Work, match: ColumnMatch) -> list[str]:
    found: list[str] = []
    if match.by_name >= SAME_NAME:
        found.append("by name")
    elif match.by_name >= 0.4:
        found.append("by a name like it")
    if match.by_values is None:
        found.append("no values to look at")
    elif match.by_name < SAME_NAME and match.column not in KEYS:
        found.append("by its values")
    if match.joins is not None and match.joins >= JOINED:
        found.append(f"{_percent(match.joins)} of its values join another file")
    key = [name for name, column in columns_of(work.table).items() if column.primary_key]
    if key == [match.column] and match.profile.count > 1 and match.profile.unique == 1:
        found.append("no value twice")
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _say_files(work: _Work, rival: TableMatch | None) -> None:
    source = work.match.source
    if rival is not None:
        work.questions["files"] = (
            f"{' and '.join(each.name for each in (source, rival.source))} both look like {work.table}: "
            f"{source.name} ({counted(source.rows, 'row')} "
            f"in the sample) or {rival.source.name} ({rival.source.rows:,})?"
        )
    if source.delimiter is not None:
        work.settings["delimiter"] = (source.delimiter, "the readers do not find it out by themselves")


def _say_dates(work: _Work) -> None:
    for column in work.readings:
        profile = work.match.columns[column].profile
        if columns_of(work.table)[column].dtype == pl.Date and profile.dates:
            work.forms[column] = form_of(profile, is_schoolday=column in SCHOOLDAYS, beside=work.beside)
    formats = formats_of(work.forms.values(), [work.match.columns[each].profile for each in work.forms])
    if formats:
        reasons = {form.written: form.reason for form in work.forms.values()}
        work.settings["date_formats"] = (formats, "; ".join(reasons.values()))
    question = question_of(list(work.forms.values()))
    if question:
        work.questions["date_formats"] = question


def _say_codes(work: _Work) -> None:
    for column in work.readings:
        codes = codes_of(work.table, column, work.match.columns[column].profile, cells=work.cells(column))
        if codes is not None:
            work.codes[column] = codes


def _say_ticks(work: _Work) -> None:
    """A column of ticks alone says no by an empty cell."""
    for column in work.readings:
        profile = work.match.columns[column].profile
        if columns_of(work.table)[column].dtype == pl.Boolean and is_ticked(profile) and profile.filled < 1:
            work.defaults[column] = (False, "where there is no tick")


def _say_credits(work: _Work) -> None:
    """The contract counts credits in full-year courses; elsewhere such a course has five or ten."""
    profile = getattr(work.match.columns.get("credits_attempted"), "profile", None)
    if work.table != "course_grades" or profile is None or profile.highest <= FULL_YEARS:
        return
    question = (
        f"courses have more than {FULL_YEARS} credits, and a full-year course is 1 here: is it 10 there, or what?"
    )
    for column in ("credits_attempted", "credits_earned"):
        if column in work.readings:
            work.factors[column] = (0.1, question)


def _say_years(work: _Work) -> None:
    """A school year by the year in which it begins, or as a pair, is written anew; a date says it best."""
    if "school_year" not in work.readings:
        return
    profile = work.match.columns["school_year"].profile
    computed = _agreement(work, ends=0)
    if has_spans(profile):
        ends = year_ends(profile)
        work.codes["school_year"] = Codes(known=ends, hidden=len(set(profile.codes) - set(ends)))
    elif computed is not None and computed < AGREES and (_agreement(work, ends=1) or 0.0) >= AGREES:
        # Years alone: an id that has slid into the column is shown to nobody.
        years = sorted(code for code in profile.codes if re.fullmatch(YEAR, code, re.ASCII))
        known: dict[str, Plain] = {code: int(code) + 1 for code in years}
        work.codes["school_year"] = Codes(known=known, hidden=len(set(profile.codes) - set(years)))


def _agreement(work: _Work, *, ends: int) -> float | None:
    """The share of rows whose school year, `ends` years later, is that of the row's date; None without dates."""
    column = next((each for each in COMPUTED["school_year"] if each in work.forms), None)
    if column is None:
        return None
    cells = work.match.source.cells
    day = cells[work.place(column)].str.to_date(work.forms[column].written, strict=False)
    year = cells[work.place("school_year")].cast(pl.Int64, strict=False) + ends
    said = pl.select(school_year(pl.lit(day), YEAR_STARTS)).to_series()
    same = (said == year).drop_nulls()
    return float(same.mean() or 0.0) if len(same) else None  # pyright: ignore[reportArgumentType]


def _fill(work: _Work) -> None:
    """Columns that must be filled and that no column of the files is: computed, or asked for."""
    for name, column in columns_of(work.table).items():
        if not column.nullable and name not in work.readings and not _computed(work, name):
            twice = _heading_twice(work, name)
            looked = LOOK_FOR.get((work.table, name)) or LOOK_FOR.get(("", name), NO_HEADING)
            work.open.setdefault(name, twice or looked)


def _heading_twice(work: _Work, name: str) -> str | None:
    """What is to be said where a column is not found since several are called as it is."""
    for heading in sorted(work.match.source.twice):
        if speaks(heading) and name_score(heading, work.table, name) >= SAME_NAME:
            count = work.match.source.headings.count(heading)
            return f'{count} columns are called "{heading}", and a mapping cannot tell them apart: rename them'
    return None


def _computed(work: _Work, name: str) -> bool:
    if name == "school_id" and work.table != "enrollments" and "student_id" in work.readings and work.has_enrollments:
        work.settings["school_from_enrollments"] = (True, "its files name no school: that of the student's enrollment")
        return True
    if name == "school_year":
        day = next((each for each in COMPUTED[name] if each in work.readings), None)
        if day and not (work.table == "course_grades" and work.match.columns[day].profile.filled < AGREES):
            work.settings["school_year_from"] = (day, f"no column says it: a year begins on {YEAR_STARTS}")
            return True
    if name == "fraction_absent" and "status" in work.readings:
        return _from_codes(work, name, "status")
    if name == "is_core" and "subject" in work.readings:
        return _from_codes(work, name, "subject")
    if name == "is_instructional" and work.forms.get("date") and not _weekends(work):
        work.constants[name] = (True, "no column says it, and no day of the file is a Saturday or Sunday")
        used = {reading.heading for reading in work.readings.values()}
        if any(each.distinct == len((True, False)) and each.heading not in used for each in work.match.source.profiles):
            work.questions[name] = (
                "a column of two values is not used (below): does it say which days are no school days?"
            )
        return True
    return False


def _weekends(work: _Work) -> float:
    return work.match.columns["date"].profile.weekend[work.forms["date"].written]


def _from_codes(work: _Work, name: str, source: str) -> bool:
    """A second column out of the codes of one: what an attendance code says of the day, whether a subject is core."""
    profile = work.match.columns[source].profile
    codes = work.codes.get(source) or Codes(known={code: code for code in sorted(profile.codes)})
    values = fractions_of(codes.known) if name == "fraction_absent" else cores_of(codes.known)
    work.codes[name] = replace(codes, known=values, questions={})
    reading = work.readings[source]
    why = "all of the day for an absence" if name == "fraction_absent" else "English, math, science, social studies"
    score = round(min(reading.score, 0.8), 2)
    work.readings[name] = replace(
        reading, column=name, reasons=(f"by the same codes: {why}",), score=score, question=None
    )
    return True


def _say_days(work: _Work) -> None:
    """Attendance by class period: the rows of a day become one."""
    if work.table != "attendance_events" or not {"student_id", "date"} <= set(work.readings):
        return
    key = [each for each in ("student_id", "school_id", "date") if each in work.readings]
    once = work.match.source.uniqueness([work.match.columns[each].profile.place for each in key])
    if once >= ONCE:
        return
    work.settings["merge"] = ("day", f"{_percent(1 - once)} of the rows are further ones of the same student and day")
    codes = work.match.columns["status"].profile.codes if "status" in work.match.columns else ()
    if not any(code_of("status", code) == "present" for code in codes):
        work.questions["merge"] = (
            "the part of the day is the mean over the rows of the day, and periods attended have no row: "
            "can they be exported too, or is a row a whole day?"
        )


def _say_unfit(work: _Work) -> None:
    """A column that is called as one of the contract and holds something else: silence would hide it."""
    used = {reading.heading for reading in work.readings.values()}
    for each in work.match.source.profiles:
        for name, column in columns_of(work.table).items():
            is_free = column.nullable and name not in work.readings and each.is_shown and each.heading not in used
            if is_free and name_score(each.heading, work.table, name) >= SAME_NAME:
                unfit = f'"{each.heading}" is called so, and its cells are not what is asked (docs/formats.md): why?'
                work.questions[name] = _heading_twice(work, name) or unfit


def _finished(work: _Work) -> TableReading:
    source, columns = work.match.source, columns_of(work.table)
    used = {reading.heading for reading in work.readings.values()}
    others = [each for each in source.profiles if each.heading and each.heading not in used]
    order = {name: at for at, name in enumerate(columns)}
    beside: dict[str, Any] = {each.name: getattr(work, each.name) for each in fields(Beside)}
    for by_column in ("codes", "open"):
        beside[by_column] = {name: beside[by_column][name] for name in sorted(beside[by_column], key=order.__getitem__)}
    return TableReading(
        table=work.table,
        files=source.files,
        rows=source.rows,
        is_whole=source.is_whole,
        score=round(min(work.match.score + 0.15, 0.99), 2),
        reasons=tuple(_table_reasons(work)),
        columns=tuple(sorted(work.readings.values(), key=lambda each: order[each.column])),
        **beside,
        unused=tuple(
            each.heading + " (not alone)" * (each.heading in source.twice) for each in others if each.is_shown
        ),
        hidden=tuple(each.place + 1 for each in others if not each.is_shown),
        is_held_back=bool(work.open) and work.table not in REQUIRED_TABLES,
    )


def _table_reasons(work: _Work) -> list[str]:
    found = ["by the file's name"] if work.match.by_file_name >= JOINED else []
    if work.match.source.dropped:
        found.append(f"{counted(work.match.source.dropped, 'sampled line')} with another number of cells")
    return [*found, f"{len(work.readings)} of its {len(columns_of(work.table))} columns found"]
