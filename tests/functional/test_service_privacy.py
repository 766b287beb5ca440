"""No value that comes with a request, and nothing of a student, reaches a log, a metric or an error."""

from __future__ import annotations

import re
from urllib.parse import quote

from cis_ews.enums import Role
from cis_ews.storage.access import Grant
from serving.console.routes import console_addresses
from tests.lib.browser import Browser
from tests.lib.districts import AS_OF, LAKEVIEW
from tests.lib.people import PASSWORD, add_person
from tests.lib.service import Answer, Served

MARKER = "MARKER-7f3a-JANE-DOE"


def _flood(served: Served) -> list[str]:
    """Requests with the marker in every place where one can be put; returns the answers' bodies."""
    service, key, marker = served.service, served.keys[LAKEVIEW], quote(MARKER)
    parameters = ("school_id", "tier", "since", "cursor", "limit", "school", "key", "unknown")
    paths = [
        *(f"{path}?{name}={marker}" for path in ("/v1/scores", "/v1/runs", "/", "/sign-in") for name in parameters),
        *(f"/{marker}", f"/v1/{marker}", f"/static/{marker}", f"/tasks/night/{marker}?task_id={marker}"),
        *(f"/v1/students/{marker}/reasons", f"/v1/nights/{marker}", f"/livez?{marker}", f"/metrics?x={marker}"),
    ]
    headers = {
        **dict.fromkeys(("X-Request-ID", "Referer", "User-Agent", "Accept", "X-Forwarded-For", "traceparent"), MARKER),
        "Cookie": f"cis_ews_person={MARKER}; other={MARKER}",
    }
    answers = [service.get(path, key=key, headers=headers) for path in paths]
    answers += [service.get(path, key=MARKER) for path in paths]
    bodies: list[object] = [
        {"source": MARKER, "as_of": AS_OF},
        {"source": MARKER * 9, "as_of": MARKER},
        {"source": "lost", "as_of": AS_OF, MARKER: MARKER},
        [MARKER],
        MARKER.encode(),
        f'{{"source": "{MARKER}'.encode(),
    ]
    answers += [service.post("/v1/nights", body, key=key) for body in bodies]
    answers += [service.post(f"/tasks/night{action}", {"job_id": MARKER}) for action in ("", "/submit")]
    form = {"Content-Type": MARKER}
    answers += [service.request("POST", "/v1/nights", key=key, body=MARKER.encode(), headers=form)]
    answers += _flood_pages(served)
    answers += [served.sign_in(MARKER, MARKER), served.sign_in(MARKER, MARKER, headers={"Origin": f"http://{MARKER}"})]
    answers += [service.request(MARKER.replace("-", ""), "/v1/scores", key=key)]
    return [answer.text for answer in answers if answer.body]


def _flood_pages(served: Served) -> list[Answer]:
    """The same on the pages of the console, as an administrator, who has the most of them."""
    add_person(served.database, "flood@example.org", Grant(Role.ADMINISTRATOR))
    browser = Browser(served.service)
    browser.sign_in("flood@example.org", PASSWORD)
    marker = quote(MARKER)
    asked = ("person", "action", "since", "ref", "next", "unknown")
    paths = [
        f"{path}?{name}={marker}" for path in ("/account", "/admin", "/admin/keys", "/data-health") for name in asked
    ]
    paths += [f"/admin/people/{marker}", f"/sign-in/with/{marker}", f"/sign-in/with/{marker}/callback?code={marker}"]
    answers = [browser.get(path) for path in paths]
    answers += [browser.sign_in(MARKER, MARKER, next=MARKER, **{MARKER: MARKER})]
    forms = (
        "/account/language",
        "/account/password",
        "/admin/people",
        f"/admin/people/{marker}/{marker}",
        "/admin/keys",
    )
    fields = dict.fromkeys(("locale", "present", "new", "again", "email", "name", "role", "place", "key_id"), MARKER)
    answers += [
        browser.send("/account", path, **fields)
        for path in (*forms, "/admin/keys", "/admin/switch", "/admin/emergency")
    ]
    return answers


def test_request_values_reach_no_log_no_metric_and_no_error(served: Served) -> None:
    answers = _flood(served)
    assert len(answers) > 60
    told = [*answers, served.service.output(), served.service.get("/metrics").text]
    for text in told:
        assert MARKER not in text
        assert MARKER.replace("-", "") not in text
    assert served.service.output().count("request=") > 60


def test_students_refs_keys_and_names_stay_out_of_logs_and_metrics(served: Served) -> None:
    service = served.service
    scores = served.scores(LAKEVIEW)
    for score in scores:
        service.get(f"/v1/students/{score['ref']}/reasons", key=served.keys[LAKEVIEW])
    add_person(served.database, "looks@example.org", Grant(Role.DISTRICT_MANAGER, LAKEVIEW))
    browser = Browser(service)
    browser.sign_in("looks@example.org", PASSWORD)
    for path in ("/today", "/worklist", *(f"/students/{score['ref']}" for score in scores)):
        assert browser.get(path).status == 200
    served.service.wait_for_night(
        service.post("/v1/nights", {"source": LAKEVIEW, "as_of": AS_OF}, key=served.keys[LAKEVIEW]).json()["job_id"],
        served.keys[LAKEVIEW],
    )
    told = served.service.output() + service.get("/metrics").text
    hidden = {value for score in scores for value in (score["ref"], score["student_id"], f"Last-{score['student_id']}")}
    hidden |= {key.rpartition("_")[2] for key in served.keys.values()}
    assert {value for value in hidden if value in told} == set()
    assert 'route="/v1/students/{ref}/reasons"' in told


def test_metrics_name_a_closed_set_of_routes(served: Served) -> None:
    for number in range(30):
        served.service.get(f"/made-up-{number}")
        served.service.request(f"METHOD{number}", "/v1/scores")
    text = served.service.get("/metrics").text
    described = {"/", "/sign-in", "/sign-out", "/static/...", "/metrics", "/livez", "/readyz", "/healthz", "unknown"}
    described |= set(console_addresses())
    routes = set(re.findall(r'route="([^"]*)"', text))
    assert routes <= described | {path for path in routes if path.startswith("/v1/") and "made-up" not in path}
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER"}
    assert set(re.findall(r'method="([^"]*)"', text)) <= methods
    assert float(re.search(r"^cis_ews_data_age_days (\S+)$", text, re.MULTILINE)[1]) >= 0
