"""Nothing without a key, nothing of another district, and nothing of BentoML's own."""

from __future__ import annotations

import pytest

from serving.admission import SIGN_IN
from tests.lib.districts import AS_OF, HARBOR, LAKEVIEW
from tests.lib.people import PASSWORD
from tests.lib.service import Answer, Served

BENTOML = [
    *("/schema.json", "/docs.json", "/docs", "/static_content/index.css", "/assets/index.js", "/v1", "/v2"),
    *(f"/tasks/night{action}" for action in ("", "/submit", "/status", "/get", "/retry", "/cancel")),
    *("/run_night", "/run_night/submit", "/openapi.json", "/redoc", "/.env", "/v1/../metrics/..", "//"),
]


def _routes(served: Served) -> list[tuple[str, str]]:
    """Every described operation, with a path that would be there for district `lakeview`."""
    ref = served.scores(LAKEVIEW, "&tier=3")[0]["ref"]
    job = served.service.post("/v1/nights", {"source": "lost", "as_of": AS_OF}, key=served.keys[LAKEVIEW]).json()
    described = served.service.get("/v1/openapi.json").json()["paths"]
    return [
        (method.upper(), path.replace("{ref}", ref).replace("{job_id}", job["job_id"]))
        for path, operations in described.items()
        for method in operations
    ]


def _ask(served: Served, route: tuple[str, str], key: str | None) -> Answer:
    method, path = route
    body = {"source": "lost", "as_of": AS_OF} if method == "POST" else None
    return served.service.request(method, path, key=key, body=body)


def test_every_route_but_health_needs_a_key(served: Served) -> None:
    wrong = served.keys[LAKEVIEW][:-1] + ("0" if served.keys[LAKEVIEW][-1] != "0" else "1")
    routes = [route for route in _routes(served) if route != ("GET", "/v1/health")]
    assert len(routes) == 5
    for key, code in ((None, "key_missing"), ("", "key_missing"), ("nonsense", "key_wrong"), (wrong, "key_wrong")):
        for route in routes:
            answer = _ask(served, route, key)
            assert (answer.status, answer.error["code"]) == (401, code)
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_in_the_address_or_a_cookie_is_no_key(served: Served) -> None:
    key = served.keys[LAKEVIEW]
    assert served.service.get(f"/v1/scores?key={key}&access_token={key}").status == 401
    assert served.service.get("/v1/scores", headers={"Cookie": f"cis_ews_person={key}; key={key}"}).status == 401


def test_a_key_opens_no_page(served: Served) -> None:
    key = served.keys[LAKEVIEW]
    for answer in (served.service.get("/", key=key), served.sign_in("ana@example.org", key)):
        assert (answer.status, answer.headers["set-cookie"]) in ((303, None), (401, None))
        assert not (answer.headers["location"] or SIGN_IN).partition(SIGN_IN)[0]


def test_a_revoked_key_ends_at_once(served: Served) -> None:
    key_id, key = served.database.create_key(LAKEVIEW, "soon gone")
    assert served.service.get("/v1/runs", key=key).status == 200
    served.database.revoke_key(key_id)
    assert served.service.get("/v1/runs", key=key).status == 401


def test_a_district_sees_its_own_on_every_route(served: Served) -> None:
    """What is there for one district is, for the other, as if it had never been."""
    expected = {"/v1/runs": 200, "/v1/scores": 200, "/v1/health": 200}
    for route in _routes(served):
        answer = _ask(served, route, served.keys[HARBOR])
        assert answer.status == expected.get(route[1], 404)
        assert "north-" not in answer.text
        assert "south-" not in answer.text
    assert {score["school_id"] for score in served.scores(HARBOR)} == {"east"}
    assert served.scores(HARBOR, "&school_id=north") == []


@pytest.mark.parametrize("path", BENTOML)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_nothing_of_bentoml_is_reachable(served: Served, method: str, path: str) -> None:
    body = {"job_id": "0" * 32, "district_id": LAKEVIEW} if method != "GET" else None
    answer = served.service.request(method, path, key=served.keys[LAKEVIEW], body=body)
    assert (answer.status, answer.error["code"]) == (404, "not_found")


def test_too_many_wrong_secrets_for_one_key_have_to_wait(served: Served) -> None:
    key_id, key = served.database.create_key(LAKEVIEW, "guessed at")
    guesses = [served.service.get("/v1/runs", key=f"cisews_{key_id}_{number:064x}").status for number in range(22)]
    assert guesses == [401] * 20 + [429] * 2
    answer = served.service.get("/v1/runs", key=key)
    assert (answer.status, answer.error["code"]) == (429, "too_many_attempts")
    assert 0 < int(answer.headers["retry-after"]) <= 60
    # Other keys of the same people go on working.
    assert served.service.get("/v1/runs", key=served.keys[LAKEVIEW]).status == 200


@pytest.mark.parametrize("sent", [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_site_cannot_sign_anybody_in_or_out(served: Served, sent: dict[str, str]) -> None:
    answer = served.sign_in("ana@example.org", PASSWORD, headers=sent)
    assert (answer.status, answer.headers["set-cookie"]) == (403, None)
    assert served.service.request("POST", "/sign-out", headers=sent).status == 403
