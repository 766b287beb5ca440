"""The examples of docs/api.md, replayed on the started service."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from serving.errors import WORDINGS
from tests.lib.districts import LAKEVIEW
from tests.lib.service import Served

PAGE = (Path(__file__).parents[2] / "docs/api.md").read_text(encoding="utf-8")


class Example(NamedTuple):
    """One example: what is sent, and what comes back."""

    method: str
    path: str
    body: Any
    status: int
    answer: Any


def _examples() -> list[Example]:
    return [_example(block) for block in re.findall(r"```http\n(.*?)```", PAGE, re.DOTALL)]


def _example(block: str) -> Example:
    before, status, after = re.split(r"^(\d{3})\n", block, maxsplit=1, flags=re.MULTILINE)
    request, _, body = before.partition("\n")
    method, _, path = request.partition(" ")
    return Example(method, path, json.loads(body) if body else None, int(status), json.loads(after))


def _shape(value: Any) -> Any:
    """Names and types, deep; of a list the first entry."""
    if isinstance(value, dict):
        return {name: _shape(inner) for name, inner in value.items()}
    return [_shape(inner) for inner in value[:1]] if isinstance(value, list) else type(value).__name__


def test_the_examples_are_true(served: Served) -> None:
    key, known = served.keys[LAKEVIEW], {"ref": served.scores(LAKEVIEW, "&school_id=north&tier=3")[0]["ref"]}
    examples = _examples()
    assert len(examples) == 6
    for example in examples:
        answer = served.service.request(example.method, example.path.format(**known), key=key, body=example.body)
        assert answer.status == example.status
        told = answer.json()
        if "job_id" in told and example.method == "POST":
            known["job_id"] = told["job_id"]
            served.service.wait_for_night(told["job_id"], key)
        assert _shape(told) == _shape(example.answer)


def test_every_address_and_every_error_has_its_line(served: Served) -> None:
    for path in served.service.get("/v1/openapi.json").json()["paths"]:
        assert f"{path}`" in PAGE
    for status, wording in WORDINGS.items():
        assert f"| {status} | `{wording.code}`" in PAGE
