"""The verbs about school data: synthesize, indicators."""

from __future__ import annotations

import resource
from collections.abc import Generator
from pathlib import Path

import polars as pl
import pytest

from tests.lib.command import command
from tests.lib.extracts import AS_OF, STUDENTS, small_district, write_extract


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    return write_extract(tmp_path / "extract", small_district())


def test_synthesize_makes_the_same_district_twice(tmp_path: Path) -> None:
    for name in ("one", "two"):
        done = command("synthesize", tmp_path / name, "--students", 120, "--years", 1, "--seed", 3)
        assert (done.code, f"cis-ews check {tmp_path / name}" in done.out) == (0, True)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert [path.name for path in sorted((tmp_path / "two").iterdir())] == files
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in files)


def test_synthesize_as_json(tmp_path: Path) -> None:
    done = command("synthesize", tmp_path / "out", "--students", 120, "--years", 1, "--files", "parquet", "--json")
    assert done.event("synthesized")["students"] == 120
    assert (tmp_path / "out" / "students.parquet").exists()


def test_synthesize_a_state(tmp_path: Path) -> None:
    done = command("synthesize", tmp_path / "out", "--state", "--students", 300, "--attendance", "positive", "--json")
    said = done.event("synthesized")
    assert (said["students"], said["years"], said["districts"]) == (300, 3, 1)
    assert (tmp_path / "out" / "attendance_events" / "part-00001.parquet").exists()


def test_a_state_decides_some_options_itself(tmp_path: Path) -> None:
    done = command("synthesize", tmp_path / "out", "--state", "--students", 300, "--files", "csv", "--summaries")
    assert done.code == 2
    assert "A state decides --files, --summaries itself" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_indicators_writes_one_row_a_student_with_rules(extract: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"indicators.{suffix}"
    done = command("indicators", extract, "--as-of", AS_OF, "--out", out)
    assert done.code == 0
    table = pl.read_csv(out) if suffix == "csv" else pl.read_parquet(out)
    assert table.height == STUDENTS
    first = table.row(0, named=True)
    events = pl.read_csv(extract / "attendance_events.csv", try_parse_dates=True)
    days = pl.read_csv(extract / "calendar_days.csv", try_parse_dates=True)
    by_now = pl.col("date") <= pl.lit(AS_OF).str.to_date()
    missed = events.filter(by_now, pl.col("student_id") == first["student_id"]).height
    enrolled = days.filter(by_now, pl.col("is_instructional"), pl.col("school_id") == first["school_id"])
    begun = enrolled.filter(pl.col("date") >= pl.date(2025, 9, 3)).height
    assert first["absence_rate_ytd"] == pytest.approx(missed / begun)
    assert first["rule_chronic_absence"] == "holds"


def test_indicators_refuses_a_file_of_no_known_kind(extract: Path, tmp_path: Path) -> None:
    done = command("indicators", extract, "--as-of", AS_OF, "--out", tmp_path / "indicators.xlsx")
    assert done.code == 2
    assert ".csv or .parquet" in done.err


def test_indicators_refuses_an_as_of_date_outside_the_calendar(extract: Path, tmp_path: Path) -> None:
    done = command("indicators", extract, "--as-of", "2031-01-01", "--out", tmp_path / "indicators.csv")
    assert done.code == 3
    assert "ended on 2026-06-12" in done.err


@pytest.fixture
def small_disk(extract: Path) -> Generator[Path]:
    """An extract, and from then on no file may grow beyond four kilobytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield extract
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_indicators_that_do_not_fit_leave_the_older_file_as_it_was(
    small_disk: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / "out" / f"indicators.{suffix}"
    out.parent.mkdir()
    out.write_text("older", encoding="utf-8")
    done = command("indicators", small_disk, "--as-of", AS_OF, "--out", out)
    assert (done.code, out.read_text(encoding="utf-8")) == (5, "older")
    assert f"cannot write {out}: the file would be larger than is allowed here" in done.err
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.usefixtures("small_disk")
def test_synthesize_that_does_not_fit_says_why(tmp_path: Path) -> None:
    done = command("synthesize", tmp_path / "out", "--students", 120, "--years", 1)
    assert done.code == 5
    assert "the file would be larger than is allowed here" in done.err
    assert not (tmp_path / "out").exists()


def test_indicators_into_a_folder_that_is_not_there(extract: Path, tmp_path: Path) -> None:
    done = command("indicators", extract, "--as-of", AS_OF, "--out", tmp_path / "none" / "indicators.csv")
    assert (done.code, "it is not there" in done.err) == (5, True)


def test_ids_in_csv_are_no_formulas(tmp_path: Path) -> None:
    extract = write_extract(tmp_path / "extract", small_district(prefix="=1+"))
    assert command("indicators", extract, "--as-of", AS_OF, "--out", tmp_path / "indicators.csv").code == 0
    ids = pl.read_csv(tmp_path / "indicators.csv")["student_id"]
    assert ids.str.starts_with("'=1+").all()
