"""A service with as much on every list as a large state has: for what pages weigh, and what they leave for the next."""

from __future__ import annotations

import gzip
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cis_ews.enums import CaseAction, CaseState, Domain, Role
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tiers import TierPolicy
from cis_ews.scoring import score_night
from cis_ews.storage.access import Grant, Scope
from cis_ews.storage.cases import Move
from cis_ews.storage.database import By, Database
from cis_ews.storage.store import RunStore
from tests.lib.browser import Browser
from tests.lib.districts import AS_OF, HARBOR, LAKEVIEW, write_extract
from tests.lib.people import add_person
from tests.lib.service import Answer, Served, serving
from tests.lib.stored_nights import contents, roster, score

STUDENTS, SCHOOLS, DISTRICTS, PEOPLE, QUESTIONS, MEETINGS, CAPACITY = 440, 2_500, 10, 400, 120, 25, 120
FLAGGED = STUDENTS // 4
"""Of each of the three schools with students, as `districts.write_extract` has it."""


@dataclass(frozen=True)
class Crowd:
    """What is served. `refs`: who is flagged in the school `north`; `school_ref`: that school."""

    served: Served
    refs: list[str]
    school_ref: str

    def got(self, browser: Browser, path: str, *, site: str = "same-origin") -> tuple[Answer, int]:
        """A page as a browser gets it, and its bytes on the way. `site`: who had the browser ask for it."""
        answer = browser.get(path, headers={"Accept-Encoding": "gzip", "Sec-Fetch-Site": site})
        if answer.headers["content-encoding"] != "gzip":
            return answer, len(answer.body)
        return Answer(answer.status, answer.headers, gzip.decompress(answer.body)), len(answer.body)


@contextmanager
def serve_crowd(folder: Path) -> Generator[Crowd]:
    """Three schools with many students, many with one, and people, questions and meetings."""
    extract = write_extract(folder / "extract", students=STUDENTS)
    (folder / "policy.toml").write_text(
        f"config_version = 1\n[capacity]\nshare = 1.0\nnumber = {CAPACITY}\n", encoding="utf-8"
    )
    policy, store = TierPolicy.load(folder / "policy.toml"), folder / "store"
    score_night(extract, model=RulesModel(), policy=policy, store=store, as_of=date.fromisoformat(AS_OF))
    settings = f'config_version = 1\n[store]\npath = "{store}"\n'
    with Database(RunStore(store).database_url) as database:
        _many_schools(database, store)
        for number in range(PEOPLE):
            add_person(database, f"somebody-{number:03}@example.org", Grant(Role.COORDINATOR, LAKEVIEW, "south"))
        keys = {district: database.create_key(district, "test")[1] for district in (LAKEVIEW, HARBOR)}
        with serving(folder, settings=settings) as service:
            served = Served(service, folder, keys, database)
            north = [row for row in served.scores(LAKEVIEW, "&school_id=north") if row["tier"] in (2, 3)]
            refs = [row["ref"] for row in sorted(north, key=lambda row: row["list_place"])]
            by = By(person_id=add_person(database, "ana@example.org", Grant(Role.COORDINATOR, LAKEVIEW, "north")))
            _many_questions(served, by)
            _many_meetings(database, by)
            place = Scope(schools=frozenset({(LAKEVIEW, "north")}))
            yield Crowd(served, refs, database.pages.schools(place)[0].ref)


def _many_schools(database: Database, store: Path) -> None:
    """As many schools as a large state has, with a student each."""
    places = {f"{10_000 + number}": f"district-{number % DISTRICTS}" for number in range(SCHOOLS)}
    students = {f"student-{school_id}": school_id for school_id in places}
    run = RunStore(store).write(contents([score(student, school=school) for student, school in students.items()]))
    database.publish(run, **roster(students, schools=places))


def _many_questions(served: Served, by: By) -> None:
    """Of students who are not flagged: the flagged ones are left for tests to decide on."""
    others = [row["ref"] for row in served.scores(LAKEVIEW, "&school_id=north") if row["tier"] == 1][:QUESTIONS]
    scope = Scope(districts=frozenset({LAKEVIEW}))
    for number, ref in enumerate(others):
        case = served.database.cases.find(scope, ref)
        assert case is not None
        moved = {"before": CaseState.NOT_FLAGGED, "after": CaseState.NOT_FLAGGED, "subject": Domain.ATTENDANCE}
        move = Move(action=CaseAction.QUESTION_DATA, reason=f"Question {number} about a field trip", **moved)
        served.database.cases.record(case, move, by=by)


def _many_meetings(database: Database, by: By) -> None:
    scope = Scope(districts=frozenset({LAKEVIEW}))
    for number in range(MEETINGS):
        held_on = date(2026, 2, 1 + number)
        assert database.meetings.begin(scope, (LAKEVIEW, "north"), about="flagged", held_on=held_on, by=by)
