"""How a night that was asked for ends, and what of it whoever asked is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tiers import TierPolicy
from cis_ews.scoring import score_night
from cis_ews.settings import ModelSettings, NamedSourceSettings, PolicySettings, Settings
from cis_ews.storage.database import Database, Job
from cis_ews.storage.store import RunStore
from serving.auth import Sessions
from serving.backend import Backend
from serving.flags_view import flags_view
from serving.jobs import KIND, WITHHELD, run_night
from tests.lib.districts import AS_OF, HARBOR, LAKEVIEW, write_extract
from tests.lib.models import catalog_model


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    """A backend without a web server, over one source."""
    source = NamedSourceSettings(path=write_extract(tmp_path / "extract"), districts=(LAKEVIEW,))
    store = RunStore(tmp_path / "store")
    with Database(store.database_url) as database:
        database.upgrade()
        yield Backend(Settings(sources={LAKEVIEW: source}), store, database, Sessions(b"secret", hours=1))


def _ended(backend: Backend) -> Job:
    job_id = backend.database.create_job(LAKEVIEW, kind=KIND, source=LAKEVIEW, as_of=date.fromisoformat(AS_OF))
    outcome = run_night(backend, job_id, district_id=LAKEVIEW)
    job = backend.database.job(job_id, LAKEVIEW)
    assert job is not None
    assert outcome == (job.error_code or job.status)
    return job


def test_a_night_ends_with_its_run(backend: Backend) -> None:
    job = _ended(backend)
    assert (job.status, job.error_code) == ("done", None)
    assert job.run_id == backend.store.latest().run_id


def test_where_the_store_lies_is_told_to_the_log_alone(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    (backend.store.root / "runs").write_text("in the way", encoding="utf-8")
    job = _ended(backend)
    assert (job.status, job.error_code) == ("failed", "storage")
    assert (job.error_message or "").startswith(WITHHELD)
    assert str(backend.store.root) in caplog.text


def test_a_store_in_use_is_said_by_its_code(backend: Backend) -> None:
    with RunStore(backend.store.root).lock():
        job = _ended(backend)
    assert (job.error_code, str(backend.store.root) in (job.error_message or "")) == ("store_locked", False)


def test_where_a_policy_lies_is_nobodys_business(backend: Backend, tmp_path: Path) -> None:
    lost = backend.settings.model_copy(update={"policy": PolicySettings(tiers=tmp_path / "none.toml")})
    job = _ended(Backend(lost, backend.store, backend.database, backend.sessions))
    assert job.error_code == "configuration"
    assert str(tmp_path) not in (job.error_message or "")


@pytest.mark.parametrize("kind", [ValueError, pl.exceptions.PanicException], ids=["an exception", "a panic of polars"])
def test_a_fault_ends_the_night_without_its_words(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: type[BaseException]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise kind("JANE DOE")

    monkeypatch.setattr(RulesModel, "evaluate", fail)
    job = _ended(backend)
    assert (job.status, job.error_code) == ("failed", "error")
    assert "JANE" not in caplog.text + (job.error_message or "")
    assert kind.__name__ in caplog.text


def _with_model(backend: Backend, use: str) -> Backend:
    settings = backend.settings.model_copy(update={"model": ModelSettings(use=use)})
    return Backend(settings, backend.store, backend.database, backend.sessions)


def test_a_night_uses_the_model_of_the_settings_and_the_page_says_so(backend: Backend, tmp_path: Path) -> None:
    catalog_model(made_up=True).save(tmp_path / "model.json")
    asked = _with_model(backend, str(tmp_path / "model.json"))
    assert _ended(asked).status == "done"
    assert backend.store.latest().model_version == catalog_model(made_up=True).version
    view = flags_view(asked, LAKEVIEW, school_id="north", today=date.fromisoformat(AS_OF))
    assert view.decided_by.startswith("A trained model (model-")
    assert "published rules beside it" in view.decided_by
    assert any("For demonstration only" in notice for notice in view.notices)


def test_a_night_by_rules_says_that_no_model_is_trained(backend: Backend) -> None:
    assert _ended(backend).status == "done"
    view = flags_view(backend, LAKEVIEW, school_id="north", today=date.fromisoformat(AS_OF))
    assert view.decided_by == "Published rules; no trained model was used"
    assert view.notices == []


@pytest.mark.parametrize("use", ["models:/cis-ews@champion", "somewhere/model.json"])
def test_where_a_model_should_lie_is_told_to_the_log_alone(
    backend: Backend, use: str, caplog: pytest.LogCaptureFixture
) -> None:
    job = _ended(_with_model(backend, use))
    assert (job.status, job.error_code) == ("failed", "model_not_found")
    assert (job.error_message or "").startswith(WITHHELD)
    assert str(backend.store.root) not in (job.error_message or "")
    assert use in caplog.text


def test_a_school_that_is_missing_from_a_night_is_said(backend: Backend) -> None:
    source = Path(backend.settings.sources[LAKEVIEW].path)

    def scored(day: int) -> None:
        options: dict[str, Any] = {"store": backend.store, "database": backend.database, "as_of": date(2026, 2, day)}
        score_night(source, model=RulesModel(), policy=TierPolicy.load(), **options)

    scored(26)
    for table in ("schools", "students", "enrollments", "calendar_days", "attendance_events", "reporting"):
        rows = pl.read_csv(source / f"{table}.csv", infer_schema=False)
        column = "student_id" if table == "students" else "school_id"
        rows.filter(~pl.col(column).str.starts_with("south")).write_csv(source / f"{table}.csv")
    assert not [text for text in flags_view(backend, LAKEVIEW, school_id=None).notices if "issing" in text]
    scored(27)
    said = "Missing from this night: South School. It is in the one of Thursday, February 26, 2026;"
    assert any(text.startswith(said) for text in flags_view(backend, LAKEVIEW, school_id="north").notices)
    asked = flags_view(backend, LAKEVIEW, school_id="south")
    assert (asked.school_id, asked.is_known) == ("north", False)
    assert asked.notices[0] == "South School is missing from this night: this is the first other school."
    assert "one of this district's" not in " ".join(asked.notices)
    assert not [text for text in flags_view(backend, HARBOR, school_id=None).notices if "issing" in text]
