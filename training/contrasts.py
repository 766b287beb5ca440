"""The same model on other splits: what a kinder one would have claimed, and what a harder one says.

Every split is asked of the same rows (those of a later school year, on the dates that a validation measures) by models
of equally many rows where there are enough, so that only what is learned from differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.errors import ModelError
from cis_ews.evaluation.bootstrap import Bootstrap
from cis_ews.evaluation.comparison import Candidate, Compared, compare
from cis_ews.risk.model_recipe import Recipe
from cis_ews.wording import counted
from training.baselines import logistic
from training.config import TrainingConfig
from training.fitting import fit_model, usable_features
from training.matrices import LABEL, lists_of
from training.splits import Part, Rows, other_groups, strangers
from training.validation import LOGISTIC, MODEL, RULES

LATER = "a later year"
STRANGERS = "students never seen"
DISTRICT = "another district"
SCHOOL = "another school"
CHANCE = "a random split"
LATER_MODEL = "the model of a later year"
MOST_GROUPS = 2
"""Parts that districts, schools, or rows by lot are dealt into: each is asked of a model of the other."""
DRAWS = 200
SHOWN = ("auroc", "average_precision", "brier", "recall_of_all_at_10")
_KEY = ("student_id", "as_of")

_Risks = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """What a model reached on one way to split, beside logistic regression of the same rows, published rules, and the
    model that learned from the years before (`LATER_MODEL`, but of itself).

    `parts`: how many models were asked, each of another part of the `rows`. `train_rows`: learned from, by that of the
    fewest. `as_of`: the dates that were asked. `table`: who -> the figures of SHOWN and what the model gained, over the
    same draws of schools.
    """

    name: str
    parts: int
    train_rows: int
    rows: int
    positives: int
    as_of: tuple[date, ...]
    table: Mapping[str, Compared]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMeasured:
    """What could not be measured, and why."""

    name: str
    why: str


@dataclass(frozen=True, eq=False)
class Asked:
    """What all splits are asked: `rows` of a later year, and what published rules say of them. `earlier`: which of the
    rows that can be learned from are of years before it, with labels that do not reach into it."""

    rows: pl.DataFrame
    rules: Candidate
    earlier: Rows


@dataclass(frozen=True, eq=False)
class _Work:
    learned: pl.DataFrame
    asked: Asked
    recipe: Recipe
    config: TrainingConfig


def contrasts(
    learned: pl.DataFrame, asked: Asked, *, districts: pl.DataFrame, recipe: Recipe, config: TrainingConfig
) -> tuple[list[Contrast], list[NotMeasured]]:
    """A model of at most `contrast_rows` rows on each split: a later year, strange students, strange districts (strange
    schools, in an extract of one district), and by chance.

    `learned`: rows of all past years. `districts`: school_id, district_id.
    """
    work = _Work(learned, asked, recipe, config)
    later = Part(asked.earlier, np.ones(asked.rows.height, dtype=np.bool_))
    name, column = _cold_start(districts)
    groups = [_of_group(frame, districts, column) for frame in (learned, asked.rows)]
    splits = {
        LATER: [later],
        STRANGERS: strangers(learned, asked.rows, later, seed=config.seed),
        name: other_groups(groups[0], groups[1], later, most=MOST_GROUPS),
        CHANCE: by_lot(learned, asked.rows, seed=config.seed),
    }
    found: list[Contrast] = []
    missing: list[NotMeasured] = []
    beside: _Risks = {}
    for name, parts in splits.items():
        try:
            one, risk = _measured(name, parts, work, beside=beside)
            found.append(one)
            if name == LATER:
                beside[LATER_MODEL] = risk
        except ModelError as error:
            missing.append(NotMeasured(name=name, why=error.message))
    return found, missing


def by_lot(learned: pl.DataFrame, asked: pl.DataFrame, *, seed: int) -> list[Part]:
    """Rows of all years dealt into two halves by lot, each asked of a model of the other: what no claim may rest on,
    since other dates of the same student-years, the asked ones too, are learned from."""
    rows = pl.concat([learned.select(_KEY), asked.select(_KEY)]).unique().sort(_KEY)
    dealt = rows.with_columns(part=pl.Series(np.random.default_rng(seed).integers(MOST_GROUPS, size=rows.height)))
    of_train, of_test = (
        frame.select(_KEY).join(dealt, on=_KEY, how="left", maintain_order="left")["part"].to_numpy()
        for frame in (learned, asked)
    )
    return [Part(of_train != part, of_test == part) for part in range(MOST_GROUPS)]


def _cold_start(districts: pl.DataFrame) -> tuple[str, str]:
    """What it is called, and the column whose groups are left out."""
    return (DISTRICT, "district_id") if districts["district_id"].n_unique() > 1 else (SCHOOL, "school_id")


def _of_group(frame: pl.DataFrame, districts: pl.DataFrame, column: str) -> pl.Series:
    return frame.join(districts, on="school_id", how="left", maintain_order="left")[column]


def _measured(name: str, parts: Sequence[Part], work: _Work, *, beside: _Risks) -> tuple[Contrast, NDArray[np.float64]]:
    """A split, and the risk of each row that was asked; NaN of others. `beside`: those of models to compare with."""
    if not parts:
        raise ModelError("there is one group alone", hint="bring an extract of more districts or schools")
    asked, config = work.asked, work.config
    risks = {who: np.full(asked.rows.height, np.nan) for who in (MODEL, LOGISTIC)}
    sizes: list[int] = []
    for part in parts:
        rows = _sampled(work.learned.filter(pl.Series(part.train)), config)
        for who, risk in _fitted(rows, asked.rows.filter(pl.Series(part.test)), work).items():
            risks[who][part.test] = risk
        sizes.append(rows.height)
    known = np.any([part.test for part in parts], axis=0)
    rows = asked.rows.filter(pl.Series(known))
    candidates = {
        **{who: Candidate.of(risk[known]) for who, risk in risks.items()},
        RULES: Candidate(asked.rules.order[known], asked.rules.probability[known]),
        **{who: Candidate.of(risk[known]) for who, risk in beside.items()},
    }
    found = Contrast(
        name=name,
        parts=len(parts),
        train_rows=min(sizes),
        rows=rows.height,
        positives=int(rows[LABEL].sum()),
        as_of=tuple(rows["as_of"].unique().sort()),
        table=_compared(rows, candidates, config),
    )
    return found, risks[MODEL]


def _fitted(rows: pl.DataFrame, test: pl.DataFrame, work: _Work) -> _Risks:
    names, _ = usable_features(rows)
    model = fit_model(rows, names, config=work.config, recipe=work.recipe)
    return {MODEL: model.predict(test), LOGISTIC: logistic(rows, test, names)}


def _compared(rows: pl.DataFrame, candidates: Mapping[str, Candidate], config: TrainingConfig) -> dict[str, Compared]:
    label = rows[LABEL].cast(pl.Float64).to_numpy()
    bootstrap = Bootstrap.of(rows["school_id"].to_numpy(), draws=min(DRAWS, config.validation.draws), seed=config.seed)
    found = compare(label, candidates, lists=lists_of(rows), bootstrap=bootstrap)
    return {
        who: Compared(
            values={measure: one.values[measure] for measure in SHOWN},
            gains={measure: one.gains[measure] for measure in SHOWN if measure in one.gains},
        )
        for who, one in found.items()
    }


def _sampled(rows: pl.DataFrame, config: TrainingConfig) -> pl.DataFrame:
    most = config.validation.contrast_rows
    if rows.height == 0:
        raise ModelError(f"{counted(0, 'row')} to learn from", hint="bring an extract with more schools or years")
    return rows if rows.height <= most else rows.sample(most, seed=config.seed)
