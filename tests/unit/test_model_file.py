"""The file of a model: the same bytes again, the same risks again, and nothing but a whole model is read."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cis_ews.errors import ModelError, ModelNotFoundError, StorageError
from cis_ews.risk.model import RiskModel
from tests.lib.model_edits import fit_sizes, write_sealed
from tests.lib.model_frames import learnable

FRAME, LABEL = learnable()


@pytest.fixture(scope="module")
def model() -> RiskModel:
    return RiskModel.fit(
        FRAME,
        LABEL,
        seed=7,
        about={"label": "off_track", "nested": {"dates": ["2025-02-28"]}},
        monotone={"absences": 1},
    )


@pytest.fixture
def path(model: RiskModel, tmp_path: Path) -> Path:
    model.save(tmp_path / "model.json")
    return tmp_path / "model.json"


def test_saved_loaded_and_saved_again_it_is_the_same(model: RiskModel, path: Path, tmp_path: Path) -> None:
    again = RiskModel.load(path)
    again.save(tmp_path / "again.json")
    assert path.read_bytes() == (tmp_path / "again.json").read_bytes()
    assert again.version == model.version == f"model-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    assert again.predict(FRAME).tolist() == model.predict(FRAME).tolist()
    assert again.margin(FRAME).tolist() == model.margin(FRAME).tolist()
    assert again.contributions(FRAME).equals(model.contributions(FRAME))
    assert (again.features, again.about, again.summary) == (model.features, model.about, model.summary)


@pytest.mark.parametrize("part", ["trees", "linear"])
def test_a_model_of_one_part_comes_back_too(model: RiskModel, tmp_path: Path, part: str) -> None:
    said: dict[str, Any] = json.loads(_bytes_of(model, tmp_path)) | {part: None}
    write_sealed(tmp_path / "one.json", said)
    one = RiskModel.load(tmp_path / "one.json")
    one.save(tmp_path / "again.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "again.json").read_bytes()
    assert getattr(one.parts, part) is None


def test_the_file_is_text_that_anybody_can_read(path: Path) -> None:
    said = json.loads(path.read_text(encoding="utf-8"))
    assert said["format"] == "cis_ews risk model"
    assert said["trees"]["text"][0] == "tree"
    assert path.stat().st_mode & 0o777 == 0o644


def test_categories_of_any_alphabet_are_kept(tmp_path: Path) -> None:
    spoken = pl.Series("language", ["español", "中文", 'a "quoted"\n\\ one'])[[row % 3 for row in range(FRAME.height)]]
    model = RiskModel.fit(FRAME.with_columns(spoken.alias("ключ 鍵")), LABEL, seed=7)
    model.save(tmp_path / "model.json")
    assert RiskModel.load(tmp_path / "model.json").features[-1] == "ключ 鍵"
    frame = FRAME.with_columns(spoken.alias("ключ 鍵"))
    assert RiskModel.load(tmp_path / "model.json").predict(frame, strict=True).tolist() == model.predict(frame).tolist()


def test_an_old_model_stands_until_the_new_one_is_whole(model: RiskModel, path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(StorageError, match="cannot write"):
        model.save(tmp_path / "no such folder" / "model.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        model.save(tmp_path / "folder.json")
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder.json", "model.json", "model.json.shap"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"there is no model model\.json"):
        RiskModel.load(tmp_path / "model.json")


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a folder"):
        RiskModel.load(tmp_path)


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "is empty"),
    "blank": (lambda _: b" \n", "is empty"),
    "half": (lambda content: content[: len(content) // 2], "no whole JSON file"),
    "without its end": (lambda content: content[:-3], "no whole JSON file"),
    "without its last line break": (lambda content: content[:-1], "its seal does not fit"),
    "one digit": (lambda content: content.replace(b'"seed": 7', b'"seed": 8'), "its seal does not fit"),
    "another spelling": (lambda content: content.replace(b'"seed": 7', b'"seed":  7'), "its seal does not fit"),
    "said twice": (lambda content: content.replace(b'"seed": 7', b'"seed": 6, "seed": 7'), "its seal does not fit"),
    "binary": (lambda content: b"\xff\xfe" + content, "no whole JSON file"),
    "deep": (lambda _: b"[" * 100_000, "no whole JSON file"),
    "not a number": (lambda _: b'{"format": NaN}', "no whole JSON file"),
    "a list": (lambda _: b"[1, 2]", "is JSON, but no model"),
    "another object": (lambda _: b'{"format": "policy"}', "is JSON, but no model"),
    "a later format": (
        lambda content: content.replace(b'"format_version": 1', b'"format_version": 2'),
        "has another format than 1",
    ),
    "pickle": (lambda _: pickle.dumps({"model": 1}), "can run code, and is refused"),
    "old pickle": (lambda _: pickle.dumps({"model": 1}, protocol=0), "no whole JSON file"),
    "zip": (lambda _: b"PK\x03\x04 and so on", "can run code, and is refused"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_anything_but_a_whole_model_is_refused(path: Path, damage: str) -> None:
    harm, said = DAMAGES[damage]
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(ModelError, match=said) as refused:
        RiskModel.load(path)
    assert refused.value.hint


@pytest.mark.parametrize("name", ["model.pkl", "model.pickle", "MODEL.JOBLIB"])
def test_a_file_named_as_a_pickle_is_refused_whatever_is_in_it(path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="can run code, and is refused"):
        RiskModel.load(path.rename(path.with_name(name)))


def test_every_byte_counts(path: Path) -> None:
    content = path.read_bytes()
    for place in range(0, len(content), len(content) // 97):
        harmed = bytearray(content)
        harmed[place] ^= 1
        path.write_bytes(harmed)
        with pytest.raises(ModelError):
            RiskModel.load(path)


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "no features": lambda said: said.update(features=[]),
    "features missing": lambda said: said.pop("features"),
    "about missing": lambda said: said.pop("about"),
    "one feature fewer": lambda said: said["features"].pop(),
    "no part": lambda said: said.update(trees=None, linear=None),
    "short coefficients": lambda said: said["linear"]["coefficient"].pop(),
    "text for numbers": lambda said: said["linear"].update(mean=["x"] * 10),
    "an unknown key": lambda said: said["linear"].update(code="print()"),
    "a column that is not there": lambda said: _swap(said, "split_feature=", "split_feature=99 "),
    "a tree that goes round": lambda said: _swap(said, "left_child=", "left_child=0 "),
    "a leaf fewer": lambda said: _swap(said, "leaf_value=", "leaf_value=0.5\nx="),
    "a child that is not there": lambda said: _swap(said, "right_child=", "right_child=77 "),
    "thresholds fewer": lambda said: _swap(said, "threshold=", "threshold=0.5\nx="),
    "leaves miscounted": lambda said: _swap(said, "num_leaves=", "num_leaves=7"),
    "rows of a leaf fewer": lambda said: _swap(said, "leaf_count=", "leaf_count="),
    "rows of a leaf that do not add up": lambda said: _swap(said, "leaf_count=", "leaf_count=1 "),
    "rows of a split fewer": lambda said: _swap(said, "internal_count=", "internal_count="),
    "a split without rows": lambda said: _swap(said, "internal_count=", "internal_count=0 "),
    "a leaf that is no number": lambda said: _swap(said, "leaf_value=", "leaf_value=nan "),
    "an infinite leaf": lambda said: _swap(said, "leaf_value=", "leaf_value=-inf "),
    "a leaf beyond 64 bits": lambda said: _swap(said, "leaf_count=", f"leaf_count={'9' * 30} "),
    "a threshold that is no number": lambda said: _swap(said, "threshold=", "threshold=nan "),
    "a number that Python alone reads": lambda said: _swap(said, "leaf_value=", "leaf_value=0_1 "),
    "a missing value of no known kind": lambda said: _swap(said, "decision_type=", "decision_type=14 "),
    "linear leaves": lambda said: _swap(said, "is_linear=", "is_linear=1"),
    "more in a tree": lambda said: _swap(said, "is_linear=", "is_linear=0\nmore=1"),
    "said twice": lambda said: _swap(said, "shrinkage=", "shrinkage=1\nshrinkage=1"),
    "trees in another order": lambda said: _swap(said, "Tree=0", "Tree=1"),
    "averaged trees": lambda said: _swap(said, "tree_sizes=", "average_output\ntree_sizes="),
    "another objective": lambda said: _swap(said, "objective=", "objective=regression\nx="),
    "another version": lambda said: _swap(said, "version=", "version=v3"),
    "two classes": lambda said: _swap(said, "num_class=", "num_class=2"),
    "columns miscounted": lambda said: _swap(said, "max_feature_idx=", "max_feature_idx=8"),
    "a range more": lambda said: _swap(said, "feature_infos=", "feature_infos=none none "),
    "a direction more": lambda said: _swap(said, "monotone_constraints=", "monotone_constraints=0 0 "),
    "a direction of 2": lambda said: _swap(said, "monotone_constraints=", "monotone_constraints=2 "),
    "sizes of other trees": lambda said: said["trees"]["text"].__setitem__(10, "tree_sizes=1 2 3"),
    "no trees": lambda said: said["trees"].update(text=["tree", "end of trees"]),
    "two features of one name": lambda said: said["features"][0].update(name="average"),
    "a feature that is a column of the answer": lambda said: said["features"][0].update(name="margin"),
    "a name that is no text": lambda said: said["features"][0].update(name=7),
    "a value in two columns": lambda said: said["features"][3].update(columns=[["high"], ["low"], ["high"]]),
    "a number with values": lambda said: said["features"][0].update(baseline=["x"]),
    "values that are no texts": lambda said: said["features"][3].update(columns=[[1], [2], [3]]),
    "more than all from the trees": lambda said: said.update(trees_share=1.5),
    "less than nothing from the trees": lambda said: said.update(trees_share=-0.5),
    "one typical value more": lambda said: said["trees"]["typical"].append(None),
    "a coefficient that overflows": lambda said: said["linear"]["coefficient"].__setitem__(0, 1e308),
    "categories": lambda said: _swap(said, "decision_type=", "decision_type=1 "),
    "a calibrator that falls": lambda said: said["calibrator"].update(slopes=[-1.0]),
    "slopes without knots": lambda said: said["calibrator"].update(slopes=[1.0, 1.0]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_seal_over_nonsense_helps_nothing(model: RiskModel, tmp_path: Path, wrong: str) -> None:
    said = json.loads(_bytes_of(model, tmp_path))
    WRONG[wrong](said)
    write_sealed(tmp_path / "wrong.json", said)
    with pytest.raises(ModelError) as refused:
        RiskModel.load(tmp_path / "wrong.json")
    assert refused.value.hint


def _bytes_of(model: RiskModel, folder: Path) -> bytes:
    model.save(folder / "whole.json")
    return (folder / "whole.json").read_bytes()


def _swap(said: dict[str, Any], begin: str, other: str) -> None:
    """Give every line that begins so another beginning, in place of its first number."""
    lines: list[str] = said["trees"]["text"]
    said["trees"]["text"] = [
        part
        for line in lines
        for part in ((other + line.partition(" ")[2]).split("\n") if line.startswith(begin) else [line])
    ]
    fit_sizes(said["trees"]["text"])


def test_no_edit_of_a_model_ends_the_process(path: Path, tmp_path: Path) -> None:
    """It is refused, or it answers with risks whose contributions add up. In a process of its own: an end of the
    process is a failure and not the end of the tests."""
    edits, seed = 300, 5
    files = [str(path), str(tmp_path / "changed.json")]
    line = [sys.executable, "-W", "error::RuntimeWarning", "-m", "tests.lib.model_edits", *files, str(edits), str(seed)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert 0.6 * edits <= int(done.stdout) < edits
