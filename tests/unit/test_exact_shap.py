"""Exact SHAP values: every kind of tree, values at every edge, and the same bits however the rows are cut."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest

from cis_ews.errors import FeatureMismatchError, ModelError
from cis_ews.risk import exact_shap, explanations
from cis_ews.risk.exact_shap import exact_shap_values, tables_of
from cis_ews.risk.shap_kernel import BLOCK
from tests.lib.boosters import at_the_edges, in_fractions, largest_difference, made_up, single, trained

MATRIX, OUTCOME = made_up(1_500, 8)
KINDS: dict[str, dict[str, Any]] = {
    "gaps": {},
    "no gaps": {"use_missing": False},
    "zero is missing": {"zero_as_missing": True},
    "categories": {"categories": [1]},
    "categories one by one": {"categories": [1], "max_cat_to_onehot": 64, "min_data_per_group": 1},
    "monotone": {"monotone_constraints": [1, 0, 1, -1, 1, 0, 1, 1], "monotone_constraints_method": "advanced"},
    "single leaves": {"min_data_in_leaf": 1_400},
    "two leaves": {"num_leaves": 2},
    "dart": {"boosting": "dart"},
    "many leaves": {"num_leaves": 120, "rounds": 4},
    "Poisson": {"objective": "poisson"},
    "L1": {"objective": "regression_l1"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_tree_is_explained_as_lightgbm_does(kind: str) -> None:
    outcome = np.abs(OUTCOME) if kind == "Poisson" else OUTCOME
    booster = trained(MATRIX, outcome, **KINDS[kind])
    asked = at_the_edges(booster, MATRIX)
    assert largest_difference(booster, asked) < 1e-9
    assert largest_difference(booster, single(asked)) < 1e-9


def test_a_constant_feature_says_nothing() -> None:
    matrix = MATRIX.copy()
    matrix[:, 3] = 7.0
    booster = trained(matrix, OUTCOME)
    assert largest_difference(booster, matrix) < 1e-9
    assert not exact_shap_values(booster, matrix)[:, 3].any()


def test_a_feature_that_is_asked_again_on_a_path_counts_once() -> None:
    random = np.random.default_rng(1)
    matrix = random.uniform(-3.0, 3.0, size=(3_000, 8))
    booster = trained(matrix, np.sin(3.0 * matrix[:, 0]) * (2.0 + matrix[:, 1:].sum(axis=1)), num_leaves=60)
    assert tables_of(booster.model_to_string()).step_flag.size > 0
    assert largest_difference(booster, at_the_edges(booster, matrix)) < 1e-9


@pytest.mark.parametrize("features", [12, 25, 40])
def test_leaves_beyond_the_tables_are_worked_out_row_by_row(features: int) -> None:
    """Against fractions: on paths of 25 features LightGBM's own values are off by 1e-8, and on longer ones by more."""
    random = np.random.default_rng(features)
    matrix = random.normal(size=(4_000, features))
    # Each feature cuts off a corner of what the others left, so that a path asks for all of them.
    is_far = matrix > 1.5
    outcome = np.where(is_far.any(axis=1), is_far.argmax(axis=1), features + 5.0)
    booster = trained(matrix, outcome, rounds=1, num_leaves=60, min_data_in_leaf=1)
    assert tables_of(booster.model_to_string()).deep_value.size > 0
    told = exact_shap_values(booster, matrix)
    assert np.abs(told.sum(axis=1) - booster.predict(matrix, raw_score=True)).max() < 1e-9  # pyright: ignore
    for row in range(2):
        assert np.abs(told[row, :-1] - in_fractions(booster, matrix[row])).max() < 1e-12
    if features == 12:
        assert largest_difference(booster, at_the_edges(booster, matrix)) < 1e-9


@pytest.mark.parametrize("rows", [0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, exact_shap.SLICE + 1])
def test_a_row_has_the_same_bits_however_the_rows_are_cut(rows: int) -> None:
    booster = trained(MATRIX, OUTCOME, categories=[1])
    asked = np.resize(MATRIX, (exact_shap.SLICE + 1, 8))
    told = exact_shap_values(booster, asked)
    assert told.shape == (len(asked), 9)
    for threads in (1, 2, 3):
        assert np.array_equal(exact_shap_values(booster, asked[:rows], threads=threads), told[:rows])
    assert np.array_equal(
        exact_shap_values(booster, np.asfortranarray(asked[len(asked) - rows :])), told[len(asked) - rows :]
    )


def test_a_frame_is_taken_by_name_with_null_and_nan_missing() -> None:
    names = [f"f{place}" for place in range(8)]
    data = lightgbm.Dataset(MATRIX, OUTCOME, feature_name=names)
    booster = lightgbm.train({"verbosity": -1, "num_threads": 1}, data, num_boost_round=5)
    frame = pl.DataFrame(MATRIX, schema=names, nan_to_null=True)
    told = exact_shap_values(booster, MATRIX)
    assert frame.null_count().sum_horizontal().item() > 0
    assert np.array_equal(
        exact_shap_values(booster, frame.select("f3", pl.all().exclude("f3"), other=pl.lit("x"))), told
    )
    whole = frame.with_columns(f1=pl.col("f1").cast(pl.Int16), f4=pl.col("f4") > 0)
    expected = booster.predict(whole.cast(pl.Float64).to_numpy(), pred_contrib=True)
    assert np.abs(exact_shap_values(booster, whole) - expected).max() < 1e-9
    single = frame.cast(pl.Float32)
    assert np.array_equal(exact_shap_values(booster, single), exact_shap_values(booster, single.to_numpy()))


