"""Requests to one server: TLS verified, nothing sent elsewhere, whole answers within bounds of time and size.

What a person may be told of a failure is said here, and what is worth another attempt is told apart. No query of an
address, no header and no byte of an answer ever stands in a message.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from cis_ews.errors import ConfigError, FetchError
from cis_ews.readers.edfi_api_config import is_loopback, is_safe

try:
    import httpx2
except ModuleNotFoundError:
    raise ConfigError("Fetching from an API needs httpx2", hint="pip install 'cis_ews[edfi]'") from None

LARGEST_ANSWER = 64 << 20
MOST_REDIRECTS = 3
WHOLE_ANSWER = 5
"""A whole answer may take so many times as long as a silence in it."""
OK, FORBIDDEN, NOT_FOUND, CONFLICT, TOO_MANY = 200, 403, 404, 409, 429
UNAUTHORIZED = 401
WORTH_ANOTHER = frozenset({408, TOO_MANY, 500, 502, 503, 504})


class PassingError(Exception):
    """A failure that may pass. `said`: what to tell if it does not; `after`: seconds that the server asks to wait."""

    def __init__(self, said: str, *, after: float | None = None, status: int | None = None) -> None:
        super().__init__(said)
        self.said = said
        self.after = after
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


class Web:
    """A pool of connections to the hosts of one configuration."""

    def __init__(self, root: str, *, hosts: Collection[str], ca_bundle: Path | None, timeout: float) -> None:
        self._root, self._hosts, self._timeout = root, frozenset(hosts), timeout
        self._client = httpx2.Client(
            verify=_trust(ca_bundle),
            # A proxy of the machine has no business with what does not leave it.
            trust_env=not is_loopback(root),
            timeout=timeout,
            headers={"Accept": "application/json", "User-Agent": "cis-ews"},
        )
        self.requests = 0

    def __enter__(self) -> Web:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def check_trusted(self, url: str, what: str) -> str:
        """An address that the server names, if it may be asked. Raises FetchError where it leads elsewhere."""
        scheme, host, _ = origin(url)
        if not is_safe(url) or (origin(url) != origin(self._root) and host not in self._hosts):
            raise FetchError(
                f"The API names another place as its {what}: {scheme}://{host}",
                hint="ask its host whether that is right; if so, add the name to `hosts` under [api] (https only)",
            )
        return url

    def send(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
        form: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
    ) -> Answer:
        """A GET, or the POST of a form. Redirects within the server are followed, others refused.

        Raises PassingError, and FetchError where another attempt would end as this one.
        """
        request = self._client.build_request(
            "GET" if form is None else "POST", url, headers=dict(headers or {}), params=params, data=form
        )
        for _ in range(MOST_REDIRECTS + 1):
            answer, moved_to = self._whole(request, basic)
            if moved_to is None:
                return answer
            if origin(moved_to) != origin(url):
                raise _elsewhere(origin(moved_to)[1])
            request = self._client.build_request(request.method, moved_to, headers=dict(headers or {}), data=form)
        raise _elsewhere("another address of its own, again and again")

    def _whole(self, request: httpx2.Request, basic: tuple[str, str] | None) -> tuple[Answer, str | None]:
        self.requests += 1
        try:
            response = self._client.send(request, stream=True, auth=basic)
            try:
                body = self._body(response)
            finally:
                response.close()
        except httpx2.TimeoutException:
            raise PassingError(f"nothing came for {self._timeout:g} seconds") from None
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            _refuse_untrusted(error)
            said = "cannot be reached" if isinstance(error, httpx2.ConnectError) else "the answer was cut off"
            raise PassingError(said) from None
        except httpx2.InvalidURL:
            raise FetchError("The server names an address that is none", hint="tell its host") from None
        moved_to = None if response.next_request is None else str(response.next_request.url)
        return Answer(response.status_code, dict(response.headers), body), moved_to

    def _body(self, response: httpx2.Response) -> bytes:
        end = time.monotonic() + WHOLE_ANSWER * self._timeout
        parts: list[bytes] = []
        length = 0
        for part in response.iter_bytes():
            parts.append(part)
            length += len(part)
            if length > LARGEST_ANSWER:
                raise FetchError(
                    f"An answer is larger than {LARGEST_ANSWER >> 20} MiB", hint="set a smaller page_size under [api]"
                )
            if time.monotonic() > end:
                raise PassingError(f"an answer took longer than {WHOLE_ANSWER * self._timeout:g} seconds")
        return b"".join(parts)


def _elsewhere(where: str) -> FetchError:
    return FetchError(
        f"The server sends requests on to {where}",
        hint="give the address where the API itself is, as its host names it",
    )


def _trust(ca_bundle: Path | None) -> ssl.SSLContext | bool:
    if ca_bundle is None:
        return True
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ssl.SSLError):
        raise ConfigError(
            f"{ca_bundle} is no file of certificates", hint="name one in PEM under [api] ca_bundle"
        ) from None


def _refuse_untrusted(error: BaseException) -> None:
    """A certificate that is not trusted today is not trusted in a minute."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise FetchError(
                "The certificate of the server is not trusted",
                hint="if it is of the district's own authority, name that one's certificates under [api] ca_bundle",
            ) from None
        cause = cause.__cause__ or cause.__context__
