"""What a school system reads and asks for, over HTTP on the started service."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from tests.lib.districts import AS_OF, HARBOR, LAKEVIEW
from tests.lib.service import Served

UNKNOWN = "0" * 32


def test_pages_hold_every_score_once(served: Served) -> None:
    key, cursor, refs = served.keys[LAKEVIEW], "", []
    while True:
        page = served.service.get(f"/v1/scores?limit=5{cursor}", key=key).json()
        assert len(page["scores"]) <= 5
        refs += [score["ref"] for score in page["scores"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(refs) == len(set(refs)) == 24
    assert refs == sorted(refs)


def test_a_score_says_tier_rule_and_version(served: Served) -> None:
    (score,) = served.scores(LAKEVIEW, "&school_id=north&tier=3")
    assert score["student_id"] == "north-000"
    assert score["tier_reason"].startswith("Tier 3: ")
    assert score["risk"] is None
    assert re.fullmatch(r"rules-[0-9a-f]{12}", score["model_version"])
    assert re.fullmatch(r"[0-9a-f]{32}", score["ref"])


def test_filters_by_school_and_tier(served: Served) -> None:
    everyone = served.scores(LAKEVIEW)
    by_tier = {tier: served.scores(LAKEVIEW, f"&tier={tier}") for tier in ("1", "2", "3", "not_enough_data")}
    assert sum(map(len, by_tier.values())) == len(everyone)
    assert {score["tier"] for score in by_tier["2"]} == {2}
    assert all(score["abstained"] and score["tier"] is None for score in by_tier["not_enough_data"])
    assert {score["school_id"] for score in served.scores(LAKEVIEW, "&school_id=south")} == {"south"}
    assert served.scores(LAKEVIEW, "&school_id=nowhere") == []


def test_since_gives_what_changed(served: Served) -> None:
    page = served.service.get("/v1/scores", key=served.keys[LAKEVIEW]).json()
    assert len(served.scores(LAKEVIEW, f"&since={quote(page['published_at'])}")) == 24
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert served.scores(LAKEVIEW, f"&since={quote(later)}") == []


def test_reasons_and_strengths_are_ranked_sentences(served: Served) -> None:
    (score,) = served.scores(LAKEVIEW, "&school_id=north&tier=3")
    told = served.service.get(f"/v1/students/{score['ref']}/reasons", key=served.keys[LAKEVIEW]).json()
    assert told["score"] == score
    assert told["as_of"] == AS_OF
    assert told["reasons"][0]["sentence"].startswith("Missed ")
    assert told["strengths"]
    for side in ("reasons", "strengths"):
        assert [entry["rank"] for entry in told[side]] == list(range(1, len(told[side]) + 1))


def test_runs_count_the_students_of_the_district(served: Served) -> None:
    runs = served.service.get("/v1/runs", key=served.keys[HARBOR]).json()["runs"]
    current = [run for run in runs if run["is_current"]]
    assert [(run["as_of"], run["students"]) for run in current] == [(AS_OF, 12)]


def test_a_night_is_asked_for_and_watched(served: Served) -> None:
    key = served.keys[LAKEVIEW]
    answer = served.service.post("/v1/nights", {"source": LAKEVIEW, "as_of": "2026-02-20"}, key=key)
    assert answer.status == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/nights/{job['job_id']}"
    ended = served.service.wait_for_night(job["job_id"], key)
    assert (ended["status"], ended["error_code"]) == ("done", None)
    assert ended["run_id"] in {run["run_id"] for run in served.service.get("/v1/runs", key=key).json()["runs"]}
    # An older as-of date never replaces a newer one.
    assert served.service.get("/v1/scores", key=key).json()["as_of"] == AS_OF


def test_a_night_of_a_day_to_come_is_refused(served: Served) -> None:
    """Its run would be the newest, and no night until then would be shown."""
    later = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    answer = served.service.post("/v1/nights", {"source": LAKEVIEW, "as_of": later}, key=served.keys[LAKEVIEW])
    assert (answer.status, answer.error["code"]) == (409, "conflict")
    assert later not in answer.text


def test_a_night_that_fails_says_why_without_the_place_of_the_source(served: Served) -> None:
    key = served.keys[LAKEVIEW]
    asked = served.service.post("/v1/nights", {"source": "lost", "as_of": AS_OF}, key=key).json()
    ended = served.service.wait_for_night(asked["job_id"], key)
    assert (ended["status"], ended["error_code"]) == ("failed", "data_unreadable")
    assert str(served.folder) not in ended["error_message"]


def test_the_source_of_a_night_is_a_name_and_never_a_path(served: Served) -> None:
    key = served.keys[LAKEVIEW]
    for source, status in (("unknown", 404), (str(served.folder), 422), ("../extract", 422), ("", 422)):
        assert served.service.post("/v1/nights", {"source": source, "as_of": AS_OF}, key=key).status == status


def test_what_is_not_there_is_404(served: Served) -> None:
    key = served.keys[LAKEVIEW]
    for path in (f"/v1/students/{UNKNOWN}/reasons", f"/v1/nights/{UNKNOWN}"):
        answer = served.service.get(path, key=key)
        assert (answer.status, answer.error["code"]) == (404, "not_found")
