"""Old runs are compacted only if they can be made again, and come back byte for byte."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cis_ews import RiskModel, RulesModel, ScoreRun, TierPolicy, score_night
from cis_ews.cli import run as command_line
from cis_ews.compacting import CompactionReport, compact_old_runs
from cis_ews.corrections import keep_correction, read_correction
from cis_ews.errors import RunCompactedError, RunDamagedError, RunNotFoundError, StorageError
from cis_ews.exports.files import export_files
from cis_ews.replaying import replay
from cis_ews.storage import compaction
from cis_ews.storage.compacted import COMPACTABLE, COMPACTED
from cis_ews.storage.erasure import export_student, forget_student
from cis_ews.storage.files import json_bytes, sha256_of
from cis_ews.storage.manifest import sealed
from cis_ews.storage.retention import RetentionPolicy, apply_retention
from cis_ews.storage.runs import Run, open_run, verify_run
from cis_ews.storage.store import RunStore
from cis_ews.synthetic import write_district
from tests.lib.models import catalog_model

DAY = date(2026, 2, 27)
LATER = DAY + timedelta(days=40)
POLICY = RetentionPolicy.load().model_copy(update={"compact_after_days": 30})
NIGHTS = (DAY - timedelta(days=7), DAY)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "extract"
    write_district(folder, students=200, years=2, seed=11, format="parquet", through=DAY)
    return folder


@pytest.fixture(scope="module")
def nights_of_rules(source: Path) -> RunStore:
    store = RunStore(source.parent / "store")
    _three_nights(source, store)
    return store


@pytest.fixture(scope="module")
def compacted_once(nights_of_rules: RunStore) -> RunStore:
    store = RunStore(shutil.copytree(nights_of_rules.root, nights_of_rules.root.with_name("compacted")))
    assert len(_compact(store).compacted) == 2
    return store


@pytest.fixture
def store(nights_of_rules: RunStore, tmp_path: Path) -> RunStore:
    """Two old nights, and the newest one, which always stays whole."""
    return RunStore(shutil.copytree(nights_of_rules.root, tmp_path / "store"))


@pytest.fixture
def compacted(compacted_once: RunStore, tmp_path: Path) -> RunStore:
    """The same, the old ones compacted."""
    return RunStore(shutil.copytree(compacted_once.root, tmp_path / "compacted"))


def _night(source: Path, store: RunStore, as_of: date, **options: Any) -> ScoreRun:
    model: RulesModel | RiskModel = options.pop("model", None) or RulesModel()
    return score_night(source, model=model, policy=TierPolicy.load(), store=store.root, as_of=as_of, **options)


def _three_nights(source: Path, store: RunStore, **options: Any) -> list[Run]:
    return [_night(source, store, day, **options).run for day in (*NIGHTS, DAY + timedelta(days=3))]


def _compact(store: RunStore, **options: Any) -> CompactionReport:
    return compact_old_runs(store, POLICY, today=LATER, **options)


def _bytes(run: Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.path.iterdir()}


@pytest.mark.parametrize("model", [None, "trained"])
def test_what_was_compacted_comes_back_byte_for_byte(
    source: Path, store: RunStore, tmp_path: Path, model: str | None
) -> None:
    if model:
        store = RunStore(tmp_path / "by_model")
        _three_nights(source, store, model=catalog_model())
    nights = store.runs()
    before = [_bytes(run) for run in nights]
    report = _compact(store)
    assert [Path(name).name for name in report.compacted] == [run.run_id for run in nights[:2]]
    assert report.left_whole == {}
    gone = [set(all_files) - set(_bytes(run)) for all_files, run in zip(before, nights, strict=True)]
    assert gone == [set(COMPACTABLE) & set(before[0])] * 2 + [set()]
    assert report.freed == sum(len(before[index][name]) for index in (0, 1) for name in gone[index])
    for run in nights:
        verify_run(run)
    # The second night was compared with the first: its changes are made again beside the first one as it was.
    for run in reversed(nights[:2]):
        found = replay(open_run(run.path), store, restore=True)
        assert (found.differing, found.not_compared) == ((), {})
    assert [_bytes(run) for run in nights] == before


def test_nights_of_csv_and_over_a_kept_state(tmp_path: Path) -> None:
    source, store = tmp_path / "extract", RunStore(tmp_path / "store")
    write_district(source, students=100, years=2, seed=11, format="csv", through=DAY)
    plain, kept = _night(source, store, NIGHTS[0]), _night(source, store, NIGHTS[0], state="keep")
    (tmp_path / "day").mkdir()
    header = (source / "incidents.csv").read_text(encoding="utf-8").splitlines()[0]
    (tmp_path / "day/incidents.csv").write_text(header + "\n", encoding="utf-8")
    by_delta = _night(tmp_path / "day", store, NIGHTS[1], state="add")
    _night(source, store, DAY + timedelta(days=3))
    before = _bytes(kept.run)
    report = _compact(store)
    assert sorted(Path(name).name for name in report.compacted) == sorted([plain.run.run_id, kept.run.run_id])
    assert report.left_whole == {
        str(by_delta.run.path.relative_to(store.root)): f"the run {by_delta.run.run_id} was made from a kept state, "
        "which is another one by now"
    }
    assert replay(open_run(kept.run.path), store, restore=True).restored == tuple(
        sorted(set(COMPACTABLE) & set(before))
    )
    assert _bytes(kept.run) == before


def test_a_correction_does_not_end_what_can_be_brought_back(source: Path, compacted: RunStore, tmp_path: Path) -> None:
    first = compacted.runs()[0]
    pl.read_parquet(source / "course_grades.parquet").head(0).write_csv(tmp_path / "course_grades.csv")
    keep_correction(compacted, read_correction(first.table("scores")["student_id"][0], tmp_path))
    assert replay(first, compacted, restore=True).restored
    assert first.table("reasons").height


def test_while_another_process_writes_nothing_is_made_again(store: RunStore) -> None:
    with RunStore(store.root).lock():
        report = _compact(store)
    assert (report.compacted, dict(report.left_whole)) == ((), {})
    assert len(report.hindered) == 2
    assert len(_compact(store).compacted) == 2


def test_a_night_can_write_while_files_are_compared(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of a run is read under the lock, and the night is made again without it."""
    free = list[bool]()

    def hashed(path: Path) -> str:
        with RunStore(store.root).lock():
            free.append(True)
        return sha256_of(path)

    monkeypatch.setattr("cis_ews.storage.runs.sha256_of", hashed)
    run = store.runs()[0]
    compaction.compact_run(store, run)
    assert len(free) >= len(run.manifest["files"])


