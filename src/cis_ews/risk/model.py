"""The trained model: small trees and a logistic regression, blended on the margin scale and calibrated.

    model = RiskModel.fit(features, label, seed=7)
    risk = model.predict(features)

Both parts read the same columns (`model_encoding`). Each is fitted on folds and tried on the rows left out; the blend
and the calibrator are chosen by log loss there, and the parts that are used are then fitted on all rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from cis_ews.risk.cores import available_cores
from cis_ews.risk.model_checks import (
    Values,
    checked_about,
    checked_features,
    checked_groups,
    checked_label,
    checked_monotone,
    checked_seed,
    checked_threads,
    checked_weights,
)
from cis_ews.risk.model_encoding import UnseenCategoryWarning
from cis_ews.risk.model_file import read_model, read_tables, sealed, write_model, write_tables
from cis_ews.risk.model_fit import fit_parts, refit_parts
from cis_ews.risk.model_folds import assign_folds
from cis_ews.risk.model_linear import Vector
from cis_ews.risk.model_parts import ModelParts
from cis_ews.risk.model_plain import from_plain, to_plain
from cis_ews.risk.model_recipe import DEFAULT, Recipe
from cis_ews.wording import counted

__all__ = ["Recipe", "RiskModel", "UnseenCategoryWarning"]

SLICE = 16_384


@dataclass(frozen=True, eq=False, repr=False)
class RiskModel:
    """A calibrated risk model, made by `fit` or `load`. `about` is what was kept with it."""

    parts: ModelParts
    about: Mapping[str, object]

    @classmethod
    def fit(  # noqa: PLR0913 - each is a thing that a fit may hang on, and all but two are named
        cls,
        features: pl.DataFrame,
        label: Values,
        *,
        seed: int,
        groups: Values | None = None,
        weights: Values | None = None,
        monotone: Mapping[str, int] | None = None,
        about: Mapping[str, object] | None = None,
        threads: int | None = None,
        recipe: Recipe | None = None,
    ) -> RiskModel:
        """Fit on one row a student and as-of date; every column of `features` is a feature.

        `label` is 0 or 1 a row; rows of one group of `groups` never stand on both sides of a held-out split;
        `weights` are positive numbers, how much each row counts, of which only the proportions matter;
        `monotone` gives features that may only raise (1) or lower (-1) the risk, 0 for neither; `about` is kept with
        the model, as plain JSON values; `recipe` says what kind of model, None for the default one. The same data and
        seed give the same model, whatever the number of threads. Raises ModelError for
        whatever no model can be learned from.
        """
        known = checked_features(features)
        truth = checked_label(label, rows=known.height)
        directions = checked_monotone(monotone, known)
        kept = checked_about(about)
        seed, threads = checked_seed(seed), checked_threads(threads) or available_cores()
        of_group = checked_groups(groups, rows=known.height)
        folds = assign_folds(truth, of_group, seed=seed)
        parts = fit_parts(
            known,
            truth,
            folds=folds,
            groups=of_group,
            weights=checked_weights(weights, rows=known.height),
            directions=directions,
            seed=seed,
            threads=threads,
            recipe=recipe or DEFAULT,
        )
        return cls(parts, kept)

    def refit(
        self,
        features: pl.DataFrame,
        label: Values,
        *,
        seed: int,
        weights: Values | None = None,
        monotone: Mapping[str, int] | None = None,
        threads: int | None = None,
        trees_alone: bool = False,
    ) -> RiskModel:
        """Another model of the same kind: as many trees, the same blend and calibrator, from other rows or seed.

        For asking what of a model is chance; nothing is tried on held-out rows again. `trees_alone`: for the same rows
        and another seed, on which the linear part does not hang. As `fit` otherwise.
        """
        known = self.parts.encoding.fitting(features, strict=False)
        parts = refit_parts(
            self.parts,
            known,
            checked_label(label, rows=known.height),
            weights=checked_weights(weights, rows=known.height),
            directions=checked_monotone(monotone, known),
            seed=checked_seed(seed),
            threads=checked_threads(threads) or available_cores(),
            trees_alone=trees_alone,
        )
        return RiskModel(parts, self.about)

    def __repr__(self) -> str:
        return f"RiskModel({self.version}, {counted(len(self.features), 'feature')})"

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features, in the model's order."""
        return self.parts.encoding.names

    @property
    def recipe(self) -> Recipe:
        """What kind of model was asked for."""
        return self.parts.recipe

    @property
    def summary(self) -> Mapping[str, object]:
        """Rows, positives, trees, leaves, the trees' share, the calibrator, log losses on held-out rows."""
        return self.parts.summary

    @cached_property
    def version(self) -> str:
        """`model-` and the first 12 hex digits of the SHA-256 of what `save` writes."""
        return f"model-{hashlib.sha256(self._file).hexdigest()[:12]}"

    def predict(self, frame: pl.DataFrame, *, strict: bool = False) -> Vector:
        """The calibrated probability of each row, one-dimensional.

        Columns are taken by name, and further ones ignored. Unseen categories are taken as missing with one
        UnseenCategoryWarning, and are a ModelError if `strict`. Raises FeatureMismatchError for missing columns and
        columns of another kind, ModelError for infinite values and values beyond 1e100.
        """
        chosen = self.parts.encoding.fitting(frame, strict=strict)
        return self._by_slices(chosen, self.parts.probability)

    def predict_interval(self, frame: pl.DataFrame, *, strict: bool = False) -> pl.DataFrame:
        """`risk` as `predict` gives it, with `risk_low` and `risk_high` around it, one row a row.

        Bounds, each missed in at most one of twenty cases, for the share that goes off track among those with the same
        margin (docs/model.md); null in a model that was made before there were bounds.
        """
        chosen = self.parts.encoding.fitting(frame, strict=strict)
        margin = self._by_slices(chosen, self.parts.margin)
        return self.with_bounds(margin, self.parts.calibrator.probability(margin))

    def with_bounds(self, margin: Vector, risk: Vector) -> pl.DataFrame:
        """`risk`, `risk_low` and `risk_high` of margins and the risks that belong to them; see `predict_interval`."""
        told = pl.DataFrame({"risk": risk}, schema={"risk": pl.Float64})
        bounds = self.parts.bounds(margin, risk)
        if bounds is None:
            return told.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("risk_low", "risk_high"))
        return told.with_columns(pl.Series("risk_low", bounds[0]), pl.Series("risk_high", bounds[1]))

    def margin(self, frame: pl.DataFrame, *, strict: bool = False) -> Vector:
        """The log-odds of each row before calibration; as `predict` otherwise."""
        return self._by_slices(self.parts.encoding.fitting(frame, strict=strict), self.parts.margin)

    def contributions(self, frame: pl.DataFrame, *, strict: bool = False) -> pl.DataFrame:
        """`base_value`, `margin`, and the exact SHAP value of each feature in log-odds; as `predict` otherwise.

        The base value and the contributions of a row add up to its margin before calibration (to 1e-9).
        """
        chosen = self.parts.encoding.fitting(frame, strict=strict)
        return self._named(self._by_slices(chosen, self.parts.contributions))

    def explained(self, frame: pl.DataFrame, *, strict: bool = False) -> tuple[Vector, pl.DataFrame]:
        """What `predict` and `contributions` give, of rows that are checked and encoded once for both."""
        chosen = self.parts.encoding.fitting(frame, strict=strict)
        table = np.empty((chosen.height, len(self.features) + 2), order="F")
        is_single = set(chosen.dtypes) == {pl.Float32}

        def explain(first: int) -> None:
            rows = slice(first, first + SLICE)
            self.parts.explain(self.parts.encoding.matrix(chosen[rows]), table[rows], is_single=is_single)

        with ThreadPoolExecutor(max_workers=available_cores()) as pool:
            list(pool.map(explain, range(0, chosen.height, SLICE)))
        return table[:, -1], self._named(table[:, :-1])

    def _named(self, table: Vector) -> pl.DataFrame:
        named = {name: table[:, place] for place, name in enumerate(self.features)}
        # Column by column: so a row's margin is the same bits in any frame.
        return pl.DataFrame({"base_value": table[:, -1], "margin": sum(table.T[::-1]), **named})

    def save(self, path: str | Path) -> None:
        """Write the model as one sealed JSON file, and beside it (`.shap`) the tables for its contributions.

        The tables follow from the model and may be left behind: then they are made anew. Before anything is written
        they are held against LightGBM's own contributions. Raises StorageError, ModelError where they differ.
        """
        trees = self.parts.trees
        self._write(Path(path), tables=trees.checked_tables() if trees else b"")

    def hand_over(self, path: str | Path) -> None:
        """Write what `save` writes, without its check: for worker processes of this one."""
        trees = self.parts.trees
        self._write(Path(path), tables=trees.kept_tables() if trees else b"")

    def _write(self, path: Path, *, tables: bytes) -> None:
        write_model(path, self._file)
        if tables:
            write_tables(path, tables)

    @classmethod
    def load(cls, path: str | Path) -> RiskModel:
        """Read what `save` wrote. Raises ModelNotFoundError, and ModelError for anything but a whole model file."""
        model = cls(*from_plain(read_model(Path(path)), place=Path(path).name))
        if model.parts.trees:
            model.parts.trees.take_tables(read_tables(Path(path)))
        return model

    @cached_property
    def _file(self) -> bytes:
        return sealed(to_plain(self.parts, self.about))

    def _by_slices(self, frame: pl.DataFrame, work: Callable[[Vector], Vector]) -> Vector:
        """Do the work on a slice of rows at a time: a state's matrix is never in memory at once."""

        def encoded(rows: pl.DataFrame) -> Vector:
            return work(self.parts.encoding.matrix(rows))

        if frame.height <= SLICE:
            return encoded(frame)
        with ThreadPoolExecutor(max_workers=available_cores()) as pool:
            return np.concatenate(list(pool.map(encoded, frame.iter_slices(SLICE))))
