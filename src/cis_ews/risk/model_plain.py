"""A model's parts as plain JSON values and back; numbers come back as exactly the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from cis_ews.errors import ModelError
from cis_ews.risk.calibration import Calibrator
from cis_ews.risk.intervals import Band
from cis_ews.risk.model_bands import GradeBands
from cis_ews.risk.model_bends import NO_BENDS, Bends
from cis_ews.risk.model_checks import RESERVED
from cis_ews.risk.model_encoding import LARGEST, Encoding, Feature
from cis_ews.risk.model_file import sealed
from cis_ews.risk.model_linear import LinearPart, Vector
from cis_ews.risk.model_parts import ModelParts
from cis_ews.risk.model_recipe import DEFAULT, Recipe
from cis_ews.risk.model_trees import TreePart

_NUMBERS = {field.name for field in fields(LinearPart)} - {"base_value", "bends", "bands"}
_OF_BANDS = {field.name for field in fields(GradeBands)} - {"column"}


def to_plain(parts: ModelParts, about: Mapping[str, object]) -> dict[str, object]:
    """Everything that a model's answers hang on, and what was kept with it, as JSON values."""
    return {
        "features": [asdict(feature) for feature in parts.encoding.features],
        "trees": _tree_values(parts.trees) if parts.trees else None,
        "linear": _linear_values(parts.linear) if parts.linear else None,
        "trees_share": parts.trees_share,
        "calibrator": asdict(parts.calibrator),
        **({} if parts.band is None else {"band": asdict(parts.band)}),
        **({} if parts.recipe == DEFAULT else {"recipe": parts.recipe.to_plain()}),
        "summary": dict(parts.summary),
        "about": dict(about),
    }


def from_plain(said: Mapping[str, Any], *, place: str) -> tuple[ModelParts, Mapping[str, object]]:
    """The parts again, and what was kept with them.

    Raises ModelError where values are missing or do not fit each other.
    """
    try:
        parts = ModelParts(
            Encoding(tuple(_feature(each) for each in said["features"])),
            trees=_tree_part(said["trees"]) if said["trees"] is not None else None,
            linear=LinearPart(**_linear_arrays(said["linear"])) if said["linear"] is not None else None,
            trees_share=float(said["trees_share"]),
            calibrator=_calibrator(said["calibrator"]),
            band=_band(said["band"]) if "band" in said else None,
            recipe=_recipe(said["recipe"]) if "recipe" in said else DEFAULT,
            summary=dict(said["summary"]),
        )
        about: Mapping[str, object] = dict(said["about"])
        # What does not come back as it was said was read as something else than what it is.
        fits = _fits(parts) and sealed(to_plain(parts, about)) == sealed(_content(said))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _no_model(place) from None
    if not fits:
        raise _no_model(place)
    return parts, about


def _no_model(place: str) -> ModelError:
    return ModelError(f"{place} is sealed, but its parts do not make a model", hint="fit the model anew")


def _content(said: Mapping[str, Any]) -> dict[str, object]:
    return {key: value for key, value in said.items() if key != "seal"}


def _fits(parts: ModelParts) -> bool:
    width, names = parts.encoding.owners.size, parts.encoding.names
    trees = parts.trees is None or (parts.trees.typical.shape == (width,) and bool(parts.trees.arrays))
    linear = parts.linear is None or _is_linear(parts.linear, width)
    is_named = len(set(names)) == len(names) and not set(names).intersection(RESERVED)
    return (
        trees
        and linear
        and is_named
        and bool(parts.trees or parts.linear)
        and 0.0 <= parts.trees_share <= 1.0
        and all(map(_is_whole, parts.encoding.features))
        and all((np.abs(array) <= LARGEST).all() for array in _added(parts))
    )


def _is_linear(linear: LinearPart, width: int) -> bool:
    """Whether there is a number for each column, and the bends are in the order of columns that there are."""
    bends = linear.bends
    return (
        all(array.shape == (width,) for array in _arrays(linear).values())
        and len({array.shape for array in vars(bends).values()}) == 1
        and bool((np.diff(bends.column, prepend=0, append=width - 1) >= 0).all())
        and (linear.bands is None or _are_bands(linear.bands, width, bends.at.size))
    )


