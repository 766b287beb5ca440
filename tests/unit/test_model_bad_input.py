"""What no model can be fitted on: each has its own message, with place, count and what to do."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cis_ews.errors import ModelError
from cis_ews.risk.model import RiskModel
from tests.lib.model_frames import learnable

FRAME, LABEL = learnable(400)
ROWS = FRAME.height
ROW = pl.int_range(pl.len())
FEW = pl.Series([row < 49 for row in range(ROWS)])
HALVES = pl.Series("half", [0.0, 1.0, float("nan"), 2.0] * (ROWS // 4), dtype=pl.Float16)
ENDLESS = pl.when(ROW < 3).then(float("inf")).otherwise(1.0 * ROW)

FEATURES: dict[str, tuple[pl.DataFrame, str]] = {
    "all missing": (FRAME.with_columns(gone=pl.lit(None, pl.Float64)), "1 feature without any value: gone"),
    "all NaN": (FRAME.with_columns(gone=pl.lit(float("nan"))), "1 feature without any value: gone"),
    "nothing at all": (FRAME.with_columns(gone=pl.lit(None)), "1 feature without any value: gone"),
    "constant": (FRAME.with_columns(one=1, two=pl.lit("SECRET")), "2 features the same in every row: one, two"),
    "huge": (FRAME.with_columns(rate=pl.when(ROW < 2).then(1e307).otherwise(1.0 * ROW)), "beyond 1e+100 in rate: 2"),
    "huge, negative": (FRAME.with_columns(rate=pl.when(ROW < 3).then(-1e200).otherwise(1.0 * ROW)), "in rate: 3 rows"),
    "infinite": (FRAME.with_columns(rate=ENDLESS), "infinite values in rate: 3 rows"),
    "twice": (FRAME.with_columns(again=pl.col("average") * 1.0), "the same content: average and again"),
    "twice, another kind": (FRAME.with_columns(again=pl.col("moved").cast(pl.Int8)), "moved and again"),
    "twice, text": (FRAME.with_columns(again=pl.col("level").cast(pl.String)), "level and again"),
    "reserved": (FRAME.with_columns(margin=ROW), "margin: no name for a feature"),
    "id": (FRAME.with_columns(student_id=ROW), "student_id: no name for a feature"),
    "identifier": (FRAME.with_columns(key=pl.format("SECRET{}", ROW)), "key: 400 different texts in 400 rows"),
    "many texts": (FRAME.with_columns(key=pl.format("SECRET{}", ROW % 210)), "key: 210 different texts in 400 rows"),
    "date": (FRAME.with_columns(born=pl.lit(date(2010, 1, 1))), "born: a column of Date is no feature"),
    "list": (FRAME.with_columns(marks=pl.concat_list("absences")), "marks: a column of List"),
    "none": (FRAME.select(), "there are no features"),
    "no row": (FRAME.clear(), "there are no rows"),
}
LABELS: dict[str, tuple[Any, str]] = {
    "one class": ([0] * ROWS, "the same in all 400 rows"),
    "few positives": (FEW, "49 positives and 351 negatives"),
    "few negatives": (~FEW, "351 positives and 49 negatives"),
    "null": ([None, *LABEL.to_list()[1:]], "missing in 1 row"),
    "all null": ([None] * ROWS, "missing in 400 rows"),
    "NaN": (np.where(np.arange(ROWS) < 2, np.nan, LABEL.to_numpy()), "missing in 2 rows"),
    "short": (LABEL.head(399), "label has 399 values for 400 rows"),
    "two": ([2, *LABEL.cast(int).to_list()[1:]], "neither 0 nor 1 in 1 row"),
    "text": (["SECRET"] * ROWS, "the label is String"),
    "two a row": (np.zeros((ROWS, 2)), "label: there is more than one value a row"),
    "lists": ([[0], [1]] * 200, "label: there is more than one value a row"),
    "frame": (FRAME.select("absences", "moved"), "label: there is more than one value a row"),
    "mixed": ([1, "SECRET"] * 200, "label: the values are of several kinds"),
}
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "groups of another length": ({"groups": [1, 2]}, "groups has 2 values for 400 rows"),
    "missing group": ({"groups": [None, *range(ROWS - 1)]}, "the group is missing in 1 row"),
    "few groups": ({"groups": np.arange(ROWS) % 4}, "4 groups are fewer than the 5 folds"),
    "groups of one class": ({"groups": LABEL.cast(pl.Int8)}, "2 groups are fewer than the 5 folds"),
    "one group with all": (
        {"groups": np.where(LABEL.to_numpy(), 0, np.arange(ROWS))},
        "do not spread both classes over the 5 folds",
    ),
    "unknown direction": ({"monotone": {"absence": 1}}, "monotone names no feature: absence"),
    "direction of a category": ({"monotone": {"level": 1}}, "level: categories have no order"),
    "groups of two": ({"groups": np.zeros((ROWS, 2))}, "groups: there is more than one value a row"),
    "groups that are objects": ({"groups": [object()] * ROWS}, "groups: the values are Object"),
    "groups that are bytes": ({"groups": [b"\xff"] * ROWS}, "groups: the values are Binary"),
    "no thread": ({"threads": 0}, "threads is no whole number from 1"),
    "threads fewer than none": ({"threads": -1}, "threads is no whole number from 1"),
    "half a thread": ({"threads": 1.5}, "threads is no whole number from 1"),
    "a million threads": ({"threads": 1_000_000}, "threads is no whole number from 1 to 256"),
    "true threads": ({"threads": True}, "threads is no whole number from 1"),
    "direction 2": ({"monotone": {"absences": 2}}, "absences: neither 1 nor -1"),
    "about that is no JSON": ({"about": {"when": date(2026, 2, 27)}}, "not plain JSON"),
    "about with half a character": ({"about": {"text": "\ud800"}}, "not plain JSON"),
    "about with keys of two kinds": ({"about": {"a": 1, 2: 3}}, "not plain JSON"),
    "about with NaN": ({"about": {"loss": float("nan")}}, "not plain JSON"),
}


@pytest.fixture(scope="module")
def model() -> RiskModel:
    return RiskModel.fit(FRAME, LABEL, seed=1)


def _refused(features: pl.DataFrame, label: Any, **more: Any) -> ModelError:
    with pytest.raises(ModelError) as refused:
        RiskModel.fit(features, label, seed=1, **more)
    error = refused.value
    assert error.hint
    assert "SECRET" not in f"{error} {error.details}"
    return error


@pytest.mark.parametrize("case", FEATURES)
def test_features(case: str) -> None:
    features, said = FEATURES[case]
    assert said in _refused(features, LABEL).message


@pytest.mark.parametrize("case", LABELS)
def test_labels(case: str) -> None:
    label, said = LABELS[case]
    assert said in _refused(FRAME, label).message


@pytest.mark.parametrize("case", OTHERS)
def test_groups_directions_and_what_is_kept(case: str) -> None:
    more, said = OTHERS[case]
    assert said in _refused(FRAME, LABEL, **more).message


def test_many_bad_features_are_counted_and_the_first_ten_named() -> None:
    many = FRAME.with_columns(pl.lit(1).alias(f"same_{number:02d}") for number in range(14))
    error = _refused(many, LABEL)
    assert "14 features the same in every row: same_00" in error.message
    assert error.message.endswith("same_09 and 4 more")
    assert len(error.details["constant"]) == 14  # pyright: ignore[reportArgumentType]


def test_a_value_with_gaps_is_no_constant_and_gaps_that_are_rare_are_learned() -> None:
    told = pl.when(ROW % 2 == 0).then(1.0)
    rare = pl.when(ROW < 3).then(1.0 * ROW)
    frame = FRAME.with_columns(HALVES, told=told, rare=rare)
    assert np.isfinite(RiskModel.fit(frame, LABEL, seed=1).predict(frame)).all()


@pytest.mark.parametrize("seed", [-1, 1.5, True, "7", 2**31])
def test_a_seed_that_is_no_whole_number(seed: Any) -> None:
    with pytest.raises(ModelError, match="the seed is no whole number") as refused:
        RiskModel.fit(FRAME, LABEL, seed=seed)
    assert refused.value.hint


NO_FRAMES: list[Any] = [FRAME.lazy(), FRAME.to_dicts(), np.zeros((ROWS, 2)), FRAME.to_arrow(), FRAME["level"], None]


@pytest.mark.parametrize("features", NO_FRAMES)
def test_features_that_are_no_frame(features: Any, model: RiskModel) -> None:
    assert "the features are a " in _refused(features, LABEL).message
    for asked in (model.predict, model.margin, model.contributions):
        with pytest.raises(ModelError, match="the features are a ") as refused:
            asked(features)
        assert refused.value.hint


def test_huge_values_are_refused_at_predict(model: RiskModel) -> None:
    huge = FRAME.with_columns(average=pl.when(ROW < 2).then(1e101).otherwise("average"))
    for asked in (model.predict, model.margin, model.contributions):
        with pytest.raises(ModelError, match=r"values beyond 1e\+100 in average: 2 rows"):
            asked(huge)


def test_values_as_large_as_allowed_are_learned() -> None:
    large = FRAME.with_columns(rate=pl.when(ROW % 3 == 0).then(1e100).when(ROW % 3 == 1).then(-1e100))
    model = RiskModel.fit(large, LABEL, seed=1)
    assert np.isfinite(model.predict(large)).all()
    losses: Any = model.summary["held_out_log_loss"]
    assert np.isfinite(list(losses.values())).all()


NAMES = [
    "count",
    "",
    " ",
    "literal",
    "index",
    "a,b",
    "[x]",
    'quote"',
    "line\nbreak",
    "名",
    "value",
    "rows",
    "*",
    "^.*$",
]


@pytest.mark.parametrize("column", ["level", "average"])
@pytest.mark.parametrize("name", NAMES)
def test_a_feature_of_any_name_is_learned_asked_and_kept(name: str, column: str, tmp_path: Path) -> None:
    frame = FRAME.rename({column: name})
    model = RiskModel.fit(frame, LABEL, seed=1)
    model.save(tmp_path / "model.json")
    again = RiskModel.load(tmp_path / "model.json")
    assert again.predict(frame).tolist() == model.predict(frame).tolist()
    assert again.contributions(frame).columns == ["base_value", "margin", *frame.columns]
    plain = RiskModel.fit(FRAME, LABEL, seed=1)
    assert again.predict(frame).tolist() == plain.predict(FRAME).tolist()


def test_no_direction_may_be_said() -> None:
    free = RiskModel.fit(FRAME, LABEL, seed=1, monotone={"absences": 0})
    assert free.version == RiskModel.fit(FRAME, LABEL, seed=1).version
