"""What pages of people read, on both databases: records, the history of tiers, rosters; each within its scope."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import delete

from cis_ews.enums import AttendanceStatus
from cis_ews.schema.scores import Changes, Reasons
from cis_ews.schema.student_records import RECORDS_SCHEMA
from cis_ews.storage.access import Scope
from cis_ews.storage.database import Database, NewPerson, tables
from cis_ews.storage.database.engine import Connections
from cis_ews.storage.packing import batch_of, packed
from cis_ews.storage.pages import SavedView, SchoolPlace
from cis_ews.storage.store import RunStore
from serving.console.today import person_of
from tests.lib.stored_nights import AS_OF, DISTRICT, SCHOOL, contents, reason, roster, score

EVERYBODY = Scope(districts=frozenset({DISTRICT}))
NEXT_DAY = date(2026, 2, 28)
TWO_SCHOOLS = {SCHOOL: DISTRICT, "south": DISTRICT}


class _Records:
    """Two absences and a tardy of every student but Bob, who was there every day."""

    everyone = ("ann", "bob", "eve")
    absent = ("ann", "eve")

    def behind(self) -> pl.DataFrame:
        """Each student is in a part of their own."""
        days = [1.5 if one in self.absent else None for one in self.everyone]
        schema = {"student_id": pl.String, "days_absent": pl.Float64, "records": pl.Int32}
        return pl.DataFrame({"student_id": self.everyone, "days_absent": days, "records": [7, 8, 9]}, schema=schema)

    def blocks(self, districts: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
        """A block a student."""
        assert set(districts) == {DISTRICT}
        for part, one in zip((7, 8, 9), self.everyone, strict=True):
            yield DISTRICT, part, packed(batch_of(self._of(one)))

    def _of(self, student: str) -> pl.DataFrame:
        days = [(AS_OF, AttendanceStatus.EXCUSED, 1.0), (AS_OF, AttendanceStatus.UNEXCUSED, 0.5)]
        events = [
            {"date": day, "school_id": SCHOOL, "status": status, "fraction_absent": fraction}
            for day, status, fraction in [*days, (AS_OF, AttendanceStatus.TARDY, 0.25)]
        ]
        row = {"student_id": student, "attendance_events": events if student in self.absent else []}
        return pl.DataFrame([_nothing() | row], schema=dict(RECORDS_SCHEMA))


def _nothing() -> dict[str, Any]:
    return {name: [] for name in RECORDS_SCHEMA}


def _change(student: str, *, before: int | None, now: int | None, change: str = "tier_moved") -> dict[str, Any]:
    empty = dict.fromkeys(Changes.create_empty().columns)
    return empty | {
        "student_id": student,
        "school_id": SCHOOL,
        "change": change,
        "cause": "new_records",
        "tier_before": before,
        "tier_now": now,
    }


def _changes(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=Changes.create_empty().schema)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "store")


def _publish(database: Database, store: RunStore, *, schools: dict[str, str] | None = None, **changed: Any) -> None:
    rows = [score("ann", tier=3), score("bob"), score("eve", tier=2, school="south" if schools else SCHOOL)]
    reasons = pl.DataFrame(
        [reason("ann", sentence="Missed 12 days."), reason("bob", sentence="Missed 9 days.")],
        schema=Reasons.create_empty().schema,
    )
    run = store.write(contents(rows, reasons=reasons, **changed))
    database.publish(run, **roster(schools=schools), records=_Records())


def _school(database: Database, name: str = SCHOOL) -> SchoolPlace:
    return next(place for place in database.pages.schools(EVERYBODY) if place.school_id == name)


def _ref(database: Database, student: str) -> str:
    return next(row.ref for row in database.current_scores(DISTRICT).rows if row.student_id == student)


def test_a_student_comes_with_the_records_behind_the_reasons(database: Database, store: RunStore) -> None:
    _publish(database, store)

    page = database.pages.student(EVERYBODY, _ref(database, "ann"))

    assert page is not None
    assert [each["status"] for each in page.records["attendance_events"]] == ["excused", "unexcused", "tardy"]
    assert (page.row.first_name, page.row.tier, page.row.days_absent) == ("Ann", 3, 1.5)
    assert [one.sentence for one in page.row.having("risk")] == ["Missed 12 days."]
    assert (page.school.school_id, page.first_night) == (SCHOOL, AS_OF)


class _EarlierRecords(_Records):
    """Blocks that were packed before records of marks told of assignments."""

    def _of(self, student: str) -> pl.DataFrame:
        mark = {"school_year": 2026, "term": "S1", "course_id": "math", "subject": "math", "is_core": True, "mark": "B"}
        given = RECORDS_SCHEMA["course_grades"]
        assert isinstance(given, pl.List)
        assert isinstance(given.inner, pl.Struct)
        fields = {field.name: field.dtype for field in given.inner.fields if not field.name.startswith("assignments")}
        marks = pl.Series("course_grades", [[mark]], dtype=pl.List(pl.Struct(fields)), strict=False)
        return super()._of(student).with_columns(marks)


def test_records_of_an_earlier_version_are_read_with_what_they_tell(database: Database, store: RunStore) -> None:
    run = store.write(contents([score("ann", tier=3), score("bob"), score("eve", tier=2)]))
    database.publish(run, **roster(), records=_EarlierRecords())
    page = database.pages.student(EVERYBODY, _ref(database, "ann"))
    assert page is not None
    (mark,) = page.records["course_grades"]
    assert (mark["course_id"], mark["mark"], mark["assignments_missing_or_late"]) == ("math", "B", None)
    assert len(page.records["attendance_events"]) == 3


def test_the_roster_tells_of_who_waits_what_the_worklist_would(database: Database, store: RunStore) -> None:
    _publish(database, store)
    waiting = database.cases.worklist(EVERYBODY)
    assert {line.student_id for line in waiting} == {"ann", "eve"}
    read = database.cases.people(waiting)
    known = {row.ref: person_of(row) for row in database.pages.roster(EVERYBODY, _school(database)) if row.ref in read}
    assert known == read
    assert "Missed 12 days." in str(known)


def test_nobody_who_was_there_every_day_is_taken_for_one_of_whom_nothing_is_known(
    database: Database, store: RunStore
) -> None:
    _publish(database, store)
    rows = database.pages.roster(EVERYBODY, _school(database))
    assert {row.first_name: row.days_absent for row in rows} == {"Ann": 1.5, "Bob": 0.0, "Eve": 1.5}
    page = database.pages.student(EVERYBODY, _ref(database, "bob"))
    assert page is not None
    assert page.row.days_absent == 0.0


def test_a_school_without_any_absence_is_silent(
    database: Database, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Records, "absent", ())
    _publish(database, store)
    assert {row.days_absent for row in database.pages.roster(EVERYBODY, _school(database))} == {None}


@pytest.mark.parametrize(
    "scope",
    [
        Scope(),
        Scope(districts=frozenset({"another"})),
        Scope(schools=frozenset({(DISTRICT, "south")})),
        Scope(caseload_of="nobody"),
    ],
)
def test_out_of_scope_there_is_no_student_and_no_row(database: Database, store: RunStore, scope: Scope) -> None:
    _publish(database, store, schools=TWO_SCHOOLS)
    school = _school(database)

    assert database.pages.student(scope, _ref(database, "ann")) is None
    assert database.pages.roster(scope, school) == []
    assert SCHOOL not in {place.school_id for place in database.pages.schools(scope)}


def test_a_roster_tells_in_words_of_those_on_the_list_and_of_what_for_everyone(
    database: Database, store: RunStore
) -> None:
    _publish(database, store)

    rows = {row.first_name: row for row in database.pages.roster(EVERYBODY, _school(database))}

    assert rows["Ann"].told
    assert not rows["Bob"].told
    assert rows["Bob"].domains == {"attendance"}
    assert rows["Eve"].domains == frozenset()


def test_the_history_is_of_tiers_and_of_the_night_that_is_current(database: Database, store: RunStore) -> None:
    ann, risk = _change("ann", before=1, now=3), _change("bob", before=1, now=1, change="risk_moved")
    _publish(database, store)
    _publish(database, store, as_of=NEXT_DAY, changes=_changes(ann, risk))

    tonight = database.pages.changes_of_tonight(EVERYBODY, _school(database))
    page = database.pages.student(EVERYBODY, _ref(database, "ann"))

    assert [(each.ref, each.tier_before, each.tier_now) for each in tonight] == [(_ref(database, "ann"), 1, 3)]
    assert page is not None
    assert [(each.as_of, each.cause) for each in page.history] == [(NEXT_DAY, "new_records")]


def test_who_is_resolved_comes_with_the_reasons_of_the_night_before(database: Database, store: RunStore) -> None:
    """The first two by rank; nothing of who was on no list, of who still is, or from a night that is kept no more."""
    gone, stays, free = (("ann", 3), ("eve", 2), ("bob", 1))
    said = [reason(one, rank=rank, sentence=f"{one}, {rank}") for one in ("ann", "bob", "eve") for rank in (3, 1, 2)]
    schema = Reasons.create_empty().schema
    strengths = pl.DataFrame([reason("ann", direction="strength", sentence="Is kind")], schema=schema)
    first = contents(
        [score(one, tier=tier) for one, tier in (gone, stays, free)], reasons=pl.DataFrame(said, schema=schema)
    )
    before = store.write(first)
    database.publish(before, **roster(), records=_Records())
    moved = _changes(_change("ann", before=3, now=1), _change("bob", before=1, now=2), _change("eve", before=2, now=3))
    told = {"as_of": NEXT_DAY, "changes": moved, "reasons": strengths}
    rows = [score("ann"), score("bob", tier=2), score("eve", tier=3)]
    compared = {"run_id": before.run_id, "as_of": AS_OF.isoformat()}
    database.publish(store.write(contents(rows, **told, compared_with=compared)), **roster(), records=_Records())

    school, ann = _school(database), _ref(database, "ann")
    line, *others = sorted(
        database.pages.roster(EVERYBODY, school, told_of=[ann]), key=lambda row: row.first_name or ""
    )
    page = database.pages.student(EVERYBODY, ann)
    assert line.before == ("ann, 1", "ann, 2")
    assert [one.sentence for one in line.told] == ["Is kind"]
    assert [row.before for row in others] == [(), ()]
    assert page is not None
    assert page.row.before == line.before
    assert database.pages.roster(EVERYBODY, school)[-1].told == ()  # in words for few
    assert database.export_student("ann")["students"][0]["reasons_before"] == ["ann, 1", "ann, 2"]

    lost = {"run_id": "f" * 16, "as_of": AS_OF.isoformat()}
    again = contents(rows, **told, compared_with=lost, config_hash="again")
    database.publish(store.write(again), **roster(), records=_Records())
    assert [row.before for row in database.pages.roster(EVERYBODY, school, told_of=[ann])] == [()] * 3


def test_a_night_done_once_more_tells_its_changes_once(database: Database, store: RunStore) -> None:
    _publish(database, store, changes=_changes(_change("ann", before=1, now=3)))
    _publish(database, store, config_hash="again", changes=_changes(_change("ann", before=2, now=3)))

    page = database.pages.student(EVERYBODY, _ref(database, "ann"))

    assert page is not None
    assert [each.tier_before for each in page.history] == [2]


def test_who_is_forgotten_is_in_no_record_and_no_history(database: Database, store: RunStore) -> None:
    _publish(database, store, changes=_changes(_change("ann", before=1, now=3), _change("eve", before=1, now=2)))
    exported = database.export_student("ann")
    ref = _ref(database, "ann")

    database.forget_student("ann")

    assert [row["fraction_absent"] for row in exported["attendance_events"]] == [1.0, 0.5, 0.25]
    assert exported["not_kept"] == []
    assert [row["tier_now"] for row in exported["tier_changes"]] == [3]
    assert database.pages.student(EVERYBODY, ref) is None
    assert not any(database.export_student("ann").values())
    assert len(database.export_student("eve")["attendance_events"]) == 3


def test_an_export_says_that_records_were_not_kept(database: Database, store: RunStore, url: str) -> None:
    """As after a step of the database that drops them, until the next night."""
    _publish(database, store)
    connections = Connections(url)
    with connections.writing() as connection:
        connection.execute(delete(tables.student_records))
    connections.close()
    exported = database.export_student("ann")
    assert "attendance_events" not in exported
    (said,) = exported["not_kept"]
    assert said["ref"] == _ref(database, "ann")
    assert "the records behind the reasons" in str(said["what"])
    assert "after the next night" in str(said["hint"])
    _publish(database, store, as_of=NEXT_DAY)
    assert database.export_student("ann")["not_kept"] == []
    assert len(database.export_student("ann")["attendance_events"]) == 3


def test_a_run_that_goes_takes_its_history_with_it(database: Database, store: RunStore) -> None:
    _publish(database, store, changes=_changes(_change("ann", before=1, now=3)))
    run_id = _school(database).run_id
    ref = _ref(database, "ann")
    _publish(database, store, as_of=NEXT_DAY)

    database.drop_runs([run_id])

    page = database.pages.student(EVERYBODY, ref)
    assert page is not None
    assert page.history == []


def test_a_backup_brings_records_and_history_back(database: Database, store: RunStore, tmp_path: Path) -> None:
    _publish(database, store, changes=_changes(_change("ann", before=1, now=3)))
    before = database.pages.student(EVERYBODY, _ref(database, "ann"))
    database.backup(tmp_path / "backup.zip")
    _publish(database, store, as_of=NEXT_DAY)

    database.restore(tmp_path / "backup.zip")

    assert database.pages.student(EVERYBODY, _ref(database, "ann")) == before


def test_schools_are_counted_without_any_student(database: Database, store: RunStore) -> None:
    _publish(database, store, schools=TWO_SCHOOLS)

    counted = {each.school.school_id: each for each in database.pages.counts(districts=None)}

    assert (counted[SCHOOL].students, counted[SCHOOL].tier_3, counted["south"].tier_2) == (2, 1, 1)
    assert database.pages.counts(districts=["another"]) == []


def test_a_view_is_of_one_person_and_one_school(database: Database, store: RunStore) -> None:
    _publish(database, store)
    school = _school(database)
    person = database.people.add(NewPerson(email="a@b.example", name="A"))
    other = database.people.add(NewPerson(email="c@b.example", name="C"))

    assert database.pages.save_view(person, school, SavedView(name="Grade 9", filters="grade=9"))
    assert database.pages.save_view(person, school, SavedView(name="Grade 9", filters="grade=9&tier=3"))

    assert database.pages.views(person, school) == [SavedView(name="Grade 9", filters="grade=9&tier=3")]
    assert database.pages.views(other, school) == []
    database.pages.drop_view(person, school, "Grade 9")
    assert database.pages.views(person, school) == []
