"""The described API and the served one are the same: schemathesis finds nothing, and descriptions have examples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import settings

from tests.lib.districts import LAKEVIEW
from tests.lib.service import Served


def test_schemathesis_finds_nothing(served: Served, tmp_path: Path) -> None:
    """Examples, boundary values, random requests right and wrong, and sequences of them; all of its checks."""
    command = [
        *(Path(sys.executable).with_name("schemathesis"), "run", f"{served.service.url}/v1/openapi.json"),
        *("--header", f"Authorization: Bearer {served.keys[LAKEVIEW]}"),
        *("--max-examples", str(settings().max_examples), "--seed", "1", "--checks", "all", "--no-shrink"),
        *("--generation-database", "none", "--continue-on-failure", "--no-color"),
    ]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    for phase in ("Coverage", "Fuzzing", "Stateful"):
        assert f"✅  {phase}" in found.stdout
    assert "Tested: 6" in found.stdout
    assert "API Links:    4 covered / 4 selected" in found.stdout


def test_every_operation_is_described_with_its_errors_and_an_example(served: Served) -> None:
    described = served.service.get("/v1/openapi.json").json()
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    assert set(operations) == {
        "GET /v1/health",
        "GET /v1/runs",
        "GET /v1/scores",
        "GET /v1/students/{ref}/reasons",
        "POST /v1/nights",
        "GET /v1/nights/{job_id}",
    }
    for name, operation in operations.items():
        assert operation["description"]
        needs_key = name != "GET /v1/health"
        assert ("security" in operation) is needs_key
        assert ("401" in operation["responses"]) is needs_key
        assert all(_is_error(answer) for status, answer in operation["responses"].items() if status >= "400")
    examples = {name for name, schema in described["components"]["schemas"].items() if "examples" in schema}
    assert {"ErrorBody", "HealthOut", "NightIn", "NightOut", "RunOut", "ScoreOut", "ReasonOut"} <= examples


def _is_error(answer: dict[str, Any]) -> bool:
    return answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorBody"}
