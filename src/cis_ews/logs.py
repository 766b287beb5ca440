"""Structured logs: one JSON object a line, with counts, places and names of steps; never a student's name, id or value.

What may stand in a line is a closed list (`KEYS`): a key that is not in it is left out and named under `left_out`, so
that a careless call cannot leak. An unexpected error is logged by its type and the lines of code that it passed: the
messages of libraries can quote values, so they are not.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

KEYS = frozenset(
    {
        "event", "level", "timestamp", "verb", "step", "seconds", "run_id", "as_of", "model_version",
        "students", "tier_1", "tier_2", "tier_3", "not_enough_data",
        "code", "exit_code", "error_id", "error_type", "frames",
    }
)  # fmt: skip


class _AppendLogger:
    """Opens the file for every line: a log that is rotated away is simply begun anew, and nothing stays open.

    A line that the disk does not take goes to stderr: a full disk must neither end a night that could still say so, nor
    hide the error that is being logged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def msg(self, message: str) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(message + "\n")
        except OSError:
            sys.stderr.write(message + "\n")

    debug = info = warning = error = msg


def configure_logs(*, level: str = "info", file: Path | None = None, stream: TextIO | None = None) -> None:
    """Log to `file` (appended), else to `stream`, else nowhere.

    Raises:
        OSError: the file cannot be opened.
    """
    if file is not None:
        file.open("a", encoding="utf-8").close()
    is_silent = file is None and stream is None
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            keep_known_keys,
            structlog.processors.JSONRenderer(sort_keys=True, default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("critical" if is_silent else level),
        logger_factory=lambda *_: _AppendLogger(file) if file is not None else structlog.WriteLogger(stream),
        cache_logger_on_first_use=False,
    )


def keep_known_keys(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Leave out whatever is not known to be harmless, and say which keys those were."""
    kept = {key: value for key, value in event.items() if key in KEYS}
    left_out = sorted(set(event) - KEYS)
    return kept | ({"left_out": left_out} if left_out else {})


def get_log() -> structlog.typing.FilteringBoundLogger:
    """The log of this package."""
    return structlog.get_logger("cis_ews")


def frames_of(error: BaseException) -> list[str]:
    """The lines of code that an error passed, innermost first, without messages, arguments or local values."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames)]


def log_failure(error: BaseException, *, error_id: str, **context: Any) -> None:
    """Log an unexpected error by its type and frames."""
    get_log().error(
        "unexpected_error", error_id=error_id, error_type=type(error).__name__, frames=frames_of(error), **context
    )
