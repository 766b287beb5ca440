"""The linear part with grade bands, beside its definition; and what a recipe asks for."""

from __future__ import annotations

from itertools import chain, combinations
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from cis_ews.enums import GRADE_BANDS
from cis_ews.errors import ModelError
from cis_ews.risk.feature_catalog.context import GRADES
from cis_ews.risk.model import Recipe, RiskModel
from cis_ews.risk.model_bands import STARTS, Pooling
from cis_ews.risk.model_linear import LinearPart, fit_linear
from cis_ews.risk.model_recipe import DEFAULT, Kind
from tests.lib.model_edits import write_sealed
from tests.lib.models import by_grade
from training.stability import interventional

Array = NDArray[np.float64]
BANDED = Recipe(kind=Kind.LINEAR, pooling=30.0)
FREE = np.zeros(3, dtype=np.int64)
UP = np.array([0, 1, 0])


def _matrix(rows: int, *, seed: int = 5) -> tuple[Array, Array]:
    """Grade, a number that counts from grade 9 on, a number with gaps; and a label."""
    draw = np.random.default_rng(seed)
    grade = np.where(draw.random(rows) < 0.1, np.nan, draw.integers(0, 13, rows))
    absence, marks = draw.gamma(2.0, 1.0, rows), draw.normal(2.0, 1.0, rows)
    odds = 0.9 * (absence - 2.0) * (np.nan_to_num(grade) >= 9) - 0.4 * (marks - 2.0) - 0.3
    label = (draw.random(rows) < 1.0 / (1.0 + np.exp(-odds))).astype(float)
    marks[draw.random(rows) < 0.2] = np.nan
    return np.asfortranarray(np.column_stack([grade, absence, marks])), label


def _fitted(matrix: Array, label: Array, *, strength: float, bends: bool = False) -> LinearPart:
    return fit_linear(
        matrix, label, directions=FREE, penalty=10.0, may_bend=bends, pooling=Pooling(column=0, strength=strength)
    )


def test_the_bands_are_those_of_the_grades_of_the_catalog() -> None:
    firsts = [float(GRADES.index(grades[0].value)) for grades in GRADE_BANDS.values()]
    assert tuple(firsts[1:]) == STARTS
    assert list(chain.from_iterable(GRADE_BANDS.values())) == list(GRADES)


def test_it_is_the_least_of_what_is_said_to_be_penalised() -> None:
    matrix, label = _matrix(400)
    part = _fitted(matrix, label, strength=40.0)
    assert part.bands
    missing = np.isnan(matrix)
    away = np.where(missing, 0.0, matrix - np.nanmean(matrix, axis=0))
    gaps = (missing - missing.mean(axis=0))[:, [0, 2]]
    grade, others = np.column_stack([away[:, 0], gaps[:, 0]]), np.column_stack([away[:, 1:], gaps[:, 1]])
    band = np.searchsorted([6, 9], matrix[:, 0], side="right")
    member = np.eye(3)[np.where(missing[:, 0], 0, band)]
    share = member[~missing[:, 0]].mean(axis=0)
    member[missing[:, 0]] = share
    grade, others = grade / grade.std(axis=0), others / others.std(axis=0)
    steps = (member - share) / np.sqrt(share * (1 - share))

    def lost(said: Array) -> float:
        base, of_grade, each, step = said[0], said[1:3], said[3:12].reshape(3, 3), said[12:]
        margin = base + grade @ of_grade + ((member @ each) * others).sum(axis=1) + steps @ step
        mean = share @ each
        penalty = 10 * (of_grade @ of_grade + mean @ mean + step @ step) + 40 * ((each - mean) ** 2).sum()
        return float((np.logaddexp(0.0, margin) - label * margin).sum() + penalty / 2)

    least: Any = minimize(lost, np.zeros(15), method="BFGS", options={"gtol": 1e-6})
    deviation = away.std(axis=0)
    expected = least.x[3:12].reshape(3, 3)[:, :2] / deviation[1:]
    np.testing.assert_allclose(part.bands.coefficient[:, 1:], expected, atol=1e-4)
    assert part.base_value == pytest.approx(least.x[0], abs=1e-4)
    np.testing.assert_allclose(part.coefficient[1:], share @ expected, atol=1e-4)


