"""`python -m training` where trees are what is taken: measured, told, registered, promoted, and asked on a night."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cis_ews.risk.model_recipe import Kind
from cis_ews.risk.registry import Registry
from cis_ews.storage.store import RunStore
from cis_ews.synthetic import write_district
from tests.lib.command import Done, command, training
from tests.lib.toml import write_toml
from tests.lib.trainings import small_training

AS_OF = "2026-02-27"
CONFIG = small_training(compare=["trees"], validation={"as_of": ["day 60"]})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trees")
    write_district(folder / "extract", students=500, years=3, seed=5, through=date.fromisoformat(AS_OF))
    write_toml(folder / "training.toml", CONFIG)
    return folder


@pytest.fixture(scope="module")
def trained(place: Path) -> Done:
    done = training(
        *(place / "extract", "--config", place / "training.toml", "--store", place / "store", "--json"),
    )
    assert done.code == 0, done.err
    return done


def test_trees_are_fitted_and_the_card_says_so(trained: Done, place: Path) -> None:
    model = Registry(place / "store" / "models").load(trained.event("registered")["uri"])
    assert model.recipe.kind == Kind.TREES
    assert model.parts.trees is not None
    assert model.parts.linear is None
    (card,) = (place / "store" / "models").rglob("model_card.md")
    assert "\nSmall trees. Its risks are " in card.read_text(encoding="utf-8")


def test_reasons_are_held_against_another_seed_and_other_students(trained: Done) -> None:
    found = trained.event("trained")["stability"]
    gate = trained.event("trained")["gates"]["reasons_across_seeds"]
    assert 0.5 < found["top3_overlap_across_seeds"] == gate["value"] < 1.0
    assert found["measured"]["seed.mean_change"] > 0.0
    assert found["measured"]["seed.anew"] == 1.0
    # What other students would teach is told beside, and the gate does not hang on it.
    assert 0.3 < found["top3_overlap_across_students"] < found["top3_overlap_across_seeds"]
    assert f"{found['top3_overlap_across_students']:.0%} with students drawn again" in gate["found"]
    assert found["additive"] is True
    assert found["identical_when_unchanged"] is True
    assert 0.3 < found["measured"]["interventional.rank_correlation"] <= 1.0


def test_the_trees_score_a_night_with_reasons(trained: Done, place: Path) -> None:
    reason = "a made-up district of a test: no child is judged by this model"
    promoted = training("promote", "--store", place / "store", "--override", reason, "--json")
    assert promoted.code == 0, promoted.err
    done = command(
        *("score", place / "extract", "--as-of", AS_OF, "--out", place / "store"),
        *("--model", "models:/cis-ews@champion", "--json"),
    )
    assert done.code == 0, done.err
    run = RunStore(place / "store").latest()
    assert run.model_version == trained.event("registered")["model_version"]
    assert json.loads((run.path / "model.json").read_text(encoding="utf-8"))["kind"] == "trained"
    told = run.table("scores").filter(pl.col("risk").is_not_null())
    assert told["risk"].n_unique() > told.height / 4
    flagged = told.filter(pl.col("tier") > 1)["student_id"]
    assert flagged.len() > 0
    assert set(flagged) <= set(run.table("reasons").filter(pl.col("direction") == "risk")["student_id"])
