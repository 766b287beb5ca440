"""Which kind of model a district's records ask for: the simplest that is as good as the best, as far as can be told.

Candidates stand from simple to complex. Each learns from the earlier ones of the school years that are learned from,
and is measured on the last of them: nested in the split by school year, with its gap, and without a look at the years
that are held back. The simplest whose log loss is within one standard error of the least one wins (the
one-standard-error rule: Breiman, Friedman, Olshen and Stone 1984, Classification and Regression Trees, section 3.4.3);
the standard error is that of the paired difference, students of one school taken as alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter

import numpy as np
import polars as pl

from cis_ews.errors import DataError, ModelError
from cis_ews.evaluation.clustering import clustered_mean
from cis_ews.evaluation.outcomes import Vector
from cis_ews.progress import Progress
from cis_ews.risk.model_recipe import DEFAULT, Kind, Recipe
from cis_ews.wording import counted
from training.config import BLEND, TUNED, CandidatesConfig, TrainingConfig
from training.contrasts import NotMeasured
from training.fitting import fit_model, usable_features
from training.matrices import LABEL, Matrices
from training.splits import FEWEST_POSITIVES, Part, Split, leave_future_out, other_groups, rows_on
from training.tuning import held_out_loss, search

RECIPES: Mapping[str, Recipe] = {
    "straight lines": Recipe(kind=Kind.LINEAR, bends=False),
    "lines with bends": Recipe(kind=Kind.LINEAR),
    "lines pooled over grade bands": Recipe(kind=Kind.LINEAR, bends=False, pooling=1000.0),
    "lines of each grade band": Recipe(kind=Kind.LINEAR, bends=False, pooling=DEFAULT.ridge),
    "trees": Recipe(kind=Kind.TREES),
    BLEND: DEFAULT,
}
"""What a candidate is, simplest first; the last of all, TUNED, is what the search finds."""
FOLDS = 3
"""Parts that schools are dealt into, where no earlier year can be learned from: there is none whose horizons end before
the last one begins, or one of the two has too few of an outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A candidate: mean log loss in nats a row, how much more than that of the best, the standard error of that
    difference (None of the best, and where there is one cluster alone), AUROC."""

    name: str
    recipe: Recipe
    log_loss: float
    behind: float
    standard_error: float | None
    auroc: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which kind of model is fitted, and why.

    `how`: on what candidates were measured. `learned_rows`: that each learned from, at most. `clusters`,
    `clustered_by`: how many, and of what, the standard errors are. `seconds`: what each cost on this machine, for the
    terminal alone.
    """

    winner: str
    recipe: Recipe
    tried: tuple[Tried, ...] = ()
    not_tried: tuple[NotMeasured, ...] = ()
    how: str = ""
    learned_rows: int = 0
    rows: int = 0
    clusters: int = 0
    clustered_by: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])

    def to_dict(self) -> dict[str, object]:
        """As plain values, without what another machine would say otherwise."""
        tried = [{**asdict(one), "recipe": one.recipe.to_plain()} for one in self.tried]
        told = {name: value for name, value in asdict(self).items() if name != "seconds"}
        return {**told, "recipe": self.recipe.to_plain(), "tried": tried}


