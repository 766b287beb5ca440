"""Whom the model errs about on the newest held-back date, and whether it does more than naming schools."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date

import numpy as np
import polars as pl

from cis_ews.evaluation.bootstrap import Bootstrap, Estimate
from cis_ews.evaluation.capacity import chosen
from cis_ews.evaluation.equity import Audit, TradeOff, audit, beyond_school_average, groups_of, trade_off
from cis_ews.risk.tier_policy import TierPolicy
from training.config import TrainingConfig

AT_THRESHOLD = "risk of Tier 2"
AT_CAPACITY = "10 % of each school"
SHARE = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """The audit of one as-of date. `audit`, `curve`: None and empty where the source has no demographics.

    `beyond_school`: how much more of those whom the outcome met a list of all schools together finds by risk than by
    the rate of each school in earlier years.
    """

    as_of: date
    students: int
    beyond_school: Estimate
    audit: Audit | None
    curve: tuple[TradeOff, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain values, every figure that is told."""
        return {
            "as_of": self.as_of.isoformat(),
            "students": self.students,
            "beyond_school": asdict(self.beyond_school),
            "figures": None if self.audit is None else [asdict(one) for one in self.audit.figures],
            "curve": [asdict(one) for one in self.curve],
        }


def audit_fairness(
    told: pl.DataFrame, demographics: pl.DataFrame, *, config: TrainingConfig, policy: TierPolicy
) -> Fairness:
    """Audit the newest date of a held-back year.

    `told`: a row a student and date with `student_id`, `school_id`, `as_of`, `label`, `risk` of a model that did not
    learn from that year, and `school_rate`, that of the school in earlier years.
    """
    newest = told.filter(pl.col("as_of") == pl.col("as_of").max())
    label, risk, rate = (newest[name].to_numpy() for name in ("label", "risk", "school_rate"))
    lists = (newest["school_id"].rank("dense").cast(pl.Int64) - 1).to_numpy()
    bootstrap = Bootstrap.of(newest["school_id"].to_numpy(), draws=config.validation.draws, seed=config.seed)
    beyond = beyond_school_average(label, risk, rate, schools=newest["school_id"], share=SHARE, bootstrap=bootstrap)
    found, curve = None, ()
    if demographics.height:
        rows = newest.select("student_id", "label", "risk", list="school_id").with_columns(
            pl.Series(AT_THRESHOLD, (risk >= policy.tier_2_risk).astype(np.float64)),
            pl.Series(AT_CAPACITY, chosen(risk, lists, SHARE)),
        )
        groups = groups_of(demographics, newest["student_id"])
        found = audit(rows, groups, decisions=[AT_THRESHOLD, AT_CAPACITY])
        curve = trade_off(rows, groups)
    day: date = newest["as_of"][0]
    return Fairness(as_of=day, students=newest.height, beyond_school=beyond, audit=found, curve=curve)
