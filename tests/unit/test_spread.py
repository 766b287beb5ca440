"""The beeswarm of contributions: every student is in it, and none can be found in it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cis_ews.evaluation.suppression import FEWEST
from tests.lib.models import LEARNED, catalog_model, training_rows
from training.figures import spread_figure
from training.spread import FEWEST_STUDENTS, _cells, feature_spreads  # pyright: ignore[reportPrivateUsage]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), students=st.integers(FEWEST_STUDENTS, 600), outliers=st.integers(0, 12))
def test_no_bin_holds_fewer_than_ten_and_everybody_is_counted(seed: int, students: int, outliers: int) -> None:
    draw = np.random.default_rng(seed)
    values = np.round(draw.normal(0.0, 0.5, students), draw.integers(1, 4))
    values[:outliers] = 40.0
    cells = _cells(values)
    assert sum(cell.students for cell in cells) in (0, students)
    assert all(cell.students >= FEWEST or cell.students == 0 for cell in cells)
    assert all(one.high == pytest.approx(other.low) for one, other in pairwise(cells))
    if outliers < FEWEST and cells:
        assert cells[-1].high < 40.0


def test_the_features_that_move_most_come_first_and_too_few_students_have_no_plot() -> None:
    frame, _ = training_rows(rows=400)
    spreads = feature_spreads(catalog_model(), frame)
    assert spreads[0].feature == LEARNED[0]
    assert all(spread.students == 400 for spread in spreads)
    figure = spread_figure(spreads)
    assert figure is not None
    assert figure.svg == (spread_figure(spreads) or figure).svg
    assert feature_spreads(catalog_model(), frame.head(FEWEST_STUDENTS - 1)) == ()
    assert spread_figure(()) is None
