"""The database: the same suite on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cis_ews.errors import ConfigError, DataError, RunNotFoundError, StorageError
from cis_ews.storage.database import Database, ScoreRow
from cis_ews.storage.database.jobs import is_dead
from cis_ews.storage.erasure import forget_student
from cis_ews.storage.runs import Run
from cis_ews.storage.store import RunStore
from tests.lib.children import child
from tests.lib.stored_nights import AS_OF, DISTRICT, SCHOOL, contents, listed, roster, score

TWO_DISTRICTS = {"north": "d1", "south": "d2"}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "out")


def _night(store: RunStore, *rows: dict[str, Any], day: date = AS_OF) -> Run:
    """A run of these scores; every night of a test has a configuration of its own, and so an id of its own."""
    return store.write(contents(rows, as_of=day, config_hash=str(len(store.runs()))))


def _all_rows(database: Database, district: str = DISTRICT, **filters: Any) -> list[ScoreRow]:
    return list(database.current_scores(district, limit=5000, **filters).rows)


def _tiers(database: Database, district: str = DISTRICT, **filters: Any) -> dict[str, int | None]:
    return {row.student_id: row.tier for row in _all_rows(database, district, **filters)}


# Publishing


def test_a_published_run_is_what_readers_see(database: Database, store: RunStore) -> None:
    run = _night(store, score("ann", tier=3, reason="chronic absence"), score("bob"), score("eve", tier=None))
    report = database.publish(run, **roster())
    assert (report.run_id, report.published) == (run.run_id, (DISTRICT,))
    page = database.current_scores(DISTRICT)
    assert (page.run_id, page.as_of, page.next) == (run.run_id, AS_OF, None)
    ann = next(row for row in page.rows if row.student_id == "ann")
    assert (ann.tier, ann.tier_reason, ann.school_id, ann.grade_level) == (3, "chronic absence", SCHOOL, "9")
    assert (ann.risk, ann.days_enrolled, ann.abstained, ann.model_version) == (None, 100, False, run.model_version)
    assert next(row for row in page.rows if row.student_id == "eve").abstained


def test_risks_come_back_to_the_last_digit(database: Database, store: RunStore) -> None:
    risk = {"risk": 0.1 + 0.2, "risk_low": 1e-17, "risk_high": 1.0}
    database.publish(_night(store, score("ann") | risk), **roster())
    row = _all_rows(database)[0]
    assert {name: getattr(row, name) for name in risk} == risk


def test_the_run_is_listed_with_the_counts_of_the_district(database: Database, store: RunStore) -> None:
    rows = [score("ann", tier=3), score("bob", tier=2, school="south"), score("eve", tier=None)]
    run = _night(store, *rows)
    database.publish(run, **roster(schools=TWO_DISTRICTS))
    listed = database.runs_of("d1")[0]
    assert (listed.run_id, listed.as_of, listed.is_current) == (run.run_id, AS_OF, True)
    assert (listed.students, listed.tier_1, listed.tier_2, listed.tier_3, listed.not_enough_data) == (2, 0, 0, 1, 1)
    assert listed.path == f"runs/2026-02-27/{run.run_id}"
    assert database.runs_of("d2")[0].tier_2 == 1
    assert database.districts() == ["d1", "d2"]


def test_moments_are_in_utc(database: Database, store: RunStore) -> None:
    before = datetime.now(UTC)
    database.publish(_night(store, score("ann")), **roster())
    listed = database.runs_of(DISTRICT)[0]
    for moment in (listed.created_at, listed.published_at, _all_rows(database)[0].changed_at):
        assert moment.utcoffset() == timedelta(0)
        assert before <= moment <= datetime.now(UTC)


def test_publishing_the_same_run_again_changes_nothing(database: Database, store: RunStore) -> None:
    run = _night(store, score("ann"))
    database.publish(run, **roster())
    before = database.current_scores(DISTRICT)
    report = database.publish(run, **roster())
    assert (report.published, report.unchanged) == ((), (DISTRICT,))
    assert database.current_scores(DISTRICT) == before
    assert len(database.runs_of(DISTRICT)) == 1


def test_an_older_night_is_listed_and_replaces_nothing(database: Database, store: RunStore) -> None:
    newer = _night(store, score("ann", tier=3))
    older = _night(store, score("ann", tier=1), day=AS_OF - timedelta(days=1))
    database.publish(newer, **roster())
    report = database.publish(older, **roster())
    assert (report.published, report.kept_newer) == ((), (DISTRICT,))
    assert _tiers(database) == {"ann": 3}
    assert [(run.run_id, run.is_current) for run in database.runs_of(DISTRICT)] == [
        (newer.run_id, True),
        (older.run_id, False),
    ]


def test_a_second_run_of_the_same_day_replaces_the_first(database: Database, store: RunStore) -> None:
    database.publish(_night(store, score("ann", tier=3)), **roster())
    database.publish(_night(store, score("ann", tier=1)), **roster())
    assert _tiers(database) == {"ann": 1}


def test_whoever_is_scored_no_more_is_current_no_more(database: Database, store: RunStore) -> None:
    database.publish(_night(store, score("ann"), score("bob")), **roster())
    database.publish(_night(store, score("bob")), **roster())
    assert _tiers(database) == {"bob": 1}
    assert not any(database.export_student("ann").values())


def test_a_district_sees_only_its_own(database: Database, store: RunStore) -> None:
    both = (score("ann"), score("bob", school="south"))
    database.publish(_night(store, *both), **roster(schools=TWO_DISTRICTS))
    ref = _all_rows(database, "d1")[0].ref
    assert _tiers(database, "d1") == {"ann": 1}
    assert _tiers(database, "d2") == {"bob": 1}
    assert database.student_reasons("d1", ref) is not None
    assert database.student_reasons("d2", ref) is None
    assert listed(database, "d2", "north") == []
    assert [school.school_id for school in database.schools_of("d2")] == ["south"]


def test_a_night_of_one_district_leaves_the_others(database: Database, store: RunStore) -> None:
    both = (score("ann", tier=1), score("bob", tier=1, school="south"))
    database.publish(_night(store, *both), **roster(schools=TWO_DISTRICTS))
    database.publish(_night(store, score("ann", tier=2)), **roster(schools=TWO_DISTRICTS))
    assert (_tiers(database, "d1"), _tiers(database, "d2")) == ({"ann": 2}, {"bob": 1})


def test_a_score_of_an_unknown_school_is_refused_whole(database: Database, store: RunStore) -> None:
    with pytest.raises(StorageError, match="1 score is of schools"):
        database.publish(_night(store, score("ann"), score("bob", school="nowhere")), **roster())
    assert database.districts() == []
    assert _all_rows(database) == []


def test_a_publish_that_fails_at_its_last_table_leaves_what_was_there(database: Database, store: RunStore) -> None:
    database.publish(_night(store, score("ann", tier=1), score("bob", tier=1)), **roster())
    night = _night(store, score("ann", tier=3))
    twice = pl.concat([night.table("reasons")] * 2)
    twice.write_parquet(night.path / "reasons.parquet")
    with pytest.raises(StorageError, match="refused") as caught:
        database.publish(night, **roster())
    assert "ann" not in f"{caught.value} {caught.value.__cause__}"
    assert _tiers(database) == {"ann": 1, "bob": 1}
    assert [run.run_id for run in database.runs_of(DISTRICT)] != [night.run_id]


def test_readers_see_last_night_or_this_one_and_never_half(database: Database, url: str, store: RunStore) -> None:
    students = [f"s{number:04}" for number in range(1000)]
    nights = [_night(store, *(score(one, tier=tier) for one in students)) for tier in (1, 2, 3)]
    database.publish(nights[0], **roster(students))
    seen: list[tuple[int, int, bool]] = []
    done = threading.Event()

    def read() -> None:
        with Database(database._connections.url.render_as_string(hide_password=False)) as reader:
            while not done.is_set():
                page = reader.current_scores(DISTRICT, limit=5000)
                tiers = {row.tier for row in page.rows}
                is_of_run = page.run_id == nights[next(iter(tiers)) - 1].run_id
                seen.append((len(page.rows), len(tiers), is_of_run))

    thread = threading.Thread(target=read)
    thread.start()
    for night in (*nights[1:], *nights):
        database.publish(night, **roster(students))
        time.sleep(0.02)
    done.set()
    thread.join()
    assert len(seen) > 5
    assert set(seen) == {(1000, 1, True)}


def test_two_publishes_at_once_wait_for_each_other(database: Database, store: RunStore) -> None:
    students = [f"s{number:04}" for number in range(2000)]
    nights = [_night(store, *(score(one, tier=tier) for one in students)) for tier in (1, 2, 3)]
    threads = [threading.Thread(target=database.publish, args=(night,), kwargs=roster(students)) for night in nights]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    current = [run for run in database.runs_of(DISTRICT) if run.is_current]
    assert len(database.runs_of(DISTRICT)) == 3
    assert len(current) == 1
    tier = [night.run_id for night in nights].index(current[0].run_id) + 1
    assert set(_tiers(database).values()) == {tier}
    assert len(_tiers(database)) == 2000


# What has changed


def test_since_gives_only_what_changed(database: Database, store: RunStore) -> None:
    night = [score("ann", tier=3, reason="a"), score("bob", tier=2, reason="b"), score("eve", tier=1)]
    database.publish(_night(store, *night), **roster())
    first = database.current_scores(DISTRICT)
    assert first.published_at is not None
    next_night = [score("ann", tier=3, reason="a"), score("bob", tier=2, reason="c"), score("eve", tier=None)]
    database.publish(_night(store, *next_night, score("zoe")), **roster(["ann", "bob", "eve", "zoe"]))
    second = database.current_scores(DISTRICT)
    assert second.published_at is not None
    changed = {row.student_id: row.changed_at for row in second.rows}
    assert changed["ann"] == first.published_at
    assert {changed[one] for one in ("bob", "eve", "zoe")} == {second.published_at}
    assert set(_tiers(database, since=second.published_at)) == {"bob", "eve", "zoe"}
    assert set(_tiers(database, since=first.published_at)) == {"ann", "bob", "eve", "zoe"}
    assert _tiers(database, since=second.published_at + timedelta(microseconds=1)) == {}


def test_a_tier_that_changed_and_changed_back_has_changed(database: Database, store: RunStore) -> None:
    for tier in (2, 1, 2):
        database.publish(_night(store, score("ann", tier=tier)), **roster())
    page = database.current_scores(DISTRICT)
    assert page.rows[0].changed_at == page.published_at


def test_since_in_another_time_zone_is_the_same_moment(database: Database, store: RunStore) -> None:
    database.publish(_night(store, score("ann")), **roster())
    moment = database.current_scores(DISTRICT).published_at
    assert moment is not None
    pacific = moment.astimezone(timezone(timedelta(hours=-8)))
    assert set(_tiers(database, since=pacific)) == {"ann"}
    assert _tiers(database, since=pacific + timedelta(microseconds=1)) == {}


def test_since_without_a_time_zone_is_refused(database: Database) -> None:
    with pytest.raises(ConfigError, match="no time zone"):
        database.current_scores(DISTRICT, since=datetime(2026, 2, 27))


# Pages and filters


def test_pages_together_are_all_scores_once_by_ref(database: Database, store: RunStore) -> None:
    students = [f"s{number:03}" for number in range(25)]
    database.publish(_night(store, *map(score, students)), **roster(students))
    refs: list[str] = []
    after: str | None = None
    sizes: list[int] = []
    while True:
        page = database.current_scores(DISTRICT, after=after, limit=10)
        refs += [row.ref for row in page.rows]
        sizes.append(len(page.rows))
        if page.next is None:
            break
        after = page.next
    assert sizes == [10, 10, 5]
    assert refs == sorted(refs)
    assert len(set(refs)) == 25


def test_a_full_last_page_says_that_it_is_the_last(database: Database, store: RunStore) -> None:
    database.publish(_night(store, score("ann"), score("bob")), **roster())
    assert database.current_scores(DISTRICT, limit=2).next is None


def test_filters_by_school_and_tier(database: Database, store: RunStore) -> None:
    rows = [
        score("a", tier=1),
        score("b", tier=2),
        score("c", tier=3, school="east"),
        score("d", tier=None, school="east"),
    ]
    database.publish(_night(store, *rows), **roster("abcd", schools={"north": "d1", "east": "d1"}))
    assert set(_tiers(database, school_id="east")) == {"c", "d"}
    assert set(_tiers(database, tier=2)) == {"b"}
    assert set(_tiers(database, tier="not_enough_data")) == {"d"}
    assert set(_tiers(database, tier=3, school_id="north")) == set()


def test_a_district_without_a_night_has_an_empty_page(database: Database) -> None:
    page = database.current_scores("nobody")
    assert (page.rows, page.next, page.run_id, page.as_of, page.published_at) == ((), None, None, None, None)


# Reasons, flags, schools


def test_reasons_and_strengths_are_apart_and_in_order(database: Database, store: RunStore) -> None:
    run = _night(store, score("ann", tier=2))
    reasons = run.table("reasons")
    more = pl.concat([reasons, reasons.with_columns(rank=pl.lit(2, pl.Int16))])
    run = store.write(contents([score("ann", tier=2)], reasons=more, config_hash="more"))
    database.publish(run, **roster())
    found = database.student_reasons(DISTRICT, _all_rows(database)[0].ref)
    assert found is not None
    assert (found.score.student_id, found.run_id, found.as_of) == ("ann", run.run_id, AS_OF)
    assert [(one.rank, one.sentence) for one in found.reasons] == [
        (1, "Missed 12 of 96 days (risk, 1)"),
        (2, "Missed 12 of 96 days (risk, 1)"),
    ]
    assert next((one.domain, one.indicator, one.value) for one in found.strengths) == (
        "attendance",
        "absence_rate_ytd",
        0.125,
    )
    assert database.student_reasons(DISTRICT, "0" * 32) is None


def test_those_whom_a_school_lists_have_names_and_reasons_and_an_order(database: Database, store: RunStore) -> None:
    rows = [score("a", tier=2), score("b", tier=3), score("c", tier=3), score("d", tier=1), score("e", tier=None)]
    database.publish(_night(store, *rows), **roster("abcde", last_names={"b": "Zorn", "c": "adams"}))
    found = listed(database)
    assert [(row.tier, row.last_name, row.first_name) for row in found] == [
        (3, "adams", "C"),
        (3, "Zorn", "B"),
        (2, "Doe", "A"),
        (None, "Doe", "E"),
    ]
    assert [len(row.told) for row in found] == [2, 2, 2, 2]


def test_a_student_without_a_name_is_listed_all_the_same(database: Database, store: RunStore) -> None:
    database.publish(_night(store, score("ann", tier=3)), **roster([]))
    (ann,) = database.current_scores(DISTRICT).rows
    assert [(row.last_name, row.ref) for row in listed(database)] == [(None, ann.ref)]


def test_schools_are_counted_by_tier(database: Database, store: RunStore) -> None:
    rows = [score("a", tier=2), score("b", tier=3), score("c", tier=None, school="east"), score("d", tier=1)]
    schools = {"north": "d1", "east": "d1", "empty": "d1"}
    database.publish(_night(store, *rows), **roster("abcd", schools=schools))
    found = [(row.school_id, row.name, row.students, row.tier_2, row.tier_3) for row in database.schools_of(DISTRICT)]
    assert found == [("east", "East High", 1, 0, 0), ("north", "North High", 3, 1, 1)]
    assert [row.not_enough_data for row in database.schools_of(DISTRICT)] == [1, 0]


def test_those_for_whom_the_list_was_full_are_counted(database: Database, store: RunStore) -> None:
    rows = [score("a", tier=2), score("b", tier=1) | {"list_place": 3}, score("c", tier=1)]
    database.publish(_night(store, *rows), **roster("abc"))
    assert [row.beyond_list for row in database.schools_of(DISTRICT)] == [1]


def test_names_of_any_script_and_quotes_come_back(database: Database, store: RunStore) -> None:
    name = 'O\'Brien "Ñandú" 李; DROP TABLE scores; --\t\\N'
    database.publish(_night(store, score("ann", tier=3)), **roster(["ann"], last_names={"ann": name}))
    assert listed(database)[0].last_name == name


# Refs


def test_refs_are_opaque_and_stay_the_same_night_after_night(database: Database, store: RunStore) -> None:
    refs: list[str] = []
    for tier in (1, 2):
        database.publish(_night(store, score("ann-4711", tier=tier)), **roster(["ann-4711"]))
        refs.append(_all_rows(database)[0].ref)
    assert refs[0] == refs[1]
    assert len(refs[0]) == 32
    assert "4711" not in refs[0]


def test_the_same_student_has_other_refs_elsewhere(new_url: Callable[[], str], store: RunStore) -> None:
    """In another database, and in another district: nobody can tell that it is the same student."""
    run = _night(store, score("ann"))
    refs: list[str] = []
    for district in ("d1", "d1", "d2"):
        with Database(new_url()) as database:
            database.upgrade()
            database.publish(run, **roster(schools={"north": district}))
            refs.append(_all_rows(database, district)[0].ref)
    assert len(set(refs)) == 3


# Keys


def test_a_key_opens_its_district(database: Database) -> None:
    key_id, text = database.create_key(DISTRICT, "night of the SIS")
    assert text.startswith(f"cisews_{key_id}_")
    found = database.check_key(text)
    assert found is not None
    assert (found.key_id, found.district_id, found.label, found.revoked_at) == (
        key_id,
        DISTRICT,
        "night of the SIS",
        None,
    )


def test_a_wrong_or_malformed_key_opens_nothing(database: Database) -> None:
    key_id, text = database.create_key(DISTRICT, "x")
    other_id, _ = database.create_key("d2", "y")
    secret = text.rpartition("_")[2]
    wrong = [
        "",
        text[:-1] + ("0" if text[-1] != "0" else "1"),
        text.upper(),
        text + "0",
        f"cisews_{other_id}_{secret}",
        f"cisews_{'0' * 12}_{secret}",
        f"cisews_{key_id}_",
        f" {text}",
        f"{text}\n",
    ]
    assert [database.check_key(one) for one in wrong] == [None] * len(wrong)


def test_a_revoked_key_opens_nothing_more(database: Database) -> None:
    key_id, text = database.create_key(DISTRICT, "x")
    assert database.revoke_key(key_id)
    assert database.check_key(text) is None
    assert not database.revoke_key(key_id)
    assert not database.revoke_key("0" * 12)
    assert database.list_keys()[0].revoked_at is not None


def test_keys_are_listed_by_district_and_without_secrets(database: Database) -> None:
    _, text = database.create_key("d1", "one")
    database.create_key("d2", "two")
    assert [key.label for key in database.list_keys()] == ["one", "two"]
    assert [key.label for key in database.list_keys("d2")] == ["two"]
    assert text.rpartition("_")[2] not in repr(database.list_keys())


def test_a_key_without_a_district_is_refused(database: Database) -> None:
    with pytest.raises(ConfigError, match="needs a district"):
        database.create_key("", "x")


# Jobs


def test_a_job_goes_its_way(database: Database) -> None:
    job_id = database.create_job(DISTRICT, kind="night", source="main", as_of=AS_OF, requested_by="0" * 12)
    queued = database.job(job_id, DISTRICT)
    assert queued is not None
    assert (queued.status, queued.kind, queued.source, queued.as_of) == ("queued", "night", "main", AS_OF)
    database.start_job(job_id)
    running = database.job(job_id, DISTRICT)
    assert running is not None
    assert running.status == "running"
    assert running.started_at is not None
    database.finish_job(job_id, run_id="f" * 16)
    done = database.job(job_id, DISTRICT)
    assert done is not None
    assert (done.status, done.run_id, done.error_code) == ("done", "f" * 16, None)
    assert done.finished_at is not None
    assert done.finished_at >= running.started_at >= queued.created_at


def test_a_failed_job_keeps_code_and_words(database: Database) -> None:
    job_id = database.create_job(DISTRICT, kind="night", source="main")
    database.fail_job(job_id, DataError("7 rows are wrong", hint="fix the export"))
    job = database.job(job_id, DISTRICT)
    assert job is not None
    assert (job.status, job.error_code, job.error_message) == ("failed", "data", "7 rows are wrong; fix the export")


def test_a_job_is_seen_by_its_district_alone(database: Database) -> None:
    job_id = database.create_job("d1", kind="night", source="main")
    assert database.job(job_id, "d2") is None
    assert database.job("0" * 32, "d1") is None


def test_an_unknown_job_cannot_be_started(database: Database) -> None:
    with pytest.raises(RunNotFoundError, match="no such job"):
        database.start_job("0" * 32)


LEAVE_JOBS_OPEN = """
import sys
from cis_ews.storage.database import Database
with Database(sys.argv[1]) as database:
    jobs = [database.create_job("d1", kind="night", source="main") for _ in range(3)]
    database.start_job(jobs[0])
    database.finish_job(jobs[2], run_id="f" * 16)
    print(*jobs)
