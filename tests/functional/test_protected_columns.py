"""Who a child is changes nothing: planted under other names in every table, shuffled, turned over or taken away.

Planted columns stand for what real extracts carry along: race as a group code, language as a cohort tag, income as a
meal code. That the test can fail is shown by copies of the library that read such a column.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cis_ews.indicators import DAY_PARTS
from cis_ews.synthetic import write_district
from tests.lib.fingerprints import fingerprints

ROOT = Path(__file__).parents[2]
DAY = date(2026, 2, 27)
PLANTED = {
    "grp_code": "race_ethnicity",
    "cohort_tag": "english_learner",
    "meal_cd": "low_income",
    "sped_ind": "disability",
    "sx": "gender",
}
Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up district with demographics."""
    folder = tmp_path_factory.mktemp("protected") / "extract"
    write_district(folder, students=300, years=2, seed=23, through=DAY, dirt=False)
    return folder


@pytest.fixture(scope="module")
def plain(extract: Path) -> dict[str, str]:
    return fingerprints(extract, extract.parent / "store", DAY)


@pytest.fixture(scope="module")
def planted(extract: Path) -> Path:
    """The same district with who its children are in every table, under other names."""
    folder = extract.parent / "planted"
    demographics = pl.read_csv(extract / "demographics.csv", infer_schema=False)
    codes = demographics.select("student_id", **PLANTED)
    place = (98101 + pl.int_range(pl.len()) % 7).alias("zip_code")
    _rewrite(extract, folder, lambda table: _with_codes(table, codes).with_columns(place))
    return folder


def _rewrite(extract: Path, folder: Path, change: Change, *, only: str | None = None) -> None:
    folder.mkdir()
    for path in sorted(extract.glob("*.csv")):
        table = pl.read_csv(path, infer_schema=False)
        (change(table) if only in (None, path.stem) else table).write_csv(folder / path.name)


def _with_codes(table: pl.DataFrame, codes: pl.DataFrame) -> pl.DataFrame:
    if "student_id" in table.columns:
        return table.join(codes, on="student_id", how="left", maintain_order="left")
    return table.hstack(codes.drop("student_id").sample(table.height, with_replacement=True, seed=1))


def test_protected_columns_under_other_names_change_nothing(
    planted: Path, plain: dict[str, str], tmp_path: Path
) -> None:
    tables = {path.stem: set(pl.read_csv(path, infer_schema=False).columns) for path in planted.glob("*.csv")}
    assert len(tables) == 11
    assert all(set(PLANTED) <= columns for columns in tables.values())
    assert pl.read_csv(planted / "attendance_events.csv").get_column("grp_code").n_unique() > 3
    assert fingerprints(planted, tmp_path / "store", DAY) == plain


def _shuffled(table: pl.DataFrame) -> pl.DataFrame:
    others = table.drop("student_id").sample(fraction=1.0, shuffle=True, seed=3)
    return table.select("student_id").hstack(others)


def _turned_over(table: pl.DataFrame) -> pl.DataFrame:
    """Yes becomes no, and the first word of a column becomes its last."""
    turned = []
    for name in table.columns[1:]:
        words = table.get_column(name).drop_nulls().unique().sort()
        turned.append(pl.col(name).replace_strict(words, words.reverse()))
    return table.with_columns(turned)


@pytest.mark.parametrize("change", [_shuffled, _turned_over, pl.DataFrame.clear])
def test_other_demographics_change_nothing(
    extract: Path, plain: dict[str, str], tmp_path: Path, change: Change
) -> None:
    changed = tmp_path / "changed"
    _rewrite(extract, changed, change, only="demographics")
    assert (changed / "demographics.csv").read_bytes() != (extract / "demographics.csv").read_bytes()
    assert fingerprints(changed, tmp_path / "store", DAY) == plain


def test_no_demographics_at_all_change_nothing(extract: Path, plain: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(extract, tmp_path / "without")
    (tmp_path / "without" / "demographics.csv").unlink()
    assert fingerprints(tmp_path / "without", tmp_path / "store", DAY) == plain


INDICATORS_MADE = 'return _conform(pl.concat(found, how="horizontal"))'
MORE_ABSENCE_FOR = """return _conform(pl.concat(found, how="horizontal")).with_columns(
        absent_parts_ytd=pl.when(pl.col("student_id").is_in({whom}.get_column("student_id").implode()))
        .then(pl.col("days_enrolled_ytd").cast(pl.Int64) * {half_a_day})
        .otherwise(pl.col("absent_parts_ytd"))
    )"""
READS_A_PLANTED_COLUMN = {
    "schema/roster.py": ("    exit_date = ", "    grp_code = dy.String(nullable=True)\n    exit_date = "),
    "indicators/__init__.py": (
        INDICATORS_MADE,
        MORE_ABSENCE_FOR.format(
            whom='school_data.enrollments.filter(pl.col("grp_code") != "White")', half_a_day=DAY_PARTS // 2
        ),
    ),
}
READS_DEMOGRAPHICS = {
    "indicators/__init__.py": (
        INDICATORS_MADE,
        MORE_ABSENCE_FOR.format(whom='school_data.demographics.filter("low_income")', half_a_day=DAY_PARTS // 2),
    ),
}


@pytest.mark.parametrize("mutation", [READS_A_PLANTED_COLUMN, READS_DEMOGRAPHICS], ids=["planted", "demographics"])
def test_a_library_that_reads_who_a_child_is_would_be_found(
    extract: Path, planted: Path, tmp_path: Path, mutation: dict[str, tuple[str, str]]
) -> None:
    """A copy of the library with one line more gives other numbers: so these tests do look."""
    library = tmp_path / "src" / "cis_ews"
    shutil.copytree(ROOT / "src/cis_ews", library, ignore=shutil.ignore_patterns("__pycache__"))
    for name, (found, put) in mutation.items():
        text = (library / name).read_text(encoding="utf-8")
        assert found in text, name
        (library / name).write_text(text.replace(found, put, 1), encoding="utf-8")
    without = tmp_path / "without"
    shutil.copytree(extract, without)
    (without / "demographics.csv").unlink()
    ours, theirs = (_of_copy(library.parent, folder, tmp_path / folder.name) for folder in (without, planted))
    assert ours["students"] == theirs["students"]
    assert [name for name in ours if ours[name] == theirs[name]] == ["students"]


def _of_copy(source: Path, extract: Path, store: Path) -> dict[str, str]:
    arguments = [sys.executable, "-m", "tests.lib.fingerprints", str(extract), str(store), DAY.isoformat()]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_import_contract_names_every_part_of_a_model() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (contract,) = [each for each in contracts if each["name"].startswith("Demographics never reach a feature")]
    folder = ROOT / "src/cis_ews/risk"
    needed = {path.stem for pattern in ("model*.py", "shap*.py") for path in folder.glob(pattern)} | {
        "calibration",
        "cores",
        "exact_shap",
        "features",
        "feature_catalog",
        "templates",
    }
    assert {name.removeprefix("cis_ews.risk.") for name in contract["source_modules"]} == needed
    assert {"cis_ews.schema", "cis_ews.readers", "cis_ews.storage"} <= set(contract["forbidden_modules"])
