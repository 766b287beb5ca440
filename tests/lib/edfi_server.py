"""A real HTTP server that is an Ed-Fi API: it holds records, counts changes, and fails as a test asks for.

with serving(records) as server:
    server.fail(on("grades"), status(500), times=2)
    ... a client fetches from server.url ...

Every request and every answer is held against the contract; what breaks it ends the test.
"""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cis_ews.readers.edfi_resources import RESOURCES, resources_of
from tests.lib.edfi_api_records import Record, Records
from tests.lib.edfi_contract import PUBLISHED, Contract, published, small

KEY, SECRET = "SECRETKEY", "SECRETSECRET"
DATA, CHANGES = "/data/v3/ed-fi/", "/changeQueries/v1/availableChangeVersions"
MOST = 500


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def resource(self) -> str:
        """The resource, with the kind of changes behind a slash; empty for other addresses."""
        return self.path.removeprefix(DATA) if self.path.startswith(DATA) else ""

    @property
    def is_page(self) -> bool:
        """Whether records are asked for, and not a count."""
        return "/" not in self.resource and self.query.get("limit") != "0" and bool(self.resource)


@dataclass
class Reply:
    """What is answered; `cut`: so many bytes of the body, and then the connection is closed."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict[str, str])
    cut: int | None = None
    drip: float = 0.0


@dataclass
class Held:
    """A record in the server: its place in the order of creation, and the version of its last change."""

    place: int
    version: int
    record: Record


Matches = Callable[[Asked], bool]
Spoils = Callable[["EdFiServer", Asked, Reply], Reply]


def on(resource: str, *, page: bool = True) -> Matches:
    """Requests for pages of a resource; with `page=False` all requests for it."""
    return lambda asked: asked.resource == resource and (asked.is_page or not page)


def at(path: str) -> Matches:
    """Requests of an address."""
    return lambda asked: asked.path == path


def status(code: int, **headers: str) -> Spoils:
    """Another status, with a body that quotes what nobody may see."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps({"detail": "MARKERNAME MARKERID000 is not allowed"}).encode()
    return lambda _server, _asked, _reply: Reply(code, body, {"Content-Type": "application/problem+json", **said})


def content(body: bytes, kind: str = "application/json") -> Spoils:
    """Another body."""
    return lambda _server, _asked, reply: Reply(200, body, {**reply.headers, "Content-Type": kind})


