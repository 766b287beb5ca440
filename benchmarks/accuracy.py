"""How accurate RiskModel is with its defaults on real, public data, beside plain models and a checklist in one run.

    python -m benchmarks.accuracy --data ../shared/data [--candidates --trials 5]

Five stratified folds of each case, the same for every model; no protected attribute and nothing that leaks among the
features. The data lie outside the repository (docs/accuracy.md names their sources): where they are absent, the reason
is printed and nothing is measured. What is wanted of RiskModel, and whether it is reached, stands below each table and
in a line each at the end. The exit code is 1 where RiskModel is below the floor, in any of the four measures,
by more than one standard deviation of a fold.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cis_ews import Recipe, RiskModel, evaluate
from cis_ews.evaluation.accuracy import Accuracy
from cis_ews.risk.model_encoding import Encoding
from training.candidates import RECIPES, Tried, compared, simplest_within
from training.config import BLEND, TUNED
from training.tuning import held_out_loss, search

DATA = Path(__file__).parents[1].parent / "shared" / "data"
SEED = 20_260_227
FOLDS = 5
REACHED = "the floor is reached, within one fold SD"
MEASURES = ("auroc", "average_precision", "brier", "recall_at_20")


class Floor(NamedTuple):
    """What plain models reached on the same files before: the better AUROC of two, and the standard deviation of a
    fold's; then the best average precision, Brier score and recall at 20 % of either. For these a fold's standard
    deviation is that of the run."""

    auroc: float
    fold_sd: float
    average_precision: float
    brier: float
    recall_at_20: float


FLOORS = {
    "hsls09_paper": Floor(0.794, 0.014, 0.465, 0.107, 0.54),
    "hsls09_gpa": Floor(0.827, 0.015, 0.550, 0.098, 0.60),
    "faketucky": Floor(0.832, 0.015, 0.619, 0.107, 0.60),
    "uci320_maths": Floor(0.931, 0.03, 0.855, 0.107, 0.54),
    "uci697_semester1": Floor(0.877, 0.01, 0.816, 0.121, 0.54),
}
BRIER_MARGIN = 0.001


class Goal(NamedTuple):
    """What is wanted of RiskModel: at least this AUROC, at most this Brier score; `why`: how the AUROC was set."""

    auroc: float
    brier: float
    why: str


def goal_of(name: str) -> Goal:
    """The goal of a case, from its floor where it is set by that."""
    floor = FLOORS[name]
    auroc, why = {
        "hsls09_paper": (0.800, "published best .789"),
        "hsls09_gpa": (0.832, "with marks of 9th grade"),
        "uci320_maths": (floor.auroc - floor.fold_sd, "best entry less one fold SD"),
    }.get(name, (floor.auroc + 0.003, "best entry and .003"))
    return Goal(auroc=round(auroc, 3), brier=round(floor.brier + BRIER_MARGIN, 4), why=why)


# One point a sign of attendance, behavior or coursework that the file knows of.
CHECKLISTS = {
    "hsls09_gpa": (
        pl.col("gpa_9th_survey3") < 2.5,
        pl.col("gpa_9th_survey3") < 2.0,
        pl.col("S1M8GRADE").is_in(["D", "Below D"]),
        pl.col("repeat_k8") > 0,
    ),
    "faketucky": (pl.col("pct_days_absent") >= 10.0, pl.col("gpa") < 2.0),
    "uci320_maths": (pl.col("absences") >= 10, pl.col("failures") >= 1, pl.col("G1") < 10),
    "uci697_semester1": (
        pl.col("Curricular_units_1st_sem_approved") < pl.col("Curricular_units_1st_sem_enrolled"),
        pl.col("Curricular_units_1st_sem_grade") < 10.0,
        pl.col("Curricular_units_1st_sem_without_evaluations") >= 1,
    ),
}
_CATEGORIES = ("Application_mode", "Course", "Previous_qualification")

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]
Predictor = Callable[[pl.DataFrame, NDArray[np.float64], pl.DataFrame], NDArray[np.float64]]


@dataclass(frozen=True)
class Case:
    """Features and outcome of one case."""

    name: str
    features: pl.DataFrame
    label: NDArray[np.float64]

    def folds(self) -> list[Fold]:
        """The same five for every model."""
        splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
        return list(splitter.split(self.label, self.label))


def main() -> int:
    """Measure every case and print one table each."""
    arguments = _arguments()
    if not (arguments.data / "cases.json").is_file():
        print(f"nothing was measured: there is no cases.json in {arguments.data}; name its folder with --data")
        return 0
    cases = [load_case(arguments.data, name) for name in arguments.case or FLOORS]
    codes: list[int] = []
    goals: list[str] = []
    for case in cases:
        measured = measure(case)
        codes.append(report(case, measured))
        goals += [f"{case.name}: {line}" for line in goal_lines(goal_of(case.name), measured["RiskModel"])]
        if arguments.candidates:
            report_candidates(candidates(case, trials=arguments.trials))
    print("\nWhat is wanted, case by case", *goals, sep="\n")
    return max(codes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of cases.json")
    parser.add_argument("--case", action="append", choices=list(FLOORS), help="this case alone (may be repeated)")
    parser.add_argument("--candidates", action="store_true", help="the kinds of model that a training compares, too")
    parser.add_argument(
        "--trials", type=int, default=5, help="of the search for the tuned blend, in each fold; 0: none"
    )
    return parser.parse_args()


def load_case(data: Path, name: str) -> Case:
    """Read one case as its description says; protected columns are never read into the features."""
    described: dict[str, Any] = json.loads((data / "cases.json").read_text(encoding="utf-8"))[name]
    separator = described.get("separator", ",")
    table = pl.read_csv(data / described["file"], separator=separator, infer_schema_length=None)
    if "note" in described:
        plain = {column: re.sub(r"[^A-Za-z0-9]+", "_", column).strip("_") for column in table.columns}
        table = table.rename(plain)
    features = table.select(described["features"])
    if set(features.columns) & set(described["protected"]):
        raise ValueError(f"{name}: a protected column is among the features")
    numbers = pl.selectors.numeric()
    if "missing" in described:
        features = features.with_columns(pl.when(numbers != described["missing"]).then(numbers).name.keep())
    features = features.with_columns(
        pl.col(column).cast(pl.String) for column in _CATEGORIES if column in table.columns
    )
    return Case(name, features, _outcome(table, described["target"]))


def _outcome(table: pl.DataFrame, target: str) -> NDArray[np.float64]:
    said = re.fullmatch(r'(\w+)(?: (<|==) "?(\w+)"?)?', target)
    if said is None:
        raise ValueError(f"a target that is not understood: {target}")
    column, comparison, value = said.groups()
    if comparison is None:
        outcome = pl.col(column)
    else:
        outcome = pl.col(column) < float(value) if comparison == "<" else pl.col(column) == value
    return table.select(outcome.cast(pl.Float64)).to_series().to_numpy()


def measure(case: Case) -> dict[str, list[Accuracy]]:
    """Each model's accuracy on each fold."""
    models: dict[str, Predictor] = {
        "RiskModel": _risk_model,
        "LightGBM defaults": _lightgbm,
        "logistic regression": _logistic,
    }
    if case.name in CHECKLISTS:
        models["ABC checklist"] = _checklist(case.name)
    return {name: [_on_fold(case, fold, model) for fold in case.folds()] for name, model in models.items()}


