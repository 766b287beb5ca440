"""docs/combine.md names every key of a combination, and its example loads."""

from __future__ import annotations

import re
from pathlib import Path

from cis_ews.readers.combine_config import ID_COLUMNS, CombineConfig, IdSettings, SourceChoice, load_combine
from cis_ews.readers.crosswalk import RULE

PAGE = (Path(__file__).parents[2] / "docs/combine.md").read_text(encoding="utf-8")


def test_every_key_is_documented_and_the_example_uses_it(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert example
    (tmp_path / "example.toml").write_text(example[1], encoding="utf-8")
    config = load_combine(tmp_path / "example.toml")
    assert config.model_fields_set == set(CombineConfig.model_fields)
    state = config.sources["state"]
    assert state.model_fields_set == set(SourceChoice.model_fields)
    assert state.ids["students"].model_fields_set == set(IdSettings.model_fields)
    keys = [
        field.alias or name
        for model in (CombineConfig, SourceChoice, IdSettings)
        for name, field in model.model_fields.items()
    ]
    assert [key for key in keys if f"| `{key}` |" not in PAGE] == []


def test_kinds_of_ids_and_the_rule_are_documented() -> None:
    assert f"(`{'`, `'.join(ID_COLUMNS)}`)" in PAGE
    assert f"`{RULE}`" in PAGE
