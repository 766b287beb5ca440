"""Is what RiskModel reaches what the data hold? Other splits, fewer rows, and models that are made quite differently.

    python -m benchmarks.ceiling --data ../shared/data [--case hsls09_paper --splits 10]

On the folds of `benchmarks.accuracy`: the AUROC of RiskModel with a 95 % interval (DeLong); its mean over other splits
into folds; its learning curve; and larger models without directions or limits on size, each by itself, all averaged,
and all with the weights that fit the held-out rows best. No honest model can have those last weights: they have seen
the answers, and so are a bound from above for any blend of what is tried.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.accuracy import DATA, FLOORS, FOLDS, SEED, Case, Fold, goal_of, load_case
from cis_ews import RiskModel
from cis_ews.risk.model_encoding import Encoding
from cis_ews.wording import counted

Vector = NDArray[np.float64]
SHARES = (0.25, 0.5, 0.75, 1.0)
"""Of the rows that a fold learns from."""
FEWEST_ROWS = 1_000
"""A quarter of fewer teaches no model."""
DRAWS = 3
"""How often rows are drawn for each share but the whole."""
NETS = 5
BOOSTERS = 4
POINTS = 600
"""Of the kernel machine, or as many as there are rows."""
_Z = 1.96
_CLOSEST = 1e-6


class Beside(NamedTuple):
    """A model's mean AUROC over the folds, how much more RiskModel has, and the standard error of that difference."""

    name: str
    auroc: float
    gain: float
    error: float


def main() -> int:
    """Measure every case that is asked for, and print a table each."""
    arguments = _arguments()
    if not (arguments.data / "cases.json").is_file():
        print(f"nothing was measured: there is no cases.json in {arguments.data}; name its folder with --data")
        return 0
    for name in arguments.case or FLOORS:
        case = load_case(arguments.data, name)
        report(case, splits=arguments.splits)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of cases.json")
    parser.add_argument("--case", action="append", choices=list(FLOORS), help="this case alone (may be repeated)")
    parser.add_argument("--splits", type=int, default=10, help="other splits into folds; 0: none")
    return parser.parse_args()


def report(case: Case, *, splits: int) -> None:
    """Print what was found of one case."""
    folds, label = case.folds(), case.label
    ours = out_of_fold(case, folds, risk_model)
    reached, error = auroc_of(label, ours, folds)
    wanted = goal_of(case.name).auroc
    print(f"\n{case.name}: {label.size:,} rows, {label.sum():,.0f} positive, wanted {wanted:.3f}", flush=True)
    print(f"RiskModel {reached:.4f}, 95 % from {reached - _Z * error:.3f} to {reached + _Z * error:.3f}")
    if splits:
        others = [auroc_of(label, out_of_fold(case, of, risk_model), of)[0] for of in other_splits(case, splits)]
        print(
            f"{counted(splits, 'other split')}: {np.mean(others):.4f}, from {min(others):.4f} to "
            f"{max(others):.4f}; {sum(each >= wanted for each in others)} with what is wanted"
        )
    if label.size >= FEWEST_ROWS:
        curve = [learning(case, folds, share) for share in SHARES]
        print("by the share of rows: " + ", ".join(f"{s:.0%} {v:.4f}" for s, v in zip(SHARES, curve, strict=True)))
    print(f"{'':<36}{'AUROC':>8}{'RiskModel has more':>20}{'std. error':>12}", flush=True)
    for one in beside(case, folds, ours):
        print(f"{one.name:<36}{one.auroc:>8.4f}{one.gain:>+20.4f}{one.error:>12.4f}", flush=True)


def other_splits(case: Case, count: int) -> list[list[Fold]]:
    """Stratified folds of other seeds."""
    seeds = range(SEED + 1, SEED + 1 + count)
    return [
        list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(case.label, case.label)) for seed in seeds
    ]


Model = Callable[[pl.DataFrame, Vector, pl.DataFrame], Vector]


def out_of_fold(case: Case, folds: Sequence[Fold], model: Model) -> Vector:
    """The log-odds of each row, by a model that did not learn from its fold."""
    told = np.empty(case.label.size)
    for learned, held in folds:
        told[held] = model(case.features[learned], case.label[learned], case.features[held])
    return told


def learning(case: Case, folds: Sequence[Fold], share: float) -> float:
    """The AUROC where a fold learns from a share of its rows, drawn anew DRAWS times."""
    found: list[float] = []
    for draw in range(1 if share == 1.0 else DRAWS):
        chance = np.random.default_rng(SEED + draw)
        fewer = [(np.sort(chance.permutation(learned)[: round(share * learned.size)]), held) for learned, held in folds]
        found.append(auroc_of(case.label, out_of_fold(case, fewer, risk_model), fewer)[0])
    return float(np.mean(found))


def beside(case: Case, folds: Sequence[Fold], ours: Vector) -> list[Beside]:
    """Each other model, the mean of all margins, and the best weights of all with hindsight."""
    told = {"RiskModel": ours}
    found: list[Beside] = []
    for name, model in MODELS.items():
        told[name] = out_of_fold(case, folds, model)
        found.append(_beside(name, case, folds, ours=ours, theirs=told[name]))
    columns = np.column_stack(list(told.values()))
    found.append(_beside("mean margin of all", case, folds, ours=ours, theirs=columns.mean(axis=1)))
    hindsight = LogisticRegression(C=1e3, max_iter=1_000).fit(columns, case.label).decision_function(columns)
    found.append(_beside("best weights, fitted on the answers", case, folds, ours=ours, theirs=hindsight))
    return found


