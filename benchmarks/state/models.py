"""Models of a given shape: what they say does not matter here, what they cost does.

Fitted on a made-up district, with the model's own trees replaced by so many trees of so many leaves (as many as the
depth lets grow), and without its linear part: the same trees for the night and for the usual script.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl

from cis_ews import RiskModel, build_features, compute_indicators, make_labels
from cis_ews.engines.local import available_cores
from cis_ews.readers import read_school_data
from cis_ews.risk.model_trees import TreePart
from cis_ews.synthetic import write_district

SEED = 7
DAYS = (date(2025, 12, 15), date(2026, 1, 15), date(2026, 2, 16))
SHAPES: Mapping[str, dict[str, Any]] = {
    "200 x 15": {"rounds": 200, "num_leaves": 15},
    "400 x 31, depth 6": {"rounds": 400, "num_leaves": 31, "max_depth": 6},
}
_PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.01,
    "min_data_in_leaf": 2,
    "min_sum_hessian_in_leaf": 0.0,
    "verbosity": -1,
    "seed": SEED,
}


class Models:
    """Model files by shape, made in a folder when they are asked for."""

    def __init__(self, folder: Path, *, students: int = 1_000) -> None:
        self._folder, self._students = folder, students

    def path(self, shape: str) -> Path:
        """The file of a model of this shape."""
        path = self._folder / f"{shape}.json"
        if not path.exists():
            frame, label, fitted = self._fitted
            encoded = np.ascontiguousarray(fitted.parts.encoding.matrix(frame))
            booster = _trained(encoded, label, **SHAPES[shape])
            trees = TreePart(booster.model_to_string(), np.full(encoded.shape[1], np.nan))
            parts = dataclasses.replace(fitted.parts, trees=trees, linear=None, trees_share=1.0)
            dataclasses.replace(fitted, parts=parts).save(path)
        return path

    @cached_property
    def _fitted(self) -> tuple[pl.DataFrame, pl.Series, RiskModel]:
        frame, label = _learned_from(self._folder / "past", students=self._students)
        return frame, label, RiskModel.fit(frame, label, seed=SEED)


def booster_of(model: RiskModel) -> lightgbm.Booster:
    """The trees of a model as LightGBM knows them."""
    assert model.parts.trees is not None
    return lightgbm.Booster(model_str=model.parts.trees.text)


def _learned_from(folder: Path, *, students: int) -> tuple[pl.DataFrame, pl.Series]:
    from training.experiment import usable_features

    write_district(folder, students=students, years=3, seed=SEED)
    school_data = read_school_data(folder)
    rows = pl.concat([_rows_of(school_data, day) for day in DAYS])
    names, _ = usable_features(rows.drop("label"))
    return rows.select(names), rows["label"]


def _rows_of(school_data: Any, day: date) -> pl.DataFrame:
    labels = make_labels(school_data, day).drop_nulls("label").select("student_id", "label")
    features = build_features(compute_indicators(school_data, day))
    return features.join(labels, on="student_id").drop("student_id")


def _trained(matrix: np.ndarray, label: pl.Series, *, rounds: int, **shape: int) -> lightgbm.Booster:
    data = lightgbm.Dataset(matrix, label.cast(pl.Float64).to_numpy())
    parameters = {**_PARAMETERS, **shape, "num_threads": available_cores()}
    return lightgbm.train(parameters, data, num_boost_round=rounds)
