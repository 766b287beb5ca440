"""Where a district's Ed-Fi API is and how it is asked: the section `[api]` of the TOML of the reader (docs/edfi.md).

Key and secret are never in it: they come from the environment, or from a file of their own.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cis_ews.readers.edfi_resources import NEEDED, RESOURCES

KEY_VARIABLE, SECRET_VARIABLE = "CIS_EWS_EDFI_KEY", "CIS_EWS_EDFI_SECRET"
Positive = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class ApiConfig(BaseModel):
    """`url`: the root of the API, where its discovery document is. `credentials`: a file with the key on its first line
    and the secret on its second, in place of the environment. `ca_bundle`: certificates (PEM) that are trusted in place
    of the system's. `hosts`: further hosts that the discovery document may name. `school_year`: for servers that have
    an address a year. `paging`: by cursor where the server has it, or by offset. `page_size`: records a request.
    `connections`: requests at a time. `snapshot`: read a snapshot. `leave_out`: resources that are not asked for.
    `attempts`, `timeout_seconds`, `longest_wait_seconds`: how long a failing server is borne."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str
    credentials: Path | None = None
    ca_bundle: Path | None = None
    hosts: tuple[str, ...] = ()
    school_year: Annotated[int, Field(ge=2000, le=2100)] | None = None
    paging: Literal["auto", "cursor", "offset"] = "auto"
    page_size: Annotated[int, Field(ge=1, le=5000)] = 500
    connections: Annotated[int, Field(ge=1, le=16)] = 4
    snapshot: bool = False
    leave_out: tuple[str, ...] = ()
    attempts: Annotated[int, Field(ge=1, le=20)] = 8
    timeout_seconds: Positive = 60.0
    longest_wait_seconds: Positive = 300.0

    @field_validator("url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        if "@" in urlsplit(url).netloc:
            message = f"holds a name or a password; give them in {KEY_VARIABLE} and {SECRET_VARIABLE}"
            raise ValueError(message)
        if urlsplit(url).query or urlsplit(url).fragment:
            message = "should be the root of the API, without a query"
            raise ValueError(message)
        if not is_safe(url):
            message = "should begin with https:// (http:// is for this machine alone)"
            raise ValueError(message)
        return url.rstrip("/")

    @field_validator("leave_out")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in RESOURCES]
        if unknown:
            message = f"{len(unknown)} of them are no resources that are read; known are {', '.join(RESOURCES)}"
            raise ValueError(message)
        if set(names) & set(NEEDED):
            message = f"{' and '.join(NEEDED)} cannot be left out"
            raise ValueError(message)
        return tuple(sorted(names))


def is_safe(url: str) -> bool:
    """Whether nobody in between can listen: HTTPS, or HTTP that does not leave this machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)))


def is_loopback(url: str) -> bool:
    """Whether an address is of this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
