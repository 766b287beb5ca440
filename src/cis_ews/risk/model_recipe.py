"""A recipe: what kind of model is fitted. `RiskModel.fit` follows the default one unless it is given another.

RiskModel.fit(features, label, seed=7, recipe=Recipe(kind=Kind.LINEAR, pooling=100.0))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from math import isfinite

from cis_ews.errors import ModelError

MOST_LEAVES = 64
"""The walk over trees and the tables of their contributions take no larger ones."""
MOST_PENALTY = 1e6


def _check(holds: bool, found: str) -> None:
    if not holds:
        raise ModelError(f"the recipe cannot be followed: {found}", hint="docs/model.md tells what a recipe may say")


def _between(value: object, low: float, high: float) -> bool:
    return type(value) in (int, float) and isfinite(value) and low <= value <= high  # pyright: ignore


class Kind(StrEnum):
    """Which parts a model has: trees, a logistic regression, or whichever of them and of their blends is best."""

    BLEND = "blend"
    TREES = "trees"
    LINEAR = "linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What kind of model is fitted.

    Of the logistic regression: `bends`, whether numbers act along broken lines; `ridge`, its penalty (scikit-learn's
    1/C); `pooling`, how strongly the coefficients of each grade band are pulled to their mean (`model_bands`), None for
    one coefficient for all grades. Of the trees: `leaves` (most of a tree), `rate` (of learning) and `rows_a_leaf`
    (fewest); None of the first two for what suits the number of rows. Raises ModelError for what is no recipe.
    """

    kind: Kind = Kind.BLEND
    bends: bool = True
    ridge: float = 10.0
    pooling: float | None = None
    leaves: int | None = None
    rate: float | None = None
    rows_a_leaf: int = 30

    def __post_init__(self) -> None:
        _check(self.kind in set(Kind), f"kind is none of {', '.join(Kind)}")
        _check(type(self.bends) is bool, "bends is neither true nor false")
        _check(_between(self.ridge, 1e-6, MOST_PENALTY), f"ridge is no number from 1e-06 to {MOST_PENALTY:,.0f}")
        _check(
            self.pooling is None or _between(self.pooling, 1e-6, MOST_PENALTY),
            f"pooling is no number from 1e-06 to {MOST_PENALTY:,.0f}",
        )
        _check(
            self.leaves is None or (type(self.leaves) is int and 2 <= self.leaves <= MOST_LEAVES),
            f"leaves is no whole number from 2 to {MOST_LEAVES}",
        )
        _check(self.rate is None or _between(self.rate, 0.001, 1.0), "rate is no number from 0.001 to 1")
        _check(
            type(self.rows_a_leaf) is int and 1 <= self.rows_a_leaf <= 1_000_000,
            "rows_a_leaf is no whole number from 1 to 1,000,000",
        )
        _check(self.kind != Kind.TREES or self.pooling is None, "pooling is asked of trees alone")

    @property
    def has_trees(self) -> bool:
        """Whether trees are fitted."""
        return self.kind != Kind.LINEAR

    @property
    def has_lines(self) -> bool:
        """Whether a logistic regression is fitted."""
        return self.kind != Kind.TREES

    def to_plain(self) -> dict[str, object]:
        """What differs from the default, as JSON values."""
        return {name: value for name, value in asdict(self).items() if value != getattr(DEFAULT, name)}

    @classmethod
    def from_plain(cls, said: Mapping[str, object]) -> Recipe:
        """The recipe again. Raises ModelError for names that none has, and values that none can have."""
        unknown = sorted(set(said) - {field.name for field in fields(cls)})
        _check(not unknown, f"it has no {', '.join(unknown)}")
        kind = said.get("kind", Kind.BLEND)
        _check(kind in set(Kind), f"kind is none of {', '.join(Kind)}")
        return cls(**{**said, "kind": Kind(str(kind))})  # pyright: ignore[reportArgumentType] - checked when it is made


DEFAULT = Recipe()
