"""How explanations are compared, beside plain computations of the same."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from cis_ews.errors import ModelError
from cis_ews.evaluation.stability import largest_overlap, moved, rank_correlation, summed
from cis_ews.risk.model import RiskModel
from tests.lib.models import LEARNED, catalog_model, training_rows
from training.stability import Stability, interventional
from training.stability_page import notes, title


def test_the_largest_parts_count_whichever_way_they_point() -> None:
    one = np.array([[3.0, -2.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    other = np.array([[-3.0, 0.1, 1.0, 0.2], [0.0, 0.0, 0.0, 0.0]])
    assert largest_overlap(one, other, count=2).tolist() == [0.5, 1.0]
    assert largest_overlap(one, one).tolist() == [1.0, 1.0]


def test_rank_correlation_is_spearmans_and_unknown_where_all_is_equal() -> None:
    from scipy.stats import spearmanr

    draw = np.random.default_rng(1)
    one, other = draw.integers(5, size=(2, 20, 8)).astype(float)
    one[0] = 2.0
    found = rank_correlation(one, other)
    assert np.isnan(found[0])
    expected = [spearmanr(a, b).statistic for a, b in zip(one[1:], other[1:], strict=True)]
    np.testing.assert_allclose(found[1:], expected, atol=1e-12)


def test_what_an_event_moved_is_parted_into_what_speaks_of_it_and_the_rest() -> None:
    before = np.zeros((2, 3))
    after = np.array([[0.6, 0.2, 0.0], [0.2, 0.0, 0.0]])
    found = moved(before, after, related=np.array([True, False, False]))
    assert found.related_share == pytest.approx(0.8)
    assert found.others_most == pytest.approx(0.2)
    assert found.others_typical == pytest.approx(0.1)
    assert moved(before, before, related=np.array([True, False, False])).related_share == 1.0


def test_parts_are_put_together_by_their_number() -> None:
    told = summed(np.array([[1.0, 2.0, 4.0, 8.0]]), np.array([1, 0, 1, -1]))
    assert told.tolist() == [[2.0, 5.0]]


@pytest.mark.parametrize("other", [np.zeros((2, 3)), np.zeros((1, 4)), np.zeros(4)])
def test_other_rows_or_parts_are_refused(other: NDArray[np.float64]) -> None:
    with pytest.raises(ModelError, match="cannot be compared"):
        largest_overlap(np.zeros((2, 4)), other)


def _by_definition(model: RiskModel, row: pl.DataFrame, background: pl.DataFrame) -> list[float]:
    """Shapley values over all subsets of features: those outside a subset are the background's."""
    names = list(model.features)

    def worth(known: tuple[str, ...]) -> float:
        mixed = background.with_columns(pl.lit(row[name][0]).alias(name) for name in known)
        return float(model.margin(mixed).mean())

    def value(name: str) -> float:
        others, count = [other for other in names if other != name], len(names)
        return sum(
            factorial(size) * factorial(count - size - 1) / factorial(count) * (worth((*known, name)) - worth(known))
            for size in range(count)
            for known in combinations(others, size)
        )

    return [value(name) for name in names]


def test_interventional_values_of_a_blend_are_those_of_the_definition() -> None:
    blend = _blend()
    assert blend.parts.trees
    assert blend.parts.linear
    rows, _ = training_rows(rows=30, seed=9)
    rows = rows.with_columns(pl.when(pl.arange(30) > 20).then(None).otherwise(pl.col(LEARNED[0])).alias(LEARNED[0]))
    found = interventional(blend, rows[18:24], rows[:10])
    # shap keeps thresholds and leaves as it likes: 1e-6 is what it holds.
    for place in range(6):
        expected = _by_definition(blend, rows[18 + place : 19 + place], rows[:10])
        np.testing.assert_allclose(found[place], expected, atol=1e-6)


def _blend() -> RiskModel:
    from dataclasses import replace

    from cis_ews.risk.model_linear import fit_linear
    from cis_ews.risk.model_recipe import DEFAULT
    from cis_ews.risk.model_trees import grow_trees

    frame, label = training_rows()
    model, free = catalog_model(), np.zeros(len(LEARNED), dtype=np.int64)
    matrix, truth = model.parts.encoding.matrix(frame), label.astype(np.float64)
    trees = grow_trees(matrix, truth, rounds=20, directions=free, seed=1, threads=1)
    linear = fit_linear(matrix, truth, directions=free, penalty=DEFAULT.ridge)
    return RiskModel(replace(model.parts, trees=trees, linear=linear, trees_share=0.6), model.about)


def test_a_model_fitted_again_differs_by_its_seed_in_the_trees_alone() -> None:
    frame, label = training_rows()
    blend = _blend()
    same, other = (blend.refit(frame, label, seed=seed) for seed in (1, 2))
    alone = blend.refit(frame, label, seed=2, trees_alone=True)
    assert blend.parts.trees
    assert other.parts.trees
    assert same.version == blend.version
    assert other.parts.trees.text != blend.parts.trees.text
    assert other.version == alone.version
    assert other.features == blend.features


MEASURED: dict[str, float] = {
    "students": 300,
    "seed.anew": 1.0,
    "seed.top3_overlap": 0.7,
    "seed.mean_change": 0.01,
    "additive.largest_gap": 1e-15,
    "interventional.rank_correlation": 0.9,
    "interventional.rank_correlation_low": 0.8,
    "interventional.top3_overlap": 0.85,
    "deletion.named": 0.3,
    "deletion.by_lot": 0.1,
    "deletion.more": 0.2,
    "deletion.students": 40,
}


def _found(**changes: Any) -> Stability:
    given = {"top3_overlap_across_seeds": 0.9, "identical_when_unchanged": True, "additive": True, "measured": MEASURED}
    return Stability(**(given | changes))


def test_the_title_says_what_does_not_hold() -> None:
    assert title(_found()) == "Explanations: they hold"
    assert "chance decides" in title(_found(top3_overlap_across_seeds=0.79))
    assert "chance decides" in title(_found(top3_overlap_across_seeds=None))
    assert "DO NOT ADD UP" in title(_found(additive=False))
    assert "CHANGES" in title(_found(identical_when_unchanged=False))


def test_notes_say_what_could_not_be_measured() -> None:
    text = "\n".join(notes(_found()))
    assert "nobody could be given an absence" in text
    assert "[" not in text


@pytest.mark.parametrize(("anew", "words"), [(1.0, "trained anew: rounds"), (0.0, "trees alone, other rows")])
def test_it_is_said_whether_another_seed_trained_the_whole_model(anew: float, words: str) -> None:
    assert words in notes(_found(measured={**MEASURED, "seed.anew": anew}))[0]
