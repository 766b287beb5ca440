"""Orgs, users, roles, demographics and enrollments of OneRoster as the roster of the contract."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from cis_ews.readers.cells import dates, first_filled, first_of_list, truths, word
from cis_ews.readers.ledger import Ledger
from cis_ews.readers.oneroster_sessions import YEAR_BEGINS
from cis_ews.readers.oneroster_tables import HISPANIC, ID, RACES, TWO_OR_MORE
from cis_ews.wording import counted

LEVELS_UP = 5  # from a school to its district
STUDENT = "student"
GRADES = {
    **{f"{grade}": f"{grade}" for grade in range(1, 13)},
    **dict.fromkeys(("K", "KG", ""), "K"),  # "00" without its zeros is empty
    **dict.fromkeys(("PK", "PR", "TK"), "PK"),
}
_PLACE = ("file", "row_number")


def schools_of(orgs: pl.DataFrame, school_id: str, ledger: Ledger) -> pl.DataFrame:
    """Schools, with `school`, the id by which the package names them. Other orgs are reduced."""
    is_school = (word("type") == "school").fill_null(value=False)
    rows = orgs.with_columns(first_filled(school_id, ID).alias("school_id"), is_school.alias("is_school"))
    schools = rows.filter("is_school").rename({ID: "school"})
    ledger.reduce("schools", rows.height - schools.height, ("org is no school", "orgs are no schools"))
    unnamed = schools.filter(pl.col("school_id").ne_missing(pl.col(school_id))).height if school_id != ID else 0
    ledger.note(f"schools: {unnamed:,} have no {school_id}; their sourcedId stands for it", unnamed)
    return schools.with_columns(_district(schools, orgs)).select("school", "school_id", "district_id", "name", *_PLACE)


def _district(schools: pl.DataFrame, orgs: pl.DataFrame) -> pl.Series:
    """The nearest district above each school; else the only one there is, its parent, or the school itself."""
    parents: dict[str, str | None] = dict(orgs.select(ID, "parentSourcedId").iter_rows())
    districts: set[str | None] = set(orgs.filter((word("type") == "district").fill_null(value=False))[ID])
    only = next(iter(districts)) if len(districts) == 1 else None
    found: list[str] = []
    for school in schools["school"]:
        above: str | None = parents.get(school)
        for _ in range(LEVELS_UP):
            if above is None or above in districts:
                break
            above = parents.get(above)
        found.append((above if above in districts else only) or parents.get(school) or school)
    return pl.Series("district_id", found, dtype=pl.String)


def people_of(
    users: pl.DataFrame, roles: pl.DataFrame, enrollments: pl.DataFrame, *, order: Sequence[str], ledger: Ledger
) -> pl.DataFrame:
    """The users who are students: their columns, and `student_id`, `grade_level`. Others are reduced."""
    by_role = [frame.filter((word("role") == STUDENT).fill_null(value=False)) for frame in (users, roles)]
    ids = pl.concat([by_role[0][ID], by_role[1]["userSourcedId"]])
    if users["role"].null_count() == users.height and roles.is_empty():
        ids = enrollments.filter(word("role") == STUDENT)["userSourcedId"]
        ledger.note("students: no user has a role; those who are enrolled as students were taken")
    students = users.join(ids.unique().alias(ID).to_frame(), on=ID, how="semi", maintain_order="left")
    ledger.reduce("students", users.height - students.height, ("user is no student", "users are no students"))
    code = first_of_list("grades").str.to_uppercase().str.strip_chars_start("0")
    grade = code.replace_strict(GRADES, default=None, return_dtype=pl.String)
    students = students.with_columns(_student_id(students, order, ledger), grade.alias("grade_level"))
    odd = students.filter(pl.col("grades").is_not_null() & pl.col("grade_level").is_null()).height
    ledger.note(f"students: {odd:,} have a grade that is none of PK to 12; it is not known", odd)
    return students


def _student_id(students: pl.DataFrame, order: Sequence[str], ledger: Ledger) -> pl.Expr:
    """The first place of an id that at least half of the students have; `sourcedId` where one has it not."""
    for place in order:
        cell = _id_at(place)
        missing = students.select(cell.is_null().sum()).item()
        if missing * 2 <= students.height:
            ledger.note(f"students: student_id is {place} of users")
            ledger.note(
                f"students: {counted(missing, 'has', 'have')} no {place}; their sourcedId stands for it", missing
            )
            return first_filled(cell, ID).alias("student_id")
    ledger.note("students: student_id is sourcedId of users, as no other id is filled for half of them")
    return pl.col(ID).alias("student_id")


def _id_at(place: str) -> pl.Expr:
    column, _, kind = place.partition(":")
    if not kind:
        return first_filled(column)
    after = (
        pl.col("userIds")
        .str.split("{")
        .list.eval(pl.element().filter(pl.element().str.to_lowercase().str.starts_with(f"{kind.lower()}:")))
    )
    cell = after.list.first().str.slice(len(kind) + 1).str.split("}").list.first().str.strip_chars()
    return pl.when(cell != "").then(cell)


def demographics_of(rows: pl.DataFrame, users: pl.DataFrame, people: pl.DataFrame, *, ledger: Ledger) -> pl.DataFrame:
    """One row a student, with `birth_date` beside the columns of the contract."""
    rows = dates(rows, "demographics", ("birthDate",), table="demographics", ledger=ledger)
    rows = truths(rows, "demographics", (*RACES, TWO_OR_MORE, HISPANIC), ledger=ledger)
    known = rows.join(users.select(ID), on=ID, how="semi", maintain_order="left")
    strangers = rows.join(users.select(ID), on=ID, how="anti", maintain_order="left")
    ledger.reject(strangers, table="demographics", rule="student_known", column=ID)
    students = known.join(people.select(ID, "student_id"), on=ID, how="inner", maintain_order="left")
    ledger.reduce(
        "demographics",
        known.height - students.height,
        ("row is of a user who is no student", "rows are of users who are no students"),
    )
    return students.select(
        "student_id",
        pl.col("birthDate").alias("birth_date"),
        pl.col("sex").alias("gender"),
        _race().alias("race_ethnicity"),
        *_PLACE,
    )


def _race() -> pl.Expr:
    """Hispanic first, then two or more races, then the only one: as the federal categories are reported."""
    several = pl.sum_horizontal(pl.col(race).cast(pl.Int8).fill_null(0) for race in RACES) > 1
    race = pl.when(HISPANIC).then(pl.lit("Hispanic or Latino"))
    race = race.when(pl.col(TWO_OR_MORE) | several).then(pl.lit("Two or more races"))
    return race.otherwise(pl.coalesce(pl.when(name).then(pl.lit(words)) for name, words in RACES.items()))


def enrollments_of(
    rows: pl.DataFrame,
    *,
    people: pl.DataFrame,
    schools: pl.DataFrame,
    terms: pl.DataFrame,
    sessions: pl.DataFrame,
    ledger: Ledger,
) -> pl.DataFrame:
    """Enrollments in classes as enrollments in schools: one row a spell. `terms`: `terms_of_classes`.

    A student is enrolled in a school from the first class on, and leaves it when the last class ends before its term
    does. A class that ends with a term ends as planned: the student stays enrolled.
    """
    table = "enrollments"
    is_other = (word("role") != STUDENT).fill_null(value=False)
    students = rows.filter(~is_other)
    ledger.reduce(
        table, rows.height - students.height, ("row is of a teacher or another", "rows are of teachers and others")
    )
    rows = students
    rows = dates(rows, table, ("beginDate", "endDate"), table=table, ledger=ledger)
    classes = terms.group_by("class").agg(pl.col("school").first(), pl.col("starts").min())
    rows = (
        rows.join(classes, left_on="classSourcedId", right_on="class", how="left", maintain_order="left")
        .with_columns(first_filled("schoolSourcedId", "school").alias("school"))
        .join(
            people.select(ID, "student_id", "grade_level"),
            left_on="userSourcedId",
            right_on=ID,
            how="left",
            maintain_order="left",
        )
        .join(schools.select("school", "school_id"), on="school", how="left", maintain_order="left")
        .with_columns(entry=pl.coalesce("beginDate", "starts"))
    )
    undated = rows.filter(pl.col("beginDate").is_null() & pl.col("entry").is_not_null()).height
    ledger.note(
        f"{table}: {counted(undated, 'row has', 'rows have')} no beginDate; the first day of the class stands for it",
        undated,
    )
    for holds, rule, column in (
        (pl.col("student_id").is_not_null(), "student_known", "userSourcedId"),
        (pl.col("school_id").is_not_null(), "school_known", "schoolSourcedId"),
        (pl.col("entry").is_not_null(), "missing", "beginDate"),
        (pl.col("endDate").is_null() | (pl.col("endDate") >= pl.col("entry")), "exit_not_before_entry", "endDate"),
    ):
        rows = ledger.keep(rows, holds, table=table, rule=rule, column=column)
    by_year = _by_year(rows, terms)
    lasting = by_year.height - rows.height
    ledger.note(f"{table}: {lasting:,} go on into a further school year of their class; they begin with it", lasting)
    spells = _spells(by_year, planned=sessions["ends"].unique())
    further = max(rows.height - spells.height, 0)
    ledger.reduce(
        table,
        further,
        (
            "row is of a further class of the same enrollment in a school",
            "rows are of further classes of the same enrollment in a school",
        ),
    )
    return spells


def _by_year(rows: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """The rows, once for each school year of their class that they reach into, with `school_year` and `ends` of it.

    A class may have the terms of several school years. A row that reaches into none belongs to the first.
    """
    years = terms.group_by("class", "school_year").agg(pl.col("starts").min(), pl.col("ends").max())
    joined = (
        rows.drop("starts")
        .with_row_index("at")
        .join(years, left_on="classSourcedId", right_on="class", how="left", maintain_order="left")
        .sort("at", "starts", maintain_order=True)
    )
    reaches = (pl.col("entry") <= pl.col("ends")) & (pl.col("endDate") >= pl.col("starts")).fill_null(value=True)
    first = pl.col("at").is_first_distinct()
    held = joined.with_columns(reaches=reaches.fill_null(value=True)).filter(
        pl.when(pl.col("reaches").any().over("at")).then("reaches").otherwise(first)
    )
    return held.with_columns(entry=pl.when(first).then("entry").otherwise("starts")).drop("at", "reaches")


def _spells(rows: pl.DataFrame, planned: pl.Series) -> pl.DataFrame:
    key = ["student_id", "school_id", "school_year"]
    by_date = pl.col("entry").dt.year() + (pl.col("entry").dt.month() >= YEAR_BEGINS).cast(pl.Int32)
    is_planned = pl.col("endDate").is_in(planned.to_list()) | (pl.col("endDate") >= pl.col("ends"))
    never = pl.date(9999, 1, 1)
    reached = pl.col("until").cum_max().shift(1).over(key)
    return (
        rows.with_columns(
            school_year=pl.coalesce("school_year", by_date).cast(pl.Int16),
            until=pl.when(is_planned).then(never).otherwise(pl.col("endDate").fill_null(never)),
        )
        .sort(*key, "entry", "until", ID)
        .with_columns(again=(pl.col("entry") > reached + pl.duration(days=1)).fill_null(value=False))
        .with_columns(spell=pl.col("again").cum_sum().over(key))
        .group_by(*key, "spell", maintain_order=True)
        .agg(pl.col("entry").first().alias("entry_date"), pl.col("until").max(), pl.col("grade_level", *_PLACE).first())
        .with_columns(exit_date=pl.when(pl.col("until") < never).then("until"))
        .drop("spell", "until")
    )


def without_classes(
    people: pl.DataFrame, roles: pl.DataFrame, spells: pl.DataFrame, *, schools: pl.DataFrame, sessions: pl.DataFrame
) -> pl.DataFrame:
    """Enrollments of students in no class: in the school of their role or user, through the latest school year."""
    year = sessions.filter(pl.col("school_year") == pl.col("school_year").max())
    begins = year["starts"].min()
    of_role = (
        roles.filter((word("role") == STUDENT).fill_null(value=False))
        .sort((word("roleType") != "primary").fill_null(value=True), ID)
        .unique("userSourcedId", keep="first", maintain_order=True)
        .select("userSourcedId", pl.col("orgSourcedId").alias("of_role"), pl.col("beginDate").alias("role_begins"))
    )
    return (
        people.join(spells, on="student_id", how="anti", maintain_order="left")
        .join(of_role, left_on=ID, right_on="userSourcedId", how="left", maintain_order="left")
        .with_columns(
            school=first_filled("of_role", "primaryOrgSourcedId", first_of_list("orgSourcedIds")),
            entry_date=pl.max_horizontal(pl.col("role_begins"), pl.lit(begins, dtype=pl.Date)),
            school_year=pl.lit(year["school_year"].max(), dtype=pl.Int16),
            exit_date=pl.lit(None, dtype=pl.Date),
        )
        .join(schools.select("school", "school_id"), on="school", how="inner", maintain_order="left")
        .select(spells.columns)
    )


def with_grade_of_now(spells: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """The grade of a user is the grade of now: it is not known of earlier school years."""
    latest = pl.col("school_year") == pl.col("school_year").max()
    earlier = spells.filter(~latest).height
    ledger.note(f"enrollments: {earlier:,} of earlier school years; OneRoster does not tell their grade", earlier)
    return spells.with_columns(pl.when(latest).then("grade_level").alias("grade_level"))
