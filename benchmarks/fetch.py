"""What fetching from an Ed-Fi API costs, beside the barest client that reads the same pages: `make bench-fetch`.

    python -m benchmarks.fetch --events 200000

A server in a process of its own makes up students and their absences, and answers by cursor, 500 records a page. Each
way fetches them in a process of its own. The barest client asks for one page after the other, parses it and writes it
down: it knows neither what is used of a record, nor whether all have come, nor where it ended if it is killed. A server
of a district answers in tenths of a second, this one in milliseconds: what is measured is our part.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
from pydantic import SecretStr

from cis_ews.fetching.credentials import Credentials
from cis_ews.fetching.edfi import fetch_edfi
from cis_ews.readers import read_school_data
from cis_ews.readers.edfi_api_config import ApiConfig

PAGE = 500
DAYS_ABSENT = 20
EVENTS = "studentSchoolAttendanceEvents"
FIRST_MONDAY = date(2025, 9, 8)
VERSIONS = {"oldestChangeVersion": 0, "newestChangeVersion": 1}
Cost = tuple[float, float, float]


def main() -> None:
    """Start the server, fetch in both ways, read what was fetched, print the costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000, help="absences, twenty a student")
    events: int = parser.parse_args().events
    with tempfile.TemporaryDirectory() as name, served(events) as url:
        folder = Path(name)
        print(f"{events:,} absences and {students_of(events):,} students, {PAGE} a page")
        alone = _apart(fetch_barely, url, folder / "bare")
        ours = _apart(fetch, url, folder / "records")
        again = _apart(fetch, url, folder / "records")
        read = _apart(read_fetched, url, folder / "records")
        size = sum(path.stat().st_size for path in (folder / "records").iterdir()) / 1e6
        bare = (folder / "bare").stat().st_size / 1e6
    total = events + students_of(events)
    rows = {"the barest client": alone, "cis-ews fetch edfi": ours, "again, no change": again, "--format edfi": read}
    for who, (wall, cpu, peak) in rows.items():
        print(f"  {who:20} {wall:7.2f} s {cpu:7.2f} CPU s {peak:6.0f} MB {total / wall:10,.0f} records a second")
    print(f"  wall: {ours[0] / alone[0]:.2f} times the barest client; kept: {size:,.0f} MB of {bare:,.0f} that came")


