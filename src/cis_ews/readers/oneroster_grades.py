"""Results of OneRoster as course grades: one row a student, course and term.

A result in a category of final grades is the report card's; it stands as it is. Of all others the standing in the
course is worked out, as a gradebook does: points earned over points possible by category, categories by their weights
where all have one. Sums are sums of whole numbers, so that their order does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from cis_ews.readers.cells import Spellings, dates, first_filled, truths, words_of
from cis_ews.readers.ledger import Ledger
from cis_ews.readers.oneroster_config import OneRosterConfig
from cis_ews.readers.oneroster_tables import ID
from cis_ews.readers.subjects import subject_of
from cis_ews.wording import counted

TABLE = "course_grades"
MILLI = 1000  # points and weights are added up in thousandths
RATIO = 10**8
MOST_POINTS = 1e6
MOST_WEIGHT = 1e4
EXTRA = 1.2  # the contract's bound on a percent
FLAGS = ("inProgress", "incomplete", "late", "missing")
SIGNALS = ("missing", "incomplete", "late")
ASSIGNMENTS = ("assignments", "assignments_missing_or_late")
INCOMPLETE_MARK = "I"
GROUP = ("school_id", "course_id", "school_year", "term")
_PLACE = ("file", "row_number")

Tables = Mapping[str, pl.DataFrame]


def line_items_of(
    tables: Tables, *, schools: pl.DataFrame, terms: pl.DataFrame, sessions: pl.DataFrame, ledger: Ledger
) -> pl.DataFrame:
    """Line items, each with its course, school, subject, term, category and score scale."""
    items = dates(tables["lineItems"], "lineItems", ("dueDate",), table=TABLE, ledger=ledger)
    items = items.join(
        _classes(tables, schools), left_on="classSourcedId", right_on="class", how="left", maintain_order="left"
    )
    items = ledger.keep(
        items, pl.col("school_id").is_not_null(), table=TABLE, rule="class_known", column="classSourcedId"
    )
    items = _with_term(items, terms, sessions, ledger=ledger)
    items = ledger.keep(
        items, pl.col("term").is_not_null(), table=TABLE, rule="session_known", column="academicSessionSourcedId"
    )
    scales = tables["lineItemScoreScales"].select("lineItemSourcedId", pl.col("scoreScaleSourcedId").alias("of_item"))
    scales = scales.unique("lineItemSourcedId", keep="first", maintain_order=True)
    return items.join(scales, left_on=ID, right_on="lineItemSourcedId", how="left", maintain_order="left").with_columns(
        pl.coalesce("of_item", "scale").alias("scale"),
        points_possible=_number("resultValueMax", least=0, most=MOST_POINTS),
    )


def _number(column: str, *, least: float, most: float, is_least_known: bool = False) -> pl.Expr:
    """A number above the least, or it itself if that is a value of its own, as a weight of nothing is; else null."""
    value = pl.col(column).str.strip_chars().cast(pl.Float64, strict=False)
    above = value >= least if is_least_known else value > least
    return pl.when(above & (value <= most)).then(value)


def _classes(tables: Tables, schools: pl.DataFrame) -> pl.DataFrame:
    courses = tables["courses"].select(
        pl.col(ID).alias("courseSourcedId"),
        *(pl.col(c).alias(f"course_{c}") for c in ("title", "subjects", "subjectCodes")),
    )
    scales = tables["scoreScales"].select(pl.col("classSourcedId").alias(ID), pl.col(ID).alias("scale"))
    scales = scales.unique(ID, keep="first", maintain_order=True)
    known = (
        tables["classes"]
        .join(courses, on="courseSourcedId", how="left", maintain_order="left")
        .join(
            schools.select("school", "school_id"), left_on="schoolSourcedId", right_on="school", maintain_order="left"
        )
        .join(scales, on=ID, how="left", maintain_order="left")
    )
    return known.select(
        pl.col(ID).alias("class"),
        first_filled("courseSourcedId", ID).alias("course_id"),
        "school_id",
        "scale",
        subject_of(("subjectCodes", "course_subjectCodes"), ("subjects", "title", "course_title", "course_subjects")),
    )


def _with_term(items: pl.DataFrame, terms: pl.DataFrame, sessions: pl.DataFrame, *, ledger: Ledger) -> pl.DataFrame:
    """The session that a line item names; else the term of its class that holds its due date, else the first one.

    `ends`: the last day of that term.
    """
    named = sessions.select("session", "term", "school_year", "ends")
    items = items.join(named, left_on="academicSessionSourcedId", right_on="session", how="left", maintain_order="left")
    unnamed = items.filter(pl.col("term").is_null()).select(ID, "classSourcedId", "dueDate")
    holds = pl.col("dueDate").is_between("starts", "ends").fill_null(value=False)
    found = (
        unnamed.join(terms, left_on="classSourcedId", right_on="class", how="inner")
        .sort(ID, ~holds, "starts", "session")
        .unique(ID, keep="first", maintain_order=True)
        .select(ID, *(pl.col(name).alias(f"{name}_of_class") for name in ("term", "school_year", "ends")))
    )
    ledger.note(
        f"lineItems: {counted(found.height, 'names', 'name')} no session; their term is one of their class",
        found.height,
    )
    return items.join(found, on=ID, how="left", maintain_order="left").with_columns(
        pl.coalesce(name, f"{name}_of_class").alias(name) for name in ("term", "school_year", "ends")
    )


def course_grades_of(
    tables: Tables,
    items: pl.DataFrame,
    *,
    people: pl.DataFrame,
    config: OneRosterConfig,
    ledger: Ledger,
    as_of: date | None = None,
) -> pl.DataFrame:
    """The course grades, as they were known on a day, or by all results."""
    items, parts, groups = _grouped(items, tables["categories"], config)
    rows = _linked(tables["results"], items, people=people, ledger=ledger)
    if as_of is not None:
        known = rows.filter((pl.col("known_on") <= as_of).fill_null(value=True))
        ledger.put_off(TABLE, rows.height - known.height, as_of=as_of, words=("result", "results"))
        rows = known
    read = rows.height
    rows = _scored(rows, items, _scales(tables["scoreScales"]), config=config, ledger=ledger)
    rejected = read - rows.height
    is_final = items["is_final"].gather(rows["item"])
    finals = _finals(rows.filter(is_final), items)
    standing = _standing(rows.filter(~is_final) if is_final.any() else rows, items, parts)
    by = ["student", "group"]
    told = standing.select(*by, *ASSIGNMENTS, known_on="graded_on")
    finals = finals.join(told, on=by, how="left", maintain_order="left")
    if as_of is None:
        # Read for no day, a count is known from its last result on, and no final grade of before may tell it.
        is_known = pl.col("known_on") <= pl.col("graded_on")
        finals = finals.with_columns(pl.when(is_known).then(name).alias(name) for name in ASSIGNMENTS)
    finals = finals.drop("known_on")
    standing = standing.join(finals, on=by, how="anti", maintain_order="left")
    grades = pl.concat([finals, standing], how="diagonal")
    ledger.reduce(TABLE, read - rejected - grades.height)
    ledger.note(
        f"{TABLE}: {counted(rows.height, 'result makes', 'results make')} "
        f"{counted(grades.height, 'grade')} of a student, course and term; a grade is "
        "dated by its latest result",
        rows.height,
    )
    return (
        grades.join(groups, on="group", how="left")
        .with_columns(people["student_id"].gather(grades["student"]).alias("student_id"))
        .drop("student", "group")
    )


def _grouped(
    items: pl.DataFrame, categories: pl.DataFrame, config: OneRosterConfig
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Line items with the number of their part; what each part and what each group stands for.

    A group is a course and term, a part of it is what has one category.
    """
    final = [title.casefold().strip() for title in config.final_categories]
    kinds = categories.with_row_index("category").select(
        "category",
        pl.col(ID).alias("categorySourcedId"),
        weight=(_number("weight", least=0, most=MOST_WEIGHT, is_least_known=True) * MILLI).round().cast(pl.Int64),
        is_final=pl.col("title").str.to_lowercase().str.strip_chars().is_in(final).fill_null(value=False),
    )
    groups = (
        items.sort(ID)
        .group_by(*GROUP, maintain_order=True)
        .agg(pl.col("subject").drop_nulls().first())
        .with_row_index("group")
        .with_columns(pl.col("subject").fill_null("other"))
        .with_columns(is_core=pl.col("subject") != "other")
    )
    numbered = (
        items.join(groups.select("group", *GROUP), on=list(GROUP), how="left", maintain_order="left")
        .join(kinds, on="categorySourcedId", how="left", maintain_order="left")
        .with_columns(pl.col("category").fill_null(categories.height), pl.col("is_final").fill_null(value=False))
    )
    parts = numbered.select("group", "category", "weight").unique(["group", "category"], maintain_order=True)
    parts = parts.with_row_index("part")
    numbered = numbered.join(parts.select("part", "group", "category"), on=["group", "category"], maintain_order="left")
    # A final mark is not known on the day that it is due; a result that is missing is.
    due = pl.when(~pl.col("is_final")).then("dueDate")
    places = numbered.select(ID, "group", "part", "points_possible", "scale", "is_final", "ends", due.alias("due"))
    return places, parts, groups


