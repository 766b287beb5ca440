"""Grades and course transcripts of Ed-Fi as the course grades of the contract."""

from __future__ import annotations

from datetime import date

import polars as pl

from cis_ews.readers.edfi_cells import Descriptors, code_of, keep_readable, resolved, school_year
from cis_ews.readers.edfi_roster import PLACE, of_people
from cis_ews.readers.edfi_stream import Package
from cis_ews.readers.ledger import Ledger
from cis_ews.readers.subjects import subject_of
from cis_ews.schema.coverage import known_grades

TABLE = "course_grades"
CORE = ("english", "math", "science", "social_studies")
FINAL = ("Final", "Semester")
IN_TERM = ("Grading Period", "Mid-Term Grade", "Progress Report")
KEY = ["student_id", "school_id", "course_id", "school_year", "term"]
SAME = ["student_id", "course_id", "school_year"]


def grades_of(
    package: Package, descriptors: Descriptors, *, sessions: pl.DataFrame, periods: pl.DataFrame, ledger: Ledger
) -> pl.DataFrame:
    """Transcripts with credits, then marks of grading periods and final marks: several may be of one course and term.

    A grading period's mark is known from its last day, a final mark from that of its session; a transcript has no date.
    """
    courses = _courses(package, descriptors)
    transcripts = _transcripts(package, descriptors, courses=courses, ledger=ledger)
    marks = _marks(package, courses, sessions=sessions, periods=periods, ledger=ledger)
    return pl.concat(
        [transcripts.with_columns(in_transcript=True), marks.with_columns(in_transcript=False)], how="diagonal_relaxed"
    )


def course_grades_of(
    grades: pl.DataFrame, calendar: pl.DataFrame, *, as_of: date | None, ledger: Ledger
) -> pl.DataFrame:
    """One row a student, course and term, of those grades that are known on a day, or of all.

    Where a transcript has a course of a year, the final grades of the same course and year are not counted a second
    time. A grade that is not known yet stands before none that is: it is left out first.
    """
    if as_of is not None:
        known_on = known_grades(grades, calendar).get_column("graded_on")
        known = grades.filter((known_on <= as_of).fill_null(value=True))
        ledger.put_off(TABLE, grades.height - known.height, as_of=as_of, words=("grade", "grades"))
        grades = known
    transcripts, marks = grades.filter("in_transcript"), grades.filter(~pl.col("in_transcript"))
    finals = marks.filter("is_final")
    counted = finals.join(transcripts, on=SAME, how="anti", maintain_order="left")
    ledger.reduce(
        TABLE,
        finals.height - counted.height,
        ("final grade is in a transcript too, which counts", "final grades are in a transcript too, which counts"),
    )
    rows = pl.concat([transcripts, counted, marks.filter(~pl.col("is_final"))])
    once = rows.unique(KEY, keep="first", maintain_order=True)
    ledger.reduce(
        TABLE,
        rows.height - once.height,
        ("grade is a further one of the same course and term", "grades are further ones of the same course and term"),
    )
    named = once.with_columns(pl.coalesce("subject", subject_of(("course_id",), ("title",)), pl.lit("other")))
    return named.with_columns(is_core=pl.col("subject").is_in(CORE)).drop("title", "in_transcript")


def _courses(package: Package, descriptors: Descriptors) -> pl.DataFrame:
    """`school_id`, `local`, `course_id`, `title`, `subject` of every course offering."""
    courses = package.rows("Course")
    known = courses.select(
        course_id="course", title="title", subject=descriptors.word(courses, "subject", kind="subjects")
    ).unique("course_id", keep="first", maintain_order=True)
    offerings = resolved(of_people(package, "CourseOffering"), "course", courses, value="course")
    offered = offerings.select("school_id", "local", course_id="course", own="title")
    offered = offered.unique(["school_id", "local"], keep="first", maintain_order=True)
    joined = offered.join(known, on="course_id", how="left", maintain_order="left")
    own = joined.select(
        "school_id", "local", pl.coalesce("course_id", "local"), pl.coalesce("title", "own").alias("title"), "subject"
    )
    return pl.concat(
        [
            own,
            known.select(
                pl.lit(None, dtype=pl.String).alias("school_id"),
                pl.col("course_id").alias("local"),
                "course_id",
                "title",
                "subject",
            ),
        ]
    )


