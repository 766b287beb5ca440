"""An earlier night beside tonight: read some students at a time, it says what it says when it is read whole."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cis_ews import RulesModel, ScoreRun, TierPolicy, score_night
from cis_ews.night import changes, nights_apart
from cis_ews.night.earlier import Decided
from cis_ews.night.nights_apart import as_it_stood
from cis_ews.risk.alone_on_list import DECIDING
from cis_ews.risk.cohort import cohort_of
from cis_ews.risk.features import school_sums
from cis_ews.risk.tiers import judge_students
from cis_ews.storage.recipes import model_path
from cis_ews.storage.store import RunStore
from cis_ews.synthetic import write_district
from tests.lib.models import catalog_model

BEFORE, DAY = date(2026, 2, 20), date(2026, 2, 27)


@pytest.fixture(scope="module")
def districts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up district as of two days."""
    place = tmp_path_factory.mktemp("districts")
    for name, day in (("before", BEFORE), ("now", DAY)):
        write_district(place / name, students=200, years=2, seed=8, format="parquet", through=day)
    return place


@pytest.fixture(scope="module", params=[False, True], ids=["rules", "model"])
def nights(
    request: pytest.FixtureRequest, districts: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ScoreRun, ScoreRun]:
    store, decides = tmp_path_factory.mktemp("store"), _decides(request.param)
    first = score_night(districts / "before", store=store, as_of=BEFORE, **decides)
    return first, score_night(districts / "now", store=store, as_of=DAY, **decides)


def _decides(trained: bool) -> dict[str, Any]:
    return {"model": catalog_model() if trained else RulesModel(), "policy": TierPolicy.load()}


@pytest.mark.parametrize("students", [1, 7, 64])
def test_how_many_students_are_looked_at_together_changes_no_byte(
    nights: tuple[ScoreRun, ScoreRun], districts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, students: int
) -> None:
    monkeypatch.setattr(nights_apart, "STUDENTS_AT_ONCE", students)
    monkeypatch.setattr(changes, "MOVED_A_TASK", students)
    trained = nights[1].model["kind"] == "trained"
    store = RunStore(Path(shutil.copytree(nights[0].run.path.parents[2], tmp_path / "store")))
    with store.lock():
        store.remove(store.latest(DAY).path)
    again = score_night(districts / "now", store=store, as_of=DAY, students_a_part=70, **_decides(trained))
    assert again.is_new
    assert again.run.manifest == nights[1].run.manifest


def test_the_lists_of_the_earlier_night_are_what_that_night_judged(nights: tuple[ScoreRun, ScoreRun]) -> None:
    run, policy = nights[0].run, TierPolicy.load()
    indicators, scores = run.table("indicators"), run.table("scores")
    every = judge_students(cohort_of(indicators), indicators, run.table("rules"), policy=policy, risk=scores)
    trained = nights[0].model["kind"] == "trained"
    model_file = model_path(RunStore(run.path.parents[2]), run.model_version) if trained else None
    decided = Decided(policy=policy, rules=(), model_version=run.model_version, model_file=model_file)
    stood = as_it_stood(run, decided, schools=scores["school_id"].unique())
    listed = every.filter(pl.col("asked").is_not_null()).select("student_id", "school_id", *DECIDING)
    assert listed.height == scores["list_place"].drop_nulls().len() > 0
    assert stood["lists"].equals(listed)
    assert set(stood) == ({"lists", "sums"} if trained else {"lists"})
    if trained:
        assert stood["sums"].equals(school_sums(indicators))
