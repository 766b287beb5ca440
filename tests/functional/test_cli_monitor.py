"""The verb `monitor`, over real nights of a store."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from tests.lib.builders import reported
from tests.lib.command import command
from tests.lib.extracts import small_district, write_extract

NIGHTS = ["2025-12-12", "2025-12-19", "2026-01-16", "2026-01-23", "2026-01-30", "2026-02-06"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six quiet nights, each reported to its day."""
    folder = tmp_path_factory.mktemp("monitored")
    for day in NIGHTS:
        _score(folder, day, through=day)
    return folder / "store"


def _score(folder: Path, day: str, *, through: str) -> None:
    """A night on which the first school has reported through a day."""
    reporting = pl.DataFrame(
        [reported(through, "north"), reported(day, "south")], schema=small_district()["reporting"].schema
    )
    write_extract(folder / day, small_district() | {"reporting": reporting})
    done = command("score", folder / day, "--as-of", day, "--out", folder / "store")
    assert done.code == 0, done.err


def test_a_quiet_night_ends_with_0(store: Path) -> None:
    done = command("monitor", "--store", store)
    assert done.code == 0, done.out
    assert "2026-02-06 beside the night of 2026-01-30: 0 findings." in done.out


def test_the_first_nights_are_too_early_to_tell(store: Path) -> None:
    done = command("monitor", "--store", store, "--as-of", NIGHTS[1])
    assert done.code == 0
    assert "Too early to tell: 0 earlier comparisons of this school year" in done.out


def test_a_school_that_stopped_reporting_is_named_with_what_to_do_and_no_student(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store, tmp_path / "store")
    _score(tmp_path, "2026-02-13", through="2026-02-06")
    done = command("monitor", "--store", tmp_path / "store")
    assert done.code == 6
    assert "EWS001 error: School days are missing (school north, days_enrolled_ytd)" in done.out
    assert "ask the school when it last entered attendance" in " ".join(done.out.split())
    assert "s0" not in done.out + done.err
    told = command("monitor", "--store", tmp_path / "store", "--json")
    assert told.code == 6
    found = [event for event in told.events if event["event"] == "finding"]
    assert ("EWS001", "north") in {(each["code"], each["school_id"]) for each in found}
    assert told.event("monitored")["compared_with"] == "2026-02-06"


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    assert command("monitor", "--store", tmp_path / "nothing").code == 5
