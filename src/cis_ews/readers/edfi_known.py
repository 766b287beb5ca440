"""What a package of Ed-Fi says by a day: nothing is made of a record that is dated later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import polars as pl

from cis_ews.readers.cells import iso_dates
from cis_ews.readers.edfi_cells import with_incident
from cis_ews.readers.edfi_roster import of_people
from cis_ews.readers.edfi_stream import Package
from cis_ews.readers.ledger import Ledger

DATED: Mapping[str, tuple[str, str, str]] = {
    "StudentSchoolAttendanceEvent": ("attendance_events", "event", "events"),
    "StudentSectionAttendanceEvent": ("attendance_events", "event of a section", "events of sections"),
    "DisciplineIncident": ("incidents", "incident", "incidents"),
    "DisciplineAction": ("discipline_actions", "action", "actions"),
    "StudentInterventionAttendanceEvent": ("supports", "event", "events"),
}
"""Record with a `date` -> its table, and what one and several are called."""
OF_INCIDENTS = ("StudentDisciplineIncidentBehaviorAssociation", "StudentDisciplineIncidentAssociation")
"""Records that have the date of their incident."""


def known_package(package: Package, as_of: date | None, ledger: Ledger) -> Package:
    """The package without the records that are dated after a day, each counted; the package itself where there is none.

    They are taken away before anything else is made of records: where enrollments are derived they enroll nobody, and
    then their own rows would name students who are not known, and could cost a table the rows that are. A record whose
    date cannot be read stays, for the contract to reject.
    """
    if as_of is None:
        return package
    known = replace(package, frames=dict(package.frames))
    for record, (table, one, several) in DATED.items():
        later = _is_later(package.rows(record)["date"], as_of)
        _take_away(known, record, later)
        ledger.put_off(table, int(later.sum()), as_of=as_of, words=(one, several))
    incidents = of_people(package, "DisciplineIncident")
    is_later = _is_later(incidents["date"], as_of)
    key = ["school_id", "incident"]
    later_ones = incidents.filter(is_later).join(incidents.filter(~is_later), on=key, how="anti").select(key).unique()
    for record in OF_INCIDENTS:
        named = with_incident(of_people(package, record), incidents)
        found = named.join(later_ones.with_columns(later=True), on=key, how="left", maintain_order="left")
        later = found.get_column("later").fill_null(value=False)
        _take_away(known, record, later)
        words = "association with an incident", "associations with incidents"
        ledger.put_off("incidents", int(later.sum()), as_of=as_of, words=words)
    return known


def _is_later(cells: pl.Series, as_of: date) -> pl.Series:
    written = iso_dates(cells.to_frame(), "", (cells.name,), ledger=Ledger())[cells.name]
    return (written.str.to_date("%Y-%m-%d", strict=False) > as_of).fill_null(value=False)


def _take_away(package: Package, record: str, gone: pl.Series) -> None:
    """Take rows away; a record of which none is left is one that the package does not have."""
    if gone.any():
        package.frames[record] = [] if gone.all() else [package.rows(record).filter(~gone)]
