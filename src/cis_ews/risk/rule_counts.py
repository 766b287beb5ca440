"""What the results of rules come to for students: the strongest rule of the policy, how many agree, what lacks.

Whatever hangs on a result's case is worked out once a case; students only add up what their cases say.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.enums import RuleStatus
from cis_ews.risk.alike import kinds_of
from cis_ews.risk.rule_catalog.parts import EXTERNAL_INPUTS
from cis_ews.risk.rule_results import CASE, STUDENT, TEXT
from cis_ews.risk.sentences import input_words
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.schema.coded import CodedTable, rows_among

_NOT_ASKING = -1
_RESULT_BITS = 32
Numbers = NDArray[np.int64]


class _Case(NamedTuple):
    """What all results of a case say."""

    rule: str
    holds: bool
    level: str | None
    missing: str | None


@dataclass(frozen=True, slots=True)
class _Results:
    """The results of so many students, in the order of their rows: of each the row, the case and the sentence."""

    students: int
    row: Numbers
    case: NDArray[Any]
    text: NDArray[Any]
    cases: Sequence[_Case]
    sentences: pl.Series

    @classmethod
    def of(cls, results: CodedTable, ids: pl.Series) -> _Results:
        """Those results that are of these students."""
        case, student, text = (results.rows.get_column(code).to_numpy() for code in (CASE, STUDENT, TEXT))
        row = rows_among(results.said[STUDENT].get_column("student_id"), ids)[student]
        order = np.argsort(row, kind="stable")
        order = order[np.searchsorted(row[order], 0) :]
        holds = pl.col("status") == RuleStatus.HOLDS
        cases = [_Case(*each) for each in results.said[CASE].select("rule", holds, "level", "missing").rows()]
        return cls(len(ids), row[order], case[order], text[order], cases, results.said[TEXT].get_column("sentence"))

    def those(self, is_meant: NDArray[np.bool_]) -> _Results:
        """Some of the results."""
        places = np.flatnonzero(is_meant)
        row, case, text = self.row[places], self.case[places], self.text[places]
        return _Results(self.students, row, case, text, self.cases, self.sentences)

    def count(self) -> NDArray[np.int32]:
        """How many each student has."""
        return np.bincount(self.row, minlength=self.students).astype(np.int32)

    def reduced(self, numbers: Numbers, reduce: np.ufunc, *, nothing: int) -> Numbers:
        """A number of each result, reduced to one a student; `nothing` for students without results."""
        reduced = np.full(self.students, nothing, dtype=np.int64)
        if numbers.size:
            starts = np.flatnonzero(np.diff(self.row, prepend=-1))
            reduced[self.row[starts]] = reduce.reduceat(numbers, starts)
        return reduced


def count_results(
    results: CodedTable, students: pl.DataFrame, policy: TierPolicy, *, flags: Collection[str]
) -> pl.DataFrame:
    """One row a row of `students` (`student_id`, `days_enrolled`), in their order.

    `by_rules`, `because`: the highest tier that the policy's rules ask for, and the first rule that asks for it in
    words, shares of too few days left out; `further`: how many more of the policy's rules hold; all null where none
    does. `flags`: how many of the rules of these names hold. `abstaining`: how many rules of the policy lack school
    data; `missing`: what they lack, in words, null where none does.
    """
    counted = _Results.of(results, students.get_column("student_id"))
    is_flag = np.array([case.holds and case.rule in flags for case in counted.cases], dtype=np.bool_)
    few_days = (students.get_column("days_enrolled") < policy.minimum_days_enrolled).fill_null(value=False).to_numpy()
    flags_held = pl.Series("flags", counted.those(is_flag[counted.case]).count())
    return pl.DataFrame([*_strongest(counted, policy, few_days), flags_held, *_lacking(counted, policy)])


def _strongest(counted: _Results, policy: TierPolicy, few_days: NDArray[np.bool_]) -> list[pl.Series]:
    """`by_rules`, `because` and `further`: the policy's entries of the highest tier stand first."""
    entries = policy.rules
    by_level: dict[tuple[str, str | None], list[int]] = {}
    for place, entry in enumerate(entries):
        for level in entry.levels:
            by_level.setdefault((entry.rule.name, level), []).append(place)
    needs_a_rate = [entry.needs_a_rate for entry in entries]
    asking = [by_level.get((case.rule, case.level), []) if case.holds else [] for case in counted.cases]
    told = [[place for place in places if not needs_a_rate[place]] for places in asking]
    # One row for students of enough days, one for those of few.
    first = np.array([[min(places, default=_NOT_ASKING) for places in each] for each in (asking, told)], dtype=np.int64)
    entry_of = first[few_days[counted.row].astype(np.int64), counted.case]
    evidence = counted.those(entry_of != _NOT_ASKING)
    turns = (entry_of[entry_of != _NOT_ASKING] << _RESULT_BITS) + np.arange(evidence.row.size)
    strongest = evidence.reduced(turns, np.minimum, nothing=_NOT_ASKING)
    is_asked = strongest != _NOT_ASKING
    entry, result = (strongest >> _RESULT_BITS)[is_asked], strongest[is_asked] & ((1 << _RESULT_BITS) - 1)
    tiers = np.array([each.tier for each in entries], dtype=np.int8)
    prefixes = pl.Series([f"{each.rule.authority}: " for each in entries], dtype=pl.String)
    said = pl.DataFrame(
        {
            "by_rules": tiers[entry],
            "because": prefixes[entry] + evidence.sentences[evidence.text[result]],
            "further": evidence.count()[is_asked] - np.int32(1),
        }
    )
    places = pl.Series(np.where(is_asked, np.cumsum(is_asked) - 1, -1)).replace(-1, None)
    return said.select(pl.all().gather(places)).get_columns()


def _lacking(counted: _Results, policy: TierPolicy) -> list[pl.Series]:
    """`abstaining` and `missing`.

    A rule that lacks only what no school data have (a state test, an age) has been asked as far as it can be.
    """
    names = {entry.rule.name for entry in policy.rules}
    words = [
        _words_of(case.missing) if not case.holds and case.rule in names and case.missing else set[str]()
        for case in counted.cases
    ]
    every = sorted(set[str]().union(*words))
    bits = np.array([sum(1 << every.index(word) for word in said) for said in words], dtype=np.int64)
    lacking = counted.those(bits[counted.case] != 0)
    found = lacking.reduced(bits[lacking.case], np.bitwise_or, nothing=0)
    kind_of, firsts = kinds_of(found.view(np.uint64)[np.newaxis])
    said = [[word for place, word in enumerate(every) if kind >> place & 1] for kind in found[firsts].tolist()]
    texts = pl.Series("missing", [", ".join(each) or None for each in said], dtype=pl.String)
    return [pl.Series("abstaining", lacking.count()), texts[kind_of]]


def _words_of(missing: str) -> set[str]:
    """What school data should have, of the inputs that a rule lacks, in words: few are told apart."""
    return {input_words(name) for name in missing.split(",") if name not in EXTERNAL_INPUTS}
