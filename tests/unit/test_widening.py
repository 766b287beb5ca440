"""Whether gaps grew: one that was planted is found and sized, none is found where nothing changed, few are not told."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from cis_ews.evaluation.bootstrap import Bootstrap
from cis_ews.evaluation.widening import ERRORS, Widened, widened

STUDENTS = 3_000


def _rows(seed: int, *, planted: float = 0.0, rare: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two lists of the same students that differ by chance, and of newcomers who are dropped from the second one."""
    draw = np.random.default_rng(seed)
    risk = draw.beta(1.2, 3.0, STUDENTS)
    label = draw.random(STUDENTS) < risk
    newcomer = draw.random(STUDENTS) < 0.2
    if rare:
        newcomer = np.arange(STUDENTS) < rare
    before, now = ((risk + draw.normal(0.0, 0.02, STUDENTS)) > 0.4 for _ in range(2))
    now &= ~(newcomer & (draw.random(STUDENTS) < planted))
    rows = pl.DataFrame(
        {
            "student_id": [f"s{number}" for number in range(STUDENTS)],
            "school_id": draw.integers(12, size=STUDENTS).astype(str),
            "label": label.astype(float),
            "risk": risk,
            "before": before.astype(float),
            "now": now.astype(float),
        }
    )
    language = np.where(newcomer, "newcomer", "never")
    groups = pl.DataFrame(
        {"student_id": rows["student_id"], "english_learner": language, "gender": draw.choice(["F", "M"], STUDENTS)}
    )
    return rows, groups


def _widened(seed: int, *, planted: float = 0.0, rare: int = 0) -> tuple[Widened, ...]:
    rows, groups = _rows(seed, planted=planted, rare=rare)
    return widened(rows, groups, decisions={"list": ("before", "now")}, attributes=["english_learner", "gender"])


def test_a_planted_growth_is_found_sized_and_told_first_and_its_clean_twin_is_silent() -> None:
    loud = 0
    for seed in range(10):
        loud += any(each.is_sure for each in _widened(seed))
        found = _widened(seed, planted=0.4)
        of_newcomers = next(each for each in found if (each.group, each.measure) == ("newcomer", ERRORS[0]))
        assert of_newcomers.is_sure
        rows, groups = _rows(seed, planted=0.4)
        inside = rows.join(groups, on="student_id").filter(pl.col("label") == 1)
        rates = inside.group_by("english_learner").agg(
            (1.0 - pl.col(name)).mean().alias(name) for name in ("before", "now")
        )
        missed = {name: (before, now) for name, before, now in rates.iter_rows()}
        assert of_newcomers.before == pytest.approx(missed["newcomer"][0] - missed["never"][0])
        assert of_newcomers.now == pytest.approx(missed["newcomer"][1] - missed["never"][1])
        assert of_newcomers.growth > 0.1
        assert found[0].attribute.startswith("english_learner")
    assert loud <= 2


def test_growth_is_of_the_distance_on_the_side_of_now() -> None:
    gap = {"decision": "list", "attribute": "gender", "group": "F", "measure": ERRORS[0], "p": 0.01, "half_width": 0.05}
    assert Widened(**gap, before=-0.10, now=0.12).growth == pytest.approx(0.12)
    assert Widened(**gap, before=-0.10, now=-0.30).growth == pytest.approx(0.20)
    assert Widened(**gap, before=0.10, now=0.30).growth == pytest.approx(0.20)
    assert Widened(**gap, before=0.30, now=0.10).growth == pytest.approx(-0.20)
    grown = Widened(**gap, before=0.10, now=0.30)
    assert (grown.growth_low, grown.growth_high) == (pytest.approx(0.15), pytest.approx(0.25))


