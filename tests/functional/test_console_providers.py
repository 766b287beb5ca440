"""Signing in by a provider: the started service and a provider that is a process of its own."""

from __future__ import annotations

import re
import time
import urllib.parse
from collections.abc import Generator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from cis_ews.enums import Role
from cis_ews.errors import ConfigError
from cis_ews.settings import ProviderSettings, ServiceSettings
from cis_ews.storage.access import Grant
from cis_ews.storage.database import Database
from cis_ews.storage.store import RunStore
from serving.console.providers import Flows, providers_of
from tests.lib.browser import Browser
from tests.lib.districts import LAKEVIEW
from tests.lib.oidc_provider import CLIENT_ID, CLIENT_SECRET, StartedProvider, oidc_provider
from tests.lib.people import add_person
from tests.lib.service import Answer, Service, free_port, prepare_two_districts, serving

_numbers = count()
LEAVE = "/sign-in/with/school?next=/account"


@dataclass(frozen=True)
class Signing:
    """The service, the provider, and a person whom both know."""

    service: Service
    provider: StartedProvider
    database: Database

    def person(self) -> tuple[str, str]:
        """Somebody with an account: e-mail address and a subject at the provider."""
        number = next(_numbers)
        email = f"person-{number}@example.org"
        add_person(self.database, email, Grant(Role.COORDINATOR, LAKEVIEW, "north"))
        return email, f"subject-{number}"

    def go(self, browser: Browser, leave: str = LEAVE) -> str:
        """Out to the provider; the address that it sends the browser back to."""
        address = browser.get(leave).headers["location"]
        assert address.startswith(self.provider.url)
        back = Browser(Service(self.service.process, self.provider.url, self.service.log)).get(
            address.removeprefix(self.provider.url)
        )
        assert back.status == 303, back.text
        return str(back.headers["location"]).removeprefix(self.service.url)

    def round_trip(self, browser: Browser) -> Answer:
        """Out and back."""
        return browser.get(self.go(browser))


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Generator[Signing]:
    """Both processes."""
    folder = tmp_path_factory.mktemp("providers")
    port, at = free_port(), free_port()
    settings = (
        prepare_two_districts(folder)
        + f"""
[service]
public_url = "http://127.0.0.1:{port}"
[providers.school]
kind = "other"
client_id = "{CLIENT_ID}"
client_secret = "{CLIENT_SECRET}"
issuer = "http://127.0.0.1:{at}"
label = "Lakeview <schools>"
"""
    )
    with (
        Database(RunStore(folder / "store").database_url) as database,
        oidc_provider(at) as provider,
        serving(folder, settings=settings, port=port) as service,
    ):
        yield Signing(service, provider, database)


@pytest.fixture
def browser(signing: Signing) -> Browser:
    """A browser of nobody yet; the provider is as it should be."""
    signing.provider.set()
    return Browser(signing.service)


def test_a_person_with_an_account_comes_in_and_is_known_by_the_subject_from_then_on(
    signing: Signing, browser: Browser
) -> None:
    assert "Sign in with Lakeview &lt;schools&gt;" in browser.get("/sign-in").text
    email, subject = signing.person()
    signing.provider.set(claims={"sub": subject, "email": email.upper()})
    answer = signing.round_trip(browser)
    assert (answer.status, answer.headers["location"]) == (303, "/account")
    assert email in browser.get("/account").text
    assert not [name for name in browser.cookies if "flow" in name]
    # The address may change, and even be another person's: the subject decides.
    signing.provider.set(claims={"sub": subject, "email": "somebody.else@example.org"})
    again = Browser(signing.service)
    assert signing.round_trip(again).status == 303
    assert email in again.get("/account").text


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "nobody@example.org"},
        {"email": None},
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
    ],
)
def test_nobody_comes_in_without_an_account_that_the_provider_vouches_for(
    signing: Signing, browser: Browser, claims: dict[str, object]
) -> None:
    email, subject = signing.person()
    signing.provider.set(claims={"sub": subject, "email": email, **claims})
    answer = signing.round_trip(browser)
    assert answer.status == 403
    assert "Ask your administrator for an account" in answer.text
    assert browser.get("/account").status == 303


def test_an_account_is_not_taken_over_by_another_subject_with_its_address(signing: Signing, browser: Browser) -> None:
    email, subject = signing.person()
    signing.provider.set(claims={"sub": subject, "email": email})
    assert signing.round_trip(browser).status == 303
    signing.provider.set(claims={"sub": f"{subject}-other", "email": email})
    assert signing.round_trip(Browser(signing.service)).status == 403


def test_a_closed_account_stays_closed(signing: Signing, browser: Browser) -> None:
    email, subject = signing.person()
    signing.provider.set(claims={"sub": subject, "email": email})
    signing.round_trip(browser)
    person = signing.database.people.by_email(email)
    assert person is not None
    signing.database.people.disable(person.person_id)
    assert browser.get("/account").status == 303
    assert signing.round_trip(Browser(signing.service)).status == 403


NOW = int(time.time())