def _linked(results: pl.DataFrame, items: pl.DataFrame, *, people: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """Results with the numbers of their student and line item, and the days from which on they are known."""
    rows = dates(results, "results", ("scoreDate",), table=TABLE, ledger=ledger)
    rows = truths(rows, "results", FLAGS, ledger=ledger)
    rows = _with_place(rows, "studentSourcedId", people[ID], name="student")
    rows = ledger.keep(
        rows, pl.col("student").is_not_null(), table=TABLE, rule="student_known", column="studentSourcedId"
    )
    rows = _with_place(rows, "lineItemSourcedId", items[ID], name="item")
    rows = ledger.keep(
        rows, pl.col("item").is_not_null(), table=TABLE, rule="line_item_known", column="lineItemSourcedId"
    )
    # Without any date a result is known when its term is over.
    rows = rows.with_columns(_or(rows["scoreDate"], items["due"], rows["item"]).alias("on"))
    return rows.with_columns(_or(rows["on"], items["ends"], rows["item"]).alias("known_on"))


def _with_place(rows: pl.DataFrame, column: str, ids: pl.Series, *, name: str) -> pl.DataFrame:
    """The rows with the place of a column's text among ids, each of which is there once; null where it is not."""
    each = Spellings.of(rows[column])
    known = ids.alias("id").to_frame().with_row_index(name).unique("id", keep="first", maintain_order=True)
    found = each.texts.alias("id").to_frame().join(known, on="id", how="left", maintain_order="left")
    return rows.with_columns(each.spread(found[name]).alias(name))


def _or(days: pl.Series, others: pl.Series, places: pl.Series) -> pl.Series:
    """The days, and where there is none, the other one at the row's place."""
    return days.zip_with(days.is_not_null(), others.gather(places)) if days.null_count() else days


def _scales(scales: pl.DataFrame) -> pl.DataFrame:
    """`scale`, `text`, `of_scale`: what a scale says of a word in percent: `{A:94},{B:84}`; of a range, its start."""
    return (
        scales.select(pl.col(ID).alias("scale"), pl.col("scoreScaleValue").str.extract_all(r"\{[^{}]*\}").alias("pair"))
        .explode("pair", empty_as_null=True, keep_nulls=True)
        .select(
            "scale",
            pl.col("pair").str.extract(r"\{\s*([^:]+?)\s*:").str.to_uppercase().alias("text"),
            pl.col("pair").str.extract(r":\s*(\d+(?:\.\d+)?)").cast(pl.Float64, strict=False).alias("of_scale"),
        )
        .filter(pl.col("text").is_not_null() & pl.col("of_scale").is_between(0, 100 * EXTRA))
        .unique(["scale", "text"], keep="first", maintain_order=True)
    )


def _scored(
    rows: pl.DataFrame, items: pl.DataFrame, scales: pl.DataFrame, *, config: OneRosterConfig, ledger: Ledger
) -> pl.DataFrame:
    """Results with `points` of `points_possible`, both null where there is no score to count."""
    rows = rows.with_columns(items["points_possible"].gather(rows["item"]), *_points(rows["score"]))
    rows = ledger.keep(rows, pl.col("readable"), table=TABLE, rule="unreadable_number", column="score")
    fits = pl.col("points").is_between(0, EXTRA * pl.col("points_possible")) | pl.col("points_possible").is_null()
    rows = ledger.keep(rows, pl.col("points").is_null() | fits, table=TABLE, rule="out_of_range", column="score")
    rows = _with_texts(rows, items["scale"], scales)
    rows = rows.with_columns(*_statuses(rows["scoreStatus"]))
    rows = rows.with_columns(is_missing=(pl.col("missing") | pl.col("is_missing")).fill_null(value=False))
    _note_signals(rows, config, ledger)
    if config.missing_is_zero:
        is_zero = pl.col("points").is_null() & pl.col("is_missing")
        rows = rows.with_columns(pl.when(is_zero).then(0.0).otherwise("points").alias("points"))
    unbounded = int((rows["points"].is_not_null() & rows["points_possible"].is_null()).sum())
    ledger.note(
        f"results: {counted(unbounded, 'score has', 'scores have')} no resultValueMax to be a part of; not counted",
        unbounded,
    )
    counts = pl.col("points").is_not_null() & pl.col("points_possible").is_not_null() & ~pl.col("is_exempt")
    return rows.with_columns(
        (pl.when(counts).then(pl.col(name)) * MILLI).round().cast(pl.Int64).alias(name)
        for name in ("points", "points_possible")
    )


def _points(scores: pl.Series) -> tuple[pl.Series, pl.Series]:
    """`points`: scores as numbers, null where there is none; `readable`: whether a cell is a number or empty."""
    each = Spellings.of(scores)
    text = each.texts.str.strip_chars()
    points = text.cast(pl.Float64, strict=False)
    readable = (text.fill_null("") == "") | points.is_finite().fill_null(value=False)
    return each.spread(points).alias("points"), each.spread(readable).fill_null(value=True).alias("readable")


def _statuses(words: pl.Series) -> tuple[pl.Series, pl.Series]:
    """`is_missing`, `is_exempt`: what the status of a score says; null where it says nothing, but for the second."""
    each = Spellings.of(words)
    said = words_of(each.texts)
    exempt = each.spread(said == "exempt").fill_null(value=False)
    return each.spread(said == "notsubmitted").alias("is_missing"), exempt.alias("is_exempt")


def _with_texts(rows: pl.DataFrame, scale_of: pl.Series, scales: pl.DataFrame) -> pl.DataFrame:
    """A result that is a word alone counts what its score scale says of the word. `scale_of`: by line item."""
    if scales.is_empty() or scale_of.null_count() == len(scale_of):
        return rows
    text = pl.col("textScore").str.strip_chars().str.to_uppercase()
    rows = rows.with_columns(scale_of.gather(rows["item"]).alias("scale"), text=text)
    rows = rows.join(scales, on=["scale", "text"], how="left", maintain_order="left")
    by_scale = pl.col("points").is_null() & pl.col("of_scale").is_not_null()
    possible = pl.col("points_possible").fill_null(100.0)
    return rows.with_columns(
        points=pl.when(by_scale).then(pl.col("of_scale") * possible / 100).otherwise("points"),
        points_possible=pl.when(by_scale).then(possible).otherwise("points_possible"),
    )


def _note_signals(rows: pl.DataFrame, config: OneRosterConfig, ledger: Ledger) -> None:
    flagged = rows.select(
        *(pl.col(name).sum() for name in ("inProgress", "incomplete", "late")), pl.col("is_missing", "is_exempt").sum()
    ).row(0)
    if not any(flagged):
        return
    progress, incomplete, late, missing, exempt = flagged
    zero = "a missing one without a score counts as no points" if config.missing_is_zero else "no score, no part in it"
    ledger.note(
        f"results: {progress:,} in progress, {incomplete:,} incomplete, {late:,} late, {missing:,} missing, {exempt:,} "
        f"exempt; {zero}. A course and term has how many of its results are missing, incomplete or late "
        "(assignments_missing_or_late). A course without any score is a grade without mark, and an incomplete final "
        "grade has the mark I"
    )


def _says_what_is_missing(rows: pl.DataFrame) -> bool:
    """Whether any result does: a gradebook that marks none as missing may not mark them at all."""
    return bool(rows["is_missing"].any()) or any(rows[name].null_count() < rows.height for name in SIGNALS)


def _finals(rows: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """The report card grade of each student and group: the latest one."""
    rows = rows.with_columns(items["group"].gather(rows["item"]))
    latest = rows.sort("on", *_PLACE, nulls_last=False).unique(["student", "group"], keep="last", maintain_order=True)
    is_incomplete = pl.col("incomplete").fill_null(value=False) & pl.col("textScore").is_null()
    return latest.select(
        "student",
        "group",
        pl.when(is_incomplete).then(pl.lit(INCOMPLETE_MARK)).otherwise(first_filled("textScore")).alias("mark"),
        (pl.col("points") / pl.col("points_possible") * 100).round(2).alias("percent"),
        pl.col("on").alias("graded_on"),
        pl.lit(value=True).alias("is_final"),
        *_PLACE,
    )


def _standing(rows: pl.DataFrame, items: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """The standing of each student and group from all its results; null where none is scored.

    Beside it how many results there are, and how many are missing, incomplete or late; null where no result says
    anything of that.
    """
    by = ["student", "group"]
    is_said = _says_what_is_missing(rows)
    rows = rows.filter(~pl.col("is_exempt")) if rows["is_exempt"].any() else rows
    latest = (pl.col("on").max(), pl.col("known_on").max(), pl.col("at").min())
    sums = pl.col("points", "points_possible").sum()
    flagged = pl.any_horizontal("is_missing", *(pl.col(name).fill_null(value=False) for name in SIGNALS))
    part, count = items["part"].gather(rows["item"]), max(parts.height, 1)
    categories = (
        rows.select(
            # One number for both: grouped in half the time.
            (pl.col("student").cast(pl.UInt64) * count + part).alias("key"),
            *("points", "points_possible", "on", "known_on"),
            (flagged if is_said else pl.lit(value=False)).alias("flagged"),
            pl.int_range(pl.len(), dtype=pl.UInt32).alias("at"),
        )
        .group_by("key")
        .agg(
            sums,
            pl.len().cast(pl.Int32).alias("assignments"),
            pl.col("flagged").sum().cast(pl.Int32).alias("assignments_missing_or_late"),
            *latest,
        )
        .select(
            (pl.col("key") // count).cast(pl.UInt32).alias("student"),
            (pl.col("key") % count).cast(pl.UInt32).alias("part"),
            *("points", "points_possible", *ASSIGNMENTS, "on", "known_on", "at"),
        )
        .join(parts, on="part")
    )
    ratio = (pl.col("points") / pl.col("points_possible") * RATIO).round().cast(pl.Int64)
    is_scored = pl.col("points_possible") > 0
    standing = (
        categories.with_columns(ratio=pl.when(is_scored).then(ratio), weight=pl.when(is_scored).then("weight"))
        .group_by(by)
        .agg(
            sums,
            pl.col(*ASSIGNMENTS).sum(),
            (pl.col("ratio") * pl.col("weight")).sum().alias("weighted"),
            pl.col("weight").sum(),
            (pl.col("ratio").count() == pl.col("weight").count()).alias("all_weighted"),
            *latest,
        )
        .sort("at")
    )
    share = (
        pl.when(pl.col("all_weighted") & (pl.col("weight") > 0))
        .then(pl.col("weighted") / pl.col("weight") / RATIO)
        .when(pl.col("points_possible") > 0)
        .then(pl.col("points") / pl.col("points_possible"))
    )
    return standing.select(
        *by,
        (share * 100).round(2).alias("percent"),
        pl.when(pl.col("on").is_not_null()).then("known_on").alias("graded_on"),
        pl.lit(value=False).alias("is_final"),
        *(pl.when(pl.lit(is_said)).then(name).alias(name) for name in ASSIGNMENTS),
        *(rows[name].gather(standing["at"]).alias(name) for name in _PLACE),
    )