def test_the_interval_of_a_growth_is_as_wide_as_schools_drawn_again_say() -> None:
    rows, groups = _rows(4, planted=0.4)
    found = widened(rows, groups, decisions={"list": ("before", "now")}, attributes=["english_learner"])
    of_newcomers = next(each for each in found if (each.group, each.measure) == ("newcomer", ERRORS[0]))
    inside = rows.filter(pl.col("label") == 1)
    is_group = inside.join(groups, on="student_id", maintain_order="left")["english_learner"].to_numpy() == "newcomer"
    moved = (inside["before"] - inside["now"]).to_numpy()
    bootstrap = Bootstrap.of(inside["school_id"].to_numpy(), draws=2_000, seed=1)
    drawn = [bootstrap.ratio(moved * of, of.astype(float)) for of in (is_group, ~is_group)]
    deviation = float(np.std(drawn[0] - drawn[1]))
    # Student's t of 11 degrees of freedom, or students by themselves where these are less alike than chance makes them.
    assert 2.201 * deviation * 0.85 < of_newcomers.half_width < 2.201 * deviation * 1.6


def test_a_gap_of_few_that_is_sure_decides_and_is_marked_as_not_told() -> None:
    """Of 30 newcomers off track 3 are listed at last, where all were: the three would come out."""
    number = np.arange(900)
    newcomer, label = number < 60, number % 2 == 0
    rows = pl.DataFrame(
        {
            "student_id": number.astype(str),
            "school_id": (number % 12).astype(str),
            "label": label.astype(float),
            "risk": 0.5,
            "before": (label | (number % 3 == 0)).astype(float),
            "now": ((label & (~newcomer | (number < 6))) | (number % 3 == 0) & ~label).astype(float),
        }
    )
    language = pl.Series(newcomer).replace_strict({True: "newcomer", False: "never"}, return_dtype=pl.String)
    groups = pl.DataFrame({"student_id": number.astype(str), "english_learner": language})
    found = widened(rows, groups, decisions={"list": ("before", "now")}, attributes=["english_learner"])
    of_newcomers = next(each for each in found if (each.group, each.measure) == ("newcomer", ERRORS[0]))
    assert (of_newcomers.is_sure, of_newcomers.is_told) == (True, False)
    assert of_newcomers.growth == pytest.approx(0.9)


def test_the_same_list_twice_changes_nothing() -> None:
    rows, groups = _rows(1)
    found = widened(rows, groups, decisions={"list": ("before", "before")}, attributes=["gender"])
    assert found
    assert {(each.growth, each.p) for each in found} == {(0.0, 1.0)}


def test_a_group_under_ten_is_not_told() -> None:
    assert not [each for each in _widened(2, planted=1.0, rare=9) if "newcomer" in each.group]


def test_both_errors_of_groups_and_pairs_are_looked_at() -> None:
    found = _widened(3)
    assert {each.measure for each in found} == set(ERRORS)
    assert {each.attribute for each in found} == {"english_learner", "gender", "english_learner x gender"}


@pytest.mark.parametrize("schools", [1, 12])
def test_a_group_that_loses_its_place_as_a_whole_is_surest_of_all(schools: int) -> None:
    """Nobody of the group and nobody else differs from the mean of theirs: there is no spread, and no doubt either."""
    number = np.arange(600)
    newcomer, label = number < 60, number % 2 == 0
    rows = pl.DataFrame(
        {
            "student_id": number.astype(str),
            "school_id": (number % schools).astype(str),
            "label": label.astype(float),
            "risk": 0.5,
            "before": label.astype(float) * (number % 4 == 0),
            "now": (label & ~newcomer).astype(float) * (number % 4 == 0),
        }
    )
    rows = rows.filter(pl.Series(~newcomer | (number % 4 < 2)))  # all newcomers off track were listed before
    language = pl.Series(newcomer).replace_strict({True: "newcomer", False: "never"}, return_dtype=pl.String)
    groups = pl.DataFrame({"student_id": number.astype(str), "english_learner": language})
    found = widened(rows, groups, decisions={"list": ("before", "now")}, attributes=["english_learner"])
    of_newcomers = next(each for each in found if (each.group, each.measure) == ("newcomer", ERRORS[0]))
    assert (of_newcomers.growth, of_newcomers.now) == (pytest.approx(0.5, abs=0.05), pytest.approx(0.5, abs=0.05))
    assert of_newcomers.is_sure
