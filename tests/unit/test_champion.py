"""The champion beside the model: whom it is asked of, by which file, and when nothing can be told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from cis_ews.risk.model import RiskModel
from cis_ews.risk.night_model import DECLARED, declared_features
from cis_ews.risk.registry import Registered
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.schema.roster import Demographics
from tests.lib.models import LEARNED, catalog_model, training_rows
from training.champion import LEARNED_THROUGH, Beside, Champion, as_twin, beside_champion
from training.config import TrainingConfig
from training.splits import Split
from training.validation import HeldBack

FIRST = date(2025, 9, 30)
CONFIG = TrainingConfig.model_validate(
    {
        "config_version": 1,
        "label": "off_track",
        "as_of": ["11-30"],
        "test_years": 1,
        "seed": 1,
        "validation": {"draws": 100},
    }
)
VERSION = Registered(name="cis-ews", number=4, model_version="model-000000000000", label="off_track", is_champion=True)


def _model(through: str | None, *, seed: int = 1) -> RiskModel:
    model = catalog_model(seed=seed)
    return replace(model, about={**model.about, LEARNED_THROUGH: through})


@pytest.fixture(scope="module")
def held() -> HeldBack:
    frame, label = training_rows(rows=900, seed=9)
    model = catalog_model()
    keys = pl.DataFrame(
        {
            "student_id": [f"s{number}" for number in range(900)],
            "school_id": [f"school {number % 12}" for number in range(900)],
            "as_of": [FIRST] * 900,
        }
    )
    told = keys.with_columns(
        label=pl.Series(label.astype(float)),
        risk=pl.Series(model.predict(frame)),
        school_rate=pl.lit(0.3),
        rules=pl.Series(np.random.default_rng(1).random(900)),
    )
    return HeldBack(model=model, learned=frame, rows=keys.hstack(frame), told=told)


def _beside(held: HeldBack, champion: Champion | None, *, demographics: pl.DataFrame | None = None) -> Beside:
    return beside_champion(
        held,
        champion,
        demographics=Demographics.create_empty() if demographics is None else demographics,
        first_day=FIRST,
        config=CONFIG,
        policy=TierPolicy.load(),
    )


def test_a_champion_that_did_not_see_the_year_is_asked_itself(held: HeldBack) -> None:
    found = _beside(held, Champion(version=VERSION, model=_model("2025-06-20"), twin=_model("2024-06-20", seed=2)))
    assert found.notes == ("champion 4 was asked as it is",)
    assert found.gain is not None
    assert (found.gain.low, found.gain.value, found.gain.high) == (0.0, 0.0, 0.0)
    assert (found.number, found.model_version) == (4, VERSION.model_version)


def test_a_worse_champion_is_told_so_by_a_paired_interval(held: HeldBack) -> None:
    frame, label = training_rows(seed=3)
    noise = RiskModel.fit(frame, np.random.default_rng(5).permutation(label), seed=1)
    worse = replace(noise, about={LEARNED_THROUGH: "2025-06-20", DECLARED: declared_features(LEARNED)})
    gain = _beside(held, Champion(version=VERSION, model=worse)).gain
    assert gain is not None
    assert gain.low is not None
    assert gain.low > 0.0


def test_of_a_champion_that_saw_the_year_its_twin_is_asked(held: HeldBack) -> None:
    found = _beside(held, Champion(version=VERSION, model=_model("2026-06-20"), twin=_model("2025-06-20")))
    assert found.notes == ("champion 4 was asked by its twin, for it learned from that year",)
    assert found.gain is not None


@pytest.mark.parametrize(
    ("champion", "why"),
    [
        (Champion(version=VERSION, model=_model("2026-06-20"), twin=_model("2025-09-30")), "it, and its twin, learned"),
        (Champion(version=VERSION, model=_model(None)), "do not say until when"),
        (Champion(version=VERSION, damaged="The file of a model is missing"), "The file of a model is missing"),
        (Champion(version=replace(VERSION, label="exclusion")), "champion 4 learned another label (exclusion)"),
    ],
)
def test_what_cannot_be_asked_is_said_and_not_measured(held: HeldBack, champion: Champion, why: str) -> None:
    found = _beside(held, champion)
    assert found.gain is None
    assert found.widened is None
    assert why in found.why_not


def test_a_champion_of_another_feature_list_is_given_its_own_and_said(held: HeldBack) -> None:
    names = (*LEARNED[:2], "incidents_last_45")
    frame, label = training_rows(names, seed=4)
    about = {LEARNED_THROUGH: "2025-06-20", DECLARED: declared_features(names)}
    other = RiskModel.fit(frame, label, seed=1, about=about)
    rows = held.rows.with_columns(incidents_last_45=pl.lit(0.1))
    found = _beside(replace(held, rows=rows), Champion(version=VERSION, model=other))
    assert found.gain is not None
    assert found.notes[1] == (
        "it looks at 2 features that the champion does not, the champion at 1 that it does not; each was given its own"
    )


def test_a_champion_whose_features_are_made_no_more_is_told_with_the_difference(held: HeldBack) -> None:
    about = {LEARNED_THROUGH: "2025-06-20", DECLARED: dict.fromkeys(LEARNED, "0000")}
    found = _beside(held, Champion(version=VERSION, model=replace(catalog_model(), about=about)))
    assert found.gain is None
    assert "champion 4 cannot be asked: The model model-" in found.why_not
    assert f"4 have another definition now ({', '.join(LEARNED)})" in found.why_not


def test_without_a_champion_gaps_are_held_beside_those_of_the_rules(held: HeldBack) -> None:
    assert _beside(held, None).widened is None
    genders = np.random.default_rng(2).choice(["F", "M"], 900)
    empty = Demographics.create_empty()
    rows = {name: pl.Series(name, [None] * 900, dtype=dtype) for name, dtype in empty.schema.items()}
    demographics = pl.DataFrame({**rows, "student_id": held.told["student_id"], "gender": pl.Series(genders)})
    found = _beside(held, None, demographics=demographics)
    assert found.number is None
    assert found.widened
    assert {each.decision for each in found.widened} == {"10 % of each school"}
    beside = _beside(held, Champion(version=VERSION, model=_model("2025-06-20")), demographics=demographics)
    assert {each.decision for each in beside.widened or ()} == {"10 % of each school", "risk of Tier 2"}


def test_a_twin_says_until_when_it_learned(held: HeldBack) -> None:
    split = Split(school_year=2026, train=(), test=(FIRST,), learned_through=date(2025, 6, 20))
    twin = as_twin(held.model, split, label="off_track")
    assert twin.about[LEARNED_THROUGH] == "2025-06-20"
    assert (twin.predict(held.rows) == held.model.predict(held.rows)).all()
