"""What lets a request in: a district's key, which programs send as a bearer token, and how many attempts there may be.

Everything is closed unless it is named in `OPEN`. A key belongs to one district, and every query is made with the
district of the key: there is no way to name another one. People have sessions of their own (`console/cookies.py`).
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from threading import Lock

from starlette.datastructures import Headers

from serving.errors import ApiError

OPEN = frozenset(
    {
        *("/livez", "/readyz", "/healthz", "/metrics"),
        *("/v1/health", "/v1/openapi.json"),
        *("/static/...", "/sign-in", "/sign-out", "/sign-in/with/{provider}", "/sign-in/with/{provider}/callback"),
    }
)
KEY = re.compile(r"cisews_(?P<key_id>[0-9a-f]{12})_[0-9a-f]{64}", re.ASCII)
WRONG_KEY = "This key is not known, or was revoked"
TOO_FAST = "Too many pages at once"


def bearer(headers: Headers) -> str:
    """The key of the Authorization header."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise ApiError(401, headers={"www-authenticate": "Bearer"})
    return text.strip()


def wrong_key() -> ApiError:
    """The answer to a key that does not fit."""
    challenge = {"www-authenticate": "Bearer"}
    return ApiError(401, WRONG_KEY, code="key_wrong", hint="ask your administrator for one", headers=challenge)


class Attempts:
    """Wrong secrets for one key id from one address: after `limit` in `seconds`, that pair has to wait.

    Counting the pair keeps a forgotten script with an old key from locking out the people of its school.
    """

    def __init__(self, limit: int = 20, *, seconds: float = 60.0, remember: int = 4096) -> None:
        self._limit = limit
        self._seconds = seconds
        self._remember = remember
        self._failures: OrderedDict[tuple[str, str], list[float]] = OrderedDict()
        self._lock = Lock()

    def check(self, address: str, key_id: str) -> None:
        """Refuse while there are too many recent failures."""
        with self._lock:
            failures = self._recent((address, key_id))
        if len(failures) >= self._limit:
            wait = max(1, round(failures[0] + self._seconds - time.monotonic()))
            raise ApiError(429, headers={"retry-after": str(wait)})

    def failed(self, address: str, key_id: str) -> None:
        """Remember one failure."""
        with self._lock:
            self._failures[address, key_id] = [*self._recent((address, key_id)), time.monotonic()][-self._limit :]
            self._failures.move_to_end((address, key_id))
            while len(self._failures) > self._remember:
                self._failures.popitem(last=False)

    def _recent(self, pair: tuple[str, str]) -> list[float]:
        oldest = time.monotonic() - self._seconds
        return [moment for moment in self._failures.get(pair, ()) if moment > oldest]


class Pace:
    """How fast one person, or one address, may ask for pages: `burst` at once, then `a_second`.

    Far above what people do, and far below what a program does that takes page after page with somebody's session.
    """

    def __init__(self, burst: int = 600, *, a_second: float = 10.0, remember: int = 4096) -> None:
        self._burst = burst
        self._a_second = a_second
        self._remember = remember
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, who: str) -> None:
        """Count one page. Raises ApiError 429 where there were too many."""
        now = time.monotonic()
        with self._lock:
            left, seen = self._left.pop(who, (float(self._burst), now))
            left = min(self._burst, left + (now - seen) * self._a_second)
            self._left[who] = (max(0.0, left - 1.0), now)
            while len(self._left) > self._remember:
                self._left.popitem(last=False)
        if left < 1.0:
            raise ApiError(429, TOO_FAST, code="too_fast", hint="wait a minute", headers={"retry-after": "60"})


def same_site(headers: Headers) -> None:
    """Refuse a form that another site sent; browsers say so in Sec-Fetch-Site, older ones in Origin."""
    own = {f"{scheme}://{headers.get('host', '')}" for scheme in ("http", "https")}
    fetched = headers.get("sec-fetch-site")
    is_own = fetched in ("same-origin", "none") if fetched else headers.get("origin", "") in own | {""}
    if not is_own:
        raise ApiError(403)