def _on_fold(case: Case, fold: Fold, model: Predictor) -> Accuracy:
    learned, held = fold
    return evaluate(case.label[held], model(case.features[learned], case.label[learned], case.features[held]))


def _risk_model(features: pl.DataFrame, label: NDArray[np.float64], held: pl.DataFrame) -> NDArray[np.float64]:
    return RiskModel.fit(features, label, seed=SEED).predict(held)


def candidates(case: Case, *, trials: int) -> tuple[Tried, ...]:
    """The kinds of model that `python -m training` compares, on the same folds; the search within each fold's own rows.

    No case has a grade: bands are not tried. Rows are students, and each is a cluster.
    """
    recipes = {name: recipe for name, recipe in RECIPES.items() if recipe.pooling is None}
    named = {name: [recipe] * FOLDS for name, recipe in recipes.items()}
    if trials:
        named[TUNED] = [_searched(case, learned, trials=trials) for learned, _ in case.folds()]
    risks = {name: _held_out(case, of_folds) for name, of_folds in named.items()}
    losses = {name: -np.log(np.where(case.label == 1.0, risk, 1.0 - risk)) for name, risk in risks.items()}
    auroc = {name: evaluate(case.label, risk).auroc for name, risk in risks.items()}
    return compared(
        losses,
        recipes={**recipes, TUNED: recipes[BLEND]},
        clusters=np.arange(case.label.size, dtype=float),
        auroc=auroc,
    )


def _searched(case: Case, learned: NDArray[np.int64], *, trials: int) -> Recipe:
    features, label = case.features[learned], case.label[learned]
    return search(
        lambda recipe: held_out_loss(RiskModel.fit(features, label, seed=SEED, recipe=recipe)),
        trials=trials,
        seed=SEED,
        all_rows=learned.size,
    )


def _held_out(case: Case, recipes: list[Recipe]) -> NDArray[np.float64]:
    risk = np.empty(case.label.size)
    for recipe, (learned, held) in zip(recipes, case.folds(), strict=True):
        model = RiskModel.fit(case.features[learned], case.label[learned], seed=SEED, recipe=recipe)
        risk[held] = model.predict(case.features[held])
    return risk


