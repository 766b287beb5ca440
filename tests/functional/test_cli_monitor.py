"""The verb `monitor`, over real nights of a store."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from cis_ews.storage.compaction import compact_run
from cis_ews.storage.store import RunStore
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
    assert "5 school days are not reported tonight; usually no more than 0 are not" in " ".join(done.out.split())
    assert "ask the school when it last entered attendance" in " ".join(done.out.split())
    assert "s0" not in done.out + done.err
    told = command("monitor", "--store", tmp_path / "store", "--json")
    assert told.code == 6
    found = [event for event in told.events if event["event"] == "finding"]
    assert ("EWS001", "north") in {(each["code"], each["school_id"]) for each in found}
    assert told.event("monitored")["compared_with"] == "2026-02-06"


def test_a_damaged_earlier_run_is_passed_over_and_named(store: Path, tmp_path: Path) -> None:
    store = shutil.copytree(store, tmp_path / "store")
    torn, unreadable = (next((store / "runs" / day).iterdir()) for day in (NIGHTS[0], NIGHTS[4]))
    (torn / "manifest.json").write_text("{", encoding="utf-8")
    (unreadable / "indicators.parquet").write_bytes(b"PAR1")
    done = command("monitor", "--store", store)
    assert done.code == 0, done.err
    assert "2026-02-06 beside the night of 2026-01-23: 0 findings." in done.out
    told = " ".join(done.out.split())
    for folder in (torn, unreadable):
        assert f"Passed over, since it is damaged: {folder} > What to do: restore it from a copy" in told


def test_compacted_runs_are_named_with_how_to_bring_them_back(store: Path, tmp_path: Path) -> None:
    store = shutil.copytree(store, tmp_path / "a store")
    for run in RunStore(store).runs()[:4]:
        compact_run(RunStore(store), run)
    done = command("monitor", "--store", store)
    told = " ".join(done.out.split())
    assert "Too early to tell: 0 earlier comparisons" in told
    assert "Passed over: 4 earlier runs that retention compacted" in told
    newest = next((store / "runs" / NIGHTS[3]).iterdir())
    assert f"cis-ews \\ replay \\ '{newest}' \\ --restore" in told
    assert [line for line in done.out.splitlines() if len(line) > 80 and str(store) not in line] == []
    refused = command("monitor", "--store", store, "--as-of", NIGHTS[3])
    assert refused.code == 5
    assert f"the night of {NIGHTS[3]} cannot be held beside others" in refused.err
    assert "bring its indicators back with cis-ews replay '" in refused.err


def test_each_district_of_a_store_is_held_beside_its_own_nights(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store, tmp_path / "store")
    other = small_district(prefix="t")
    moved = {
        name: table.with_columns(pl.col("school_id").replace({"north": "east", "south": "west"}))
        for name, table in other.items()
        if "school_id" in table.columns
    }
    for day in NIGHTS[-2:]:
        through = moved["reporting"].with_columns(reported_through=pl.lit(day).str.to_date())
        write_extract(tmp_path / f"other-{day}", other | moved | {"reporting": through})
        assert command("score", tmp_path / f"other-{day}", "--as-of", day, "--out", tmp_path / "store").code == 0
    done = command("monitor", "--store", tmp_path / "store", "--json")
    assert done.code == 0
    found = [event for event in done.events if event["event"] == "monitored"]
    assert [(each["schools"], each["compared_with"], each["findings"]) for each in found] == [(2, NIGHTS[4], 0)] * 2
    assert [each["earlier"] for each in found] == [0, 4]
    assert "2 schools: east, west" in command("monitor", "--store", tmp_path / "store").out


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    assert command("monitor", "--store", tmp_path / "nothing").code == 5
