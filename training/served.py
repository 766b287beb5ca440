"""Who of those flagged was served: whether help reaches groups alike; of all with an outcome, supported or not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl

from cis_ews.evaluation.bootstrap import Estimate
from cis_ews.evaluation.capacity import chosen
from cis_ews.evaluation.equity import BETWEEN, Audit, GroupFigure, groups_of, in_words, measured
from cis_ews.evaluation.suppression import FEWEST
from cis_ews.risk.model import RiskModel
from cis_ews.risk.supported import Supported, supported_students
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.schema.school_data import SchoolData
from cis_ews.wording import counted
from training.config import TrainingConfig
from training.fairness import AT_CAPACITY, AT_THRESHOLD, BRIEFLY, SHARE, Served, lists_in_schools
from training.matrices import LABEL, build_matrices
from training.section import Section, two_decimals

MEASURE = "served"
NO_SUPPORTS = "the source has no supports: who of those flagged was served cannot be told"
NONE_THEN = "the source has no supports of Tier 2 or 3 in that horizon: who of those flagged was served cannot be told"
NO_GROUPS = "the source has no demographics: whether groups were served alike cannot be told"
ONE_OUTCOME = "the outcome met everybody or nobody on this date: who was served is not told"
SHOWN = 6
DECIMALS = 2
WIDTHS = (0.01, 0.02, 0.05, 0.1, 0.4, 1.0)
"""An interval is told as a share, to either side the first of these that is no less than what it reaches: so that each
reading is shared by many numbers of students. Its own ends would tell how many stand behind the share."""
P_TOLD = (0.001, 0.01, 0.049)
"""How likely a gap is by chance is told as the first of these that it is not above, or as 1: its digits would tell the
numbers behind it."""


def audit_served(
    school_data: SchoolData,
    model: RiskModel,
    day: date,
    *,
    config: TrainingConfig,
    policy: TierPolicy,
    erased: Collection[str] = frozenset(),
) -> Served:
    """Audit who of those flagged on a day of the held-back year had a support by the end of the horizon.

    `model`: one that did not learn from that year. Whoever was supported is left out of what a training learns and
    measures; here they are asked about like all others, so the day's matrix is built anew.
    """
    if school_data.supports.is_empty():
        return Served(why=NO_SUPPORTS)
    if school_data.demographics.is_empty():
        return Served(why=NO_GROUPS)
    as_recorded = config.model_copy(update={"supported": Supported.AS_RECORDED})
    minimum = policy.minimum_days_enrolled
    found = build_matrices(school_data, as_recorded, minimum_days=minimum, erased=erased, dates=[day])
    served = supported_students(school_data.supports, as_of=day, horizon_end=found.summaries[0].horizon_end)
    if served.is_empty():
        return Served(why=NONE_THEN)
    if found.rows[LABEL].n_unique() < 2:
        return Served(why=ONE_OUTCOME)
    rows = found.rows.select("student_id", "school_id", LABEL).with_columns(
        pl.Series("risk", model.predict(found.rows)), served=pl.col("student_id").is_in(served.implode())
    )
    return Served(audit=served_gaps(rows, school_data.demographics, policy=policy))


def served_gaps(rows: pl.DataFrame, demographics: pl.DataFrame, *, policy: TierPolicy) -> Audit:
    """The figures of an audit that tell of who was served, and no others.

    `rows`: one a student: `student_id`, `school_id`, `label`, `risk`, `served`. Neither the size of a group is told nor
    how many of it were flagged: less those who were measured, whose numbers are told, they would be how many of the
    group, and how many of its flagged, were supported. What is left is rounded as a page shows it, since all digits of
    a share would tell the number that it stands on; and its interval is widened (`WIDTHS`), for that would tell it
    even so.
    """
    risk = rows["risk"].to_numpy()
    decided = rows.with_columns(
        pl.Series(AT_THRESHOLD, (risk >= policy.tier_2_risk).astype(np.float64)),
        pl.Series(AT_CAPACITY, chosen(risk, lists_in_schools(rows), SHARE)),
    )
    found = measured(decided, groups_of(demographics, rows["student_id"]), decisions=[AT_THRESHOLD, AT_CAPACITY])
    figures = tuple(
        without_counts(one.figure) if one.is_told else one.figure.not_told()
        for one in found
        if one.figure.measure == MEASURE
    )
    return Audit(figures=figures, suppressed=sum(each.value is None for each in figures))


def without_counts(each: GroupFigure) -> GroupFigure:
    """A figure as it is told: without the numbers, rounded, and its intervals widened to a few widths."""
    exact, gap = each.value or 0.0, each.gap
    reach = [exact - (each.low or 0.0), (each.high or 0.0) - exact]
    if gap is not None:
        reach += [gap - (each.gap_low or 0.0), (each.gap_high or 0.0) - gap]
    # One width for both intervals, and a gap of what is told of the share: two of either would tell more between them.
    width = next(step for step in WIDTHS if max(reach) + 0.01 <= step or step == WIDTHS[-1])
    value = round(exact, DECIMALS)
    p = None if each.p is None else next((bound for bound in P_TOLD if each.p <= bound), 1.0)
    low, high = (round(min(1.0, max(0.0, end)), DECIMALS) for end in (value - width, value + width))
    told = replace(each, students=None, of=None, value=value, low=low, high=high, p=p)
    if gap is None:
        return told
    less = round(value - round(exact - gap, DECIMALS), DECIMALS)
    low, high = (round(min(1.0, max(-1.0, end)), DECIMALS) for end in (less - width, less + width))
    return replace(told, gap=less, gap_low=low, gap_high=high)


def served_section(found: Served) -> Section:
    """Each told group: how many of its flagged were served, beside all others who were flagged."""
    title = "Who of those flagged was served"
    if found.audit is None:
        return Section(title=title, notes=[found.why])
    told = [
        each
        for each in found.audit.figures
        if (each.value is not None or each.untold) and BETWEEN not in each.attribute
    ]
    rows = [_row(each) for each in told]
    gaps = sum(each.is_gap for each in found.audit.figures)
    return Section(
        title=title,
        columns=("group", "flagged by", "served", "less all others"),
        rows=rows,
        brief=[
            _row(replace(each, decision=BRIEFLY[each.decision]))
            for each in sorted(told, key=lambda each: -abs(each.gap or 0.0))[:SHOWN]
        ],
        notes=[
            "served: supports of Tier 2 or 3 after the date and in the horizon, of those whose outcome is known",
            f"{counted(gaps, 'gap')} that chance does not explain; {found.audit.suppressed:,} figures are not told: 1 "
            f"to {FEWEST - 1} students, served or not, stand behind them or would come out by them",
            f"intervals are widened, to {', '.join(f'{width:g}' for width in WIDTHS)} to either side, or "
            "they would tell how many students they stand on",
        ],
        brief_notes=["the widest differences; the card has every group"],
    )


def _row(each: GroupFigure) -> list[str]:
    value = None if each.value is None else Estimate(value=each.value, low=each.low, high=each.high)
    gap = None if each.gap is None else Estimate(value=each.gap, low=each.gap_low, high=each.gap_high)
    return [
        in_words(each.attribute, each.group),
        each.decision,
        "-" if value is None else two_decimals(value.value, value),
        each.untold or ("-" if gap is None else two_decimals(gap.value, gap, sign="+")),
    ]
