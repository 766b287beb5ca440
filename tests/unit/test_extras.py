"""The bare library says what to install where an extra is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

BLOCK = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
{then}
"""


def _without(names: set[str], then: str) -> subprocess.CompletedProcess[str]:
    code = BLOCK.format(names=names, then=then)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["typer", "structlog"])
def test_the_command_line_names_its_extra(name: str) -> None:
    done = _without({name}, "from cis_ews.__main__ import main; main()")
    assert done.returncode == 1
    assert done.stderr == (f"The command line needs the package {name}; install it: pip install 'cis_ews[cli,store]'\n")


def test_a_module_of_our_own_that_is_missing_is_not_mistaken_for_an_extra() -> None:
    done = _without({"polars"}, "from cis_ews.__main__ import main; main()")
    assert "ModuleNotFoundError: No module named 'polars'" in done.stderr


def test_the_registry_of_models_names_its_extra() -> None:
    then = "from cis_ews.risk.registry import Registry; Registry('models').load('models:/cis-ews@champion')"
    done = _without({"mlflow"}, then)
    assert "ConfigError: The registry of models needs the package mlflow" in done.stderr
    assert "pip install 'cis_ews[train]'" in done.stderr


def test_a_model_file_needs_no_registry() -> None:
    then = "from cis_ews.risk.registry import load_model; print(load_model('rules', registry='models').version)"
    assert _without({"mlflow"}, then).stdout.startswith("rules-")


def test_the_database_names_its_extra() -> None:
    # find_spec of a blocked package raises; of one that is not installed it returns None.
    then = "import importlib.util as u; u.find_spec = lambda name: None; import cis_ews.storage.database"
    done = _without(set(), then)
    assert "ConfigError" in done.stderr
    assert "sqlalchemy, alembic; install them: pip install 'cis_ews[store]'" in done.stderr


@pytest.mark.parametrize("name", ["httpx2", "stamina"])
def test_fetching_names_its_extra(name: str) -> None:
    done = _without({name}, "import cis_ews.fetching.edfi")
    assert f"ConfigError: Fetching from an API needs {name}; pip install 'cis_ews[edfi]'" in done.stderr
