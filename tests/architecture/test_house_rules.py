"""Rules that no linter of ours knows: what the repository may say, and who may see demographics."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "src/cis_ews"


def _tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the list of tracked files is not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).exists()]


def _texts(*suffixes: str) -> dict[str, str]:
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in _tracked()
        if path.suffix in suffixes and path != Path(__file__)
    }


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-spark.lock"])
def test_a_lock_names_no_index_and_pins_every_version_with_hashes(name: str) -> None:
    lock = (ROOT / name).read_text(encoding="utf-8")
    assert re.findall(r"https?://|file://|--index|--find-links|--extra-index", lock) == []
    requirements = re.findall(r"^[A-Za-z0-9].*$", lock, flags=re.MULTILINE)
    assert requirements
    assert [line for line in requirements if "==" not in line or not line.endswith("\\")] == []


def test_no_file_is_big() -> None:
    pictures = {".png", ".jpg", ".webp"}
    big = [path.name for path in _tracked() if path.stat().st_size > 500_000 and path.suffix not in pictures]
    assert big == []


def test_demographics_are_read_by_the_equity_audit_alone() -> None:
    """The table passes through the contract, the readers and the generator; no indicator, rule or score touches it."""
    allowed = {"schema", "readers", "synthetic", "storage", "corrections.py"}
    audit = LIBRARY / "evaluation/equity.py"
    offenders = [
        str(path.relative_to(LIBRARY))
        for path in LIBRARY.rglob("*.py")
        if path.relative_to(LIBRARY).parts[0] not in allowed and path != audit and "demographics" in _code(path)
    ]
    assert offenders == []


def _code(path: Path) -> str:
    """The file without its comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
    return ast.unparse(tree)


def _is_text(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)


def test_no_unfinished_work_is_committed() -> None:
    unfinished = re.compile(r"#\s*(?:TODO|FIXME|XXX)|raise NotImplementedError|assert True\b|pytest\.mark\.xfail")
    assert {name for name, text in _texts(".py").items() if unfinished.search(text)} == set()


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{name}: {target}"
        for name, text in _texts(".md").items()
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        if "://" not in target and not (ROOT / name).parent.joinpath(target).exists()
    ]
    assert broken == []


def test_every_policy_and_settings_file_names_its_version() -> None:
    files = [*(ROOT / "configs").rglob("*.toml"), *(LIBRARY / "defaults").rglob("*.toml")]
    assert files
    version = re.compile(r"^config_version\s*=", re.MULTILINE)
    assert [path.name for path in files if not version.search(path.read_text(encoding="utf-8"))] == []
