"""From several systems of one district to a scored night, by the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from cis_ews import read_school_data
from cis_ews.schema.school_data import TABLES
from tests.lib.combined import CEDARS_BY_SSID, config, write_combined
from tests.lib.command import Done, command
from tests.lib.toml import write_toml

AS_OF = "2026-02-27"
SAME = [
    *("student_id", "school_id", "grade_level", "days_enrolled_ytd", "full_days_absent_ytd", "full_days_unexcused_ytd"),
    *("incidents_minor_ytd", "suspensions_ytd", "course_failures_ytd", "percent_average_ytd", "gpa_ytd", "credits_gap"),
]


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`plain`, and the five systems of `tests.lib.combined` beside it, with `all.toml`."""
    folder = tmp_path_factory.mktemp("combine")
    assert command("synthesize", folder / "plain", "--students", 150, "--years", 1, "--seed", 5).code == 0
    data = read_school_data(folder / "plain")
    write_combined(folder, {table: data.table(table) for table in TABLES})
    return folder


@pytest.fixture
def folder(district: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(district, tmp_path / "district"))


def score(folder: Path, source: str, out: str, *options: str) -> Done:
    return command(
        "score", folder / source, "--as-of", AS_OF, "--out", folder / out, "--model", "rules", "--json", *options
    )


def run_of(folder: Path, out: str) -> Path:
    (run,) = (folder / out / "runs" / AS_OF).iterdir()
    return run


def test_check_fits_a_terminal_and_says_who_supplies_what_and_where_they_differ(folder: Path) -> None:
    done = command("check", folder / "all.toml", "--format", "combine", "--as-of", AS_OF)
    assert done.code == 0, done.err
    said = " ".join(done.out.split())
    assert "state supplies attendance_events" in said
    assert "are both in sis and in conduct; they agree" in said
    assert max(len(line.rstrip()) for line in done.out.splitlines()) <= 80


def test_a_scored_night_is_that_of_the_plain_folder_where_the_formats_carry_it(folder: Path) -> None:
    assert score(folder, "plain", "of_plain").code == 0
    done = score(folder, "all.toml", "of_all", "--format", "combine")
    assert done.code == 0, done.err
    one, two = (pl.read_parquet(run_of(folder, out) / "indicators.parquet") for out in ("of_plain", "of_all"))
    assert one.height > 100
    assert one.select(SAME).equals(two.select(SAME))
    flags = command("flags", "--run", folder / "of_all")
    assert (flags.code, "Tier 3" in flags.out) == (0, True)


def test_a_night_done_again_is_found_and_replayed_and_what_changed_is_named(folder: Path) -> None:
    first, again = (score(folder, "all.toml", "store", "--format", "combine") for _ in range(2))
    assert (first.code, again.code) == (0, 0)
    run = run_of(folder, "store")
    replayed = command("replay", run)
    assert (replayed.code, "the same bytes" in replayed.out) == (0, True), replayed.err
    for changed in ("marks.toml", "state/B.txt"):
        (folder / changed).write_bytes((folder / changed).read_bytes() + b"\r\n")
    shutil.rmtree(folder / "office")
    refused = command("replay", run)
    assert refused.code == 3
    for name in ("config/marks.toml", "config/state/B.txt", "state/B.txt", "office/reporting.csv"):
        assert name in refused.err


def test_a_district_that_was_moved_is_replayed_from_where_it_lies_now(folder: Path, tmp_path: Path) -> None:
    assert score(folder, "all.toml", "store", "--format", "combine").code == 0
    shutil.move(folder / "store", tmp_path / "store")
    shutil.move(folder, tmp_path / "elsewhere")
    (run,) = (tmp_path / "store/runs" / AS_OF).iterdir()
    moved = command("replay", run, "--source", tmp_path / "elsewhere/all.toml")
    assert (moved.code, "the same bytes" in moved.out) == (0, True), moved.err


def test_another_setting_of_a_source_is_another_night(folder: Path) -> None:
    assert score(folder, "all.toml", "store", "--format", "combine").code == 0
    write_toml(folder / "cedars.toml", {**CEDARS_BY_SSID, "partial_day": 0.4})
    assert score(folder, "all.toml", "store", "--format", "combine").code == 0
    assert len(list((folder / "store/runs" / AS_OF).iterdir())) == 2


def test_no_state_is_kept_of_a_combination(folder: Path) -> None:
    done = score(folder, "all.toml", "store", "--format", "combine", "--keep-state")
    assert done.code == 2
    assert "a state is kept of the plain format alone" in done.err


def test_a_mistake_ends_with_the_exit_code_of_a_mistake(folder: Path) -> None:
    write_toml(folder / "all.toml", config(sis={"format": "onroster"}))
    done = command("check", folder / "all.toml", "--format", "combine")
    assert (done.code, "sis: there is no format of the name" in done.err) == (2, True)
