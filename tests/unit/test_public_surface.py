"""The public names: the list is held here, every name loads, and the import alone stays light."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import cis_ews
from tests.lib.districts import write_extract

PUBLIC = [
    "ConfigError",
    "DataError",
    "EwsError",
    "ModelError",
    "ReadError",
    "Recipe",
    "RiskModel",
    "RulesModel",
    "RunDamagedError",
    "RunNotFoundError",
    "SchemaError",
    "SchoolData",
    "ScoreRun",
    "StorageError",
    "StoreLockedError",
    "TierPolicy",
    "ToleranceError",
    "UnmappedCodesError",
    "build_features",
    "compute_indicators",
    "evaluate",
    "explain",
    "make_labels",
    "read_school_data",
    "score_night",
]
HEAVY = (
    "lightgbm",
    "mlflow",
    "scipy",
    "sklearn",
    "numba",
    "sqlalchemy",
    "alembic",
    "typer",
    "rich",
    "structlog",
    "bentoml",
    "pydantic_settings",
)


def test_the_list_of_public_names() -> None:
    assert cis_ews.__all__ == PUBLIC
    assert sorted(PUBLIC) == PUBLIC
    assert len(PUBLIC) <= 25


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_loads_and_says_what_it_is(name: str) -> None:
    value = getattr(cis_ews, name)
    assert value.__name__ == name
    assert value.__doc__


def test_dir_lists_what_is_public() -> None:
    assert [name for name in dir(cis_ews) if not name.startswith("_")] == PUBLIC


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'scoer_night'"):
        _ = cis_ews.scoer_night  # pyright: ignore[reportAttributeAccessIssue]


def _modules_after(statement: str) -> set[str]:
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


def test_the_import_alone_loads_nothing_heavy() -> None:
    assert _modules_after("import cis_ews") & set(HEAVY) == set()


def test_reading_and_indicators_load_no_model_and_no_service() -> None:
    loaded = _modules_after("import cis_ews; cis_ews.read_school_data; cis_ews.compute_indicators")
    assert loaded & {"lightgbm", "sklearn", "numba", "alembic", "bentoml", "typer"} == set()


def test_a_model_loads_its_libraries_when_it_is_fitted() -> None:
    loaded = _modules_after("import cis_ews; cis_ews.RiskModel; cis_ews.evaluate")
    assert loaded & {"lightgbm", "sklearn", "scipy", "numba", "mlflow"} == set()


def test_a_night_loads_no_pandas_behind_pyarrow(tmp_path: Path) -> None:
    source = write_extract(tmp_path / "extract")
    options = f"model=cis_ews.RulesModel(), policy=cis_ews.TierPolicy.load(), store={str(tmp_path / 'store')!r}"
    night = f"cis_ews.score_night({str(source)!r}, as_of=date(2026, 2, 27), {options})"
    loaded = _modules_after(f"import cis_ews; from datetime import date; assert {night}.scores.height")
    assert "pyarrow" in loaded
    assert "pandas" not in loaded


def test_the_version_is_that_of_the_package() -> None:
    assert cis_ews.__version__ == version("cis_ews")
