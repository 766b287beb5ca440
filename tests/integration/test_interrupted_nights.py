"""A night that is ended by a signal: real processes, real signals, a real terminal."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import psutil
import pytest

from cis_ews.storage.workspace import WORK
from cis_ews.synthetic import write_district
from tests.lib.children import ROOT, child
from tests.lib.command import process

DAY = date(2026, 2, 27)
PARTS = {"CIS_EWS_ENGINE__STUDENTS_A_PART": "90", "CIS_EWS_ENGINE__WORKERS": "2", "COLUMNS": "80"}
LINE = [sys.executable, "-m", "cis_ews"]
LEFT = "nothing of this night is published. Run the same command again: the parts that are done are kept."
SAID = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Ended by SIGTERM", signal.SIGHUP: "Ended by SIGHUP"}
STEP = re.compile(r"[a-z, ]+: \d+\.\d s")
PUBLISHING = """
import os, signal, sys
import cis_ews.scoring as scoring
from cis_ews.cli import main
if __name__ == "__main__":
    when, publish = sys.argv.pop(1), scoring.publish_night
    def ended(*arguments, **named):
        if when == "before":
            os.kill(os.getpid(), signal.SIGTERM)
        published = publish(*arguments, **named)
        os.kill(os.getpid(), signal.SIGTERM)
        return published
    scoring.publish_night = ended
    main()
"""


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up district that is read in parts."""
    folder = tmp_path_factory.mktemp("ended") / "extract"
    write_district(folder, students=300, years=2, seed=11, format="parquet", through=DAY)
    return folder


@pytest.fixture(autouse=True)
def as_from_a_shell() -> Generator[None]:
    """Processes inherit what is ignored, as where the tests run in the background."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def whole(extract: Path) -> Mapping[str, str]:
    """The files of a night that nobody has ended."""
    store = extract.parent / "whole"
    assert process(*_score(extract, store), environment=PARTS).code == 0
    return _files(store)


def _score(extract: Path, store: Path) -> list[str]:
    return ["score", str(extract), "--as-of", str(DAY), "--out", str(store)]


def _files(store: Path) -> Mapping[str, str]:
    (run,) = store.glob("runs/*/*")
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in run.iterdir()}
    files.pop("timings.json")
    return {"run": run.name, **files}


@contextmanager
def _night(extract: Path, store: Path) -> Generator[subprocess.Popen[str]]:
    """A night in a process group of its own, as from a shell; ended with all of it, whatever comes."""
    night = subprocess.Popen(
        [*LINE, *_score(extract, store)],
        cwd=ROOT,
        env={**os.environ, **PARTS},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield night
    finally:
        if night.poll() is None:
            os.killpg(night.pid, signal.SIGKILL)
            night.communicate()


def _until_workers(pid: int) -> None:
    """Wait for the first worker process: the night is in the middle of starting them."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if any("spawn_main" in word for each in psutil.Process(pid).children() for word in _words(each)):
            return
        time.sleep(0.005)
    raise AssertionError("no worker was started")


def _words(process: psutil.Process) -> Sequence[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _until_line(night: subprocess.Popen[str], begins: str) -> None:
    assert night.stderr is not None
    for line in night.stderr:
        if line.startswith(begins):
            return
    raise AssertionError(f"the night ended without a line {begins}")


@pytest.mark.parametrize(
    ("number", "to_all", "begins"),
    [
        (signal.SIGINT, True, None),
        (signal.SIGINT, True, "indicators:"),
        (signal.SIGINT, False, "part:"),
        (signal.SIGTERM, False, None),
        (signal.SIGTERM, True, "indicators:"),
        (signal.SIGHUP, True, "part:"),
    ],
)
def test_a_night_that_is_ended_says_so_leaves_nobody_behind_and_goes_on(
    extract: Path, tmp_path: Path, whole: Mapping[str, str], number: signal.Signals, to_all: bool, begins: str | None
) -> None:
    """`to_all`: to the whole group, as a terminal sends it. `begins`: after this line, else as workers are started.

    After "indicators" parts are done, which the next night takes.
    """
    store = tmp_path / "store"
    with _night(extract, store) as night:
        _until_workers(night.pid) if begins is None else _until_line(night, begins)
        children = psutil.Process(night.pid).children(recursive=True)
        (os.killpg if to_all else os.kill)(night.pid, number)
        out, err = night.communicate(timeout=120)
    assert night.returncode == 128 + number
    *steps, last = err.splitlines()
    assert last == f"{SAID[number]}: {LEFT}"
    assert all(STEP.fullmatch(line) for line in steps)
    assert out == ""
    assert children
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
    assert not (store / "runs").exists()
    assert (store / WORK).exists() or begins is None
    if begins == "indicators:":
        assert process(*_score(extract, store), environment=PARTS).code == 0
        assert _files(store) == whole
        assert not (store / WORK).exists()


def test_ctrl_c_on_a_terminal_shows_one_sentence_within_its_width(extract: Path, tmp_path: Path) -> None:
    own, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 80))
    night = subprocess.Popen(
        [*LINE, *_score(extract, tmp_path / "store")],
        cwd=ROOT,
        env={**os.environ, **PARTS, "TERM": "xterm"},
        stdin=its,
        stdout=its,
        stderr=its,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - what it calls is safe there
    )
    os.close(its)
    _until_workers(night.pid)
    os.write(own, b"\x03")
    shown = _shown(own)
    assert night.wait(timeout=120) == 130
    text = shown[shown.rindex("Interrupted") :]
    assert " ".join(text.split()) == f"Interrupted: {LEFT}"
    assert max(map(len, text.splitlines())) <= 80
    assert "Traceback" not in shown
    assert "Error" not in shown


def _take_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _shown(terminal: int) -> str:
    """All that a terminal shows until nobody writes to it any more; without what moves and colors."""
    shown = b""
    while True:
        try:
            some = os.read(terminal, 65536)
        except OSError:  # the last process that had it open has ended
            some = b""
        if not some:
            break
        shown += some
    os.close(terminal)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_night_that_is_ended_while_it_publishes_says_that_it_is_whole_or_not_there(
    extract: Path, tmp_path: Path, whole: Mapping[str, str], when: str
) -> None:
    store = tmp_path / "store"
    with child(PUBLISHING, when, *_score(extract, store)) as night:
        _, err = night.communicate(timeout=240)
    assert night.returncode == 143
    said = "Ended by SIGTERM: this night is published whole or not at all. Run the same command again: it finds out."
    assert err.splitlines()[-1] == said
    assert process(*_score(extract, store), environment=PARTS).code == 0
    assert _files(store) == whole
