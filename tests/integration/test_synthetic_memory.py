"""Memory does not grow with the number of students: measured in processes of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lib.children import child

MEASURE = """
import json, resource, sys
from pathlib import Path
from cis_ews.synthetic import write_district
students, districts, years, kind = sys.argv[2:]
summary = write_district(
    sys.argv[1], students=int(students), districts=int(districts), years=int(years), format=kind, dirt=False
)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"megabytes": peak / (1024 * 1024 if sys.platform == "darwin" else 1024), "rows": summary.rows}))
"""
SOME_MEGABYTES = 80  # of noise: the allocator keeps what it once had


def measured(out: Path, *, students: int, districts: int, years: int = 1, kind: str = "parquet") -> dict[str, float]:
    """Peak memory of a process that writes a district, and the attendance rows that it wrote."""
    process = child(MEASURE, str(out), str(students), str(districts), str(years), kind)
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    result = json.loads(printed)
    return {"megabytes": result["megabytes"], "rows": result["rows"]["attendance_events"]}


@pytest.mark.parametrize(("kind", "districts"), [("parquet", 1), ("csv", 1), ("parquet", 4)])
def test_five_times_the_students_take_no_more_memory(tmp_path: Path, kind: str, districts: int) -> None:
    few = measured(tmp_path / "few", students=4_000, districts=1, kind=kind)
    many = measured(tmp_path / "many", students=20_000, districts=districts, kind=kind)
    assert many["rows"] > 4 * few["rows"]
    assert many["megabytes"] < few["megabytes"] + SOME_MEGABYTES


@pytest.mark.long
def test_a_tenth_of_the_state_takes_the_memory_of_a_hundredth(tmp_path: Path) -> None:
    few = measured(tmp_path / "few", students=11_000, districts=3, years=3)
    many = measured(tmp_path / "many", students=110_000, districts=30, years=3)
    assert many["rows"] > 9 * few["rows"]
    assert many["megabytes"] < few["megabytes"] + SOME_MEGABYTES
    assert many["megabytes"] < 1000


STATE = """
import json, resource, sys
from cis_ews.synthetic import write_state
summary = write_state(sys.argv[1], students=int(sys.argv[2]), attendance="positive")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"megabytes": peak / (1024 * 1024 if sys.platform == "darwin" else 1024), "rows": summary.rows}))
"""


@pytest.mark.long
def test_a_tenth_of_the_state_with_every_day_stays_far_below_a_gigabyte(tmp_path: Path) -> None:
    process = child(STATE, str(tmp_path / "out"), "110000")
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    result = json.loads(printed)
    assert result["rows"]["attendance_events"] > 18_000_000
    assert result["megabytes"] < 600
