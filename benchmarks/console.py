"""How long the pages of the console take, with people at work, on a made-up district that two nights have scored.

    python -m benchmarks.console --students 20000 --people 50 --seconds 60 [--database URL]

Each person is the coordinator of a school and opens a page every five seconds: Today, the roster, a student, in turn.
The times are those of the client, from asking to the last byte, at the moments at which a page was due: a service that
falls behind shows it. Printed by page: the median, the 95th of 100, the size compressed; and how many pages failed.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import cycle, islice
from pathlib import Path

from cis_ews.enums import Role
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tiers import TierPolicy
from cis_ews.scoring import score_night
from cis_ews.storage.access import Grant
from cis_ews.storage.database import Database, NewPerson
from cis_ews.support.passwords import hash_password

AS_OF = date(2026, 2, 27)
SECONDS_A_PAGE = 5.0
PASSWORD = "correct horse battery"  # noqa: S105 - of people who do not exist
PORT = 3917
START_SECONDS = 120
_REF = re.compile(r"/students/[0-9a-f]{32}")
_SCHOOL = re.compile(r"/schools/[0-9a-f]{32}")


@dataclass(frozen=True)
class Seen:
    """One page that was opened."""

    page: str
    seconds: float
    status: int
    size: int


class Person:
    """A coordinator with a browser of her own."""

    def __init__(self, email: str) -> None:
        self._cookie = ""
        form = urllib.parse.urlencode({"email": email, "password": PASSWORD})
        status, _ = self._ask("POST", "/sign-in", form)
        if status != 303:
            raise SystemExit(f"signing in answered {status}")
        school = _SCHOOL.search(self._ask("GET", "/schools")[1])
        roster = school[0] if school else "/schools"
        student = _REF.search(self._ask("GET", roster)[1])
        self.pages = {"today": "/today", "school": roster, "student": student[0] if student else roster}

    def open(self, page: str, due: float) -> Seen:
        """Open a page that was due at a moment."""
        status, text = self._ask("GET", self.pages[page])
        return Seen(page, time.perf_counter() - due, status, len(gzip.compress(text.encode())))

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        headers = {"Accept": "text/html", "Cookie": self._cookie}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        if cookie := answer.headers["set-cookie"]:
            self._cookie = cookie.partition(";")[0]
        text = answer.read().decode()
        connection.close()
        return answer.status, text


def prepare(folder: Path, *, students: int, people: int, url: str | None) -> list[str]:
    """Make up a district, score two nights, and give every person a school; returns their e-mail addresses."""
    source, store = folder / "extract", folder / "store"
    options = ["--students", str(students), "--years", "1", "--seed", "7"]
    subprocess.run([sys.executable, "-m", "cis_ews", "synthesize", str(source), *options], check=True)
    for day in (AS_OF - timedelta(days=1), AS_OF):
        score_night(source, model=RulesModel(), policy=TierPolicy.load(), store=store, as_of=day, database=url)
    with Database(url or f"sqlite:///{store / 'cis_ews.db'}") as database:
        places = [(each.school.district_id, each.school.school_id) for each in database.pages.counts(districts=None)]
        hashed = hash_password(PASSWORD)
        emails = [f"person-{number}@example.org" for number in range(people)]
        for email, (district, school) in zip(emails, cycle(places), strict=False):
            new = NewPerson(email=email, name="A coordinator", password_hash=hashed)
            database.people.add(new, grants=[Grant(Role.COORDINATOR, district, school)])
    return emails


def serve(folder: Path, url: str | None) -> subprocess.Popen[bytes]:
    """Start the service and wait until it is ready."""
    environment = {**os.environ, "CIS_EWS_STORE__PATH": str(folder / "store"), "BENTOML_HOME": str(folder / "bentoml")}
    if url:
        environment["CIS_EWS_STORE__DATABASE"] = url
    command = [Path(sys.executable).with_name("bentoml"), "serve", "serving.service:EarlyWarning", "--port", str(PORT)]
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return process
        except OSError:
            pass
        time.sleep(0.5)
    process.terminate()
    raise SystemExit(f"the service did not become ready; see {folder / 'service.log'}")


def work(people: list[Person], *, seconds: float) -> list[Seen]:
    """Everybody opens a page every five seconds, at moments spread evenly."""
    number = int(len(people) * seconds / SECONDS_A_PAGE)
    turns = list(islice(zip(cycle(people), cycle(("today", "school", "student", "student")), strict=False), number))
    begin, gap = time.perf_counter(), SECONDS_A_PAGE / len(people)
    with ThreadPoolExecutor(len(people)) as pool:
        futures: list[Future[Seen]] = []
        for place, (person, page) in enumerate(turns):
            due = begin + place * gap
            time.sleep(max(0.0, due - time.perf_counter()))
            futures.append(pool.submit(person.open, page, due))
        return [future.result() for future in futures]


def report(seen: list[Seen]) -> None:
    """Print what it came to."""
    by_page: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        by_page[one.page].append(one)
    print(f"{'page':10}{'opened':>8}{'failed':>8}{'median ms':>11}{'p95 ms':>9}{'kB':>7}")
    for page, of_page in sorted(by_page.items()):
        times = sorted(one.seconds * 1000 for one in of_page)
        failed = sum(one.status != 200 for one in of_page)
        last = times[min(len(times) - 1, int(len(times) * 0.95))]
        size = max(one.size for one in of_page) / 1000
        print(f"{page:10}{len(times):8}{failed:8}{statistics.median(times):11.0f}{last:9.0f}{size:7.1f}")


def main() -> None:
    """Prepare, serve, work, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=20_000)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--database", default=None)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        emails = prepare(folder, students=asked.students, people=asked.people, url=asked.database)
        process = serve(folder, asked.database)
        try:
            people = [Person(email) for email in emails]
            print(
                f"{asked.students} students, {asked.people} people, {asked.people / SECONDS_A_PAGE:.0f} pages a second"
            )
            report(work(people, seconds=asked.seconds))
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    main()
