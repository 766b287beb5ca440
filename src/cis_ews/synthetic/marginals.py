"""What a made-up district looks like, in figures that are published for real ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from cis_ews.schema.school_data import TABLES

OUT_OF_SCHOOL = ("short_term_suspension", "long_term_suspension", "expulsion", "emergency_expulsion")
SUSPENSIONS = (*OUT_OF_SCHOOL, "in_school_suspension")
FIRST_DAYS = 60
STUDENT_YEAR = ["student_id", "school_year"]
ABSENT = pl.col("status").is_in(["excused", "unexcused"])


def read_frames(folder: Path) -> dict[str, pl.DataFrame]:
    """The tables of an output in Parquet, without dirt."""
    sources = {table: folder / table if (folder / table).is_dir() else folder / f"{table}.parquet" for table in TABLES}
    return {table: pl.read_parquet(source) for table, source in sources.items()}


def student_years(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """One row a student and school year (kindergarten to grade 12).

    Grade, level; days enrolled and absent, in the first 60 days and after; incidents; whether suspended; final high-school
    courses taken and failed; how the year ended; whether it is the first year in that grade.
    """
    stays = _stays(frames)
    years = (
        stays.sort("student_id", "entry_date")
        .group_by(STUDENT_YEAR, maintain_order=True)
        .agg(
            pl.col("grade_level", "level", "district_id").last(),
            pl.col("school_id").first(),
            days=pl.col("days").sum(),
            stays=pl.len(),
            ends=pl.col("exit_type").last(),
        )
        .filter(pl.col("grade_level") != "PK")
    )
    for part in (_absences(frames, stays), _incidents(frames), _suspensions(frames), _credits(frames), _points(frames)):
        years = years.join(part, on=STUDENT_YEAR, how="left", maintain_order="left")
    counts = ["absent", "absent_first", "events", "minor", "major", "taken", "failed"]
    return years.with_columns(
        pl.col(counts).fill_null(0),
        pl.col("suspended", "kept_out").fill_null(value=False),
        first_time=pl.col("grade_level") != pl.col("grade_level").shift(1).over("student_id", order_by="school_year"),
    ).with_columns(rate=pl.col("absent") / pl.col("days"))


def _stays(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Enrollments outside skills centers with the instructional days that lie in them."""
    calendar = frames["calendar_days"].sort("school_id", "date")
    number = pl.col("is_instructional").cum_sum().over("school_id", "school_year").cast(pl.Int32)
    numbers = calendar.select("school_id", "date", number=number, open=pl.col("is_instructional").cast(pl.Int32))
    first = numbers.rename({"date": "entry_date", "number": "at_entry", "open": "open_at_entry"})
    last = numbers.rename({"date": "exit_date", "number": "at_exit"}).drop("open")
    return (
        frames["enrollments"]
        .join(frames["schools"].filter(pl.col("level") != "other"), on="school_id")
        .join(first, on=["school_id", "entry_date"])
        .join(last, on=["school_id", "exit_date"])
        .with_columns(days=pl.col("at_exit") - pl.col("at_entry") + pl.col("open_at_entry"))
    )


def _absences(frames: Mapping[str, pl.DataFrame], stays: pl.DataFrame) -> pl.DataFrame:
    calendar = frames["calendar_days"].filter("is_instructional").sort("school_id", "date")
    number = pl.col("date").rank("ordinal").over("school_id", "school_year")
    numbered = calendar.select("school_id", "date", "school_year", number=number)
    schools = stays.select("school_id").unique()
    events = frames["attendance_events"].join(schools, on="school_id").join(numbered, on=["school_id", "date"])
    missed = pl.when(ABSENT).then("fraction_absent").otherwise(0.0)
    return events.group_by(STUDENT_YEAR).agg(
        absent=missed.sum(),
        absent_first=missed.filter(pl.col("number") <= FIRST_DAYS).sum(),
        absent_september=missed.filter(pl.col("date").dt.month() == 9).sum(),
        events=pl.len(),
    )


def _incidents(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return (
        frames["incidents"]
        .with_columns(_school_year("date"))
        .group_by(STUDENT_YEAR)
        .agg(
            minor=(pl.col("severity") == "minor").sum(),
            major=(pl.col("severity") == "major").sum(),
        )
    )


def _suspensions(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return (
        frames["discipline_actions"]
        .with_columns(_school_year("start_date"))
        .group_by(STUDENT_YEAR)
        .agg(
            suspended=pl.col("action").is_in(SUSPENSIONS).any(),
            kept_out=pl.col("action").is_in(OUT_OF_SCHOOL).any(),
        )
    )


def _school_year(column: str) -> pl.Expr:
    date = pl.col(column)
    return (date.dt.year() + (date.dt.month() >= 8)).cast(pl.Int16).alias("school_year")


def _credits(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    finals = frames["course_grades"].filter(pl.col("is_final") & (pl.col("credits_attempted") > 0))
    return finals.group_by(STUDENT_YEAR).agg(taken=pl.len(), failed=(pl.col("credits_earned") == 0).sum())


def _points(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return frames["course_grades"].group_by(STUDENT_YEAR).agg(gpa=pl.col("grade_points").mean())