def _transcripts(package: Package, descriptors: Descriptors, *, courses: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    rows = of_people(package, "CourseTranscript")
    rows = resolved(rows, "course", package.rows("Course"), value="course")
    rows = rows.with_columns(descriptors.word(rows, "subject", kind="subjects").alias("__subject"))
    for column in ("attempted", "earned", "number"):
        rows = keep_readable(rows, column, table=TABLE, ledger=ledger)
    known = courses.filter(pl.col("school_id").is_null()).select(course="course_id", named="title", of="subject")
    joined = rows.join(known, on="course", how="left", maintain_order="left")
    return joined.select(
        "student_id",
        "school_id",
        pl.coalesce("course", "title").alias("course_id"),
        school_year("school_year"),
        code_of(joined["term"]).alias("term"),
        pl.col("letter").alias("mark"),
        pl.col("number").alias("percent"),
        pl.col("attempted").alias("credits_attempted"),
        pl.col("earned").alias("credits_earned"),
        pl.lit(None, dtype=pl.Date).alias("graded_on"),
        pl.lit(value=True).alias("is_final"),
        pl.coalesce("title", "named").alias("title"),
        pl.coalesce("__subject", "of").alias("subject"),
        *PLACE,
    )


def _marks(
    package: Package, courses: pl.DataFrame, *, sessions: pl.DataFrame, periods: pl.DataFrame, ledger: Ledger
) -> pl.DataFrame:
    rows = keep_readable(of_people(package, "Grade"), "number", table=TABLE, ledger=ledger)
    kind = code_of(rows["type"])
    is_kept = kind.is_in([*FINAL, *IN_TERM])
    ledger.reduce(
        TABLE,
        rows.height - int(is_kept.sum()),
        ("grade is of a conduct or an exam", "grades are of a conduct or an exam"),
    )
    rows = rows.with_columns(kind.alias("__kind")).filter(is_kept.fill_null(value=False))
    rows = _with_period(rows, periods).with_columns(
        pl.coalesce(school_year("session_year"), "school_year").alias("__year")
    )
    # The same name may come back every year.
    of_session = ["school_id", "session", "__year"]
    ends = sessions.select("school_id", session="name", __year="school_year", __session_ends="ends").unique(
        of_session, keep="last"
    )
    offered, of_code = (
        courses.filter(each) for each in (pl.col("school_id").is_not_null(), pl.col("school_id").is_null())
    )
    joined = (
        rows.join(ends, on=of_session, how="left", maintain_order="left")
        .join(offered, on=["school_id", "local"], how="left", maintain_order="left")
        .join(of_code.drop("school_id"), on="local", how="left", maintain_order="left", suffix="_of_code")
        .with_columns(
            is_final=pl.col("__kind").is_in(FINAL),
            title=pl.coalesce("title", "title_of_code"),
            subject=pl.coalesce("subject", "subject_of_code"),
        )
    )
    return joined.select(
        "student_id",
        "school_id",
        pl.coalesce("course_id", "local"),
        pl.coalesce(school_year("period_year"), school_year("session_year")).alias("school_year"),
        pl.when("is_final")
        .then(pl.coalesce("session", "__period"))
        .otherwise(pl.coalesce("__period", "session"))
        .alias("term"),
        pl.col("letter").alias("mark"),
        pl.col("number").alias("percent"),
        pl.when("is_final").then("__session_ends").otherwise("__period_ends").alias("graded_on"),
        "is_final",
        "title",
        "subject",
        *PLACE,
    )


def _with_period(rows: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """With `__period`, `__period_ends` and the year of the grading period; it may be named by reference."""
    of_ref = resolved(rows.with_columns(pl.col("period").alias("__name")), "__name", periods, value="name")
    year_of_ref = resolved(
        rows.with_columns(pl.col("period").alias("__year")),
        "__year",
        periods.with_columns(pl.col("school_year").cast(pl.String)),
        value="school_year",
    )
    refers = rows["period"].str.starts_with("ref:").fill_null(value=False)
    named = rows.with_columns(
        code_of(of_ref["__name"]).alias("__period"),
        pl.coalesce("period_year", pl.when(refers).then(year_of_ref["__year"])).alias("period_year"),
    )
    ends = periods.select("school_id", "school_year", __period="name", __period_ends="ends").unique(
        ["school_id", "school_year", "__period"], keep="last"
    )
    return named.with_columns(school_year("period_year").alias("school_year")).join(
        ends, on=["school_id", "school_year", "__period"], how="left", maintain_order="left"
    )
