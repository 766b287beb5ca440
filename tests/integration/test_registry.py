"""The registry over a real MLflow store: what goes in comes out, and whatever is wrong with it is said plainly."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cis_ews.errors import ConfigError, ModelError, ModelNotFoundError, RegistryError
from cis_ews.risk import exact_shap
from cis_ews.risk.model import RiskModel
from cis_ews.risk.registry import MODEL_FILE, Registry, TrainingRecord, load_model
from cis_ews.risk.registry_errors import failures
from cis_ews.risk.rules import RulesModel
from tests.lib.model_frames import learnable
from tests.lib.models import catalog_model, training_rows

RECORD = TrainingRecord(
    settings={"label": "off_track", "seed": 1},
    measured={"the_model.auroc": 0.8},
    tags={"data_sha256": "d" * 64, "features_sha256": "f" * 64, "config_sha256": "c" * 64},
    texts={"model_card.md": "# Model card\n"},
)
CHAMPION = "models:/cis-ews@champion"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry that has its tables and no model: MLflow takes a second to make them."""
    folder = tmp_path_factory.mktemp("empty") / "models"
    with Registry(folder)._alone():  # pyright: ignore[reportPrivateUsage]
        return folder


@pytest.fixture
def registry(tmp_path: Path, empty: Path) -> Registry:
    return Registry(shutil.copytree(empty, tmp_path / "models"))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry with one version and no champion, that no test changes."""
    registry = Registry(tmp_path_factory.mktemp("filled") / "models")
    registry.register(catalog_model(), RECORD)
    return registry


def test_what_was_registered_comes_back_and_predicts_the_same(registry: Registry, tmp_path: Path) -> None:
    model, (frame, _) = catalog_model(), training_rows()
    registered = registry.register(model, RECORD)
    assert (registered.number, registered.model_version) == (1, model.version)
    loaded = registry.load(registered.uri)
    assert loaded.version == model.version
    assert (loaded.predict(frame) == model.predict(frame)).all()
    stored = list((tmp_path / "models").rglob(MODEL_FILE))
    assert len(stored) == 1
    assert not list((tmp_path / "models").rglob("*.pkl")) + list((tmp_path / "models").rglob("*.py"))


def test_the_tables_for_contributions_are_kept_and_come_with_the_model(registry: Registry, tmp_path: Path) -> None:
    frame, label = learnable()
    model = RiskModel.fit(frame, label, seed=7)
    uri = registry.register(model, RECORD).uri
    assert len(list((tmp_path / "models").rglob(f"{MODEL_FILE}.shap"))) == 1
    # By its folder, and by an address as of a server, from which the files are fetched.
    for place in (tmp_path / "models", f"sqlite:///{tmp_path}/models/mlflow.db"):
        exact_shap._cache.clear()  # pyright: ignore[reportPrivateUsage]
        loaded = Registry(place).load(uri)
        assert len(exact_shap._cache) == 1  # pyright: ignore[reportPrivateUsage]
        assert loaded.contributions(frame).equals(model.contributions(frame))


def test_what_is_kept_beside_a_model_can_be_read_with_mlflow(registry: Registry, tmp_path: Path) -> None:
    registered = registry.register(catalog_model(), RECORD)
    from mlflow import MlflowClient
    from mlflow.models import Model

    client = MlflowClient(f"sqlite:///{tmp_path / 'models' / 'mlflow.db'}")
    version = client.get_model_version("cis-ews", str(registered.number))
    run = client.get_run(str(version.run_id))
    assert run.info.status == "FINISHED"
    assert run.data.params["label"] == "off_track"
    assert run.data.metrics["the_model.auroc"] == 0.8
    assert {name: version.tags[name] for name in RECORD.tags} == RECORD.tags
    folder = client.download_artifacts(str(version.run_id), "", str(tmp_path))
    assert (Path(folder) / "model_card.md").read_text(encoding="utf-8") == "# Model card\n"
    signature = Model.load(str(Path(folder) / "model")).signature
    assert signature is not None
    assert [column.name for column in signature.inputs.inputs] == list(catalog_model().features)


def test_the_champion_is_who_was_promoted_last(registry: Registry) -> None:
    first, second = catalog_model(seed=1), catalog_model(seed=2)
    registry.register(first, RECORD)
    registry.register(second, RECORD)
    assert registry.promote().number == 2
    assert registry.load(CHAMPION).version == second.version
    assert registry.promote(number=1).number == 1
    assert registry.load(CHAMPION).version == first.version
    assert [(version.number, version.is_champion) for version in registry.versions()] == [(1, True), (2, False)]


def test_a_model_is_named_in_three_ways(registry: Registry, tmp_path: Path) -> None:
    registry.register(catalog_model(), RECORD)
    registry.promote()
    catalog_model().save(tmp_path / "model.json")
    place = str(tmp_path / "models")
    assert isinstance(load_model("rules", registry=place), RulesModel)
    versions = {load_model(name, registry=place).version for name in (CHAMPION, "models:/cis-ews/1")}
    assert versions == {catalog_model().version}
    assert load_model(str(tmp_path / "model.json"), registry=place).version == catalog_model().version


@pytest.mark.parametrize("uri", [CHAMPION, "models:/cis-ews/7", "models:/other@champion", "models:/cis-ews@best"])
def test_a_model_that_is_not_there_is_said_so_and_what_to_do(filled: Registry, uri: str) -> None:
    with pytest.raises(ModelNotFoundError, match="has no model") as caught:
        filled.load(uri)
    assert "--model rules" in str(caught.value.hint)


def test_asking_a_registry_that_was_never_made_makes_none(tmp_path: Path) -> None:
    for ask in (lambda: Registry(tmp_path / "none").load(CHAMPION), lambda: Registry(tmp_path / "none").promote()):
        with pytest.raises(ModelNotFoundError):
            ask()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["models:/cis-ews", "models:/cis-ews/latest", "models:/", "models:/a/b/c"])
def test_a_name_that_names_no_version_is_refused(filled: Registry, uri: str) -> None:
    with pytest.raises(ConfigError, match="names no model"):
        filled.load(uri)


def test_a_file_that_is_not_there_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"There is no model .*nowhere\.json"):
        load_model(str(tmp_path / "nowhere.json"), registry=tmp_path)


def test_another_model_in_the_place_of_the_registered_one_is_noticed(registry: Registry, tmp_path: Path) -> None:
    registry.register(catalog_model(seed=1), RECORD)
    (stored,) = (tmp_path / "models").rglob(MODEL_FILE)
    catalog_model(seed=2).save(stored)
    with pytest.raises(ModelError, match="is not the model that was registered"):
        registry.load("models:/cis-ews/1")


def test_a_registry_that_is_read_only_is_read_and_refuses_to_register(registry: Registry, tmp_path: Path) -> None:
    registry.register(catalog_model(), RECORD)
    registry.promote()
    registry.register(catalog_model(), RECORD)
    read_only = Registry(f"sqlite:///file:{tmp_path / 'models' / 'mlflow.db'}?mode=ro&uri=true")
    assert read_only.load(CHAMPION).version == catalog_model().version
    for write in (lambda: read_only.register(catalog_model(), RECORD), lambda: read_only.promote(number=2)):
        with pytest.raises(RegistryError, match="it is read-only") as caught:
            write()
        assert "INSERT" not in str(caught.value)
    assert [(version.number, version.is_champion) for version in registry.versions()] == [(1, True), (2, False)]


def test_a_registry_whose_file_is_damaged_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mlflow.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(RegistryError, match="its database file is damaged"):
        Registry(tmp_path / "models").load(CHAMPION)


def test_a_file_in_the_place_of_the_folder_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(RegistryError, match="Cannot write to the registry"):
        Registry(tmp_path / "models").register(catalog_model(), RECORD)


def test_a_server_that_does_not_answer_is_said_so_without_its_password() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RegistryError, match="it does not answer") as caught:
        Registry(f"http://someone:SECRET@127.0.0.1:{port}").load(CHAMPION)
    assert "SECRET" not in str(caught.value)


class _Failing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(500)
        self.end_headers()
        self.wfile.write(b"SECRET trouble")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is the library's
        """Keep quiet."""


def test_a_server_that_fails_is_said_so_without_its_words() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Failing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(RegistryError) as caught:
            Registry(f"http://127.0.0.1:{server.server_port}").load(CHAMPION)
    finally:
        server.shutdown()
        server.server_close()
    assert "SECRET" not in str(caught.value)


class _Running(_Failing):
    """As much of an MLflow server as the end of a run asks for."""

    def do_GET(self) -> None:
        run = {"info": {"run_id": "1", "experiment_id": "1", "status": "FINISHED"}, "data": {}}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"run": run}).encode())

    def do_POST(self) -> None:
        self.do_GET()


def test_the_end_of_a_run_on_a_server_prints_no_address_and_no_password(capfd: pytest.CaptureFixture[str]) -> None:
    failures()  # what every use of a registry begins with
    from mlflow import MlflowClient

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Running)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        MlflowClient(f"http://someone:SECRET@127.0.0.1:{server.server_port}").set_terminated("1")
    finally:
        server.shutdown()
        server.server_close()
    assert capfd.readouterr() == ("", "")


def test_a_version_that_cannot_be_made_leaves_no_name_and_a_run_that_is_marked_as_failed(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MlflowClient, "create_model_version", refuse)
    with pytest.raises(RegistryError, match="the disk is full"):
        registry.register(catalog_model(), RECORD)
    monkeypatch.undo()
    client = MlflowClient(f"sqlite:///{tmp_path / 'models' / 'mlflow.db'}")
    assert list(client.search_registered_models()) == []
    experiment = client.get_experiment_by_name("cis-ews")
    assert experiment is not None
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["FAILED"]


REGISTER = """
import sys
from cis_ews.risk.model import RiskModel
from cis_ews.risk.registry import Registry, TrainingRecord
print(Registry(sys.argv[1]).register(RiskModel.load(sys.argv[2]), TrainingRecord()).number)
"""


def test_three_who_make_a_registry_at_once_all_get_a_version(tmp_path: Path) -> None:
    catalog_model().save(tmp_path / "model.json")
    line = [sys.executable, "-c", REGISTER, str(tmp_path / "models"), str(tmp_path / "model.json")]
    at_once = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ended = [one.communicate(timeout=120) for one in at_once]
    assert [one.returncode for one in at_once] == [0, 0, 0], [err for _, err in ended]
    assert sorted(int(out) for out, _ in ended) == [1, 2, 3]
    assert len(Registry(tmp_path / "models").versions()) == 3


def test_a_registry_that_was_copied_is_one_of_its_own(registry: Registry, tmp_path: Path) -> None:
    registry.register(catalog_model(seed=1), RECORD)
    shutil.copytree(tmp_path / "models", tmp_path / "copy")
    before = sorted((tmp_path / "models").rglob("*"))
    copied = Registry(tmp_path / "copy")
    assert copied.register(catalog_model(seed=2), RECORD).number == 2
    assert sorted((tmp_path / "models").rglob("*")) == before
    shutil.rmtree(tmp_path / "models")
    versions = [copied.load(f"models:/cis-ews/{number}").version for number in (1, 2)]
    assert versions == [catalog_model(seed=1).version, catalog_model(seed=2).version]


def test_a_model_whose_file_is_gone_is_said_so(registry: Registry, tmp_path: Path) -> None:
    registry.register(catalog_model(), RECORD)
    (stored,) = (tmp_path / "models").rglob(MODEL_FILE)
    stored.unlink()
    with pytest.raises(RegistryError, match="the file of a model in it is missing"):
        registry.load("models:/cis-ews/1")


@pytest.mark.parametrize(
    "milliseconds", [50, 400, *(pytest.param(each, marks=pytest.mark.long) for each in (200, 300, 500, 700))]
)
def test_killed_while_the_registry_is_made_the_next_one_makes_it(tmp_path: Path, milliseconds: int) -> None:
    registry = Registry(tmp_path / "models")
    catalog_model().save(tmp_path / "model.json")
    line = [sys.executable, "-c", REGISTER, str(tmp_path / "models"), str(tmp_path / "model.json")]
    killed = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not any((tmp_path / "models").glob("*leftover*")) and time.monotonic() < end and killed.poll() is None:
        time.sleep(0.002)
    time.sleep(milliseconds / 1000)
    killed.kill()
    killed.wait()
    registered = registry.register(catalog_model(), RECORD)
    assert registry.load(registered.uri).version == catalog_model().version
    assert not list((tmp_path / "models").glob(".leftover*"))


def test_no_name_is_no_model(tmp_path: Path) -> None:
    for name in ("", "  "):
        with pytest.raises(ConfigError, match="No model is named"):
            load_model(name, registry=tmp_path)


def test_a_database_is_no_registry() -> None:
    with pytest.raises(ConfigError, match="neither a folder nor an MLflow server") as caught:
        Registry("postgresql://someone:SECRET@127.0.0.1/models").load(CHAMPION)
    assert "SECRET" not in str(caught.value)


def test_registering_that_fails_half_way_registers_nothing(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.register(catalog_model(), RECORD)
    artifacts = tmp_path / "models" / "artifacts"
    before = sorted(artifacts.iterdir())
    monkeypatch.setattr(os, "makedirs", _no_room)
    with pytest.raises(RegistryError):
        registry.register(catalog_model(seed=2), RECORD)
    monkeypatch.undo()
    assert [version.number for version in registry.versions()] == [1]
    assert sorted(artifacts.iterdir()) == before


def _no_room(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")
