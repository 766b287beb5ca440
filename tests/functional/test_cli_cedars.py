"""From CEDARS files to a scored night, by the command line: a made-up district as two vendors would export it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from cis_ews import read_school_data
from cis_ews.schema.school_data import TABLES
from tests.lib.cedars import COMMA, TAB, cedars_of, write_cedars
from tests.lib.command import Done, command
from tests.lib.dirt import zip_of

AS_OF = "2026-02-27"
CHOICES = 'config_version = 1\nreader = "cedars"\npartial_day = 0.4\n'
SAME = ["student_id", "school_id", "grade_level", "days_enrolled_ytd", "full_days_absent_ytd", "suspensions_ytd"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`plain`; `tab`, its CEDARS files with the real calendar beside; `comma.zip`, without it; `cedars.toml`."""
    folder = tmp_path_factory.mktemp("cedars")
    assert command("synthesize", folder / "plain", "--students", 120, "--years", 2, "--seed", 3).code == 0
    data = read_school_data(folder / "plain")
    tables = {table: data.table(table) for table in TABLES}
    beside = {table: tables[table] for table in ("calendar_days", "reporting")}
    write_cedars(folder / "tab", cedars_of(tables), vendor=TAB, beside=beside)
    comma = write_cedars(folder / "comma", cedars_of(tables), vendor=COMMA)
    zip_of(folder / "comma.zip", {path.name: path.read_bytes() for path in comma.iterdir()})
    (folder / "cedars.toml").write_text(CHOICES, encoding="utf-8")
    return folder


def score(folder: Path, source: str, out: str, **options: str | Path) -> Done:
    given = [part for name, value in options.items() for part in (f"--{name}", value)]
    return command(
        "score", folder / source, "--as-of", AS_OF, "--out", folder / out, "--model", "rules", "--json", *given
    )


def run_of(folder: Path, out: str) -> Path:
    (run,) = (folder / out / "runs" / AS_OF).iterdir()
    return run


def test_check_fits_a_terminal_and_says_what_cedars_cannot(folder: Path) -> None:
    done = command("check", folder / "tab", "--format", "cedars", "--as-of", AS_OF)
    assert done.code == 0
    assert "office referrals and other minor" in done.out
    assert max(len(line.rstrip()) for line in done.out.splitlines()) <= 80


def test_a_scored_night_counts_the_days_that_the_plain_folder_counts(folder: Path) -> None:
    assert score(folder, "plain", "of_plain").code == 0
    assert score(folder, "tab", "of_tab", format="cedars").code == 0
    one, two = (pl.read_parquet(run_of(folder, out) / "indicators.parquet") for out in ("of_plain", "of_tab"))
    assert one.height > 80
    assert one.select(SAME).equals(two.select(SAME))
    flags = command("flags", "--run", folder / "of_tab")
    assert (flags.code, "Tier 3" in flags.out) == (0, True)


def test_a_night_with_choices_is_found_again_and_replayed_to_the_same_bytes(folder: Path) -> None:
    first, again = (score(folder, "comma.zip", "chosen", format=folder / "cedars.toml") for _ in range(2))
    assert (first.code, again.code) == (0, 0)
    run = run_of(folder, "chosen")
    (folder / "cedars.toml").write_text(CHOICES.replace("0.4", "0.3"), encoding="utf-8")
    replayed = command("replay", run)
    assert (replayed.code, "the same bytes" in replayed.out) == (0, True)
    assert score(folder, "comma.zip", "chosen", format=folder / "cedars.toml").code == 0
    assert len(list((folder / "chosen" / "runs" / AS_OF).iterdir())) == 2
