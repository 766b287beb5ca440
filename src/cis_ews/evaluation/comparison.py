"""One table: a model beside whatever it has to beat, on the same rows, lists and draws of schools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cis_ews.errors import ModelError
from cis_ews.evaluation.bootstrap import Bootstrap, Estimate
from cis_ews.evaluation.capacity import SHARES, chosen, placed
from cis_ews.evaluation.outcomes import Vector, checked_outcomes, checked_risk

AT = {share: f"{share * 100:.0f}" for share in SHARES}
MEASURES = (
    "auroc",
    "average_precision",
    "brier",
    *(f"recall_at_{name}" for name in AT.values()),
    *(f"precision_at_{name}" for name in AT.values()),
    "recall_of_all_at_10",
)
"""`recall_at_5` (10, 20): of all positives, the share that stands on the lists of their schools with places for 5 (10,
20) % of the students; `precision_at_5`: the share of positives on those lists. `recall_of_all_at_10`: one list a night
over all schools. Less is better for `brier` alone."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """Something that tells students apart: the order that it puts them in, and the probability that it stands for."""

    order: Vector
    probability: Vector

    @classmethod
    def of(cls, probability: Vector) -> Candidate:
        """One whose order is its probability."""
        return cls(probability, probability)


@dataclass(frozen=True, eq=False)
class Lists:
    """Who competes with whom, a number a row: `schools`, for the places of a school that night; `nights`, for those of
    all schools together."""

    schools: NDArray[np.int64]
    nights: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What one candidate reached (measure -> figure), and how much more of it the first one did (none of its own)."""

    values: Mapping[str, Estimate]
    gains: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class InGroup:
    """What one candidate found of a group of rows, on the lists of all, by share (`5`, `10`, `20`).

    `recall`: of the group's positives. `precision`: of its listed, None where none is. `gain`: in recall at 10 %, the
    first candidate's less this one's, None of the first itself.
    """

    recall: Mapping[str, float]
    precision: Mapping[str, float | None]
    gain: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AtSameRate:
    """A flag rule, and as many students of the same nights in the model's order.

    `flagged`: the share of rows for which the rule holds. `recall`, `precision`: the rule's. `model_recall`: that of
    the model's list of equal length. `gain`: model's less rule's.
    """

    flagged: float
    precision: float
    recall: float
    model_recall: float
    gain: Estimate


def compare(
    label: Vector, candidates: Mapping[str, Candidate], *, lists: Lists, bootstrap: Bootstrap
) -> dict[str, Compared]:
    """Every measure of MEASURES of every candidate, with intervals; the first is the one that gains are told of.

    Raises ModelError as `evaluate` does, and without a candidate.
    """
    if not candidates:
        raise ModelError("there is nothing to compare", hint="give one candidate at least")
    drawn = {name: _drawn(label, each, lists=lists, bootstrap=bootstrap) for name, each in candidates.items()}
    first = next(iter(drawn))
    return {
        name: Compared(
            values={measure: bootstrap.estimate(*found[measure], least=0.0) for measure in MEASURES},
            gains={} if name == first else _gains(drawn[first], found, bootstrap),
        )
        for name, found in drawn.items()
    }


_Drawn = dict[str, tuple[float, Vector]]


def _gains(first: _Drawn, other: _Drawn, bootstrap: Bootstrap) -> dict[str, Estimate]:
    return {
        measure: bootstrap.estimate(first[measure][0] - other[measure][0], first[measure][1] - other[measure][1])
        for measure in MEASURES
    }


def _drawn(label: Vector, candidate: Candidate, *, lists: Lists, bootstrap: Bootstrap) -> _Drawn:
    """Measure -> its value, and its value a draw."""
    from sklearn import metrics as untyped

    metrics = cast("Any", untyped)
    truth, probability = checked_risk(label, candidate.probability)
    _, order = checked_outcomes(label, candidate.order)
    aurocs, precisions = bootstrap.ranking(truth, order)
    found: _Drawn = {
        "auroc": (float(metrics.roc_auc_score(truth, order)), aurocs),
        "average_precision": (float(metrics.average_precision_score(truth, order)), precisions),
        "brier": _share((truth - probability) ** 2, np.ones(truth.size), bootstrap),
    }
    for share, name in AT.items():
        places = chosen(order, lists.schools, share)
        found[f"recall_at_{name}"] = _share(truth * places, truth, bootstrap)
        found[f"precision_at_{name}"] = _share(truth * places, places, bootstrap)
    found["recall_of_all_at_10"] = _share(truth * chosen(order, lists.nights, 0.1), truth, bootstrap)
    return found


def _share(
    part: Vector, whole: Vector, bootstrap: Bootstrap, *, rows: NDArray[np.bool_] | None = None
) -> tuple[float, Vector]:
    return float(part.sum() / whole.sum()), bootstrap.ratio(part, whole, rows=rows)


def at_same_rate(
    label: Vector, held: Vector, model: Candidate, *, lists: Lists, bootstrap: Bootstrap
) -> AtSameRate | None:
    """A rule (1 where it holds) beside the model at the same number of flags a night; None where it never holds."""
    truth, flags = checked_outcomes(label, held)
    if not flags.any():
        return None
    _, night = np.unique(lists.nights, return_inverse=True)
    flagged: Vector = np.bincount(night, weights=flags).astype(np.float64)
    places = placed(model.order, lists.nights, flagged[night])
    by_rule, by_model = _share(truth * flags, truth, bootstrap), _share(truth * places, truth, bootstrap)
    return AtSameRate(
        flagged=float(flags.mean()),
        precision=float(truth @ flags / flags.sum()),
        recall=by_rule[0],
        model_recall=by_model[0],
        gain=bootstrap.estimate(by_model[0] - by_rule[0], by_model[1] - by_rule[1]),
    )


def on_lists(candidates: Mapping[str, Candidate], lists: Lists) -> dict[str, dict[str, Vector]]:
    """Candidate -> share (`5`, `10`, `20`) -> the chance of each row to be on the list of its school."""
    return {
        who: {name: chosen(each.order, lists.schools, share) for share, name in AT.items()}
        for who, each in candidates.items()
    }


def in_group(
    label: Vector, places: Mapping[str, Mapping[str, Vector]], group: NDArray[np.bool_], *, bootstrap: Bootstrap
) -> dict[str, InGroup]:
    """What each candidate of `on_lists` found of the rows where `group` holds, at least one of them positive."""
    truth = label[group]
    own = {who: {name: chance[group] for name, chance in listed.items()} for who, listed in places.items()}
    recalls = {who: _share(truth * listed["10"], truth, bootstrap, rows=group) for who, listed in own.items()}
    first = next(iter(recalls))
    return {
        who: InGroup(
            recall={name: float(truth @ listed / truth.sum()) for name, listed in own[who].items()},
            precision={name: _precision(truth, listed) for name, listed in own[who].items()},
            gain=None if who == first else bootstrap.estimate(recalls[first][0] - value, recalls[first][1] - drawn),
        )
        for who, (value, drawn) in recalls.items()
    }


def _precision(truth: Vector, listed: Vector) -> float | None:
    return float(truth @ listed / listed.sum()) if listed.sum() > 0.0 else None
