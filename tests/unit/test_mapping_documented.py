"""docs/mapping.md says what the code does: the sample's size, the words of confidence; its example is of a mapping."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from cis_ews.readers.base import TEXT_SUFFIXES
from cis_ews.readers.limits import MEBIBYTE
from cis_ews.readers.mapping_config import TableMapping
from cis_ews.readers.survey import files, findings, sample
from cis_ews.readers.survey.hints import LOOK_FOR
from cis_ews.readers.survey.words import lexicon
from cis_ews.schema.school_data import TABLES

PAGE = (Path(__file__).parents[2] / "docs/mapping.md").read_text(encoding="utf-8")


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert sample.HEAD == MEBIBYTE
    assert f"up to {2 * sample.PIECES} pieces of {sample.PIECE // 1024} KiB" in PAGE
    assert f"At most {files.MOST_FILES} files" in PAGE
    assert f"from\n{findings.SURE:.2f} on, likely from {findings.LIKELY:.2f} on" in PAGE
    assert all(f"`{suffix}`" in PAGE for suffix in TEXT_SUFFIXES)


def test_the_example_is_a_table_of_a_mapping() -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert example
    (table,) = tomllib.loads(example[1])["tables"].values()
    table["codes"]["fraction_absent"] = {}
    assert TableMapping.model_validate(table).date_formats == ("%m/%d/%Y",)


def test_the_shipped_words_speak_of_columns_of_the_contract() -> None:
    columns = {table: set(TABLES[table].columns()) for table in TABLES}
    assert set(lexicon().columns) == set(lexicon().files) == set(TABLES)
    general = {"student_id", "school_id", "school_year", "term"}
    assert {
        (table, name) for table, of in lexicon().columns.items() for name in of if name not in columns[table] | general
    } == set()
    assert {(table, name) for table, name in LOOK_FOR if table and name not in columns[table]} == set()


def test_every_column_can_be_found_by_a_name() -> None:
    unnamed = {
        (table, name) for table in TABLES for name in TABLES[table].columns() if not lexicon().columns[table].get(name)
    }
    assert unnamed == set()
