"""Attendance, discipline and supports of Ed-Fi as the events of the contract."""

from __future__ import annotations

import polars as pl

from cis_ews.enums import AttendanceStatus
from cis_ews.readers.cells import dates
from cis_ews.readers.edfi_cells import Descriptors, code_of, keep_readable, with_incident
from cis_ews.readers.edfi_config import PARTIAL, EdFiConfig
from cis_ews.readers.edfi_roster import PLACE, of_people
from cis_ews.readers.edfi_stream import Package
from cis_ews.readers.ledger import Ledger
from cis_ews.wording import counted

ATTENDANCE, INCIDENTS, ACTIONS, SUPPORTS = "attendance_events", "incidents", "discipline_actions", "supports"
LONG_TERM = 10
"""School days beyond which a suspension is a long-term one (chapter 392-400 WAC)."""
_DAY = ["student_id", "school_id", "date"]
_NO_ATTENDANCE = ("event is of a category that is no attendance", "events are of a category that is no attendance")
_ABSENT = (AttendanceStatus.EXCUSED, AttendanceStatus.UNEXCUSED)
_WORST_FIRST = {
    AttendanceStatus.UNEXCUSED: 0,
    AttendanceStatus.EXCUSED: 1,
    AttendanceStatus.TARDY: 2,
    AttendanceStatus.PRESENT: 3,
}


def attendance_of(package: Package, descriptors: Descriptors, *, config: EdFiConfig, ledger: Ledger) -> pl.DataFrame:
    """One row a student, school and day: of several events of a day, the one that missed most of it.

    Events of sections count where the school has none of that student and day; each section is its part of a day. An
    event that is there twice, its category too, is rejected as `duplicate_row`.
    """
    by_school = _events(package, descriptors, "StudentSchoolAttendanceEvent", config=config, ledger=ledger)
    by_section = _events(package, descriptors, "StudentSectionAttendanceEvent", config=config, ledger=ledger)
    rows = _worst_of_day(by_school, ledger)
    further = by_section.join(rows, on=_DAY, how="anti", maintain_order="left")
    ledger.reduce(
        ATTENDANCE,
        by_section.height - further.height,
        (
            "event of a section is of a day of which the school recorded an event",
            "events of sections are of days of which the school recorded an event",
        ),
    )
    return pl.concat([rows, _days_of_sections(further, config, ledger)])


def _events(
    package: Package, descriptors: Descriptors, record: str, *, config: EdFiConfig, ledger: Ledger
) -> pl.DataFrame:
    rows = of_people(package, record)
    again = ~pl.struct(name for name in (*_DAY, "category", "section") if name in rows.columns).is_first_distinct()
    rows = ledger.keep(rows, ~again, table=ATTENDANCE, rule="duplicate_row", column=None)
    rows = rows.with_columns(descriptors.word(rows, "category", kind="attendance").alias("status"))
    ledger.reduce(
        ATTENDANCE,
        rows["status"].null_count(),
        _NO_ATTENDANCE,
    )
    rows = dates(rows.filter(pl.col("status").is_not_null()), record, ("date",), table=ATTENDANCE, ledger=ledger)
    for column in ("student_id", "school_id", "date"):
        rows = ledger.keep(rows, pl.col(column).is_not_null(), table=ATTENDANCE, rule="missing", column=column)
    for column in ("duration", "minutes"):
        rows = keep_readable(rows, column, table=ATTENDANCE, ledger=ledger)
    return _with_fraction(rows, config, ledger, record=record)


