"""A provider of OpenID Connect as a process of its own: discovery, code flow with PKCE, RS256, and faults on demand.

    python -m tests.lib.oidc_provider PORT

It signs in whoever `POST /faults` names and checks what a client has to send; the faults tell what it then says wrong.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvicorn
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "cis-ews-tests", "a secret of the client"
OWN, FOREIGN = RSAKey.generate_key(2048, {"kid": "own"}), RSAKey.generate_key(2048, {"kid": "own"})
NEWER = RSAKey.generate_key(2048, {"kid": "newer"})


def make_application(issuer: str) -> Starlette:
    """The provider; `faults` are changes of what it does and says."""
    codes: dict[str, dict[str, str]] = {}
    faults: dict[str, Any] = {}

    async def describe(_: Request) -> Response:
        told = {
            "issuer": faults.get("issuer", issuer),
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }
        return JSONResponse(told)

    async def authorize(request: Request) -> Response:
        sent = dict(request.query_params)
        right = sent.get("client_id") == CLIENT_ID and sent.get("response_type") == "code"
        if not (right and "openid" in sent["scope"] and sent.get("code_challenge_method") == "S256"):
            return JSONResponse({"error": "invalid_request"}, status_code=400)
        code = secrets.token_urlsafe(16)
        codes[code] = sent
        answer = {"code": code, "state": faults.get("state", sent["state"]), **faults.get("answer", {})}
        return RedirectResponse(f"{sent['redirect_uri']}?{urllib.parse.urlencode(answer)}", status_code=303)

    async def token(request: Request) -> Response:
        form = dict(urllib.parse.parse_qsl((await request.body()).decode()))
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        asked = codes.pop(form.get("code", ""), None)
        if request.headers.get("authorization") != f"Basic {basic}" or asked is None:
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenge != asked["code_challenge"] or form.get("redirect_uri") != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        access = secrets.token_urlsafe(16)
        answer = {"access_token": access, "token_type": "Bearer", "id_token": _id_token(issuer, asked, faults)}
        return JSONResponse({name: value for name, value in answer.items() if name not in faults.get("without", ())})

    async def keys(_: Request) -> Response:
        shown = NEWER if faults.get("key") == "newer" else OWN
        return JSONResponse({"keys": [shown.as_dict(private=False)]})

    async def set_faults(request: Request) -> Response:
        faults.clear()
        faults.update(json.loads(await request.body()))
        return JSONResponse({})

    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", describe),
            Route("/authorize", authorize),
            Route("/token", token, methods=["POST"]),
            Route("/keys", keys),
            Route("/faults", set_faults, methods=["POST"]),
        ]
    )


def _id_token(issuer: str, asked: dict[str, str], faults: dict[str, Any]) -> str:
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": CLIENT_ID,
        "sub": "subject-1",
        "iat": now,
        "exp": now + 300,
        "nonce": asked["nonce"],
        "email_verified": True,
        **faults.get("claims", {}),
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    match faults.get("key"):
        case "none":
            header, body = ({"alg": "none", "typ": "JWT"}, claims)
            return ".".join([*(_part(each) for each in (header, body)), ""])
        case "shared":
            # The attack on a client that takes the algorithm from the token: the public key as the shared secret.
            secret = OctKey.import_key(OWN.as_pem(private=False))
            return jwt.encode({"alg": "HS256", "kid": "own"}, claims, secret, algorithms=["HS256"])
        case "foreign":
            return jwt.encode({"alg": "RS256", "kid": "own"}, claims, FOREIGN)
        case "newer":
            return jwt.encode({"alg": "RS256", "kid": "newer"}, claims, NEWER)
        case _:
            return jwt.encode({"alg": "RS256", "kid": "own"}, claims, OWN)


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@dataclass(frozen=True)
class StartedProvider:
    """The process, by its address."""

    url: str

    def set(self, **faults: Any) -> None:
        """From now on do and say this."""
        request = urllib.request.Request(f"{self.url}/faults", data=json.dumps(faults).encode(), method="POST")  # noqa: S310
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()


@contextmanager
def oidc_provider(port: int) -> Generator[StartedProvider]:
    """A provider that is ready, until the end of the block."""
    process = subprocess.Popen([sys.executable, "-m", "tests.lib.oidc_provider", str(port)])
    started = StartedProvider(f"http://127.0.0.1:{port}")
    try:
        end = time.monotonic() + 30
        while time.monotonic() < end and process.poll() is None:
            with suppress(OSError):
                started.set()
                break
            time.sleep(0.1)
        else:
            raise AssertionError("the provider did not start")
        yield started
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    chosen = int(sys.argv[1])
    uvicorn.run(make_application(f"http://127.0.0.1:{chosen}"), host="127.0.0.1", port=chosen, log_level="warning")