@pytest.mark.parametrize(
    "faults",
    [
        {"claims": {"nonce": "another"}},
        {"claims": {"nonce": None}},
        {"claims": {"iss": "https://elsewhere.example"}},
        {"claims": {"iss": None}},
        {"claims": {"aud": "another client"}},
        {"claims": {"aud": ["another client"], "azp": CLIENT_ID}},
        {"claims": {"aud": "another client", "azp": CLIENT_ID}},
        {"claims": {"aud": None}},
        {"claims": {"aud": [CLIENT_ID, "another client"], "azp": "another client"}},
        {"claims": {"exp": NOW - 600, "iat": NOW - 900}},
        {"claims": {"exp": None}},
        {"claims": {"nbf": NOW + 86_400}},
        {"claims": {"iat": NOW + 86_400}},
        {"claims": {"sub": None}},
        {"claims": {"sub": ""}},
        {"claims": {"sub": 7}},
        {"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
        {"key": "foreign"},
        {"key": "none"},
        {"key": "shared"},
        {"without": ["id_token"]},
        {"answer": {"iss": "https://elsewhere.example"}},
        {"answer": {"error": "access_denied"}},
        {"answer": {"code": "another"}},
        {"answer": {"code": ""}},
        {"state": "another"},
        {"state": ""},
    ],
    # Workers that collect in different seconds have to find the same tests.
    ids=lambda faults: re.sub(r"\d{9,}", "then", str(faults)),
)
def test_what_does_not_hold_lets_nobody_in(signing: Signing, browser: Browser, faults: dict[str, Any]) -> None:
    email, subject = signing.person()
    claims = {"sub": subject, "email": email}
    signing.provider.set(claims=claims)
    back = Browser(signing.service)
    assert signing.round_trip(back).status == 303  # the same person comes in where nothing is wrong
    signing.provider.set(**{**faults, "claims": {**claims, **faults.get("claims", {})}})
    answer = signing.round_trip(browser)
    assert answer.status == 401
    assert "did not hold" in answer.text
    assert browser.get("/account").status == 303
    assert email not in signing.service.output()


def test_a_provider_may_change_its_keys(signing: Signing, browser: Browser) -> None:
    email, subject = signing.person()
    claims = {"sub": subject, "email": email}
    for key in ("own", "newer", "own"):
        signing.provider.set(claims=claims, key=key)
        assert signing.round_trip(Browser(signing.service)).status == 303


def test_an_answer_is_of_the_browser_that_asked_and_of_one_use(signing: Signing, browser: Browser) -> None:
    email, subject = signing.person()
    signing.provider.set(claims={"sub": subject, "email": email})
    back = signing.go(browser)
    # Somebody else is sent the link (login CSRF): there is no sign-in in that browser.
    assert Browser(signing.service).get(back).status == 401
    cookies = dict(browser.cookies)
    assert browser.get(back).status == 303
    assert Browser(signing.service, cookies).get(back).status == 401


def test_a_sign_in_that_was_begun_with_one_provider_is_not_ended_by_another(signing: Signing, browser: Browser) -> None:
    assert browser.get("/sign-in/with/nobody").status == 404
    back = signing.go(browser)
    assert browser.get(back.replace("/school/", "/nobody/")).status == 404


def test_the_way_out_carries_what_binds_the_way_back_and_no_secret(signing: Signing, browser: Browser) -> None:
    answer = browser.get(LEAVE)
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer.headers["location"]).query))
    assert {asked[name] for name in ("response_type", "code_challenge_method")} == {"code", "S256"}
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert all(len(asked[name]) >= 32 for name in ("state", "nonce", "code_challenge"))
    assert asked["redirect_uri"] == f"{signing.service.url}/sign-in/with/school/callback"
    assert CLIENT_SECRET not in answer.headers["location"]
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert not any(asked[name] in cookie for name in ("state", "nonce"))


def test_no_way_back_leads_to_another_site(signing: Signing, browser: Browser) -> None:
    email, subject = signing.person()
    signing.provider.set(claims={"sub": subject, "email": email})
    back = signing.go(browser, "/sign-in/with/school?next=https://elsewhere.example")
    assert browser.get(back).headers["location"] == "/"


def test_a_flow_ends_by_itself() -> None:
    for seconds, is_known in ((60.0, True), (0.0, False)):
        flows = Flows(seconds=seconds, remember=2)
        key, flow = flows.begin("school", next="/")
        assert (flows.end(key) == flow) is is_known
        assert flows.end(key) is None
    flows = Flows(remember=2)
    keys = [flows.begin("school", next="/")[0] for _ in range(3)]
    assert [flows.end(key) is not None for key in keys] == [False, True, True]


def _settings(**given: Any) -> ProviderSettings:
    return ProviderSettings.model_validate({"client_id": "c", "client_secret": "s", **given})


def test_presets_know_their_issuer_and_the_others_have_to_be_told() -> None:
    service = ServiceSettings(public_url="https://ews.example.org")
    tenant = "https://login.microsoftonline.com/0000/v2.0"
    made = providers_of(
        {
            "g": _settings(kind="google"),
            "c": _settings(kind="clever"),
            "m": _settings(kind="microsoft", issuer=tenant, label="School account"),
        },
        service,
    )
    assert {name: (each.issuer, each.label) for name, each in made.items()} == {
        "g": ("https://accounts.google.com", "Google"),
        "c": ("https://clever.com", "Clever"),
        "m": (tenant, "School account"),
    }
    for wrong in (
        _settings(kind="microsoft"),
        _settings(kind="other"),
        _settings(kind="other", issuer="http://x.example"),
    ):
        with pytest.raises(ConfigError, match=r"providers\.x\.issuer"):
            providers_of({"x": wrong}, service)
    with pytest.raises(ConfigError, match=r"service\.public_url"):
        providers_of({"g": _settings(kind="google")}, ServiceSettings())