def _with_fraction(rows: pl.DataFrame, config: EdFiConfig, ledger: Ledger, *, record: str) -> pl.DataFrame:
    """What was missed, in days, or in sections: the event's duration, its minutes, or what its category says."""
    is_absence = pl.col("status").is_in(_ABSENT)
    partial = code_of(rows["category"]).is_in(PARTIAL)
    in_day = config.sections_a_day if record == "StudentSectionAttendanceEvent" else 1
    by_minutes = (pl.col("minutes") / config.minutes_a_day).clip(0, 1) * in_day
    told_minutes = rows.filter(is_absence & pl.col("duration").is_null() & pl.col("minutes").is_not_null()).height
    ledger.note(
        f"{record}: the minutes of {counted(told_minutes, 'absence')} "
        f"were taken for parts of a day of {config.minutes_a_day} "
        "minutes",
        told_minutes,
    )
    silent = rows.filter(is_absence & partial & pl.col("duration").is_null() & pl.col("minutes").is_null()).height
    ledger.note(
        f"{record}: {counted(silent, 'absence of a part does', 'absences of a part do')} "
        f"not say how much; {config.partial_day} was taken",
        silent,
    )
    missed = pl.coalesce("duration", by_minutes, pl.when(partial).then(config.partial_day).otherwise(1.0))
    # An absence that lasts no time is still one; the smallest part that is kept is a minute.
    missed = pl.when(missed == 0).then(in_day / config.minutes_a_day).otherwise(missed)
    fraction = pl.when(is_absence).then(missed).otherwise(0.0)
    return rows.select(*_DAY, "status", fraction.alias("fraction_absent"), *PLACE)


