"""What the model learned from, as a table of the card: of each matrix how many students, and why others are not in it.

Nothing is told of 1 to 9 students, and nothing from which they could be had by subtraction: small reasons are told
together, with a larger one where they are too few even so.
"""

from __future__ import annotations

from collections.abc import Sequence

from cis_ews.evaluation.suppression import FEWEST, left_out_for, told_cells
from training.matrices import MatrixSummary

COLUMNS = ("as-of date", "students", "with a label", "positive", "share", "without a label")
BRIEF = slice(COLUMNS.index("positive") + 1)
"""The columns for which a terminal has room."""
FEW_DAYS = "too few days enrolled"
NONE = "-"


def data_rows(summaries: Sequence[MatrixSummary]) -> list[list[str]]:
    """A row an as-of date, of COLUMNS."""
    fewer = {(str(one.as_of),): min(one.positives, one.labeled - one.positives) for one in summaries}
    told = told_cells(fewer)
    return [_row(one, has_share=(str(one.as_of),) in told) for one in summaries]


def _row(one: MatrixSummary, *, has_share: bool) -> list[str]:
    left_out = one.students - one.labeled
    is_few = 0 < left_out < FEWEST
    return [
        str(one.as_of),
        f"{one.labeled:,} and fewer than {FEWEST}" if is_few else f"{one.students:,}",
        f"{one.labeled:,}",
        f"{one.positives:,}" if has_share else NONE,
        f"{one.positives / one.labeled:.3f}" if has_share else NONE,
        left_out_for({**one.censored, **({FEW_DAYS: one.few_days} if one.few_days else {})}),
    ]
