"""How long the pages of the console take with people at work, on a made-up state with a year behind it.

    python -m benchmarks.console --students 1100000 --people 50 --seconds 60

Two nights of the state are scored by the rules, with the records behind the reasons, and published to PostgreSQL and to
SQLite; the year before them is filled in (`console_year`). Each person is the coordinator of a school and opens a page
every five seconds: Today, the roster, a student, the next student of a meeting, in turn. The times are those of the
client, from the moment at which a page was due to the last byte: a service that falls behind shows it. Then people join
until the 95th of 100 pages takes half a second. Service, database and people share the cores of this machine.

PostgreSQL is a real one, as in `benchmarks.publish`. Printed by page: the median, the 95th of 100, the size compressed;
and how many pages failed.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from html import unescape
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.console_year import fill_year
from benchmarks.publish import databases
from benchmarks.state.measuring import machine
from cis_ews.engines.local import LocalEngine
from cis_ews.enums import Role
from cis_ews.evaluation.groups import told_groups
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tiers import TierPolicy
from cis_ews.scoring import score_night
from cis_ews.storage.access import Grant
from cis_ews.storage.database import Database, NewPerson
from cis_ews.support.passwords import hash_password
from cis_ews.synthetic import write_state

AS_OF = date(2026, 2, 27)
THROUGH = date(2026, 6, 12)
SECONDS_A_PAGE = 5.0
PASSWORD = "correct horse battery"  # noqa: S105 - of people who do not exist
START_SECONDS = 120
SLOW_MS = 500
MOST_PEOPLE = 800
RAMP_SECONDS = 20.0
_REF = re.compile(r"/students/[0-9a-f]{32}")
_SCHOOL = re.compile(r"/schools/[0-9a-f]{32}")
_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')
_PLACE = re.compile(r'<option value="([^"/]+/[^"]+)"')
_OF = re.compile(r"<span>1 of (\d+)</span>")
TURNS = ("today", "school", "student", "meeting")


@dataclass(frozen=True)
class Seen:
    """One page that was opened."""

    page: str
    seconds: float
    status: int
    size: int


class Person:
    """A coordinator with a browser of her own."""

    def __init__(self, email: str, port: int) -> None:
        self._cookie, self._port = "", port
        form = urllib.parse.urlencode({"email": email, "password": PASSWORD})
        status, _ = self._ask("POST", "/sign-in", form)
        if status != 303:
            raise SystemExit(f"signing in answered {status}")
        school = _only(_SCHOOL, self._ask("GET", "/schools")[1])
        student = _only(_REF, self._ask("GET", school)[1])
        self.meeting = self._meeting()
        pages = {"today": ["/today"], "school": [school], "student": [student], "meeting": self.meeting}
        self._pages = {page: cycle(addresses) for page, addresses in pages.items()}

    def _meeting(self) -> list[str]:
        """The addresses of a meeting about everyone who is flagged, a student after the other."""
        page = self._ask("GET", "/meetings")[1]
        fields = {"csrf": _only(_TOKEN, page), "school": unescape(_only(_PLACE, page)), "about": "flagged"}
        status, first = self._ask("POST", "/meetings", urllib.parse.urlencode(fields))
        if status != 303:
            raise SystemExit(f"beginning a meeting answered {status}")
        students = int(_only(_OF, self._ask("GET", first)[1]))
        return [f"{first.rpartition('/')[0]}/{place}" for place in range(1, students + 1)]

    def open(self, page: str, due: float) -> Seen:
        """Open a page that was due at a moment; of a meeting, the one that comes next."""
        status, text = self._ask("GET", next(self._pages[page]))
        return Seen(page, time.perf_counter() - due, status, len(gzip.compress(text.encode())))

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        """The status, and the page or the address that it leads to."""
        origin = f"http://127.0.0.1:{self._port}"
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {"Accept": "text/html", "Cookie": self._cookie}
        if body is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": origin}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        if cookie := answer.headers["set-cookie"]:
            self._cookie = cookie.partition(";")[0]
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers["location"] or text


def _only(pattern: re.Pattern[str], text: str) -> str:
    """What a page has to have; its groups, or all that matches."""
    found = pattern.search(text)
    if found is None:
        raise SystemExit(f"a page has nothing like {pattern.pattern}")
    return found[found.lastindex or 0]


def prepare(folder: Path, *, students: int) -> None:
    """Make up a state, and score the night before the one that is looked at."""
    write_state(folder / "extract", students=students, through=THROUGH)
    _score(folder, AS_OF - timedelta(days=1))


def _score(folder: Path, as_of: date, url: str | None = None) -> None:
    made: dict[str, Any] = {"model": RulesModel(), "policy": TierPolicy.load(), "groups": told_groups}
    with LocalEngine() as engine:
        score_night(folder / "extract", store=folder / "store", as_of=as_of, database=url, engine=engine, **made)


def publish(folder: Path, url: str, *, people: int = MOST_PEOPLE) -> list[str]:
    """Publish the night, fill the year before it, and give people a school each; returns their e-mail addresses."""
    _score(folder, AS_OF, url)
    with Database(url) as database:
        counts = database.pages.counts(districts=None)
        # A meeting is held where somebody is flagged.
        places = [(each.school.district_id, each.school.school_id) for each in counts if each.tier_2 + each.tier_3]
        # Not the first schools of the list: those whose keys lie anywhere.
        random.Random(7).shuffle(places)  # noqa: S311 - no secret
        hashed = hash_password(PASSWORD)
        emails = [f"person-{number}@example.org" for number in range(people)]
        for email, (district, school) in zip(emails, cycle(places), strict=False):
            new = NewPerson(email=email, name="A coordinator", password_hash=hashed)
            database.people.add(new, grants=[Grant(Role.COORDINATOR, district, school)])
    for name, rows in fill_year(url, as_of=AS_OF).items():
        print(f"{name:20}{rows:>12,} rows of the year before")
    return emails


@contextmanager
def served(folder: Path, url: str) -> Generator[int]:
    """The service on a database, ready: its port."""
    port = _free_port()
    environment = {
        **os.environ,
        "CIS_EWS_STORE__PATH": str(folder / "store"),
        "CIS_EWS_STORE__DATABASE": url,
        "BENTOML_HOME": str(folder / "bentoml"),
    }
    command = [Path(sys.executable).with_name("bentoml"), "serve", "serving.service:EarlyWarning", "--port", str(port)]
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait_until_ready(folder, port)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_ready(folder: Path, port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.5)
    raise SystemExit(f"the service did not become ready: {(folder / 'service.log').read_text()[-2000:]}")


def work(people: list[Person], *, seconds: float) -> list[Seen]:
    """Everybody opens a page every five seconds, at moments spread evenly."""
    number = int(len(people) * seconds / SECONDS_A_PAGE)
    turns = list(islice(_turns(people), number))
    begin, gap = time.perf_counter(), SECONDS_A_PAGE / len(people)
    with ThreadPoolExecutor(len(people)) as pool:
        futures: list[Future[Seen]] = []
        for place, (person, page) in enumerate(turns):
            due = begin + place * gap
            time.sleep(max(0.0, due - time.perf_counter()))
            futures.append(pool.submit(person.open, page, due))
        return [future.result() for future in futures]


def _turns(people: list[Person]) -> Iterator[tuple[Person, str]]:
    """Who opens which page, without end: everybody the next of her own, begun at another one than her neighbor."""
    for turn in count():
        for number, person in enumerate(people):
            yield person, TURNS[(turn + number) % len(TURNS)]


def report(seen: list[Seen]) -> None:
    """Print what it came to."""
    by_page: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        by_page[one.page].append(one)
    print(f"{'page':10}{'opened':>8}{'failed':>8}{'median ms':>11}{'p95 ms':>9}{'kB':>7}")
    for page, of_page in sorted(by_page.items()):
        failed = sum(one.status != 200 for one in of_page)
        size = max(one.size for one in of_page) / 1000
        middle = statistics.median(one.seconds * 1000 for one in of_page)
        print(f"{page:10}{len(of_page):8}{failed:8}{middle:11.0f}{slow_ms(of_page):9.0f}{size:7.1f}")


def slow_ms(seen: list[Seen]) -> float:
    """The 95th of 100."""
    times = sorted(one.seconds * 1000 for one in seen)
    return times[min(len(times) - 1, int(len(times) * 0.95))]


def highest_rate(emails: list[str], port: int, *, begin: int) -> tuple[float, float]:
    """Pages a second, and the 95th of 100 in ms, of as many people as can work before it is above SLOW_MS."""
    people: list[Person] = []
    best = (0.0, 0.0)
    for number in range(begin, MOST_PEOPLE + 1, begin // 2):
        people += [Person(email, port) for email in emails[len(people) : number]]
        slow = slow_ms(work(people, seconds=RAMP_SECONDS))
        if slow > SLOW_MS:
            break
        best = (number / SECONDS_A_PAGE, slow)
    return best


def main() -> None:
    """Prepare once; publish, serve, work and report for each database."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--students", type=int, default=20_000)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    print(f"{asked.students:,} students, {machine()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o700)
        prepare(folder, students=asked.students)
        with databases(folder) as urls:
            for kind, url in sorted(urls.items()):
                print(f"\n{kind}")
                emails = publish(folder, url)
                with served(folder, url) as port:
                    people = [Person(email, port) for email in emails[: asked.people]]
                    print(f"{asked.people} people, {asked.people / SECONDS_A_PAGE:.0f} pages a second")
                    report(work(people, seconds=asked.seconds))
                    rate, slow = highest_rate(emails, port, begin=asked.people)
                    print(f"highest rate with p95 under {SLOW_MS} ms: {rate:.0f} pages a second (p95 {slow:.0f} ms)")


if __name__ == "__main__":
    main()