def report_candidates(tried: tuple[Tried, ...]) -> None:
    """Print the candidates of one case, and which of them the one-standard-error rule takes."""
    taken = simplest_within(tried).name
    print(f"{'candidate, simplest first':<28}{'log loss':>10}{'behind best':>13}{'std. error':>12}{'AUROC':>8}")
    for one in tried:
        error = "-" if one.standard_error is None else f"{one.standard_error:.4f}"
        mark = "  taken" if one.name == taken else ""
        print(f"{one.name:<28}{one.log_loss:>10.4f}{one.behind:>13.4f}{error:>12}{one.auroc:>8.3f}{mark}")


def _lightgbm(features: pl.DataFrame, label: NDArray[np.float64], held: pl.DataFrame) -> NDArray[np.float64]:
    encoding = Encoding.learn(features)
    parameters = {"objective": "binary", "verbosity": -1, "seed": SEED, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(encoding.matrix(features), label))
    return np.asarray(booster.predict(encoding.matrix(held)))


def _logistic(features: pl.DataFrame, label: NDArray[np.float64], held: pl.DataFrame) -> NDArray[np.float64]:
    encoding = Encoding.learn(features)
    pipeline = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), LogisticRegression(max_iter=2_000))
    pipeline.fit(encoding.matrix(features), label)
    return np.asarray(pipeline.predict_proba(encoding.matrix(held)))[:, 1]


def _checklist(name: str) -> Predictor:
    """Points, each number of them with the share of positives that it had among the rows learned from."""
    signs = [sign.fill_null(value=False).cast(pl.Int8) for sign in CHECKLISTS[name]]

    def predict(features: pl.DataFrame, label: NDArray[np.float64], held: pl.DataFrame) -> NDArray[np.float64]:
        points, asked = (frame.select(pl.sum_horizontal(signs)).to_series().to_numpy() for frame in (features, held))
        share = {count: label[points == count].mean() for count in np.unique(points)}
        return np.array([share.get(count, label.mean()) for count in asked])

    return predict


def report(case: Case, measured: dict[str, list[Accuracy]]) -> int:
    """Print the table of one case; 1 if RiskModel does not reach the floor in some measure."""
    floor = FLOORS[case.name]
    print(f"\n{case.name}: {case.label.size:,} rows, {case.label.mean():.1%} positive, {case.features.width} features")
    print(f"{'':<24}{'AUROC':>8}{'fold SD':>9}{'AP':>8}{'Brier':>8}{'recall at 20 %':>16}{'fold SD':>9}")
    for name, folds in measured.items():
        auroc, precision, brier, recall = (_values(folds, measure) for measure in MEASURES)
        print(
            f"{name:<24}{auroc.mean():>8.3f}{auroc.std():>9.3f}{precision.mean():>8.3f}{brier.mean():>8.4f}"
            f"{recall.mean():>16.3f}{recall.std():>9.3f}"
        )
    print(
        f"{'floor':<24}{floor.auroc:>8.3f}{floor.fold_sd:>9.3f}{floor.average_precision:>8.3f}{floor.brier:>8.3f}"
        f"{floor.recall_at_20:>16.2f}"
    )
    goal = goal_of(case.name)
    print(f"{'wanted':<24}{goal.auroc:>8.3f}{'':>9}{'':>8}{goal.brier:>8.4f}")
    for line in goal_lines(goal, measured["RiskModel"]):
        print(line)
    missed = _missed(measured["RiskModel"], floor)
    print(f"BELOW THE FLOOR by more than one fold SD: {', '.join(missed)}" if missed else REACHED)
    return 1 if missed else 0


def goal_lines(goal: Goal, folds: list[Accuracy]) -> list[str]:
    """Whether each part of the goal is reached, and by how much it is missed; mean over folds, unrounded."""
    auroc, brier = (float(_values(folds, name).mean()) for name in ("auroc", "brier"))
    return [
        f"AUROC wanted {goal.auroc:.3f} ({goal.why}): {auroc:.4f}, {_verdict(goal.auroc - auroc)}",
        f"Brier wanted {goal.brier:.4f} at most (best entry and {BRIER_MARGIN:g}): {brier:.4f}, "
        f"{_verdict(brier - goal.brier)}",
    ]


def _verdict(short: float) -> str:
    return f"NOT REACHED, {short:.4f} short" if short > 0.0 else "reached"


def _missed(folds: list[Accuracy], floor: Floor) -> list[str]:
    """The measures that are worse than the floor by more than one standard deviation of a fold."""
    spread = {name: float(_values(folds, name).std()) for name in MEASURES} | {"auroc": floor.fold_sd}
    short = {name: getattr(floor, name) - float(_values(folds, name).mean()) for name in MEASURES}
    short["brier"] = -short["brier"]
    return [name for name in MEASURES if short[name] > spread[name]]


def _values(folds: list[Accuracy], measure: str) -> NDArray[np.float64]:
    return np.array([getattr(accuracy, measure) for accuracy in folds])


if __name__ == "__main__":
    sys.exit(main())
