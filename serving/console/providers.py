"""Providers of sign-ins: OpenID Connect by the code flow with PKCE; what a provider says is checked, not believed.

Only whoever has an account gets in: the first time by the e-mail address, from then on by the provider's own subject.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from cis_ews.errors import ConfigError
from cis_ews.settings import ProviderSettings, ServiceSettings

ISSUERS = {"google": "https://accounts.google.com", "clever": "https://clever.com"}
LABELS = {"google": "Google", "microsoft": "Microsoft", "clever": "Clever", "other": "OpenID Connect"}
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384"]
"""Signatures that take the provider's private key: `none`, and whatever we could sign ourselves, is not among them."""
SECONDS = 10.0
LEEWAY = 60
DISCOVERY = "/.well-known/openid-configuration"
_KEPT_SECONDS = 3600.0


class SignInRefusedError(Exception):
    """A sign-in by a provider that did not hold; the text says which check it was, and never what was sent."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a provider says that somebody is. `email` is None unless it may be relied on."""

    issuer: str
    subject: str
    email: str | None


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in that has begun: what has to come back, and to whom."""

    provider: str
    state: str
    nonce: str
    verifier: str
    next: str
    begun: float


class Flows:
    """The sign-ins that are under way; each can be ended once, from the browser in which it began."""

    def __init__(self, *, seconds: float = 600.0, remember: int = 4096) -> None:
        self._seconds = seconds
        self._remember = remember
        self._flows: OrderedDict[str, Flow] = OrderedDict()
        self._lock = Lock()

    def begin(self, provider: str, *, next: str) -> tuple[str, Flow]:  # noqa: A002
        """A new flow, and the secret that the browser keeps meanwhile."""
        made = Flow(provider, *(secrets.token_urlsafe(32) for _ in range(3)), next=next, begun=time.monotonic())
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._flows[key] = made
            while len(self._flows) > self._remember:
                self._flows.popitem(last=False)
        return key, made

    def end(self, key: str | None) -> Flow | None:
        """The flow that the browser's secret stands for, unless it has ended."""
        with self._lock:
            found = self._flows.pop(key or "", None)
        return found if found is not None and time.monotonic() - found.begun < self._seconds else None


class Provider:
    """One provider as it is set up."""

    def __init__(self, name: str, settings: ProviderSettings, *, public_url: str) -> None:
        self.name = name
        self.label = settings.label or LABELS[settings.kind]
        self.issuer = settings.issuer or ISSUERS.get(settings.kind, "")
        if not self.issuer or not _is_safe(self.issuer):
            raise ConfigError(
                f"Setting providers.{name}.issuer is missing or not https", hint="the provider's documents name it"
            )
        self._settings = settings
        self._redirect_uri = f"{public_url}/sign-in/with/{name}/callback"
        self._metadata: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._read_at = 0.0

    async def address(self, flow: Flow) -> str:
        """Where to send a browser. Raises SignInRefusedError where the provider cannot be asked."""
        metadata = await self._described()
        async with self._client() as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"], state=flow.state, nonce=flow.nonce, code_verifier=flow.verifier
            )
        return cast("str", url)

    async def identity(self, flow: Flow, parameters: Mapping[str, str]) -> Identity:
        """Who has come back. Raises SignInRefusedError where anything is not as it has to be."""
        if not secrets.compare_digest(parameters.get("state", "").encode(), flow.state.encode()):
            raise SignInRefusedError("the state is another one")
        if parameters.get("iss", self.issuer) != self.issuer:
            raise SignInRefusedError("the answer is of another issuer")
        if "error" in parameters or not parameters.get("code"):
            raise SignInRefusedError("the provider gave no code")
        try:
            token = await self._exchanged(parameters["code"], flow)
            claims = await self._claims(token, flow)
        except (OAuthError, JoseError, httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
            raise SignInRefusedError(f"the token does not hold: {type(error).__name__}") from None
        is_relied_on = claims.get("email_verified") is True or self._settings.trust_email
        email = claims.get("email") if is_relied_on else None
        return Identity(self.issuer, claims["sub"], email if isinstance(email, str) else None)

    def _client(self) -> Any:
        return AsyncOAuth2Client(
            client_id=self._settings.client_id,
            client_secret=self._settings.client_secret.get_secret_value(),
            scope="openid email profile",
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            timeout=SECONDS,
            follow_redirects=False,
        )

    async def _exchanged(self, code: str, flow: Flow) -> Mapping[str, Any]:
        metadata = await self._described()
        async with self._client() as client:
            return await client.fetch_token(metadata["token_endpoint"], code=code, code_verifier=flow.verifier)

    async def _claims(self, token: Mapping[str, Any], flow: Flow) -> Mapping[str, Any]:
        decoded = await self._decoded(str(token["id_token"]))
        asked = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self._settings.client_id},
            "sub": {"essential": True},
            "nonce": {"essential": True, "value": flow.nonce},
        }
        known = {"client_id": self._settings.client_id, "access_token": token.get("access_token"), "nonce": flow.nonce}
        claims: Any = CodeIDToken(decoded.claims, decoded.header, asked, known)
        claims.validate(now=int(time.time()), leeway=LEEWAY)
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise ValueError("no subject")
        return claims

    async def _decoded(self, text: str) -> jwt.Token:
        try:
            return jwt.decode(text, await self._key_set(), algorithms=ALGORITHMS)
        except (InvalidKeyIdError, ValueError):  # the provider has new keys
            return jwt.decode(text, await self._key_set(anew=True), algorithms=ALGORITHMS)

    async def _described(self) -> dict[str, Any]:
        """What the provider says of itself, read anew every hour."""
        if not self._metadata or time.monotonic() - self._read_at > _KEPT_SECONDS:
            found = await self._read(self.issuer.rstrip("/") + DISCOVERY)
            if found.get("issuer") != self.issuer:
                raise SignInRefusedError("the provider calls itself by another name")
            if not all(_is_safe(found.get(name)) for name in _ENDPOINTS):
                raise SignInRefusedError("the provider names an address that is not https")
            self._metadata, self._keys, self._read_at = found, None, time.monotonic()
        return self._metadata

    async def _key_set(self, *, anew: bool = False) -> KeySet:
        if self._keys is None or anew:
            found = await self._read((await self._described())["jwks_uri"])
            # Whoever could hand us a secret key as a public one could sign: only keys of two halves are taken.
            keys = [key for key in found.get("keys", ()) if key.get("kty") in ("RSA", "EC")]
            self._keys = KeySet.import_key_set({"keys": keys})
        return self._keys

    async def _read(self, url: str) -> dict[str, Any]:
        try:
            async with httpx2.AsyncClient(timeout=SECONDS, follow_redirects=False) as client:
                answer = await client.get(url)
                answer.raise_for_status()
                return cast("dict[str, Any]", answer.json())
        except (httpx2.HTTPError, ValueError) as error:
            raise SignInRefusedError(f"the provider cannot be asked: {type(error).__name__}") from None


_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


def providers_of(settings: Mapping[str, ProviderSettings], service: ServiceSettings) -> dict[str, Provider]:
    """The providers that are set up. Raises ConfigError where one cannot be used."""
    if settings and service.public_url is None:
        raise ConfigError(
            "Providers of sign-ins need the setting service.public_url", hint="the address in people's browsers"
        )
    return {name: Provider(name, each, public_url=service.public_url or "") for name, each in settings.items()}


def _is_safe(url: object) -> bool:
    """https, or this machine itself."""
    parts = urlsplit(url) if isinstance(url, str) else None
    return parts is not None and (parts.scheme == "https" or parts.hostname in ("127.0.0.1", "localhost"))
