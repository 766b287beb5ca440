"""Records of gates as a training leaves them, with whatever was measured."""

from __future__ import annotations

from dataclasses import dataclass

from cis_ews.evaluation.bootstrap import Estimate
from cis_ews.evaluation.comparison import Compared
from cis_ews.evaluation.probabilities import Calibration
from cis_ews.evaluation.widening import Widened
from cis_ews.risk.model import RiskModel
from cis_ews.risk.registry import Registered, Registry, TrainingRecord
from training.champion import Beside
from training.config import PromotionConfig
from training.gates import RECORD, RECORD_HASH, Gate, GateRecord, gates, hash_of
from training.leakage import LeakageReport
from training.null_control import NullControl
from training.validation import RULES, Validation

EVEN = Widened(
    decision="10 % of each school",
    attribute="gender",
    group="F",
    measure="false_negative_rate",
    before=0.01,
    now=0.01,
    p=1.0,
    half_width=0.02,
)
"""A gap that stayed as it was."""
CLEAN = LeakageReport(features=60, rows=1_000, dates=(), trusted=())


@dataclass(frozen=True, kw_only=True)
class Steady:
    """The stability of explanations, as the gates ask for it."""

    top3_overlap_across_seeds: float | None = 0.9
    top3_overlap_across_students: float | None = None
    identical_when_unchanged: bool = True
    additive: bool = True


def null(p_value: float = 0.01) -> NullControl:
    """A null control with this p-value."""
    return NullControl(
        shuffles=100, rows=900, gain=0.2, p_value=p_value, shuffled_mean=0.0, shuffled_low=-0.1, shuffled_high=0.1
    )


def validation(
    *, on_rules: Estimate | None = None, slope: float | None = 1.0, schools: int = 12, has_rules: bool = True
) -> Validation:
    """As much of a validation as gates ask for."""
    gain = on_rules or Estimate(value=0.03, low=0.01, high=0.05)
    table = {RULES: Compared(values={}, gains={"recall_at_10": gain})} if has_rules else {}
    return Validation(
        splits=(),
        rows=900,
        positives=200,
        schools=schools,
        students=300,
        table=table,
        rules={},
        groups=(),
        calibration=Calibration(slope=slope, intercept=0.0, error=0.01, bins=()),
        curve=(),
        tiers=(),
        importance={},
        by_days=(),
    )


def passed(
    measured: Validation | None = None,
    beside: Beside | None = None,
    *,
    p_value: float = 0.01,
    leakage: LeakageReport = CLEAN,
    stability: Steady | None = None,
    bounds: PromotionConfig | None = None,
) -> dict[str, Gate]:
    """Name -> gate; all of them pass unless something else is given."""
    found = gates(
        measured or validation(),
        beside or Beside(widened=(EVEN,)),
        null=null(p_value),
        leakage=leakage,
        stability=stability or Steady(),
        bounds=bounds or PromotionConfig(),
    )
    return {gate.name: gate for gate in found}


def register(
    registry: Registry, model: RiskModel, kept: dict[str, Gate] | None = None, *, beside: Registered | None = None
) -> Registered:
    """A version with a record of gates, compared with the champion `beside`, and a card in both forms."""
    record = GateRecord(
        model_version=model.version,
        champion=None if beside is None else beside.number,
        champion_version=None if beside is None else beside.model_version,
        gates=tuple((kept or passed()).values()),
    )
    texts = {
        RECORD: record.text(),
        "model_card.md": "# Model card\n\n<!-- overrides -->\n\n## What it is for\n",
        "model_card.html": "<!doctype html><title>Model card</title>\n<!-- overrides -->\n<h2>What it is for</h2>\n",
    }
    tags = {RECORD_HASH: hash_of(record.text()), "label": "off_track"}
    return registry.register(model, TrainingRecord(tags=tags, texts=texts))
