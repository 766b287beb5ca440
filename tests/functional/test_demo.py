"""The demo of the Makefile, line by line, on a smaller district."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from cis_ews.storage.store import RunStore
from tests.lib.command import Done, command

MAKEFILE = Path(__file__).parents[2] / "Makefile"


def _recipe() -> list[list[str]]:
    """The arguments of each `cis-ews` line of the target `demo`, up to where the service begins."""
    text = MAKEFILE.read_text(encoding="utf-8")
    as_of = re.search(r"^AS_OF := (\S+)$", text, flags=re.MULTILINE)
    assert as_of is not None
    target = text.split("\ndemo: ", 1)[1].split("\nifneq", 1)[0]
    lines = [line.removeprefix("\t$(BIN)/cis-ews ") for line in target.splitlines() if "$(BIN)/cis-ews" in line]
    return [shlex.split(line.replace("$(AS_OF)", as_of[1])) for line in lines]


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Done]:
    monkeypatch.chdir(tmp_path)
    small = [["200" if word == "2400" else word for word in line] for line in _recipe()]
    return {line[0]: command(*line) for line in small}


def test_the_demo_prints_what_it_promises(done: dict[str, Done]) -> None:
    assert list(done) == ["synthesize", "check", "score", "flags"]
    assert {verb: one.err for verb, one in done.items() if one.code != 0} == {}
    for words in ("Cohort flow", "Rejections by table and rule", "Tiers by school"):
        assert words in done["score"].out
    assert str(RunStore("demo").latest().path) in done["score"].out
    flags = re.findall(r"^\d+, grade", done["flags"].out, flags=re.MULTILINE)
    assert 1 <= len(flags) <= 10
    assert "  - " in done["flags"].out
