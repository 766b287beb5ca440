"""What explaining every row costs: exact SHAP values beside LightGBM's `pred_contrib` and `shap.TreeExplainer`.

    python -m benchmarks.shap --rows 200000

Each model is trained on made-up rows with gaps, 60 features. Ours explains all rows; the other two, the same algorithm
walked a row at a time, a few of them, so that all take seconds; the best of three counts on every side, and all have
the same threads. Making the tables is told apart: a model pays it once. `difference` is the largest between ours and
each of the others, `additivity` the largest between a row's sum and its raw score. Absolute times belong to the
machine; the ratios travel.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import lightgbm
import numpy as np
import polars as pl
import shap

from benchmarks.model import made_up, timed
from cis_ews.risk.cores import available_cores
from cis_ews.risk.exact_shap import exact_shap_values, tables_of
from cis_ews.risk.model_trees import AGREEMENT

SEED = 7
FEATURES = 60
MODELS: Mapping[str, dict[str, Any]] = {
    "200 x 15": {"rounds": 200, "num_leaves": 15},
    "300 x 16, depth 4": {"rounds": 300, "num_leaves": 16, "max_depth": 4},
    "300 x 31, monotone": {"rounds": 300, "num_leaves": 31, "monotone_constraints": [1] * 30 + [0] * (FEATURES - 30)},
    "400 x 31, depth 6": {"rounds": 400, "num_leaves": 31, "max_depth": 6},
    "400 x 31": {"rounds": 400, "num_leaves": 31},
}


class Measured(NamedTuple):
    """One model: rows a second of each, seconds and megabytes of the tables, and how far apart the values are."""

    model: str
    pred_contrib: float
    tree_explainer: float
    ours: float
    table_seconds: float
    table_mb: float
    difference: float
    additivity: float

    @property
    def ratios(self) -> tuple[float, float]:
        """How many times as many rows as `pred_contrib` and as `shap.TreeExplainer`."""
        return self.ours / self.pred_contrib, self.ours / self.tree_explainer


def main(given: Sequence[str] | None = None) -> int:
    """Measure each model, print a table or a record; 1 where the values are not those of the others."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--trees", type=int, default=0, help="so many in place of each model's own number")
    parser.add_argument("--json", action="store_true", help="one JSON object for a record")
    arguments = parser.parse_args(given)
    measured = measure(rows=arguments.rows, threads=arguments.threads, trees=arguments.trees)
    told = list(measured if arguments.json else _printed(measured, arguments.rows, arguments.threads))
    if arguments.json:
        values = [{**each._asdict(), "ratios": each.ratios} for each in told]
        print(json.dumps({"rows": arguments.rows, "threads": arguments.threads, "measured": values}, sort_keys=True))
    return int(max(max(each.difference, each.additivity) for each in told) > AGREEMENT)


def _printed(measured: Iterator[Measured], rows: int, threads: int) -> Iterator[Measured]:
    """The same, with a line printed as soon as each is there."""
    print(f"{rows:,} rows x {FEATURES} features, {threads} threads; rows a second\n")
    print(f"{'model':<20}{'pred_contrib':>13}{'TreeExplainer':>15}{'ours':>10}{'ratios':>14}", end="")
    print(f"{'tables s':>10}{'MB':>6}{'difference':>12}{'additivity':>12}")
    for each in measured:
        print(_line(each), flush=True)
        yield each


def _line(each: Measured) -> str:
    ratios = f"{each.ratios[0]:.0f} x, {each.ratios[1]:.0f} x"
    return (
        f"{each.model:<20}{each.pred_contrib:>13,.0f}{each.tree_explainer:>15,.0f}{each.ours:>10,.0f}{ratios:>14}"
        f"{each.table_seconds:>10.2f}{each.table_mb:>6.0f}{each.difference:>12.0e}{each.additivity:>12.0e}"
    )


def measure(*, rows: int, threads: int, trees: int = 0) -> Iterator[Measured]:
    """Train and explain one model after the other."""
    with_category, label = made_up(rows, FEATURES + 1)
    frame = with_category.drop("level").cast(pl.Float32)
    for name, parameters in MODELS.items():
        rounds = trees or parameters["rounds"]
        booster = _trained(frame, label, threads=threads, **{**parameters, "rounds": rounds})
        yield _measured(name, booster, frame, threads=threads)


def _trained(frame: pl.DataFrame, label: pl.Series, *, threads: int, rounds: int, **parameters: Any) -> Any:
    given = {"objective": "binary", "learning_rate": 0.05, "verbosity": -1, "seed": SEED, "num_threads": threads}
    few = slice(0, 50_000)
    data = lightgbm.Dataset(frame.to_numpy()[few], label.cast(pl.Float64).to_numpy()[few], feature_name=frame.columns)
    return lightgbm.train({**given, **parameters}, data, num_boost_round=rounds)


def _measured(name: str, booster: Any, frame: pl.DataFrame, *, threads: int) -> Measured:
    began = time.perf_counter()
    tables = tables_of(booster.model_to_string())
    table_seconds = time.perf_counter() - began
    few = np.ascontiguousarray(frame.head(min(frame.height, 1_000)).to_numpy(), dtype=np.float64)
    explainer = shap.TreeExplainer(booster)  # pyright: ignore[reportAttributeAccessIssue]: the stubs lack it
    exact_shap_values(booster, frame.head(10), threads=threads)
    seconds, told = timed(lambda: exact_shap_values(booster, frame, threads=threads))
    contrib_seconds, contrib = timed(lambda: booster.predict(few, pred_contrib=True, num_threads=threads))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it once gave a list
        shap_seconds, values = timed(lambda: explainer.shap_values(few))
    sums = told[: len(few)].sum(axis=1) - booster.predict(few, raw_score=True)
    apart = (told[: len(few)] - contrib, told[: len(few), :-1] - values, told[:1, -1] - explainer.expected_value)
    return Measured(
        name,
        pred_contrib=len(few) / contrib_seconds,
        tree_explainer=len(few) / shap_seconds,
        ours=frame.height / seconds,
        table_seconds=table_seconds,
        table_mb=tables.values.nbytes / 1e6,
        difference=max(float(np.abs(each).max()) for each in apart),
        additivity=float(np.abs(sums).max()),
    )


if __name__ == "__main__":
    sys.exit(main())
