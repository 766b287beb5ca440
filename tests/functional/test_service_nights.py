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
from cis_ews.wording import BY_RULES, DEMONSTRATION, decided_by, model_notices
from serving.backend import Backend
from serving.console.notices import night_told
from serving.jobs import KIND, WITHHELD, run_night
from serving.missing import MissingSchools, missing_schools
from tests.lib.districts import AS_OF, HARBOR, LAKEVIEW, write_extract
from tests.lib.models import catalog_model


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    """A backend without a web server, over one source."""
    source = NamedSourceSettings(path=write_extract(tmp_path / "extract"), districts=(LAKEVIEW,))
    store = RunStore(tmp_path / "store")
    with Database(store.database_url) as database:
        database.upgrade()
        yield Backend(Settings(sources={LAKEVIEW: source}), store, database)


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
    job = _ended(Backend(lost, backend.store, backend.database))
    assert job.error_code == "configuration"
    assert str(tmp_path) not in (job.error_message or "")


@pytest.mark.parametrize("kind", [ValueError, pl.exceptions.PanicException], ids=["an exception", "a panic of polars"])
def test_a_fault_ends_the_night_without_its_words(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: type[BaseException]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise kind("JANE DOE")

    monkeypatch.setattr(RulesModel, "evaluated", fail)
    job = _ended(backend)
    assert (job.status, job.error_code) == ("failed", "error")
    assert "JANE" not in caplog.text + (job.error_message or "")
    assert kind.__name__ in caplog.text


def _with_model(backend: Backend, use: str) -> Backend:
    settings = backend.settings.model_copy(update={"model": ModelSettings(use=use)})
    return Backend(settings, backend.store, backend.database)


def test_a_night_uses_the_model_of_the_settings_and_says_so(backend: Backend, tmp_path: Path) -> None:
    catalog_model(made_up=True).save(tmp_path / "model.json")
    asked = _with_model(backend, str(tmp_path / "model.json"))
    assert _ended(asked).status == "done"
    run = backend.store.latest()
    assert run.model_version == catalog_model(made_up=True).version
    model = run.statement("model")
    assert decided_by(model).startswith("A trained model (model-")
    assert "published rules beside it" in decided_by(model)
    assert any("For demonstration only" in notice for notice in model_notices(model))
    told = night_told(asked, LAKEVIEW, own=(), today=run.as_of)
    assert told is not None
    assert [notice.message for notice in told.notices] == [DEMONSTRATION]
    assert told.decided.values == {"version": run.model_version, "label": "off_track"}


def test_a_night_by_rules_says_that_no_model_is_trained(backend: Backend) -> None:
    assert _ended(backend).status == "done"
    model = backend.store.latest().statement("model")
    assert decided_by(model) == BY_RULES
    assert model_notices(model) == []


@pytest.mark.parametrize("use", ["models:/cis-ews@champion", "somewhere/model.json"])
def test_where_a_model_should_lie_is_told_to_the_log_alone(
    backend: Backend, use: str, caplog: pytest.LogCaptureFixture
) -> None:
    job = _ended(_with_model(backend, use))
    assert (job.status, job.error_code) == ("failed", "model_not_found")
    assert (job.error_message or "").startswith(WITHHELD)
    assert str(backend.store.root) not in (job.error_message or "")
    assert use in caplog.text


def test_a_school_that_is_missing_from_a_night_is_found(backend: Backend) -> None:
    source = Path(backend.settings.sources[LAKEVIEW].path)

    def scored(day: int) -> None:
        options: dict[str, Any] = {"store": backend.store, "database": backend.database, "as_of": date(2026, 2, day)}
        score_night(source, model=RulesModel(), policy=TierPolicy.load(), **options)

    scored(26)
    for table in ("schools", "students", "enrollments", "calendar_days", "attendance_events", "reporting"):
        rows = pl.read_csv(source / f"{table}.csv", infer_schema=False)
        column = "student_id" if table == "students" else "school_id"
        rows.filter(~pl.col(column).str.starts_with("south")).write_csv(source / f"{table}.csv")
    assert _missing(backend, LAKEVIEW) is None
    scored(27)
    assert _missing(backend, LAKEVIEW) == MissingSchools(names={"south": "South School"}, had_on=date(2026, 2, 26))
    assert _missing(backend, HARBOR) is None
    told = night_told(backend, LAKEVIEW, own={"north"}, today=date(2026, 2, 28))
    assert told is not None
    assert [(notice.values, notice.days) for notice in told.notices] == [
        ({"names": "South School"}, {"day": date(2026, 2, 26)})
    ]
    of_south = night_told(backend, LAKEVIEW, own={"south"}, today=date(2026, 3, 10))
    assert of_south is not None
    assert [notice.values for notice in of_south.notices] == [{"days": 11}, {"name": "South School"}]
    elsewhere = night_told(backend, HARBOR, own=(), today=date(2026, 2, 28))
    assert elsewhere is not None
    assert elsewhere.notices == ()
    assert night_told(backend, "nowhere", own=(), today=date(2026, 2, 28)) is None


def _missing(backend: Backend, district: str) -> MissingSchools | None:
    listed = {row.school_id for row in backend.database.schools_of(district)}
    return missing_schools(backend, district, runs=backend.database.runs_of(district), listed=listed)