def cut_off(_server: EdFiServer, _asked: Asked, reply: Reply) -> Reply:
    """The connection ends in the middle of the body."""
    return Reply(reply.status, reply.body, reply.headers, cut=len(reply.body) // 2)


def slow(seconds: float) -> Spoils:
    """Nothing comes for a while."""

    def wait(_server: EdFiServer, _asked: Asked, reply: Reply) -> Reply:
        time.sleep(seconds)
        return reply

    return wait


def dripping(seconds: float) -> Spoils:
    """The body comes byte by byte."""
    return lambda _server, _asked, reply: Reply(reply.status, reply.body, reply.headers, drip=seconds)


def doing(act: Callable[[EdFiServer], object]) -> Spoils:
    """The answer is as it should be; after it something happens in the server."""

    def answer(server: EdFiServer, _asked: Asked, reply: Reply) -> Reply:
        act(server)
        return reply

    return answer


class EdFiServer:
    """The state of an API. `violations`: what broke the contract; `asked`: every request."""

    def __init__(self, records: Mapping[str, list[Record]], *, standard: str = "5.0.0", **options: Any) -> None:
        self.lock = threading.RLock()
        self.oldest = self.newest = 0
        self.standard = standard
        self.has_cursor: bool = options.get("cursor", True)
        self.has_changes: bool = options.get("changes", True)
        self.has_key_changes = self.has_changes
        self.contracts: list[Contract] = [small(), *([published()] if options.get("published") else [])]
        known = [each.name for each in resources_of(int(standard.partition(".")[0]))]
        self.held: dict[str, list[Held]] = {name: [] for name in known}
        self.gone: dict[str, list[Record]] = {name: [] for name in known}
        self.renamed: dict[str, list[Record]] = {name: [] for name in known}
        self.snapshot: dict[str, list[Held]] | None = None
        self.tokens: set[str] = set()
        self.token_life = 1800
        self.forbidden: set[str] = set()
        self.faults: list[tuple[Matches, Spoils, list[int]]] = []
        self.violations: list[str] = []
        self.asked: list[Asked] = []
        self.url = ""
        for name, each in records.items():
            for record in each:
                if name in self.held:
                    self.add(name, record)

    # What happens to records, as the district's own systems would do it.

    def _version(self) -> int:
        self.newest += 1
        return self.newest

    def add(self, resource: str, record: Record) -> None:
        """A new record."""
        with self.lock:
            self.held[resource].append(Held(self.newest + 1, self._version(), record))

    def change(self, resource: str, index: int, **said: Any) -> None:
        """Another value in a record."""
        with self.lock:
            held = self.held[resource][index]
            held.record, held.version = {**held.record, **said}, self._version()

    def delete(self, resource: str, index: int) -> None:
        """One record less."""
        with self.lock:
            held = self.held[resource].pop(index)
            keys = {"studentUniqueId": "MARKERID000"}
            gone = {"id": held.record["id"], "changeVersion": self._version(), "keyValues": keys}
            self.gone[resource].append(gone)

    def rename(self, resource: str, index: int, *, is_told: bool = True, **said: Any) -> None:
        """Another key. `is_told`: whether the record counts as changed too, as it should."""
        with self.lock:
            held = self.held[resource][index]
            version = self._version()
            held.record = {**held.record, **said}
            held.version = version if is_told else held.version
            keys = {"oldKeyValues": {"a": "MARKERID000"}, "newKeyValues": {"a": "MARKERID001"}}
            self.renamed[resource].append({"id": held.record["id"], "changeVersion": version, **keys})

    def take_snapshot(self) -> None:
        """From now on, who asks for the snapshot reads what is there now."""
        self.snapshot = {
            name: [Held(each.place, each.version, each.record) for each in held] for name, held in self.held.items()
        }

    def fail(self, matches: Matches, spoils: Spoils, *, times: int = 1, after: int = 0) -> None:
        """Spoil the next answers to such requests, `after` so many that are as they should be."""
        self.faults.append((matches, spoils, [after, times]))

    def pages_of(self, resource: str) -> int:
        """How many requests for pages of a resource there were."""
        return sum(asked.resource == resource and asked.is_page for asked in self.asked)

    # What is answered.

    def reply(self, asked: Asked, body: bytes) -> Reply:
        """The answer to a request, spoiled if a test wants it so."""
        with self.lock:
            self.asked.append(asked)
            reply = self._reply(asked, body)
            self._hold(asked, reply)
        for matches, spoils, left in self.faults:
            if matches(asked):
                if left[0]:
                    left[0] -= 1
                elif left[1]:
                    left[1] -= 1
                    return spoils(self, asked, reply)
        return reply

    def _hold(self, asked: Asked, reply: Reply) -> None:
        if reply.status != 200 or asked.path == "/oauth/token":
            return
        answer = json.loads(reply.body)
        for number, contract in enumerate(self.contracts):
            operation = contract.get(asked.path)
            # The published documents are older than cursors: what they do not have is the small contract's.
            if operation is None or (number and "pageSize" in asked.query):
                continue
            self.violations += [f"{asked.path}: {wrong}" for wrong in operation.wrong(asked.query, answer)]

    def _reply(self, asked: Asked, body: bytes) -> Reply:
        open_to_all = {"/": lambda: _json(self._discovery()), "/oauth/token": lambda: self._token(asked, body)}
        if asked.path in open_to_all:
            return open_to_all[asked.path]()
        if asked.method != "GET" or asked.path not in self.contracts[0]:
            self.violations.append(f"{asked.method} {asked.path}: there is no such request")
            return Reply(404, b"")
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return Reply(401, b'{"detail": "MARKERNAME"}')
        wants_snapshot = asked.headers.get("use-snapshot") == "true"
        if wants_snapshot and self.snapshot is None:
            return Reply(404, b"{}")
        if asked.path == CHANGES:
            return self._versions(wants_snapshot)
        return self._resource(asked, self.snapshot if wants_snapshot and self.snapshot else self.held)

    def _discovery(self) -> Record:
        names = {"oauth": "/oauth/token", "dataManagementApi": "/data/v3/", "changeQueries": "/changeQueries/v1/"}
        return {
            "version": "7.3",
            "suite": "3",
            "dataModels": [
                {"name": "TPDM", "version": "1.1.0"},
                {"name": "Ed-Fi", "version": self.standard},
            ],
            "urls": {"dependencies": self.url, **{name: f"{self.url}{path}" for name, path in names.items()}},
        }

    def _token(self, asked: Asked, body: bytes) -> Reply:
        given = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
        is_right = asked.headers.get("authorization") == f"Basic {given}"
        if asked.method != "POST" or dict(parse_qsl(body.decode())) != {"grant_type": "client_credentials"}:
            self.violations.append("a token is asked for otherwise than by client credentials")
        if not is_right:
            return Reply(401, b'{"error": "invalid_client"}')
        token = f"SECRETTOKEN{secrets.token_hex(8)}"
        self.tokens.add(token)
        return _json({"access_token": token, "expires_in": self.token_life, "token_type": "bearer"})

    def _versions(self, of_snapshot: bool) -> Reply:
        if not self.has_changes:
            return Reply(404, b"{}")
        newest = self.newest
        if of_snapshot and self.snapshot:
            newest = max((each.version for held in self.snapshot.values() for each in held), default=0)
        return _json({"oldestChangeVersion": self.oldest, "newestChangeVersion": newest})

    def _resource(self, asked: Asked, state: Mapping[str, list[Held]]) -> Reply:
        name, _, kind = asked.resource.partition("/")
        if {name, asked.resource} & self.forbidden:
            return Reply(403, b'{"detail": "MARKERNAME"}')
        lacks = {"deletes": not self.has_changes, "keyChanges": not self.has_key_changes}
        if name not in self.held or lacks.get(kind):
            return Reply(404, b"{}")
        if kind in ("deletes", "keyChanges"):
            changes = self.gone[name] if kind == "deletes" else self.renamed[name]
            return self._by_offset(asked, [each for each in changes if _within(each["changeVersion"], asked.query)])
        held = [each for each in state[name] if _within(each.version, asked.query)]
        if kind == "partitions":
            return self._partitions(asked, held)
        if "pageToken" in asked.query or "pageSize" in asked.query:
            return self._by_cursor(asked, held)
        return self._by_offset(asked, [each.record for each in held])

    def _by_offset(self, asked: Asked, records: list[Record]) -> Reply:
        limit, offset = int(asked.query.get("limit", 25)), int(asked.query.get("offset", 0))
        if not 0 <= limit <= MOST:
            return Reply(400, b'{"detail": "MARKERNAME"}')
        headers = {"Total-Count": str(len(records))} if asked.query.get("totalCount") == "true" else {}
        return _json(records[offset : offset + limit], headers)

    def _partitions(self, asked: Asked, held: list[Held]) -> Reply:
        if not self.has_cursor:
            return Reply(404, b"{}")
        number, ends = int(asked.query["number"]), [each.place for each in held]
        size = -(-len(ends) // number) or 1
        parts = [ends[at : at + size] for at in range(0, len(ends), size)]
        return _json({"pageTokens": [_cursor(part[0], part[-1]) for part in parts]})

    def _by_cursor(self, asked: Asked, held: list[Held]) -> Reply:
        size = int(asked.query.get("pageSize", 25))
        if {"offset", "limit", "totalCount"} & asked.query.keys() or not 0 < size <= MOST:
            self.violations.append("a cursor is mixed with an offset, or its pages are too large")
            return Reply(400, b"{}")
        try:
            first, last = json.loads(base64.urlsafe_b64decode(asked.query["pageToken"]))
        except ValueError:
            return Reply(400, b'{"detail": "MARKERNAME"}')
        inside = [each for each in held if first <= each.place <= last]
        page = inside[:size]
        headers = {"Next-Page-Token": _cursor(page[-1].place + 1, last)} if page else {}
        return _json([each.record for each in page], headers)


def _within(version: int, query: Mapping[str, str]) -> bool:
    return int(query.get("minChangeVersion", 0)) <= version <= int(query.get("maxChangeVersion", version))


def _cursor(first: int, last: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([first, last]).encode()).decode()


def _json(value: Any, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a head and a body are two packets, and the second would wait for the first
    edfi: EdFiServer
    prefix: str

    def do_GET(self) -> None:
        """A GET."""
        self._answer()

    def do_POST(self) -> None:
        """A POST."""
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = parts.path.removeprefix(self.prefix) or "/"
        reply = self.edfi.reply(Asked(self.command, path, dict(parse_qsl(parts.query)), headers), body)
        try:
            self._send(reply)
        except OSError:  # the client has gone
            self.close_connection = True

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if reply.drip:
            for at in range(len(reply.body)):
                self.wfile.write(reply.body[at : at + 1])
                time.sleep(reply.drip)
        self.wfile.write(reply.body[: reply.cut])
        if reply.cut is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing."""


class _Threads(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or does not trust the certificate, is no fault of the server."""


@contextmanager
def serving(records: Records, *, context: ssl.SSLContext | None = None, **options: Any) -> Generator[EdFiServer]:
    """The server on a free port of this machine. Ends the test where the contract was broken."""
    edfi = EdFiServer(records, **options)
    prefix = "/api"
    handler = type("Handler", (_Handler,), {"edfi": edfi, "prefix": prefix})
    server = _Threads(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    edfi.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}{prefix}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield edfi
        assert edfi.violations == []
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


HAS_PUBLISHED = PUBLISHED.exists()
assert set(small()) >= {f"{DATA}{name}" for name in RESOURCES}
