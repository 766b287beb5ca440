"""The tables beside a model: used where they are whole and the model's own, made anew where not, and never trusted."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cis_ews.errors import ModelError, StorageError
from cis_ews.risk import exact_shap
from cis_ews.risk.exact_shap import key_of, remember, tables_of
from cis_ews.risk.model import RiskModel
from cis_ews.risk.shap_file import VERSION, tables_bytes, tables_from
from cis_ews.risk.shap_tables import ShapTables
from tests.lib.boosters import made_up, trained
from tests.lib.model_frames import learnable

FRAME, LABEL = learnable()
KEY = "0" * 64


@pytest.fixture(scope="module")
def model() -> RiskModel:
    return RiskModel.fit(FRAME, LABEL, seed=7)


@pytest.fixture(autouse=True)
def _nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(exact_shap, "_cache", OrderedDict[str, ShapTables]())


@pytest.fixture(scope="module")
def tables() -> ShapTables:
    """With categories, joined flags and deep leaves."""
    matrix, _ = made_up(3_000, 14)
    matrix[:, 2:] = np.random.default_rng(1).normal(size=(3_000, 12))
    is_far = matrix[:, 2:] > 1.5
    outcome = (
        np.where(is_far.any(axis=1), is_far.argmax(axis=1), 20.0)
        + np.sin(3.0 * matrix[:, 13])
        + 9.0 * (matrix[:, 1] % 3 == 0)
    )
    made = tables_of(trained(matrix, outcome, num_leaves=150, rounds=3, categories=[1]).model_to_string())
    assert made.category_words.size
    assert made.step_flag.size
    assert made.deep_value.size
    return made


def _text(model: RiskModel) -> str:
    assert model.parts.trees is not None
    return model.parts.trees.text


def _doubled(tables: ShapTables) -> ShapTables:
    return tables._replace(values=2.0 * tables.values)


def test_tables_come_back_as_they_were(tables: ShapTables) -> None:
    again = tables_from(tables_bytes(tables, key=KEY), key=KEY, columns=14)
    assert again is not None
    for one, other in zip(again, tables, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    assert tables_bytes(again, key=KEY) == tables_bytes(tables, key=KEY)


def test_the_file_beside_the_model_is_the_one_that_is_used(model: RiskModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model.json")
    beside = tmp_path / "model.json.shap"
    assert json.loads(beside.read_bytes().partition(b"\n")[0])["trees"] == key_of(_text(model))
    told = model.contributions(FRAME)
    beside.write_bytes(tables_bytes(_doubled(tables_of(_text(model))), key=key_of(_text(model))))
    other = RiskModel.load(tmp_path / "model.json").contributions(FRAME)
    assert not np.allclose(other["absences"].to_numpy(), told["absences"].to_numpy())


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda _: None,
    "empty": lambda _: b"",
    "half": lambda content: content[: len(content) // 2],
    "a byte more": lambda content: content + b"\0",
    "one bit": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "another version": lambda content: content.replace(b'"version": %d' % VERSION, b'"version": %d' % (VERSION + 1)),
    "other trees": lambda content: content.replace(b'"trees": "', b'"trees": "0'),
    "a pickle": lambda _: b"\x80\x04K\x01.",
    "a list": lambda _: b"[1, 2]\n",
    "sizes that are none": lambda content: content.replace(b'"nodes": ', b'"nodes": -'),
    "deep": lambda _: b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_the_file_holds_the_contributions_are_the_same(model: RiskModel, tmp_path: Path, damage: str) -> None:
    model.save(tmp_path / "model.json")
    told = model.contributions(FRAME)
    beside = tmp_path / "model.json.shap"
    harmed = DAMAGES[damage](beside.read_bytes())
    assert harmed != beside.read_bytes()
    beside.unlink()
    if harmed is not None:
        beside.write_bytes(harmed)
    exact_shap._cache.clear()  # pyright: ignore[reportPrivateUsage]
    again = RiskModel.load(tmp_path / "model.json")
    assert not exact_shap._cache  # pyright: ignore[reportPrivateUsage]
    assert again.contributions(FRAME).equals(told)


ASTRAY: dict[str, Callable[[ShapTables], dict[str, object]]] = {
    "a column that is not there": lambda t: {"feature": _with(t.feature, 14)},
    "a column below zero": lambda t: {"lookup_feature": _with(t.lookup_feature, -1)},
    "a deep column": lambda t: {"path_feature": _with(t.path_feature, 99)},
    "a flag of another tree": lambda t: {"bit_flag": _with(t.bit_flag, 10_000)},
    "a step of another tree": lambda t: {"step_flag": _with(t.step_flag, 10_000)},
    "a deep flag": lambda t: {"path_flag": _with(t.path_flag, -5)},
    "bounds that fall": lambda t: {"split_starts": _with(t.split_starts, 1_000_000, at=1)},
    "bounds that end early": lambda t: {"value_starts": _with(t.value_starts, 8, at=-1)},
    "bounds that begin late": lambda t: {"group_starts": _with(t.group_starts, 1)},
    "a table too small": lambda t: {"value_starts": _with(t.value_starts, int(t.value_starts[1]) - 1, at=1)},
    "fewer values": lambda t: {"values": t.values[:-1]},
    "fewer thresholds": lambda t: {"threshold": t.threshold[:-1]},
    "fewer nodes": lambda t: {"nodes": t.nodes[:3], "weights": t.weights[:3]},
    "no base value": lambda t: {"base_value": t.base_value[:0]},
    "a value that is none": lambda t: {"values": np.where(t.values == t.values[0], np.nan, t.values)},
    "trees fewer": lambda t: {"joined_starts": t.joined_starts[:-1]},
}


@pytest.mark.parametrize("astray", ASTRAY)
def test_tables_that_lead_astray_are_not_taken_though_their_sum_is_right(tables: ShapTables, astray: str) -> None:
    content = tables_bytes(tables._replace(**ASTRAY[astray](tables)), key=KEY)  # pyright: ignore[reportArgumentType]
    assert tables_from(content, key=KEY, columns=14) is None


def _with(array: np.ndarray, value: int, *, at: int = 0) -> np.ndarray:
    changed = array.copy()
    changed[at] = value
    return changed


def test_a_model_whose_tables_differ_from_lightgbm_is_not_saved(model: RiskModel, tmp_path: Path) -> None:
    remember(_text(model), _doubled(tables_of(_text(model))))
    with pytest.raises(ModelError, match="not those of LightGBM"):
        model.save(tmp_path / "model.json")
    assert list(tmp_path.iterdir()) == []


def test_tables_that_cannot_be_written_are_said(model: RiskModel, tmp_path: Path) -> None:
    (tmp_path / "model.json.shap").mkdir()
    with pytest.raises(StorageError, match=r"model\.json\.shap"):
        model.save(tmp_path / "model.json")
    assert RiskModel.load(tmp_path / "model.json").version == model.version
