"""Functions and files stay small: the norm of the project's style (CONTRIBUTING.md), measured without docstrings."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("src/cis_ews", "serving", "training") for path in (ROOT / folder).rglob("*.py"))
GENERATED = "migrations"
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Measured(NamedTuple):
    """One function: where it stands, its lines without docstring, its positional parameters."""

    place: str
    lines: int
    positional: int


def _docstring_lines(node: FunctionNode | ast.Module) -> int:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return (first.end_lineno or first.lineno) - first.lineno + 1
    return 0


def _positional(node: FunctionNode) -> int:
    names = [argument.arg for argument in [*node.args.posonlyargs, *node.args.args]]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def _functions(path: Path) -> list[Measured]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        Measured(
            place=f"{path.relative_to(ROOT)}:{node.lineno} {node.name}",
            lines=(node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node),
            positional=_positional(node),
        )
        for node in ast.walk(tree)
        if isinstance(node, FunctionNode)
    ]


FUNCTIONS = [function for path in SOURCES if GENERATED not in path.parts for function in _functions(path)]


def test_functions_are_short() -> None:
    lengths = sorted(function.lines for function in FUNCTIONS)
    assert statistics.median(lengths) <= 8
    assert statistics.quantiles(lengths, n=10)[-1] <= 30


def test_files_are_short() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        - _docstring_lines(ast.parse(path.read_text(encoding="utf-8")))
        for path in SOURCES
    }
    assert {name: lines for name, lines in lengths.items() if lines > 450} == {}


def test_at_most_three_positional_parameters() -> None:
    assert [function.place for function in FUNCTIONS if function.positional > 3] == []
