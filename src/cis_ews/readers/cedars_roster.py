"""Locations, students and enrollments of CEDARS as the roster of the contract, and the calendar that can be derived.

A: first and last day of a school year at a location. B: a row a student, enrollment in the district and grade level. C:
a row an enrollment in a school.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from cis_ews.enums import GradeLevel, SchoolLevel
from cis_ews.readers.cedars_config import CedarsConfig
from cis_ews.readers.cedars_fields import ELSEWHERE
from cis_ews.readers.cells import iso_dates
from cis_ews.readers.ledger import Ledger
from cis_ews.schema.parsing import DATE_FORMAT
from cis_ews.wording import counted

YEAR_BEGINS = 7  # July: a school year is named by the calendar year in which it ends
LONGEST = 400  # days of a school year; a longer one is a mistyped date
FRIDAY = 5
RARE = 0.05  # a grade of fewer enrollments than this share says nothing of a school's level
_PLACE = ("file", "row_number")
_GRADES = [str(grade) for grade in GradeLevel]


def at_schools(rows: pl.DataFrame, tables: Sequence[str], ledger: Ledger) -> pl.DataFrame:
    """The rows of schools of the district; location 9999 stands for courses taken elsewhere."""
    here = rows.filter((pl.col("location").str.strip_chars() != ELSEWHERE).fill_null(value=True))
    for table in tables:
        ledger.reduce(
            table,
            rows.height - here.height,
            (
                f"row of location {ELSEWHERE}, which is no school here",
                f"rows of location {ELSEWHERE}, which is no school here",
            ),
        )
    return here


def as_day(column: str) -> pl.Expr:
    """A cell that `iso_dates` wrote, as a date; null where it is none."""
    return pl.col(column).str.to_date(DATE_FORMAT, strict=False)


def school_year_of(day: pl.Expr) -> pl.Expr:
    """The school year that a day of instruction belongs to."""
    return day.dt.year() + (day.dt.month() >= YEAR_BEGINS).cast(pl.Int32)


def stated_year(column: str, *, begins: bool) -> pl.Expr:
    """A school year as it is written: 2025-2026, 2025-26, 20252026, or 2026 (2025 where `begins`); null otherwise."""
    text = pl.col(column)
    first = text.str.extract(r"^(\d{4})").cast(pl.Int32, strict=False)
    whole = text.str.extract(r"^\d{4}\D{0,3}(\d{4})$").cast(pl.Int32, strict=False)
    short = text.str.extract(r"^\d{4}\D{1,3}(\d{2})$").cast(pl.Int32, strict=False) + first // 100 * 100
    last = pl.coalesce(whole, short)
    single = pl.when(text.str.contains(r"^\d{4}$")).then(first + int(begins))
    return pl.when(last == first + 1).then(last).otherwise(pl.when(last.is_null()).then(single))


def years_begin(bounds: pl.DataFrame) -> bool:
    """Whether a school year that is one number names the calendar year in which it begins, as the days of A show."""
    single = bounds.filter(pl.col("school_year").str.contains(r"^\d{4}$"))
    later = single.select((pl.col("by_days") - pl.col("school_year").cast(pl.Int32) == 1).all()).item()
    return bool(single.height and later)


def bounds_of(rows: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """One row a location and school year: `school_id`, `school_year` as written, `by_days`, `starts`, `ends`."""
    table = "calendar_days"
    rows = iso_dates(rows, "A", ("starts", "ends"), ledger=ledger)
    for column in ("starts", "ends"):
        is_date = as_day(column).is_not_null() | pl.col(column).is_null()
        rows = ledger.keep(rows, is_date, table=table, rule="unreadable_date", column=column)
        rows = ledger.keep(rows, pl.col(column).is_not_null(), table=table, rule="missing", column=column)
    rows = rows.with_columns(as_day("starts"), as_day("ends"))
    days = (pl.col("ends") - pl.col("starts")).dt.total_days()
    rows = ledger.keep(rows, days.is_between(0, LONGEST), table=table, rule="out_of_range", column="starts, ends")
    known = rows.filter(pl.col("location").fill_null("") != "")
    return (
        known.with_columns(by_days=school_year_of(pl.col("starts")))
        .group_by(pl.col("location").alias("school_id"), "by_days", maintain_order=True)
        .agg(pl.col("school_year").first(), pl.col("starts").min(), pl.col("ends").max())
    )


def derived_calendar(bounds: pl.DataFrame, *, config: CedarsConfig, ledger: Ledger) -> pl.DataFrame:
    """Every day between the bounds of A: Monday to Friday is instructional, but for the holidays that were given."""
    given = len(config.holidays)
    holidays = (
        f"{counted(given, 'holiday of the configuration is', 'holidays of the configuration are')} left out"
        if given
        else "holidays are not known"
    )
    ledger.note(
        "calendar_days: derived from the first and last school day of A: Monday to Friday is taken as instructional; "
        f"{holidays}. A file calendar_days.csv beside the CEDARS files tells the real days"
    )
    holiday = pl.col("date").is_in(pl.Series(list(config.holidays), dtype=pl.Date).implode())
    return (
        bounds.with_columns(date=pl.date_ranges("starts", "ends"))
        .explode("date", empty_as_null=True, keep_nulls=True)
        .sort("school_id", "date", "by_days")
        .unique(["school_id", "date"], keep="last", maintain_order=True)
        .select(
            "school_id",
            "date",
            ((pl.col("date").dt.weekday() <= FRIDAY) & ~holiday).alias("is_instructional"),
            pl.col("by_days").cast(pl.String).alias("school_year"),
            pl.lit(None, dtype=pl.String).alias("term"),
        )
    )


def begins_later(rows: pl.DataFrame, bounds: pl.DataFrame, as_of: date) -> pl.Series:
    """Whether an enrollment of C, with `year`, begins after a day; false where no day can be read."""
    dated = _from_their_year_on(iso_dates(rows, "C", ("entry_date",), ledger=Ledger()), bounds, Ledger())
    return dated.select((as_day("entry_date") > as_of).fill_null(value=False)).to_series()


def enrollments_of(
    rows: pl.DataFrame, pupils: pl.DataFrame, bounds: pl.DataFrame, *, config: CedarsConfig, ledger: Ledger
) -> pl.DataFrame:
    """Enrollments of C, each with the grade of B. `rows`, `pupils`: with `year`, the school year as a number."""
    table = "enrollments"
    rows = iso_dates(at_schools(rows, (table,), ledger), "C", ("entry_date", "exit_date"), ledger=ledger)
    rows = _from_their_year_on(rows, bounds, ledger)
    grades = _grades_of(rows, pupils, config=config, ledger=ledger)
    code = pl.col("withdrawal").str.to_uppercase()
    exit_types = {each: str(kind) for each, kind in config.withdrawals.items()}
    rows = rows.with_columns(exit_type=code.replace_strict(exit_types, default=None, return_dtype=pl.String))
    unsaid = rows.filter(pl.col("withdrawal").is_not_null() & pl.col("exit_type").is_null()).height
    ledger.note(f"{table}: {unsaid:,} have a withdrawal code without a meaning in the configuration", unsaid)
    return rows.with_columns(grades).select(
        "student_id",
        pl.col("location").alias("school_id"),
        "entry_date",
        pl.coalesce(pl.col("year").cast(pl.String), "school_year").alias("school_year"),
        "grade_level",
        "exit_date",
        "exit_type",
        *_PLACE,
    )


def _from_their_year_on(rows: pl.DataFrame, bounds: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """An enrollment that goes on from earlier years begins, in its row of a school year, with that year."""
    starts = bounds.select(pl.col("school_id").alias("location"), pl.col("by_days").alias("year"), "starts")
    rows = rows.join(starts, on=["location", "year"], how="left", maintain_order="left")
    begins = pl.date(pl.col("year") - 1, YEAR_BEGINS, 1)
    is_earlier = (as_day("entry_date") < begins).fill_null(value=False)
    first = pl.coalesce("starts", begins).dt.to_string(DATE_FORMAT)
    earlier = rows.filter(is_earlier).height
    ledger.note(f"enrollments: {earlier:,} go on from an earlier school year; they begin with their own", earlier)
    return rows.with_columns(entry_date=pl.when(is_earlier).then(first).otherwise("entry_date"))


def grade_levels(cells: pl.Expr, config: CedarsConfig) -> pl.Expr:
    """Grade levels by their code; null where it is none."""
    known = {code: str(grade) for code, grade in config.grade_levels.items()}
    return cells.str.to_uppercase().replace_strict(known, default=None, return_dtype=pl.String)


def _grades_of(rows: pl.DataFrame, pupils: pl.DataFrame, *, config: CedarsConfig, ledger: Ledger) -> pl.Series:
    """The grade of each enrollment: of the latest row of B that overlaps it, else of the latest of its school year."""
    graded = pupils.filter(pl.col("grade_level").is_not_null()).select(
        "student_id",
        "year",
        grade_level=grade_levels(pl.col("grade_level"), config),
        enrolled=as_day("enrolled").fill_null(date.min),
        exited=as_day("exited").fill_null(date.max),
    )
    odd = graded["grade_level"].null_count()
    ledger.note(
        f"B: {counted(odd, 'row has', 'rows have')} a grade level code without a meaning; their grade is not known", odd
    )
    spells = rows.select(
        "student_id", "year", entry=as_day("entry_date"), exit=as_day("exit_date").fill_null(date.max)
    ).with_row_index("at")
    overlaps = (pl.col("enrolled") <= pl.col("exit")) & (pl.col("exited") >= pl.col("entry"))
    found = (
        spells.join(graded, on=["student_id", "year"], how="inner", maintain_order="left_right")
        .sort("at", overlaps, "enrolled", maintain_order=True)
        .unique("at", keep="last", maintain_order=True)
    )
    ungraded = spells.height - found["grade_level"].count()
    ledger.note(f"enrollments: {ungraded:,} have no grade level in B", ungraded)
    return spells.join(found.select("at", "grade_level"), on="at", how="left", maintain_order="left")["grade_level"]


def students_of(pupils: pl.DataFrame, enrolled: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """One row a student: of several rows of B the one enrolled last. `enrolled`: the rows of C."""
    table = "students"
    is_here = (pl.col("location") != ELSEWHERE).fill_null(value=True)
    elsewhere = enrolled.group_by("student_id").agg(is_here.any().alias("here")).filter(~pl.col("here"))
    ours = pupils.join(elsewhere, on="student_id", how="anti", maintain_order="left")
    ledger.reduce(
        table,
        pupils.height - ours.height,
        (
            f"row of a student who is at location {ELSEWHERE} alone",
            f"rows of students who are at location {ELSEWHERE} alone",
        ),
    )
    ordered = ours.with_row_index("at").sort("year", as_day("enrolled"), "at", nulls_last=False)
    named = ordered.filter(pl.col("student_id").fill_null("") != "")
    latest = named.unique("student_id", keep="last", maintain_order=True)
    ledger.reduce(
        table,
        named.height - latest.height,
        ("further row of the same student; the latest stands", "further rows of the same student; the latest stands"),
    )
    unnamed = ordered.join(named.select("at"), on="at", how="anti", maintain_order="left")
    return (
        pl.concat([latest, unnamed]).sort("at").select("student_id", "first_name", "last_name", "birth_date", *_PLACE)
    )


def schools_of(
    locations: pl.DataFrame, enrolled: pl.DataFrame, spells: pl.DataFrame, *, ledger: Ledger
) -> pl.DataFrame:
    """The locations of A, then those that C alone names. `spells`: the enrollments, for the level of a school."""
    table = "schools"
    first = pl.col("location").is_first_distinct() | pl.col("location").is_null()
    columns = [pl.col("location").alias("school_id"), pl.col("district").alias("district_id"), *_PLACE]
    rows = at_schools(locations, (table,), ledger)
    ours = rows.filter(first).select(columns)
    ledger.reduce(
        table, rows.height - ours.height, ("further row of the same location", "further rows of the same location")
    )
    is_named = (pl.col("location") != ELSEWHERE) & pl.col("location").is_not_null()
    others = enrolled.filter(is_named).filter(first).select(columns)
    others = others.join(ours, on="school_id", how="anti", maintain_order="left")
    ledger.note(
        f"{table}: {counted(others.height, 'location of C is', 'locations of C are')} "
        "not in A; they have no calendar of it",
        others.height,
    )
    schools = pl.concat([ours, others])
    levels = _levels(spells)
    ledger.note(f"{table}: the level of {levels.height:,} is derived from the grades of their students", levels.height)
    return schools.join(levels, on="school_id", how="left", maintain_order="left")


def _levels(spells: pl.DataFrame) -> pl.DataFrame:
    """`school_id`, `level`: elementary up to grade 6, middle from 5 to 9, high from 9 on; other for all else."""
    grades = spells.filter(pl.col("grade_level").is_in(_GRADES)).with_columns(
        place=pl.col("grade_level").replace_strict(
            {grade: at for at, grade in enumerate(_GRADES)}, return_dtype=pl.Int32
        )
    )
    counted = grades.group_by("school_id", "place").len().with_columns(of=pl.col("len").sum().over("school_id"))
    usual = counted.filter(pl.col("len") >= RARE * pl.col("of")).group_by("school_id")
    lowest, highest = pl.col("lowest"), pl.col("highest")
    five, six, nine = (_GRADES.index(grade) for grade in ("5", "6", "9"))
    level = (
        pl.when(highest <= six)
        .then(pl.lit(SchoolLevel.ELEMENTARY.value))
        .when(lowest >= nine)
        .then(pl.lit(SchoolLevel.HIGH.value))
        .when((lowest >= five) & (highest <= nine))
        .then(pl.lit(SchoolLevel.MIDDLE.value))
        .otherwise(pl.lit(SchoolLevel.OTHER.value))
    )
    return (
        usual.agg(lowest=pl.col("place").min(), highest=pl.col("place").max())
        .select("school_id", level=level)
        .sort("school_id")
    )