def choose(matrices: Matrices, split: Split, *, config: TrainingConfig, progress: Progress) -> Choice:
    """Measure the candidates on the rows that `split` learns from, and take one.

    Candidates that cannot be fitted (bands without grades, too few of an outcome) are named with the reason; where none
    can, the default kind is taken, and says so when it is fitted.
    """
    asked = config.candidates
    if len(asked.compare) == 1 and asked.compare[0] in RECIPES:
        (name,) = asked.compare
        return Choice(winner=name, recipe=RECIPES[name], how="the configuration names one kind, and none was compared")
    nested = _nested(matrices, split, label=config.label)
    if not nested.parts:
        return Choice(winner=BLEND, recipe=DEFAULT, how=nested.how)
    recipes, not_tried = _recipes(nested, asked, config=config, progress=progress)
    losses: dict[str, Vector] = {}
    margins: dict[str, Vector] = {}
    seconds: dict[str, float] = {}
    for name, recipe in recipes.items():
        began = perf_counter()
        try:
            with progress.step(name):
                risk = nested.risk(recipe, config=config)
        except ModelError as error:
            not_tried.append(NotMeasured(name=name, why=error.message))
            continue
        losses[name], margins[name] = nested.loss(risk), risk
        seconds[name] = perf_counter() - began
    if not losses:
        return Choice(winner=BLEND, recipe=DEFAULT, not_tried=tuple(not_tried), how=nested.how)
    tried = compared(losses, recipes=recipes, clusters=nested.clusters, auroc=nested.auroc(margins))
    winner = simplest_within(tried)
    return Choice(
        winner=winner.name,
        recipe=winner.recipe,
        tried=tried,
        not_tried=tuple(not_tried),
        how=nested.how,
        learned_rows=min(asked.rows, max(int(part.train.sum()) for part in nested.parts)),
        rows=len(nested.label),
        clusters=int(np.unique(nested.clusters).size),
        clustered_by=nested.clustered_by,
        seconds=seconds,
    )


def compared(
    losses: Mapping[str, Vector], *, recipes: Mapping[str, Recipe], clusters: Vector, auroc: Mapping[str, float]
) -> tuple[Tried, ...]:
    """Each candidate beside the best. `losses`: one a row, of the same rows; `clusters`: a number a row."""
    best = min(losses, key=lambda name: float(losses[name].mean()))
    found: list[Tried] = []
    for name, lost in losses.items():
        behind, error = clustered_mean(lost - losses[best], clusters)
        found.append(
            Tried(
                name=name,
                recipe=recipes[name],
                log_loss=float(lost.mean()),
                behind=behind,
                standard_error=None if name == best else error,
                auroc=auroc[name],
            )
        )
    return tuple(found)


def simplest_within(tried: Sequence[Tried]) -> Tried:
    """The first whose log loss is no more than one standard error above the least."""
    return next(one for one in tried if one.behind <= (one.standard_error or 0.0))


@dataclass(frozen=True, eq=False)
class _Nested:
    """Rows to learn from and rows to measure on, all of years that are learned from, part by part."""

    known: pl.DataFrame
    parts: list[Part]
    how: str
    earlier: bool

    @property
    def asked(self) -> pl.Series:
        """Which rows are measured on."""
        return pl.Series(np.any([part.test for part in self.parts], axis=0))

    @property
    def label(self) -> Vector:
        """Of the rows that are measured on."""
        return self.known.filter(self.asked)[LABEL].cast(pl.Float64).to_numpy()

    @property
    def clustered_by(self) -> str:
        """Schools; students, where there is one school alone."""
        return "school" if self.known["school_id"].n_unique() > 1 else "student"

    @property
    def clusters(self) -> Vector:
        """The cluster of each row that is measured on."""
        return self.known.filter(self.asked)[f"{self.clustered_by}_id"].rank("dense").cast(pl.Float64).to_numpy()

    def rows(self, part: Part, config: TrainingConfig) -> pl.DataFrame:
        """What is learned from in a part, drawn by the seed where it is more than the configuration asks for."""
        rows, most = self.known.filter(pl.Series(part.train)), config.candidates.rows
        return rows if rows.height <= most else rows.sample(most, seed=config.seed)

    def risk(self, recipe: Recipe, *, config: TrainingConfig) -> Vector:
        """What a candidate says of the rows that are measured on."""
        risk = np.full(self.known.height, np.nan)
        for part in self.parts:
            rows = self.rows(part, config)
            names, _ = usable_features(rows)
            model = fit_model(rows, names, config=config, recipe=recipe)
            risk[part.test] = model.predict(self.known.filter(pl.Series(part.test)))
        return risk[self.asked.to_numpy()]

    def loss(self, risk: Vector) -> Vector:
        """The log loss of each row, in nats."""
        said = np.where(self.label == 1.0, risk, 1.0 - risk)
        return -np.log(np.maximum(said, np.finfo(np.float64).tiny))

    def auroc(self, risks: Mapping[str, Vector]) -> dict[str, float]:
        """Of each candidate."""
        from cis_ews.evaluation.accuracy import evaluate

        return {name: evaluate(self.label, risk).auroc for name, risk in risks.items()}


