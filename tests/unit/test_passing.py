"""Folders that pass with their process: gone at its end, or with the next one where it was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cis_ews.storage.passing import clear_passing, passing_folder

HOLD = "from cis_ews.storage.passing import *\nwith passing_folder() as folder:\n print(folder, flush=True)\n input()"


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_folder_is_private_and_goes_at_the_end() -> None:
    with passing_folder() as folder:
        assert folder.stat().st_mode & 0o077 == 0
        assert clear_passing() == 0
        assert folder.exists()
    assert not folder.exists()


def test_what_a_killed_process_left_goes_with_the_next(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    held = Path(process.stdout.readline().strip())
    assert clear_passing() == 0
    assert held.exists()
    process.kill()
    process.communicate()
    assert clear_passing() == 1
    assert not held.exists()