def test_pooling_goes_from_each_band_by_itself_to_one_for_all() -> None:
    matrix, label = _matrix(2_000)
    spread = []
    for strength in (0.01, 30.0, 1_000.0, 1e6):
        part = _fitted(matrix, label, strength=strength)
        assert part.bands
        spread.append(float(np.ptp(part.bands.coefficient[:, 1])))
    assert spread == sorted(spread, reverse=True)
    assert spread[0] > 0.6
    assert spread[-1] < 0.01


@pytest.mark.parametrize("bends", [False, True])
def test_contributions_are_shapley_values_of_independent_features(bends: bool) -> None:
    matrix, label = _matrix(24)
    part = _fitted(matrix, label, strength=3.0, bends=bends)
    rows = matrix[
        [0, 7, int(np.flatnonzero(np.isnan(matrix[:, 0]))[0]), int(np.flatnonzero(np.isnan(matrix[:, 2]))[0])]
    ]
    told = np.column_stack(list(part.contributions(rows)))
    places = np.array(np.meshgrid(*[np.arange(24)] * 3)).reshape(3, -1)
    background = np.asfortranarray(np.column_stack([matrix[place, column] for column, place in enumerate(places)]))

    def worth(row: Array, known: tuple[int, ...]) -> float:
        mixed = background.copy(order="F")
        mixed[:, list(known)] = row[list(known)]
        return float(part.margin(mixed).mean())

    assert worth(rows[0], ()) == pytest.approx(part.base_value, abs=1e-9)
    for row, said in zip(rows, told, strict=True):
        for column in range(3):
            others = [other for other in range(3) if other != column]
            expected = sum(
                factorial(size) * factorial(2 - size) / 6 * (worth(row, (*known, column)) - worth(row, known))
                for size in range(3)
                for known in combinations(others, size)
            )
            assert said[column] == pytest.approx(expected, abs=1e-9)
    assert told.sum(axis=1) + part.base_value == pytest.approx(part.margin(rows), abs=1e-12)


def test_a_direction_holds_in_every_band_to_the_last_bit() -> None:
    matrix, label = _matrix(600)
    part = fit_linear(
        matrix, 1.0 - label, directions=UP, penalty=1.0, may_bend=True, pooling=Pooling(column=0, strength=1.0)
    )
    for grade in (3.0, 7.0, 11.0, np.nan):
        asked = np.tile(np.array([grade, 0.0, 2.0]), (2_000, 1))
        asked[:, 1] = np.linspace(-1.0, 20.0, 2_000)
        assert (np.diff(part.margin(asked)) >= 0.0).all()


@pytest.fixture(scope="module")
def model() -> RiskModel:
    frame, label = by_grade()
    return RiskModel.fit(frame, label, seed=2, monotone={"absence_rate_ytd": 1}, recipe=BANDED)


def test_a_model_with_bands_is_kept_whole(model: RiskModel, tmp_path: Path) -> None:
    frame, label = by_grade()
    model.save(tmp_path / "model.json")
    again = RiskModel.load(tmp_path / "model.json")
    assert (again.version, again.recipe) == (model.version, BANDED)
    assert again.predict(frame).tolist() == model.predict(frame).tolist()
    told = again.contributions(frame)
    assert told.drop("margin").sum_horizontal().to_numpy() == pytest.approx(model.margin(frame), abs=1e-9)
    assert np.unique(told["base_value"].to_numpy()).size == 1
    assert model.refit(frame, label, seed=9, monotone={"absence_rate_ytd": 1}).version == model.version


@pytest.mark.parametrize(
    "change",
    [
        {"column": 9},
        {"starts": [9.0, 6.0]},
        {"share": [1.0]},
        {"coefficient": [[0.0, 0.0]]},
        {"step": [0.0, 1e300, 0.0]},
        {"code": "print()"},
    ],
)
def test_bands_that_do_not_fit_the_model_are_refused(model: RiskModel, tmp_path: Path, change: dict[str, Any]) -> None:
    import json

    model.save(tmp_path / "model.json")
    said = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    said["linear"]["bands"].update(change)
    write_sealed(tmp_path / "wrong.json", said)
    with pytest.raises(ModelError):
        RiskModel.load(tmp_path / "wrong.json")
    said["recipe"] = {"kind": "forest"}
    write_sealed(tmp_path / "wrong.json", said)
    with pytest.raises(ModelError):
        RiskModel.load(tmp_path / "wrong.json")