"""


def test_jobs_of_a_dead_process_are_interrupted_and_those_of_a_live_one_not(new_url: Callable[[], str]) -> None:
    url = new_url()
    with Database(url) as database:
        database.upgrade()
        with child(LEAVE_JOBS_OPEN, url) as process:
            out, err = process.communicate()
        assert process.returncode == 0, err
        mine = database.create_job("d1", kind="night", source="main")
        database.start_job(mine)
        assert database.jobs_interrupted() == 2
        jobs = [database.job(job_id, "d1") for job_id in (*out.split(), mine)]
        assert [job.status for job in jobs if job] == ["interrupted", "interrupted", "done", "running"]
        assert database.jobs_interrupted() == 0


@pytest.mark.parametrize(("hours", "dead"), [(1, False), (25, True)])
def test_a_job_of_another_machine_is_given_up_after_the_longest_night(hours: int, dead: bool) -> None:
    assert is_dead("another-machine:1:0", asked_at=datetime.now(UTC) - timedelta(hours=hours)) is dead


# Rights


def test_forgetting_takes_every_row_and_counts_anew(database: Database, store: RunStore) -> None:
    run = _night(store, score("ann", tier=3), score("bob", tier=2))
    database.publish(run, **roster())
    assert {name: len(rows) for name, rows in database.export_student("ann").items() if rows} == {
        "students": 1,
        "scores": 1,
        "reasons": 2,
        "not_kept": 1,  # a night without the records behind the reasons
    }
    report = forget_student(store, database, "ann", today=date(2026, 3, 2))
    assert report.database_rows == 4
    assert not any(database.export_student("ann").values())
    assert _tiers(database) == {"bob": 2}
    assert (database.runs_of(DISTRICT)[0].students, database.runs_of(DISTRICT)[0].tier_3) == (1, 0)


# Addresses and errors


@pytest.mark.parametrize("url", ["nonsense", "", "mysql://u:topsecret@h/d", "sqlite://", "sqlite:///:memory:"])
def test_an_address_that_cannot_be_used_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(StorageError, match="write sqlite:///") as caught:
        Database(url)
    assert "topsecret" not in str(caught.value)


def test_an_unreachable_server_is_said_without_the_password() -> None:
    with Database("postgresql://reader:topsecret@127.0.0.1:9/nowhere") as database:
        with pytest.raises(StorageError, match=r"postgresql\+psycopg://reader:\*\*\*@127\.0\.0\.1:9/nowhere") as caught:
            database.districts()
        assert "topsecret" not in f"{caught.value!r} {caught.value} {caught.value.__cause__} {caught.value.details}"
        assert caught.value.exit_code == 5
        assert "topsecret" not in database.label


def test_a_mistyped_path_makes_no_file(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/typo.db") as database:
        assert database.revision is None
        with pytest.raises(
            StorageError, match=r"there is no database at .*typo\.db; make it with `cis-ews db upgrade`"
        ):
            database.districts()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "cis_ews.db").write_text("this is a letter, not a database" * 100)
    with Database(f"sqlite:///{tmp_path}/cis_ews.db") as database, pytest.raises(StorageError, match=r"cis_ews\.db"):
        database.districts()


def test_a_database_that_was_not_upgraded_says_what_to_do(new_url: Callable[[], str]) -> None:
    url = new_url()
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir()
        path.touch()
    with Database(url) as database:
        assert database.revision is None
        with pytest.raises(StorageError, match="no tables yet; run `cis-ews db upgrade`"):
            database.districts()


def test_a_value_that_is_refused_is_not_shown(database: Database, store: RunStore) -> None:
    """A NUL byte: PostgreSQL takes none, and its driver's error would quote the row."""
    run = _night(store, score("ann", tier=3, reason="Marker\x00Quixote"))
    if database.label.startswith("sqlite"):
        database.publish(run, **roster())
        assert _all_rows(database)[0].tier_reason == "Marker\x00Quixote"
        return
    with pytest.raises(StorageError, match="rows for the table scores were refused") as caught:
        database.publish(run, **roster())
    assert "Quixote" not in f"{caught.value!r} {caught.value} {caught.value.__cause__}"
    assert database.districts() == []


def test_a_big_night_is_published_in_time(database: Database, store: RunStore) -> None:
    """Thirty thousand students with two sentences each; a tenth of a second a thousand is far from any timeout."""
    students = [f"s{number:05}" for number in range(30_000)]
    run = _night(store, *(score(one, tier=1 + number % 3) for number, one in enumerate(students)))
    started = time.monotonic()
    database.publish(run, **roster(students))
    assert time.monotonic() - started < 30
    assert database.runs_of(DISTRICT)[0].students == 30_000


def test_a_database_may_be_used_by_many_threads(database: Database, store: RunStore) -> None:
    database.publish(_night(store, score("ann")), **roster())
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(len(database.current_scores(DISTRICT).rows))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 8
