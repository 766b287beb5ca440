"""Where another one is ahead of the model, and the directions that it holds are why; grades in their order."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from cis_ews import TierPolicy, read_school_data
from cis_ews.enums import GRADE_BANDS
from cis_ews.evaluation.bootstrap import Estimate
from cis_ews.evaluation.comparison import Compared
from cis_ews.synthetic import write_district
from training.candidates import RECIPES
from training.config import TrainingConfig
from training.matrices import KEYS, Matrices, build_matrices
from training.page import why_behind
from training.splits import Split, leave_future_out
from training.validation import LIGHTGBM, LOGISTIC, Validation, behind, validate

CONFIG = TrainingConfig.model_validate(
    {"config_version": 1, "label": "off_track", "as_of": ("11-30", "02-28"), "test_years": 1, "seed": 1}
)


Past = tuple[Matrices, Matrices, tuple[Split, ...]]


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    folder = tmp_path_factory.mktemp("behind") / "extract"
    write_district(folder, students=400, years=3, seed=5, through=date(2026, 2, 27), dirt=False)
    matrices = build_matrices(read_school_data(folder), CONFIG, minimum_days=20)
    last = matrices.summaries[-1].school_year
    of_last = replace(
        matrices,
        rows=matrices.rows.filter(pl.col("school_year") == last),
        indicators=matrices.indicators.filter(matrices.rows["school_year"] == last),
        summaries=tuple(one for one in matrices.summaries if one.school_year == last),
    )
    return matrices, of_last, leave_future_out(matrices, of_last, label=CONFIG.label)


def _with_label(matrices: Matrices, *, sign: float) -> Matrices:
    """Whose outcome hangs on absence, the one feature with a direction: more of it means more of the outcome (1), or
    less (-1)."""
    rate = matrices.rows["absence_rate_ytd"].fill_null(0.0).rank().to_numpy() / matrices.rows.height
    chance = 1.0 / (1.0 + np.exp(-8.0 * sign * (rate - 0.5)))
    drawn = np.random.default_rng(3).random(rate.size) < chance
    rows = matrices.rows.select(*KEYS, "absence_rate_ytd", "grade", "days_enrolled")
    return replace(matrices, rows=rows.with_columns(label=pl.Series(drawn.astype(np.int8))))


@pytest.fixture(scope="module")
def as_wished(past: Past) -> Validation:
    """What more absence means more of is found: no direction is in the way."""
    return _validated(past, sign=1.0)


def _validated(past: Past, *, sign: float) -> Validation:
    learned, measured, splits = past
    found, _ = validate(
        *(_with_label(each, sign=sign) for each in (learned, measured)),
        splits,
        recipe=RECIPES["trees"],
        config=CONFIG,
        policy=TierPolicy.load(),
    )
    return found


def test_directions_that_cost_are_named_as_why_another_is_ahead(
    past: Past,
) -> None:
    found = _validated(past, sign=-1.0)
    assert "auroc" in behind(found.table[LIGHTGBM])
    assert next(iter(found.undirected)) == "without directions"
    assert found.undirected[LIGHTGBM].gains["auroc"].value > found.table[LIGHTGBM].gains["auroc"].value + 0.1
    (said,) = (note for note in why_behind(found) if note.startswith("behind LGBM "))
    assert "beyond chance in AUROC" in said
    assert "directions are held, so that reasons make sense" in said
    assert "not all of it" not in said


def test_where_none_is_ahead_nothing_is_said(as_wished: Validation) -> None:
    assert behind(as_wished.table[LIGHTGBM]) == []
    assert as_wished.undirected == {}
    assert why_behind(as_wished) == []


def test_what_is_still_ahead_without_directions_is_not_laid_on_them_alone(
    as_wished: Validation,
) -> None:
    ahead = _gain(-0.02, -0.03, -0.01)
    other = replace(
        as_wished,
        table={**as_wished.table, LIGHTGBM: ahead, LOGISTIC: _gain(-0.02, -0.03, 0.01)},
        undirected={LIGHTGBM: ahead},
    )
    (said,) = why_behind(other)
    assert said.startswith("behind LGBM beyond chance in AUROC: ")
    assert said.endswith("without them AUROC -.020 [-.030, -.010], so that they are not all of it")
    assert why_behind(replace(other, undirected={})) == ["behind LGBM beyond chance in AUROC"]


def _gain(value: float, low: float, high: float) -> Compared:
    return Compared(values={}, gains={"auroc": Estimate(value=value, low=low, high=high)})


def test_grades_stand_from_the_lowest_up(as_wished: Validation) -> None:
    names = [group.name for group in as_wished.groups if group.by == "grades"]
    assert names == list(GRADE_BANDS)
    days = [group.name for group in as_wished.groups if group.by == "as-of date"]
    assert days == sorted(days)


def test_a_gain_in_one_school_has_an_interval_by_its_students(
    as_wished: Validation,
) -> None:
    schools = [group for group in as_wished.groups if group.by == "school" and group.found]
    assert len(schools) > 1
    for group in schools:
        gain = group.found[LOGISTIC].gain
        assert gain is not None
        assert gain.low is not None
        assert gain.high is not None
        assert gain.low <= gain.value <= gain.high
        assert gain.high > gain.low
