"""One shape for every error, and the headers that every answer carries."""

from __future__ import annotations

import http.client
import re
from urllib.parse import urlsplit

import pytest

from tests.lib.districts import AS_OF, LAKEVIEW
from tests.lib.service import Answer, Served

NIGHT = {"source": "lost", "as_of": AS_OF}


def _has_the_shape(answer: Answer) -> bool:
    assert set(answer.json()) == {"error"}
    assert set(answer.error) in ({"code", "message", "request_id"}, {"code", "message", "hint", "request_id"})
    assert answer.error["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"
    return bool(re.fullmatch("[0-9a-f]{32}", answer.error["request_id"]))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/static/nothing", 404),
        ("GET", "/static/../service.py", 404),
        ("GET", "/static/%2e%2e/service.py", 404),
        ("GET", "/v1/nights", 405),
        ("DELETE", "/v1/scores", 405),
        ("PUT", "/", 405),
        ("POST", "/livez", 405),
        ("TRACE", "/v1/scores", 405),
        ("BREW", "/v1/scores", 405),
        ("GET", "/v1/scores?school_id=%00", 422),
        ("GET", "/v1/scores?limit=0", 422),
        ("GET", "/v1/scores?limit=1001", 422),
        ("GET", "/v1/scores?since=2026-02-27T00:00:00", 422),
        ("GET", "/v1/scores?since=yesterday", 422),
        ("GET", "/v1/scores?tier=4", 422),
        ("GET", "/v1/scores?cursor=xyz", 422),
        ("GET", "/v1/students/xyz/reasons", 422),
        ("GET", "/v1/nights/xyz", 422),
    ],
)
def test_an_error_of_an_address(served: Served, method: str, path: str, status: int) -> None:
    answer = served.service.request(method, path, key=served.keys[LAKEVIEW])
    assert answer.status == status
    assert _has_the_shape(answer)
    if status == 405:
        assert "OPTIONS" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"source": "lost"}', "application/json", 422),
        (b'{"source": "lost", "as_of": "2026-02-30"}', "application/json", 422),
        (b'{"source": "lost", "as_of": "2026-02-27", "path": "/etc"}', "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b"source=lost", "application/x-www-form-urlencoded", 415),
        (b"pickle", "application/vnd.bentoml+pickle", 415),
        (b"{}", "text/plain", 415),
        (b"x" * 70_000, "application/json", 413),
    ],
)
def test_an_error_of_a_body(served: Served, body: bytes, kind: str, status: int) -> None:
    sent = {"Content-Type": kind}
    answer = served.service.request("POST", "/v1/nights", key=served.keys[LAKEVIEW], body=body, headers=sent)
    assert answer.status == status
    assert _has_the_shape(answer)


def test_a_body_that_does_not_say_its_size_is_cut_too(served: Served) -> None:
    parts = urlsplit(served.service.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    headers = {"Authorization": f"Bearer {served.keys[LAKEVIEW]}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/nights", body=iter([b"x" * 30_000] * 4), headers=headers, encode_chunked=True)
    response = connection.getresponse()
    answer = Answer(response.status, response.headers, response.read())
    connection.close()
    assert answer.status == 413
    assert _has_the_shape(answer)


def test_head_is_get_without_its_body(served: Served) -> None:
    for path in ("/v1/scores", "/v1/openapi.json", "/sign-in", "/livez", "/static/console.css", "/metrics"):
        answer = served.service.request("HEAD", path, key=served.keys[LAKEVIEW])
        assert (answer.status, answer.body) == (200, b"")
        assert int(answer.headers["content-length"]) > 0


def test_options_names_the_methods_without_a_key(served: Served) -> None:
    for path, methods in (("/v1/nights", "OPTIONS, POST"), ("/sign-in", "GET, HEAD, OPTIONS, POST")):
        answer = served.service.request("OPTIONS", path)
        assert (answer.status, answer.headers["allow"], answer.body) == (204, methods, b"")


def test_every_answer_carries_the_security_headers(served: Served) -> None:
    answers = [
        served.service.get(path, key=served.keys[LAKEVIEW])
        for path in (
            "/",
            "/sign-in",
            "/v1/scores",
            "/v1/nothing",
            "/livez",
            "/static/console.css",
            "/v1/scores?limit=0",
        )
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["access-control-allow-origin"] is None
    kept = [answer.headers["cache-control"] for answer in answers]
    assert kept == ["no-store"] * 5 + ["max-age=3600", "no-store"]
