"""docs/oneroster.md names every key and rule of the reader, and its example loads; the shipped TOML is the default."""

from __future__ import annotations

import re
from pathlib import Path

from cis_ews.readers import oneroster_grades
from cis_ews.readers.oneroster_config import OneRosterConfig, load_oneroster

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/oneroster.md").read_text(encoding="utf-8")


def test_every_key_is_documented_and_the_example_uses_it(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert example
    (tmp_path / "example.toml").write_text(example[1], encoding="utf-8")
    assert load_oneroster(tmp_path / "example.toml").model_fields_set == set(OneRosterConfig.model_fields)
    assert all(f"| `{key}` |" in PAGE for key in OneRosterConfig.model_fields)


def test_the_shipped_choices_are_the_defaults() -> None:
    assert load_oneroster(ROOT / "configs/readers/oneroster.toml") == OneRosterConfig()


def test_the_rules_of_line_items_and_results_are_documented() -> None:
    source = Path(oneroster_grades.__file__).read_text(encoding="utf-8")
    formats = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
    rules = set(re.findall(r'rule="([a-z_]+)"', source))
    assert {"class_known", "line_item_known"} <= rules
    assert [rule for rule in rules if f"`{rule}`" not in PAGE + formats] == []
