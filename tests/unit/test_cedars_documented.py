"""docs/cedars.md names every key, column and heading; its example loads; the shipped TOML is the default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cis_ews.errors import ConfigError
from cis_ews.readers import cedars_fields as fields
from cis_ews.readers.cedars_config import CedarsConfig, load_cedars

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/cedars.md").read_text(encoding="utf-8")


def test_every_key_is_documented_and_the_example_uses_it(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert example
    (tmp_path / "example.toml").write_text(example[1], encoding="utf-8")
    assert load_cedars(tmp_path / "example.toml").model_fields_set == set(CedarsConfig.model_fields)
    table = PAGE[PAGE.index("| key | |") : PAGE.index("Codes come on top")]
    assert [key for key in CedarsConfig.model_fields if f"`{key}`" not in table] == []


def test_the_shipped_choices_are_the_defaults() -> None:
    assert load_cedars(ROOT / "configs/readers/cedars.toml") == CedarsConfig()


def test_every_column_is_documented_with_its_field_and_headings() -> None:
    for letter, columns in fields.COLUMNS.items():
        for column in columns:
            needed = " (needed)" if column in fields.REQUIRED[letter] else ""
            number = re.search(r"\((\w\d\d)\)", fields.name_of(letter, column))
            row = (
                f"| {letter} | `{column}`{needed} | {number[1] if number else ''} | {', '.join(fields.NAMES[column])} |"
            )
            assert row in PAGE


def test_codes_of_a_district_come_on_top_of_those_that_are_known(tmp_path: Path) -> None:
    (tmp_path / "cedars.toml").write_text('reader = "cedars"\n[actions]\nxx = "none"\nCE = "none"\n', encoding="utf-8")
    actions = load_cedars(tmp_path / "cedars.toml").actions
    assert (actions["XX"], actions["CE"], actions["EX"]) == ("none", "none", "expulsion")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("partial_day = 0.5", "partial_day"),
        ("partial_day = 0", "partial_day"),
        ('student_id = "name"', "student_id"),
        ("partial_days = 0.2", "there is no such key; did you mean partial_day?"),
        ('[files]\nX = ["x.txt"]', "X is no file of CEDARS"),
        ('[files]\nB = ["../x.txt"]', "below the folder of the source"),
        ('[headings.N]\nkind = ["x"]', "N: kind is none of student"),
        ('[headings.F]\nkind = ["x"]', "F is no file that is read"),
        ('[actions]\nXX = "detention"', "actions.XX"),
    ],
)
def test_a_mistake_names_its_key(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "cedars.toml").write_text(f'reader = "cedars"\n{line}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(told)):
        load_cedars(tmp_path / "cedars.toml")
