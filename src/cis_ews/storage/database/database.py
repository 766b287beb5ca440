"""`Database`: the doors; each opens one transaction and calls one function of the module that knows the subject."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from cis_ews.errors import EwsError
from cis_ews.storage.cases import NightRule
from cis_ews.storage.database import backups, flags, jobs, keys, migrating, people, publishing, rights
from cis_ews.storage.database.audit import Audit
from cis_ews.storage.database.cases import Cases
from cis_ews.storage.database.engine import Connections
from cis_ews.storage.database.exceptions import Emergencies, Switch
from cis_ews.storage.database.meetings import Meetings
from cis_ews.storage.database.pages import Pages
from cis_ews.storage.database.people import FROM_COMMAND_LINE, By, People
from cis_ews.storage.database.records import RecordSource
from cis_ews.storage.database.rows import (
    ApiKey,
    Job,
    PublishReport,
    RunRow,
    SchoolRow,
    ScorePage,
    StudentReasons,
    TierFilter,
)
from cis_ews.storage.database.sessions import Sessions
from cis_ews.storage.database.staging import Staged
from cis_ews.storage.database.transactions import HELD, Transactions
from cis_ews.storage.erased import ERASED, ErasedStudents, list_is_gone
from cis_ews.storage.files import disk_errors, make_private_folder
from cis_ews.storage.pages import GroupRule
from cis_ews.storage.people_blocks import PeopleSource
from cis_ews.storage.runs import Run


class Database:
    """A database by its URL: `sqlite:///path/cis_ews.db` or `postgresql+psycopg://user:password@host/name`.

    Use it as a context manager, or call `close`. Making it opens nothing. It may be used by several threads. Every
    method raises StorageError where the database is out of reach or not at this version's step. `people`, `sessions`,
    `audit`, `pages`, `switch`, `emergencies`, `cases` and `meetings` are doors of their own, with the same errors.
    """

    def __init__(self, url: str) -> None:
        self._connections = Connections(url)
        self._transactions = Transactions(self._connections)
        self.people = People(self._transactions)
        self.sessions = Sessions(self._transactions)
        self.audit = Audit(self._transactions)
        self.pages = Pages(self._transactions)
        self.switch = Switch(self._transactions)
        self.emergencies = Emergencies(self._transactions)
        self.cases = Cases(self._transactions)
        self.meetings = Meetings(self._transactions)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give every connection back."""
        self._connections.close()

    @property
    def label(self) -> str:
        """The address without its password."""
        return self._connections.label

    @property
    def revision(self) -> str | None:
        """The step that the tables stand at; None if there are none."""
        if self._transactions.is_missing:
            return None
        with self._connections.reading() as connection:
            return migrating.current_revision(connection)

    @property
    def newest_revision(self) -> str:
        """The step that this version of cis_ews works with."""
        return migrating.newest_revision()

    def upgrade(self) -> None:
        """Make the tables, or bring them to the newest step; changes nothing if they are there already."""
        self._make_folder()
        with self._connections.writing(alone=True) as connection:
            migrating.upgrade(connection)

    def publish(
        self,
        run: Run,
        *,
        schools: pl.DataFrame,
        students: pl.DataFrame | pl.LazyFrame | PeopleSource,
        records: RecordSource | None = None,
        rule: NightRule | None = None,
        groups: GroupRule | None = None,
        staged: Staged | None = None,
    ) -> PublishReport:
        """Make a run current in each of its districts, in one transaction: a reader sees last night or this one.

        A district is one that has a score in the run; what it had is replaced whole. A district whose current run has
        a newer as-of date keeps it. `schools`, `students`: those of the extract that the run was made from, for
        districts and names; `students` may be lazy, and is then read in slices, or be a source of names and reasons.
        `records`: what lies behind the reasons, by student; without them pages say that none were kept. `rule`: what
        the night does to cases, in the same transaction; without one it leaves them as they are. `groups`: what is
        told of groups of students, as sums; without it nothing is. `staged`: what `stage` made of the run's scores.
        """
        with self._transactions.writing(alone=True, aside=None if staged is None else staged.aside) as connection:
            return publishing.publish_run(
                connection,
                run,
                schools=schools,
                students=students,
                records=records,
                rule=rule,
                groups=groups,
                staged=staged,
            )

    def stage(self, scores: pl.DataFrame, *, run_id: str, as_of: date, schools: pl.DataFrame, folder: Path) -> Staged:
        """Make the scores of a run that is still to be written ready for its publish.

        `schools`: as for `publish`. `folder`: a private one where a file may lie until then.
        """
        with self._transactions.reading() as connection:
            return publishing.stage_scores(
                connection, scores, run_id=run_id, as_of=as_of, schools=schools, folder=folder
            )

    def runs_of(self, district_id: str, *, limit: int = 100) -> list[RunRow]:
        """The runs of a district, newest first."""
        with self._transactions.reading() as connection:
            return flags.runs_of(connection, district_id, limit=limit)

    def districts(self) -> list[str]:
        """The districts that have current flags."""
        with self._transactions.reading() as connection:
            return flags.districts(connection)

    def schools_of(self, district_id: str) -> list[SchoolRow]:
        """The schools of a district that have a scored student."""
        with self._transactions.reading() as connection:
            return flags.schools_of(connection, district_id)

    def current_scores(
        self,
        district_id: str,
        *,
        school_id: str | None = None,
        tier: TierFilter | None = None,
        since: datetime | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> ScorePage:
        """A page of a district's current scores, by ref.

        `since`: only rows whose tier or tier_reason changed at or after that moment. `after`: the `next` of the page
        before. Raises ConfigError if `since` has no time zone.
        """
        conditions = flags.score_conditions(school_id=school_id, tier=tier, since=since, after=after)
        with self._transactions.reading() as connection:
            return flags.score_page(connection, district_id, conditions=conditions, limit=limit)

    def student_reasons(self, district_id: str, ref: str) -> StudentReasons | None:
        """One student's score and reasons; None if the district has no such student."""
        with self._transactions.reading() as connection:
            return flags.student_reasons(connection, district_id, ref)

    def create_key(self, district_id: str, label: str, *, by: By = FROM_COMMAND_LINE) -> tuple[str, str]:
        """A new key: its id, and the whole key, which is shown this once."""
        with self._transactions.writing() as connection:
            return keys.create_key(connection, district_id, label, by=by)

    def check_key(self, text: str) -> ApiKey | None:
        """The key that a text is; None if there is none such or it was revoked."""
        with self._transactions.reading() as connection:
            return keys.check_key(connection, text)

    def revoke_key(self, key_id: str, *, by: By = FROM_COMMAND_LINE) -> bool:
        """End a key; False if there is none such or it had ended before."""
        with self._transactions.writing() as connection:
            return keys.revoke_key(connection, key_id, by=by)

    def list_keys(self, district_id: str | None = None) -> list[ApiKey]:
        """The keys, oldest first, the revoked ones too."""
        with self._transactions.reading() as connection:
            return keys.list_keys(connection, district_id)

    def create_job(
        self, district_id: str, *, kind: str, source: str, as_of: date | None = None, requested_by: str | None = None
    ) -> str:
        """A new job, queued; returns its id. `requested_by`: the key_id that asked for it."""
        with self._transactions.writing() as connection:
            return jobs.create_job(
                connection, district_id, kind=kind, source=source, as_of=as_of, requested_by=requested_by
            )

    def start_job(self, job_id: str) -> None:
        """This process works on the job from now on."""
        with self._transactions.writing() as connection:
            jobs.start_job(connection, job_id)

    def finish_job(self, job_id: str, *, run_id: str) -> None:
        """The job made, or found, a run."""
        with self._transactions.writing() as connection:
            jobs.finish_job(connection, job_id, run_id=run_id)

    def fail_job(self, job_id: str, error: EwsError) -> None:
        """The job ended with an error of ours."""
        with self._transactions.writing() as connection:
            jobs.fail_job(connection, job_id, error)

    def job(self, job_id: str, district_id: str) -> Job | None:
        """A job of the district, or None."""
        with self._transactions.reading() as connection:
            return jobs.find_job(connection, job_id, district_id)

    def jobs_interrupted(self) -> int:
        """Mark the open jobs of dead processes of this machine as interrupted; returns their number."""
        with self._transactions.writing() as connection:
            return jobs.interrupt_jobs(connection)

    def export_student(self, student_id: str) -> dict[str, list[dict[str, object]]]:
        """Every row about a student, by table."""
        with self._transactions.reading() as connection:
            return rights.export_student(connection, student_id)

    def student_ids(self) -> list[str]:
        """The ids of all students of whom there is a row."""
        with self._transactions.reading() as connection:
            return rights.all_student_ids(connection)

    def forget_student(self, student_id: str) -> int:
        """Delete every row about a student and overwrite where they stood; returns the number of rows."""
        with self._transactions.writing(alone=True) as connection:
            rights.mark_erasures(connection)
            deleted = rights.forget_students(connection, [student_id])
        self.purge()
        return deleted

    def check_erasures(self, erased: ErasedStudents) -> None:
        """Raise StorageError where students were forgotten and the store's list is empty; else remember that it is not.

        A database is of one store: a night that went on without the list would bring forgotten students back.
        """
        with self._transactions.reading() as connection:
            is_marked = rights.has_erasures(connection)
        if is_marked and not erased.digests:
            raise list_is_gone(ERASED)
        if erased.digests and not is_marked:
            with self._transactions.writing(alone=True) as connection:
                rights.mark_erasures(connection)

    def record_rewritten(self, run: Run) -> None:
        """Bring the row of a run up to date after erasure has rewritten the run's files."""
        with self._transactions.writing(alone=True) as connection:
            rights.record_rewritten(connection, run)

    def drop_runs(self, run_ids: Collection[str]) -> int:
        """Delete runs, and the flags of districts whose current run is among them; returns the number of runs."""
        with self._transactions.writing(alone=True) as connection:
            return rights.drop_runs(connection, run_ids)

    def drop_jobs(self, *, before: datetime, dry_run: bool = False) -> int:
        """Delete jobs that were asked for before a moment; returns their number."""
        with self._transactions.writing() as connection:
            return jobs.drop_jobs(connection, before=before, dry_run=dry_run)

    def purge(self) -> None:
        """Overwrite what deleted rows left in the database's files."""
        with self._connections.outside() as connection:
            rights.purge(connection)

    def backup(self, path: str | Path) -> dict[str, int]:
        """Write every table into one zip file, readable by its owner alone; returns the rows by table.

        Works at an older step too: a backup comes before an upgrade.
        """
        self._transactions.check_file()
        with self._connections.reading() as connection:
            is_there = HELD in backups.tables_there(connection)
        with self._connections.reading(holding=HELD if is_there else None) as connection:
            return backups.write_backup(connection, Path(path))

    def restore(self, path: str | Path, *, erased: ErasedStudents | None = None) -> dict[str, int]:
        """Put a backup in place of all tables, then bring them to the newest step: all of it or nothing.

        `erased`: the store's list of forgotten students, who are left out; StorageError if the backup says that there
        were some and the list is empty. A key that was revoked since stays revoked, an account that was
        closed since stays closed, and nobody is signed in.
        Returns the rows by table in the backup.
        """
        self._make_folder()
        with self._connections.writing(alone=True) as connection:
            migrating.refuse_later(connection)
            revoked, closed = keys.revoked_keys(connection), people.closed_accounts(connection)
            rows = backups.restore_backup(connection, Path(path))
            migrating.upgrade(connection)
            for key_id in revoked:
                keys.revoke_key(connection, key_id)
            people.close_again(connection, closed)
            if erased is not None:
                if rights.has_erasures(connection) and not erased.digests:
                    raise list_is_gone(ERASED)
                if erased.digests:
                    rights.mark_erasures(connection)
                rights.forget_students(connection, erased.among(rights.all_student_ids(connection)))
        self.purge()
        return rows

    def _make_folder(self) -> None:
        file = self._connections.file
        if file is not None:
            with disk_errors(file.parent, "make the folder"):
                make_private_folder(file.parent)
