"""A browser without JavaScript: keeps cookies, reads the token of a page's form, sends forms, follows no redirect."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from http.cookies import SimpleCookie
from itertools import count

from tests.lib.service import Answer, Service

FORM = "application/x-www-form-urlencoded"
_addresses = count(1)
_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]*)"')


@dataclass
class Browser:
    """One person's browser, on a machine of its own: wrong passwords are counted by address."""

    service: Service
    cookies: dict[str, str] = field(default_factory=dict)
    address: str = field(default_factory=lambda: f"2001:db8::{next(_addresses):x}")

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Open a page, as a browser asks for it."""
        return self._keep(self.service.get(path, headers=self._headers(headers)))

    def post(self, path: str, /, *, headers: Mapping[str, str] | None = None, **fields: str) -> Answer:
        """Send a form without a token, unless it is among the fields."""
        body = urllib.parse.urlencode(fields).encode()
        sent = self._headers({"Content-Type": FORM, **(headers or {})})
        return self._keep(self.service.request("POST", path, body=body, headers=sent))

    def send(self, page: str, path: str, /, **fields: str) -> Answer:
        """Send a form of a page, with the token that the page holds."""
        return self.post(path, csrf=self.token(page), **fields)

    def token(self, page: str) -> str:
        """The token of the forms of a page."""
        found = _TOKEN.search(self.get(page).text)
        assert found is not None
        return unescape(found[1])

    def sign_in(self, email: str, password: str, **more: str) -> Answer:
        """Fill in the sign-in form."""
        return self.post("/sign-in", email=email, password=password, **more)

    def _headers(self, more: Mapping[str, str] | None) -> dict[str, str]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        told = {"Accept": "text/html", "X-Forwarded-For": self.address}
        return {**told, **({"Cookie": cookie} if cookie else {}), **(more or {})}

    def _keep(self, answer: Answer) -> Answer:
        for header in answer.headers.get_all("set-cookie") or ():
            for name, morsel in SimpleCookie(header).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer
