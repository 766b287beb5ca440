"""`python -m training` on an extract of two districts: each is asked of a model of the other."""

from __future__ import annotations

from datetime import date

import pytest

from cis_ews.synthetic import write_district
from tests.lib.command import Done, training
from tests.lib.toml import write_toml
from tests.lib.trainings import small_training

AS_OF = "2026-02-27"
CONFIG = small_training(
    compare=["straight lines"],
    validation={"as_of": ["day 60", "02-28"], "contrast_rows": 600, "students_again": False},
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("districts")
    write_district(folder / "extract", students=800, years=3, seed=5, districts=2, through=date.fromisoformat(AS_OF))
    write_toml(folder / "training.toml", CONFIG)
    done = training(folder / "extract", "--config", folder / "training.toml", "--store", folder / "store", "--json")
    assert done.code == 0, done.err
    return done


def test_another_district_is_asked_of_models_that_learned_nothing_of_it(trained: Done) -> None:
    event = trained.event("trained")
    assert event["not_measured"] == {}
    found = {one["name"]: one for one in event["contrasts"]}
    assert list(found) == ["a later year", "students never seen", "another district", "a random split"]
    one = found["another district"]
    assert one["parts"] == 2
    assert one["rows"] == found["a later year"]["rows"] == event["validation"]["rows"]
    assert one["as_of"] == found["a random split"]["as_of"]
    table = one["table"]
    assert list(table) == ["the model", "logistic regression", "published rules", "the model of a later year"]
    assert table["the model"]["values"]["auroc"]["value"] > 0.6
    # Rules need nothing learned: they say the same of both.
    assert table["published rules"]["values"] == found["a later year"]["table"]["published rules"]["values"]
    gain = table["the model of a later year"]["gains"]["auroc"]
    assert gain["low"] <= gain["value"] <= gain["high"]
