"""CEDARS files of a district in Washington, tab or comma, in a folder or a zip (docs/cedars.md)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl

from cis_ews.enums import AttendanceStatus, Domain, Severity
from cis_ews.readers.base import ReadOptions, join_files, read_file
from cis_ews.readers.cedars_config import CedarsConfig
from cis_ews.readers.cedars_demographics import demographics_of
from cis_ews.readers.cedars_events import absences_of, discipline_of
from cis_ews.readers.cedars_fields import COLUMNS, TITLES
from cis_ews.readers.cedars_files import CedarsSource, find_files, read_letter
from cis_ews.readers.cedars_grades import at_scheduled_schools, course_grades_of
from cis_ews.readers.cedars_known import Day
from cis_ews.readers.cedars_roster import (
    bounds_of,
    derived_calendar,
    enrollments_of,
    schools_of,
    stated_year,
    students_of,
    years_begin,
)
from cis_ews.readers.cells import iso_dates
from cis_ews.readers.codes import UnmappedCodes, refuse_unmapped
from cis_ews.readers.draft import Draft, drafted
from cis_ews.readers.ledger import Ledger
from cis_ews.schema.school_data import TABLES

PARTIAL_BEHAVIOR = "exclusionary discipline alone: office referrals and other minor incidents are not in CEDARS"
PARTIAL_COURSEWORK = "final marks of courses for high-school credit alone: none of grades K-8, none within a term"
PARTIAL_CALENDAR = "the calendar is derived: days enrolled are weekdays between the first and the last school day"
PARTIAL_DAYS = "the length of partial absences is not told"
SEATS = "attendance_events: absences from seat time alone; courses online or of alternative learning have none"
MISSING_KINDS: Mapping[str, tuple[str, ...]] = {
    Domain.ATTENDANCE: (AttendanceStatus.TARDY,),
    Domain.BEHAVIOR: (Severity.MINOR,),
}
OF_FILES = {"N": "attendance_events", "R": "incidents", "H": "course_grades"}
NEVER_EMPTY = ("N", "H")  # a district without one absence or mark is a failed export


def read_cedars(path: Path, options: ReadOptions, config: CedarsConfig | None = None) -> Draft:
    """The tables of the CEDARS files A, B, C, D, E, H, L, M, N, R, with a calendar beside them where there is one.

    Raises ReadError where a file is missing, damaged or unsafe, SchemaError where a header is no CEDARS, and
    UnmappedCodesError for codes of absences and actions that are not known.
    """
    chosen, ledger = config or CedarsConfig(), Ledger()
    source = find_files(path, options, config=chosen, ledger=ledger)
    with options.progress.step("read", total=len(source.files)):
        rows: dict[str, pl.DataFrame] = {}
        for letter, entries in source.files.items():
            rows[letter] = read_letter(letter, entries, options, config=chosen, ledger=ledger)
            options.progress.advance()
        beside = _beside(source, options, ledger)
    with options.progress.step("arrange"):
        return _arranged(rows, beside, options=options, config=chosen, ledger=ledger)


def _beside(source: CedarsSource, options: ReadOptions, ledger: Ledger) -> dict[str, pl.DataFrame]:
    """Tables of the plain format that lie beside the files, as they came."""
    tables: dict[str, pl.DataFrame] = {}
    for table, entries in source.beside.items():
        known = list(TABLES[table].columns())
        read = join_files(
            table, entries, [read_file(entry, known_columns=known, limits=options.limits) for entry in entries]
        )
        ledger.files.extend(read.files)
        ledger.rejections.append(read.rejections)
        for note in read.notes:
            ledger.note(note)
        tables[table] = read.frame
    return tables


def _arranged(
    rows: Mapping[str, pl.DataFrame],
    beside: Mapping[str, pl.DataFrame],
    *,
    options: ReadOptions,
    config: CedarsConfig,
    ledger: Ledger,
) -> Draft:
    bounds = bounds_of(rows.get("A", _no_rows("A")), ledger)
    day = None if options.as_of is None else Day(options.as_of, ledger)
    dated = _in_years(rows, bounds, ledger)
    known = day.known_rows(dated, bounds) if day else dated
    frames, unmapped = _frames(known, beside, bounds, day=day, config=config, ledger=ledger)
    refuse_unmapped(
        unmapped, who="the reader", hint='give their meaning in a TOML with reader = "cedars": docs/cedars.md'
    )
    left_out = {
        OF_FILES[letter]: f"{OF_FILES[letter]}: file {letter} ({TITLES[letter]}) {why}"
        for letter in NEVER_EMPTY
        if letter in rows and not (letter == "N" and _has_reported(beside))
        if (why := _silent(rows[letter].height, ledger.later.get(OF_FILES[letter], 0), options.as_of))
    }
    left_out |= {
        table: f"{table}: there is no file {letter} ({TITLES[letter]})"
        for letter, table in OF_FILES.items()
        if letter not in rows
    }
    return drafted(
        frames,
        ledger,
        left_out=left_out,
        partial=_partial(frames),
        missing_kinds=MISSING_KINDS,
        calendar_is=None if "calendar_days" in beside else PARTIAL_CALENDAR,
    )


def _silent(rows: int, later: int, as_of: date | None) -> str | None:
    """Why a file says nothing, with all its rows put off too; None where it says something."""
    if not rows:
        return "has a header and no rows"
    return f"has no row that is known on {as_of}" if later >= rows else None


def _has_reported(beside: Mapping[str, pl.DataFrame]) -> bool:
    return "reporting" in beside and not beside["reporting"].is_empty()


def _partial(frames: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    partial: dict[str, str] = {Domain.BEHAVIOR: PARTIAL_BEHAVIOR, Domain.COURSEWORK: PARTIAL_COURSEWORK}
    if "attendance_events" in frames and (frames["attendance_events"]["fraction_absent"] != "1.0").any():
        partial[Domain.ATTENDANCE] = PARTIAL_DAYS
    return partial


def _in_years(rows: Mapping[str, pl.DataFrame], bounds: pl.DataFrame, ledger: Ledger) -> dict[str, pl.DataFrame]:
    """The rows of all files, those of B, C, E and H with `year`, the school year as a number."""
    begins = years_begin(bounds)
    ledger.note("school years are named by the calendar year in which they begin, as the days of A show", begins)
    year = stated_year("school_year", begins=begins)
    return {letter: each.with_columns(year=year) if letter in "BCEH" else each for letter, each in rows.items()}


def _frames(
    rows: Mapping[str, pl.DataFrame],
    beside: Mapping[str, pl.DataFrame],
    bounds: pl.DataFrame,
    *,
    day: Day | None,
    config: CedarsConfig,
    ledger: Ledger,
) -> tuple[dict[str, pl.DataFrame], list[UnmappedCodes]]:
    """Tables of the contract, and the codes that are not known. `rows`: those that are known on `day`."""
    pupils = iso_dates(rows["B"], "B", ("enrolled", "exited", "birth_date"), ledger=ledger)
    spells = enrollments_of(rows["C"], pupils, bounds, config=config, ledger=ledger)
    frames = {
        "schools": schools_of(rows.get("A", _no_rows("A")), rows["C"], spells, ledger=ledger),
        "students": students_of(pupils, rows["C"], ledger),
        "enrollments": spells,
        **beside,
    }
    if "calendar_days" not in beside:
        frames["calendar_days"] = derived_calendar(bounds, config=config, ledger=ledger)
    unmapped: list[UnmappedCodes] = []
    if "N" in rows:
        ledger.note(SEATS)
        frames["attendance_events"], found = absences_of(rows["N"], config=config, ledger=ledger)
        unmapped.extend(found)
    if "R" in rows:
        incidents, actions, found = discipline_of(rows["R"], day, config=config, ledger=ledger)
        frames |= {"incidents": incidents, "discipline_actions": actions}
        unmapped.extend(found)
    if "L" in rows or "M" in rows:
        frames["demographics"] = demographics_of(
            rows.get("L", _no_rows("L")), rows.get("M", _no_rows("M")), config=config, ledger=ledger
        )
    if "H" in rows:
        catalog = rows.get("D", _no_rows("D"))
        marks = at_scheduled_schools(rows["H"], rows.get("E"), schools=frames["schools"]["school_id"], ledger=ledger)
        calendar = frames["calendar_days"]
        frames["course_grades"] = course_grades_of(
            marks,
            catalog,
            spells,
            known=lambda rows: day.known_marks(rows, calendar) if day else rows,
            config=config,
            ledger=ledger,
        )
    return frames, unmapped


def _no_rows(letter: str) -> pl.DataFrame:
    columns = dict.fromkeys((*COLUMNS[letter], "student_id", "file"), pl.String())
    return pl.DataFrame(schema=columns | {"row_number": pl.Int64()})
