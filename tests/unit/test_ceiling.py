"""The evidence of the ceiling: differences of AUROCs and their standard errors, and a table that adds up."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks import accuracy, ceiling


def _scores(rows: int, *, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, and two scores that share much of what they know."""
    draw = np.random.default_rng(seed)
    shared, label = draw.normal(size=rows), np.zeros(rows)
    label[draw.random(rows) < 1 / (1 + np.exp(1.5 - shared))] = 1.0
    return label, shared + 0.5 * draw.normal(size=rows), np.round(shared + draw.normal(size=rows), 1)


def test_an_auroc_and_a_difference_are_those_of_scikit_learn() -> None:
    label, one, other = _scores(600, seed=1)
    folds = [(np.arange(0), np.arange(300)), (np.arange(0), np.arange(300, 600))]
    first, second = (np.mean([roc_auc_score(label[held], score[held]) for _, held in folds]) for score in (one, other))
    assert ceiling.auroc_of(label, one, folds)[0] == pytest.approx(first)
    assert ceiling.auroc_of(label, other, folds)[0] == pytest.approx(second)
    assert ceiling.difference_of(label, one, other, folds=folds)[0] == pytest.approx(first - second)
    assert ceiling.difference_of(label, one, one, folds=folds) == (0.0, 0.0)


def test_a_standard_error_is_how_much_other_students_would_change_it() -> None:
    folds = [(np.arange(0), np.arange(200)), (np.arange(0), np.arange(200, 400))]
    drawn = [_scores(400, seed=seed) for seed in range(200)]
    alone = np.array([ceiling.auroc_of(label, one, folds) for label, one, _ in drawn])
    apart = np.array([ceiling.difference_of(label, one, other, folds=folds) for label, one, other in drawn])
    for found in (alone, apart):
        assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.15)
    # Of the same students a difference is surer than either figure.
    assert apart[:, 1].mean() < alone[:, 1].mean()


def test_what_is_printed_of_a_case(capsys: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(3)
    features = pl.DataFrame(draw.normal(size=(320, 3)), schema=["a", "b", "c"])
    label = (draw.random(320) < 1 / (1 + np.exp(-1.5 * features["a"].to_numpy()))).astype(float)
    ceiling.report(accuracy.Case("uci320_maths", features, label), splits=1)
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0].startswith("uci320_maths: 320 rows, ")
    assert "1 other split: " in lines[2]
    rows = [line[:36].strip() for line in lines[4:]]
    assert rows == [*ceiling.MODELS, "mean margin of all", "best weights, fitted on the answers"]
    assert max(map(len, lines)) <= 80
    ours = float(lines[1].split()[1].rstrip(","))
    for line in lines[4:]:
        theirs, gain, error = (float(text) for text in line[36:].split())
        assert ours - theirs == pytest.approx(gain, abs=2e-4)
        assert error > 0.0
