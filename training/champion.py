"""The champion beside the model that wants its place, on the students of the newest held-back year.

Both are asked about the same students, of whom neither may have learned. The model that is registered learns from all
years in the end; so does each champion, so that after a second training on the same years the champion knows the
held-back one. Each version is therefore kept with its **twin**: the model that was fitted as it was, without the
held-back year, and measured. Where the champion has seen the year, its twin is asked in its place; where that has seen
it too, nothing can be told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import cast

import polars as pl

from cis_ews.errors import ModelError, RegistryError
from cis_ews.evaluation.bootstrap import Bootstrap, Estimate
from cis_ews.evaluation.comparison import Candidate, compare
from cis_ews.evaluation.widening import Widened
from cis_ews.risk.model import RiskModel
from cis_ews.risk.night_model import DECLARED, check_declared, declared_features
from cis_ews.risk.registry import Registered, Registry
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.wording import counted
from training.config import TrainingConfig
from training.fairness import RULES_ORDER, widened_gaps
from training.matrices import lists_of
from training.splits import Split
from training.validation import HeldBack

LEARNED_THROUGH = "learned_through"
"""Where a model keeps the last day that its labels looked at."""
BEFORE = "risk_before"
ON_THE_LIST = "recall_at_10"


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The version that nights use now, its model and its twin; `damaged`: why one of them cannot be had."""

    version: Registered
    model: RiskModel | None = None
    twin: RiskModel | None = None
    damaged: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The model beside what nights use now.

    `number`, `model_version`: of the champion; None where there is none, and published rules are what nights use.
    `gain`: in recall at 10 % of each school's list, the model's less the champion's; None without a champion, and where
    `why_not` says why it could not be measured. `widened`: None where groups could not be compared. `notes`: what was
    compared.
    """

    number: int | None = None
    model_version: str | None = None
    gain: Estimate | None = None
    widened: tuple[Widened, ...] | None = None
    why_not: str = ""
    notes: tuple[str, ...] = ()


def load_champion(registry: Registry, name: str) -> Champion | None:
    """The champion of a name, None where there is none. Raises RegistryError where the registry cannot be read.

    A champion whose own files are gone or changed does not keep a new one from being trained.
    """
    version = registry.champion(name)
    if version is None:
        return None
    found: dict[bool, RiskModel | None] = {}
    damaged = ""
    for is_twin in (False, True):
        try:
            found[is_twin] = registry.load(version.uri, twin=is_twin)
        except (ModelError, RegistryError) as error:
            damaged = damaged or error.message
    return Champion(version=version, model=found.get(False), twin=found.get(True), damaged=damaged)


def as_twin(model: RiskModel, split: Split, *, label: str) -> RiskModel:
    """The model that was measured, as it is kept beside the one that is registered."""
    through = None if split.learned_through is None else split.learned_through.isoformat()
    about = {"label": label, DECLARED: declared_features(model.features), LEARNED_THROUGH: through}
    return replace(model, about=about)


def beside_champion(
    held: HeldBack,
    champion: Champion | None,
    *,
    demographics: pl.DataFrame,
    first_day: date,
    config: TrainingConfig,
    policy: TierPolicy,
) -> Beside:
    """Measure both on the newest held-back year, which begins to be asked on `first_day`. Without a champion the gaps
    between groups are held beside those of the published rules, by which nights have been done so far."""
    if champion is None:
        gaps = widened_gaps(held.told, demographics, before=RULES_ORDER, policy=policy)
        return Beside(widened=gaps, notes=("there is no champion: groups' gaps are held beside those of the rules",))
    named = Beside(number=champion.version.number, model_version=champion.version.model_version)
    asked, notes = _asked(champion, first_day, label=config.label)
    if asked is None:
        return replace(named, why_not=notes[0])
    told = held.told.with_columns(pl.Series(BEFORE, asked.predict(held.rows)))
    candidates = {name: Candidate.of(told[name].to_numpy()) for name in ("risk", BEFORE)}
    bootstrap = Bootstrap.of(told["school_id"].to_numpy(), draws=config.validation.draws, seed=config.seed)
    compared = compare(told["label"].to_numpy(), candidates, lists=lists_of(told), bootstrap=bootstrap)[BEFORE]
    return replace(
        named,
        gain=compared.gains[ON_THE_LIST],
        widened=widened_gaps(told, demographics, before=BEFORE, policy=policy),
        notes=(*notes, *_other_features(held.model, asked)),
    )


def _asked(champion: Champion, first_day: date, *, label: str) -> tuple[RiskModel | None, tuple[str, ...]]:
    """The champion, or its twin, and what to say of it; None and why, where neither can be asked."""
    number = champion.version.number
    if champion.version.label != label:
        return None, (f"champion {number} learned another label ({champion.version.label})",)
    for model, what in ((champion.model, "as it is"), (champion.twin, "by its twin, for it learned from that year")):
        if model is not None and _is_before(model, first_day):
            try:
                check_declared(model)
            except ModelError as error:
                return None, (f"champion {number} cannot be asked: {error.message}",)
            return model, (f"champion {number} was asked {what}",)
    why = champion.damaged or f"it, and its twin, learned from the days from {first_day} on, or do not say until when"
    return None, (f"champion {number} cannot be asked of students it did not learn from: {why}",)


def _is_before(model: RiskModel, first_day: date) -> bool:
    through = cast("str | None", model.about.get(LEARNED_THROUGH))
    return through is not None and through < first_day.isoformat()


def _other_features(model: RiskModel, champion: RiskModel) -> tuple[str, ...]:
    """A sentence where the two look at other things, which each of them is given."""
    more, less = set(model.features) - set(champion.features), set(champion.features) - set(model.features)
    if not more and not less:
        return ()
    return (
        f"it looks at {counted(len(more), 'feature')} that the champion does not, the champion at {len(less)} that it "
        "does not; each was given its own",
    )