def students_of(events: int) -> int:
    """How many students there are."""
    return max(events // DAYS_ABSENT, 1)


def record(resource: str, number: int) -> dict[str, Any]:
    """A record as a server sends it, with its links."""
    link = {"rel": "Student", "href": f"/ed-fi/students/{number % 997:032x}"}
    said = {"id": f"{number * 2654435761 % 2**64:016x}{number:016x}", "_etag": "5250547218846390", "link": link}
    if resource == "schools":
        return {"id": "1" * 32, "schoolId": 255901001, "nameOfInstitution": "School"}
    if resource == "sessions":
        year = {"schoolYearTypeReference": {"schoolYear": 2026}, "schoolReference": {"schoolId": 255901001}}
        days = {"beginDate": "2025-09-03", "endDate": "2026-05-29", "totalInstructionalDays": 180}
        return {"id": "2" * 32, "sessionName": "Year", **year, **days}
    if resource == "students":
        named = {"firstName": "Given", "lastSurname": "Family", "birthDate": "2012-05-01"}
        return {**said, "studentUniqueId": f"{number}", **named, "_lastModifiedDate": "2025-11-01T00:00:00Z"}
    return {
        **said,
        "attendanceEventCategoryDescriptor": "uri://ed-fi.org/AttendanceEventCategoryDescriptor#Excused Absence",
        "eventDate": f"{FIRST_MONDAY + timedelta(weeks=number % DAYS_ABSENT)}",
        "schoolReference": {"schoolId": 255901001, "link": link},
        "sessionReference": {"schoolId": 255901001, "schoolYear": 2026, "sessionName": "Year", "link": link},
        "studentReference": {"studentUniqueId": f"{number // DAYS_ABSENT}", "link": link},
        "_lastModifiedDate": "2025-11-01T00:00:00Z",
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    counts: dict[str, int]

    def do_POST(self) -> None:
        """A token."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send({"access_token": "token", "expires_in": 1800})

    def do_GET(self) -> None:
        """The discovery document, the change versions, a count, the tokens of parts, or a page."""
        parts = urlsplit(self.path)
        query, path = dict(parse_qsl(parts.query)), parts.path
        if "/ed-fi/" not in path:
            self._send(VERSIONS if path.endswith("Versions") else self._discovery())
            return
        resource, _, kind = path.partition("/ed-fi/")[2].partition("/")
        count = 0 if kind in ("deletes", "keyChanges") else self.counts.get(resource, 0)
        if kind == "partitions":
            size = -(-count // int(query["number"]))
            self._send({"pageTokens": [f"{at}-{min(at + size, count)}" for at in range(0, count, size)]})
        elif "pageToken" in query:
            self._page(resource, *map(int, query["pageToken"].split("-")))
        else:
            self._send([], {"Total-Count": str(count)})

    def _discovery(self) -> dict[str, Any]:
        root = f"http://{self.headers['Host']}"
        urls = {"oauth": f"{root}/oauth/token", "dataManagementApi": f"{root}/data/v3"}
        return {"version": "7.3", "dataModels": [{"name": "Ed-Fi", "version": "5.2.0"}], "urls": urls}

    def _page(self, resource: str, first: int, end: int) -> None:
        last = min(first + PAGE, end)
        headers = {"Next-Page-Token": f"{last}-{end}"} if last > first else {}
        self._send([record(resource, number) for number in range(first, last)], headers)

    def _send(self, value: object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        for name, said in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, said)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


def _serve(events: int, ready: Any) -> None:
    counts = {"students": students_of(events), "schools": 1, "sessions": 1, EVENTS: events}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"counts": counts}))
    server.daemon_threads = True
    ready.send(f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()


@contextmanager
def served(events: int) -> Generator[str]:
    """The server in a process of its own; its address."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(events, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def fetch_barely(url: str, file: Path) -> int:
    """One page after the other, parsed and written down as it is."""
    records = 0
    with httpx2.Client(trust_env=False) as client, file.open("wb") as out:
        for resource in ("students", EVENTS):
            address = f"{url}/data/v3/ed-fi/{resource}"
            token: str | None = client.get(f"{address}/partitions", params={"number": 1}).json()["pageTokens"][0]
            while token:
                page = client.get(address, params={"pageToken": token, "pageSize": PAGE})
                found: list[Any] = page.json()
                out.writelines(json.dumps(each).encode() + b"\n" for each in found)
                records, token = records + len(found), page.headers.get("Next-Page-Token")
    return records


def fetch(url: str, folder: Path) -> int:
    """What `cis-ews fetch edfi` does."""
    fetched = fetch_edfi(ApiConfig(url=url, page_size=PAGE), Credentials(SecretStr("key"), SecretStr("secret")), folder)
    return sum(each.records for each in fetched.manifest.resources.values())


def read_fetched(_url: str, folder: Path) -> int:
    """The folder as school data."""
    return read_school_data(folder, format="edfi").attendance_events.height


def _apart(way: Callable[[str, Path], int], url: str, place: Path) -> Cost:
    """The costs of one way, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measured, way, url, place).result()


def _measured(way: Callable[[str, Path], int], url: str, place: Path) -> Cost:
    wall, cpu = perf_counter(), process_time()
    assert way(url, place) > 0
    return perf_counter() - wall, process_time() - cpu, _most_memory()


def _most_memory() -> float:
    """Megabytes; of `ru_maxrss` a process inherits that of whoever has started it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
