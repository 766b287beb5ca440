"""Models small enough to fit in a second or two, for what is around a model."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from cis_ews.risk.feature_catalog import FEATURES
from cis_ews.risk.model import RiskModel
from cis_ews.risk.night_model import DECLARED, declared_features

LEARNED = ("absence_rate_ytd", "absence_rate_last_20", "failing_courses", "days_since_last_absence")
"""Features of the catalog from which `catalog_model` learns."""


def training_rows(names: tuple[str, ...] = LEARNED, *, rows: int = 600, seed: int = 3) -> tuple[pl.DataFrame, Any]:
    """Random features, and a label that hangs on the first of them."""
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame({name: rng.random(rows) * (3 if name == "failing_courses" else 0.4) for name in names})
    odds = 12 * frame[names[0]].to_numpy() - 2.4
    return frame, (rng.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int8)


@lru_cache(maxsize=8)
def catalog_model(*, seed: int = 1, rows_seed: int = 3, made_up: bool = False) -> RiskModel:
    """A model that learned from features of the catalog, as a training leaves it; from other rows by `rows_seed`."""
    frame, label = training_rows(seed=rows_seed)
    known = {feature.name for feature in FEATURES}
    assert set(LEARNED) <= known, "the test's features left the catalog"
    about = {"label": "off_track", "made_up": made_up, DECLARED: declared_features(LEARNED)}
    return RiskModel.fit(frame, label, seed=seed, monotone={LEARNED[0]: 1}, about=about)


def by_grade(*, rows: int = 500, seed: int = 6) -> tuple[pl.DataFrame, Any]:
    """Features of the catalog in all grades, some not known; absence counts for the label from grade 9 on alone."""
    rng = np.random.default_rng(seed)
    grade, absence, failed = rng.integers(0, 13, rows), rng.random(rows) * 0.4, rng.integers(0, 4, rows)
    odds = 14 * (absence - 0.2) * (grade >= 9) + 0.4 * failed - 0.8
    known = pl.Series(grade).cast(pl.Float64).scatter(np.flatnonzero(rng.random(rows) < 0.1), None)
    frame = pl.DataFrame({"grade": known, "absence_rate_ytd": absence, "failing_courses": failed})
    return frame, (rng.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int8)