def test_what_the_frame_must_not_be_is_said() -> None:
    booster = trained(MATRIX, OUTCOME, rounds=2)
    frame = pl.DataFrame(MATRIX, schema=booster.feature_name())
    with pytest.raises(FeatureMismatchError, match="1 feature of the booster missing in the frame: Column_3"):
        exact_shap_values(booster, frame.drop("Column_3"))
    for kind in (pl.String, pl.Categorical):
        with pytest.raises(ModelError, match="1 column of texts or categories: Column_1"):
            exact_shap_values(booster, frame.with_columns(pl.lit("a", dtype=pl.String).cast(kind).alias("Column_1")))
    with pytest.raises(ModelError, match="a column of Date is no feature"):
        exact_shap_values(booster, frame.with_columns(Column_1=pl.date(2026, 1, 1)))
    with pytest.raises(FeatureMismatchError, match="7 columns, and the booster 8 features"):
        exact_shap_values(booster, MATRIX[:, :7])
    for wrong in (MATRIX[0], np.zeros((2, 8), dtype=np.int64), MATRIX.tolist(), frame.lazy()):
        with pytest.raises(ModelError, match="no matrix of float32 or float64"):
            exact_shap_values(booster, wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ModelError, match="threads"):
        exact_shap_values(booster, MATRIX, threads=0)


def test_boosters_without_such_values_are_refused_in_plain_words() -> None:
    for given, said in (
        ({"objective": "multiclass", "num_class": 3}, "3 outputs"),
        ({"linear_tree": True}, "linear trees"),
        ({"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}, "averages its trees"),
    ):
        booster = trained(np.nan_to_num(MATRIX), np.abs(np.round(OUTCOME)) % 3, rounds=2, **given)
        with pytest.raises(ModelError, match=said):
            exact_shap_values(booster, MATRIX)
    with pytest.raises(ModelError, match="no trees"):
        exact_shap_values(lightgbm.Booster({"verbosity": -1}, lightgbm.Dataset(MATRIX, OUTCOME)), MATRIX)
    text = trained(MATRIX, OUTCOME, rounds=2).model_to_string()
    with pytest.raises(ModelError, match="has no rows"):
        tables_of(re.sub(r"(leaf_count=)\d+", r"\g<1>0", text))
    for damage in (("left_child=", "left_child=7 "), ("threshold=", "threshold=x "), ("num_class=1", "")):
        with pytest.raises(ModelError, match="damaged"):
            tables_of(text.replace(*damage))


def test_tables_are_made_once_a_model_and_few_are_kept() -> None:
    boosters = [
        trained(MATRIX, OUTCOME, rounds=1, seed=seed, extra_trees=True) for seed in range(exact_shap.CACHED + 2)
    ]
    texts = [booster.model_to_string() for booster in boosters]
    made = [tables_of(text) for text in texts]
    assert tables_of(texts[-1]) is made[-1]
    assert tables_of(lightgbm.Booster(model_str=texts[-1]).model_to_string()) is made[-1]
    assert tables_of(texts[0]) is not made[0]
    more = lightgbm.train({"verbosity": -1, "num_threads": 1}, lightgbm.Dataset(MATRIX, OUTCOME), num_boost_round=2)
    assert tables_of(more.model_to_string()) is not tables_of(more.model_to_string(num_iteration=1))
    assert explanations.exact_shap_values is exact_shap_values


def test_the_example_on_paper_is_what_is_worked_out() -> None:
    """The tree and the table of docs/explanations.md."""
    page = (Path(__file__).parents[2] / "docs/explanations.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (above|at most) 10 % \| (some|none) \| (\S+) \| (\S+) \| (\S+) \|$", page, flags=re.MULTILINE
    )
    asked = np.array(
        [[0.15 if absent == "above" else 0.05, 2.0 if failed == "some" else 0.0] for absent, failed, *_ in rows]
    )
    expected = np.array([[float(number.replace("−", "-")) for number in numbers] for _, _, *numbers in rows])
    booster = lightgbm.Booster(model_str=_on_paper())
    told = exact_shap_values(booster, asked)
    assert expected.shape == (4, 3)
    assert told[:, :2] == pytest.approx(expected[:, :2], abs=1e-12)
    assert told.sum(axis=1) == pytest.approx(expected[:, 2], abs=1e-12)
    assert told[:, 2] == pytest.approx(-0.55)
    assert largest_difference(booster, asked) < 1e-12


def _on_paper() -> str:
    """Absent more than a tenth of the days? Any course failed? 80, 10 and 10 of 100 students."""
    tree = [
        "num_leaves=3", "num_cat=0", "split_feature=0 1", "split_gain=1 1", "threshold=0.1 0", "decision_type=2 2",
        "left_child=-1 -2", "right_child=1 -3", "leaf_value=-1 0.5 2", "leaf_weight=80 10 10", "leaf_count=80 10 10",
        "internal_value=0 0", "internal_weight=100 20", "internal_count=100 20", "is_linear=0", "shrinkage=1",
    ]  # fmt: skip
    block = "\n".join(["Tree=0", *tree, "", "", ""])
    header = [
        "tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0", "max_feature_idx=1",
        "objective=binary sigmoid:1", "feature_names=absent failed", "feature_infos=[0:1] [0:9]",
        f"tree_sizes={len(block)}",
    ]  # fmt: skip
    return "\n".join([*header, "", block + "end of trees", ""])
