"""Rows of a source, counted without any reader, and whether a reading accounts for each of them.

`SchoolData.rows_read` is the sum of what a reading tells of: a row that a reader loses is not in it either. So the rows
of the files are counted here, and every one has to be kept, rejected or reduced.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from cis_ews.readers.edfi_resources import RESOURCES
from cis_ews.schema.school_data import SchoolData
from tests.lib.cedars import Vendor
from tests.lib.spoilers import lines_with_cells


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What one table is made of.

    `sources`: files, or records of Ed-Fi, each row of which has to be kept, rejected or reduced. `also`: files of which
    further rows of the table are made. `made`: the note that counts these; `lasting`: one that counts rows that may
    each have become one more. `unless`: the note of a table that is derived, whose rows are none of the source.
    """

    sources: tuple[str, ...]
    also: tuple[str, ...] = ()
    made: str | None = None
    lasting: str | None = None
    unless: str | None = None


ONEROSTER: Mapping[str, Origin] = {
    "schools": Origin(sources=("orgs",)),
    "students": Origin(sources=("users",)),
    "demographics": Origin(sources=("demographics",)),
    "enrollments": Origin(
        sources=("enrollments",),
        also=("users",),
        made=r"enrollments: ([\d,]+) students? (?:is|are) in no class",
        lasting=r"enrollments: ([\d,]+) go on into a further school year",
    ),
    "course_grades": Origin(sources=("results",)),
}
"""Table -> the files of its rows. All others only explain these, and their rows are no rows of a table."""
CEDARS: Mapping[str, Origin] = {
    "students": Origin(sources=("B",)),
    "enrollments": Origin(sources=("C",)),
    "demographics": Origin(sources=("L", "M")),
    "attendance_events": Origin(sources=("N",)),
    "incidents": Origin(sources=("R",)),
    "discipline_actions": Origin(sources=("R",)),
    "course_grades": Origin(sources=("H",)),
}
"""Table -> the files of its rows: each row of R is looked at twice. A and D explain, and A may be the calendar."""
EDFI: Mapping[str, Origin] = {
    "schools": Origin(sources=("School",)),
    "students": Origin(sources=("Student",)),
    "demographics": Origin(
        sources=(
            "Student",
            "StudentEducationOrganizationAssociation",
            "StudentDemographic",
            "StudentSpecialEducationProgramAssociation",
            "StudentHomelessProgramAssociation",
            "StudentLanguageInstructionProgramAssociation",
            "StudentSchoolFoodServiceProgramAssociation",
        )
    ),
    "enrollments": Origin(sources=("StudentSchoolAssociation",)),
    "calendar_days": Origin(
        sources=("CalendarDate", "Session", "GradingPeriod"), unless=r"calendar_days: of .* derived from their sessions"
    ),
    "attendance_events": Origin(sources=("StudentSchoolAttendanceEvent", "StudentSectionAttendanceEvent")),
    "incidents": Origin(
        sources=(
            "DisciplineIncident",
            "StudentDisciplineIncidentBehaviorAssociation",
            "StudentDisciplineIncidentAssociation",
            "StudentDisciplineIncidentNonOffenderAssociation",
        ),
    ),
    "discipline_actions": Origin(sources=("DisciplineAction",)),
    "course_grades": Origin(sources=("CourseTranscript", "Grade")),
    "supports": Origin(sources=("StudentInterventionAttendanceEvent", "StudentInterventionAssociation")),
}
"""Table -> the records of its rows. Demographics are a row a student; what says anything of one is told in it."""
RECORDS = tuple(record for origin in EDFI.values() for record in origin.sources)


def cedars_of_vendor(vendor: Vendor) -> dict[str, Origin]:
    """`CEDARS` by the stems of a vendor's files."""
    stems = {letter: name.rpartition(".")[0] for letter, name in vendor.names.items()}
    return {table: Origin(sources=tuple(stems[each] for each in of.sources)) for table, of in CEDARS.items()}


def lines_of_files(files: Mapping[str, bytes]) -> dict[str, int]:
    """Stem of each file of text -> its rows; those with a quotation mark are not counted, for a row may be many lines.

    Files are UTF-8.
    """
    texts = {name.rpartition(".")[0]: content.decode("utf-8") for name, content in files.items()}
    return {stem: lines_with_cells(text) for stem, text in texts.items() if '"' not in text}


def records_of_xml(files: Mapping[str, str]) -> dict[str, int]:
    """Record -> how many of it the interchanges hold."""
    etree: Any = importlib.import_module("lxml.etree")  # it has no type information
    counts = dict.fromkeys(RECORDS, 0)
    for text in files.values():
        for child in etree.fromstring(text.encode(errors="replace")).iterchildren("{*}*"):
            name = etree.QName(child).localname
            counts[name] = counts.get(name, 0) + 1
    return counts


def records_of_json(files: Mapping[str, str]) -> dict[str, int]:
    """Record -> how many lines its resources have. `files`: by the name of the resource."""
    counts = dict.fromkeys(RECORDS, 0)
    for name, text in files.items():
        record = RESOURCES[name].record
        counts[record] = counts.get(record, 0) + sum(bool(line.strip()) for line in text.split("\n"))
    return counts


def lost(data: SchoolData, origins: Mapping[str, Origin], rows: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Table -> rows of its sources, and rows that the reading accounts for, where the two differ.

    `rows`: source -> its rows; a table with a source that was not counted is passed over, and so is one that is not
    there: the coverage tells why.
    """
    found: dict[str, tuple[int, int]] = {}
    for table, origin in origins.items():
        if table not in data.rows_read or not set(origin.sources) <= set(rows) or _noted(data, origin.unless):
            continue
        there = sum(rows[each] for each in origin.sources) + _noted(data, origin.made)
        told = _told(data, table, {*origin.sources, *origin.also})
        if not there <= told <= there + _noted(data, origin.lasting):
            found[table] = (there, told)
    return found


def _told(data: SchoolData, table: str, sources: set[str]) -> int:
    """Rows kept, rejected (each once) and reduced. Rejections of other files than the sources are of other rows."""
    stems = pl.col("file").str.replace(r"\.[a-z]+$", "")
    rejected = data.rejections.filter(pl.col("table") == table)
    if not sources & set(RECORDS):
        rejected = rejected.filter(stems.is_in(sorted(sources)))
    return data.table(table).height + rejected.select("file", "row_number").n_unique() + data.rows_reduced.get(table, 0)


def _noted(data: SchoolData, pattern: str | None) -> int:
    """The number that a note tells; 1 where it tells none; 0 where there is no such note."""
    if pattern is None:
        return 0
    found = (re.match(pattern, note) for note in data.coverage.notes)
    numbers = [int(match[1].replace(",", "")) if match.groups() else 1 for match in found if match]
    return sum(numbers)
