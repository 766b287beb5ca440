"""The command line as a test calls it: in this process, or as a real one where exit codes and streams matter."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cis_ews.cli import run


@dataclass(frozen=True)
class Done:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    def event(self, name: str) -> dict[str, Any]:
        """The only JSON line of that name."""
        (found,) = [event for event in self.events if event["event"] == name]
        return found

    @property
    def error(self) -> dict[str, Any]:
        """The JSON error on stderr."""
        return json.loads(self.err)


def command(*arguments: str | Path) -> Done:
    """Run `cis-ews` in this process."""
    return _done(run, arguments)


def training(*arguments: str | Path) -> Done:
    """Run `python -m training` in this process."""
    from training.__main__ import run as run_training

    return _done(run_training, arguments)


def _done(run_line: Callable[[Sequence[str]], int], arguments: Sequence[str | Path]) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_line([str(argument) for argument in arguments])
    return Done(code, out.getvalue(), err.getvalue())


def process(*arguments: str | Path, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> Done:
    """Run `cis-ews` as a process of its own."""
    line = [sys.executable, "-c", "from cis_ews.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(
        line, capture_output=True, text=True, check=False, cwd=cwd, env={**os.environ, **(environment or {})}
    )
    return Done(done.returncode, done.stdout, done.stderr)
