"""What is learned from rows of matrices: the features that say something, and the model that is fitted on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from cis_ews.risk.features import monotone_constraints
from cis_ews.risk.model import RiskModel
from cis_ews.risk.model_recipe import DEFAULT, Recipe
from cis_ews.risk.supported import Supported
from training.config import TrainingConfig
from training.leakage import check_leaks
from training.matrices import KEYS, LABEL, WEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Features of the catalog that cannot be learned from, and why."""

    name: str
    why: str


def usable_features(rows: pl.DataFrame) -> tuple[list[str], tuple[LeftOut, ...]]:
    """The features that say something in these rows: not those that are missing or equal everywhere, or the same as an
    earlier one."""
    kept: list[str] = []
    left_out: list[LeftOut] = []
    seen: dict[tuple[object, ...], list[str]] = {}
    for name in (name for name in rows.columns if name not in KEYS):
        column = rows[name]
        digest = (column.null_count(), column.sum(), column.min(), column.max())
        twin = next((other for other in seen.get(digest, []) if rows[other].equals(column)), None)
        why = _useless(column) or (None if twin is None else f"the same as {twin}")
        if why:
            left_out.append(LeftOut(name=name, why=why))
            continue
        seen.setdefault(digest, []).append(name)
        kept.append(name)
    return kept, tuple(left_out)


def _useless(column: pl.Series) -> str | None:
    if column.null_count() == len(column):
        return "missing everywhere"
    return "the same everywhere" if column.drop_nulls().n_unique() == 1 else None


def fit_model(
    rows: pl.DataFrame,
    names: Sequence[str],
    *,
    config: TrainingConfig,
    recipe: Recipe = DEFAULT,
    about: Mapping[str, object] | None = None,
) -> RiskModel:
    """Rows of one student never stand on both sides of a held-out split; a leak stops the fit (ModelError)."""
    check_leaks(rows, names, trusted=config.validation.trusted)
    return RiskModel.fit(
        rows.select(names),
        rows[LABEL],
        seed=config.seed,
        groups=rows["student_id"],
        weights=_weights(rows, config),
        monotone=_directions(names),
        about=about,
        recipe=recipe,
    )


def refit_model(
    model: RiskModel, rows: pl.DataFrame, *, config: TrainingConfig, seed: int, trees_alone: bool = False
) -> RiskModel:
    """A model of the same kind and features from other rows, or by another seed (see `RiskModel.refit`)."""
    names = model.features
    return model.refit(
        rows.select(names),
        rows[LABEL],
        seed=seed,
        weights=_weights(rows, config),
        monotone=_directions(names),
        trees_alone=trees_alone,
    )


def _weights(rows: pl.DataFrame, config: TrainingConfig) -> pl.Series | None:
    return rows[WEIGHT] if config.supported == Supported.WEIGHT else None


def _directions(names: Sequence[str]) -> dict[str, int]:
    return {name: way for name, way in monotone_constraints(names).items() if way}
