"""Compresses what is sent, but for the pages that another site had a browser ask for.

A page that holds a secret beside something that its address said tells the secret by its length, once it is compressed:
whoever can put guesses into the address, again and again, and see how long the answers are, reads letter by letter the
token of a form or the name of a student (BREACH, CVE-2013-3587). The guesses come from another site, through the
browser of somebody who has signed in. Browsers say in Sec-Fetch-Site where a request comes from, through every
redirect, and no page can say otherwise; so a page is compressed where our own pages or the person asked for it, and
sent as it is where another site did, or where an older browser does not say.
Files of `/static` hold no secret, and are always compressed.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

FILES = "/static/"
LEAST = 1_000
"""Bytes from which it is worth it."""
LEVEL = 6
"""Within a hundredth of the shortest, in three quarters of the time."""


class Compression:
    """ASGI middleware of the mounted application."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(app, minimum_size=LEAST, compresslevel=LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, compressed where that tells nobody anything and the client can read it."""
        chosen = self._compressed if scope["type"] == "http" and may_compress(scope) else self._plain
        await chosen(scope, receive, send)


def may_compress(scope: Scope) -> bool:
    """Whether the length of the compressed answer tells no other site anything."""
    own = Headers(scope=scope).get("sec-fetch-site") in ("same-origin", "none")
    return own or str(scope["path"]).startswith(FILES)
