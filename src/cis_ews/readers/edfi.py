"""Ed-Fi, Data Standard 4 to 6, as bulk XML or JSON lines of its API: rosters, calendars, attendance, discipline, marks.

See docs/edfi.md. Both become the same records (`edfi_records`), and everything after that knows no difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from cis_ews.errors import ReadError
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.draft import Draft, drafted
from cis_ews.readers.edfi_calendar import calendar_of, grading_periods_of, sessions_of
from cis_ews.readers.edfi_cells import Descriptors
from cis_ews.readers.edfi_config import EdFiConfig
from cis_ews.readers.edfi_demographics import demographics_of
from cis_ews.readers.edfi_events import attendance_of, discipline_of, supports_of
from cis_ews.readers.edfi_fetched import MANIFEST, read_fetched
from cis_ews.readers.edfi_grades import course_grades_of, grades_of
from cis_ews.readers.edfi_json import is_json_lines
from cis_ews.readers.edfi_known import known_package
from cis_ews.readers.edfi_roster import enrollments_of, schools_of, students_of
from cis_ews.readers.edfi_stream import Package, read_xml
from cis_ews.readers.ledger import Ledger
from cis_ews.readers.sources import Entry, list_entries
from cis_ews.wording import counted

GRADES = "course_grades"
REQUIRED = {"Student": "InterchangeStudent", "School": "InterchangeEducationOrganization"}
SPEAKS = {
    "attendance_events": ("StudentSchoolAttendanceEvent", "StudentSectionAttendanceEvent"),
    "incidents": ("DisciplineIncident",),
    "discipline_actions": ("DisciplineAction",),
    GRADES: ("Grade", "CourseTranscript"),
    "supports": ("StudentInterventionAttendanceEvent",),
}
"""Optional table -> the records of which it is made: where a package has none of them, it has no such table."""


def read_edfi(path: Path, options: ReadOptions, config: EdFiConfig | None = None) -> Draft:
    """The tables of a folder or a zip of Ed-Fi's XML files, or of JSON lines of its API.

    Raises ReadError where a file is damaged, unsafe or missing, and UnmappedCodesError where a descriptor has no place
    in a crosswalk.
    """
    chosen, ledger = config or EdFiConfig(), Ledger()
    package = _package(path, options, config=chosen, ledger=ledger)
    missing = [f"{record} ({REQUIRED[record]})" for record in REQUIRED if not package.frames.get(record)]
    if missing:
        raise ReadError(
            f"{path.name}: {counted(len(package.files), 'file')} of Ed-Fi and no record of {', '.join(missing)}",
            hint="name the folder or archive that holds these records: Ed-Fi's bulk XML, or the JSON lines of an API "
            "(students, schools)",
        )
    passed = counted(package.passed_over, "file")
    ledger.note(f"{passed} passed over: nothing that is used (descriptors, staff, ...)", package.passed_over)
    ledger.files += package.files
    with options.progress.step("arrange"):
        known = known_package(package, options.as_of, ledger)
        frames = _frames(known, chosen, as_of=options.as_of, ledger=ledger)
    return drafted(frames, ledger, left_out=_left_out(known, frames, options.as_of), lists_everyone=True)


def _left_out(package: Package, frames: Mapping[str, pl.DataFrame], as_of: date | None) -> dict[str, str]:
    """Optional table -> why the package does not speak of it."""
    until = f" that is known on {as_of}" if as_of else ""
    silent = {
        table: f"the package has no {' and no '.join(records)}{until}"
        for table, records in SPEAKS.items()
        if not any(package.frames.get(record) for record in records) and table != "supports"
    }
    if GRADES in frames and frames[GRADES].is_empty():
        return silent | {GRADES: "no grade of the package can be used"}
    return silent


def _package(path: Path, options: ReadOptions, *, config: EdFiConfig, ledger: Ledger) -> Package:
    entries = list_entries(path, options.limits)
    xml = [entry for entry in entries if entry.name.lower().endswith(".xml")]
    if not xml:
        return read_fetched(path, entries, options=options, ledger=ledger)
    if any(is_json_lines(entry) or entry.name == MANIFEST for entry in entries):
        raise ReadError(f"{path.name}: it holds both XML and JSON", hint="name a folder that holds one of them")
    return _read_all(xml, options, config)


def _read_all(entries: Sequence[Entry], options: ReadOptions, config: EdFiConfig) -> Package:
    package = Package()
    with options.progress.step("read", total=len(entries)):
        for entry in entries:
            read_xml(entry, package=package, limits=options.limits, schemas=config.schemas)
            options.progress.advance()
    return package


def _frames(package: Package, config: EdFiConfig, *, as_of: date | None, ledger: Ledger) -> dict[str, pl.DataFrame]:
    descriptors = Descriptors(config.crosswalks)
    sessions, periods = sessions_of(package, ledger), grading_periods_of(package, ledger)
    enrollments = enrollments_of(package, descriptors, sessions=sessions, ledger=ledger)
    students = students_of(package)
    calendar = calendar_of(package, descriptors, sessions=sessions, periods=periods, ledger=ledger)
    grades = grades_of(package, descriptors, sessions=sessions, periods=periods, ledger=ledger)
    incidents, actions = discipline_of(package, descriptors, ledger=ledger)
    frames = {
        "schools": schools_of(package, descriptors),
        "calendar_days": calendar,
        "students": students,
        "demographics": demographics_of(package, students, ledger, as_of=as_of),
        "enrollments": enrollments,
        "attendance_events": attendance_of(package, descriptors, config=config, ledger=ledger),
        "incidents": incidents,
        "discipline_actions": actions,
        GRADES: course_grades_of(grades, calendar, as_of=as_of, ledger=ledger),
        "supports": supports_of(package, descriptors, ledger=ledger),
    }
    descriptors.refuse()
    silent = [table for table, records in SPEAKS.items() if not any(package.frames.get(record) for record in records)]
    unsaid = [*silent, *(["demographics"] if frames["demographics"].is_empty() else [])]
    return {table: frame for table, frame in frames.items() if table not in unsaid}
