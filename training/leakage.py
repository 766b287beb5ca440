"""Leaks: columns that know the outcome. Looked for before every fit, which they stop.

What is looked for, and how sure one has to be, is said once a kind. A feature that is found and is sound after all can
be named in the configuration (`trusted`): then it is told on the page and in the card.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.errors import ModelError
from training.matrices import KEYS, LABEL

BEST_ALONE = 0.98
"""AUROC of one column alone on one as-of date, either way up; whole models of short horizons reach .97."""
FEWEST = 20
"""Rows of each class, of known or of missing values, or students: below it nothing is concluded from a column."""
SAME = 0.999
"""Share of rows in which a column of two values says what the label says."""
BY_CHANCE = 1e-6
"""A pattern of missing values has to be less likely than this among values that are missing by chance."""
DISTINCT = 0.95
"""A column of whole numbers or texts with as many values as this share of students is an identifier."""


class Leak(StrEnum):
    """How a column can know too much."""

    DUPLICATE = "a duplicate of the label"
    TOO_GOOD = "too good alone"
    MISSING = "missing for one class alone"
    IDENTIFIER = "an identifier"
    LATER = "defined after the as-of date"


TO_DO = {
    Leak.DUPLICATE: "take it out: it is the outcome under another name",
    Leak.TOO_GOOD: "look up when it is recorded; take it out unless it is known on the as-of date",
    Leak.MISSING: "look up who fills it in, and when; take it out, or fill it in for all alike",
    Leak.IDENTIFIER: "take it out: a model learns students by heart with it",
    Leak.LATER: "take out what reads records of later days",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A column, how it leaks, and the numbers that say so; never a value."""

    column: str
    leak: Leak
    evidence: str

    def __str__(self) -> str:
        return f"{self.column} is {self.leak} ({self.evidence}): {TO_DO[self.leak]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakageReport:
    """A training without leaks: how many features and rows were looked at, the dates that were worked out again without
    later records, and what was found of features that the configuration trusts."""

    features: int
    rows: int
    dates: tuple[date, ...]
    trusted: tuple[str, ...]


Check = Callable[[pl.Series, pl.DataFrame], str | None]


def check_leaks(rows: pl.DataFrame, names: Sequence[str], *, trusted: Collection[str] = ()) -> None:
    """Stop where a column knows the outcome. Raises ModelError, which names each column, the evidence, what to do."""
    refuse(finding for finding in find_leaks(rows, names) if finding.column not in trusted)


def find_leaks(rows: pl.DataFrame, names: Sequence[str]) -> list[Finding]:
    """At most one finding a column; `rows`: KEYS and the named columns."""
    return [finding for name in names if (finding := _finding(rows, name)) is not None]


def refuse(findings: Iterable[Finding]) -> None:
    """Raise ModelError of findings, if there are any."""
    found = list(findings)
    if found:
        raise ModelError(
            "Nothing was fitted, for a leak would flatter it: " + "; ".join(map(str, found)),
            hint="or, where you have checked that it is known on the as-of date, name it in [validation] trusted",
            columns=[finding.column for finding in found],
        )


def find_later(rows: pl.DataFrame, again: pl.DataFrame, names: Sequence[str]) -> list[Finding]:
    """Columns that change when the records of later days are cut away.

    `rows`: of one as-of date. `again`: student_id and the same columns, worked out from what was known that day alone.
    """
    same = rows.select("student_id").join(again, on="student_id", how="left", maintain_order="left")
    findings: list[Finding] = []
    for name in names:
        changed = int(rows[name].ne_missing(same[name]).sum()) if name in same.columns else rows.height
        if changed:
            day = rows["as_of"][0]
            evidence = f"{changed:,} of {rows.height:,} students have another value on {day} without later records"
            findings.append(Finding(column=name, leak=Leak.LATER, evidence=evidence))
    return findings


def _finding(rows: pl.DataFrame, name: str) -> Finding | None:
    for leak, check in _CHECKS.items():
        evidence = check(rows[name], rows)
        if evidence is not None:
            return Finding(column=name, leak=leak, evidence=evidence)
    return None


def _dated_later(column: pl.Series, rows: pl.DataFrame) -> str | None:
    """Dates that lie after the as-of date of their row."""
    if not column.dtype.is_temporal():
        return None
    later = int((column.cast(pl.Date) > rows["as_of"]).sum())
    return f"{later:,} of {rows.height:,} rows hold a later date" if later else None


