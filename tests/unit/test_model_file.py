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
from cis_ews.risk.model_file import sealed
from tests.lib.model_frames import learnable

FRAME, LABEL = learnable()


@pytest.fixture(scope="module")
def model() -> RiskModel:
    return RiskModel.fit(FRAME, LABEL, seed=7, about={"label": "off_track", "nested": {"dates": ["2025-02-28"]}})


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
    _write(tmp_path / "one.json", said)
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
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder.json", "model.json"]


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
    "categories": lambda said: _swap(said, "decision_type=", "decision_type=1 "),
    "a calibrator that falls": lambda said: said["calibrator"].update(slopes=[-1.0]),
    "slopes without knots": lambda said: said["calibrator"].update(slopes=[1.0, 1.0]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_seal_over_nonsense_helps_nothing(model: RiskModel, tmp_path: Path, wrong: str) -> None:
    said = json.loads(_bytes_of(model, tmp_path))
    WRONG[wrong](said)
    _write(tmp_path / "wrong.json", said)
    with pytest.raises(ModelError) as refused:
        RiskModel.load(tmp_path / "wrong.json")
    assert refused.value.hint


def _bytes_of(model: RiskModel, folder: Path) -> bytes:
    model.save(folder / "whole.json")
    return (folder / "whole.json").read_bytes()


def _write(path: Path, said: dict[str, Any]) -> None:
    path.write_bytes(sealed({key: value for key, value in said.items() if key != "seal"}))


def _swap(said: dict[str, Any], begin: str, other: str) -> None:
    """Give every line that begins so another beginning, in place of its first number."""
    lines: list[str] = said["trees"]["text"]
    said["trees"]["text"] = [
        part
        for line in lines
        for part in ((other + line.partition(" ")[2]).split("\n") if line.startswith(begin) else [line])
    ]


FUZZ = """
import json, random, sys
from pathlib import Path
from cis_ews.errors import ModelError
from cis_ews.risk.model import RiskModel
from cis_ews.risk.model_file import sealed
from tests.lib.model_frames import learnable

whole, changed = Path(sys.argv[1]), Path(sys.argv[2])
draw, refused = random.Random(5), 0
for _ in range(150):
    said = json.loads(whole.read_bytes())
    lines = said["trees"]["text"]
    at = draw.randrange(len(lines))
    key, equals, numbers = lines[at].partition("=")
    parts = numbers.split(" ")
    place = draw.randrange(len(parts))
    parts[place] = draw.choice(["", "nan", "-1", "9999999", "1e999", "0", parts[place] + " " + parts[place], "x"])
    lines[at] = key + equals + " ".join(parts)
    changed.write_bytes(sealed({name: value for name, value in said.items() if name != "seal"}))
    try:
        model = RiskModel.load(changed)
        model.predict(learnable(20)[0])
        model.contributions(learnable(20)[0])
    except ModelError:
        refused += 1
print(refused)
"""


def test_no_edit_of_the_trees_ends_the_process(model: RiskModel, tmp_path: Path) -> None:
    """Sealed anew by whoever edits it: it is refused, or it answers. A crash would take the service down."""
    _bytes_of(model, tmp_path)
    line = [sys.executable, "-c", FUZZ, tmp_path / "whole.json", tmp_path / "changed.json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert 75 <= int(done.stdout) < 150
