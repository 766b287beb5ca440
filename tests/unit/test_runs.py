"""A run: its files, its id, the same bytes every time, whole or not at all, never changed without being noticed."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cis_ews.errors import RunDamagedError, RunNotFoundError, StorageError
from cis_ews.schema.school_data import SourceFile
from cis_ews.schema.scores import Reasons, Rejections, RuleResults, Scores
from cis_ews.storage.files import disk_errors
from cis_ews.storage.runs import open_run, record_timings, run_id_for, verify_run
from cis_ews.storage.store import RunStore
from tests.lib.children import child
from tests.lib.stored_nights import AS_OF, MODEL, SOURCE, contents, score

FILES = {
    "cohort_flow.json",
    "coverage.json",
    "model.json",
    "indicators.parquet",
    "manifest.json",
    "reasons.parquet",
    "rejections.parquet",
    "rules.parquet",
    "scores.parquet",
    "timings.json",
}
HASHED = sorted(FILES - {"timings.json"})


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "out")


def _bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "timings.json"}


def test_a_run_has_exactly_the_files_of_the_design(store: RunStore) -> None:
    run = store.write(contents())
    assert run.path == store.root / "runs" / "2026-02-27" / run.run_id
    assert {path.name for path in run.path.iterdir()} == FILES


def test_a_run_of_a_trained_model_has_contributions_too(store: RunStore) -> None:
    explained = pl.DataFrame(
        {"student_id": ["ann", "bob", "eve"], "base_value": [-1.0] * 3, "margin": [0.5, -1.5, -1.0]}
    )
    run = store.write(contents(contributions=explained))
    assert {path.name for path in run.path.iterdir()} == FILES | {"contributions.parquet"}
    assert run.table("contributions").equals(explained)


def test_what_was_written_is_read_back(store: RunStore) -> None:
    given = contents()
    given_tables = {"scores": given.scores, "rejections": given.rejections, **given.tables}
    run = store.write(given, timings={"read": {"wall": 1.5}})
    for table in ("scores", "reasons", "rules", "indicators", "rejections"):
        stored = run.table(table)
        assert stored.schema == given_tables[table].schema
        assert stored.sort(stored.columns).equals(given_tables[table].sort(stored.columns))
    assert run.rows_of("scores", "ann")["tier_reason"].to_list() == ["chronic absence"]
    assert run.statement("cohort_flow") == list(given.cohort_flow)
    assert run.statement("coverage") == given.coverage
    assert run.statement("timings")["stages"] == {"read": {"wall": 1.5}}
    assert (run.as_of, run.model_version) == (AS_OF, MODEL)


def test_a_table_that_a_run_lacks_is_named(store: RunStore) -> None:
    run = store.write(contents())
    assert not run.has("contributions")
    with pytest.raises(RunNotFoundError, match="no table contributions"):
        run.table("contributions")


def test_the_manifest_says_what_went_in_and_what_came_out(store: RunStore) -> None:
    manifest = store.write(contents(seed=7)).manifest
    assert manifest["inputs"] == [{"table": "students", "name": "students.csv", "sha256": "a" * 64, "rows": 3}]
    assert (manifest["as_of"], manifest["model_version"], manifest["seed"]) == ("2026-02-27", MODEL, 7)
    assert manifest["config_sha256"] == "c" * 64
    assert manifest["counts"] == {"students": 3, "tier_1": 1, "tier_2": 0, "tier_3": 1, "not_enough_data": 1}
    assert manifest["rows"] == {"scores": 3, "reasons": 6, "rules": 3, "indicators": 3, "rejections": 2}
    assert set(manifest["files"]) == FILES - {"manifest.json", "timings.json"}
    assert {"cis_ews", "polars", "dataframely"} <= set(manifest["versions"])
    assert manifest["rewritten"] == []


def test_the_same_night_gives_the_same_bytes_elsewhere_in_any_order(store: RunStore, tmp_path: Path) -> None:
    given = contents([score(f"s{number:04}", tier=1 + number % 3) for number in range(2000)])
    halves = pl.concat([given.scores.tail(700), given.scores.head(1300)], rechunk=False)
    shuffled = contents(
        given.scores.iter_rows(named=True),
        scores=halves,
        reasons=given.tables["reasons"].reverse(),
        indicators=given.tables["indicators"].sample(fraction=1.0, shuffle=True, seed=3),
        rejections=given.rejections.reverse(),
    )
    one, two = store.write(given), RunStore(tmp_path / "elsewhere").write(shuffled)
    assert _bytes_of(one.path) == _bytes_of(two.path)


WRITE_IN_A_CHILD = """
import sys
from cis_ews.storage.store import RunStore
from tests.lib.stored_nights import contents, score
run = RunStore(sys.argv[1]).write(contents([score(f"s{n:06}", tier=1 + n % 3) for n in range(150_000)]))
print(run.manifest_sha256)
"""


def test_the_same_night_gives_the_same_bytes_in_other_processes(tmp_path: Path) -> None:
    """Several row groups, one thread and four, two hash seeds: nothing of the process gets into the bytes."""
    settings = ({"POLARS_MAX_THREADS": "1", "PYTHONHASHSEED": "1"}, {"POLARS_MAX_THREADS": "4", "PYTHONHASHSEED": "2"})
    hashes = set[str]()
    for number, environment in enumerate(settings):
        with child(WRITE_IN_A_CHILD, str(tmp_path / str(number)), **environment) as process:
            out, err = process.communicate()
        assert process.returncode == 0, err
        hashes.add(out.strip())
    assert len(hashes) == 1


def test_the_id_follows_from_inputs_configuration_model_date_and_version() -> None:
    other = SourceFile(table="schools", name="schools.csv", sha256="b" * 64, rows=1)
    base = {"inputs": [SOURCE, other], "config_hash": "c", "model_version": "m", "as_of": AS_OF, "version": "1.0"}
    changes = (
        {"inputs": [SOURCE]},
        {"inputs": [SOURCE, SourceFile(table="schools", name="schools.csv", sha256="d" * 64, rows=1)]},
        {"config_hash": "d"},
        {"model_version": "n"},
        {"as_of": date(2026, 2, 28)},
        {"version": "1.1"},
    )
    ids = [run_id_for(**(base | change)) for change in ({}, *changes)]
    assert len(set(ids)) == len(ids)
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in ids)
    assert run_id_for(**(base | {"inputs": [other, SOURCE]})) == ids[0]


def test_the_same_night_again_finds_the_run_and_leaves_it(store: RunStore) -> None:
    first = store.write(contents())
    before = {path: path.stat().st_mtime_ns for path in first.path.iterdir()}
    again = store.write(contents(), timings={"read": {}})
    assert again.path == first.path
    assert {path: path.stat().st_mtime_ns for path in first.path.iterdir()} == before


@pytest.mark.parametrize("name", HASHED)
def test_a_changed_byte_is_noticed_and_the_file_named(store: RunStore, name: str) -> None:
    run = store.write(contents())
    content = bytearray((run.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run.path / name).write_bytes(content)
    with pytest.raises(RunDamagedError, match=name):
        verify_run(open_run(run.path))
    with pytest.raises(RunDamagedError, match=name):
        store.write(contents())


@pytest.mark.parametrize("name", HASHED)
def test_a_missing_file_is_noticed_and_named(store: RunStore, name: str) -> None:
    run = store.write(contents())
    (run.path / name).unlink()
    with pytest.raises(RunDamagedError, match=name) as caught:
        verify_run(open_run(run.path))
    assert caught.value.details["files"] == [name]
    assert caught.value.exit_code == 5


def test_a_manifest_with_another_as_of_date_is_noticed(store: RunStore) -> None:
    run = store.write(contents())
    manifest = json.loads((run.path / "manifest.json").read_bytes())
    (run.path / "manifest.json").write_text(json.dumps({**manifest, "as_of": "2026-02-26"}))
    with pytest.raises(RunDamagedError, match=r"manifest\.json"):
        verify_run(open_run(run.path))


def test_a_manifest_with_other_counts_is_noticed(store: RunStore) -> None:
    run = store.write(contents())
    manifest = json.loads((run.path / "manifest.json").read_bytes())
    counts = {**manifest["counts"], "students": 2}
    (run.path / "manifest.json").write_text(json.dumps({**manifest, "counts": counts}))
    with pytest.raises(RunDamagedError, match=r"manifest\.json"):
        verify_run(run)


def test_a_run_under_another_name_is_noticed(store: RunStore) -> None:
    run = store.write(contents())
    shutil.copytree(run.path, run.path.with_name("0" * 16))
    with pytest.raises(RunDamagedError, match=r"manifest\.json"):
        verify_run(open_run(run.path.with_name("0" * 16)))


def test_a_run_of_a_later_format_is_refused_with_what_to_do(store: RunStore) -> None:
    run = store.write(contents())
    manifest = json.loads((run.path / "manifest.json").read_bytes())
    (run.path / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))
    with pytest.raises(StorageError, match="update cis_ews"):
        open_run(run.path)


@pytest.mark.parametrize("place", ["nowhere", "."])
def test_a_folder_without_a_run_is_not_found(tmp_path: Path, place: str) -> None:
    with pytest.raises(RunNotFoundError, match="no run"):
        open_run(tmp_path / place)


def test_the_timings_are_outside_the_hashes(store: RunStore) -> None:
    run = store.write(contents())
    created = run.statement("timings")["created_at"]
    record_timings(run, {"write": {"wall": 2.0}})
    assert verify_run(open_run(run.path)).statement("timings") == {
        "created_at": created,
        "stages": {"write": {"wall": 2.0}},
    }


def test_a_run_without_inputs_is_refused(store: RunStore) -> None:
    with pytest.raises(StorageError, match="without its inputs"):
        store.write(contents(inputs=[]))


def test_rows_that_break_the_contract_are_refused_without_their_values(store: RunStore) -> None:
    broken = contents([score("jane-doe-4711"), score("jane-doe-4711")])
    with pytest.raises(StorageError, match=r"scores cannot be stored: 2 rows .*primary_key: 2") as caught:
        store.write(broken)
    assert "4711" not in str(caught.value)
    assert not (store.root / "runs").exists()


def test_columns_of_another_type_are_refused_and_named(store: RunStore) -> None:
    scores = contents().scores.with_columns(pl.col("tier").cast(pl.Int64)).drop("abstained")
    with pytest.raises(StorageError, match=r"2 columns .*tier, abstained"):
        store.write(contents(scores=scores))


def test_indicators_have_one_row_a_student(store: RunStore) -> None:
    twice = pl.DataFrame({"student_id": ["ann", "ann"]})
    with pytest.raises(StorageError, match="indicators cannot be stored"):
        store.write(contents(indicators=twice))


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        RunStore(tmp_path / "out").write(contents())


def test_a_file_in_place_of_the_day_is_said(store: RunStore) -> None:
    (store.root / "runs").mkdir(parents=True)
    (store.root / "runs" / "2026-02-27").write_text("")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        store.write(contents())


FILL_THE_DISK = """
import resource, sys
from cis_ews.errors import StorageError
from cis_ews.storage.store import RunStore
from tests.lib.stored_nights import contents, score
night = contents([score(f"s{n * 7919 % 100_003:06}") for n in range(50_000)])
with RunStore(sys.argv[1]).lock():
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    RunStore(sys.argv[1]).write(night)
except StorageError as error:
    print(error)