def _worst_of_day(rows: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    rank = pl.col("status").replace_strict(_WORST_FIRST, return_dtype=pl.Int8)
    ordered = rows.sort(pl.col("fraction_absent"), -rank, descending=True, maintain_order=True)
    days = ordered.unique(_DAY, keep="first", maintain_order=True)
    ledger.reduce(
        ATTENDANCE,
        rows.height - days.height,
        (
            "event is a further one of the same day; the longest counts",
            "events are further ones of the same day; the longest counts",
        ),
    )
    return days


def _days_of_sections(rows: pl.DataFrame, config: EdFiConfig, ledger: Ledger) -> pl.DataFrame:
    """Events of sections added up to days: unexcused if any of the absences is.

    Sections are added up before they are divided by those of a day: of six of six, a whole day.
    """
    rank = pl.col("status").replace_strict(_WORST_FIRST, return_dtype=pl.Int8)
    days = (
        rows.with_columns(rank.alias("__rank"))
        .sort("__rank", maintain_order=True)
        .group_by(_DAY, maintain_order=True)
        .agg(
            pl.col("status").first(),
            (pl.col("fraction_absent").sum() / config.sections_a_day).clip(0, 1),
            *(pl.col(name).first() for name in PLACE),
        )
    )
    ledger.reduce(ATTENDANCE, rows.height - days.height)
    ledger.note(
        f"attendance_events: {counted(rows.height, 'event of sections was', 'events of sections were')} "
        f"added up to {counted(days.height, 'day')} of "
        f"{config.sections_a_day} sections",
        rows.height,
    )
    return days.select(*_DAY, "status", "fraction_absent", *PLACE)


def discipline_of(package: Package, descriptors: Descriptors, *, ledger: Ledger) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Incidents, one row an incident and offender, and the actions taken. Victims and witnesses have no row."""
    incidents = of_people(package, "DisciplineIncident")
    roles = [
        of_people(package, record)
        for record in ("StudentDisciplineIncidentBehaviorAssociation", "StudentDisciplineIncidentAssociation")
    ]
    people = with_incident(pl.concat(roles), incidents)
    is_offender = descriptors.word(people, "role", kind="participation")
    others = package.rows("StudentDisciplineIncidentNonOffenderAssociation").height + int(
        (is_offender == "false").sum()
    )
    ledger.reduce(
        INCIDENTS,
        others,
        ("association is of a student who is no offender", "associations are of students who are no offenders"),
    )
    people = people.filter((is_offender != "false").fill_null(value=True))
    ledger.reduce(
        INCIDENTS, incidents.height, ("incident, told by its offenders", "incidents, told by their offenders")
    )
    key = ["incident", "school_id"]
    once = incidents.unique(key, keep="first", maintain_order=True)
    joined = people.join(
        once.select(*key, "date", pl.col("behavior").alias("__of_incident")),
        on=key,
        how="left",
        maintain_order="left",
    )
    joined = ledger.keep(
        joined, pl.col("date").is_not_null(), table=INCIDENTS, rule="incident_known", column="incident"
    )
    joined = joined.with_columns(pl.coalesce("behavior", "__of_incident").alias("behavior"))
    joined = joined.with_columns(descriptors.word(joined, "behavior", kind="severities").alias("severity"))
    severest = joined.sort("severity", maintain_order=True).unique(
        ["incident", "school_id", "student_id"], keep="first", maintain_order=True
    )
    ledger.reduce(
        INCIDENTS,
        joined.height - severest.height,
        ("association is a further behavior of one incident", "associations are further behaviors of one incident"),
    )
    rows = severest.select(
        _key().alias("incident_id"),
        "student_id",
        "school_id",
        "date",
        pl.col("severity").fill_null("minor"),
        code_of(severest["behavior"]).alias("behavior"),
        *PLACE,
    )
    return rows, _actions(package, descriptors, incidents=incidents, ledger=ledger)


def _key() -> pl.Expr:
    """An incident's identifier is its school's own: schools may count from one each."""
    return pl.concat_str("school_id", "incident", separator="/")


def _actions(package: Package, descriptors: Descriptors, *, incidents: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    rows = with_incident(of_people(package, "DisciplineAction"), incidents)
    words = descriptors.word(rows, "action", kind="actions")
    ledger.reduce(
        ACTIONS, words.null_count(), ("action keeps no student out of class", "actions keep no student out of class")
    )
    rows = rows.with_columns(words.alias("action")).filter(words.is_not_null())
    rows = keep_readable(rows, "days", table=ACTIONS, ledger=ledger)
    silent = rows["days"].null_count()
    ledger.note(
        f"discipline_actions: {counted(silent, 'does', 'do')} not say for how many days; it is not known", silent
    )
    action = pl.col("action")
    long = ((action == "short_term_suspension") & (pl.col("days") > LONG_TERM)).fill_null(value=False)
    found = rows.select(
        _key().alias("incident_id"),
        "student_id",
        pl.when(long).then(pl.lit("long_term_suspension")).otherwise(action).alias("action"),
        pl.col("date").alias("start_date"),
        "days",
        *PLACE,
    )
    key = ["incident_id", "student_id", "action", "start_date"]
    once = found.sort("days", descending=True, nulls_last=True, maintain_order=True).unique(
        key, keep="first", maintain_order=True
    )
    same = "of the same kind, incident, student and day; the longest counts"
    ledger.reduce(ACTIONS, found.height - once.height, (f"is a further action {same}", f"are further actions {same}"))
    return once


def supports_of(package: Package, descriptors: Descriptors, *, ledger: Ledger) -> pl.DataFrame:
    """Supports that were delivered: attendance at interventions. An association alone says no day.

    Who was absent had none; who was there for a part had one. An event without a category says that it took place.
    """
    rows = of_people(package, "StudentInterventionAttendanceEvent")
    words = descriptors.word(rows, "category", kind="attendance")
    is_partial = code_of(rows["category"]).is_in(PARTIAL).fill_null(value=False)
    missed = words.is_in(_ABSENT).fill_null(value=False) & ~is_partial
    other = words.is_null() & rows["category"].is_not_null()
    ledger.reduce(
        SUPPORTS,
        int(missed.sum()),
        ("event is an absence: no support was delivered", "events are absences: no support was delivered"),
    )
    ledger.reduce(SUPPORTS, int(other.sum()), _NO_ATTENDANCE)
    rows = rows.filter(~missed & ~other)
    rows = keep_readable(rows, "minutes", table=SUPPORTS, ledger=ledger)
    alone = package.rows("StudentInterventionAssociation").height
    ledger.reduce(
        SUPPORTS,
        alone,
        (
            "association of a student with an intervention says no day of support",
            "associations of students with interventions say no day of support",
        ),
    )
    days = rows.unique(["student_id", "date", "intervention"], keep="first", maintain_order=True)
    ledger.reduce(
        SUPPORTS,
        rows.height - days.height,
        (
            "event is a further one of the same day and intervention",
            "events are further ones of the same day and intervention",
        ),
    )
    return days.select(
        "student_id", "date", pl.col("intervention").alias("category"), pl.col("minutes").round().cast(pl.Int32), *PLACE
    )
