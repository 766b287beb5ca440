"""Exact SHAP values against shap.TreeExplainer and LightGBM, on boosters that nobody thought of."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import polars as pl
import shap
from hypothesis import given
from hypothesis import strategies as st

from cis_ews.risk.exact_shap import exact_shap_values
from tests.lib.boosters import at_the_edges, largest_difference, made_up, single, trained

BOOSTERS = st.fixed_dictionaries(
    {
        "objective": st.sampled_from(["regression", "binary", "huber"]),
        "boosting": st.sampled_from(["gbdt", "dart"]),
        "num_leaves": st.integers(2, 60),
        "max_depth": st.sampled_from([-1, -1, 2, 4, 6, 12]),
        "min_data_in_leaf": st.integers(1, 150),
        "use_missing": st.booleans(),
        "zero_as_missing": st.booleans(),
        "extra_trees": st.booleans(),
        "bagging_fraction": st.sampled_from([0.6, 1.0]),
        "bagging_freq": st.integers(0, 1),
        "max_cat_to_onehot": st.sampled_from([1, 4, 64]),
        "learning_rate": st.sampled_from([0.05, 0.5]),
        "seed": st.integers(0, 1_000),
    }
)


@given(
    parameters=BOOSTERS,
    features=st.integers(1, 14),
    rounds=st.integers(1, 12),
    is_monotone=st.booleans(),
    has_category=st.booleans(),
)
def test_the_values_are_those_of_the_oracle(
    parameters: dict[str, Any], features: int, rounds: int, *, is_monotone: bool, has_category: bool
) -> None:
    matrix, outcome = made_up(400, features, seed=parameters["seed"])
    if parameters["objective"] == "binary":
        outcome = (outcome > np.median(outcome)).astype(float)
    categories = [1] if has_category and features > 1 else []
    if is_monotone:
        parameters = parameters | {
            "monotone_constraints": [0 if place in categories else 1 for place in range(features)]
        }
    booster = trained(matrix, outcome, rounds=rounds, categories=categories, **parameters)
    asked = at_the_edges(booster, matrix, seed=parameters["seed"])
    assert largest_difference(booster, asked) < 1e-9
    assert largest_difference(booster, single(asked)) < 1e-9
    told = exact_shap_values(booster, asked)
    explainer = shap.TreeExplainer(booster)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # shap says of a binary booster that it once gave a list
        assert np.abs(explainer.shap_values(asked) - told[:, :-1]).max() < 1e-9
    assert np.abs(explainer.expected_value - told[:, -1]).max() < 1e-9
    frame = pl.DataFrame(asked, schema=booster.feature_name())
    assert np.array_equal(exact_shap_values(booster, frame.select(reversed(frame.columns))), told)
