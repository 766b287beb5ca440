"""A past night once more: the same inputs, model and policy have to give the same bytes.

recipe and manifest -> what is gone or was changed -> the night in a store of its own -> the hashes of both
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cis_ews.errors import DataError, EwsError, ModelNotFoundError, StorageError
from cis_ews.night.earlier import COMPACTED_THEN
from cis_ews.readers import files_of_source
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import Entry, open_entry
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.scoring import score_night
from cis_ews.storage.compacted import COMPACTABLE, mark_compacted
from cis_ews.storage.compaction import restore_run
from cis_ews.storage.corrected import copy_corrected
from cis_ews.storage.erased import ERASED
from cis_ews.storage.files import disk_errors, sha256_of
from cis_ews.storage.manifest import MANIFEST, TIMINGS, package_versions
from cis_ews.storage.passing import passing_folder
from cis_ews.storage.recipes import Recipe, copy_recipe, model_path, read_recipe
from cis_ews.storage.runs import Run, run_folder
from cis_ews.storage.store import RunStore
from cis_ews.wording import counted, some

if TYPE_CHECKING:
    from cis_ews.night.engine import Engine
    from cis_ews.progress import Progress
    from cis_ews.risk.model import RiskModel

CHANGES = "changes.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of a replay.

    `same`, `differing`: files of the run. `versions`: package -> (then, now), where another version was at work.
    `not_compared`: files that cannot be made again, with why. `restored`: files of a compacted run that are back.
    """

    same: tuple[str, ...]
    differing: tuple[str, ...]
    versions: Mapping[str, tuple[str, str]]
    not_compared: Mapping[str, str]
    restored: tuple[str, ...] = ()


