"""What fitting and asking a model costs, beside plain LightGBM in the same run.

    python -m benchmarks.model --rows 200000 --features 60

Fitting is the whole of `RiskModel.fit`: checks, encoding, held-out folds of both parts, blend, calibrator, the fit on
all rows; the baseline trains 200 trees of 15 leaves once. Asking is `RiskModel.predict` of a polars frame with those
same 200 trees in the place of the model's own, its linear part and its calibrator; the baseline is `Booster.predict`
of the same trees on a matrix that is made already. Absolute times belong to the machine; the ratio travels.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import lightgbm
import numpy as np
import polars as pl

from cis_ews import RiskModel
from cis_ews.risk.cores import available_cores
from cis_ews.risk.model_trees import THREADS_FROM, TreePart

SEED = 7
TREES, LEAVES = 200, 15


class Measured(NamedTuple):
    """Seconds of ours and of the baseline, for so many rows."""

    work: str
    rows: int
    seconds: float
    baseline: float


def main() -> None:
    """Measure once, print a table or a record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="one JSON object for a record")
    arguments = parser.parse_args()
    measured = measure(rows=arguments.rows, features=arguments.features)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if arguments.json:
        print(json.dumps({"peak_mb": peak, "measured": [each._asdict() for each in measured]}, sort_keys=True))
        return
    print(f"{arguments.rows:,} rows x {arguments.features} features, {available_cores()} cores\n")
    print(f"{'':<12}{'seconds':>10}{'rows/s':>12}{'LightGBM s':>12}{'rows/s':>12}{'ratio':>8}")
    for work, rows, seconds, baseline in measured:
        print(
            f"{work:<12}{seconds:>10.2f}{rows / seconds:>12,.0f}{baseline:>12.2f}{rows / baseline:>12,.0f}"
            f"{seconds / baseline:>8.2f}"
        )
    print(f"\npeak memory {peak:,.0f} MB")


def made_up(rows: int, features: int) -> tuple[pl.DataFrame, pl.Series]:
    """Numbers with gaps, counts and one category; a fifth of the rows are positive."""
    random = np.random.default_rng(SEED)
    matrix = random.normal(size=(rows, features - 1))
    matrix[:, ::3] = np.round(2 * np.abs(matrix[:, ::3]))
    weights = random.normal(size=features - 1) / np.sqrt(features)
    margin = matrix @ weights + 0.5 * matrix[:, 0] * (matrix[:, 1] > 0) + random.normal(size=rows)
    matrix[random.random(matrix.shape) < 0.05] = np.nan
    frame = pl.DataFrame({f"feature_{place:02d}": matrix[:, place] for place in range(features - 1)})
    level = pl.Series("level", np.array(["elementary", "middle", "high"])[random.integers(0, 3, rows)])
    return frame.with_columns(level), pl.Series("label", margin > np.quantile(margin, 0.8))


def measure(*, rows: int, features: int) -> list[Measured]:
    """Fit and ask, ours and the baseline one after the other."""
    frame, label = made_up(rows, features)
    cores = available_cores() if rows >= THREADS_FROM else 1
    fit_seconds, model = timed(lambda: RiskModel.fit(frame, label, seed=SEED), best_of=1)
    matrix = np.ascontiguousarray(model.parts.encoding.matrix(frame))
    parameters: dict[str, Any] = {
        "objective": "binary", "num_leaves": LEAVES, "num_threads": cores, "verbosity": -1, "seed": SEED,
    }  # fmt: skip
    data = lightgbm.Dataset(matrix, label.cast(pl.Float64).to_numpy(), free_raw_data=False)
    plain_seconds, booster = timed(lambda: lightgbm.train(parameters, data, num_boost_round=TREES), best_of=1)
    asked = _with_trees(model, booster)
    asked.predict(frame.head(100))
    predict_seconds, risk = timed(lambda: asked.predict(frame))
    predict_baseline, raw = timed(lambda: booster.predict(matrix, raw_score=True, num_threads=cores))
    if asked.parts.trees is None or not np.array_equal(asked.parts.trees.margin(matrix), np.asarray(raw)):
        raise AssertionError("the walk does not give LightGBM's raw score")
    return [
        Measured("fit", rows, fit_seconds, plain_seconds),
        Measured("predict", risk.size, predict_seconds, predict_baseline),
    ]


def _with_trees(model: RiskModel, booster: lightgbm.Booster) -> RiskModel:
    """The model with other trees, half of the blend."""
    without_typical = np.full(model.parts.encoding.owners.size, np.nan)
    trees = TreePart(booster.model_to_string(), without_typical)
    return dataclasses.replace(model, parts=dataclasses.replace(model.parts, trees=trees, trees_share=0.5))


def timed(work: Callable[[], Any], *, best_of: int = 3) -> tuple[float, Any]:
    """The least seconds of so many times, and what the work gave."""
    least, result = float("inf"), None
    for _ in range(best_of):
        began = time.perf_counter()
        result = work()
        least = min(least, time.perf_counter() - began)
    return least, result


if __name__ == "__main__":
    main()
