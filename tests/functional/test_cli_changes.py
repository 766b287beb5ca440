"""The verb `changes`, and what `score` says of the night before."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from cis_ews.storage.store import RunStore
from tests.lib.command import command, process
from tests.lib.extracts import AS_OF, small_district, write_extract

BEFORE = "2026-02-20"


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two nights; the second knows nothing of the absences of one student any more."""
    folder = tmp_path_factory.mktemp("nights")
    tables = small_district()
    write_extract(folder / "before", tables)
    events = tables["attendance_events"].filter(pl.col("student_id") != "s00")
    write_extract(folder / "now", tables | {"attendance_events": events})
    for name, day in (("before", BEFORE), ("now", AS_OF)):
        assert command("score", folder / name, "--as-of", day, "--out", folder / "store").code == 0
    return folder


def test_score_says_what_changed_and_names_nobody(nights: Path, tmp_path: Path) -> None:
    shutil.copytree(nights / "store", tmp_path / "store")
    done = process("score", nights / "now", "--as-of", AS_OF, "--out", tmp_path / "store")
    assert done.code == 0
    assert f"Since {BEFORE}" in done.out
    assert "corrected records" in done.out
    assert "s00" not in done.out + done.err


def test_changes_lists_students_with_both_tiers_and_why(nights: Path) -> None:
    done = command("changes", "--run", nights / "store")
    line = next(line for line in done.out.splitlines() if line.startswith("s00"))
    assert line.split() == ["s00", "north", "moved", "tier", "3", "to", "1", "corrected", "records"]
    assert max(map(len, done.out.splitlines())) <= 80


def test_changes_of_one_school_and_as_json(nights: Path) -> None:
    done = command("changes", "--run", nights / "store", "--school", "south", "--json")
    assert {event["school_id"] for event in done.events if event["event"] == "change"} <= {"south"}
    whole = command("changes", "--run", nights / "store", "--top", "1", "--json")
    told = whole.event("changes")
    assert told["compared_with"]["as_of"] == BEFORE
    expected = RunStore(nights / "store").latest().table("changes").height
    assert sum(row["students"] for row in told["changes"]) == expected
    assert len([event for event in whole.events if event["event"] == "change"]) == 1


def test_a_first_night_has_nothing_to_compare_with(nights: Path, tmp_path: Path) -> None:
    scored = command("score", nights / "now", "--as-of", AS_OF, "--out", tmp_path / "store")
    assert "Since" not in scored.out
    done = command("changes", "--run", tmp_path / "store")
    assert done.code == 0
    assert "No earlier night of this school year" in done.out


def test_a_replay_says_that_changes_were_not_compared(nights: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(nights / "store", tmp_path / "store"))
    shutil.rmtree(store / "runs" / BEFORE)
    done = command("replay", store)
    assert done.code == 0
    assert "changes.parquet was not compared: the run" in done.out
