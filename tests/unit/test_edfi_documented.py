"""docs/edfi.md names every key, crosswalk and interchange of the reader, and its example loads."""

from __future__ import annotations

import re
from pathlib import Path

from cis_ews.readers.edfi_api_config import KEY_VARIABLE, SECRET_VARIABLE, ApiConfig
from cis_ews.readers.edfi_config import SHIPPED, Crosswalks, EdFiConfig, load_edfi
from cis_ews.readers.edfi_records import INTERCHANGES, RECORDS
from cis_ews.readers.edfi_resources import RESOURCES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/edfi.md").read_text(encoding="utf-8")


def test_every_key_is_documented_and_the_example_uses_it(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert example
    (tmp_path / "example.toml").write_text(example[1], encoding="utf-8")
    config = load_edfi(tmp_path / "example.toml")
    assert config.model_fields_set | {"api"} == set(EdFiConfig.model_fields)
    assert config.schemas == tmp_path / "Schemas/Bulk"
    keys = [*EdFiConfig.model_fields, *Crosswalks.model_fields, *ApiConfig.model_fields]
    assert [key for key in keys if f"| `{key}` |" not in PAGE] == []


def test_every_key_of_the_api_is_documented_with_its_default(tmp_path: Path) -> None:
    example = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)[1]
    (tmp_path / "example.toml").write_text(example, encoding="utf-8")
    api = load_edfi(tmp_path / "example.toml").api
    assert api is not None
    assert api.model_fields_set == set(ApiConfig.model_fields)
    lines = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `")}
    plain = ("page_size", "connections", "attempts", "timeout_seconds", "longest_wait_seconds")
    assert [lines[key].rstrip(" |").rpartition(" ")[2] for key in plain] == [
        f"{ApiConfig.model_fields[key].default:g}" for key in plain
    ]


def test_every_resource_its_claim_and_the_variables_are_documented() -> None:
    section = PAGE.partition("## From an API")[2].partition("### 2.")[0]
    assert [each.name for each in RESOURCES.values() if f"`{each.name}`" not in section] == []
    claims = {each.claim for each in RESOURCES.values()}
    assert [claim for claim in claims if not re.search(rf"\b{claim}\b", section)] == []
    assert f"`{KEY_VARIABLE}` and `{SECRET_VARIABLE}`" in PAGE


def test_every_kind_of_descriptor_has_a_shipped_crosswalk() -> None:
    assert set(SHIPPED) == set(Crosswalks.model_fields)


def test_the_shipped_choices_are_the_defaults() -> None:
    assert load_edfi(ROOT / "configs/readers/edfi.toml") == EdFiConfig()


def test_every_interchange_and_record_that_makes_a_table_is_documented() -> None:
    assert [name for name in INTERCHANGES if name.removeprefix("Interchange") not in PAGE] == []
    silent = {name for name in RECORDS if name not in PAGE}
    # Programs are told in words; the two associations say only who is left out.
    assert {name for name in silent if not name.endswith("ProgramAssociation")} <= {
        "StudentDisciplineIncidentNonOffenderAssociation",
        "StudentInterventionAssociation",
    }
