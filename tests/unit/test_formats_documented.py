"""docs/formats.md names every table, column, code, rule and mapping key; its example is a mapping that loads."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from cis_ews.readers.base import RAGGED
from cis_ews.readers.codes import MAX_DISTINCT, MIN_STUDENTS
from cis_ews.readers.limits import MEBIBYTE, ReadLimits
from cis_ews.readers.mapping_config import Derivation, SourceMapping, TableMapping, load_mapping
from cis_ews.schema import parsing
from cis_ews.schema.links import LINK_RULES
from cis_ews.schema.school_data import TABLES
from cis_ews.schema.validation import DEFAULT_TOLERANCE
from tests.lib.dirt import clean_frames

PAGE = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The part of the page below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found, f"no section {title}"
    return found[1]


def first_cells(text: str) -> list[str]:
    """The words in backticks of the first column of every table row."""
    cells = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_a_table_is_documented_in_order(table: str) -> None:
    assert first_cells(section(table)) == list(TABLES[table].columns())


@pytest.mark.parametrize("table", TABLES)
def test_optional_columns_keys_and_codes_are_documented(table: str) -> None:
    lines = {line.split("`")[1]: line for line in section(table).splitlines() if line.startswith("| `")}
    for name, column in TABLES[table].columns().items():
        kind = lines[name].split(" | ")[1]
        assert ("optional" in kind) == column.nullable, name
        assert ("key" in kind) == bool(column.primary_key), name
        if isinstance(column.dtype, pl.Enum):
            assert [f"`{code}`" in lines[name] for code in column.dtype.categories] == [True] * len(
                column.dtype.categories
            )


def rules() -> set[str]:
    """Every rule that a rejection can name."""
    of_cells = {"missing", "unreadable_date", "unreadable_number", "unreadable_boolean", "unknown_code"}
    of_schemas = {
        name for schema in TABLES.values() for name in schema._validation_rules(with_cast=False) if "|" not in name
    }
    of_links = {rule.rule for rule in LINK_RULES}
    return {*of_cells, "out_of_range", "too_long", "null_character", "duplicate_row", RAGGED} | of_schemas | of_links


def test_every_rule_is_documented() -> None:
    assert set(first_cells(section("Rows that are rejected"))) == rules()


@pytest.mark.parametrize(
    ("title", "model"),
    [("Keys of a mapping", SourceMapping), ("Keys of a table", TableMapping), ("Keys of derive", Derivation)],
)
def test_every_mapping_key_is_documented(title: str, model: type[SourceMapping | TableMapping | Derivation]) -> None:
    assert set(first_cells(section(title))) == set(model.model_fields)


def test_the_example_is_a_mapping_that_loads_and_uses_every_key(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert example
    (tmp_path / "example.toml").write_text(example[1], encoding="utf-8")
    mapping = load_mapping(tmp_path / "example.toml")
    assert mapping.model_fields_set == set(SourceMapping.model_fields)
    used = {key for table in mapping.tables.values() for key in table.model_fields_set}
    assert used == set(TableMapping.model_fields)


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    limits = ReadLimits()
    assert f"more than {parsing.MAX_TEXT_LENGTH} characters" in PAGE
    assert f"Up to {DEFAULT_TOLERANCE:.0%} of a table".replace("%", " %") in PAGE
    assert f"at most {limits.max_unpacked_bytes // MEBIBYTE // 1024} GiB" in PAGE
    assert f"after the first {limits.ratio_after_bytes // MEBIBYTE} MiB" in PAGE
    assert f"at most {limits.max_ratio:g} times" in PAGE.replace("\n", " ")
    assert f"at most {MAX_DISTINCT}\nunmapped codes" in PAGE
    assert MIN_STUDENTS == 3
    assert "three students" in PAGE
    assert all(f"`{word}`" in PAGE for word in parsing.BOOLEANS)


def test_the_page_describes_every_table_that_the_clean_extract_has() -> None:
    assert all(f"### {table}\n" in PAGE for table in clean_frames())
