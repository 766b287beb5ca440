"""One resource of an Ed-Fi API read page by page, within a window of change versions.

By cursor, a resource is read in several parts at once. By offset it is read from its end: records only ever leave a
window that is closed, those behind move forward, and who reads backwards meets some twice and misses none. Either way
the server is asked to count before and after.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from cis_ews.errors import FetchError
from cis_ews.fetching.arrivals import Arrivals, Part, Place, Plan
from cis_ews.fetching.edfi_client import NAMESPACE, EdFiClient, Page
from cis_ews.fetching.shapes import as_list, as_object
from cis_ews.fetching.web import FORBIDDEN, NOT_FOUND, OK
from cis_ews.readers.edfi_api_config import ApiConfig
from cis_ews.readers.edfi_resources import ID, Resource, Tree, pruned, tree_of

Paging = Literal["cursor", "offset"]
NO_CURSOR = (400, NOT_FOUND, 405)
_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_SPARE_PAGES = 1000
HEARTBEAT = 0.2


class Kind(StrEnum):
    """What of a resource is read: its records, the ids of those that were deleted, or of those whose keys changed."""

    RECORDS = ""
    DELETES = "/deletes"
    KEY_CHANGES = "/keyChanges"


class MovedError(Exception):
    """Pages do not fit to each other: records moved while they were read."""


@dataclass(frozen=True, slots=True)
class Window:
    """Change versions, both ends included; None: open."""

    first: int | None = None
    last: int | None = None

    @property
    def params(self) -> Mapping[str, int]:
        """As the API is asked."""
        said = {"minChangeVersion": self.first, "maxChangeVersion": self.last}
        return {name: value for name, value in said.items() if value is not None}


class Unit:
    """One resource, one kind, one window."""

    def __init__(self, client: EdFiClient, resource: Resource, *, kind: Kind, window: Window) -> None:
        self._client, self._window = client, window
        self.resource, self.kind = resource, kind
        self.what = f"{resource.name}{kind}"
        self._url = f"{client.server.data}/{NAMESPACE}/{self.what}"
        self._tree: Tree = tree_of(resource) if kind is Kind.RECORDS else {ID: None}

    def status(self) -> int:
        """How the server answers when it is asked for nothing of it: 200, 403, 404."""
        return self._get({"limit": 0, "totalCount": "true"}, (FORBIDDEN, NOT_FOUND)).status

    def count_if_any(self) -> int | None:
        """How many the server counts now; None where the key may not know, or there is no such thing."""
        page = self._get({"limit": 0, "totalCount": "true"}, (FORBIDDEN, NOT_FOUND))
        return self._counted(page) if page.status == OK else None

    def count(self) -> int:
        """How many the server counts now."""
        return self._counted(self._get({"limit": 0, "totalCount": "true"}))

    def _counted(self, page: Page) -> int:
        said = page.headers.get("total-count", "")
        if not (said.isascii() and said.isdecimal()):
            raise FetchError(
                f"{self.what}: the server does not say how many there are",
                hint="tell the API's host: without Total-Count nobody knows whether all have come",
            )
        return int(said)

    def plan(self, paging: Paging, config: ApiConfig, total: int) -> Plan:
        """How to read it: so many records were counted."""
        size = config.page_size
        pages = -(-total // size)
        starts: tuple[Place, ...] = ()
        if pages and paging == "cursor":
            starts = self.partitions(min(config.connections, pages)) or ()
        elif pages:
            starts = ((pages - 1) * size,)
        return Plan(paging=paging, size=size, total=total, starts=starts)

    def partitions(self, number: int, *, allow: tuple[int, ...] = ()) -> tuple[str, ...] | None:
        """Tokens with which the parts begin; None where the server has no such thing."""
        params = {**self._window.params, "number": number}
        page = self._client.get(f"{self._url}/partitions", params, what=self.what, allow=allow)
        tokens = as_list((as_object(page.value) or {}).get("pageTokens"))
        if tokens is None or not all(isinstance(token, str) for token in tokens):
            return None
        return tuple(tokens)

    def fetch(self, arrivals: Arrivals, plan: Plan, *, connections: int, advance: Callable[[int], None]) -> None:
        """Read all parts to their end. Raises MovedError, FetchError."""
        parts = [part for part in arrivals.parts(plan) if part.next is not None]
        if not parts:
            return
        stop = threading.Event()
        with ThreadPoolExecutor(max_workers=min(connections, len(parts))) as pool:
            running = {pool.submit(self._part, part, plan, stop=stop, advance=advance) for part in parts}
            try:
                while running:
                    # Not without end: where polars is loaded, an interrupt does not wake who waits for a thread.
                    done, running = wait(running, timeout=HEARTBEAT, return_when=FIRST_COMPLETED)
                    for each in done:
                        each.result()
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _part(self, part: Part, plan: Plan, *, stop: threading.Event, advance: Callable[[int], None]) -> None:
        most = 2 * (plan.total // plan.size + 1) + _SPARE_PAGES
        while part.next is not None:
            if stop.is_set():
                return
            page, following = self._page(part.next, plan)
            if following == part.next or not most:
                raise MovedError
            lines, records = self._kept(page)
            part.append(lines, records=records, following=following)
            advance(records)
            most -= 1

    def _page(self, place: Place, plan: Plan) -> tuple[Page, Place | None]:
        if plan.paging == "cursor":
            page = self._get({"pageToken": place, "pageSize": plan.size})
            return page, page.headers.get("next-page-token") or None
        offset = int(place)
        return self._get({"offset": offset, "limit": plan.size}), offset - plan.size if offset else None

    def _kept(self, page: Page) -> tuple[bytes, int]:
        """The records of a page as lines, each with its id first and without what is not read."""
        records = as_list(page.value)
        if records is None:
            raise FetchError(
                f"{self.what}: the server answers with JSON that is no list", hint="check `url` under [api]"
            )
        kept = [pruned(record, self._tree) for record in records]
        nameless = sum(not _has_id(record) for record in kept)
        if nameless:
            raise FetchError(
                f"{self.what}: {nameless:,} of {len(records):,} records of a page have no id",
                hint="tell the API's host; a record without an id cannot be followed through changes",
            )
        return b"".join(_line(record) for record in kept), len(kept)

    def _get(self, params: Mapping[str, str | int], allow: tuple[int, ...] = ()) -> Page:
        return self._client.get(self._url, {**self._window.params, **params}, what=self.what, allow=allow)


def _has_id(record: Any) -> bool:
    found = (as_object(record) or {}).get(ID)
    return isinstance(found, str) and bool(_ID.fullmatch(found))


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"