def _identifies(column: pl.Series, rows: pl.DataFrame) -> str | None:
    """A key, or whole numbers or texts that are one for each student and another for every other."""
    if column.name in KEYS or column.name.endswith("_id"):
        return "its name is that of a key"
    values = column.drop_nulls().n_unique()
    if values < FEWEST or not _is_whole(column):
        return None
    students = rows["student_id"].filter(column.is_not_null()).n_unique()
    # Counted last: it costs most, and only identifiers come so far.
    if values < DISTINCT * students or rows.select("student_id", value=column).drop_nulls().n_unique() > students:
        return None
    return f"{values:,} values for {students:,} students, each with one"


def _is_whole(values: pl.Series) -> bool:
    if not values.dtype.is_float():
        return not values.dtype.is_temporal()
    known = values.drop_nulls()
    return bool((known == known.round()).all())


def _duplicates(column: pl.Series, rows: pl.DataFrame) -> str | None:
    """Two values, one for each class, where the column is known."""
    known = column.drop_nulls()
    if len(known) < FEWEST or known.n_unique() != 2:
        return None
    positive = rows[LABEL].filter(column.is_not_null()) == 1
    agrees = int(((known == known.max()) == positive).sum()) / len(known)
    share = max(agrees, 1.0 - agrees)
    if share < SAME or positive.n_unique() < 2:
        return None
    return f"it says what the label says in {share:.1%} of {len(known):,} rows"


def _too_good(column: pl.Series, rows: pl.DataFrame) -> str | None:
    """By as-of date, for a leak may lie in one of them; of all rows, where no date has enough of both classes."""
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        return None
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    positive, day = rows[LABEL].to_numpy() == 1, rows["as_of"].rank("dense").to_numpy()
    parts = [part for each in np.unique(day) for part in _both_classes(values, positive, day == each)]
    for part in parts or _both_classes(values, positive, np.ones(values.size, dtype=bool)):
        reached = _auroc(values[part], positive[part])
        if reached >= BEST_ALONE:
            return f"alone it has an AUROC of {reached:.3f} on {rows['as_of'][int(np.flatnonzero(part)[0])]}"
    return None


def _both_classes(
    values: NDArray[np.float64], positive: NDArray[np.bool_], part: NDArray[np.bool_]
) -> Iterator[NDArray[np.bool_]]:
    known = part & ~np.isnan(values)
    if min(int((known & positive).sum()), int((known & ~positive).sum())) >= FEWEST:
        yield known


def _auroc(values: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """That of the ranks, whichever way is up."""
    from scipy import stats as untyped

    ranks = cast("NDArray[np.float64]", cast("Any", untyped).rankdata(values))
    count = int(positive.sum())
    above = (ranks[positive].sum() - count * (count + 1) / 2) / (count * (values.size - count))
    return float(max(above, 1.0 - above))


def _missing_for_one_class(column: pl.Series, rows: pl.DataFrame) -> str | None:
    """Known of one class alone, or missing among positives alone, and not by chance.

    Missing among negatives alone is no leak by itself: marks are missing in kindergarten, where nobody fails a course.
    """
    missing, positive = column.is_null().to_numpy(), rows[LABEL].to_numpy() == 1
    base = float(positive.mean())
    cases = (
        ("known", "positives", ~missing, positive, base),
        ("missing", "positives", missing, positive, base),
        ("known", "negatives", ~missing, ~positive, 1.0 - base),
    )
    for word, of, rows_of, in_class, share in cases:
        count = int(rows_of.sum())
        alone = FEWEST <= count < rows_of.size and bool(in_class[rows_of].all())
        # Known of negatives alone has to be known of most: a column of one grade may be one where it never happens.
        of_most = of == "positives" or 2 * count >= int(in_class.sum())
        if alone and of_most and count * np.log(max(share, 1e-300)) < np.log(BY_CHANCE):
            return f"{word} in {count:,} of {rows.height:,} rows, all of them {of}"
    return None


_CHECKS: dict[Leak, Check] = {
    Leak.LATER: _dated_later,
    Leak.IDENTIFIER: _identifies,
    Leak.DUPLICATE: _duplicates,
    Leak.MISSING: _missing_for_one_class,
    Leak.TOO_GOOD: _too_good,
}
