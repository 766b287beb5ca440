"""Frames that a model can learn from: made-up rows with numbers, Booleans, categories and gaps."""

from __future__ import annotations

import numpy as np
import polars as pl

LEVELS = ["elementary", "middle", "high"]


def learnable(rows: int = 1_200, *, seed: int = 0) -> tuple[pl.DataFrame, pl.Series]:
    """Features with every kind of column that a model takes, and a label that hangs on most of them."""
    random = np.random.default_rng(seed)
    absences, average = random.poisson(6.0, rows), random.normal(2.7, 0.8, rows)
    moved, level = random.random(rows) < 0.2, random.integers(0, 3, rows)
    programs = np.where(random.random(rows) < 0.97, random.choice(["day", "evening"], rows), "rare")
    margin = 2.5 * (absences >= 9) - 1.6 * (average - 2.7) + 0.8 * moved + 1.5 * (level == 2) * (average < 2.5) - 1.5
    label = random.random(rows) < 1.0 / (1.0 + np.exp(-margin))
    frame = pl.DataFrame(
        {
            "absences": absences,
            "average": np.where(random.random(rows) < 0.1, np.nan, average),
            "moved": moved,
            "level": pl.Series(np.array(LEVELS)[level]).cast(pl.Enum(LEVELS)),
            "program": programs,
            "noise": random.normal(size=rows).astype(np.float32),
        }
    )
    return frame, pl.Series("label", label)
