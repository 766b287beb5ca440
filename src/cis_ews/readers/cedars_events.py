"""Absences (N) and exclusionary discipline (R) of CEDARS as events of the contract.

N: chapter 392-401 WAC: a full-day absence is half of the scheduled day or more, a partial one is less. R: chapter
392-400 WAC: a row an exclusion, or none where a firearm was found; a change of it is a further row.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from cis_ews.enums import Severity
from cis_ews.readers.cedars_config import NO_ACTION, CedarsConfig
from cis_ews.readers.cedars_known import Day
from cis_ews.readers.cedars_roster import as_day, at_schools
from cis_ews.readers.cells import iso_dates
from cis_ews.readers.codes import UnmappedCodes, unmapped_codes
from cis_ews.readers.ledger import Ledger
from cis_ews.wording import counted

_PLACE = ("file", "row_number")
INCIDENTS, ACTIONS = "incidents", "discipline_actions"


def absences_of(
    rows: pl.DataFrame, *, config: CedarsConfig, ledger: Ledger
) -> tuple[pl.DataFrame, list[UnmappedCodes]]:
    """One row a student, school and day; and the codes that are not known.

    Of several rows of a day a full absence stands before a partial one, and an unexcused before an excused one: had
    both parts together been half of the day, the day would have been reported as a full one.
    """
    table = "attendance_events"
    rows = iso_dates(at_schools(rows, (table,), ledger), "N", ("date",), ledger=ledger)
    full = {code: (excuse, 1.0) for code, excuse in config.full_absences.items()}
    meanings = {code: (excuse, config.partial_day) for code, excuse in config.partial_absences.items()} | full
    rows = rows.with_columns(pl.col("code").str.to_uppercase())
    known = rows.with_columns(
        status=_meaning("code", {code: excuse for code, (excuse, _) in meanings.items()}),
        fraction_absent=_meaning("code", {code: str(part) for code, (_, part) in meanings.items()}),
    ).select("student_id", pl.col("location").alias("school_id"), "date", "status", "fraction_absent", *_PLACE)
    once = _one_a_day(known)
    ledger.reduce(
        table,
        known.height - once.height,
        (
            "further row of the same student, school and day; of a day a full absence stands, then an unexcused one",
            "further rows of the same student, school and day; of a day a full absence stands, then an unexcused one",
        ),
    )
    partial = int((once["fraction_absent"] != "1.0").sum())
    ledger.note(
        f"{table}: {partial:,} partial absences (less than half of a day) count as {config.partial_day:g} of a day, "
        "as CEDARS does not tell their length",
        partial,
    )
    unmapped = unmapped_codes("N (Absence).code", _owned(rows, "code"), dict.fromkeys(meanings, ""))
    return once, [unmapped] if unmapped else []


def _one_a_day(rows: pl.DataFrame) -> pl.DataFrame:
    """The weightiest row of each day; rows whose key or code cannot be read stay, for the contract to reject."""
    key = ["student_id", "school_id", "date"]
    filled = pl.all_horizontal(pl.col(name).str.strip_chars().fill_null("") != "" for name in key)
    is_whole = filled & as_day("date").is_not_null() & pl.col("status").is_not_null()
    numbered = rows.with_row_index("at")
    whole = numbered.filter(is_whole)
    order = [pl.col("fraction_absent").cast(pl.Float64), pl.col("status") == "unexcused"]
    standing = whole.sort(*order, "at", descending=[True, True, False]).unique(key, keep="first", maintain_order=True)
    rest = numbered.filter(~is_whole)
    return pl.concat([standing, rest]).sort("at").drop("at")


def _meaning(column: str, codes: Mapping[str, str]) -> pl.Expr:
    return pl.col(column).replace_strict(codes, default=None, return_dtype=pl.String)


def _owned(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    return rows.select(pl.col(column).alias("code"), pl.col("student_id").alias("student"))


def discipline_of(
    rows: pl.DataFrame, day: Day | None, *, config: CedarsConfig, ledger: Ledger
) -> tuple[pl.DataFrame, pl.DataFrame, list[UnmappedCodes]]:
    """Incidents, one a student and incident; the actions taken, one a row; and the codes that are not known.

    `days` is null where no column says how long an exclusion is. `day`: that as of which is read; an action of a later
    one is not known, and its incident is.
    """
    rows = iso_dates(
        at_schools(rows, (INCIDENTS, ACTIONS), ledger), "R", ("incident_date", "action_date"), ledger=ledger
    )
    rows = rows.with_columns(pl.col("action").str.to_uppercase())
    incidents = rows
    if day:
        rows = day.known_actions(rows)
        # What a later action says of its incident stands behind what an earlier one does.
        incidents = pl.concat([rows, incidents.join(rows, on=_PLACE, how="anti", maintain_order="left")])
    codes = {code: str(action) for code, action in config.actions.items()}
    unmapped = unmapped_codes("R (Exclusionary Discipline).action", _owned(rows, "action"), dict.fromkeys(codes, ""))
    actions = rows.select(
        pl.col("incident").alias("incident_id"),
        "student_id",
        _meaning("action", codes).alias("action"),
        pl.coalesce("action_date", "incident_date").alias("start_date"),
        "days",
        *_PLACE,
    )
    taken = actions.filter((pl.col("action") != NO_ACTION).fill_null(value=True))
    ledger.reduce(
        ACTIONS, actions.height - taken.height, ("row without an exclusion (NA)", "rows without an exclusion (NA)")
    )
    undated = int(rows["action_date"].is_null().sum()) if taken.height else 0
    ledger.note(
        f"{ACTIONS}: {counted(undated, 'row does', 'rows do')} "
        "not say when an action began; the day of the incident stands",
        undated,
    )
    unknown = taken["days"].null_count()
    ledger.note(
        f"{ACTIONS}: {counted(unknown, 'action')} of unknown length: nothing is known of days of exclusion", unknown
    )
    return _incidents(incidents, ledger), taken, [unmapped] if unmapped else []


def _incidents(rows: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    key = ["incident_id", "student_id"]
    others = pl.when(pl.col("other_behaviors").fill_null("") != "").then(pl.lit(", ") + pl.col("other_behaviors"))
    incidents = rows.select(
        pl.col("incident").alias("incident_id"),
        "student_id",
        pl.col("location").alias("school_id"),
        pl.col("incident_date").alias("date"),
        pl.lit(Severity.MAJOR.value).alias("severity"),
        (pl.col("behavior") + others.fill_null("")).alias("behavior"),
        *_PLACE,
    )
    is_whole = pl.all_horizontal(pl.col(name).str.strip_chars().fill_null("") != "" for name in key)
    once = incidents.filter(~is_whole | pl.struct(key).is_first_distinct())
    ledger.reduce(
        INCIDENTS,
        incidents.height - once.height,
        ("further action of the same student and incident", "further actions of the same student and incident"),
    )
    said = incidents.filter(is_whole).select(*key, "school_id", "date", "behavior").unique()
    differ = said.height - said.select(key).unique().height
    ledger.note(
        f"{INCIDENTS}: {counted(differ, 'row tells', 'rows tell')} "
        "an incident otherwise than its first row, which stands",
        differ,
    )
    return once