def replay(
    run: Run,
    store: RunStore,
    *,
    source: str | Path | None = None,
    restore: bool = False,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Replay:
    """Make a night again, in a folder that is removed afterwards, and compare every hashed file with that of its run.

    `source`: where the extract lies now; where it lay, if None. `restore`: bring the files of a compacted run back, if
    all of them come out the same. Else neither the run nor the database is touched.

    Raises:
        DataError: inputs are gone or were changed, with their names.
        ModelNotFoundError: the model is gone.
        StorageError: the store does not say how the run was made; students were forgotten since; another version.
    """
    not_compared = dict[str, str]()

    def put_earlier(made_in: RunStore) -> None:
        not_compared.update(_with_earlier_of(run, store, made_in, engine=engine, progress=progress))

    with made_again(run, store, source=source, engine=engine, progress=progress, prepare=put_earlier) as made:
        compared = [name for name in run.manifest["files"] if name not in not_compared]
        differing = tuple(name for name in compared if not _is_same(name, made, run))
        if differing and were_forgotten_since(run, store):
            raise _forgotten(run)
        restored = restore_run(store, run, made.path) if restore and not run.away.intersection(differing) else ()
    same = tuple(name for name in compared if name not in differing)
    return Replay(
        same=same, differing=differing, versions=changed_versions(run), not_compared=not_compared, restored=restored
    )


@contextmanager
def made_again(
    run: Run,
    store: RunStore,
    *,
    source: str | Path | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
    prepare: Callable[[RunStore], None] | None = None,
    hash_of: Callable[[Path], str] = sha256_of,
) -> Generator[Run]:
    """A past night made again, while it is looked at. Raises as `replay` does.

    `prepare`: puts what the night looks for into the store that it is made in. `hash_of`: SHA-256 of an input, for who
    has hashed it already.
    """
    recipe = read_recipe(store, run.run_id)
    _refuse_what_cannot_be(run)
    if source is None and recipe.state == "add":
        raise _made_by_a_delta(run)
    place = Path(source or recipe.source)
    _check_inputs(run, place, recipe, hash_of=hash_of)
    model = _model(store, recipe)
    with passing_folder() as folder:
        made_in = RunStore(folder / "store")
        _with_lists_of(store, made_in, recipe)
        if prepare is not None:
            prepare(made_in)
        night = score_night(
            place,
            model=model,
            policy=TierPolicy.model_validate_json(recipe.policy),
            store=made_in,
            as_of=run.as_of,
            format=_format(recipe, folder),
            tolerance=recipe.tolerance,
            progress=progress,
            engine=engine,
            # Whichever way a state came to be, the same records make the same night (docs/kept_state.md).
            state="keep" if recipe.state else None,
        )
        _check_same_night(run, night.run)
        yield night.run


def _is_same(name: str, made: Run, run: Run) -> bool:
    return made.manifest["files"].get(name) == run.manifest["files"][name]


def changed_versions(run: Run) -> dict[str, tuple[str, str]]:
    """Packages that have another version than when a run was made: (then, now)."""
    now = package_versions()
    return {name: (then, now[name]) for name, then in run.manifest["versions"].items() if now.get(name) != then}


def were_forgotten_since(run: Run, store: RunStore) -> bool:
    """Whether the store's list of forgotten students is another one than when a run was made."""
    return store.erased().hash != read_recipe(store, run.run_id).left_out


def _refuse_what_cannot_be(run: Run) -> None:
    """Where the night cannot come out the same, say so before anything is read."""
    if "cis_ews" in changed_versions(run):
        then, now = changed_versions(run)["cis_ews"]
        raise StorageError(f"the run is of cis_ews {then}, and this is {now}", hint=f"replay it with cis_ews {then}")
    if run.lost:
        raise StorageError(
            f"what compaction took away of the run {run.run_id} cannot come back: one of its students was forgotten "
            "since, and it cannot be made again with that student",
            hint="move its folder away and score the night again: the student is left out",
        )
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


def _check_inputs(run: Run, place: Path, recipe: Recipe, *, hash_of: Callable[[Path], str]) -> None:
    """Raise DataError with the inputs that are gone or were changed, in a folder or inside of archives."""
    if not place.exists():
        found = f"the extract of the run is gone: it lay at {place}"
        raise DataError(found, hint="name where it lies now with --source")
    if recipe.state is None:
        inputs = [file for file in run.manifest["inputs"] if _is_of_extract(file)]
        lying = files_of_source(place, recipe.format, ReadLimits())
        _refuse_inputs([file["name"] for file in inputs if not _is_as_then(lying.get(file["name"]), file, hash_of)])


def _is_of_extract(file: Mapping[str, str]) -> bool:
    """Whether an input came from the extract, and not from the store's corrections."""
    return not file["name"].startswith("corrections/")


def _is_as_then(entry: Entry | None, file: Mapping[str, str], hash_of: Callable[[Path], str]) -> bool:
    if entry is None:
        return False
    if entry.packed:
        with open_entry(entry, ReadLimits()) as opened:
            return opened.sha256() == file["sha256"]
    with disk_errors(entry.path, "read"):
        return hash_of(entry.path) == file["sha256"]


def _check_same_night(run: Run, made: Run) -> None:
    """Raise DataError where other inputs went in after all."""
    then = {(file["name"], file["sha256"]) for file in run.manifest["inputs"]}
    now = {(file["name"], file["sha256"]) for file in made.manifest["inputs"]}
    _refuse_inputs(sorted({name for name, _ in then ^ now}))
    if made.run_id != run.run_id:
        found = "the night came out as another one: its configuration or model is not what the manifest says"
        raise StorageError(found, hint="compare the run with a copy of the store: cis-ews runs verify")


def _refuse_inputs(names: list[str]) -> None:
    if names:
        raise DataError(
            f"{counted(len(names), 'input')} of the run gone or changed: {some(names)}",
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


def _with_lists_of(store: RunStore, made_in: RunStore, recipe: Recipe) -> None:
    """Corrections and forgotten students are inputs of a night too: the first as of then, the others as of now."""
    with disk_errors(store.root, "copy the list of forgotten students of"):
        made_in.root.mkdir(mode=0o700)
        if (store.root / ERASED).exists():
            shutil.copy2(store.root / ERASED, made_in.root / ERASED)
    if gone := copy_corrected(store, made_in, recipe.corrections):
        found = f"{counted(len(gone), 'corrected table')} of the run gone or changed: {some(gone)}"
        raise DataError(found, hint="bring corrections/ back from a copy of the store", inputs=gone)


def _with_earlier_of(
    run: Run, store: RunStore, made_in: RunStore, *, engine: Engine | None, progress: Progress | None
) -> dict[str, str]:
    """Put the earlier run that a night was compared with beside it; where it is gone, what cannot be made again."""
    then: Mapping[str, str] = run.manifest.get("compared_with", {})
    if "run_id" not in then:
        return {}
    earlier = store.find(then["run_id"])
    named = f"the run {then['run_id']} that the night was compared with"
    if earlier is None:
        return {CHANGES: f"{named} is gone"}
    if earlier.manifest_sha256 != then["manifest_sha256"]:
        return {CHANGES: f"{named} was rewritten since"}
    place = run_folder(made_in.root, earlier.as_of, earlier.run_id)
    try:
        if then.get("causes_untold") == COMPACTED_THEN:
            _put_compacted(earlier, place)
        elif earlier.away:
            with made_again(earlier, store, engine=engine, progress=progress) as made:
                _put_whole(earlier, made, place)
        else:
            _put_linked(earlier.files, earlier.path, place)
    except EwsError as error:
        return {CHANGES: f"{named} is compacted, and cannot be made again: {error.message}"}
    copy_recipe(store, made_in, earlier.run_id)
    return {}


def _put_whole(compacted: Run, made: Run, place: Path) -> None:
    """Put a compacted run into a folder as it was, with what is away from the night that was made again."""
    if any(not _is_same(name, made, compacted) for name in compacted.away):
        raise _otherwise(compacted)
    _put_linked(compacted.files, compacted.path, place)
    for name in compacted.away:
        shutil.copyfile(made.path / name, place / name)


def _put_compacted(earlier: Run, place: Path) -> None:
    """Put a run into a folder as it is compacted, as it was when the night was compared with it."""
    names = earlier.manifest["files"]
    _put_linked([name for name in names if name not in COMPACTABLE], earlier.path, place)
    mark_compacted(place, frozenset(names).intersection(COMPACTABLE))


def _put_linked(files: Sequence[str], folder: Path, place: Path) -> None:
    with disk_errors(place, "link an earlier run to"):
        place.mkdir(parents=True)
        for name in (*files, MANIFEST, TIMINGS):
            (place / name).symlink_to((folder / name).resolve())


def _otherwise(run: Run) -> StorageError:
    found = f"files of the run {run.run_id} come out otherwise"
    return StorageError(found, hint="replay that run: it says which, and what is not as it was then")
