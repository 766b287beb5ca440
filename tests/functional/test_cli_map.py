"""The verb that drafts a first mapping: `cis-ews map`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import polars as pl
import pytest

from tests.lib.command import command
from tests.lib.dirt import zip_of
from tests.lib.extracts import small_district, write_extract
from tests.lib.school_exports import CAMPUS, written


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    return tmp_path / "mapping.toml"


def test_map_then_check_without_an_edit(tmp_path: Path, mapping: Path) -> None:
    files = written(tmp_path / "export", CAMPUS)
    done = command("map", files.folder, "--output", mapping)
    assert (done.code, done.err.count("Error")) == (0, 0)
    assert "attendance_events" in done.out
    assert max(len(line) for line in done.out.splitlines() if str(tmp_path) not in line) <= 80
    assert f"--format {mapping}" in done.out.replace(" \\\n   ", "")
    assert command("check", files.folder, "--format", mapping).code == 0


def test_map_as_json(tmp_path: Path, mapping: Path) -> None:
    files = written(tmp_path / "export", CAMPUS)
    said = command("map", files.folder, "--output", mapping, "--json").event("mapped")
    assert (said["is_whole"], said["questions"], said["path"]) == (True, 0, str(mapping))
    column = said["tables"]["students"]["columns"]["birth_date"]
    assert (column["heading"], column["confidence"] > 0.85) == ("student.birthdate", True)


def test_a_mapping_is_not_replaced_unless_it_is_said(tmp_path: Path, mapping: Path) -> None:
    extract = write_extract(tmp_path / "extract", small_district())
    mapping.write_text("edited", encoding="utf-8")
    refused = command("map", extract, "--output", mapping)
    assert (refused.code, mapping.read_text(encoding="utf-8")) == (2, "edited")
    assert "--force" in refused.err
    assert command("map", extract, "--output", mapping, "--force").code == 0
    assert tomllib.loads(mapping.read_text(encoding="utf-8"))["config_version"] == 1


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "0 files"),
        ({"one.jpg": b"\xff\xd8\xff\xe0", "two.png": b"\x89PNG\r\n"}, "2 files"),
        (dict.fromkeys(("a.xml", "b.xml", "c.xml"), b"<x/>"), "--format edfi"),
        ({"letter.txt": b"Dear families,\nschool begins on Tuesday.\n"}, "1 file"),
        ({"rooms.csv": b"Room,Capacity,Phone\n1,2,3\n4,5,6\n"}, "none of 1 table"),
    ],
)
def test_where_nothing_can_be_mapped_nothing_is_written(
    files: dict[str, bytes], words: str, tmp_path: Path, mapping: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name, content in files.items():
        (source / name).write_bytes(content)
    done = command("map", source, "--output", mapping)
    assert (done.code, mapping.exists()) == (3, False)
    assert words in done.err


@pytest.mark.parametrize("name", ["roster.xlsx", "roster.zip", "roster.ods", "roster.xls"])
def test_a_spreadsheet_as_the_source_is_called_one(name: str, tmp_path: Path, mapping: Path) -> None:
    source = tmp_path / name
    if name.endswith(".xls"):
        source.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 500)
    elif name.endswith(".ods"):
        zip_of(source, {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"})
    else:
        sheets = {"xl/workbook.xml": b"<workbook/>", "xl/worksheets/sheet1.xml": b"<worksheet/>"}
        zip_of(source, {"[Content_Types].xml": b"<Types/>", **sheets})
    for verb in ("map", "check"):
        done = command(verb, source, *(("--output", mapping) if verb == "map" else ()))
        assert (done.code, mapping.exists()) == (3, False)
        assert f"{name}: a spreadsheet, which is not read" in done.err
        assert "save each of its sheets as CSV" in " ".join(done.err.split())


def test_headings_alone_are_mapped_by_name(tmp_path: Path, mapping: Path) -> None:
    extract = write_extract(tmp_path / "extract", {name: table.clear() for name, table in small_district().items()})
    done = command("map", extract, "--output", mapping)
    assert done.code == 0
    text = mapping.read_text(encoding="utf-8")
    assert "by name; no values to look at" in text
    assert tomllib.loads(text)["tables"]["students"]["columns"]["birth_date"] == "birth_date"


def test_one_file_alone_says_what_is_missing(tmp_path: Path, mapping: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    small_district()["attendance_events"].write_csv(source / "absences.csv")
    done = command("map", source, "--output", mapping)
    assert done.code == 0
    for table in ("schools", "calendar_days", "students", "enrollments"):
        assert f"nothing looks like {table}" in done.out
    assert "cannot be used before" in done.out
    refused = command("check", source, "--format", mapping)
    assert (refused.code, "tables.schools is missing" in refused.err) == (2, True)


def test_what_no_file_tells_of_is_said_with_the_files_that_are_left(tmp_path: Path, mapping: Path) -> None:
    """Absences in dates of three kinds look like nothing: whoever exported them has to hear of it."""
    district = small_district()
    extract = write_extract(tmp_path / "extract", district)
    days = district["attendance_events"]["date"].dt
    kinds = [days.strftime(form) for form in ("%m/%d/%Y", "%d.%m.%Y", "%Y-%m-%d")]
    mixed = [kinds[at % 3][at] for at in range(district["attendance_events"].height)]
    district["attendance_events"].with_columns(pl.Series("date", mixed)).write_csv(extract / "attendance_events.csv")
    done = command("map", extract, "--output", mapping)
    assert (done.code, "nothing looks like attendance_events" in done.out) == (0, True)
    assert "1 file taken for no table: attendance_events.csv" in done.out
    assert "# [tables.attendance_events]" in mapping.read_text(encoding="utf-8")
