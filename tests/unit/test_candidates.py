"""Which kind of model is taken, and on what that rests."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from io import StringIO
from typing import Any

import numpy as np
import polars as pl
import pytest

from cis_ews.logs import configure_logs
from cis_ews.progress import SILENT
from cis_ews.risk.model_recipe import DEFAULT, Recipe
from tests.lib.models import by_grade
from training.candidates import RECIPES, Choice, choose, compared, simplest_within
from training.candidates_page import candidates_section
from training.config import CANDIDATES, TUNED, TrainingConfig
from training.matrices import LABEL, Matrices, MatrixSummary
from training.splits import Split
from training.tuning import search

LINES = CANDIDATES[:4]
EARLIER, LAST, HELD_BACK = date(2022, 11, 30), date(2023, 11, 30), date(2024, 11, 30)


def _config(**candidates: Any) -> TrainingConfig:
    given = {"config_version": 1, "label": "off_track", "as_of": ("11-30",), "test_years": 1, "seed": 1}
    return TrainingConfig.model_validate({**given, "candidates": {"compare": LINES, **candidates}})


def _year(as_of: date, *, seed: int, schools: int, same: bool) -> pl.DataFrame:
    """Rows of one as-of date: what absence means hangs on the grade, or is the same for all."""
    frame, label = by_grade(rows=900, seed=seed)
    if same:
        odds = 10.0 * (frame["absence_rate_ytd"].to_numpy() - 0.2)
        label = np.random.default_rng(seed).random(900) < 1.0 / (1.0 + np.exp(-odds))
    keys = pl.select(
        student_id=pl.format("s{}", pl.int_range(900)),
        school_id=pl.format("school {}", pl.int_range(900) % schools),
        school_year=pl.lit(as_of.year + 1),
        as_of=pl.lit(as_of),
        weight=pl.lit(1.0),
    )
    return keys.with_columns(pl.Series(LABEL, label).cast(pl.Int8)).hstack(frame)


def _matrices(*dates: date, schools: int = 12, same: bool = False) -> Matrices:
    rows = [_year(day, seed=place, schools=schools, same=same) for place, day in enumerate(dates)]
    summaries = [
        MatrixSummary(
            school_year=day.year + 1,
            as_of=day,
            horizon_end=date(day.year + 1, 6, 15),
            students=900,
            few_days=0,
            censored={},
            labeled=900,
            positives=300,
        )
        for day in dates
    ]
    return Matrices(rows=pl.concat(rows), indicators=pl.DataFrame(), summaries=tuple(summaries), skipped={})


def _chosen(matrices: Matrices, *train: date, **candidates: Any) -> Choice:
    split = Split(school_year=2025, train=train, test=(HELD_BACK,))
    return choose(matrices, split, config=_config(**candidates), progress=SILENT)


@pytest.fixture(scope="module")
def by_band() -> Choice:
    return _chosen(_matrices(EARLIER, LAST), EARLIER, LAST)


def test_bands_win_where_absence_means_something_else_in_each_and_straight_lines_where_it_does_not(
    by_band: Choice,
) -> None:
    assert [one.name for one in by_band.tried] == list(LINES)
    assert by_band.winner in ("lines pooled over grade bands", "lines of each grade band")
    assert by_band.recipe == RECIPES[by_band.winner]
    straight = by_band.tried[0]
    assert straight.standard_error
    assert straight.behind > 3 * straight.standard_error
    assert straight.log_loss == pytest.approx(min(one.log_loss for one in by_band.tried) + straight.behind)
    assert (by_band.learned_rows, by_band.rows, by_band.clusters, by_band.clustered_by) == (900, 900, 12, "school")
    assert _chosen(_matrices(EARLIER, LAST, same=True), EARLIER, LAST).winner == "straight lines"


def test_the_year_that_is_held_back_changes_nothing(by_band: Choice) -> None:
    more = _matrices(EARLIER, LAST, HELD_BACK)
    turned = pl.when(pl.col("as_of") == HELD_BACK).then(1 - pl.col(LABEL)).otherwise(LABEL).cast(pl.Int8)
    changed = replace(more, rows=more.rows.with_columns(turned.alias(LABEL)))
    assert _chosen(changed, EARLIER, LAST).to_dict() == by_band.to_dict()


def test_of_one_year_schools_stand_for_years_and_of_one_school_students() -> None:
    by_schools = _chosen(_matrices(LAST), LAST, compare=(*LINES[:2], TUNED), trials=3)
    assert "one school year alone is learned from: schools in 3 parts" in by_schools.how
    assert (by_schools.rows, by_schools.learned_rows) == (900, 600)
    assert [(one.name, one.why) for one in by_schools.not_tried] == [
        (TUNED, "a search needs earlier years to learn from, with enough of both outcomes")
    ]
    by_students = _chosen(_matrices(LAST, schools=1), LAST, compare=LINES[:2])
    assert "students of one school in 3 parts" in by_students.how
    assert (by_students.clustered_by, by_students.clusters) == ("student", 900)


def test_why_schools_stand_for_years_is_told_as_it_is() -> None:
    both = _matrices(EARLIER, LAST)
    is_rare = (pl.col("as_of") == EARLIER) & (pl.col("student_id") > "s1")
    rare = replace(
        both, rows=both.rows.with_columns(pl.when(is_rare).then(0).otherwise(LABEL).cast(pl.Int8).alias(LABEL))
    )
    positives = rare.rows.filter(pl.col("as_of") == EARLIER)[LABEL].sum()
    assert 1 < positives < 10
    found = _chosen(rare, EARLIER, LAST, compare=LINES[:2])
    said = f"2023-24 or the years before it have {positives} rows with the rarer outcome, fewer than 10"
    assert found.how == f"{said}: schools in 3 parts, each measured by a model of the others"
    late = tuple(replace(one, horizon_end=date(2024, 1, 15)) for one in both.summaries)
    found = _chosen(replace(both, summaries=late), EARLIER, LAST, compare=LINES[:2])
    assert found.how.startswith("no outcome of the years before 2023-24 is known before that year is measured: schools")


def test_of_one_student_alone_no_kind_is_compared_and_the_page_says_why() -> None:
    matrices = _matrices(LAST)
    alone = matrices.rows.with_columns(student_id=pl.lit("s0"), school_id=pl.lit("school 0"))
    chosen = _chosen(replace(matrices, rows=alone), LAST, compare=(*LINES[:2], TUNED), trials=3)
    assert (chosen.winner, chosen.recipe, chosen.tried) == ("blend", DEFAULT, ())
    assert "that of one student, so that no kind could be compared" in candidates_section(chosen).markdown()
    assert "s0" not in json.dumps(chosen.to_dict())


def test_without_grades_bands_are_not_tried_and_the_page_says_why() -> None:
    matrices = _matrices(EARLIER, LAST)
    chosen = _chosen(replace(matrices, rows=matrices.rows.drop("grade")), EARLIER, LAST)
    assert [one.name for one in chosen.not_tried] == list(LINES[2:])
    text = candidates_section(chosen).markdown()
    assert "lines of each grade band: not tried, the recipe asks for grade bands, and there is no feature grade" in text
    assert "within one standard error of the best, by 12 schools" in text
    assert "second" not in text


def test_one_kind_is_taken_as_it_is() -> None:
    chosen = _chosen(_matrices(LAST), LAST, compare=("trees",))
    assert (chosen.winner, chosen.recipe, chosen.tried) == ("trees", RECIPES["trees"], ())


def test_where_none_can_be_fitted_the_blend_is_left_to_say_so() -> None:
    matrices = _matrices(LAST)
    chosen = _chosen(replace(matrices, rows=matrices.rows.head(90)), LAST, compare=LINES[:2])
    assert (chosen.winner, chosen.recipe, chosen.tried) == ("blend", DEFAULT, ())
    assert all("a model needs 50 of each" in one.why for one in chosen.not_tried)


def test_the_simplest_within_one_standard_error_is_taken() -> None:
    draw, clusters = np.random.default_rng(3), np.repeat(np.arange(20.0), 50)
    best = draw.random(1_000)
    school = np.repeat(draw.normal(size=20), 50)
    school = (school - school.mean()) / school.std()
    losses = {"far": best + 0.05, "near": best + 0.01 + 0.06 * school, "best": best}
    tried = compared(
        losses, recipes=dict.fromkeys(losses, DEFAULT), clusters=clusters, auroc=dict.fromkeys(losses, 0.5)
    )
    found = {one.name: one for one in tried}
    # Twenty schools of one size, whose means have a deviation of .06: .06 / sqrt(19), however many students they have.
    assert found["near"].standard_error == pytest.approx(0.06 / np.sqrt(19))
    assert found["near"].behind == pytest.approx(0.01)
    assert (found["best"].standard_error, found["best"].behind) == (None, 0.0)
    assert simplest_within(tried).name == "near"
    assert simplest_within([found["far"], found["best"]]).name == "best"


def test_a_search_is_seeded_and_never_worse_than_what_comes() -> None:
    asked: dict[Recipe, float] = {}

    def lost(recipe: Recipe) -> float:
        asked[recipe] = abs(float(np.log(recipe.ridge / 30.0)))
        return asked[recipe]

    first, again = (search(lost, trials=12, seed=5, all_rows=400) for _ in range(2))
    assert len(asked) == 13
    assert first == again == min(asked, key=lambda recipe: asked[recipe])
    assert search(lambda recipe: float(recipe != DEFAULT), trials=3, seed=5, all_rows=400) == DEFAULT
    of_many = search(lost, trials=3, seed=5, all_rows=60_000)
    assert (of_many.leaves or 0) >= 12


def test_what_the_search_finds_is_a_candidate_and_the_same_each_time() -> None:
    matrices = _matrices(EARLIER, LAST, same=True)
    two = [_chosen(matrices, EARLIER, LAST, compare=("blend", TUNED), trials=1, rows=500) for _ in range(2)]
    assert two[0].to_dict() == two[1].to_dict()
    names = [one.name for one in (*two[0].tried, *two[0].not_tried)]
    assert names == ["blend", TUNED]


def test_what_the_search_says_goes_to_our_log_without_its_words() -> None:
    import logging

    from training import tuning

    tuning.quiet_optuna()
    stream = StringIO()
    configure_logs(stream=stream)
    try:
        logging.getLogger("optuna.study").info("Trial 3 finished")
        logging.getLogger("optuna.study").warning("value JANE DOE is odd")
    finally:
        configure_logs()
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["code"] == "optuna.study: warning"
    assert "JANE" not in line
