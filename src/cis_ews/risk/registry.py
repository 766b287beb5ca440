"""The registry of models: what was trained, on what, how good it is, and which version is the champion. Over MLflow.

A registry is a folder (an SQLite file and the models beside it) or the address of an MLflow server. What is kept is the
model's own file, text and numbers: nothing in a registry is ever run as code. Nothing but this module knows MLflow.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from cis_ews.errors import ConfigError, ModelError, ModelNotFoundError, RegistryError
from cis_ews.risk.registry_errors import HINTS, cause, failures
from cis_ews.risk.rules import RulesModel
from cis_ews.storage.files import LEFTOVER, written_beside

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from cis_ews.risk.model import RiskModel

NAME = "cis-ews"
CHAMPION = "champion"
RULES = "rules"
SCHEME = "models:/"
FOLDER = "models"
"""The registry of a store, unless another one is named."""
MODEL_FILE = "model.json"
PROMOTIONS = "promotions.jsonl"
"""In the folder of a registry: a line for each promotion that was decided, and one for each that was done."""
_PLACE = "model"
_TWIN = "twin"
_TWIN_VERSION = "twin_version"
_EXPERIMENT = "cis-ews"
_DATABASE = "mlflow.db"
_LOCK = ".lock"
_ARTIFACTS = "artifacts"
_REFERENCE = re.compile(r"models:/(?P<name>[^/@\s]+)(?:@(?P<alias>[^/@\s]+)|/(?P<number>\d{1,9}))")
_SERVERS = ("http://", "https://", "sqlite://")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """What is kept with a model: what was set, what was measured, hashes, and texts by file name (the model card).

    `twin`: a model of the same kind that did not learn from the year on which both are judged.
    """

    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    measured: Mapping[str, float] = field(default_factory=dict[str, float])
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    twin: RiskModel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A version in the registry.

    `number`: counted by the registry. `model_version`: that of the model itself. `label`: what it learned. `tags`: all
    that is kept with the version by name.
    """

    name: str
    number: int
    model_version: str
    label: str = ""
    is_champion: bool = False
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def uri(self) -> str:
        """By what it can be asked for, for ever."""
        return f"{SCHEME}{self.name}/{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is kept of a promotion, before it is done: `tags` of the version, `texts` by file name that replace those of
    its training run, and `entry`, a line of the registry's list of promotions, under the `key` of its time."""

    key: str
    entry: Mapping[str, object]
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    texts: Mapping[str, str] = field(default_factory=dict[str, str])


Judge = Callable[[Registered, Registered | None], Decision | None]
"""Given the version that is to be promoted and the champion of now; raises to refuse. None: it is the champion already,
and nothing is written."""


def load_model(named: str, *, registry: str | Path) -> RulesModel | RiskModel:
    """The model that a night is asked to use: `rules`, `models:/NAME@ALIAS`, `models:/NAME/NUMBER`, or a model's file.

    Raises ModelNotFoundError where there is none, ModelError where it is no model of ours, RegistryError.
    """
    from cis_ews.risk.model import RiskModel

    if not named.strip():
        raise ConfigError(
            "No model is named", hint="give rules, models:/cis-ews@champion, or the path of a model's file"
        )
    if named == RULES:
        return RulesModel()
    if named.startswith(SCHEME):
        return Registry(registry).load(named)
    if not Path(named).exists():
        raise ModelNotFoundError(
            f"There is no model {named}", hint="give rules, models:/cis-ews@champion, or the path of a model's file"
        )
    return RiskModel.load(named)


