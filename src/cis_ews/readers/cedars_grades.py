"""Grade history (H) of CEDARS as course grades: final marks of courses for high-school credit, in all years.

H names neither the school nor, in the fields that are known, the school year and term of a course. The school is the
one of the student's schedule (E) in the year reported, else that of the enrollment; the year follows from the grade
level in which the course was taken.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from cis_ews.enums import GradeLevel
from cis_ews.readers.cedars_config import CedarsConfig
from cis_ews.readers.cedars_fields import ELSEWHERE
from cis_ews.readers.cedars_roster import grade_levels
from cis_ews.readers.ledger import Ledger
from cis_ews.readers.subjects import subject_of
from cis_ews.wording import counted

TABLE = "course_grades"
_PLACE = ("file", "row_number")
_GRADES = {str(grade): at for at, grade in enumerate(GradeLevel)}


def course_grades_of(
    rows: pl.DataFrame,
    catalog: pl.DataFrame,
    spells: pl.DataFrame,
    *,
    known: Callable[[pl.DataFrame], pl.DataFrame],
    config: CedarsConfig,
    ledger: Ledger,
) -> pl.DataFrame:
    """The course grades. `catalog`: the rows of D. `spells`: the enrollments. `rows` with `year`, the one reported.

    `known`: takes away the marks of terms and years that are not over, before one of them can number another.
    """
    rows = rows.with_row_index("at").with_columns(grade=grade_levels(pl.col("grade_level"), config))
    rows = known(_with_school(_with_year(rows, spells, ledger), spells, ledger))
    rows = ledger.keep(rows, pl.col("school_id").is_not_null(), table=TABLE, rule="student_known", column="student_id")
    codes = catalog.select("course", pl.col("state_course").alias("of_catalog")).drop_nulls()
    codes = codes.unique("course", keep="first", maintain_order=True)
    rows = rows.join(codes, on="course", how="left", maintain_order="left")
    rows = rows.with_columns(subject_of(("state_course", "of_catalog"), ("title",))).with_columns(
        pl.col("subject").fill_null("other"), term=_term(rows, ledger)
    )
    return rows.sort("at").select(
        "student_id",
        "school_id",
        pl.col("course").alias("course_id"),
        "school_year",
        "term",
        "subject",
        (pl.col("subject") != "other").alias("is_core"),
        "mark",
        "credits_attempted",
        "credits_earned",
        pl.lit(value=True).alias("is_final"),
        *_PLACE,
    )


def at_scheduled_schools(
    rows: pl.DataFrame, schedule: pl.DataFrame | None, *, schools: pl.Series, ledger: Ledger
) -> pl.DataFrame:
    """The rows of H with `scheduled`: where E has the student in the course, if in one school alone, in that year.

    `schools`: the ids of those that A or C names. A location of E that is none of them says no school.
    """
    if schedule is None:
        return rows.with_columns(pl.lit(None, dtype=pl.String).alias("scheduled"))
    at = schedule.filter((pl.col("location") != ELSEWHERE) & (pl.col("location") != ""))
    is_known = pl.col("location").is_in(schools.drop_nulls().unique().implode())
    unknown = at.filter(~is_known).height
    ledger.note(
        f"{TABLE}: {counted(unknown, 'row', 'rows')} of E (Student Schedule) "
        f"{'names' if unknown == 1 else 'name'} a location that is in neither A nor C; not used",
        unknown,
    )
    known = (
        at.filter(is_known)
        .group_by("student_id", "course", "year")
        .agg(pl.col("location").first().alias("scheduled"), pl.col("location").n_unique().alias("schools"))
    )
    known = known.filter(pl.col("schools") == 1).drop("schools")
    ledger.note(f"{TABLE}: of E (Student Schedule) the school of a course is used; its terms and sections are not")
    return rows.join(known, on=["student_id", "course", "year"], how="left", maintain_order="left")


def _with_year(rows: pl.DataFrame, spells: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """`school_year`: as many years before the one reported as the grade then lies below the grade in that year."""
    now = (
        spells.with_columns(year=pl.col("school_year").cast(pl.Int32, strict=False), place=_place("grade_level"))
        .drop_nulls(["student_id", "year", "place"])
        .group_by("student_id", "year")
        .agg(pl.col("place").max())
    )
    rows = rows.join(now, on=["student_id", "year"], how="left", maintain_order="left")
    back = (pl.col("place") - _place("grade")).clip(lower_bound=0)
    unknown = rows.filter(back.is_null()).height
    earlier = rows.filter(back > 0).height
    ledger.note(
        f"{TABLE}: the school year of {counted(earlier, 'course of earlier years', 'courses of earlier years')} "
        "is derived from the grade level in "
        "which they were taken; a grade that was repeated moves those before it",
        earlier,
    )
    ledger.note(
        f"{TABLE}: {counted(unknown, 'row without a grade level is', 'rows without a grade level are')} "
        "taken for the year reported",
        unknown,
    )
    year = (pl.col("year") - back.fill_null(0)).cast(pl.String)
    return rows.with_columns(school_year=pl.coalesce(year, "school_year")).drop("place")


def _place(column: str) -> pl.Expr:
    return pl.col(column).replace_strict(_GRADES, default=None, return_dtype=pl.Int32)


def _with_school(rows: pl.DataFrame, spells: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """The school of the latest enrollment in the year of the course, then of the latest of all, then the lowest id."""
    ordered = spells.drop_nulls(["student_id", "school_id"]).sort(
        "entry_date", "school_id", descending=[True, False], nulls_last=True
    )
    of_year = ordered.unique(["student_id", "school_year"], keep="first", maintain_order=True)
    latest = ordered.unique("student_id", keep="first", maintain_order=True)
    rows = rows.join(
        of_year.select("student_id", "school_year", pl.col("school_id").alias("of_year")),
        on=["student_id", "school_year"],
        how="left",
        maintain_order="left",
    ).join(
        latest.select("student_id", pl.col("school_id").alias("of_latest")),
        on="student_id",
        how="left",
        maintain_order="left",
    )
    # E speaks of the year reported, and not of marks of earlier ones.
    is_now = pl.col("school_year") == pl.col("year").cast(pl.String)
    rows = rows.with_columns(pl.coalesce(pl.when(is_now).then("scheduled"), "of_year").alias("of_year"))
    other = rows.filter(pl.col("of_year").is_null() & pl.col("of_latest").is_not_null()).height
    ledger.note(
        f"{TABLE}: CEDARS names no school of a mark; it is that of the student's schedule or enrollment in its year"
    )
    ledger.note(f"{TABLE}: {other:,} of years without an enrollment belong to the school of the latest one", other)
    return rows.with_columns(school_id=pl.coalesce("of_year", "of_latest"))


def _term(rows: pl.DataFrame, ledger: Ledger) -> pl.Expr:
    """The term as it is written; without one, the number of the row among those of the same course and year.

    Marks of one course and term that differ are of two schools, or a course taken twice: the second has a number too.
    """
    unsaid = rows["term"].null_count()
    ledger.note(
        f"{TABLE}: {counted(unsaid, 'mark names', 'marks name')} "
        "no term, and CEDARS tells no day of a mark: each is known from the end of its "
        "school year, and marks of one course and year are numbered",
        unsaid,
    )
    course = ("student_id", "course", "school_year")
    number = pl.int_range(1, pl.len() + 1).over(course).cast(pl.String)
    which = pl.struct("mark", "credits_attempted", "credits_earned").rank("dense").over(*course, "term")
    more = pl.when(which > 1).then(pl.format(" ({})", which)).otherwise(pl.lit(""))
    return pl.coalesce(pl.when(pl.col("term").str.strip_chars() != "").then(pl.col("term") + more), number)