def test_a_run_changed_while_its_night_was_made_again_stays_whole(store: RunStore) -> None:
    first = store.runs()[0]
    forget_student(store, None, first.table("scores")["student_id"][0], today=LATER)
    with pytest.raises(StorageError, match="was changed meanwhile"):
        compaction.compact_run(store, first)
    assert not verify_run(first).away


def test_students_forgotten_since_keep_their_runs_whole(store: RunStore) -> None:
    first = store.runs()[0]
    forget_student(store, None, "held-nowhere", today=LATER)
    assert len(_compact(store, dry_run=True).compacted) == 2
    forget_student(store, None, first.table("scores")["student_id"][0], today=LATER)
    report = _compact(store)
    assert report.compacted == ()
    assert all(why.startswith("students were forgotten since the run") for why in report.left_whole.values())


def test_twice_is_once_and_the_newest_night_is_left(compacted: RunStore) -> None:
    assert _compact(compacted) == CompactionReport(left_whole={}, dry_run=False)
    assert compact_old_runs(compacted, POLICY, today=LATER + timedelta(days=400)).compacted == ()


def test_a_dry_run_and_a_policy_without_compaction_touch_nothing(store: RunStore) -> None:
    assert len(_compact(store, dry_run=True).compacted) == 2
    assert compact_old_runs(store, RetentionPolicy.load(), today=LATER).compacted == ()
    assert not any(run.away for run in store.runs())


def test_runs_that_cannot_be_made_again_stay_whole(source: Path, tmp_path: Path) -> None:
    lost, store = tmp_path / "extract", RunStore(tmp_path / "store")
    shutil.copytree(source, lost)
    first, second, _ = _three_nights(lost, store)
    (store.root / "recipes" / f"{second.run_id}.json").unlink()
    (lost / "incidents.parquet").write_bytes(b"PAR1")
    report = _compact(store)
    assert report.compacted == ()
    assert list(report.left_whole.values()) == [
        "1 input of the run gone or changed: incidents.parquet",
        f"the store does not say how the run {second.run_id} was made",
    ]
    shutil.rmtree(lost)
    assert "the extract of the run is gone" in _compact(store).left_whole[str(first.path.relative_to(store.root))]
    assert not any(run.away for run in store.runs())
    with store.lock():  # as where the extract was there then
        compaction.compact_run(store, first)
    found = replay(_with_recipe_of(first, second, store), store, source=source)
    assert found.differing == ()
    assert (
        "is compacted, and cannot be made again: the extract of the run is gone"
        in found.not_compared["changes.parquet"]
    )


def _with_recipe_of(first: Run, second: Run, store: RunStore) -> Run:
    """The second run, with the recipe of the first: they were made alike."""
    recipes = store.root / "recipes"
    shutil.copy(recipes / f"{first.run_id}.json", recipes / f"{second.run_id}.json")
    return second


