"""Log lines: JSON, a closed list of keys, and errors without their words."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cis_ews.logs import configure_logs, get_log, log_failure


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logs(level="debug", stream=stream)
    yield stream
    configure_logs()


def _line(text: str) -> dict[str, Any]:
    (line,) = text.splitlines()
    return json.loads(line)


def test_a_line_is_json_with_level_and_time(stream: io.StringIO) -> None:
    get_log().info("scored", run_id="abc", as_of=date(2026, 2, 27), students=3)
    line = _line(stream.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "scored", "level": "info", "run_id": "abc", "as_of": "2026-02-27", "students": 3}


def test_an_unknown_key_is_left_out_and_named(stream: io.StringIO) -> None:
    get_log().warning("step", step="read", student_id="s00", name="JANE DOE")
    assert "JANE" not in stream.getvalue()
    assert "s00" not in stream.getvalue()
    assert _line(stream.getvalue())["left_out"] == ["name", "student_id"]


def test_a_failure_is_its_type_and_frames(stream: io.StringIO) -> None:
    def fail(name: str) -> None:
        raise ValueError(name)

    try:
        fail("JANE DOE")
    except ValueError as error:
        log_failure(error, error_id="1f")
    line = _line(stream.getvalue())
    assert line["error_type"] == "ValueError"
    assert line["frames"][0].startswith("test_logs.py:")
    assert "JANE" not in stream.getvalue()


def test_the_level_is_kept_to(stream: io.StringIO) -> None:
    configure_logs(level="warning", stream=stream)
    get_log().info("step", step="read")
    assert stream.getvalue() == ""


def test_a_log_that_was_rotated_away_is_begun_anew(tmp_path: Path) -> None:
    configure_logs(file=tmp_path / "log.jsonl")
    get_log().info("step", step="read")
    (tmp_path / "log.jsonl").rename(tmp_path / "log.1")
    get_log().info("step", step="write")
    configure_logs()
    assert _line((tmp_path / "log.1").read_text(encoding="utf-8"))["step"] == "read"
    assert _line((tmp_path / "log.jsonl").read_text(encoding="utf-8"))["step"] == "write"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full, a disk that is always full")
def test_a_line_that_the_disk_does_not_take_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(file=Path("/dev/full"))
    get_log().error("refused", code="storage")
    configure_logs()
    assert _line(capsys.readouterr().err)["code"] == "storage"


def test_without_a_place_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    get_log().error("refused", code="data")
    assert capsys.readouterr() == ("", "")