def _nested(matrices: Matrices, split: Split, *, label: str) -> _Nested:
    """The last year that is learned from, after the earlier ones; parts of schools, where that cannot be done, and none
    where there is one student alone."""
    known = [summary for summary in matrices.summaries if summary.as_of in split.train]
    last = max(summary.school_year for summary in known)
    year = f"{last - 1}-{last % 100:02}"
    inner = replace(matrices, summaries=tuple(known))
    rows = matrices.rows.filter(pl.Series(rows_on(matrices.rows, split.train)))
    try:
        (later,) = leave_future_out(
            inner,
            replace(inner, summaries=tuple(summary for summary in known if summary.school_year == last)),
            label=label,
        )
    except DataError:
        is_one = len({summary.school_year for summary in known}) == 1
        return _by_schools(
            rows,
            why="one school year alone is learned from"
            if is_one
            else f"no outcome of the years before {year} is known before that year is measured",
        )
    part = Part(rows_on(rows, later.train), rows_on(rows, later.test))
    fewest = min(_fewest(rows, part.train), _fewest(rows, part.test))
    if fewest < FEWEST_POSITIVES:
        fewer = f"{counted(fewest, 'row')} with the rarer outcome, fewer than {FEWEST_POSITIVES}"
        return _by_schools(rows, why=f"{year} or the years before it have {fewer}")
    how = f"learned from the years before {year}, measured on that year; the last label learned from ends "
    how += f"{counted(later.clear_days, 'day')} before"
    return _Nested(rows, [part], how, earlier=True)


def _fewest(rows: pl.DataFrame, of: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    """How many rows have the rarer outcome."""
    label = rows.filter(pl.Series(of))[LABEL].cast(pl.Int64)
    return min(int(label.sum()), len(label) - int(label.sum()))


def _by_schools(rows: pl.DataFrame, *, why: str) -> _Nested:
    everything = np.ones(rows.height, dtype=np.bool_)
    whole = Part(everything, everything)
    is_one = rows["school_id"].n_unique() < 2
    groups = rows["student_id" if is_one else "school_id"]
    parts = other_groups(groups, groups, whole, most=FOLDS)
    what = "students of one school" if is_one else "schools"
    of_parts = f"{what} in {len(parts)} parts, each measured by a model of the others"
    how = f"{why}: {of_parts if parts else 'and that of one student, so that no kind could be compared'}"
    return _Nested(rows, parts, how, earlier=False)


def _recipes(
    nested: _Nested, asked: CandidatesConfig, *, config: TrainingConfig, progress: Progress
) -> tuple[dict[str, Recipe], list[NotMeasured]]:
    """The recipes of the candidates that were asked for, simplest first, and why one of them is not known."""
    recipes = {name: recipe for name, recipe in RECIPES.items() if name in asked.compare}
    if TUNED not in asked.compare:
        return recipes, []
    if not asked.trials:
        return recipes, [NotMeasured(name=TUNED, why="trials is 0 in the configuration")]
    if not nested.earlier:
        return recipes, [
            NotMeasured(name=TUNED, why="a search needs earlier years to learn from, with enough of both outcomes")
        ]
    rows = nested.rows(nested.parts[0], config)
    names, _ = usable_features(rows)
    try:
        with progress.step(f"search, {counted(asked.trials, 'trial')}"):
            found = search(
                lambda recipe: held_out_loss(fit_model(rows, names, config=config, recipe=recipe)),
                trials=asked.trials,
                seed=config.seed,
                all_rows=nested.known.height,
            )
    except ModelError as error:
        return recipes, [NotMeasured(name=TUNED, why=error.message)]
    if found == DEFAULT:
        why = f"{counted(asked.trials, 'trial')} found nothing better than the blend as it comes"
        return recipes, [NotMeasured(name=TUNED, why=why)]
    return {**recipes, TUNED: found}, []
