"""An Ed-Fi API as its client sees it: discovery, tokens, patience, and its refusals in plain words."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from cis_ews.errors import ConfigError, FetchError
from cis_ews.fetching.credentials import Credentials
from cis_ews.fetching.shapes import as_list, as_object
from cis_ews.fetching.web import (
    CONFLICT,
    FORBIDDEN,
    NOT_FOUND,
    OK,
    TOO_MANY,
    UNAUTHORIZED,
    WORTH_ANOTHER,
    Answer,
    PassingError,
    Web,
)
from cis_ews.readers.edfi_api_config import KEY_VARIABLE, SECRET_VARIABLE, ApiConfig

try:
    import stamina
except ModuleNotFoundError:
    raise ConfigError("Fetching from an API needs stamina", hint="pip install 'cis_ews[edfi]'") from None

STANDARDS = (4, 5, 6)
DEFAULT_LIFE = 1800
EARLY = 0.2
"""A token is renewed when so much of its life is left."""
DATA, CHANGES = "/data/v3", "/changeQueries/v1"
NAMESPACE = "ed-fi"
Params = Mapping[str, str | int]
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0
_KEPT = "what has arrived is kept: run the same command again, it goes on from there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the discovery document says. `standard`: the major version of the Data Standard."""

    data: str
    token: str
    changes: str
    standard: int
    data_standard: str
    api_version: str


@dataclass(frozen=True, slots=True)
class Versions:
    """Change versions that the server can tell of."""

    oldest: int
    newest: int


@dataclass(frozen=True, slots=True)
class Page:
    """A JSON answer and its headers; `status` is 200, or one that the caller has allowed, and then `value` is None."""

    status: int
    value: Any
    headers: Mapping[str, str]


class EdFiClient:
    """Requests with a token, from several threads at once. `retries`: attempts beyond the first ones."""

    def __init__(self, web: Web, config: ApiConfig, credentials: Credentials) -> None:
        self._web, self._config, self._credentials = web, config, credentials
        self._lock = threading.Lock()
        self._token, self._ends, self._renewals = "", 0.0, 0
        self.retries = 0
        self.server = self._discovered()

    def versions(self) -> Versions | None:
        """The change versions of now; None where the server does not count changes."""
        page = self.get(f"{self.server.changes}/availableChangeVersions", what="change versions", allow=(NOT_FOUND,))
        if page.status != OK:
            if self._config.snapshot:
                raise FetchError(
                    "There is no snapshot to read (404)",
                    hint="ask the API's host to make one, or set snapshot = false under [api]",
                )
            return None
        said = {str(name).lower(): value for name, value in _object(page.value, "change versions").items()}
        oldest, newest = said.get("oldestchangeversion"), said.get("newestchangeversion")
        if not isinstance(oldest, int) or not isinstance(newest, int):
            raise FetchError("The server does not say its change versions", hint="tell the API's host")
        return Versions(oldest, newest)

    def get(self, url: str, params: Params | None = None, *, what: str, allow: tuple[int, ...] = ()) -> Page:
        """A JSON answer. `what`: what is asked for, as a person knows it. `allow`: statuses that are no error here."""
        headers = {"Use-Snapshot": "true"} if self._config.snapshot else {}

        def once() -> Page:
            answer = self._with_token(url, params, headers)
            if answer.status in allow:
                return Page(answer.status, None, answer.headers)
            _check(answer, what)
            return Page(answer.status, _json(answer), answer.headers)

        return self._patiently(once, what)

    def _with_token(self, url: str, params: Params | None, headers: Mapping[str, str]) -> Answer:
        def with_this(token: str) -> Answer:
            return self._web.send(url, params=params, headers={**headers, "Authorization": f"Bearer {token}"})

        token = self._current()
        answer = with_this(token)
        return with_this(self._renewed(token)) if answer.status == UNAUTHORIZED else answer

    def _current(self) -> str:
        with self._lock:
            if time.monotonic() >= self._ends:
                self._renew()
            return self._token

    def _renewed(self, refused: str) -> str:
        """Another token than the one that was refused; several threads may have been refused at once."""
        with self._lock:
            if self._token == refused:
                self._renew()
            return self._token

    def _renew(self) -> None:
        basic = (self._credentials.key.get_secret_value(), self._credentials.secret.get_secret_value())

        def once() -> dict[str, Any]:
            answer = self._web.send(self.server.token, form={"grant_type": "client_credentials"}, basic=basic)
            if answer.status in (400, UNAUTHORIZED, FORBIDDEN):
                raise FetchError(
                    f"The API does not accept the key and the secret ({answer.status})",
                    hint=f"check {KEY_VARIABLE} and {SECRET_VARIABLE}, or the file of credentials, for this address: "
                    "keys are of one environment and one school year",
                    status=answer.status,
                )
            _check(answer, "a token")
            return _object(_json(answer), "a token")

        said = self._patiently(once, "a token")
        token, life = said.get("access_token"), said.get("expires_in", DEFAULT_LIFE)
        if not isinstance(token, str) or not token.isascii() or not token:
            raise FetchError("The server gives no token", hint="check that `url` is the root of an Ed-Fi API")
        seconds = float(life) if isinstance(life, int | float) and life > 0 else DEFAULT_LIFE
        self._token, self._ends = token, time.monotonic() + seconds * (1 - EARLY)
        self._renewals += 1

    def _patiently(self, once: Any, what: str) -> Any:
        """What `once` gives, after as many attempts as it takes and as are allowed."""
        attempts = self._config.attempts
        try:
            for attempt in stamina.retry_context(
                on=self._backoff,
                attempts=attempts,
                timeout=None,
                wait_initial=min(_FIRST_WAIT, self._config.longest_wait_seconds),
                wait_max=min(_LONGEST_WAIT, self._config.longest_wait_seconds),
                wait_jitter=min(_FIRST_WAIT, self._config.longest_wait_seconds),
            ):
                with attempt:
                    self.retries += attempt.num > 1
                    return once()
        except PassingError as error:
            raise FetchError(
                f"Asked for {what}: {error.said}, {attempts} times in a row",
                hint=f"{_KEPT}; if it does not pass, tell the API's host when it was",
                status=error.status,
            ) from None
        raise AssertionError  # stamina either returns or raises

    def _backoff(self, error: Exception) -> bool | float:
        if not isinstance(error, PassingError):
            return False
        if error.after is None:
            return True
        if error.after > self._config.longest_wait_seconds:
            raise FetchError(
                f"The server asks to wait for {error.after:,.0f} seconds",
                hint=f"{_KEPT}; or raise longest_wait_seconds under [api]",
                status=error.status,
            ) from None
        return error.after

    def _discovered(self) -> Server:
        page = self._patiently(self._root, "the discovery document")
        said = _object(page, "the discovery document")
        urls, version = as_object(said.get("urls")), _version_of(said.get("dataModels"))
        if urls is None or version is None:
            raise FetchError(
                "There is no discovery document of an Ed-Fi API",
                hint="`url` under [api] should be the root of the API, as https://api.district.example/api",
            )
        standard = int(version.partition(".")[0])
        if standard not in STANDARDS:
            raise FetchError(
                f"The API is of Data Standard {version}; read are {', '.join(map(str, STANDARDS))}",
                hint="ask the API's host for the address of a year with one of these",
            )
        return Server(
            data=(data := self._address(urls, "dataManagementApi")),
            token=self._address(urls, "oauth"),
            changes=self._address({"changeQueries": data.replace(DATA, CHANGES), **urls}, "changeQueries"),
            standard=standard,
            data_standard=version,
            api_version=str(said.get("version", "")),
        )

    def _root(self) -> Any:
        answer = self._web.send(self._config.url)
        _check(answer, "the discovery document")
        return _json(answer)

    def _address(self, urls: Mapping[str, Any], name: str) -> str:
        said = urls.get(name)
        if not isinstance(said, str):
            raise FetchError(f"The discovery document has no {name}", hint="check that `url` is the root of the API")
        if "{" in said:
            said = self._of_year(said, name)
        return self._web.check_trusted(said.rstrip("/"), name)

    def _of_year(self, said: str, name: str) -> str:
        before, _, rest = said.partition("{")
        placeholder, _, after = rest.partition("}")
        if "year" not in placeholder.lower() or self._config.school_year is None or "{" in after:
            raise FetchError(
                f"The API has several addresses: {name} has a place for {placeholder!r}",
                hint="give the root of one of them as `url` under [api], or the year as `school_year`",
            )
        return f"{before}{self._config.school_year}{after}"


