"""The training file: strictly read, and told apart by its hash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cis_ews.errors import ConfigError
from training.candidates import RECIPES
from training.config import CANDIDATES, DEFAULT, TUNED, TrainingConfig

GOOD = 'config_version = 1\nlabel = "off_track"\nas_of = ["10-15", "02-28"]\ntest_years = 1\nseed = 7\n'


def _load(tmp_path: Path, text: str) -> TrainingConfig:
    (tmp_path / "training.toml").write_text(text, encoding="utf-8")
    return TrainingConfig.load(tmp_path / "training.toml")


def test_the_shipped_file_is_read() -> None:
    config = TrainingConfig.load()
    assert DEFAULT.is_file()
    assert (config.name, config.label, config.test_years) == ("cis-ews", "off_track", 1)


def test_what_the_validation_is_not_told_has_a_default(tmp_path: Path) -> None:
    assert _load(tmp_path, GOOD).validation.as_of == ("day 20", "day 40", "day 60", "term ends", "06-01")
    assert _load(tmp_path, f"{GOOD}[validation]\nshuffles = 300\n").validation.shuffles == 300


def test_the_demo_trains_as_a_district_does_but_for_the_size_of_its_validation_and_search() -> None:
    shipped, demo = TrainingConfig.load(), TrainingConfig.load(DEFAULT.with_name("training_demo.toml"))
    size: Any = {"validation": True, "candidates": {"trials", "rows"}}
    assert demo.model_dump(exclude=size) == shipped.model_dump(exclude=size)


def test_the_candidates_that_can_be_named_are_those_that_are_tried() -> None:
    assert (*RECIPES, TUNED) == CANDIDATES == TrainingConfig.load().candidates.compare


@pytest.mark.parametrize(
    ("line", "changed", "said"),
    [
        ("seed = 7", "sede = 7", "sede: there is no such key; did you mean seed?"),
        ("seed = 7", "", "seed: is missing"),
        ("seed = 7", "seed = -1", "seed: should be greater than or equal to 0"),
        ('label = "off_track"', 'label = "of_track"', "label: there is no such label; there are chronic_absence"),
        ('"02-28"', '"02-30"', "as_of: write month and day"),
        ('"02-28"', '"02-29"', "as_of: write month and day"),
        ('"02-28"', '"2-28"', "as_of: write month and day"),
        ('"02-28"', '"10-15"', "as_of: a day is named twice"),
        ('["10-15", "02-28"]', "[]", "as_of: should not be empty"),
        ("test_years = 1", "test_years = 0", "test_years: should be greater than or equal to 1"),
        ("config_version = 1", "config_version = 2", "config_version: should be less than or equal to 1"),
        ("seed = 7", 'seed = 7\nname = "a b"', "name: "),
        ("seed = 7", "seed = ", "is not TOML"),
        ('"02-28"', '"day 0"', "as_of: write month and day"),
        ("seed = 7", "seed = 7\n[validation]\nshuffles = 99", "shuffles: should be greater than or equal to 100"),
        ("seed = 7", "seed = 7\n[validation]\nshufles = 199", "shufles: there is no such key; did you mean shuffles?"),
        ("seed = 7", 'seed = 7\n[validation]\nas_of = ["june"]', "as_of: write month and day"),
        ("seed = 7", 'seed = 7\n[candidates]\ncompare = ["forest"]', "compare: there is no such candidate; there are"),
        ("seed = 7", 'seed = 7\n[candidates]\ncompare = ["trees", "trees"]', "compare: a candidate is named twice"),
        ("seed = 7", "seed = 7\n[candidates]\ntrial = 3", "trial: there is no such key; did you mean trials?"),
    ],
)
def test_a_mistake_is_an_error_that_names_the_key(tmp_path: Path, line: str, changed: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, GOOD.replace(line, changed))
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        TrainingConfig.load(tmp_path / "none.toml")


def test_the_hash_tells_configurations_apart(tmp_path: Path) -> None:
    same = _load(tmp_path, f"# a comment\n{GOOD}").hash
    assert _load(tmp_path, GOOD).hash == same
    assert _load(tmp_path, GOOD.replace("seed = 7", "seed = 8")).hash != same