"""


def test_a_file_that_cannot_grow_ends_in_a_storage_error_and_leaves_nothing(tmp_path: Path) -> None:
    with child(FILL_THE_DISK, str(tmp_path)) as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.startswith(f"cannot write a run to {tmp_path}: the file would be larger than is allowed here; raise")
    assert [path for path in (tmp_path / "runs").rglob("*") if path.is_file() or path.name != "2026-02-27"] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    full = Path("/dev/full")
    with pytest.raises(StorageError, match=r"the disk is full; free some space"), disk_errors(tmp_path, "write"):
        full.write_text("x")
    with pytest.raises(StorageError, match=r"the disk is full; free some space"), disk_errors(tmp_path, "write"):
        contents().scores.write_parquet(full)


WRITE_UNTIL_KILLED = """
import sys
from dataclasses import replace
from datetime import timedelta
from cis_ews.storage.store import RunStore
from tests.lib.stored_nights import AS_OF, contents, score
store = RunStore(sys.argv[1])
night = contents([score(f"s{n:05}", tier=1 + n % 3) for n in range(20_000)])
for number in range(100):
    store.write(replace(night, as_of=AS_OF + timedelta(days=number)))
    print("written", flush=True)
"""


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(5, 60))])
def test_a_killed_night_leaves_whole_runs_or_none(tmp_path: Path, seed: int) -> None:
    """Killed at a random moment of writing the fourth run, each seed in its fifth of the time that a run takes."""
    moment = (seed % 5 + random.Random(seed).random()) / 5
    with child(WRITE_UNTIL_KILLED, str(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == process.stdout.readline() == "written\n"
        started = time.monotonic()
        assert process.stdout.readline() == "written\n"
        time.sleep(moment * (time.monotonic() - started))
        process.send_signal(signal.SIGKILL)
    store = RunStore(tmp_path)
    assert len(store.runs()) >= 3
    for run in store.runs():
        verify_run(run)
        assert {path.name for path in run.path.iterdir()} == FILES
    with store.lock():
        hidden = list(tmp_path.glob("runs/*/.*"))
    assert hidden == []
    assert verify_run(store.write(contents(as_of=date(2031, 1, 1)))).manifest["counts"]["students"] == 3


def test_the_page_of_runs_names_every_file_and_column() -> None:
    page = (Path(__file__).parents[2] / "docs" / "runs.md").read_text(encoding="utf-8")
    columns = [name for schema in (Scores, Reasons, RuleResults, Rejections) for name in schema.columns()]
    assert [name for name in {*FILES, *columns} if f"`{name}`" not in page] == []