def _version_of(models: Any) -> str | None:
    """The version of the model Ed-Fi itself; others are extensions."""
    for model in map(as_object, as_list(models) or []):
        if model and str(model.get("name", "")).lower() == NAMESPACE:
            version = str(model.get("version", ""))
            return version if re.fullmatch(r"\d{1,3}(\.[\w.-]{1,20})?", version, re.ASCII) else None
    return None


def _check(answer: Answer, what: str) -> None:
    """Raise whatever an answer that is none calls for."""
    status = answer.status
    if status == OK:
        return
    if status in WORTH_ANOTHER:
        said = "the server has too much to do" if status == TOO_MANY else "the server fails"
        raise PassingError(f"{said} ({status})", after=_retry_after(answer), status=status)
    found, hint = _REFUSALS.get(status, ("the server does not answer as it should", "tell the API's host"))
    raise FetchError(f"Asked for {what}: {found} ({status})", hint=hint, status=status)


_REFUSALS = {
    400: ("the server does not take the request", "set a smaller page_size under [api], or paging to offset"),
    UNAUTHORIZED: ("the server does not accept its own token", "tell the API's host"),
    FORBIDDEN: ("the key may not read it", "ask the API's host for a claim set with the action Read on it"),
    NOT_FOUND: ("there is no such thing", "check `url` under [api]; for a snapshot, ask the API's host to make one"),
    CONFLICT: ("it is in conflict with something else", "run the same command again later"),
}


def _retry_after(answer: Answer) -> float | None:
    """The seconds that an answer asks to wait, said as seconds or as a date (RFC 9110, section 10.2.3)."""
    said = answer.headers.get("retry-after", "")
    if said.isascii() and said.isdecimal() and len(said) < 9:
        return float(said)
    try:
        # By the server's own clock, where it says it: this one may be wrong.
        now = parsedate_to_datetime(answer.headers["date"]) if "date" in answer.headers else datetime.now(UTC)
        return max(0.0, (parsedate_to_datetime(said) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        said = "a page of HTML" if "html" in kind else "something else"
        raise PassingError(f"the server answers with {said} in the place of JSON") from None


def _object(value: Any, what: str) -> dict[str, Any]:
    found = as_object(value)
    if found is None:
        raise FetchError(f"Asked for {what}: the server answers with other JSON", hint="check `url` under [api]")
    return found
