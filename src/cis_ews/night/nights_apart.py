"""An earlier night beside tonight, some students at a time: what both say of a large state is never held together.

compare_scores   who is not told alike
as_it_stood      the lists and sums of the schools as the earlier night had them
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from cis_ews.enums import RuleStatus
from cis_ews.night.earlier import Decided
from cis_ews.risk.alone_on_list import DECIDING
from cis_ews.risk.changes import moved_students
from cis_ews.risk.cohort import cohort_of
from cis_ews.risk.features import SUMMED, add_school_sums, school_sums
from cis_ews.risk.rule_results import CASE, STUDENT, TEXT
from cis_ews.risk.tiers import judge_students
from cis_ews.schema.coded import CodedTable
from cis_ews.schema.scores import RuleResults
from cis_ews.storage.runs import Run
from cis_ews.texts import codes_of

STUDENTS_AT_ONCE = 32_768
_KEY = "student_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Scores beside those of an earlier run.

    `moved`: see `moved_students`. `scored`: school_id -> how many the earlier night scored. `elsewhere`: how many it
    scored in other schools, of which tonight says nothing.
    """

    moved: pl.DataFrame
    scored: pl.DataFrame
    elsewhere: int


def compare_scores(run: Run, scores: pl.DataFrame, *, schools: pl.Series) -> Beside:
    """Compare scores, sorted by `student_id`, with those that an earlier run told of these schools."""
    columns = [_KEY, "school_id", "tier", "risk"]
    now, start, elsewhere = scores.select(columns), 0, 0
    moved, scored = [moved_students(now.clear(), now.clear())], list[pl.DataFrame]()
    for every in run.blocks("scores", columns=columns, rows=STUDENTS_AT_ONCE):
        before = every.filter(pl.col("school_id").is_in(schools.implode()))
        last: str = every[_KEY][-1]
        end = now[_KEY].search_sorted(last, side="right")
        moved.append(moved_students(before, now.slice(start, end - start)))
        scored.append(before.group_by("school_id").agg(scored=pl.len().cast(pl.UInt32)))
        start, elsewhere = end, elsewhere + every.height - before.height
    # Whoever comes behind all of the earlier night has entered.
    moved.append(moved_students(now.clear(), now.slice(start)))
    sizes = pl.concat(scored).group_by("school_id").sum().sort("school_id")
    return Beside(moved=pl.concat(moved), scored=sizes, elsewhere=elsewhere)


def as_it_stood(run: Run, decided: Decided, *, schools: pl.Series) -> dict[str, pl.DataFrame]:
    """What an earlier night says of schools: who was on their `lists`, and their `sums` where a model asks for them.

    The lists are made anew of what the run kept: the rules that held, the absence rate and the risk that were told.
    """
    lists = pl.concat(_lists(run, decided, schools))
    if decided.model_file is None:
        return {"lists": lists}
    indicators = run.blocks("indicators", columns=SUMMED, rows=STUDENTS_AT_ONCE)
    return {"lists": lists, "sums": add_school_sums([school_sums(rows) for rows in indicators])}


def _lists(run: Run, decided: Decided, schools: pl.Series) -> Iterator[pl.DataFrame]:
    columns = [_KEY, "school_id", "grade_level", "risk", "list_place", "days_enrolled"]
    is_listed = pl.col("list_place").is_not_null() & pl.col("school_id").is_in(schools.implode())
    for scores in run.blocks("scores", columns=columns, rows=STUDENTS_AT_ONCE):
        first, last = scores[_KEY][0], scores[_KEY][-1]
        rules = run.rows_between("rules", first, last, columns=[_KEY, "rule", "status", "level"])
        rates = run.rows_between("indicators", first, last, columns=[_KEY, "absence_rate_ytd"])
        listed = scores.filter(is_listed)
        students = cohort_of(listed.rename({"days_enrolled": "days_enrolled_ytd"}))
        risk = listed.select(_KEY, "risk")
        judged = judge_students(students, rates, _that_held(rules), policy=decided.policy, risk=risk)
        yield judged.select(_KEY, "school_id", *DECIDING)


def _that_held(results: pl.DataFrame) -> CodedTable:
    """The rules that held of students, without their words: all that the order of a list takes."""
    held = results.filter(pl.col("status") == RuleStatus.HOLDS)
    (student, ids), (rule, rules), (level, levels) = (codes_of(held[name]) for name in (_KEY, "rule", "level"))
    kind = rule.astype(np.int64) * (len(levels) + 1) + level + 1
    kinds = np.flatnonzero(np.bincount(kind))
    of_rule, of_level = np.divmod(kinds, len(levels) + 1)
    cases = {
        "rule": rules.gather(of_rule),
        "status": pl.Series([RuleStatus.HOLDS.value], dtype=RuleResults.status.dtype).new_from_index(0, len(kinds)),
        "level": pl.concat([pl.Series([None], dtype=pl.String), levels]).gather(of_level),
        "missing": pl.Series([None], dtype=pl.String).new_from_index(0, len(kinds)),
    }
    rows = {STUDENT: student, CASE: np.searchsorted(kinds, kind), TEXT: np.zeros(len(kind), dtype=np.int64)}
    said = {
        STUDENT: ids.to_frame(_KEY),
        CASE: pl.DataFrame(cases),
        TEXT: pl.DataFrame({"sentence": [None]}, schema={"sentence": pl.String}),
    }
    return CodedTable(pl.DataFrame(rows), said)
