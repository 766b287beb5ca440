"""The demo of the Makefile, line by line, and the README that shows what it prints."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from cis_ews.storage.store import RunStore
from tests.lib.command import Done
from tests.lib.demo import README, readme_with, run_demo


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def done(folder: Path) -> dict[str, Done]:
    return run_demo(folder)


def test_the_demo_prints_what_it_promises(done: dict[str, Done], folder: Path) -> None:
    assert list(done) == ["synthesize", "check", "train", "promote", "score", "flags"]
    assert {verb: one.err for verb, one in done.items() if one.code != 0} == {}
    for words in ("Cohort flow", "Rejections by table and rule", "Tiers by school"):
        assert words in done["score"].out
    assert str(RunStore(folder / "demo").latest().path.relative_to(folder)) in done["score"].out
    shown = done["flags"].out.split("\n\n")[1:]
    assert len(shown) == 10
    for student in shown:
        assert re.match(r"\d+, grade", student)
        assert len(re.findall(r"^  - ", student, flags=re.MULTILINE)) == 2
        assert len(re.findall(r"^  \+ ", student, flags=re.MULTILINE)) == 1
    assert sum("name no strength" not in student for student in shown) >= 5
    for who in ("the model", "logistic regression", "published rules", "last year's value"):
        assert re.search(rf"^{who} +0\.\d", done["train"].out, flags=re.MULTILINE)
    assert "Decided by: A trained model (model-" in done["score"].out


def test_the_demo_says_that_its_model_is_for_demonstration_only(done: dict[str, Done]) -> None:
    for verb in ("train", "score"):
        assert "For demonstration only" in done[verb].out


def test_the_readme_shows_what_the_demo_prints(done: dict[str, Done]) -> None:
    assert README.read_text(encoding="utf-8") == readme_with(done), "renew it: python -m tests.lib.demo"


def test_the_readme_s_python_runs(done: dict[str, Done], folder: Path) -> None:
    assert done["score"].code == 0
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - the README's own lines are what is tested
    assert "absence_rate_ytd" in printed.getvalue()
    assert "Attendance Works" in printed.getvalue()


def test_the_demo_s_output_fits_80_columns(done: dict[str, Done]) -> None:
    wide = [line for one in done.values() for line in one.out.splitlines() if len(line) > 80]
    assert wide == []
