"""What every verb shares: help that teaches, usage errors, exit codes, faults without a traceback."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from cis_ews.cli import data, run
from tests.lib.cli_page import PAGE, render, verbs
from tests.lib.command import command, process


@pytest.mark.parametrize("verb", verbs(), ids=" ".join)
def test_every_verb_teaches_with_an_example(verb: tuple[str, ...]) -> None:
    done = command(*verb, "--help")
    assert done.code == 0
    assert f"cis-ews {' '.join(verb)} " in done.out.split("Example", 1)[1]
    assert max(len(line) for line in done.out.splitlines()) <= 80


def test_the_page_of_the_verbs_is_what_help_prints() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "make it anew: python -m tests.lib.cli_page"


@pytest.mark.parametrize("group", [(), ("db",), ("student",)])
def test_no_verb_shows_the_help(group: tuple[str, ...]) -> None:
    done = command(*group)
    assert done.code == 2
    assert done.err.startswith("Usage: cis-ews")
    assert "Commands:" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scroe"], "No such command 'scroe'"),
        (["score"], "Missing"),
        (["score", "x", "--as-of", "27.2.2026"], "give a date as 2026-02-27"),
        (["score", "x", "--as-of", "20260227"], "give a date as 2026-02-27"),
        (["score", "x", "--as-of", "2026-W09-5"], "give a date as 2026-02-27"),
        (["check", "x", "--fromat", "folder"], "No such option"),
        (["flags", "--run", "x", "--top", "0"], "--top"),
        (["export", "--run", "x", "--out", "y", "--to", "edfi"], "edfi"),
    ],
)
def test_a_wrong_command_line_ends_with_exit_code_2(arguments: list[str], words: str) -> None:
    done = command(*arguments)
    assert done.code == 2
    assert words in done.err
    assert "What to do: see cis-ews" in done.err
    as_json = command(*arguments, "--json")
    assert (as_json.code, as_json.error["code"]) == (2, "usage")


def test_a_wrong_setting_ends_a_process_with_code_2_and_leaves_the_help_alone(tmp_path: Path) -> None:
    environment = {"CIS_EWS_STORE_PATH": str(tmp_path)}
    done = process("runs", "list", environment=environment)
    assert done.code == 2
    assert "did you mean CIS_EWS_STORE__PATH?" in done.err
    assert process("runs", "list", "--help", environment=environment).code == 0


def test_a_missing_store_ends_a_process_with_code_5(tmp_path: Path) -> None:
    done = process("runs", "list", "--store", tmp_path / "nowhere", "--json")
    assert done.code == 5
    assert done.error["code"] == "not_found"


def test_a_missing_source_is_refused(tmp_path: Path) -> None:
    done = command("check", tmp_path / "nowhere")
    assert done.code == 3
    assert "there is no such folder" in done.err


def test_a_log_file_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIS_EWS_LOG__FILE", str(tmp_path))
    done = command("runs", "list", "--store", tmp_path)
    assert done.code == 2
    assert "log.file" in done.err


def test_a_terminal_sees_steps_move_and_a_pipe_sees_lines(tmp_path: Path) -> None:
    line = [sys.executable, "-c", "from cis_ews.cli import main; main()", "synthesize", str(tmp_path / "out")]
    line += ["--students", "120", "--years", "1"]
    main, end = pty.openpty()
    shown = subprocess.run(line, stdout=subprocess.PIPE, stderr=end, check=True, env={**os.environ, "TERM": "xterm"})
    os.close(end)
    moving = os.read(main, 65536).decode()
    os.close(main)
    assert "\x1b[2K" in moving
    assert "synthesize" in moving
    assert b"\x1b" not in shown.stdout
    piped = command("synthesize", tmp_path / "out", "--students", "120", "--years", "1")
    assert re.fullmatch(r"synthesize: \d+\.\d s\n", piped.err)


def _failing(kind: type[BaseException]) -> Callable[..., None]:
    def _fail(*_: object, **__: object) -> None:
        secret = "JANE DOE"  # noqa: S105 - planted, to look for it in the log
        raise kind(f"could not convert {secret}")

    return _fail


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("kind", [ValueError, pl.exceptions.PanicException], ids=["an exception", "a panic of polars"])
def test_a_fault_shows_an_id_and_logs_frames_without_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException], as_json: bool
) -> None:
    monkeypatch.setenv("CIS_EWS_LOG__FILE", str(tmp_path / "log.jsonl"))
    monkeypatch.setattr(data, "read_source", _failing(kind))
    line = ["indicators", tmp_path, "--as-of", "2026-02-27", "--out", tmp_path / "indicators.csv"]
    done = command(*line, *(["--json"] if as_json else []))
    assert done.code == 1
    logged = json.loads((tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert logged["error_id"] in done.err
    assert logged["error_type"] == kind.__name__
    assert logged["frames"][0].endswith("_fail")
    assert "Traceback" not in done.err
    assert "JANE" not in done.err + done.out + (tmp_path / "log.jsonl").read_text(encoding="utf-8")


def test_an_interrupt_ends_with_exit_code_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "read_source", interrupted)
    assert run(["indicators", str(tmp_path), "--as-of", "2026-02-27", "--out", "indicators.csv"]) == 130


def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    """`cis-ews key list | head -0` ends quietly."""
    read, write = os.pipe()
    os.close(read)
    line = [sys.executable, "-c", "from cis_ews.cli import main; main()", "--help"]
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(line, stdout=closed, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_output_that_is_full_is_said_with_code_5(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    line = [sys.executable, "-c", "from cis_ews.cli import main; main()", "runs", "list", "--store", "store"]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 5
    assert "cannot write the output: the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
