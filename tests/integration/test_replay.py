"""A past night made again: the same bytes, or which input is gone."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cis_ews import RiskModel, RulesModel, ScoreRun, TierPolicy, score_night
from cis_ews.cli import run as command_line
from cis_ews.corrections import Correction, keep_correction, read_correction
from cis_ews.errors import DataError, ModelNotFoundError, StorageError
from cis_ews.replaying import Replay, replay
from cis_ews.storage.erasure import export_student, forget_student
from cis_ews.storage.files import json_bytes, sha256_of
from cis_ews.storage.manifest import sealed
from cis_ews.storage.recipes import model_path
from cis_ews.storage.retention import RetentionPolicy, apply_retention
from cis_ews.storage.runs import open_run
from cis_ews.storage.store import RunStore
from cis_ews.synthetic import write_district
from tests.lib.models import catalog_model

DAY = date(2026, 2, 27)


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    folder = tmp_path / "extract"
    write_district(folder, students=200, years=2, seed=11, format="parquet", through=DAY)
    return folder


def _night(extract: Path, *, model: RulesModel | RiskModel | None = None, **options: Any) -> ScoreRun:
    store = extract.parent / "store"
    policy = options.pop("policy", TierPolicy.load())
    return score_night(extract, model=model or RulesModel(), policy=policy, store=store, as_of=DAY, **options)


def _replayed(night: ScoreRun, **options: Any) -> Replay:
    return replay(night.run, RunStore(night.run.path.parents[2]), **options)


def _same(found: Replay, night: ScoreRun) -> None:
    assert (set(found.same), found.differing, found.versions) == (set(night.run.manifest["files"]), (), {})


def test_a_night_by_chosen_rules_and_policy(extract: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("minimum_days_enrolled = 5\n[capacity]\nshare = 0.29\n", encoding="utf-8")
    rules = RulesModel(rules=RulesModel().rules[:20])
    night = _night(extract, model=rules, policy=TierPolicy.load(policy), tolerance=0.5, students_a_part=70)
    policy.unlink()
    _same(_replayed(night), night)


def test_a_night_with_a_model_that_its_owner_no_longer_has(extract: Path) -> None:
    night = _night(extract, model=catalog_model())
    _same(_replayed(night), night)
    shutil.rmtree(model_path(RunStore(extract.parent / "store"), night.run.model_version).parent)
    with pytest.raises(ModelNotFoundError, match="is gone from the store"):
        _replayed(night)


def test_an_extract_that_was_moved_changed_or_lost(extract: Path, tmp_path: Path) -> None:
    night = _night(extract)
    moved = extract.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="the extract of the run is gone"):
        _replayed(night)
    _same(_replayed(night, source=moved), night)
    (moved / "incidents.parquet").write_bytes(b"PAR1")
    (moved / "supports.parquet").unlink()
    with pytest.raises(DataError, match=r"2 inputs of the run gone or changed: incidents\.parquet, supports\.parquet"):
        _replayed(night, source=moved)


def test_an_archive_with_other_content_is_seen_before_it_is_read(
    extract: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "extract"), "zip", extract))
    night = _night(archive)
    _same(_replayed(night), night)
    archive.unlink()
    (extract / "supports.parquet").unlink()
    shutil.make_archive(str(tmp_path / "extract"), "zip", extract)
    monkeypatch.setattr("cis_ews.replaying.score_night", None)
    with pytest.raises(DataError, match=r"1 input of the run gone or changed: supports\.parquet"):
        _replayed(night)


def test_a_night_over_a_kept_state_is_made_again_from_the_whole_extract(extract: Path, tmp_path: Path) -> None:
    _night(extract, state="keep")
    (tmp_path / "day/removed").mkdir(parents=True)
    gone = pl.read_parquet(extract / "incidents.parquet", n_rows=3)
    gone.select("incident_id", "student_id").write_parquet(tmp_path / "day/removed/incidents.parquet")
    by_delta = score_night(
        tmp_path / "day", model=RulesModel(), policy=TierPolicy.load(), store=tmp_path / "store", as_of=DAY, state="add"
    )
    with pytest.raises(DataError, match="was made from a kept state, which is another one by now"):
        _replayed(by_delta)
    with pytest.raises(DataError, match="1 input of the run gone or changed: kept state"):
        _replayed(by_delta, source=extract)
    rest = pl.read_parquet(extract / "incidents.parquet").join(gone, on=["incident_id", "student_id"], how="anti")
    rest.write_parquet(extract / "incidents.parquet")
    _same(_replayed(by_delta, source=extract), by_delta)


def test_students_forgotten_since_cannot_come_back(extract: Path) -> None:
    night = _night(extract)
    store = RunStore(extract.parent / "store")
    student_id = night.scores["student_id"][0]
    forget_student(store, None, student_id, today=DAY)
    with pytest.raises(StorageError, match="students were forgotten since"):
        replay(open_run(night.run.path), store)


def _corrected(night: ScoreRun, tmp_path: Path, **tables: pl.DataFrame) -> Correction:
    student_id = night.scores["student_id"][0]
    folder = tmp_path / "records"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, rows in tables.items():
        rows.filter(pl.col("student_id") == student_id).write_csv(folder / f"{name}.csv")
    return read_correction(student_id, folder)


def test_corrections_count_as_they_were_that_night(extract: Path, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "store")
    grades, events = (pl.read_parquet(extract / f"{table}.parquet") for table in ("course_grades", "attendance_events"))
    nights = [_night(extract)]
    for tables in ({"course_grades": grades.head(0)}, {"attendance_events": events.head(0)}, {"course_grades": grades}):
        keep_correction(store, _corrected(nights[0], tmp_path, **tables))
        nights.append(_night(extract))
    assert len({night.run.run_id for night in nights}) == 4
    for night in nights:
        _same(_replayed(night), night)
    student_id = nights[0].scores["student_id"][0]
    folder = store.student_folder(student_id)
    superseded = [path for path in folder.glob("*.csv") if "." in path.stem]
    assert [path.stat().st_mode & 0o777 for path in superseded] == [0o600]
    assert superseded[0].name in export_student(store, None, student_id)["corrections"]
    apply_retention(store, RetentionPolicy.load(), today=DAY)
    assert superseded[0].exists()
    for night in nights[1:3]:
        with store.lock():
            store.remove(night.run.path)
    apply_retention(store, RetentionPolicy.load(), today=DAY)
    assert not superseded[0].exists()
    shutil.rmtree(folder)
    with pytest.raises(DataError, match=r"2 corrected tables of the run gone or changed: corrections/"):
        _replayed(nights[3])
    _same(_replayed(nights[0]), nights[0])


def test_the_same_night_again_keeps_how_it_was_made_first(extract: Path, tmp_path: Path) -> None:
    night, store = _night(extract), RunStore(tmp_path / "store")
    grades = pl.read_parquet(extract / "course_grades.parquet").head(0)
    (tmp_path / "gone").mkdir()
    grades.write_csv(tmp_path / "gone/course_grades.csv")
    keep_correction(store, read_correction("nobody", tmp_path / "gone"))  # passed over: no input of a night
    moved = extract.rename(tmp_path / "moved")
    again = _night(moved)
    assert (again.run.run_id, again.is_new) == (night.run.run_id, False)
    _same(_replayed(night), night)


def test_a_run_of_another_version_or_without_a_recipe(extract: Path) -> None:
    night = _night(extract)
    manifest = night.run.manifest
    other = {**manifest, "versions": {**manifest["versions"], "cis_ews": "0.0.1"}}
    (night.run.path / "manifest.json").write_bytes(json_bytes(sealed(other)))
    with pytest.raises(StorageError, match=r"the run is of cis_ews 0\.0\.1"):
        replay(open_run(night.run.path), RunStore(extract.parent / "store"))
    (extract.parent / "store/recipes" / f"{night.run.run_id}.json").unlink()
    with pytest.raises(StorageError, match="does not say how the run"):
        _replayed(night)


def test_files_that_come_out_otherwise_are_named(extract: Path, capsys: pytest.CaptureFixture[str]) -> None:
    night = _night(extract)
    manifest = night.run.manifest
    made_otherwise = night.run.path / "cohort_flow.json"
    made_otherwise.write_bytes(b"[]")
    files = {**manifest["files"], made_otherwise.name: {"sha256": sha256_of(made_otherwise), "bytes": 2}}
    other = {**manifest, "files": files, "versions": {**manifest["versions"], "polars": "1.0.0"}}
    (night.run.path / "manifest.json").write_bytes(json_bytes(sealed(other)))
    assert command_line(["replay", str(night.run.path)]) == 5
    told = capsys.readouterr()
    assert "polars: 1.0.0 then, " in told.out
    assert "1 file of run" in told.err
    assert "cohort_flow.json" in told.err


def test_a_file_that_no_night_reads_is_told_of_where_it_has_come_into_the_extract(
    extract: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    night = _night(extract)
    (extract / "extra.csv").write_text("a,b\n1,2\n")
    assert command_line(["replay", str(night.run.path)]) == 5
    told = " ".join(capsys.readouterr().err.split())
    assert "came out otherwise: coverage.json" in told
    assert "a file that no night reads has come into the folder of the extract, or left it" in told


def test_retention_takes_recipes_and_models_with_the_runs(extract: Path) -> None:
    night = _night(extract, model=catalog_model())
    store = RunStore(extract.parent / "store")
    place = model_path(store, night.run.model_version)
    policy = RetentionPolicy.load().model_copy(update={"runs_days": 1, "keep_latest": False})
    apply_retention(store, RetentionPolicy.load(), today=DAY)
    assert place.exists()
    apply_retention(store, policy, today=date(2026, 6, 1))
    assert not place.exists()
    assert list((store.root / "recipes").glob("*.json")) == []


def test_a_damaged_recipe_stops_no_retention_and_keeps_what_it_may_name(
    extract: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    night = _night(extract, model=catalog_model())
    store = RunStore(extract.parent / "store")
    unused = model_path(store, "0" * 12)
    unused.parent.mkdir()
    unused.write_bytes(b"{}")
    (store.root / "recipes/0123456789abcdef.json").write_bytes(b"{}")  # of a run that is gone
    recipe = store.root / "recipes" / f"{night.run.run_id}.json"
    content = recipe.read_bytes()
    recipe.write_bytes(b"{")
    report = apply_retention(store, RetentionPolicy.load(), today=DAY)
    assert report.damaged_recipes == (night.run.run_id,)
    assert unused.exists()
    assert not (store.root / "recipes/0123456789abcdef.json").exists()
    assert command_line(["retention", "--store", str(store.root), "--dry-run"]) == 0
    assert f"Damaged: recipes/{night.run.run_id}.json." in capsys.readouterr().out
    recipe.write_bytes(content)
    assert apply_retention(store, RetentionPolicy.load(), today=DAY).damaged_recipes == ()
    assert not unused.exists()
    assert model_path(store, night.run.model_version).exists()
