"""What decides a night: the published rules alone, or a trained model with the rules beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.enums import Direction
from cis_ews.errors import FeatureMismatchError
from cis_ews.risk.explanations import explained
from cis_ews.risk.feature_catalog import FEATURES
from cis_ews.risk.features import build_features, features_hash
from cis_ews.risk.rule_reasons import DIRECTIONS, KIND, STUDENT, WORDS, rank_reasons
from cis_ews.risk.rule_results import Evaluated
from cis_ews.risk.rules import REASONS_SHOWN, RulesModel
from cis_ews.schema.coded import CodedTable, rows_among
from cis_ews.wording import counted

if TYPE_CHECKING:
    from cis_ews.risk.model import RiskModel

DECLARED = "features"
"""Where a model keeps what its features were when it learned: name -> hash of the declaration."""
GRADES = "grades"
"""Where a model keeps the grades that its label is asked of; null for all."""
FEWEST_DAYS = "fewest_days"
"""Where a model keeps from how many days enrolled on it is asked, as measured when it learned; null where it was not,
and then the policy's minimum counts alone."""
_HASH_LENGTH = 16
_CODES: dict[str, pl.DataType] = {STUDENT: pl.UInt32(), "rank": pl.Int16(), KIND: pl.UInt16(), WORDS: pl.UInt32()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """What a trained model says of those students whom its label is asked of; one row each, sorted by `student_id`.

    `risk`: `student_id`, `risk` (calibrated probability), `risk_low`, `risk_high`. `contributions`: `student_id`,
    `base_value`, `margin`, one column a feature of the model, in log-odds. `features`: `student_id` and the features of
    the catalog.
    """

    risk: pl.DataFrame
    contributions: pl.DataFrame
    features: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class NightModel:
    """The rules, and the trained model where there is one."""

    rules: RulesModel = field(default_factory=RulesModel)
    trained: RiskModel | None = None

    @classmethod
    def of(cls, model: RulesModel | RiskModel) -> NightModel:
        """The rules that were given; or a trained model with all rules beside it.

        Raises FeatureMismatchError, with the difference, where it learned from other features than this version makes.
        """
        if isinstance(model, RulesModel):
            return cls(rules=model)
        check_declared(model)
        return cls(trained=model)

    @property
    def version(self) -> str:
        """`rules-...`, or `model-...`."""
        return self.rules.version if self.trained is None else self.trained.version

    @property
    def rules_beside(self) -> str | None:
        """The version of the rules that stand beside a trained model."""
        return None if self.trained is None else self.rules.version

    @property
    def seed(self) -> int | None:
        """The seed with which the trained model was fitted."""
        return None if self.trained is None else cast("int | None", self.trained.summary.get("seed"))

    @property
    def statement(self) -> dict[str, Any]:
        """What decided, for the run and for people who look at it."""
        kind = "rules" if self.trained is None else "trained"
        about = {} if self.trained is None else dict(self.trained.about)
        return {"kind": kind, "version": self.version, "rules_version": self.rules.version, "about": about}

    def estimate(self, indicators: pl.DataFrame, *, sums: pl.DataFrame | None = None) -> Estimates | None:
        """Ask the trained model about the students of a frame of indicators; None in a night by rules.

        `sums`: the `school_sums` of all students, where `indicators` holds a part of them. Students of grades that the
        model's label is not asked of, or enrolled for fewer days than those from which it was measured to be worth
        telling, have no estimate, and are left to the rules.
        """
        if self.trained is None:
            return None
        asked = self._features(indicators, sums)
        students = asked.select("student_id")
        probability, contributions = self.trained.explained(asked)
        risk = self.trained.with_bounds(contributions["margin"].to_numpy(), probability)
        return Estimates(
            risk=students.hstack(risk),
            contributions=pl.concat([students, contributions], how="horizontal"),
            features=asked,
        )

    def risk(self, indicators: pl.DataFrame, *, sums: pl.DataFrame | None = None) -> pl.DataFrame | None:
        """`student_id` and `risk` as `estimate` has them, of which nobody asks for contributions and bounds."""
        if self.trained is None:
            return None
        asked = self._features(indicators, sums)
        return asked.select("student_id", risk=pl.Series(self.trained.predict(asked), dtype=pl.Float64))

    def _features(self, indicators: pl.DataFrame, sums: pl.DataFrame | None) -> pl.DataFrame:
        """The features of those whom the model is asked about."""
        features = build_features(indicators, sums=sums)
        return _those(features, self._asked_of(indicators).get_column("student_id"))

    def _asked_of(self, indicators: pl.DataFrame) -> pl.DataFrame:
        about: Mapping[str, object] = {} if self.trained is None else self.trained.about
        grades = cast("list[str] | None", about.get(GRADES))
        days = cast("int | None", about.get(FEWEST_DAYS))
        asked = [] if grades is None else [pl.col("grade_level").cast(pl.String).is_in(grades)]
        asked += [] if days is None else [pl.col("days_enrolled_ytd").fill_null(0) >= days]
        return indicators.filter(asked).select("student_id") if asked else indicators.select("student_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is told of the students: `schema.scores.Reasons`, coded, and the contributions behind a model's reasons."""

    reasons: CodedTable
    contributions: pl.DataFrame | None = None


def tell(
    estimates: Estimates | None,
    indicators: pl.DataFrame,
    scores: pl.DataFrame,
    *,
    evaluated: Evaluated,
    results: CodedTable,
    peers: pl.DataFrame | None = None,
) -> Told:
    """The model's reasons and contributions for those whose risk is told; for the others what the rules say.

    Where the model has no reason of concern for a student, or no strength, the rules give theirs: who is on a list has
    a reason, and what speaks for a student is not left unsaid. `evaluated`: what the rules make of the students of
    `indicators`; `results`: their results. `peers`: the `peer_values` of all students, where `indicators` holds a part
    of them.
    """
    if estimates is None:
        return Told(reasons=rank_reasons(evaluated, results, limit=REASONS_SHOWN))
    judged = scores.filter(pl.col("risk").is_not_null()).get_column("student_id")
    of_model = _explained(estimates, indicators, judged, peers=peers)
    ids = evaluated.students.get_column("student_id")
    student = rows_among(of_model.said[STUDENT].get_column("student_id"), ids)[of_model.rows.get_column(STUDENT)]
    direction = of_model.said[KIND].get_column("direction").to_physical().to_numpy()[of_model.rows.get_column(KIND)]
    is_told = np.zeros((len(Direction), len(ids)), dtype=np.bool_)
    is_told[direction, student] = True
    asked = [~is_told[list(Direction).index(each)] for each in DIRECTIONS]
    by_rules = rank_reasons(evaluated, results, limit=REASONS_SHOWN, asked=asked)
    contributions = _those(estimates.contributions, judged)
    return Told(reasons=_beside(of_model, student, by_rules), contributions=contributions)


def _explained(
    estimates: Estimates, indicators: pl.DataFrame, judged: pl.Series, *, peers: pl.DataFrame | None
) -> CodedTable:
    """The model's reasons for the students who are judged: nearly all, so that those of others are dropped at last."""
    every = explained(estimates.features, estimates.contributions, indicators, peers=peers)
    is_judged = rows_among(every.said[STUDENT].get_column("student_id"), judged) >= 0
    if is_judged.all():
        return every
    return CodedTable(every.rows.filter(pl.Series(is_judged[every.rows.get_column(STUDENT)])), every.said)


def _those(frame: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """The rows of these students."""
    if frame.get_column("student_id").equals(ids):
        return frame
    return frame.filter(pl.Series(rows_among(frame.get_column("student_id"), ids) >= 0))


def _beside(of_model: CodedTable, student: NDArray[np.int64], by_rules: CodedTable) -> CodedTable:
    """The reasons of model and rules, in order; `student`: of each of the model's, its code in `by_rules`."""
    first = of_model.rows.with_columns(pl.Series(STUDENT, student))
    then = by_rules.rows.with_columns(
        pl.col(KIND) + of_model.said[KIND].height, pl.col(WORDS) + of_model.said[WORDS].height
    )
    codes = [pl.col(name).cast(kind) for name, kind in _CODES.items()]
    rows = pl.concat([first.select(codes), then.select(codes)], rechunk=True)
    kinds = pl.concat([of_model.said[KIND], by_rules.said[KIND]], rechunk=True)
    direction = kinds.get_column("direction").to_physical()[rows.get_column(KIND)]
    places = pl.DataFrame([rows.get_column(STUDENT), direction, rows.get_column("rank")]).cast(pl.Int64)
    turn = places.select((pl.nth(0) * len(Direction) + pl.nth(1)) * 2**16 + pl.nth(2)).to_series().to_numpy()
    words = pl.concat([of_model.said[WORDS], by_rules.said[WORDS]], rechunk=True)
    said = {STUDENT: by_rules.said[STUDENT], KIND: kinds, WORDS: words}
    return CodedTable(rows[np.argsort(turn, kind="stable")], said)


def declared_features(names: Sequence[str]) -> dict[str, str]:
    """What to keep with a model that learns from these features of the catalog, so that a night can compare."""
    return {name: features_hash([name])[:_HASH_LENGTH] for name in names}


def check_declared(model: RiskModel) -> None:
    """Raise FeatureMismatchError, with the difference, unless the features are those that the model learned from."""
    known = {feature.name for feature in FEATURES}
    said = cast("Mapping[str, str]", model.about.get(DECLARED, {}))
    missing = [name for name in model.features if name not in known]
    now = declared_features([name for name in model.features if name in known])
    changed = [name for name, declared in now.items() if said.get(name, declared) != declared]
    if not missing and not changed:
        return
    made, has = (_one_or_more(missing, "is", "are"), _one_or_more(changed, "has", "have"))
    parts = [f"{made} not made any more ({', '.join(missing)})"] * bool(missing)
    parts += [f"{has} another definition now ({', '.join(changed)})"] * bool(changed)
    raise FeatureMismatchError(
        f"The model {model.version} learned from "
        f"{counted(len(model.features), 'feature')}, of which {' and '.join(parts)}",
        hint="train it again with this version (python -m training), or score with --model rules",
        missing=missing,
        changed=changed,
    )


def _one_or_more(names: Sequence[str], one: str, more: str) -> str:
    return f"{len(names)} {one if len(names) == 1 else more}"
