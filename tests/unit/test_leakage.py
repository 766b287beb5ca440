"""The leakage detector: it finds what was planted, of each kind, stops the fit, and is silent on what is sound."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cis_ews import compute_indicators, read_school_data
from cis_ews.errors import ModelError
from cis_ews.schema.school_data import SchoolData
from cis_ews.synthetic import write_district
from training.config import TrainingConfig
from training.fitting import fit_model, usable_features
from training.known import features_known_by, known_by
from training.leakage import Leak, check_leaks, find_later, find_leaks
from training.matrices import KEYS, Matrices, build_matrices

THROUGH = date(2026, 2, 27)
CONFIG = TrainingConfig.model_validate(
    {"config_version": 1, "label": "off_track", "as_of": ("11-30", "02-28"), "test_years": 1, "seed": 1}
)


@pytest.fixture(scope="module")
def school_data(tmp_path_factory: pytest.TempPathFactory) -> SchoolData:
    folder = tmp_path_factory.mktemp("leaks") / "extract"
    write_district(folder, students=500, years=2, seed=5, through=THROUGH)
    return read_school_data(folder)


@pytest.fixture(scope="module")
def matrices(school_data: SchoolData) -> Matrices:
    return build_matrices(school_data, CONFIG, minimum_days=20)


def _students(rows: pl.DataFrame) -> pl.Series:
    return rows["student_id"].rank("dense")


def _noisy(rows: pl.DataFrame) -> pl.Series:
    """The label with a little noise upon it, in one as-of date alone; noise everywhere else."""
    noise = pl.Series(np.random.default_rng(1).normal(0, 1, rows.height))
    return pl.select(
        pl.when(rows["as_of"] == rows["as_of"].max()).then(rows["label"] + noise / 4).otherwise(noise)
    ).to_series()


PLANTED: dict[str, tuple[Leak, Callable[[pl.DataFrame], pl.Series]]] = {
    "the label": (Leak.DUPLICATE, lambda rows: rows["label"].cast(pl.Float32)),
    "the label upside down": (Leak.DUPLICATE, lambda rows: 7.0 - 4.0 * rows["label"]),
    "the label as words": (Leak.DUPLICATE, lambda rows: rows["label"].replace_strict({0: "kept", 1: "left"})),
    "too good": (Leak.TOO_GOOD, _noisy),
    "too good downwards": (Leak.TOO_GOOD, lambda rows: -_noisy(rows)),
    "known of positives": (Leak.MISSING, lambda rows: _where(rows["label"] == 1, rows)),
    "missing of positives": (Leak.MISSING, lambda rows: _where(rows["label"] == 0, rows)),
    "missing of some positives": (
        Leak.MISSING,
        lambda rows: _where((rows["label"] == 0) | (_students(rows) % 2 == 0), rows),
    ),
    "a number a student": (Leak.IDENTIFIER, lambda rows: _students(rows).cast(pl.Float32)),
    "a text a student": (Leak.IDENTIFIER, lambda rows: "x" + rows["student_id"]),
    "a date to come": (Leak.LATER, lambda rows: rows["as_of"].dt.offset_by("3d")),
}


def _where(known: pl.Series, rows: pl.DataFrame) -> pl.Series:
    value = pl.Series(np.random.default_rng(2).random(rows.height))
    return pl.select(pl.when(known).then(value)).to_series()


@pytest.mark.parametrize("case", PLANTED)
def test_what_was_planted_is_found_and_named(matrices: Matrices, case: str) -> None:
    leak, plant = PLANTED[case]
    rows = matrices.rows.with_columns(plant(matrices.rows).alias("planted"))
    names = [name for name in rows.columns if name not in KEYS]
    (finding,) = find_leaks(rows, names)
    assert (finding.column, finding.leak) == ("planted", leak)
    with pytest.raises(ModelError) as stopped:
        check_leaks(rows, names)
    message = str(stopped.value)
    assert f"planted is {leak}" in message
    assert any(character.isdigit() for character in finding.evidence)
    assert "take it out" in message or "take out" in message
    assert "trusted" in str(stopped.value.hint)
    assert not any(student in message for student in rows["student_id"].unique())
    check_leaks(rows, names, trusted=["planted"])


def test_a_clean_matrix_is_let_through(matrices: Matrices) -> None:
    names, _ = usable_features(matrices.rows)
    assert len(names) > 50
    assert find_leaks(matrices.rows, names) == []


def test_noise_and_what_is_missing_by_chance_or_in_one_grade_is_no_leak(matrices: Matrices) -> None:
    draw = np.random.default_rng(4)
    rows = matrices.rows.select(*KEYS)
    never = rows["label"] == 0
    rows = rows.with_columns(
        noise=pl.Series(draw.normal(0, 1, rows.height)),
        missing=_where(pl.Series(draw.random(rows.height) < 0.5), rows),
        few=_where(never & pl.Series(draw.random(rows.height) < 0.03), rows),
        missing_of_negatives=_where(~never | pl.Series(draw.random(rows.height) < 0.5), rows),
        count=pl.Series(draw.poisson(3, rows.height)).cast(pl.Float32),
        yes=pl.Series(draw.random(rows.height) < 0.3),
        constant_a_student=(_students(rows) % 7).cast(pl.Float32),
        known_before=rows["as_of"],
    )
    assert find_leaks(rows, [name for name in rows.columns if name not in KEYS]) == []


def test_a_leak_stops_the_fit(matrices: Matrices) -> None:
    rows = matrices.rows.with_columns(gpa_ytd=pl.col("label").cast(pl.Float32))
    with pytest.raises(ModelError, match="Nothing was fitted, for a leak would flatter it: gpa_ytd is a duplicate"):
        fit_model(rows, ["absence_rate_ytd", "gpa_ytd"], config=CONFIG)


def test_no_feature_hangs_on_records_of_later_days(school_data: SchoolData, matrices: Matrices) -> None:
    names, _ = usable_features(matrices.rows)
    for summary in matrices.summaries:
        rows = matrices.rows.filter(pl.col("as_of") == summary.as_of)
        assert find_later(rows, features_known_by(school_data, summary.as_of), names) == []


def test_a_feature_that_reads_later_records_is_found(school_data: SchoolData, matrices: Matrices) -> None:
    as_of = matrices.summaries[0].as_of
    later = as_of + timedelta(60)

    def peeking(known: SchoolData) -> pl.DataFrame:
        return compute_indicators(known, later).select("student_id", peek="days_absent_ytd", grade="days_enrolled_ytd")

    rows = matrices.rows.filter(pl.col("as_of") == as_of).select(*KEYS)
    rows = rows.join(peeking(school_data), on="student_id", how="left", maintain_order="left")
    findings = find_later(rows, peeking(known_by(school_data, as_of)), ["peek"])
    assert [(one.column, one.leak) for one in findings] == [("peek", Leak.LATER)]
    assert f"students have another value on {as_of} without later records" in findings[0].evidence


def test_what_was_known_on_a_day_holds_nothing_of_later_days(school_data: SchoolData, tmp_path: Path) -> None:
    as_of = date(2025, 1, 15)
    known = known_by(school_data, as_of)
    assert school_data.rows_after(as_of)
    assert known.rows_after(as_of) == {}
    assert known.enrollments.filter(pl.col("exit_date") > as_of).is_empty()
    assert known.reporting.filter(pl.col("reported_through") > as_of).is_empty()
    left = school_data.enrollments.filter(pl.col("exit_date") <= as_of)
    assert left.height
    assert known.enrollments.filter(pl.col("exit_date").is_not_null()).height == left.height
