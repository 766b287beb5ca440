"""A family's rights on the command line: what is held, corrected and scored again, forgotten."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import polars as pl
import pytest

from cis_ews.storage.store import RunStore
from tests.lib.builders import absence, frame
from tests.lib.children import child
from tests.lib.command import command
from tests.lib.extracts import AS_OF, small_district, write_extract

KILLED = """
import os, signal, sys
from contextlib import contextmanager
from datetime import date
from cis_ews import RulesModel, TierPolicy, score_night


class Killed:
    @contextmanager
    def step(self, name, *, total=None):
        if name == "schools":
            os.kill(os.getpid(), signal.SIGKILL)
        yield

    def advance(self, amount=1):
        pass


score_night(sys.argv[1], model=RulesModel(), policy=TierPolicy.load(), store=sys.argv[2], as_of=date(2026, 2, 27),
            students_a_part=2, progress=Killed())
"""


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    write_extract(tmp_path / "extract", small_district())
    assert command("score", tmp_path / "extract", "--as-of", AS_OF, "--out", tmp_path / "store").code == 0
    return tmp_path


def _records(folder: Path, student_id: str) -> Path:
    return write_extract(folder, {"attendance_events": frame("attendance_events", [absence(student_id, "2025-10-01")])})


def _tier(store: Path, student_id: str) -> int:
    return RunStore(store).latest().rows_of("scores", student_id)["tier"].item()


def test_export_gives_everything_that_is_held(scored: Path) -> None:
    done = command("student", "export", "s00", "--store", scored / "store", "--out", scored / "held.json")
    assert (done.code, done.out) == (0, "")
    assert (scored / "held.json").stat().st_mode & 0o777 == 0o600
    held = json.loads((scored / "held.json").read_text(encoding="utf-8"))
    assert set(held["runs"][0]["tables"]) == {"scores", "reasons", "rules", "indicators"}
    assert json.loads(command("student", "export", "s00", "--store", scored / "store").out) == held


def test_export_as_json_lines(scored: Path) -> None:
    arguments = ("student", "export", "s00", "--store", scored / "store")
    held = json.loads(command(*arguments).out)
    assert command(*arguments, "--json").event("held") == {"event": "held", **held}
    written = command(*arguments, "--json", "--out", scored / "held.json")
    assert written.event("held") == {"event": "held", "out": str(scored / "held.json")}
    assert json.loads((scored / "held.json").read_text(encoding="utf-8")) == held
    assert command("student", "export", "s9999", "--store", scored / "store", "--json").error["code"] == "not_found"


def test_export_of_an_unknown_student_repeats_no_id(scored: Path) -> None:
    done = command("student", "export", "s9999", "--store", scored / "store")
    assert done.code == 5
    assert "Nothing is held" in done.err
    assert "s9999" not in done.err


def test_correct_replaces_the_records_and_scores_again(scored: Path) -> None:
    store, records = scored / "store", _records(scored / "right", "s00")
    assert _tier(store, "s00") == 3
    done = command("student", "correct", "s00", scored / "extract", "--records", records, "--store", store, "--json")
    assert done.code == 0
    assert done.event("scored")["is_new"] is True
    assert done.event("corrected")["tables"]["attendance_events"]["after"] == 1
    assert _tier(store, "s00") == 1
    again = command("score", scored / "extract", "--as-of", AS_OF, "--out", store, "--json")
    assert again.event("scored")["is_new"] is False
    held = json.loads(command("student", "export", "s00", "--store", store).out)
    assert held["corrections"]["attendance_events.csv"][0]["date"] == "2025-10-01"


def test_correct_scores_again_by_the_policy_that_is_named(scored: Path) -> None:
    policy = scored / "policy.toml"
    policy.write_text("[capacity]\nnumber = 1\n", encoding="utf-8")
    arguments = ("--records", _records(scored / "right", "s00"), "--store", scored / "store", "--policy", policy)
    assert command("student", "correct", "s00", scored / "extract", *arguments).code == 0
    scores = RunStore(scored / "store").latest().table("scores")
    assert scores.filter(pl.col("tier") > 1).group_by("school_id").len()["len"].max() == 1


def test_correct_refuses_what_the_contract_refuses_and_keeps_nothing(scored: Path) -> None:
    rows = [absence("s00", "2025-10-05")]
    records = write_extract(scored / "right", {"attendance_events": frame("attendance_events", rows)})
    done = command("student", "correct", "s00", scored / "extract", "--records", records, "--store", scored / "store")
    assert done.code == 3
    assert "instructional_day" in done.err
    assert not list((scored / "store" / "corrections").glob("*"))


def test_forget_takes_the_student_out_of_everything(scored: Path) -> None:
    store = scored / "store"
    command(
        "student",
        "correct",
        "s00",
        scored / "extract",
        "--records",
        _records(scored / "right", "s00"),
        "--store",
        store,
    )
    done = command("student", "forget", "s00", "--store", store, "--yes")
    assert done.code == 0
    assert "2 runs rewritten" in done.out
    assert command("student", "export", "s00", "--store", store).code == 5
    assert command("runs", "verify", "--store", store).code == 0
    rewritten = [run.manifest["rewritten"][0]["why"] for run in RunStore(store).runs()]
    assert rewritten == ["erasure", "erasure"]
    night = command("score", scored / "extract", "--as-of", "2026-02-26", "--out", store, "--json").event("scored")
    assert {step["name"]: step["excluded"] for step in night["cohort_flow"]}["left out at a family's request"] == 1


def test_a_night_without_the_list_of_forgotten_students_is_refused(scored: Path) -> None:
    store = scored / "store"
    command("student", "forget", "s00", "--store", store, "--yes")
    (store / "erased.json").unlink()
    for manifest in store.glob("runs/*/*/manifest.json"):
        manifest.unlink()  # the database alone still knows
    done = command("score", scored / "extract", "--as-of", "2026-02-26", "--out", store)
    assert done.code == 5
    assert "restore erased.json" in done.err


def test_forgetting_an_id_that_nobody_has_says_so(scored: Path) -> None:
    done = command("student", "forget", "s9999", "--store", scored / "store", "--yes")
    assert done.code == 0
    assert "Nothing was held about this id; it is on the list from now on" in done.out
    assert "Held and not" not in done.out
    assert "s9999" not in done.out
    assert "Nothing was held" not in command("student", "forget", "s00", "--store", scored / "store", "--yes").out


def test_what_a_killed_first_night_left_is_removed_and_told(scored: Path) -> None:
    store = scored / "first"
    with child(KILLED, str(scored / "extract"), str(store)) as process:
        process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert list((store / "work").iterdir())
    done = command("student", "forget", "s00", "--store", store, "--yes")
    told = " ".join(done.out.split())
    assert "Removed: 1 folder of work/ and state/ that a night left which did not end" in told
    assert "Nothing else was held about this id; it is on the list from now on." in told
    assert max(map(len, done.out.splitlines())) <= 80
    assert not (store / "work").exists()
    again = command("student", "forget", "s00", "--store", store, "--yes")
    assert "Removed" not in again.out
    assert (
        "Nothing was held about this id; it was on the list before, and may have been forgotten by an earlier command."
        in " ".join(again.out.split())
    )


def test_forgetting_an_id_that_is_almost_held_warns(scored: Path) -> None:
    done = command("student", "forget", " S00", "--store", scored / "store", "--yes")
    assert done.code == 0
    assert "ids that differ only by leading zeros, case or spaces: 1" in done.out
    assert _tier(scored / "store", "s00") == 3


def test_an_empty_id_is_not_forgotten(scored: Path) -> None:
    done = command("student", "forget", "", "--store", scored / "store", "--yes")
    assert done.code == 2
    assert "id is empty" in done.err


def test_forget_asks_and_without_anybody_to_ask_does_nothing(scored: Path) -> None:
    done = command("student", "forget", "s00", "--store", scored / "store", "--json")
    assert done.code == 2
    assert "say --yes" in done.error["hint"]
    assert _tier(scored / "store", "s00") == 3