def test_interventional_values_are_those_of_the_definition(model: RiskModel) -> None:
    frame, _ = by_grade()
    rows, background = frame[:3], frame[40:52]
    found, names = interventional(model, rows, background), list(model.features)

    def worth(row: pl.DataFrame, known: tuple[str, ...]) -> float:
        mixed = background.with_columns(pl.lit(row[name][0], dtype=row[name].dtype).alias(name) for name in known)
        return float(model.margin(mixed).mean())

    for place in range(3):
        for number, name in enumerate(names):
            others, count = [other for other in names if other != name], len(names)
            expected = sum(
                factorial(size)
                * factorial(count - size - 1)
                / factorial(count)
                * (worth(rows[place], (*known, name)) - worth(rows[place], known))
                for size in range(count)
                for known in combinations(others, size)
            )
            assert found[place, number] == pytest.approx(expected, abs=1e-9)


def test_of_one_band_alone_there_is_nothing_to_pull_together() -> None:
    matrix, label = _matrix(600)
    matrix[:, 0] = np.where(np.isnan(matrix[:, 0]), np.nan, matrix[:, 0] % 3)
    alone, together = _fitted(matrix, label, strength=5.0), fit_linear(matrix, label, directions=FREE, penalty=10.0)
    np.testing.assert_allclose(alone.margin(matrix), together.margin(matrix), atol=1e-6)


def test_bands_without_grades_are_refused_in_words() -> None:
    frame, label = by_grade()
    grade = pl.col("grade")
    for wrong, words in (
        (frame.drop("grade"), "there is no feature grade"),
        (frame.with_columns(grade.cast(pl.String)), "the feature grade is text"),
    ):
        with pytest.raises(ModelError, match=words) as refused:
            RiskModel.fit(wrong, label, seed=2, recipe=BANDED)
        assert refused.value.hint
    matrix, label_of_matrix = _matrix(60)
    matrix[:, 0] = np.nan
    with pytest.raises(ModelError, match="no grade is known") as refused:
        _fitted(matrix, label_of_matrix, strength=5.0)
    assert refused.value.hint
    with pytest.raises(ModelError, match="one way alone"):
        RiskModel.fit(frame, label, seed=2, recipe=BANDED, monotone={"grade": 1})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"kind": "forest"}, "kind is none of blend, trees, linear"),
        ({"ridge": 0.0}, "ridge is no number from"),
        ({"ridge": float("nan")}, "ridge is no number from"),
        ({"pooling": -1.0}, "pooling is no number from"),
        ({"leaves": 65}, "leaves is no whole number from 2 to 64"),
        ({"rate": True}, "rate is no number from"),
        ({"rows_a_leaf": 0}, "rows_a_leaf is no whole number"),
        ({"bends": 1}, "bends is neither"),
        ({"kind": "trees", "pooling": 3.0}, "pooling is asked of trees alone"),
        ({"depth": 3}, "it has no depth"),
    ],
)
def test_what_is_no_recipe_is_refused(said: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        Recipe.from_plain(said)


def test_a_recipe_is_followed_and_comes_back() -> None:
    frame, label = by_grade()
    assert DEFAULT.to_plain() == {}
    trees = Recipe(kind=Kind.TREES, leaves=3, rate=0.1, rows_a_leaf=10)
    assert Recipe.from_plain(trees.to_plain()) == trees
    alone = RiskModel.fit(frame, label, seed=2, recipe=trees)
    assert alone.parts.linear is None
    assert alone.parts.trees
    assert alone.parts.trees.leaves <= 3 * alone.parts.trees.trees
    straight = RiskModel.fit(frame, label, seed=2, recipe=Recipe(kind=Kind.LINEAR, bends=False, ridge=1e6))
    assert straight.parts.trees is None
    assert straight.parts.linear
    assert straight.parts.linear.bends.at.size == 0
    assert np.ptp(straight.margin(frame)) < 0.5 < np.ptp(alone.margin(frame))
