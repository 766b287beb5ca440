"""Where two sources of one district say different things of the same student or school: counted, never shown.

One of them counts (the precedence of the table); that the other one differs is told by column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import polars as pl

from cis_ews.readers.draft import Draft
from cis_ews.schema.rows import check_rows
from cis_ews.schema.school_data import TABLES
from cis_ews.schema.validation import OWNED

COMPARED = ("schools", "students", "demographics", "enrollments")


def conflicts(drafts: Mapping[str, Draft], suppliers: Mapping[str, str], *, as_of: date | None) -> Iterator[str]:
    """A sentence for each table of the roster that another source has too. `suppliers`: table -> the one that counts.

    Of enrollments, the school and the grade of the latest one that has begun, in the latest school year that both have.
    """
    for table in (each for each in COMPARED if each in suppliers):
        counts = suppliers[table]
        others = [name for name, draft in drafts.items() if name != counts and table in draft.frames]
        if not others:
            continue
        own = _typed(table, drafts[counts])
        for other in others:
            yield _compared(table, own, _typed(table, drafts[other]), names=(counts, other), as_of=as_of)


def found_in_one(drafts: Mapping[str, Draft], roster: str) -> Iterator[str]:
    """A sentence for each source whose students are not all those of the roster, and the other way round."""
    known = _ids([drafts[roster].frames["students"]])
    for name in (each for each in drafts if each != roster):
        told = _ids([frame for table, frame in drafts[name].frames.items() if table in OWNED])
        unknown = told.filter(~told.is_in(known.implode())).len()
        missing = known.filter(~known.is_in(told.implode())).len()
        if told.len() and (unknown or missing):
            yield (
                f"students: {unknown:,} of {told.len():,} in {name} are not among the students of {roster}, which "
                f"count; {missing:,} of {known.len():,} there are not in {name}"
            )


def _ids(frames: Sequence[pl.DataFrame]) -> pl.Series:
    ids = [frame.select(pl.col("student_id").cast(pl.String)) for frame in frames if "student_id" in frame.columns]
    found = pl.concat([pl.DataFrame(schema={"student_id": pl.String}), *ids]).to_series()
    return found.drop_nulls().unique()


def _typed(table: str, draft: Draft) -> pl.DataFrame:
    """The rows of a table that keep its own rules."""
    return check_rows(table, TABLES[table], draft.frames[table]).rows.select(list(TABLES[table].columns()))


def _compared(table: str, own: pl.DataFrame, other: pl.DataFrame, *, names: tuple[str, str], as_of: date | None) -> str:
    key = "school_id" if table == "schools" else "student_id"
    if table == "enrollments":
        own, other = _latest(own, other, as_of=as_of)
    both = own.join(other, on=key, how="inner", suffix="__other")
    columns = [name for name in own.columns if name != key and f"{name}__other" in both.columns]
    counts = both.select(_differ(name, own.schema[name]).sum() for name in columns).row(0, named=True)
    told = ", ".join(f"{name} of {count:,}" for name, count in counts.items() if count)
    said = f"they differ in {told}; what {names[0]} says counts" if told else "they agree"
    return f"{table}: {both.height:,} are both in {names[0]} and in {names[1]}; {said}"


def _differ(name: str, dtype: pl.DataType) -> pl.Expr:
    """Whether both say something, and not the same: of texts without regard to case and spaces around."""
    one, other = (pl.col(each) for each in (name, f"{name}__other"))
    if dtype == pl.String:
        one, other = (each.str.strip_chars().str.to_lowercase() for each in (one, other))
    return (one != other).fill_null(value=False).alias(name)


def _latest(own: pl.DataFrame, other: pl.DataFrame, *, as_of: date | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`student_id`, `school_id`, `grade_level` of each student in the latest school year that both sources have."""
    begun = [rows.filter(pl.col("entry_date") <= (as_of or date.max)) for rows in (own, other)]
    years = ["student_id", "school_year"]
    common = begun[0].select(years).join(begun[1].select(years), on=years, how="semi")
    year = common.group_by("student_id").agg(pl.col("school_year").max())
    one, two = (
        rows.join(year, on=years, how="semi")
        .sort("entry_date", "school_id", descending=[True, False])
        .unique("student_id", keep="first", maintain_order=True)
        .select("student_id", "school_id", "grade_level")
        for rows in begun
    )
    return one, two