def test_a_run_whose_files_would_come_out_otherwise_stays_whole(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.runs()[0]
    otherwise = first.path / "rules.parquet"
    pl.read_parquet(otherwise).write_parquet(otherwise, compression="snappy")  # as another version of polars might
    entry = {"sha256": sha256_of(otherwise), "bytes": otherwise.stat().st_size}
    versions = {**first.manifest["versions"], "polars": "1.0.0"}
    manifest = {**first.manifest, "files": {**first.manifest["files"], otherwise.name: entry}, "versions": versions}
    (first.path / "manifest.json").write_bytes(json_bytes(sealed(manifest)))
    report = _compact(store)
    assert list(report.left_whole.values()) == ["rules.parquet would come out otherwise; polars was 1.0.0"]
    assert report.not_tried == ()
    assert not verify_run(open_run(first.path)).away
    with monkeypatch.context() as patched:  # once with the same packages is enough
        patched.setattr("cis_ews.compacting.made_again", None)
        again = _compact(store)
    assert again == replace(report, compacted=(), freed=0, not_tried=tuple(report.left_whole))
    assert _compact(store, dry_run=True).not_tried == again.not_tried
    monkeypatch.setattr("cis_ews.storage.attempts.package_versions", lambda: versions)
    assert _compact(store).not_tried == ()
    other = {**manifest, "versions": {**versions, "cis_ews": "0.0.1"}}
    (first.path / "manifest.json").write_bytes(json_bytes(sealed(other)))
    assert "does not match its manifest" in _compact(store).left_whole[str(first.path.relative_to(store.root))]


def test_a_damaged_run_is_not_hidden(store: RunStore) -> None:
    (store.runs()[0].path / "reasons.parquet").write_bytes(b"PAR1")
    report = _compact(store)
    assert len(report.compacted) == 1
    assert "does not match its manifest: reasons.parquet" in next(iter(report.left_whole.values()))


def test_whoever_asks_for_what_is_away_is_told_how_to_bring_it_back(
    compacted: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = compacted.runs()[0]
    student_id = first.table("scores")["student_id"][0]
    for ask in (
        lambda: first.table("reasons"),
        lambda: first.rows_of("indicators", student_id),
        lambda: export_files(first, tmp_path / "out"),
    ):
        with pytest.raises(RunCompactedError, match="is compacted: its"):
            ask()
    with pytest.raises(RunNotFoundError, match="has no table contributions"):
        first.table("contributions")
    assert command_line(["explain", student_id, "--run", str(first.path)]) == 5
    assert "--restore" in capsys.readouterr().err
    assert command_line(["runs", "verify", "--store", str(compacted.root)]) == 0
    assert "3 runs checked and whole. 2 of them compacted." in capsys.readouterr().out
    assert command_line(["replay", str(first.path), "--restore"]) == 0
    assert "Brought back: indicators.parquet, reasons.parquet, rules.parquet" in capsys.readouterr().out
    assert command_line(["explain", student_id, "--run", str(first.path)]) == 0


def test_a_night_beside_a_compacted_one_says_why_causes_are_not_told(source: Path, compacted: RunStore) -> None:
    between = _night(source, compacted, DAY + timedelta(days=1))
    assert between.run.manifest["compared_with"]["causes_untold"] == "it is compacted"
    earlier = compacted.find(between.run.manifest["compared_with"]["run_id"])
    assert earlier is not None
    for restored in (False, True):  # it is made again beside the run as it was then
        if restored:
            replay(earlier, compacted, restore=True)
        found = replay(between.run, compacted)
        assert (found.differing, found.not_compared) == ((), {})


def test_forgetting_a_student_of_a_compacted_run_ends_what_could_be_brought_back(compacted: RunStore) -> None:
    first = compacted.runs()[0]
    students = first.table("scores")["student_id"]
    report = forget_student(compacted, None, students[0], today=LATER)
    assert set(report.lost_runs) == {run.run_id for run in compacted.runs()[:2]} < set(report.runs_rewritten)
    rewritten = verify_run(open_run(first.path))
    assert rewritten.away == frozenset()
    assert rewritten.tables == ["changes", "rejections", "scores"]
    assert not rewritten.rows_of("scores", students[0]).height
    assert rewritten.lost == {"indicators.parquet", "reasons.parquet", "rules.parquet"}
    with pytest.raises(
        StorageError, match=r"cannot come back: one of its students was forgotten since.*move its folder"
    ):
        replay(rewritten, compacted, restore=True)
    with pytest.raises(RunNotFoundError, match="has no reasons any more: it was compacted when one of its students"):
        rewritten.table("reasons")
    again = forget_student(compacted, None, students[0], today=LATER)
    assert (again.found_nothing, again.known_before, again.lost_runs) == (True, True, ())
    held = export_student(compacted, None, students[1])
    assert {name for run in held["runs"] if run["run_id"] == first.run_id for name in run["tables"]} <= {
        "scores",
        "changes",
    }


def test_old_runs_go_by_retention_compacted_or_not(compacted: RunStore) -> None:
    policy = POLICY.model_copy(update={"runs_days": 20})
    assert len(apply_retention(compacted, policy, today=LATER).runs) == 2
    assert len(compacted.runs()) == 1


def test_a_mark_that_is_damaged_or_names_what_has_to_be_there(store: RunStore) -> None:
    run = store.runs()[0]
    for content in (b"[]", b"{", b'{"away": ["scores.parquet"]}', b'{"away": 3}'):
        (run.path / COMPACTED).write_bytes(content)
        with pytest.raises(RunDamagedError, match=r"compacted\.json"):
            open_run(run.path)


def _killed_at(store: Path, run: Path, *, made: Path | None = None, function: str, at: int) -> None:
    """Compact or restore a run in a process that kills itself at the n-th call of a function."""
    called = 0
    real: Callable[..., Any] = getattr(compaction, function)

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal called
        called += 1
        if called == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)

    setattr(compaction, function, counted)
    opened, of = open_run(run), RunStore(store)
    if made:
        compaction.restore_run(of, opened, made)
    else:
        compaction.compact_run(of, opened)


def _in_a_process(**named: Any) -> int | None:
    process = multiprocessing.get_context("spawn").Process(target=_killed_at, kwargs=named)
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.parametrize(("function", "at"), [("mark_compacted", 1), ("remove", 1), ("remove", 2), ("sync", 1)])
def test_killed_while_compacting_a_run_is_whole_or_compacted(store: RunStore, function: str, at: int) -> None:
    run = store.runs()[0]
    before = _bytes(run)
    assert _in_a_process(store=store.root, run=run.path, function=function, at=at) == -signal.SIGKILL
    now = verify_run(open_run(run.path))
    if function == "mark_compacted":
        assert (now.away, _bytes(now)) == (frozenset(), before)
        return
    assert now.away == set(COMPACTABLE) & set(before)
    apply_retention(store, RetentionPolicy.load(), today=DAY)
    assert not any((run.path / name).exists() for name in now.away)


@pytest.mark.parametrize(("function", "at"), [("written_beside", 2), ("remove", 1)])
def test_killed_while_restoring_a_run_stays_compacted(store: RunStore, tmp_path: Path, function: str, at: int) -> None:
    run = store.runs()[0]
    made, before = shutil.copytree(run.path, tmp_path / "made"), _bytes(run)
    compaction.compact_run(store, run)
    assert _in_a_process(store=store.root, run=run.path, made=made, function=function, at=at) == -signal.SIGKILL
    now = verify_run(open_run(run.path))
    assert now.away == set(COMPACTABLE) & set(before)
    with pytest.raises(RunCompactedError):
        now.table("reasons")
    assert compaction.restore_run(store, now, made) == tuple(sorted(now.away))
    assert _bytes(now) == before


def test_an_old_kept_state_goes_and_a_young_one_stays(source: Path, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "store")
    _night(source, store, DAY, state="keep")
    current = store.root / "state/current.json"
    assert not apply_retention(store, POLICY, today=date.today()).state
    assert current.exists()
    report = apply_retention(store, POLICY, today=date.today() + timedelta(days=91), dry_run=True)
    assert (report.state, current.exists()) == (True, True)
    assert apply_retention(store, POLICY, today=date.today() + timedelta(days=91)).state
    assert not (store.root / "state").exists()


def test_the_command_line_says_what_was_compacted_and_what_stayed(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, second, newest = store.runs()
    (store.root / "recipes" / f"{second.run_id}.json").unlink()
    policy = tmp_path / "retention.toml"
    policy.write_text("runs_days = 100000\ncompact_after_days = 30\n", encoding="utf-8")
    base = ["retention", "--store", str(store.root), "--policy", str(policy)]
    assert command_line([*base, "--dry-run"]) == 0
    assert "Would try to compact 2 runs." in capsys.readouterr().out
    assert command_line(base) == 0
    told = capsys.readouterr().out
    assert "Compacted 1 run, " in told
    assert "1 run left whole:" in told
    assert max(map(len, told.splitlines())) <= 80
    assert "does not say how the run" in " ".join(told.split())
    assert command_line(["runs", "list", "--store", str(store.root)]) == 0
    told = capsys.readouterr().out
    assert f"Compacted: {store.runs()[0].run_id}" in told
    assert max(map(len, told.splitlines())) <= 80
    held = open_run(newest.path).table("scores")["student_id"][0]
    assert command_line(["student", "forget", held, "--store", str(store.root), "--yes"]) == 0
    told = capsys.readouterr().out
    assert "1 compacted run can no longer be restored:" in told
    assert max(map(len, told.splitlines())) <= 80
    assert pl.read_parquet(newest.path / "reasons.parquet").height
