"""Other splits: the same rows asked of models that learned from others, and nothing of a district that is left out."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from cis_ews.evaluation.comparison import Candidate
from cis_ews.risk.model_recipe import Kind, Recipe
from training.config import TrainingConfig, ValidationConfig
from training.contrasts import Asked, Contrast, by_lot, contrasts
from training.contrasts_page import alike
from training.validation import LOGISTIC, MODEL, RULES

EARLIER, LAST, ASKED = date(2024, 11, 1), date(2025, 11, 1), (date(2025, 10, 1), date(2026, 2, 1))
LINES = Recipe(kind=Kind.LINEAR, bends=False)
EVEN, ODD = "mark_trend", "incident_trend"
"""Features without a direction: the first says something in districts of even schools alone, the other in odd ones."""
STUDENTS = 600


def _config(rows: int) -> TrainingConfig:
    return TrainingConfig.model_validate(
        {
            "config_version": 1,
            "label": "off_track",
            "as_of": ("11-01",),
            "test_years": 1,
            "seed": 5,
            "validation": ValidationConfig(contrast_rows=rows, draws=100),
        }
    )


def _rows(day: date, *, seed: int, strength: float = 3.0) -> pl.DataFrame:
    """Students of ten schools in two districts, of which what tells the one says nothing of the other."""
    draw = np.random.default_rng(seed)
    known, district = draw.normal(size=STUDENTS), np.arange(STUDENTS) % 2
    chance = 1.0 / (1.0 + np.exp(-strength * known))
    return pl.DataFrame(
        {
            "student_id": [f"s{number}" for number in range(STUDENTS)],
            "school_id": [f"school {number % 10}" for number in range(STUDENTS)],
            "school_year": [day.year + (day.month > 7)] * STUDENTS,
            "as_of": [day] * STUDENTS,
            "label": (draw.random(STUDENTS) < chance).astype(np.int8),
            "weight": np.ones(STUDENTS),
            EVEN: np.where(district == 0, known, 0.0),
            ODD: np.where(district == 1, known, 0.0),
            "gpa_trend": draw.normal(size=STUDENTS),
        }
    )


def _found(learned: pl.DataFrame, *, districts: int, rows: int = 500) -> dict[str, Contrast]:
    asked = pl.concat([_rows(day, seed=10 + place) for place, day in enumerate(ASKED)])
    rules = Candidate.of(asked[EVEN].rank().to_numpy() / asked.height)
    table = pl.DataFrame({"school_id": [f"school {number}" for number in range(10)]}).with_columns(
        district_id=(pl.int_range(10) % districts).cast(pl.String)
    )
    earlier = (learned["as_of"] == EARLIER).to_numpy()
    told = Asked(asked, rules, earlier=earlier)
    found, missing = contrasts(learned, told, districts=table, recipe=LINES, config=_config(rows))
    assert missing == []
    return {one.name: one for one in found}


@pytest.fixture(scope="module")
def found() -> dict[str, Contrast]:
    return _found(pl.concat([_rows(EARLIER, seed=1), _rows(LAST, seed=2)]), districts=2, rows=280)


def test_every_split_is_asked_of_the_same_dates_by_models_of_equally_many_rows(found: dict[str, Contrast]) -> None:
    assert list(found) == ["a later year", "students never seen", "another district", "a random split"]
    assert {one.as_of for one in found.values()} == {ASKED}
    assert {one.train_rows for one in found.values()} == {280}
    whole = [one.rows for name, one in found.items() if name != "students never seen"]
    assert whole == [2 * STUDENTS] * 3
    assert found["students never seen"].rows == 2 * STUDENTS // 5
    told, asked = alike(list(found.values()), draws=100)
    assert told == "each by a model of 280 rows, so that only what it learned from differs"
    assert asked == (
        "asked: 1,200 rows of 2025-10-01 to 2026-02-01, of students never seen 240, half of the districts at a time; "
        "intervals by 100 draws of schools"
    )


def test_a_random_split_does_not_look_better_for_dates_that_are_easier() -> None:
    # What is learned from last year on its own date is hopeless; on the dates that are asked it is easy.
    learned = pl.concat([_rows(EARLIER, seed=1), _rows(LAST, seed=2, strength=0.0)])
    found = _found(learned, districts=1)
    claimed = found["a random split"].table[MODEL].values["auroc"].value
    assert claimed > 0.8
    more = found["a random split"].table["the model of a later year"].gains["auroc"]
    later = found["a later year"].table[MODEL].values["auroc"].value
    assert more.value == pytest.approx(claimed - later)
    assert more.low is not None
    assert more.high is not None
    assert more.low <= more.value <= more.high


def test_a_district_that_is_left_out_teaches_nothing(found: dict[str, Contrast]) -> None:
    assert found["another district"].parts == 2
    assert found["a later year"].table[MODEL].values["auroc"].value > 0.85
    # Each district's own column is all that tells its students apart, and is 0 wherever it was learned from.
    assert abs(found["another district"].table[MODEL].values["auroc"].value - 0.5) < 0.08
    assert abs(found["another district"].table[LOGISTIC].values["auroc"].value - 0.5) < 0.08


def test_in_one_district_schools_are_left_out() -> None:
    found = _found(pl.concat([_rows(EARLIER, seed=1), _rows(LAST, seed=2)]), districts=1)
    # Half of the schools have half of the rows: that it is not the split alone is said.
    told, asked = alike(list(found.values()), draws=100)
    assert told.startswith("each by a model of 500 rows, but students never seen by 480, another school by 300: fewer")
    assert "half of the schools at a time" in asked
    assert "another school" in found
    assert found["another school"].rows == found["a later year"].rows


def test_what_a_split_is_compared_with_is_asked_the_same_rows(found: dict[str, Contrast]) -> None:
    for one in found.values():
        assert list(one.table)[:3] == [MODEL, LOGISTIC, RULES]
        for who in (LOGISTIC, RULES):
            gain = one.table[who].gains["auroc"]
            values = [one.table[name].values["auroc"].value for name in (MODEL, who)]
            assert gain.value == pytest.approx(values[0] - values[1])
            assert gain.low is not None
    of_rules = {one.table[RULES].values["auroc"].value for name, one in found.items() if name != "students never seen"}
    assert len(of_rules) == 1


def test_rows_by_lot_are_never_on_both_sides_and_all_are_asked() -> None:
    # One date is both learned from and asked: the same row must not be.
    learned = pl.concat([_rows(EARLIER, seed=1), _rows(ASKED[0], seed=2)])
    asked = pl.concat([_rows(day, seed=3) for day in ASKED])
    parts = by_lot(learned, asked, seed=4)
    assert sum(part.test.astype(int) for part in parts).tolist() == [1] * asked.height
    for part in parts:
        train, test = learned.filter(pl.Series(part.train)), asked.filter(pl.Series(part.test))
        assert train.join(test, on=["student_id", "as_of"]).is_empty()
        assert set(train["as_of"]) == {EARLIER, ASKED[0]}
        assert train.join(test, on=["student_id", "school_year"]).height > 0
        assert 0.4 < part.train.mean() < 0.6
    assert by_lot(learned, asked, seed=4)[0].test.tolist() == parts[0].test.tolist()
