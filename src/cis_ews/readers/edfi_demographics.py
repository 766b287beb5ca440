"""What Ed-Fi says of students for the audit of fairness alone: sex, race, English proficiency, programs."""

from __future__ import annotations

from datetime import date

import polars as pl

from cis_ews.readers.cells import truths
from cis_ews.readers.edfi_cells import code_of
from cis_ews.readers.edfi_roster import PLACE, of_people
from cis_ews.readers.edfi_stream import Package
from cis_ews.readers.ledger import Ledger
from cis_ews.wording import counted

TABLE = "demographics"
PEOPLE = ("StudentEducationOrganizationAssociation", "StudentDemographic")
"""Records that say the same of a student: the second has it from Data Standard 6 on, and a package may have both."""
PROGRAMS = {
    "disability": "StudentSpecialEducationProgramAssociation",
    "low_income": "StudentSchoolFoodServiceProgramAssociation",
    "homeless": "StudentHomelessProgramAssociation",
}
ENGLISH = "StudentLanguageInstructionProgramAssociation"
LEFT_ASIDE = (
    "StudentSection504ProgramAssociation",
    "StudentMigrantEducationProgramAssociation",
    "StudentProgramAssociation",
)
"""Programs of which no column of the contract tells; they are counted."""
RACES = {
    "american indian - alaska native": "American Indian or Alaska Native",
    "asian": "Asian",
    "black - african american": "Black or African American",
    "native hawaiian - pacific islander": "Native Hawaiian or Other Pacific Islander",
    "white": "White",
}
NOT_NOW = "not now"
"""Of a student who is no English learner: whether one before or never, nobody says."""
PROFICIENCY = {
    "limited": "current",
    "limited monitored 1": "former",
    "limited monitored 2": "former",
    "notlimited": NOT_NOW,
    "not limited": NOT_NOW,
}


def demographics_of(
    package: Package, students: pl.DataFrame, ledger: Ledger, *, as_of: date | None = None
) -> pl.DataFrame:
    """One row a student, where an association or a program says anything of any; none else.

    `as_of`: the day on which a program has to have begun and not have ended; None: whatever its dates.
    """
    people = [of_people(package, record) for record in PEOPLE]
    programs = {record: of_people(package, record) for record in (*PROGRAMS.values(), ENGLISH)}
    _note_left_aside(package, ledger)
    said = sum(rows.height for rows in (*people, *programs.values()))
    named = students.filter(pl.col("student_id").is_not_null()).select("student_id", *PLACE)
    base = named.unique("student_id", keep="first", maintain_order=True).sort("row_number", maintain_order=True)
    if not said:
        return base.clear()
    # A record is told in the row of its student, as further ones of the same student are.
    ledger.reduce(TABLE, said + students.height - base.height)
    known = [_of_known(rows, base, ledger) for rows in people]
    further = sum(rows.height - rows["student_id"].n_unique() for rows in known)
    words = "association is a further one of the same student", "associations are further ones of the same student"
    ledger.note(f"{TABLE}: {counted(further, *words)}", further)
    found = base.join(_cells(pl.concat(known), ledger), on="student_id", how="left", maintain_order="left")
    for column, record in PROGRAMS.items():
        if programs[record].height:
            ledger.note(f"{TABLE}: {column} is whether a {record} names the student")
            is_named = _is_named(programs[record], record, base, as_of=as_of, ledger=ledger)
            found = found.with_columns(is_named.alias(column))
    return found.with_columns(_english(programs[ENGLISH], base, as_of=as_of, ledger=ledger))


def _note_left_aside(package: Package, ledger: Ledger) -> None:
    for record in LEFT_ASIDE:
        alone = package.rows(record).height
        ledger.note(f"{counted(alone, record, f'{record}s')} left aside: no column is for that program", alone)


def _of_known(rows: pl.DataFrame, base: pl.DataFrame, ledger: Ledger, *, what: str = "association") -> pl.DataFrame:
    """The rows of students whom the package knows; the others are noted."""
    known = rows.join(base.select("student_id"), on="student_id", how="semi", maintain_order="left")
    unknown = rows.height - known.height
    words = f"{what} is of no student of the package", f"{what}s are of no student of the package"
    ledger.note(f"{TABLE}: {counted(unknown, *words)}", unknown)
    return known


def _cells(rows: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """What is said of each student, cell by cell the first that is filled: one record may say what another does not."""
    said = truths(rows, PEOPLE[0], ("hispanic",), ledger=ledger)
    english = code_of(said["english"]).str.to_lowercase()
    race = code_of(said["race"]).str.to_lowercase().replace_strict(RACES, default=None, return_dtype=pl.String)
    cells = said.select(
        "student_id",
        code_of(said["gender"]).alias("gender"),
        pl.when("hispanic").then(pl.lit("Hispanic or Latino")).otherwise(race).alias("race_ethnicity"),
        english.replace_strict(PROFICIENCY, default=None, return_dtype=pl.String).alias("english_learner"),
    )
    return cells.group_by("student_id", maintain_order=True).agg(pl.all().drop_nulls().first())


def _is_named(rows: pl.DataFrame, record: str, base: pl.DataFrame, *, as_of: date | None, ledger: Ledger) -> pl.Expr:
    """Whether a program names the student on a day. A date that cannot be read bounds nothing."""
    known = _of_known(rows, base, ledger, what=record)
    begins, ends = (pl.col(name).str.to_date("%Y-%m-%d", strict=False) for name in ("begins", "ends"))
    day = pl.lit(as_of, dtype=pl.Date)
    now = known.filter((begins <= day).fill_null(value=True) & (ends >= day).fill_null(value=True))
    others = known.height - now.height
    words = counted(others, f"{record} has", f"{record}s have")
    ledger.note(f"{TABLE}: {words} ended before {as_of}, or not begun; not used", others)
    return pl.col("student_id").is_in(now["student_id"].unique().implode())


def _english(rows: pl.DataFrame, base: pl.DataFrame, *, as_of: date | None, ledger: Ledger) -> pl.Expr:
    """The student's own proficiency, which may say that who is in a program is proficient by now; else the program."""
    said = pl.col("english_learner")
    if rows.height:
        ledger.note(
            f"{TABLE}: who is named by a {ENGLISH} is an English learner now, where the student's own proficiency says "
            "nothing"
        )
        is_named = _is_named(rows, ENGLISH, base, as_of=as_of, ledger=ledger)
        said = pl.coalesce(said, pl.when(is_named).then(pl.lit("current")))
    return pl.when(said != NOT_NOW).then(said).alias("english_learner")
