"""The benchmark of a state runs and says what it found; no times are judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEPS = {"look", "read", "indicators", "schools", "rules, risk and reasons", "tiers", "write", "publish"}


@pytest.mark.parametrize("attendance", ["exceptions", "positive"])
def test_a_small_state_is_measured_step_by_step(tmp_path: Path, attendance: str) -> None:
    line = [sys.executable, "-m", "benchmarks.state", "--students", "20000", "--students-a-part", "9000", "--json"]
    options = ["--attendance", attendance, "--data", str(tmp_path), "--rules"]
    done = subprocess.run([*line, *options], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert {step["name"] for step in record["steps"]} >= STEPS
    assert record["scored"] > 15_000
    assert record["floor"] > 0
    assert record["peak_mb"] > 100
