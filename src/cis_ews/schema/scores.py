"""The tables that a night writes."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from cis_ews.enums import Cause, Change, Direction, Domain, GradeLevel, RuleStatus


class Scores(dy.Schema):
    """One row a scored student, sorted by `student_id`.

    `risk`, `risk_low`, `risk_high`: calibrated probabilities; null in a night by rules. `tier`: 1, 2 or 3; null where
    there was not enough data, and then `abstained` is true. `tier_reason`: the rule that put the student there.
    `list_place`: the student's place, 1 first, among those of the school for whom a rule asks Tier 3 or 2; null for
    everyone else. Tier 1 with a place means that the school's list was full before it.
    """

    student_id = dy.String(primary_key=True, min_length=1)
    school_id = dy.String(min_length=1)
    grade_level = dy.Enum(GradeLevel, nullable=True)
    risk = dy.Float64(nullable=True, min=0.0, max=1.0)
    risk_low = dy.Float64(nullable=True, min=0.0, max=1.0)
    risk_high = dy.Float64(nullable=True, min=0.0, max=1.0)
    tier = dy.Int8(nullable=True, min=1, max=3)
    tier_reason = dy.String(min_length=1)
    list_place = dy.Int32(nullable=True, min=1)
    days_enrolled = dy.Int32(min=0)
    abstained = dy.Bool()
    model_version = dy.String(min_length=1)

    @dy.rule()
    def no_tier_only_where_abstained(cls) -> pl.Expr:
        """A student has a tier, or there was not enough data: never both, never neither."""
        return pl.col("tier").is_null() == pl.col("abstained")

    @dy.rule()
    def flags_have_a_place(cls) -> pl.Expr:
        """Every student in Tier 2 or 3 has a place on the list; without enough data there is none."""
        has_place = pl.col("list_place").is_not_null()
        return pl.when(pl.col("tier").is_null()).then(~has_place).otherwise(has_place | (pl.col("tier") == 1))


class Reasons(dy.Schema):
    """Reasons and strengths in plain words, sorted by student, direction and rank (1 first in each direction).

    `direction`: `risk` raises concern, `strength` speaks for the student, `unknown` says what the records do not tell,
    where that raises the risk. `indicator`, `value`: what the sentence speaks of, and its number, null where unknown.
    """

    student_id = dy.String(primary_key=True, min_length=1)
    rank = dy.Int16(primary_key=True, min=1)
    direction = dy.Enum(Direction, primary_key=True)
    domain = dy.Enum(Domain)
    indicator = dy.String(min_length=1)
    value = dy.Float64(nullable=True)
    sentence = dy.String(min_length=1)


class RuleResults(dy.Schema):
    """One row a student and flag rule that holds or abstains, sorted by student and rule.

    `level`: the rule's own outcome where it has more than one ("tier_3", "L2", "severe"). `missing`: the inputs that an
    abstaining rule lacked, comma-separated. `sentence`: the rule in words, with the student's numbers, where it holds.
    """

    student_id = dy.String(primary_key=True, min_length=1)
    rule = dy.String(primary_key=True, min_length=1)
    status = dy.Enum(RuleStatus)
    level = dy.String(nullable=True)
    missing = dy.String(nullable=True)
    sentence = dy.String(nullable=True)


class Rejections(dy.Schema):
    """One row a source row and broken rule; never the value.

    `row_number`: the row as a spreadsheet shows it (the header is row 1); in Parquet, the row counted from 1.
    `column`: the columns that the rule looks at, comma-separated.
    """

    table = dy.String(min_length=1)
    file = dy.String(nullable=True)
    row_number = dy.Int64(min=1)
    rule = dy.String(min_length=1)
    column = dy.String(nullable=True)


class Changes(dy.Schema):
    """One row a student who is another one than in the run that was compared with, sorted by `student_id`.

    `school_id`: tonight's; of one who left, that of before. `cause`: what decided it; null where causes could not be
    told apart. `tier_after_<cause>`, `risk_after_<cause>`: what the night would have said with this cause and those
    before it and with no other; null for who entered or left, and where causes could not be told apart. The last cause,
    the model, leads from those after `school` to `tier_now` and `risk_now`. A tier is null where there was not enough
    data.
    """

    student_id = dy.String(primary_key=True, min_length=1)
    school_id = dy.String(min_length=1)
    change = dy.Enum(Change)
    cause = dy.Enum(Cause, nullable=True)
    tier_before = dy.Int8(nullable=True, min=1, max=3)
    tier_after_corrected_records = dy.Int8(nullable=True, min=1, max=3)
    tier_after_days_passing = dy.Int8(nullable=True, min=1, max=3)
    tier_after_new_records = dy.Int8(nullable=True, min=1, max=3)
    tier_after_school = dy.Int8(nullable=True, min=1, max=3)
    tier_now = dy.Int8(nullable=True, min=1, max=3)
    risk_before = dy.Float64(nullable=True, min=0.0, max=1.0)
    risk_after_corrected_records = dy.Float64(nullable=True, min=0.0, max=1.0)
    risk_after_days_passing = dy.Float64(nullable=True, min=0.0, max=1.0)
    risk_after_new_records = dy.Float64(nullable=True, min=0.0, max=1.0)
    risk_after_school = dy.Float64(nullable=True, min=0.0, max=1.0)
    risk_now = dy.Float64(nullable=True, min=0.0, max=1.0)
