"""A past night once more: the same inputs, model and policy have to give the same bytes.

recipe and manifest -> what is gone or was changed -> the night in a store of its own -> the hashes of both
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cis_ews.errors import DataError, ModelNotFoundError, StorageError
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.scoring import score_night
from cis_ews.storage.erased import ERASED
from cis_ews.storage.files import disk_errors, sha256_of
from cis_ews.storage.manifest import package_versions
from cis_ews.storage.recipes import Recipe, copy_recipe, model_path, read_recipe
from cis_ews.storage.runs import Run, run_folder
from cis_ews.storage.store import RunStore
from cis_ews.wording import counted

if TYPE_CHECKING:
    from cis_ews.night.engine import Engine
    from cis_ews.progress import Progress
    from cis_ews.risk.model import RiskModel

_NAMED = 5  # inputs that a message names


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of a replay.

    `same`, `differing`: files of the run. `versions`: package -> (then, now), where another version was at work.
    `not_compared`: files that cannot be made again, with why.
    """

    same: tuple[str, ...]
    differing: tuple[str, ...]
    versions: Mapping[str, tuple[str, str]]
    not_compared: Mapping[str, str]


def replay(
    run: Run,
    store: RunStore,
    *,
    source: str | Path | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Replay:
    """Make a night again, in a folder that is removed afterwards, and compare every hashed file with that of its run.

    `source`: where the extract lies now; where it lay, if None. Neither the run nor the database is touched.

    Raises:
        DataError: inputs are gone or were changed, with their names.
        ModelNotFoundError: the model is gone.
        StorageError: the store does not say how the run was made; students were forgotten since; another version.
    """
    recipe = read_recipe(store, run.run_id)
    versions = _versions(run)
    _refuse_what_cannot_be(run)
    if source is None and recipe.state == "add":
        raise _made_by_a_delta(run)
    place = Path(source or recipe.source)
    _check_inputs(run, place, are_files=recipe.state is None)
    model = _model(store, recipe)
    with tempfile.TemporaryDirectory(prefix="cis_ews-replay-") as folder:
        made_in = RunStore(Path(folder) / "store")
        _with_lists_of(store, made_in)
        not_compared = _with_earlier_of(run, store, made_in)
        night = score_night(
            place,
            model=model,
            policy=TierPolicy.model_validate_json(recipe.policy),
            store=made_in,
            as_of=run.as_of,
            format=_format(recipe, Path(folder)),
            tolerance=recipe.tolerance,
            progress=progress,
            engine=engine,
            # Whichever way a state came to be, the same records make the same night (docs/kept_state.md).
            state="keep" if recipe.state else None,
        )
        _check_same_night(run, night.run)
        files: Mapping[str, Mapping[str, object]] = run.manifest["files"]
        made: Mapping[str, Mapping[str, object]] = night.run.manifest["files"]
    compared = [name for name in files if name not in not_compared]
    differing = tuple(name for name in compared if made.get(name) != files[name])
    if differing and store.erased().hash != recipe.left_out:
        raise _forgotten(run)
    same = tuple(name for name in compared if name not in differing)
    return Replay(same=same, differing=differing, versions=versions, not_compared=not_compared)


def _versions(run: Run) -> dict[str, tuple[str, str]]:
    now = package_versions()
    return {name: (then, now[name]) for name, then in run.manifest["versions"].items() if now.get(name) != then}


def _refuse_what_cannot_be(run: Run) -> None:
    """Where the night cannot come out the same, say so before anything is read."""
    if "cis_ews" in _versions(run):
        then, now = _versions(run)["cis_ews"]
        raise StorageError(f"the run is of cis_ews {then}, and this is {now}", hint=f"replay it with cis_ews {then}")
    if run.manifest["rewritten"]:
        raise _forgotten(run)


def _forgotten(run: Run) -> StorageError:
    return StorageError(
        f"students were forgotten since the run {run.run_id} was made: it cannot be made with them again",
        hint="nothing is wrong; runs made after that can be replayed",
    )


def _made_by_a_delta(run: Run) -> DataError:
    found = f"the run {run.run_id} was made from a kept state, which is another one by now"
    return DataError(found, hint="name the whole extract of that night with --source")


def _check_inputs(run: Run, place: Path, *, are_files: bool) -> None:
    """Raise DataError with the inputs that are gone or were changed; of an archive that is seen when it is read."""
    if not place.exists():
        found = f"the extract of the run is gone: it lay at {place}"
        raise DataError(found, hint="name where it lies now with --source")
    if place.is_dir() and are_files:
        inputs = [file for file in run.manifest["inputs"] if _is_of_extract(file)]
        _refuse_inputs([file["name"] for file in inputs if not _is_as_then(place, file)])


def _is_of_extract(file: Mapping[str, str]) -> bool:
    """Whether an input came from the extract, and not from the store's corrections."""
    return not file["name"].startswith("corrections/")


def _is_as_then(place: Path, file: Mapping[str, str]) -> bool:
    path = place / file["name"]
    with disk_errors(path, "read"):
        return path.is_file() and sha256_of(path) == file["sha256"]


def _check_same_night(run: Run, made: Run) -> None:
    """Raise DataError where other inputs went in after all: corrections, or the content of an archive."""
    then = {(file["name"], file["sha256"]) for file in run.manifest["inputs"]}
    now = {(file["name"], file["sha256"]) for file in made.manifest["inputs"]}
    _refuse_inputs(sorted({name for name, _ in then ^ now}))
    if made.run_id != run.run_id:
        found = "the night came out as another one: its configuration or model is not what the manifest says"
        raise StorageError(found, hint="compare the run with a copy of the store: cis-ews runs verify")


def _refuse_inputs(names: list[str]) -> None:
    if names:
        some = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        raise DataError(
            f"{counted(len(names), 'input')} of the run gone or changed: {some}",
            hint="bring the extract of that night back and name it with --source",
            inputs=names,
        )


def _model(store: RunStore, recipe: Recipe) -> RulesModel | RiskModel:
    from cis_ews.risk.model import RiskModel

    if recipe.model_version is None:
        return RulesModel(rules=recipe.rules)
    path = model_path(store, recipe.model_version)
    if not path.exists():
        found = f"the model {recipe.model_version} of the run is gone from the store"
        raise ModelNotFoundError(found, hint=f"bring it back to {path}")
    return RiskModel.load(path)


def _format(recipe: Recipe, folder: Path) -> str:
    """The format as the night was given it; a mapping as a file."""
    if recipe.mapping is None:
        return recipe.format
    mapping = folder / recipe.format
    mapping.write_text(recipe.mapping, encoding="utf-8")
    return str(mapping)


def _with_lists_of(store: RunStore, made_in: RunStore) -> None:
    """Corrections and forgotten students are inputs of a night too."""
    with disk_errors(store.root, "copy the corrections of"):
        made_in.root.mkdir(mode=0o700)
        if (store.root / ERASED).exists():
            shutil.copy2(store.root / ERASED, made_in.root / ERASED)
        if store.corrections.exists():
            shutil.copytree(store.corrections, made_in.corrections)


def _with_earlier_of(run: Run, store: RunStore, made_in: RunStore) -> dict[str, str]:
    """Put the earlier run that a night was compared with beside it; where it is gone, what cannot be made again."""
    then: Mapping[str, str] = run.manifest.get("compared_with", {})
    if "run_id" not in then:
        return {}
    earlier = store.find(then["run_id"])
    if earlier is None:
        return {"changes.parquet": f"the run {then['run_id']} that the night was compared with is gone"}
    if earlier.manifest_sha256 != then["manifest_sha256"]:
        return {"changes.parquet": f"the run {then['run_id']} that the night was compared with was rewritten since"}
    place = run_folder(made_in.root, earlier.as_of, earlier.run_id)
    with disk_errors(place, "link an earlier run to"):
        place.parent.mkdir(parents=True)
        place.symlink_to(earlier.path.resolve(), target_is_directory=True)
    copy_recipe(store, made_in, earlier.run_id)
    return {}