class Registry:
    """A registry of models, in a folder or behind the address of an MLflow server. Making the object opens nothing."""

    def __init__(self, location: str | Path) -> None:
        self._location = str(location)

    @property
    def place(self) -> str:
        """Where it is, without a password."""
        if "://" not in self._location:
            return self._location
        parts = urlsplit(self._location)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def check_ready(self) -> None:
        """Raise RegistryError where a version could surely not be written: before minutes of training, not after.

        Nothing is made. A server is asked once; of a folder it is seen whether it, or what it would lie in, can be
        written.
        """
        with self._errors("write to"):
            if "://" in self._location:
                self._client.get_experiment_by_name(_EXPERIMENT)
                return
            there = next(place for place in (self._folder, *self._folder.parents) if place.exists())
            if not there.is_dir():
                raise NotADirectoryError("Not a directory")
            if not os.access(there, os.W_OK):
                raise PermissionError("Permission denied")

    def register(self, model: RiskModel, record: TrainingRecord, *, name: str = NAME) -> Registered:
        """Keep a model with its record as the next version of a name.

        The version is made last: it is there with everything, or not at all. A training run that failed on the way is
        left in MLflow, marked so.
        """
        with self._errors("write to"), self._alone(), tempfile.TemporaryDirectory() as folder:
            _write_model(model, Path(folder) / _PLACE)
            if record.twin is not None:
                _write_twin(record.twin, Path(folder) / _TWIN)
            run_id = self._client.create_run(self._experiment(), run_name=model.version).info.run_id
            try:
                self._log(run_id, record, folder)
                version = self._next_version(model, record, name=name, run_id=run_id)
            except BaseException:
                self._client.set_terminated(run_id, "FAILED")
                raise
            self._client.set_terminated(run_id)
            return version

    def promote(self, *, name: str = NAME, number: int | None = None, judge: Judge | None = None) -> Registered:
        """Make a version the champion: the one with the number, else the newest. Raises ModelNotFoundError.

        `judge` is asked while nobody else registers or promotes in the folder, and refuses by raising. What it decided
        is kept first, the version becomes the champion last: by one write, or not at all.
        """
        with self._errors("write to"):
            self._check_there(f"{SCHEME}{name}")
            with self._alone():
                found = self._newest(name) if number is None else self._version(f"{SCHEME}{name}/{number}")
                decision = None if judge is None else judge(_registered(found), self._champion(name))
                if decision is not None:
                    self._keep(found, decision)
                if judge is None or decision is not None:  # else, on a server, it could undo another promotion
                    self._client.set_registered_model_alias(name, CHAMPION, str(found.version))
                if decision is not None:
                    self._note({**decision.entry, "event": "promoted"})
                return _registered(found, is_champion=True)

    def champion(self, name: str = NAME) -> Registered | None:
        """The version that nights use by that name; None where there is none."""
        with self._errors("read"):
            return self._champion(name)

    def text(self, version: Registered, file: str) -> str | None:
        """A text that was kept with a version, by its file name; None where there is none."""
        with self._errors("read"), tempfile.TemporaryDirectory() as folder:
            run_id = str(self._version(version.uri).run_id)
            if "://" not in self._location:
                path = self._artifact(run_id, file)
                return path.read_text(encoding="utf-8") if path.is_file() else None
            if file not in {each.path for each in cast("Any", self._client).list_artifacts(run_id)}:
                return None
            return Path(self._client.download_artifacts(run_id, file, folder)).read_text(encoding="utf-8")

    def path_of(self, version: Registered, file: str) -> Path | None:
        """Where a text that was kept with a version lies; None behind the address of a server."""
        if "://" in self._location:
            return None
        with self._errors("read"):
            path = self._artifact(str(self._version(version.uri).run_id), file)
            return Path(self._location) / path.relative_to(self._folder)

    def versions(self, name: str = NAME) -> list[Registered]:
        """The versions of a name, oldest first."""
        with self._errors("read"):
            self._check_there(f"{SCHEME}{name}")
            champion = self._champion(name)
            number = None if champion is None else champion.number
            found = self._client.search_model_versions(f"name='{name}'")
            listed = [_registered(each, is_champion=int(each.version) == number) for each in found]
            return sorted(listed, key=lambda version: version.number)

    def load(self, uri: str, *, twin: bool = False) -> RiskModel:
        """The model behind `models:/NAME@ALIAS` or `models:/NAME/NUMBER`, checked to be the one that was registered; or
        its twin, that which did not learn from the held-back year (see `TrainingRecord`)."""
        from cis_ews.risk.model import RiskModel

        with self._errors("read"), tempfile.TemporaryDirectory() as folder:
            found = self._version(uri)
            model = RiskModel.load(self._model_file(str(found.run_id), _TWIN if twin else _PLACE, folder=folder))
        if model.version != found.tags.get(_TWIN_VERSION if twin else "model_version"):
            raise ModelError(
                f"The file behind {uri} is not the model that was registered under it",
                hint="restore the registry's files, or train and register again",
            )
        return model

    @cached_property
    def _client(self) -> MlflowClient:
        from mlflow import MlflowClient

        if "://" in self._location:
            if not self._location.startswith(_SERVERS):
                raise ConfigError(
                    f"The registry {self.place} is neither a folder nor an MLflow server",
                    hint="name a folder, or the http or https address of an MLflow server",
                )
            return MlflowClient(self._location)
        return MlflowClient(f"sqlite:///{self._folder / _DATABASE}")

    @property
    def _folder(self) -> Path:
        return Path(self._location).resolve()

    def _make_database(self) -> None:
        """Let MLflow make its tables beside, and put them in place whole: half of them cannot be used or mended."""
        from mlflow import MlflowClient

        if (self._folder / _DATABASE).exists():
            return
        with written_beside(self._folder / _DATABASE) as beside:
            cast("Any", MlflowClient(f"sqlite:///{beside}")).search_experiments(max_results=1)

    def _artifact(self, run_id: str, file: str) -> Path:
        return self._folder / _ARTIFACTS / run_id / "artifacts" / file

    def _keep(self, found: ModelVersion, decision: Decision) -> None:
        """A note of what was decided, whatever comes of it."""
        self._note({**decision.entry, "event": "decided"})
        for file, text in decision.texts.items():
            self._client.log_text(str(found.run_id), text, file)
        # Of the name MLflow keeps 5,000 characters: a letter is one of them, and not the six of its escape.
        entry = json.dumps(decision.entry, ensure_ascii=False)
        for name, value in {**decision.tags, decision.key: entry}.items():
            self._client.set_model_version_tag(found.name, str(found.version), name, value)
        cast("Any", self._client).set_registered_model_tag(found.name, decision.key, entry)

    def _note(self, entry: Mapping[str, object]) -> None:
        """A line more in the folder's list of promotions; behind the address of a server, tags alone tell them."""
        if "://" in self._location:
            return
        with (self._folder / PROMOTIONS).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(entry, ensure_ascii=False) + "\n")
            lines.flush()
            os.fsync(lines.fileno())

    def _model_file(self, run_id: str, place: str, *, folder: str) -> str | Path:
        """Of a folder, its own file, wherever the folder lies now: MLflow noted where it was made."""
        if "://" in self._location:
            # The whole folder: beside the model's file lie the tables for its contributions.
            return Path(self._client.download_artifacts(run_id, place, folder)) / MODEL_FILE
        path = self._artifact(run_id, f"{place}/{MODEL_FILE}")
        if not path.is_file():
            raise RegistryError(
                f"Cannot read the registry of models {self.place}: the file of a model in it is missing",
                hint="restore the folder in whole, or train and register again; --model rules scores without it",
            )
        return path

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Wait until nobody else registers in the folder: two who make MLflow's tables at once spoil each other's."""
        if "://" in self._location:
            yield
            return
        Path(self._location).mkdir(parents=True, exist_ok=True)
        with (Path(self._location) / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, however that ends
            for left in self._folder.glob(f"{LEFTOVER}*"):
                left.unlink()
            self._make_database()
            yield

    def _experiment(self) -> str:
        """The id of the experiment that training runs belong to.

        One for each place at which a folder was: a folder that was copied must not write into the one it came from.
        """
        beside = None if "://" in self._location else (self._folder / _ARTIFACTS).as_uri()
        known = self._client.get_experiment_by_name(_EXPERIMENT)
        name = _EXPERIMENT
        if known is not None and beside is not None and known.artifact_location != beside:
            name = f"{_EXPERIMENT} in {self._folder}"
            known = self._client.get_experiment_by_name(name)
        if known is not None:
            return str(known.experiment_id)
        return str(self._client.create_experiment(name, artifact_location=beside))

    def _log(self, run_id: str, record: TrainingRecord, folder: str) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in record.measured.items()],
            params=[Param(name, str(value)) for name, value in record.settings.items()],
            tags=[RunTag(name, value) for name, value in record.tags.items()],
        )
        for name, text in record.texts.items():
            self._client.log_text(run_id, text, name)
        self._client.log_artifacts(run_id, folder)

    def _next_version(self, model: RiskModel, record: TrainingRecord, *, name: str, run_id: str) -> Registered:
        is_new = self._make_name(name)
        twin = {} if record.twin is None else {_TWIN_VERSION: record.twin.version}
        tags = {**record.tags, **twin, "model_version": model.version}
        try:
            return _registered(self._client.create_model_version(name, f"runs:/{run_id}/{_PLACE}", run_id, tags))
        except BaseException:
            if is_new:
                self._client.delete_registered_model(name)
            raise

    def _make_name(self, name: str) -> bool:
        """Whether the name had to be made."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return False
        return True

    def _newest(self, name: str) -> ModelVersion:
        self._check_there(f"{SCHEME}{name}")
        found = self._client.search_model_versions(f"name='{name}'")
        if not found:
            raise self._no_model(f"{SCHEME}{name}")
        return max(found, key=lambda version: int(version.version))

    def _champion(self, name: str) -> Registered | None:
        try:
            return _registered(self._version(f"{SCHEME}{name}@{CHAMPION}"), is_champion=True)
        except ModelNotFoundError:
            return None

    def _version(self, uri: str) -> ModelVersion:
        from mlflow.exceptions import MlflowException

        asked = _REFERENCE.fullmatch(uri)
        if asked is None:
            raise ConfigError(
                f"{uri} names no model", hint="write models:/cis-ews@champion, or a version: models:/cis-ews/3"
            )
        self._check_there(uri)
        try:
            if asked["alias"]:
                return self._client.get_model_version_by_alias(asked["name"], asked["alias"])
            return self._client.get_model_version(asked["name"], asked["number"])
        except MlflowException as error:
            if "not found" in str(error).lower():  # its code for an alias that is not there says something else
                raise self._no_model(uri) from None
            raise

    def _check_there(self, uri: str) -> None:
        """Do not let MLflow make a new, empty registry where one was only asked for a model."""
        if "://" not in self._location and not (Path(self._location) / _DATABASE).is_file():
            raise self._no_model(uri)

    def _no_model(self, uri: str) -> ModelNotFoundError:
        return ModelNotFoundError(
            f"The registry {self.place} has no model {uri}",
            hint="train one (python -m training) and promote it (python -m training promote), or use --model rules",
        )

    @contextmanager
    def _errors(self, doing: str) -> Generator[None]:
        """Whatever MLflow, its database, its server or the disk raises becomes a RegistryError that names the place."""
        known = failures()
        try:
            yield
        except known as error:
            found = f"Cannot {doing} the registry of models {self.place}: {cause(error)}"
            raise RegistryError(found, hint=HINTS[doing]) from None


def _write_twin(model: RiskModel, folder: Path) -> None:
    """Without checking the tables for contributions, of which nobody is ever told."""
    folder.mkdir()
    model.hand_over(folder / MODEL_FILE)


def _write_model(model: RiskModel, folder: Path) -> None:
    """The model's own file, and MLflow's description of it: what goes in and what comes out, and no code."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types.schema import ColSpec, DataType, Schema

    folder.mkdir()
    model.save(folder / MODEL_FILE)
    inputs: list[Any] = [ColSpec(DataType.double, name, required=False) for name in model.features]
    outputs: list[Any] = [ColSpec(DataType.double, "risk")]
    signature = ModelSignature(Schema(inputs), Schema(outputs))
    described = cast("Any", Model(artifact_path=_PLACE, signature=signature))
    described.add_flavor("cis_ews", data=MODEL_FILE, model_version=model.version)
    described.save(str(folder / "MLmodel"))


def _registered(found: ModelVersion, *, is_champion: bool = False) -> Registered:
    return Registered(
        name=found.name,
        number=int(found.version),
        model_version=str(found.tags.get("model_version", "")),
        label=str(found.tags.get("label", "")),
        is_champion=is_champion,
        tags=dict(found.tags),
    )
