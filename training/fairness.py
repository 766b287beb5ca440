"""Whom the model errs about in the middle of a held-back year, and whether it does more than naming schools."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.evaluation.bootstrap import Bootstrap, Estimate
from cis_ews.evaluation.capacity import chosen
from cis_ews.evaluation.equity import Audit, TradeOff, audit, beyond_school_average, groups_of, trade_off
from cis_ews.evaluation.widening import Widened, widened
from cis_ews.risk.tier_policy import TierPolicy
from training.config import TrainingConfig
from training.matrices import on_middle_date

AT_THRESHOLD = "risk of Tier 2"
AT_CAPACITY = "10 % of each school"
BRIEFLY = {AT_THRESHOLD: "Tier 2 risk", AT_CAPACITY: "list of 10 %"}
"""What flags, for the columns of a terminal."""
SHARE = 0.10
RULES_ORDER = "rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Who of those flagged was served; `audit` has figures of that alone. Where it cannot be told it is None, and `why`
    says so."""

    audit: Audit | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """The audit of one as-of date. `audit`, `curve`: None and empty where the source has no demographics.

    `beyond_school`: how much more of those whom the outcome met a list of all schools together finds by risk than by
    the rate of each school in earlier years. All are None where the outcome met everybody or nobody.
    """

    as_of: date
    students: int
    beyond_school: Estimate | None
    audit: Audit | None
    curve: tuple[TradeOff, ...]
    served: Served = Served()

    def to_dict(self) -> dict[str, object]:
        """Plain values, every figure that is told."""
        return {
            "as_of": self.as_of.isoformat(),
            "students": self.students,
            "beyond_school": None if self.beyond_school is None else asdict(self.beyond_school),
            "figures": None if self.audit is None else [asdict(one) for one in self.audit.figures],
            "curve": [asdict(one) for one in self.curve],
            "served": None if self.served.audit is None else [asdict(one) for one in self.served.audit.figures],
            "served_not_told": self.served.why,
        }


def audit_fairness(
    told: pl.DataFrame, demographics: pl.DataFrame, *, config: TrainingConfig, policy: TierPolicy
) -> Fairness:
    """Audit the middle one of the dates of a held-back year: late enough to know the students, and in time to help.

    `told`: a row a student and date with `student_id`, `school_id`, `as_of`, `label`, `risk` of a model that did not
    learn from that year, and `school_rate`, that of the school in earlier years.
    """
    rows = on_middle_date(told)
    day: date = rows["as_of"][0]
    if rows["label"].n_unique() < 2:
        return Fairness(as_of=day, students=rows.height, beyond_school=None, audit=None, curve=())
    label, risk, rate = (rows[name].to_numpy() for name in ("label", "risk", "school_rate"))
    lists = lists_in_schools(rows)
    bootstrap = Bootstrap.of(rows["school_id"].to_numpy(), draws=config.validation.draws, seed=config.seed)
    beyond = beyond_school_average(label, risk, rate, schools=rows["school_id"], share=SHARE, bootstrap=bootstrap)
    found, curve = None, ()
    if demographics.height:
        decided = rows.select("student_id", "school_id", "label", "risk", list="school_id").with_columns(
            pl.Series(AT_THRESHOLD, (risk >= policy.tier_2_risk).astype(np.float64)),
            pl.Series(AT_CAPACITY, chosen(risk, lists, SHARE)),
        )
        groups = groups_of(demographics, rows["student_id"])
        found = audit(decided, groups, decisions=[AT_THRESHOLD, AT_CAPACITY])
        curve = trade_off(decided, groups)
    return Fairness(as_of=day, students=rows.height, beyond_school=beyond, audit=found, curve=curve)


def widened_gaps(
    told: pl.DataFrame, demographics: pl.DataFrame, *, before: str, policy: TierPolicy
) -> tuple[Widened, ...] | None:
    """How gaps between groups changed from those who were told `before` (a column of `told`) to those with the highest
    risk now, on the date of the audit; None without demographics, or where the outcome met everybody or nobody.

    `before`: risks of another model, compared at the risk of Tier 2 as well; or the order of the rules, compared at
    equally long lists alone, since their flags are as many as they are.
    """
    rows = on_middle_date(told)
    if demographics.height == 0 or rows["label"].n_unique() < 2:
        return None
    columns = {name: rows[name].to_numpy() for name in (before, "risk")}
    lists = {f"listed {name}": chosen(values, lists_in_schools(rows), SHARE) for name, values in columns.items()}
    decisions = {AT_CAPACITY: (f"listed {before}", "listed risk")}
    if before != RULES_ORDER:
        flags = {f"flagged {name}": (values >= policy.tier_2_risk) * 1.0 for name, values in columns.items()}
        lists, decisions = {**lists, **flags}, {**decisions, AT_THRESHOLD: (f"flagged {before}", "flagged risk")}
    decided = rows.select("student_id", "school_id", "label", "risk").with_columns(
        pl.Series(name, values) for name, values in lists.items()
    )
    return widened(decided, groups_of(demographics, rows["student_id"]), decisions=decisions)


def lists_in_schools(rows: pl.DataFrame) -> NDArray[np.int64]:
    """The number of each row's school."""
    return (rows["school_id"].rank("dense").cast(pl.Int64) - 1).to_numpy()
