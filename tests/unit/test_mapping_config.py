"""The mapping TOML: a mistake is an error that names its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cis_ews.errors import ConfigError
from cis_ews.readers import read_school_data
from cis_ews.readers.mapping_config import load_mapping
from tests.lib.toml import write_toml

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "configs/readers").glob("contoso*.toml"))


def minimal() -> dict[str, Any]:
    """A mapping of attendance alone, everything else derived."""
    return {
        "config_version": 1,
        "name": "test",
        "derive": {
            "tables": ["schools", "students", "enrollments", "calendar_days", "reporting"],
            "district_id": "d1",
        },
        "tables": {
            "attendance_events": {
                "files": ["att*.csv"],
                "columns": {
                    "student_id": "Pupil",
                    "school_id": "School",
                    "date": "Day",
                    "status": "Code",
                    "fraction_absent": "Code",
                },
                "codes": {"status": {"P": "present", "A": "unexcused"}, "fraction_absent": {"P": 0, "A": 1}},
            }
        },
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    """The minimal mapping with one key set (or removed, where the value is None)."""
    mapping = minimal()
    *parents, last = path.split("/")
    place = mapping
    for part in parents:
        place = place.setdefault(part, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    return mapping


EVENTS = "tables/attendance_events"
MISTAKES = [
    ("config_version", 2, "config_version"),
    ("config_version", None, "config_version"),
    ("nmae", "x", r"\.toml: nmae: there is no such key; did you mean name?"),
    (f"{EVENTS}/colums", {}, "tables.attendance_events.colums"),
    (f"{EVENTS}/files", [], "tables.attendance_events.files"),
    (f"{EVENTS}/files", ["../att.csv"], "files are named below the folder of the source"),
    (f"{EVENTS}/files", ["/etc/passwd"], "files are named below the folder of the source"),
    (f"{EVENTS}/delimiter", ";;", "tables.attendance_events.delimiter"),
    (f"{EVENTS}/merge", "week", "tables.attendance_events.merge"),
    (f"{EVENTS}/encoding", "klingon", "klingon is no encoding"),
    (f"{EVENTS}/date_formats", ["%Y-%Q"], "%Y-%Q is no date format"),
    (f"{EVENTS}/columns/student", "Pupil", "columns.student is no column of the contract"),
    (f"{EVENTS}/columns/student_id", None, "columns.student_id is missing, and no constant"),
    (f"{EVENTS}/constants/student_id", "7", "constants.student_id is among the columns already"),
    (f"{EVENTS}/codes/statuss", {"P": "present"}, "codes.statuss is no column of the contract"),
    (f"{EVENTS}/codes/status", {"P": "here"}, r"codes.status: 1 value not in the vocabulary \(excused"),
    (f"{EVENTS}/defaults/status", "here", "defaults.status: 1 value not in the vocabulary"),
    (f"{EVENTS}/factors/date", 0.5, "factors.date is no number"),
    (f"{EVENTS}/school_year_from", "date", "school_year_from is for tables with a school_year"),
    (f"{EVENTS}/school_from_enrollments", True, "school_from_enrollments, and columns.school_id"),
    ("tables/pupils", {"files": ["x"], "columns": {}}, "pupils is no table of the contract"),
    ("tables/students", {"files": ["x"], "columns": {"student_id": "id"}}, "derive.tables: students is mapped already"),
    ("tables/course_grades", {"files": ["x"], "columns": {"student_id": "id"}}, "columns.is_core is missing"),
    ("derive/tables", ["schools", "students", "enrollments"], "tables.calendar_days is missing, and not derived"),
    ("derive/tables", ["course_grades"], "derive.tables.0"),
    ("derive/district_id", None, "derived schools need a district_id"),
    ("derive", None, "tables.schools is missing, and not derived"),
    ("tables", {}, "tables are derived from attendance_events, which is not mapped"),
    ("tolerance/attendance_events", 1.5, "tolerance.attendance_events"),
    ("tolerance/attendence", 0.5, "attendence is no table of the contract"),
    ("partial/context", "because", "partial.context"),
    ("school_year_starts", "7/1", "school_year_starts"),
]


@pytest.mark.parametrize(("path", "value", "named"), MISTAKES, ids=lambda value: str(value)[:50])
def test_a_mistake_is_named(tmp_path: Path, path: str, value: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load_mapping(write_toml(tmp_path / "m.toml", changed(path, value)))


def test_the_minimal_mapping_is_one(tmp_path: Path) -> None:
    mapping = load_mapping(write_toml(tmp_path / "m.toml", minimal()))
    assert mapping.tables["attendance_events"].date_formats == ("%Y-%m-%d",)
    assert mapping.school_year_starts == "07-01"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_mappings_load(path: Path) -> None:
    assert load_mapping(path).name == path.stem


def test_a_mapping_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        read_school_data(tmp_path, format=str(tmp_path / "nowhere.toml"))


def test_a_mapping_that_is_no_toml(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text("name = [", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"m\.toml: this is no TOML"):
        read_school_data(tmp_path, format=str(tmp_path / "m.toml"))


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    mapping = minimal()
    mapping["nmae"] = "x"
    mapping["tables"]["attendance_events"]["colums"] = {}
    with pytest.raises(ConfigError, match=r"colums: there is no such key.*nmae: there is") as caught:
        load_mapping(write_toml(tmp_path / "m.toml", mapping))
    assert caught.value.details["keys"] == ["tables.attendance_events.colums", "nmae"]
