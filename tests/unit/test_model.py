"""The risk model: what it gives, what it keeps, and that the same data make the same model."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as selectors
import pytest

from cis_ews.errors import FeatureMismatchError, ModelError
from cis_ews.evaluation.accuracy import evaluate
from cis_ews.risk import model as model_module
from cis_ews.risk.calibration import choose_calibrator, log_loss
from cis_ews.risk.model import RiskModel, UnseenCategoryWarning
from cis_ews.risk.model_fit import NEAR_TIE, simplest
from cis_ews.risk.model_folds import assign_folds
from tests.lib.model_frames import LEVELS, learnable

FRAME, LABEL = learnable()


@pytest.fixture(scope="module")
def model() -> RiskModel:
    return RiskModel.fit(FRAME, LABEL, seed=7, about={"label": "off_track", "dates": ["2025-02-28"], "made_up": True})


def _alone(model: RiskModel, share: float) -> RiskModel:
    """The same model with one part alone."""
    parts = model.parts
    kept = dataclasses.replace(
        parts, trees_share=share, trees=parts.trees if share else None, linear=None if share else parts.linear
    )
    return dataclasses.replace(model, parts=kept)


def test_a_risk_is_a_probability_that_means_what_it_says(model: RiskModel) -> None:
    others, outcome = learnable(seed=1)
    risk = model.predict(others)
    assert risk.dtype == np.float64
    assert risk.shape == (others.height,)
    reached = evaluate(outcome, risk)
    assert reached.auroc > 0.8
    assert abs(risk.mean() - reached.base_rate) < 0.03
    assert reached.brier < 0.8 * reached.base_rate * (1 - reached.base_rate)


def test_what_was_kept_comes_back(model: RiskModel) -> None:
    assert model.features == tuple(FRAME.columns)
    assert repr(model) == f"RiskModel({model.version}, 6 features)"
    assert model.about == {"label": "off_track", "dates": ["2025-02-28"], "made_up": True}
    said: Any = model.summary
    assert (said["rows"], said["positives"], said["folds"]) == (FRAME.height, LABEL.sum(), 5)
    assert said["trees"] == model.parts.trees.trees if model.parts.trees else 0
    losses = said["held_out_log_loss"]
    assert losses["blend"] <= min(losses["trees"], losses["linear"]) + NEAR_TIE
    assert 0 < said["trees_share"] < 1


def test_the_loss_that_is_told_was_held_out_from_the_calibrator_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def watched(margin: Any, label: Any, *, folds: Any, weights: Any) -> Any:
        calibrator, loss = choose_calibrator(margin, label, folds=folds, weights=weights)
        fitted = log_loss(label, calibrator.log_odds(margin), weights=weights)
        seen.update(fitted=fitted, loss=loss, kind=calibrator.kind)
        return calibrator, loss

    monkeypatch.setattr("cis_ews.risk.model_fit.choose_calibrator", watched)
    losses: Any = RiskModel.fit(FRAME, LABEL, seed=7).summary["held_out_log_loss"]
    assert seen["kind"] != "identity"
    assert seen["fitted"] < losses["calibrated"] == seen["loss"] < losses["blend"]


def test_columns_are_taken_by_name_and_further_ones_ignored(model: RiskModel) -> None:
    shuffled = FRAME.select(reversed(FRAME.columns)).with_columns(student_id=pl.lit("x"))
    assert model.predict(shuffled).tolist() == model.predict(FRAME).tolist()


def test_categories_go_by_their_string_whatever_holds_it(model: RiskModel) -> None:
    text = FRAME.with_columns(pl.col("level").cast(pl.String))
    other_codes = FRAME.with_columns(pl.col("level").cast(pl.String).cast(pl.Enum([*reversed(LEVELS), "other"])))
    categorical = FRAME.with_columns(pl.col("level").cast(pl.String).cast(pl.Categorical))
    expected = model.predict(FRAME).tolist()
    assert [model.predict(frame).tolist() for frame in (text, other_codes, categorical)] == [expected] * 3
    assert RiskModel.fit(text, LABEL, seed=7, about=model.about).version == model.version


def test_a_row_is_judged_alone_or_among_others_the_same(model: RiskModel, monkeypatch: pytest.MonkeyPatch) -> None:
    risk, told = model.predict(FRAME), model.contributions(FRAME)
    assert [model.predict(FRAME[row])[0] for row in range(20)] == risk[:20].tolist()
    monkeypatch.setattr(model_module, "SLICE", 100)
    assert model.predict(FRAME).tolist() == risk.tolist()
    assert model.contributions(FRAME).equals(told)


@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_and_one_row(model: RiskModel, rows: int) -> None:
    few = FRAME.head(rows)
    assert model.predict(few).shape == (rows,)
    assert model.margin(few).dtype == np.float64
    assert model.contributions(few).shape == (rows, 2 + FRAME.width)


def test_null_and_nan_are_both_missing(model: RiskModel) -> None:
    gaps = FRAME.with_columns(pl.lit(None).alias(name) for name in FRAME.columns)
    nan = FRAME.with_columns(average=pl.lit(float("nan")))
    null = FRAME.with_columns(average=pl.lit(None, dtype=pl.Float64))
    assert model.predict(nan).tolist() == model.predict(null).tolist()
    assert len(set(model.predict(gaps))) == 1


def test_a_gap_that_training_did_not_have_is_no_zero(model: RiskModel) -> None:
    """Averages in place of a missing number: nobody gets the risk of a student who was never absent."""
    typical = int(FRAME["absences"].quantile(0.5, "lower") or 0)
    margin_of_line = _alone(model, 0.0).margin
    unknown = margin_of_line(FRAME.with_columns(absences=pl.lit(None, dtype=pl.Int64)))
    margin_of_trees = _alone(model, 1.0).margin
    assert margin_of_trees(FRAME.with_columns(absences=pl.lit(None, dtype=pl.Int64))).tolist() == (
        margin_of_trees(FRAME.with_columns(absences=typical)).tolist()
    )
    assert unknown.mean() > margin_of_line(FRAME.with_columns(absences=0)).mean()


def test_both_at_once_are_what_each_gives_alone_to_the_last_bit(
    model: RiskModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_module, "SLICE", 700)
    risk, told = model.explained(FRAME)
    assert np.array_equal(risk, model.predict(FRAME))
    assert told.equals(model.contributions(FRAME))


@pytest.mark.parametrize("seed", [1, 2])
def test_numbers_of_float32_are_told_as_the_same_numbers_of_float64_to_the_last_bit(seed: int) -> None:
    numbers = FRAME.select(selectors.numeric()).cast(pl.Float32)
    trees = RiskModel.fit(numbers, LABEL, seed=seed).parts.trees
    assert trees is not None
    matrix = numbers.with_columns(pl.nth(0).fill_null(0.1)).with_columns(pl.nth(1).shift(1)).to_numpy()
    asked = np.asfortranarray(matrix.astype(np.float64))
    single, double = (trees.explained(asked, is_single=each) for each in (True, False))
    assert [each.tolist() for each in single] == [each.tolist() for each in double]
    assert double[0].tolist() == trees.contributions(asked).tolist()
    assert double[1].tolist() == trees.margin(asked).tolist()


@pytest.mark.parametrize("share", [0.0, None, 1.0])
def test_contributions_add_up_to_the_margin(model: RiskModel, share: float | None) -> None:
    asked = model if share is None else _alone(model, share)
    told = asked.contributions(FRAME)
    assert told.columns == ["base_value", "margin", *FRAME.columns]
    assert set(told.dtypes) == {pl.Float64}
    gap = told.select(pl.sum_horizontal(pl.exclude("margin")) - pl.col("margin")).to_series().abs().max()
    assert pytest.approx(0.0, abs=1e-9) == gap
    assert told["margin"].to_numpy() == pytest.approx(asked.margin(FRAME), abs=1e-9)


def test_the_order_of_students_is_that_of_the_margin(model: RiskModel) -> None:
    margin, risk = model.margin(FRAME), model.predict(FRAME)
    order = np.argsort(margin)
    apart, risen = np.diff(margin[order]), np.diff(risk[order])
    assert (risen >= 0).all()
    assert (risen[apart > 1e-12] > 0).all()
    assert (apart > 1e-12).sum() > 1_000


def test_the_same_data_and_seed_make_the_same_bytes_on_any_threads(
    model: RiskModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert RiskModel.fit(FRAME, LABEL, seed=7, about=model.about).version == model.version
    assert RiskModel.fit(FRAME, LABEL, seed=8, about=model.about).version != model.version
    monkeypatch.setattr("cis_ews.risk.model_trees.THREADS_FROM", 0)
    monkeypatch.setattr("cis_ews.risk.model_trees.MOST_ROUNDS", 12)
    one, two = (RiskModel.fit(FRAME, LABEL, seed=7, threads=threads) for threads in (1, 2))
    assert one.version == two.version


def test_labels_of_every_kind_teach_the_same(model: RiskModel) -> None:
    kinds = [LABEL.to_numpy(), LABEL.to_list(), LABEL.cast(pl.Int8), LABEL.cast(pl.Float64).to_list()]
    versions = {RiskModel.fit(FRAME, label, seed=7, about=model.about).version for label in kinds}
    assert versions == {model.version}


def test_unseen_categories_are_missing_counted_and_said_once(model: RiskModel) -> None:
    new = FRAME.with_columns(program=pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("SECRET")).otherwise("program"))
    gone = FRAME.with_columns(program=pl.when(pl.int_range(pl.len()) >= 3).then("program"))
    with pytest.warns(UnseenCategoryWarning, match=r"program: 3 rows") as said:
        risk = model.predict(new)
    assert len(said) == 1
    assert said[0].filename == __file__
    assert "SECRET" not in str(said[0].message)
    assert risk.tolist() == model.predict(gone).tolist()
    with pytest.raises(ModelError, match=r"program: 3 rows") as refused:
        model.predict(new, strict=True)
    assert "SECRET" not in str(refused.value)


def test_strict_is_content_with_rare_and_missing_categories(model: RiskModel) -> None:
    gaps = FRAME.with_columns(program=pl.lit(None, dtype=pl.String))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.predict(FRAME, strict=True).tolist() == model.predict(FRAME).tolist()
        model.predict(gaps, strict=True)


def test_missing_features_are_named_with_the_nearest(model: RiskModel) -> None:
    other = FRAME.rename({"absences": "absence", "moved": "xyz"})
    with pytest.raises(FeatureMismatchError) as refused:
        model.predict(other)
    assert refused.value.details == {"missing": ["absences", "moved"], "unknown": ["absence", "xyz"]}
    assert "absences: did you mean absence?" in str(refused.value)


@pytest.mark.parametrize(
    ("column", "named"),
    [
        (pl.col("absences").cast(pl.String), "absences"),
        (pl.lit(1).alias("level"), "level"),
        (pl.lit("2026-02-27").str.to_date().alias("noise"), "noise"),
    ],
)
def test_a_column_of_another_kind_is_a_mismatch(model: RiskModel, column: pl.Expr, named: str) -> None:
    with pytest.raises(FeatureMismatchError, match=f"1 feature of another kind than in the model: {named}"):
        model.predict(FRAME.with_columns(column))


def test_infinite_values_are_refused_at_predict(model: RiskModel) -> None:
    endless = FRAME.with_columns(average=pl.when(pl.int_range(pl.len()) < 2).then(float("-inf")).otherwise("average"))
    for asked in (model.predict, model.margin, model.contributions):
        with pytest.raises(ModelError, match="infinite values in average: 2 rows"):
            asked(endless)


def test_a_direction_is_kept_by_every_part() -> None:
    """What may only raise the risk never lowers it, for any student."""
    model = RiskModel.fit(FRAME, ~LABEL, seed=7, monotone={"absences": 1, "average": 1, "noise": -1})
    for column, values in {
        "absences": range(25),
        "average": np.linspace(0, 4, 25),
        "noise": -np.linspace(-3, 3, 25),
    }.items():
        table = np.array([model.margin(FRAME.head(100).with_columns(pl.lit(value).alias(column))) for value in values])
        assert (np.diff(table, axis=0) >= 0).all()
    free = RiskModel.fit(FRAME, ~LABEL, seed=7)
    table = np.array([free.margin(FRAME.head(100).with_columns(absences=value)) for value in range(25)])
    assert (np.diff(table, axis=0) < 0).any()


def test_one_part_alone_wins_a_near_tie() -> None:
    assert simplest({0.0: 0.5, 1.0: 0.5, 0.5: 0.5 - NEAR_TIE / 2}) == 0.0
    assert simplest({0.0: 0.6, 1.0: 0.5, 0.5: 0.5 - NEAR_TIE / 2}) == 1.0
    assert simplest({0.0: 0.6, 1.0: 0.5, 0.5: 0.5 - NEAR_TIE * 2}) == 0.5


def test_folds_hold_groups_together_and_classes_apart() -> None:
    random = np.random.default_rng(3)
    groups = random.integers(0, 150, 2_000)
    label = (random.random(2_000) < 0.05 + 0.3 * (groups % 5 == 0)).astype(float)
    folds = assign_folds(label, groups, seed=1)
    assert all(np.unique(folds[groups == group]).size == 1 for group in np.unique(groups))
    rates = [label[folds == fold].mean() for fold in range(5)]
    assert max(rates) - min(rates) < 0.03
    assert np.array_equal(folds, assign_folds(label, groups, seed=1))
    assert not np.array_equal(folds, assign_folds(label, groups, seed=2))


def test_rows_without_groups_are_spread_evenly() -> None:
    label = (np.arange(1_003) % 7 == 0).astype(float)
    folds = assign_folds(label, None, seed=1)
    sizes, positives = np.bincount(folds), np.bincount(folds, weights=label)
    assert sizes.max() - sizes.min() <= 2
    assert positives.max() - positives.min() <= 1


def test_groups_change_what_is_held_out() -> None:
    """Twins on both sides would let the model look up the answer: with groups the held-out loss is honest."""
    twice, label = pl.concat([FRAME, FRAME]), pl.concat([LABEL, LABEL])
    numbers = np.tile(np.arange(FRAME.height), 2)
    together: Any = RiskModel.fit(twice, label, seed=7, groups=numbers).summary["held_out_log_loss"]
    apart: Any = RiskModel.fit(twice, label, seed=7).summary["held_out_log_loss"]
    assert together["trees"] > apart["trees"] + 0.02
