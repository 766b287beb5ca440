"""The same model on other splits: what a kinder one would have claimed, and what a harder one says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.errors import ModelError
from cis_ews.evaluation.bootstrap import Bootstrap, Estimate
from cis_ews.evaluation.comparison import Candidate, Lists, compare
from cis_ews.risk.model_recipe import Recipe
from cis_ews.wording import counted
from training.config import TrainingConfig
from training.fitting import fit_model, usable_features
from training.matrices import LABEL
from training.splits import Part, by_chance, other_groups, strangers

LATER = "a later year"
STRANGERS = "students never seen"
CHANCE = "a random split"
MOST_GROUPS = 2
DRAWS = 200
SHOWN = ("auroc", "average_precision", "brier", "recall_of_all_at_10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """What a model reached on one way to split: rows learned from (at most, a part), rows measured on, figures."""

    name: str
    train_rows: int
    rows: int
    positives: int
    values: dict[str, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMeasured:
    """What could not be measured, and why."""

    name: str
    why: str


def contrasts(
    learned: pl.DataFrame,
    measured: pl.DataFrame,
    later: Part,
    *,
    districts: pl.DataFrame,
    recipe: Recipe,
    config: TrainingConfig,
) -> tuple[list[Contrast], list[NotMeasured]]:
    """A model of at most `contrast_rows` rows on each split: a later year, strange students, strange districts (strange
    schools, in an extract of one district), and by chance. `districts`: school_id, district_id."""
    named = [
        (LATER, learned, measured, [later]),
        (STRANGERS, learned, measured, strangers(learned, measured, later, seed=config.seed)),
    ]
    name, column = _cold_start(districts)
    of_train, of_test = (
        frame.join(districts, on="school_id", how="left", maintain_order="left")[column]
        for frame in (learned, measured)
    )
    named.append((name, learned, measured, other_groups(of_train, of_test, later, most=MOST_GROUPS)))
    named.append((CHANCE, learned, learned, [by_chance(learned.height, seed=config.seed)]))
    found: list[Contrast] = []
    missing: list[NotMeasured] = []
    for name, train, test, parts in named:
        try:
            found.append(_measured(name, train, test, parts=parts, recipe=recipe, config=config))
        except ModelError as error:
            missing.append(NotMeasured(name=name, why=error.message))
    return found, missing


def _cold_start(districts: pl.DataFrame) -> tuple[str, str]:
    """What it is called, and the column whose groups are left out."""
    if districts["district_id"].n_unique() > 1:
        return "another district", "district_id"
    return "another school", "school_id"


def _measured(
    name: str, train: pl.DataFrame, test: pl.DataFrame, *, parts: Sequence[Part], recipe: Recipe, config: TrainingConfig
) -> Contrast:
    if not parts:
        raise ModelError("there is one group alone", hint="bring an extract of more districts or schools")
    risk = np.full(test.height, np.nan)
    sizes: list[int] = []
    for part in parts:
        rows = _sampled(train.filter(pl.Series(part.train)), config)
        names, _ = usable_features(rows)
        risk[part.test] = fit_model(rows, names, config=config, recipe=recipe).predict(
            test.filter(pl.Series(part.test))
        )
        sizes.append(rows.height)
    asked = ~np.isnan(risk)
    rows = test.filter(pl.Series(asked))
    label = rows[LABEL].cast(pl.Float64).to_numpy()
    bootstrap = Bootstrap.of(rows["school_id"].to_numpy(), draws=min(DRAWS, config.validation.draws), seed=config.seed)
    compared = compare(label, {name: Candidate.of(risk[asked])}, lists=lists_of(rows), bootstrap=bootstrap)[name]
    return Contrast(
        name=name,
        train_rows=max(sizes),
        rows=rows.height,
        positives=int(label.sum()),
        values={measure: compared.values[measure] for measure in SHOWN},
    )


def _sampled(rows: pl.DataFrame, config: TrainingConfig) -> pl.DataFrame:
    most = config.validation.contrast_rows
    if rows.height == 0:
        raise ModelError(f"{counted(0, 'row')} to learn from", hint="bring an extract with more schools or years")
    return rows if rows.height <= most else rows.sample(most, seed=config.seed)


def lists_of(rows: pl.DataFrame) -> Lists:
    """Who competes with whom: the rows of one as-of date, and of one school on it."""
    nights, schools = _codes(rows["as_of"]), _codes(rows["school_id"])
    return Lists(schools=nights * (int(schools.max()) + 1) + schools, nights=nights)


def _codes(values: pl.Series) -> NDArray[np.int64]:
    return values.rank("dense").cast(pl.Int64).to_numpy()