def _beside(name: str, case: Case, folds: Sequence[Fold], *, ours: Vector, theirs: Vector) -> Beside:
    gain, error = difference_of(case.label, ours, theirs, folds=folds)
    return Beside(name, auroc_of(case.label, theirs, folds)[0], gain, error)


def auroc_of(label: Vector, score: Vector, folds: Sequence[Fold]) -> tuple[float, float]:
    """The mean AUROC of the folds, and its standard error."""
    return difference_of(label, score, np.zeros_like(score), folds=folds, base=0.5)


def difference_of(
    label: Vector, one: Vector, other: Vector, *, folds: Sequence[Fold], base: float = 0.0
) -> tuple[float, float]:
    """The mean over the folds of one AUROC less another, plus `base`, and its standard error: that of the rows that
    are held out (DeLong, DeLong and Clarke-Pearson 1988), and not of those that are learned from."""
    gains, variances = np.empty(len(folds)), np.empty(len(folds))
    for place, (_, held) in enumerate(folds):
        positive, negative = (
            np.subtract(*sides)
            for sides in zip(placements(label[held], one[held]), placements(label[held], other[held]), strict=True)
        )
        gains[place] = positive.mean()
        variances[place] = positive.var(ddof=1) / positive.size + negative.var(ddof=1) / negative.size
    return base + float(gains.mean()), float(np.sqrt(variances.sum()) / len(folds))


def placements(label: Vector, score: Vector) -> tuple[Vector, Vector]:
    """Of each positive the share of negatives below it, of each negative the share of positives above it; ties half."""
    positive, negative = score[label == 1.0], score[label == 0.0]

    def below(values: Vector, among: Vector) -> Vector:
        order = np.sort(among)
        return (np.searchsorted(order, values, "left") + np.searchsorted(order, values, "right")) / 2.0 / among.size

    return below(positive, negative), 1.0 - below(negative, positive)


def risk_model(features: pl.DataFrame, label: Vector, held: pl.DataFrame) -> Vector:
    """RiskModel with its defaults."""
    return _log_odds(RiskModel.fit(features, label, seed=SEED).predict(held))


def _large_trees(features: pl.DataFrame, label: Vector, held: pl.DataFrame) -> Vector:
    encoding = Encoding.learn(features)
    parameters = {
        "objective": "binary",
        "verbosity": -1,
        "num_threads": 1,
        "learning_rate": 0.015,
        "num_leaves": 12,
        "feature_fraction_bynode": 0.3,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 10.0,
    }
    matrix, asked = encoding.matrix(features), encoding.matrix(held)
    told = np.zeros(held.height)
    for seed in range(BOOSTERS):
        data = lightgbm.Dataset(matrix, label, params={"verbosity": -1})
        booster = lightgbm.train({**parameters, "seed": seed}, data, 700)
        told += np.asarray(booster.predict(asked, raw_score=True)) / BOOSTERS
    return told


def _fitted(steps: Sequence[object], features: pl.DataFrame, label: Vector, held: pl.DataFrame) -> Vector:
    encoding = Encoding.learn(features)
    pipeline = make_pipeline(SimpleImputer(add_indicator=True), *steps)
    pipeline.fit(encoding.matrix(features), label)
    return _log_odds(np.asarray(pipeline.predict_proba(encoding.matrix(held)))[:, 1])


def _forest(features: pl.DataFrame, label: Vector, held: pl.DataFrame) -> Vector:
    forest = cast("Any", RandomForestClassifier)(400, min_samples_leaf=5, max_features=0.3, random_state=SEED)
    return _fitted([forest], features, label, held)


def _random_trees(features: pl.DataFrame, label: Vector, held: pl.DataFrame) -> Vector:
    forest = cast("Any", ExtraTreesClassifier)(400, min_samples_leaf=5, max_features=0.5, random_state=SEED)
    return _fitted([forest], features, label, held)


def _nets(features: pl.DataFrame, label: Vector, held: pl.DataFrame) -> Vector:
    nets = [
        MLPClassifier((48,), alpha=3.0, early_stopping=True, max_iter=300, random_state=seed) for seed in range(NETS)
    ]
    return np.mean([_fitted([StandardScaler(), net], features, label, held) for net in nets], axis=0)


def _kernel(features: pl.DataFrame, label: Vector, held: pl.DataFrame) -> Vector:
    columns = Encoding.learn(features).owners.size
    steps = [
        StandardScaler(),
        Nystroem(gamma=0.1 / columns, n_components=min(POINTS, label.size), random_state=SEED),
        LogisticRegression(max_iter=1_000),
    ]
    return _fitted(steps, features, label, held)


MODELS: dict[str, Model] = {
    "large trees, four seeds": _large_trees,
    "random forest, 400 trees": _forest,
    "extremely randomised trees, 400": _random_trees,
    "neural nets, five averaged": _nets,
    "kernel machine (RBF)": _kernel,
}


def _log_odds(risk: Vector) -> Vector:
    bounded = np.clip(risk, _CLOSEST, 1.0 - _CLOSEST)
    return np.log(bounded / (1.0 - bounded))


if __name__ == "__main__":
    sys.exit(main())
