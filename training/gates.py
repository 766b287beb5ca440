"""The gates between a registered version and the champion's place: what was measured, the bound, and what to do.

Gates are passed at training, where the data are, and kept with the version; `promotion` reads them again. What could
not be measured does not pass.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol, cast

from cis_ews.errors import ModelError
from cis_ews.evaluation.bootstrap import FEW, Estimate
from cis_ews.evaluation.equity import in_words
from cis_ews.evaluation.suppression import FEWEST
from cis_ews.evaluation.widening import Widened
from training.champion import ON_THE_LIST, Beside
from training.config import PromotionConfig
from training.leakage import LeakageReport
from training.null_control import LEAST, NullControl
from training.validation import RULES, Validation

RECORD = "gates.json"
RECORD_VERSION = 1
RECORD_HASH = "gates_sha256"
STEP = 0.05
"""In which a growth is told whose numbers are not."""
TRAIN_AGAIN = "train again on the same extract, which compares it with the champion of now"


class State(StrEnum):
    """How a gate ended; only what passed, and what has nothing to be compared with, lets a version through."""

    PASSED = "passed"
    REFUSED = "refused"
    NOT_MEASURED = "not measured"
    NOTHING_TO_COMPARE = "nothing to compare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate.

    `name`: stable, for programs. `value`: what is held against `least` and `most`; None where it could not be measured.
    `found`: what was found, in words; `shown`: what stands in the table in place of the value, where that alone would
    say too little; `to_do`: what to do where it does not pass. `asked`: False where there is nothing that it could be
    compared with.
    """

    name: str
    title: str
    value: float | None
    least: float | None = None
    most: float | None = None
    found: str
    to_do: str
    asked: bool = True
    shown: str = ""

    @property
    def state(self) -> State:
        """By the value and the bounds alone."""
        if not self.asked:
            return State.NOTHING_TO_COMPARE
        if self.value is None or not math.isfinite(self.value):
            return State.NOT_MEASURED
        return State.REFUSED if self.missed_by > 0.0 else State.PASSED

    @property
    def passes(self) -> bool:
        """Whether it lets the version through."""
        return self.state in (State.PASSED, State.NOTHING_TO_COMPARE)

    @property
    def missed_by(self) -> float:
        """How far the value is from its bounds; 0 within them and where there is none."""
        if self.value is None:
            return 0.0
        below = 0.0 if self.least is None else self.least - self.value
        above = 0.0 if self.most is None else self.value - self.most
        return max(below, above, 0.0)

    @property
    def bound(self) -> str:
        """The bounds in words."""
        if self.least is not None and self.most is not None:
            return f"{_number(self.least)} to {_number(self.most)}"
        if self.least is not None:
            return f"at least {_number(self.least)}"
        return "" if self.most is None else f"at most {_number(self.most)}"

    def refusal(self) -> str:
        """Which gate, and by how much."""
        if self.state is State.NOT_MEASURED:
            return f"{self.name}: not measured, {self.found}"
        return f"{self.name}: {self.found}; asked is {self.bound}, missed by {_number(self.missed_by)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRecord:
    """The gates of one version. `champion`: number of the version that it was compared with, None without one;
    `notes`: what was compared."""

    model_version: str
    champion: int | None
    champion_version: str | None
    gates: tuple[Gate, ...]
    notes: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[Gate, ...]:
        """Those that do not let the version through."""
        return tuple(gate for gate in self.gates if not gate.passes)

    def text(self) -> str:
        """As it is kept: JSON, the same for the same record."""
        gates = [{**asdict(gate), "state": gate.state.value} for gate in self.gates]
        kept = {"record_version": RECORD_VERSION, **asdict(self), "gates": gates}
        return json.dumps(kept, indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def read(cls, text: str, *, sha256: str) -> GateRecord:
        """What `text` wrote. Raises ModelError where it is not what was registered, or of another version."""
        if hash_of(text) != sha256:
            found = f"The record of gates ({RECORD}) is not the one that was registered"
            raise ModelError(found, hint=f"restore the registry's files, or {TRAIN_AGAIN}")
        kept = cast("dict[str, Any]", json.loads(text))
        if kept.pop("record_version", None) != RECORD_VERSION:
            raise ModelError(f"The record of gates ({RECORD}) is of another version", hint=TRAIN_AGAIN)
        return cls(
            model_version=kept["model_version"],
            champion=kept["champion"],
            champion_version=kept["champion_version"],
            gates=tuple(
                Gate(**{name: each[name] for name in Gate.__slots__ if name in each}) for each in kept["gates"]
            ),
            notes=tuple(kept["notes"]),
        )


def hash_of(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


class Explained(Protocol):
    """What the gates ask of the stability of explanations."""

    @property
    def top3_overlap_across_seeds(self) -> float | None: ...

    @property
    def top3_overlap_across_students(self) -> float | None: ...

    @property
    def identical_when_unchanged(self) -> bool: ...

    @property
    def additive(self) -> bool: ...


def gates(
    validation: Validation,
    beside: Beside,
    *,
    null: NullControl,
    leakage: LeakageReport,
    stability: Explained | None,
    bounds: PromotionConfig,
) -> tuple[Gate, ...]:
    """Every gate, in the order in which the page and the card tell them."""
    return (
        _better_than_rules(validation, bounds),
        _better_than_champion(validation, beside, bounds),
        _slope(validation, bounds),
        _gaps(beside, bounds),
        _null(null),
        _leakage(leakage),
        *_explanations(stability, bounds),
    )


NAMES = (
    "better_than_rules",
    "better_than_champion",
    "calibration_slope",
    "gaps_of_groups",
    "null_control",
    "leakage",
    "reasons_across_seeds",
    "reasons_unchanged",
    "contributions_add_up",
)
"""Every gate; a record without one of them did not measure it."""


def _better_than_rules(validation: Validation, bounds: PromotionConfig) -> Gate:
    compared = validation.table.get(RULES)
    gain = None if compared is None else compared.gains[ON_THE_LIST]
    return _gain_gate(
        "better_than_rules",
        "finds no fewer than the rules",
        gain=gain,
        margin=bounds.margin_rules,
        found=_gained(gain, "published rules", validation.schools),
        to_do="let nights run by rules; more past years, or another label, may change it",
    )


def _better_than_champion(validation: Validation, beside: Beside, bounds: PromotionConfig) -> Gate:
    if beside.number is None:
        found = "there is no champion"
    elif beside.gain is None:
        found = beside.why_not
    else:
        found = _gained(beside.gain, f"champion {beside.number}", validation.schools)
    return _gain_gate(
        "better_than_champion",
        "finds no fewer than the champion",
        gain=beside.gain,
        margin=bounds.margin_champion,
        found=found,
        to_do="keep the champion; it finds more, or the years that are held back cannot tell",
        asked=beside.number is not None,
    )


def _gain_gate(
    name: str, title: str, *, gain: Estimate | None, margin: float, found: str, to_do: str, asked: bool = True
) -> Gate:
    """The low end of the interval is held against the margin: it excludes what is worse by more."""
    low = None if gain is None else gain.low
    return Gate(name=name, title=title, value=low, least=-margin, found=found, to_do=to_do, asked=asked)


def _gained(gain: Estimate | None, on: str, schools: int) -> str:
    if gain is None:
        return f"{on} could not be asked"
    if gain.low is None or gain.high is None:
        return f"recall at 10 % is {gain.value:+.3f} on {on}, with schools too few or too small for an interval"
    return f"recall at 10 % is {gain.value:+.3f} on {on}, from {gain.low:+.3f} to {gain.high:+.3f}{_few(schools)}"


def _slope(validation: Validation, bounds: PromotionConfig) -> Gate:
    slope, drawn = validation.calibration.slope, validation.calibration.slope_drawn
    return Gate(
        name="calibration_slope",
        title="risks mean what they say",
        value=slope,
        least=bounds.slope_low,
        most=bounds.slope_high,
        found="risk and outcome have no slope"
        if slope is None
        else f"the slope of calibration is {slope:.2f}{_from_to(drawn, validation.schools)}",
        to_do="below 1 risks are too extreme, above 1 too even: see how the held-back year differs from those before",
    )


def _from_to(found: Estimate | None, schools: int) -> str:
    """The interval of a figure in words; nothing where there is none."""
    if found is None or found.low is None or found.high is None:
        return ""
    return f", from {found.low:.2f} to {found.high:.2f}{_few(schools)}"


def _few(schools: int) -> str:
    return f" (wide: {schools} schools)" if schools < FEW else ""


def _gaps(beside: Beside, bounds: PromotionConfig) -> Gate:
    """What decides is the widest growth that chance does not explain (ADR 21); what is told, the widest of all."""
    bound = bounds.gap_growth
    sure = [each for each in beside.widened or () if each.is_sure]
    decides = max(sure, key=lambda each: each.growth, default=None)
    growth = 0.0 if decides is None else max(decides.growth, 0.0)
    if decides is not None and not decides.is_told:
        growth = _in_steps(growth, bound)
    return Gate(
        name="gaps_of_groups",
        title="no group's errors grew apart",
        value=growth if beside.widened else None,
        most=bound,
        found=_widest(beside, sure, bound),
        shown=_shown(decides if growth > bound else next(iter(beside.widened or ()), None), bound),
        to_do="look at the audit (docs/equity.md): whom the lists miss or name for nothing, and why",
    )


def _in_steps(growth: float, bound: float) -> float:
    """A growth that is not told, as the next step above it: it ends on the same side of the bound."""
    above = STEP * math.ceil(growth / STEP)
    return min(above, bound) if growth <= bound else above


def _shown(gap: Widened | None, bound: float) -> str:
    """A growth for the table: the one that refuses, else the widest; what was found tells its interval."""
    if gap is None or gap.growth <= 0.0:
        return ""
    by_chance = "" if gap.is_sure else ", by chance"
    if not gap.is_told:
        return f"to {_in_steps(gap.growth, bound):.2f}{by_chance}"
    return f"{gap.growth:.3f}{by_chance}"


def _widest(beside: Beside, sure: Sequence[Widened], bound: float) -> str:
    if beside.widened is None:
        return beside.why_not or "the source has no demographics, or the outcome met everybody or nobody"
    than = "the rules'" if beside.number is None else "the champion's"
    grown = [each for each in sure if each.growth > bound]
    if grown:
        return f"{_told(grown[0])}; {len(grown)} such {'gaps' if len(grown) > 1 else 'gap'} beyond chance"
    if not beside.widened:
        return "no group is large enough to be told"
    if beside.widened[0].growth <= 0.0:
        return f"none of {len(beside.widened)} gaps is wider than {than}"
    first = f"; beyond chance none is wider than {than} by more than {bound:.2f}"
    return f"the gap that grew most: {_told(beside.widened[0])}{first}"


def _told(gap: Widened) -> str:
    where = f"{in_words(gap.attribute, gap.group)}, {gap.measure.replace('_', ' ')} at {gap.decision}"
    if not gap.is_told:
        return f"{where}, by numbers of fewer than {FEWEST} students, which are not told"
    return (
        f"{where}, gap {gap.before:+.3f} before, {gap.now:+.3f} now: grown by {gap.growth:.3f}, from "
        f"{gap.growth_low:+.3f} to {gap.growth_high:+.3f}"
    )


def _null(null: NullControl) -> Gate:
    return Gate(
        name="null_control",
        title="the gain is no artefact",
        value=null.p_value,
        most=LEAST,
        found=f"labels shuffled {null.shuffles} times gain as much with p = {null.p_value:.3f}",
        to_do="bring more students or years: nothing shows that students are told apart at all",
    )


def _leakage(leakage: LeakageReport) -> Gate:
    count = len(leakage.trusted)
    return Gate(
        name="leakage",
        title="no feature knows the outcome",
        value=float(count),
        most=0.0,
        found=f"{count} of {leakage.features} features seem to know the outcome, and are trusted by the configuration"
        if count
        else f"none of {leakage.features} features does",
        to_do="take the feature out; or override, with how it was checked",
    )


def _explanations(found: Explained | None, bounds: PromotionConfig) -> tuple[Gate, ...]:
    overlap = None if found is None else found.top3_overlap_across_seeds
    unknown = "the stability of explanations was not measured"
    return (
        Gate(
            name="reasons_across_seeds",
            title="reasons hold when trained again",
            value=overlap,
            least=bounds.top3_overlap,
            found=unknown
            if overlap is None
            else f"{overlap:.0%} of the first three reasons stay with another seed{_of_students(found)}",
            to_do=TRAIN_AGAIN
            if overlap is None
            else "more students or years make reasons steadier; see docs/explanations.md",
        ),
        _yes(
            "reasons_unchanged",
            "reasons hold from night to night",
            None if found is None else found.identical_when_unchanged,
            found="without new records a second night tells the same",
        ),
        _yes(
            "contributions_add_up",
            "contributions add up to the risk",
            None if found is None else found.additive,
            found="they do, for every student that was looked at",
        ),
    )


def _of_students(found: Explained | None) -> str:
    """What is told beside, and refuses nothing: it is as low of every kind of model."""
    overlap = None if found is None else found.top3_overlap_across_students
    return "" if overlap is None else f", {overlap:.0%} with students drawn again"


def _yes(name: str, title: str, holds: bool | None, *, found: str) -> Gate:
    if holds is None:
        found = "the stability of explanations was not measured"
    elif not holds:
        found = "it does not hold"
    value = None if holds is None else float(holds)
    to_do = TRAIN_AGAIN if holds is None else "this is a fault of the program: report it, and do not promote"
    return Gate(name=name, title=title, value=value, least=1.0, found=found, to_do=to_do)


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if value else "0"