def _are_bands(bands: GradeBands, width: int, pieces: int) -> bool:
    """Whether there is a row for each band, with a number for each column and each piece of a line."""
    count = bands.starts.size + 1
    wanted = {"coefficient": (count, width), "missing_coefficient": (count, width), "slope": (count, pieces)}
    return (
        0 <= bands.column < width
        and bands.share.shape == bands.step.shape == (count,)
        and all(getattr(bands, name).shape == shape for name, shape in wanted.items())
        and bool((np.diff(bands.starts) > 0.0).all())
    )


def _is_whole(feature: Feature) -> bool:
    """Whether a category has columns of different texts, and a number has none."""
    if not feature.is_category:
        return not (feature.baseline or feature.columns)
    values = [*feature.baseline, *(value for column in feature.columns for value in column)]
    is_text = all(isinstance(value, str) for value in values)  # pyright: ignore[reportUnnecessaryIsInstance] - JSON
    return is_text and all(feature.columns) and bool(feature.columns) and len(set(values)) == len(values)


def _added(parts: ModelParts) -> list[Vector]:
    """The numbers that make a margin and a risk: beyond LARGEST they could overflow on their way."""
    calibrator, linear = parts.calibrator, parts.linear
    numbers = [calibrator.intercept, *calibrator.slopes, *calibrator.knots, linear.base_value if linear else 0.0]
    arrays = [_arrays(linear), vars(linear.bends), _arrays(linear.bands)] if linear else []
    return [np.array(numbers), *(array for held in arrays for array in held.values())]


def _arrays(held: LinearPart | GradeBands | None) -> dict[str, Vector]:
    return {} if held is None else {name: value for name, value in vars(held).items() if isinstance(value, np.ndarray)}


def _linear_values(linear: LinearPart) -> dict[str, object]:
    bends = {name: array.tolist() for name, array in vars(linear.bends).items()}
    arrays = {name: array.tolist() for name, array in _arrays(linear).items()}
    return {
        "base_value": linear.base_value,
        **arrays,
        **({"bends": bends} if bends["at"] else {}),
        **({"bands": _bands_values(linear.bands)} if linear.bands else {}),
    }


def _bands_values(bands: GradeBands) -> dict[str, object]:
    return {"column": bands.column, **{name: array.tolist() for name, array in _arrays(bands).items()}}


def _linear_arrays(said: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: np.array(value, dtype=np.float64) for name, value in said.items() if name in _NUMBERS}
    bends = _bends(said["bends"]) if "bends" in said else NO_BENDS
    bands = _grade_bands(said["bands"], pieces=bends.at.size) if "bands" in said else None
    return {"base_value": float(said["base_value"]), "bends": bends, "bands": bands, **numbers}


def _grade_bands(said: Mapping[str, Any], *, pieces: int) -> GradeBands:
    arrays = {name: np.array(said[name], dtype=np.float64) for name in _OF_BANDS}
    # An empty array does not say whether it has bands without pieces, or none at all.
    slope = arrays["slope"].reshape(len(arrays["coefficient"]), pieces)
    return GradeBands(int(said["column"]), **{**arrays, "slope": slope})


def _recipe(said: Mapping[str, object]) -> Recipe:
    try:
        return Recipe.from_plain(said)
    except ModelError as error:
        raise ValueError(error.message) from None


def _bends(said: Mapping[str, Any]) -> Bends:
    numbers = {name: np.array(said[name], dtype=np.float64) for name in ("at", "rise", "slope")}
    return Bends(np.array(said["column"], dtype=np.int64), **numbers)


def _tree_values(trees: TreePart) -> dict[str, object]:
    # JSON has no NaN: a column that had missing values in training has no typical value.
    return {
        "text": trees.text.splitlines(),
        "typical": [None if np.isnan(value) else value for value in trees.typical.tolist()],
    }


def _tree_part(said: Mapping[str, Any]) -> TreePart:
    return TreePart("\n".join([*said["text"], ""]), np.array(said["typical"], dtype=np.float64))


def _feature(said: Mapping[str, Any]) -> Feature:
    return Feature(
        str(said["name"]),
        is_category=bool(said["is_category"]),
        baseline=tuple(said["baseline"]),
        columns=tuple(tuple(values) for values in said["columns"]),
    )


def _band(said: Mapping[str, Any]) -> Band:
    return Band(*(tuple(map(float, said[name])) for name in ("margins", "low", "high")))


def _calibrator(said: Mapping[str, Any]) -> Calibrator:
    return Calibrator(
        str(said["kind"]), float(said["intercept"]), tuple(map(float, said["slopes"])), tuple(map(float, said["knots"]))
    )
