"""The verbs about a store: its runs, its database, its keys, and what is too old."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cis_ews.storage.database import Database
from cis_ews.storage.store import RunStore
from tests.lib.command import command
from tests.lib.extracts import AS_OF, small_district, write_extract


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of one night."""
    folder = tmp_path_factory.mktemp("stores")
    write_extract(folder / "extract", small_district())
    assert command("score", folder / "extract", "--as-of", AS_OF, "--out", folder / "store").code == 0
    return folder / "store"


def test_runs_lists_and_verifies(store: Path) -> None:
    run = RunStore(store).latest()
    done = command("runs", "list", "--store", store)
    assert (done.code, run.run_id in done.out) == (0, True)
    assert command("runs", "list", "--store", store, "--json").event("run")["counts"] == run.manifest["counts"]
    assert command("runs", "verify", "--store", store, "--json").event("verified") == {
        "event": "verified",
        "runs": 1,
        "compacted": 0,
        "damaged": [],
    }


def test_verify_names_a_damaged_run_with_code_5(store: Path) -> None:
    run = RunStore(store).latest()
    scores = run.path / "scores.parquet"
    content = scores.read_bytes()
    scores.write_bytes(content[:-1])
    done = command("runs", "verify", "--store", store)
    scores.write_bytes(content)
    assert done.code == 5
    assert str(run.path) in done.err


def test_the_list_names_a_damaged_run_and_shows_the_others(store: Path, tmp_path: Path) -> None:
    store = shutil.copytree(store, tmp_path / "store")
    run = RunStore(store).latest()
    damaged = shutil.copytree(run.path, store / "runs/2026-02-20" / run.run_id)
    (damaged / "manifest.json").write_text("{", encoding="utf-8")
    done = command("runs", "list", "--store", store)
    told = " ".join(done.out.split())
    assert done.code == 0
    assert f"{run.as_of} {run.run_id}" in told
    assert f"! the run in {damaged} does not match its manifest: manifest.json" in told
    assert "What to do: restore the folder from a backup, or move it away and score the night again" in told
    assert [line for line in done.out.splitlines() if len(line) > 80 and str(damaged) not in line] == []
    as_json = command("runs", "list", "--store", store, "--json")
    assert as_json.event("refused_run")["path"] == str(damaged)
    assert as_json.event("run")["run_id"] == run.run_id
    assert command("runs", "verify", "--store", store).code == 5


def test_an_empty_store_has_no_runs(tmp_path: Path) -> None:
    assert "There are no runs." in command("runs", "list", "--store", tmp_path).out


def test_db_upgrade_makes_the_tables_once(tmp_path: Path) -> None:
    first = command("db", "upgrade", "--store", tmp_path / "new", "--json").event("upgraded")
    again = command("db", "upgrade", "--store", tmp_path / "new", "--json").event("upgraded")
    assert first["before"] is None
    assert again["before"] == again["revision"] == first["revision"]


def test_a_backup_restores_into_another_store(store: Path, tmp_path: Path) -> None:
    backup = command("db", "backup", tmp_path / "monday.zip", "--store", store, "--json").event("backed_up")
    restored = command("db", "restore", tmp_path / "monday.zip", "--store", tmp_path / "other", "--json").event(
        "restored"
    )
    assert restored["rows"] == backup["rows"]
    with Database(RunStore(tmp_path / "other").database_url) as database:
        assert database.districts() == ["d1"]


@pytest.mark.parametrize("kept", [0, 4096], ids=["garbage from the start", "garbage after the first page"])
def test_a_damaged_database_has_a_way_out(store: Path, tmp_path: Path, kept: int) -> None:
    store = shutil.copytree(store, tmp_path / "store")
    file, backup = store / "cis_ews.db", tmp_path / "monday.zip"
    assert command("db", "backup", backup, "--store", store).code == 0
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:kept] + b"\xff" * (size - kept))
    for verb in (("key", "list"), ("db", "upgrade"), ("db", "restore", backup)):
        done = command(*verb, "--store", store)
        assert done.code == 5
        assert "move cis_ews.db, cis_ews.db-wal and cis_ews.db-shm away, then run `cis-ews db restore" in done.err
    for path in store.glob("cis_ews.db*"):
        path.unlink()
    assert command("db", "restore", backup, "--store", store).code == 0
    with Database(RunStore(store).database_url) as database:
        assert database.districts() == ["d1"]


def test_a_missing_backup_is_refused_with_code_5(store: Path, tmp_path: Path) -> None:
    done = command("db", "restore", tmp_path / "none.zip", "--store", store)
    assert done.code == 5
    assert command("runs", "list", "--store", store).code == 0


def test_keys_are_made_shown_once_listed_and_ended(store: Path) -> None:
    made = command("key", "create", "d1", "--label", "SIS", "--store", store, "--json").event("key_created")
    with Database(RunStore(store).database_url) as database:
        assert database.check_key(made["key"]) is not None
    listed = command("key", "list", "--store", store)
    assert made["key_id"] in listed.out
    assert made["key"] not in listed.out
    assert command("key", "revoke", made["key_id"], "--store", store).code == 0
    assert command("key", "revoke", made["key_id"], "--store", store).code == 2
    assert command("key", "list", "--store", store, "--json").event("key")["revoked_at"] is not None


def test_a_key_of_a_district_without_a_run_says_which_have_one(store: Path) -> None:
    assert "published are: d1" in command("key", "create", "d2", "--store", store).out


def test_a_key_needs_a_database(tmp_path: Path) -> None:
    done = command("key", "create", "d1", "--store", tmp_path / "none")
    assert done.code == 5
    assert "cis-ews db upgrade" in done.err


def test_retention_says_and_then_deletes(store: Path, tmp_path: Path) -> None:
    store = shutil.copytree(store, tmp_path / "store")
    policy = tmp_path / "retention.toml"
    policy.write_text("runs_days = 1\nkeep_latest = false\n", encoding="utf-8")
    arguments = ("retention", "--store", store, "--policy", policy, "--json")
    planned = command(*arguments, "--dry-run").event("retention")
    assert planned["dry_run"] is True
    assert len(RunStore(store).runs()) == len(planned["runs"]) == 1
    assert command(*arguments).event("retention")["runs"] == planned["runs"]
    assert RunStore(store).runs() == []
