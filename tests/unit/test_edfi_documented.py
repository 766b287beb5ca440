"""docs/edfi.md names every key, crosswalk and interchange of the reader, and its example loads."""

from __future__ import annotations

import re
from pathlib import Path

from cis_ews.readers.edfi_config import SHIPPED, Crosswalks, EdFiConfig, load_edfi
from cis_ews.readers.edfi_records import INTERCHANGES, RECORDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/edfi.md").read_text(encoding="utf-8")


def test_every_key_is_documented_and_the_example_uses_it(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert example
    (tmp_path / "example.toml").write_text(example[1], encoding="utf-8")
    config = load_edfi(tmp_path / "example.toml")
    assert config.model_fields_set == set(EdFiConfig.model_fields)
    assert config.schemas == tmp_path / "Schemas/Bulk"
    assert all(f"| `{key}` |" in PAGE for key in [*EdFiConfig.model_fields, *Crosswalks.model_fields])


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
