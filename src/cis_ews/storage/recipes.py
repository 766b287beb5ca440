"""What a night was made with, beside its run: enough to make it again, and no student's record.

    <store>/recipes/<run_id>.json     where the extract lay, its format, the policy, the rules
    <store>/recipes/models/<version>/ a trained model, once for all runs that used it

Recipes name paths of a machine, so they stand outside of the run and its hashes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cis_ews.errors import StorageError
from cis_ews.storage.files import disk_errors, json_bytes, leftover_beside, make_private_folder, remove, replace_durably
from cis_ews.storage.store import RunStore

_FOLDER = "recipes"
_MODEL = "model.json"
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a run was made.

    `source`: the extract's path. `format`: a reader's name, or of a mapping its file's name; `mapping`: that file's
    text. `state`: whether the extract was kept ("keep"), or added to what was kept ("add"). `policy`: the tier policy
    as JSON. `rules`: names of the flag rules. `model_version`: of the trained model, if one decided. `left_out`: a hash
    of the list of forgotten students. `corrections`: the corrected tables of that night with their SHA-256.
    """

    source: str
    format: str
    mapping: str | None
    state: str | None
    tolerance: float | None
    policy: str
    rules: tuple[str, ...]
    model_version: str | None
    left_out: str
    corrections: Mapping[str, str] = field(default_factory=dict[str, str])


def keep_recipe(store: RunStore, run_id: str, recipe: Recipe) -> None:
    """Put the recipe of a run into its store; call it under the store's lock.

    A night that is done again finds its run made: what counted then still counts, wherever the extract lies now.
    """
    place = _recipe_path(store, run_id)
    if place.exists():
        before = read_recipe(store, run_id)
        recipe = replace(recipe, left_out=before.left_out, corrections=before.corrections)
    with disk_errors(place, "write"):
        make_private_folder(place.parent)
        replace_durably(place, json_bytes(asdict(recipe)), mode=_PRIVATE)


def read_recipe(store: RunStore, run_id: str) -> Recipe:
    """The recipe of a run. Raises StorageError where there is none, or where it is damaged."""
    place = _recipe_path(store, run_id)
    if not place.exists():
        found = f"the store does not say how the run {run_id} was made"
        raise StorageError(found, hint="runs of earlier versions cannot be replayed: score the night again")
    try:
        with disk_errors(place, "read"):
            return _recipe(place)
    except (ValueError, TypeError, KeyError):
        raise StorageError(f"{place} is damaged", hint="restore it from a copy of the store") from None


def _recipe(place: Path) -> Recipe:
    stated: dict[str, Any] = json.loads(place.read_bytes())
    rules: list[str] = stated.pop("rules")
    return Recipe(**stated, rules=tuple(rules))


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRecipes:
    """The recipes of the runs that are there, and the ids of the runs whose recipe is damaged."""

    recipes: tuple[Recipe, ...]
    damaged: tuple[str, ...]


def recipes_of_runs(store: RunStore) -> KnownRecipes:
    """What is known of how the runs of a store were made."""
    recipes, damaged = list[Recipe](), list[str]()
    for run in store.folders():
        if _recipe_path(store, run.name).exists():
            try:
                recipes.append(read_recipe(store, run.name))
            except StorageError:
                damaged.append(run.name)
    return KnownRecipes(recipes=tuple(recipes), damaged=tuple(damaged))


def copy_recipe(store: RunStore, target: RunStore, run_id: str) -> None:
    """Put the recipe of a run, and its model, into another store too; what is not there is left out."""
    source = _recipe_path(store, run_id)
    if not source.exists():
        return
    recipe = read_recipe(store, run_id)
    with disk_errors(target.root, "copy how a run was made to"):
        make_private_folder(_recipe_path(target, run_id).parent)
        shutil.copy2(source, _recipe_path(target, run_id))
        model = recipe.model_version and model_path(store, recipe.model_version).parent
        if model and model.exists():
            shutil.copytree(model, model_path(target, model.name).parent)


def keep_model(store: RunStore, version: str, write: Callable[[Path], None]) -> None:
    """Keep a trained model, unless it is there; `write` writes its files. Call it under the store's lock."""
    folder = model_path(store, version).parent
    with disk_errors(folder, "write"):
        if folder.exists():
            return
        make_private_folder(folder.parent)
        beside = leftover_beside(folder)
        beside.mkdir()
        write(beside / _MODEL)
        beside.rename(folder)


def model_path(store: RunStore, version: str) -> Path:
    """Where a model lies that a run was made with."""
    return _models(store) / version / _MODEL


def clear_recipes(store: RunStore) -> tuple[str, ...]:
    """Remove recipes of runs that are gone, and models that no run was made with; call it under the store's lock.

    The ids of the runs whose recipe is damaged: it may name any model, so while it is there no model goes.
    """
    runs = {folder.name for folder in store.folders()}
    with disk_errors(store.root / _FOLDER, "clear"):
        for place in (store.root / _FOLDER).glob("*.json"):
            if place.stem not in runs:
                remove(place)
        known = recipes_of_runs(store)
        used = {recipe.model_version for recipe in known.recipes}
        for folder in _models(store).glob("*"):
            if folder.name not in used and not known.damaged:
                remove(folder)
    return known.damaged


def _models(store: RunStore) -> Path:
    return store.root / _FOLDER / "models"


def _recipe_path(store: RunStore, run_id: str) -> Path:
    return store.root / _FOLDER / f"{run_id}.json"
