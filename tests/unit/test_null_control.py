"""The null control: a random label is no evidence, as often as chance says; a true one is."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from cis_ews.errors import ModelError
from training.null_control import null_control, one_date_a_year


def _rows(seed: int, *, effect: float, students: int = 160) -> pl.DataFrame:
    """Eight schools of different rates; the label hangs on `signal` as far as `effect` says."""
    draw = np.random.default_rng(seed)
    school = np.arange(students) % 8
    signal, noise = draw.normal(size=students), draw.normal(size=students)
    odds = effect * signal + (school - 4) / 2
    return pl.DataFrame(
        {
            "student_id": [f"s{number}" for number in range(students)],
            "school_id": [f"school {number}" for number in school],
            "school_year": [2025] * students,
            "as_of": [date(2025, 1, 15)] * students,
            "label": (draw.random(students) < 1 / (1 + np.exp(-odds))).astype(np.int8),
            "signal": signal,
            "noise": noise,
            "holes": np.where(draw.random(students) < 0.3, np.nan, noise),
        }
    ).with_columns(pl.col("holes").fill_nan(None))


def _p_value(seed: int, *, effect: float) -> float:
    train, test = _rows(2 * seed, effect=effect), _rows(2 * seed + 1, effect=effect)
    return null_control(train, test, shuffles=100, seed=seed).p_value


def test_a_true_label_is_told_from_every_shuffle() -> None:
    found = null_control(_rows(1, effect=1.5), _rows(2, effect=1.5), shuffles=100, seed=3)
    assert found.p_value == pytest.approx(1 / 101)
    assert found.is_real
    assert found.gain > found.shuffled_high > found.shuffled_low


def test_p_values_of_random_labels_are_spread_evenly() -> None:
    """Thirty of them: the largest gap to the even spread stays below the 1 % bound of Kolmogorov and Smirnov, .290."""
    found = np.sort([_p_value(seed, effect=0.0) for seed in range(30)])
    steps = np.arange(1, 31) / 30
    assert max(np.abs(found - steps).max(), np.abs(found - steps + 1 / 30).max()) < 0.290
    assert (found <= 0.05).sum() <= 5


def test_a_difference_between_schools_alone_is_no_gain() -> None:
    """Rates from .1 to .9, and a feature that names the school: the rate alone knows as much."""
    named = [
        _rows(seed, effect=0.0).with_columns(signal=pl.col("school_id").rank("dense").cast(pl.Float64))
        for seed in (31, 32)
    ]
    assert not null_control(*named, shuffles=100, seed=1).is_real


def test_shuffling_keeps_the_positives_of_every_school_and_the_seed_repeats() -> None:
    from training.null_control import _Labels

    rows = _rows(5, effect=1.0).sample(fraction=1.0, shuffle=True, seed=1)
    dealt = _Labels.of(rows).shuffled(np.random.default_rng(1))
    again = rows.with_columns(dealt=pl.Series(dealt)).group_by("school_id").agg(pl.col("label", "dealt").sum())
    assert again["label"].cast(pl.Float64).equals(again["dealt"])
    assert dealt.tolist() != rows["label"].to_list()
    assert _p_value(7, effect=0.3) == _p_value(7, effect=0.3)


def test_one_row_a_student_and_year_is_that_of_the_middle_date() -> None:
    days = [date(2024, 10, 1), date(2025, 1, 15), date(2025, 5, 1), date(2025, 11, 1)]
    rows = pl.DataFrame(
        {"student_id": ["a", "b"] * 4, "as_of": [day for day in days for _ in "ab"], "label": [0, 1] * 4}
    ).with_columns(school_year=pl.when(pl.col("as_of") < date(2025, 7, 1)).then(2025).otherwise(2026))
    assert one_date_a_year(rows)["as_of"].unique().sort().to_list() == [days[1], days[3]]
    nobody = (pl.col("as_of") == days[1]) | (pl.col("as_of") == days[3])
    alone = rows.with_columns(label=pl.when(nobody).then(0).otherwise("label"))
    assert one_date_a_year(alone)["as_of"].unique().to_list() == [days[2]]
    with pytest.raises(ModelError, match="on no as-of date"):
        one_date_a_year(rows.with_columns(label=pl.lit(1)))
