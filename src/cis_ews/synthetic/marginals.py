"""What a made-up district looks like, in figures that are published for real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from cis_ews.schema.school_data import TABLES

OUT_OF_SCHOOL = ("short_term_suspension", "long_term_suspension", "expulsion", "emergency_expulsion")
SUSPENSIONS = (*OUT_OF_SCHOOL, "in_school_suspension")
FIRST_DAYS = 60
WHOLE_YEAR = 150
STUDENT_YEAR = ["student_id", "school_year"]
ABSENT = pl.col("status").is_in(["excused", "unexcused"])


@dataclass(frozen=True, slots=True)
class Extract:
    """The tables of an output in Parquet without dirt, and one row a student and school year."""

    frames: Mapping[str, pl.DataFrame]
    years: pl.DataFrame

    def of(self, chosen: pl.Expr) -> Extract:
        """The same with some of the student years."""
        return replace(self, years=self.years.filter(chosen))


def read_extract(folder: Path) -> Extract:
    """An output in Parquet that was written without dirt."""
    sources = {table: folder / table if (folder / table).is_dir() else folder / f"{table}.parquet" for table in TABLES}
    frames = {table: pl.read_parquet(source) for table, source in sources.items() if source.exists()}
    return Extract(frames, student_years(frames))


def student_years(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """One row a student and school year (kindergarten to grade 12).

    Grade, level; days enrolled and absent, in the first 60 days and in September; incidents; whether suspended; final
    courses for credit taken and failed; how the year ended; whether the year before was in another grade; the grade
    of the next year.
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
    counts = ["absent", "absent_first", "absent_september", "minor", "major", "taken", "failed"]
    return years.with_columns(
        pl.col(counts).fill_null(0),
        pl.col("suspended", "kept_out").fill_null(value=False),
        first_time=pl.col("grade_level") != pl.col("grade_level").shift(1).over("student_id", order_by="school_year"),
        next_grade=pl.col("grade_level").shift(-1).over("student_id", order_by="school_year"),
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


def share(extract: Extract, holds: pl.Expr) -> float:
    """The share of student years of which something holds."""
    return extract.years.select(holds.mean()).item()


def chronic(extract: Extract) -> float:
    """Share of student years with a tenth of the days enrolled missed, or more."""
    return share(extract, 10 * pl.col("absent") >= pl.col("days"))


def height_of_grades(extract: Extract) -> float:
    """Chronic absence in the grades where Washington's is highest over that of the others."""
    high = pl.col("grade_level").is_in(["K", "8", "9", "12"])
    return chronic(extract.of(high)) / chronic(extract.of(~high))


def in_september(extract: Extract, days: tuple[float, float]) -> float:
    """Chronic absence of those who missed so many days in September, from the first bound to below the second."""
    missed = pl.col("absent_september").is_between(*days, closed="left")
    return chronic(extract.of(missed & (pl.col("days") >= WHOLE_YEAR)))


def correlation_of_first_days(extract: Extract) -> float:
    """Of the absence rate of the first 60 days with that of all days after."""
    later = (pl.col("absent") - pl.col("absent_first")) / (pl.col("days") - FIRST_DAYS)
    years = extract.years.filter(pl.col("days") >= WHOLE_YEAR)
    return years.select(pl.corr(pl.col("absent_first"), later)).item()


def year_to_year(extract: Extract) -> float:
    """Of a year's absence rate with that of the year before."""
    before = pl.col("rate").shift(1).over("student_id", order_by="school_year")
    return extract.years.filter(pl.col("days") >= WHOLE_YEAR).select(pl.corr("rate", before)).item()


def chance_after_an_absence(extract: Extract) -> float:
    """Share of absences that follow an absence of the day before, over the share of all days that are absences."""
    events = extract.frames["attendance_events"].filter(ABSENT).sort("student_id", "date")
    day_before = pl.col("date").shift(1).over("student_id") == pl.col("date").dt.offset_by("-1d")
    next_day_counts = pl.col("date").dt.weekday() > 1
    followed = events.select(day_before.fill_null(value=False).alias("after"), next_day_counts.alias("counts"))
    after = followed.filter("counts").select(pl.col("after").mean()).item()
    return after / (events.height / extract.years["days"].sum())


def monday_and_friday(extract: Extract) -> float:
    """Absences an instructional Monday or Friday over those of any other instructional day."""
    beside_weekend = pl.col("date").dt.weekday().is_in([1, 5]).alias("beside_weekend")
    days = extract.frames["calendar_days"].filter("is_instructional")
    events = extract.frames["attendance_events"].filter(ABSENT)
    rates = [
        events.filter(where).height / days.filter(where).height for where in (beside_weekend, beside_weekend.not_())
    ]
    return rates[0] / rates[1]


def several_majors(extract: Extract, level: str) -> float:
    """Share of a level's student years with two major incidents or more."""
    return share(extract.of(pl.col("level") == level), pl.col("major") >= 2)


def suspensions_excused(extract: Extract) -> float:
    """Share of out-of-school suspensions whose first day is in the attendance as an excused absence of the whole day.

    Of the years before the last: in the last one, schools may not have entered everything.
    """
    last = extract.frames["enrollments"]["school_year"].max()
    actions = extract.frames["discipline_actions"].with_columns(_school_year("start_date"))
    kept_out = actions.filter(pl.col("action").is_in(OUT_OF_SCHOOL) & (pl.col("school_year") < last))
    whole_days = (pl.col("status") == "excused") & (pl.col("fraction_absent") == 1)
    excused = extract.frames["attendance_events"].filter(whole_days)
    found = kept_out.join(excused, left_on=["student_id", "start_date"], right_on=["student_id", "date"], how="semi")
    return found.height / kept_out.height


def on_track(extract: Extract) -> float:
    """Share of first-time ninth graders, where an earlier year tells, who earned every credit that they attempted."""
    ninth = (pl.col("grade_level") == "9") & pl.col("first_time") & (pl.col("taken") > 0)
    return share(extract.of(ninth), pl.col("failed") == 0)


def correlation_of_points(extract: Extract) -> float:
    """Of a year's mean grade points with its absence rate, grades 6 to 12."""
    return extract.years.filter(pl.col("gpa").is_not_null()).select(pl.corr("gpa", "rate")).item()


def graduation(extract: Extract) -> float:
    """Chance of passing from grade 9 to 12 a grade a year and graduating; those who transfer out are left out.

    A cohort takes four years and the extract has three: the chances of each grade in these years are multiplied.
    """
    chance = 1.0
    for grade, passes in (("9", "10"), ("10", "11"), ("11", "12"), ("12", None)):
        stayed = (pl.col("grade_level") == grade) & (pl.col("ends").fill_null("") != "transfer")
        here = extract.of(stayed & (pl.col("days") >= FIRST_DAYS))
        goes_on = pl.col("ends") == "graduated" if passes is None else pl.col("next_grade") == passes
        known = here if passes is None else here.of(pl.col("school_year") < extract.years["school_year"].max())
        chance *= share(known, goes_on.fill_null(value=False))
    return chance


def demographic(extract: Extract, column: str, *values: str) -> float:
    """Share of students with one of some values."""
    column_of = extract.frames["demographics"].select(pl.col(column).cast(pl.String).is_in(values).mean())
    return column_of.item()
