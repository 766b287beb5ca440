"""Retention: what is older than the policy allows goes, what is younger stays, and a dry run touches nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from cis_ews.errors import ConfigError
from cis_ews.storage.database import Database
from cis_ews.storage.retention import RetentionPolicy, apply_retention
from cis_ews.storage.store import RunStore
from tests.lib.stored_nights import DISTRICT, contents, roster

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 3, 1)
POLICY = RetentionPolicy.load().model_copy(
    update={"runs_days": 30, "keep_latest": True, "corrections_days": 30, "jobs_days": 30}
)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Three nights: 31, 30 and 1 day old."""
    store = RunStore(tmp_path / "out")
    for age in (31, 30, 1):
        store.write(contents(as_of=TODAY - timedelta(days=age)))
    return store


@pytest.fixture
def database(store: RunStore) -> Iterator[Database]:
    with Database(store.database_url) as database:
        database.upgrade()
        yield database


def _ages(store: RunStore) -> list[int]:
    return [(TODAY - run.as_of).days for run in store.runs()]


def test_a_run_goes_the_day_after_its_last(store: RunStore) -> None:
    report = apply_retention(store, POLICY, today=TODAY)
    assert [Path(name).parts[1] for name in report.runs] == ["2026-01-29"]
    assert _ages(store) == [30, 1]


def test_a_dry_run_says_the_same_and_touches_nothing(store: RunStore) -> None:
    dry = apply_retention(store, POLICY, today=TODAY, dry_run=True)
    assert _ages(store) == [31, 30, 1]
    assert dry.runs == apply_retention(store, POLICY, today=TODAY).runs


@pytest.mark.parametrize(("keep_latest", "left"), [(True, [401]), (False, [])])
def test_the_latest_run_stays_if_the_policy_says_so(store: RunStore, keep_latest: bool, left: list[int]) -> None:
    policy = POLICY.model_copy(update={"keep_latest": keep_latest})
    later = TODAY + timedelta(days=400)
    apply_retention(store, policy, today=later)
    assert [(later - run.as_of).days for run in store.runs()] == left


def test_a_damaged_run_ages_too(store: RunStore) -> None:
    (store.runs()[0].path / "manifest.json").write_text("{")
    assert len(apply_retention(store, POLICY, today=TODAY).runs) == 1
    assert _ages(store) == [30, 1]


def test_flags_go_with_the_run_that_they_are_of(store: RunStore, database: Database) -> None:
    oldest = store.runs()[0]
    database.publish(oldest, **roster())
    assert database.current_scores(DISTRICT).rows
    apply_retention(store, POLICY, today=TODAY, database=database)
    assert database.districts() == []
    assert database.runs_of(DISTRICT) == []
    assert database.current_scores(DISTRICT).rows == ()
    assert not any(database.export_student("ann").values())
    assert database.schools_of(DISTRICT) == []


def test_what_was_killed_half_way_is_finished_by_the_next(
    store: RunStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is gone is no longer found to be too old: its rows would stay for ever."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    database.publish(store.runs()[0], **roster())
    for place, step in ((Database, "drop_runs"), (Database, "purge"), (RunStore, "remove")):
        with monkeypatch.context() as patched:
            patched.setattr(place, step, killed)
            with pytest.raises(KeyboardInterrupt):
                apply_retention(store, POLICY, today=TODAY, database=database)
    apply_retention(store, POLICY, today=TODAY, database=database)
    assert _ages(store) == [30, 1]
    assert database.runs_of(DISTRICT) == []
    assert database.current_scores(DISTRICT).rows == ()


def test_flags_of_a_younger_run_stay(store: RunStore, database: Database) -> None:
    for run in store.runs():
        database.publish(run, **roster())
    apply_retention(store, POLICY, today=TODAY, database=database)
    assert [(TODAY - run.as_of).days for run in database.runs_of(DISTRICT)] == [1, 30]
    assert len(database.current_scores(DISTRICT).rows) == 3


def test_corrections_go_by_their_last_change(store: RunStore) -> None:
    changed = {"old": TODAY - timedelta(days=31), "new": TODAY - timedelta(days=30)}
    for student, day in changed.items():
        folder = store.student_folder(student)
        folder.mkdir(parents=True)
        moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()
        for path in (folder / "course_grades.csv", folder):
            path.touch()
            os.utime(path, (moment, moment))
    assert apply_retention(store, POLICY, today=TODAY).corrections == 1
    assert [path.name for path in store.corrections.iterdir()] == [store.student_folder("new").name]


def test_ended_jobs_go_and_open_ones_stay(store: RunStore, database: Database) -> None:
    ended, _open = (database.create_job(DISTRICT, kind="night", source="folder") for _ in range(2))
    database.finish_job(ended, run_id="0" * 16)
    later = datetime.now(UTC).date() + timedelta(days=32)
    assert apply_retention(store, POLICY, today=later, database=database, dry_run=True).jobs == 1
    assert database.job(ended, DISTRICT) is not None
    assert apply_retention(store, POLICY, today=later, database=database).jobs == 1
    assert database.job(ended, DISTRICT) is None
    assert database.job(_open, DISTRICT) is not None


def test_the_shipped_policy_is_whole() -> None:
    policy = RetentionPolicy.load()
    assert (policy.runs_days, policy.keep_latest, policy.jobs_days) == (730, True, 90)


def test_the_file_of_a_deployment_overrides_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text("config_version = 1\nruns_days = 400\n")
    policy = RetentionPolicy.load(tmp_path / "ours.toml")
    assert (policy.runs_days, policy.jobs_days) == (400, 90)
    assert RetentionPolicy.load(ROOT / "configs" / "retention.toml") == RetentionPolicy.load()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run_days = 3", "run_days: there is no such key; did you mean runs_days"),
        ("runs_days = 0", "runs_days: should be greater"),
        ("runs_days = 'x'", "runs_days: should be a valid integer"),
        ("config_version = 2", "config_version"),
        ("runs_days = ", "is not TOML"),
    ],
)
def test_a_wrong_policy_is_refused_by_its_key(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "ours.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        RetentionPolicy.load(tmp_path / "ours.toml")


def test_a_missing_policy_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        RetentionPolicy.load(tmp_path / "none.toml")
