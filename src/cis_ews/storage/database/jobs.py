"""Nights that were asked for through the service: their ids and outcomes outlive the process that ran them."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from cis_ews.errors import EwsError, RunNotFoundError
from cis_ews.storage.database import tables
from cis_ews.storage.database.rows import Job

_FIELDS = tuple(Job.__dataclass_fields__)
_COLUMNS = [tables.jobs.c[name] for name in _FIELDS]
LONGEST_NIGHT = timedelta(hours=24)
_OPEN = ("queued", "running")


def create_job(
    connection: Connection, district_id: str, *, kind: str, source: str, as_of: date | None, requested_by: str | None
) -> str:
    """A new job, queued by this process; returns its id, 32 random hex digits."""
    job_id = secrets.token_hex(16)
    connection.execute(
        insert(tables.jobs).values(
            job_id=job_id,
            district_id=district_id,
            kind=kind,
            source=source,
            as_of=as_of,
            status="queued",
            worker=worker_name(os.getpid()),
            requested_by=requested_by,
            created_at=datetime.now(UTC),
        )
    )
    return job_id


def start_job(connection: Connection, job_id: str) -> None:
    """This process works on the job from now on."""
    _change(connection, job_id, status="running", started_at=datetime.now(UTC), worker=worker_name(os.getpid()))


def finish_job(connection: Connection, job_id: str, *, run_id: str) -> None:
    """The job made, or found, this run."""
    _change(connection, job_id, status="done", finished_at=datetime.now(UTC), run_id=run_id)


def fail_job(connection: Connection, job_id: str, error: EwsError) -> None:
    """The job ended with an error of ours, whose text carries no student's data."""
    _change(
        connection,
        job_id,
        status="failed",
        finished_at=datetime.now(UTC),
        error_code=error.code,
        error_message=str(error),
    )


def find_job(connection: Connection, job_id: str, district_id: str) -> Job | None:
    """A job of the district, or None."""
    table = tables.jobs
    query = select(*_COLUMNS).where(table.c.job_id == job_id, table.c.district_id == district_id)
    found = connection.execute(query).mappings().one_or_none()
    return None if found is None else Job(**found)


def interrupt_jobs(connection: Connection) -> int:
    """Mark the open jobs of processes that are no more; returns their number.

    A process of this machine is looked up. One of another machine, or of a container that has a new name since its
    restart, cannot be; its job counts as interrupted once it is older than the longest night.
    """
    table = tables.jobs
    open_jobs = select(table.c.job_id, table.c.worker, table.c.created_at).where(table.c.status.in_(_OPEN))
    orphans = [row.job_id for row in connection.execute(open_jobs) if is_dead(row.worker, asked_at=row.created_at)]
    for job_id in orphans:
        _change(
            connection,
            job_id,
            status="interrupted",
            finished_at=datetime.now(UTC),
            error_code="interrupted",
            error_message="the service stopped while the job was open; ask for it again",
        )
    return len(orphans)


def drop_jobs(connection: Connection, *, before: datetime, dry_run: bool) -> int:
    """Delete, or only count, the ended jobs that were asked for before a moment."""
    table = tables.jobs
    old = (table.c.created_at < before, table.c.status.not_in(_OPEN))
    if dry_run:
        return connection.scalar(select(func.count()).where(*old)) or 0
    return connection.execute(delete(table).where(*old)).rowcount


def worker_name(process: int) -> str:
    """A process for all time: machine, number, and when it started, because numbers are used again."""
    return f"{socket.gethostname()}:{process}:{_started(process)}"


def _started(process: int) -> str:
    try:
        # The 22nd field; the second is a name in brackets that may hold spaces. Where there is no /proc, unknown.
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return "unknown"


def is_dead(worker: str, *, asked_at: datetime) -> bool:
    """Whether the process that took a job, asked for at that moment, is no more."""
    host, process, _ = worker.rsplit(":", 2)
    if host != socket.gethostname():
        return datetime.now(UTC) - asked_at > LONGEST_NIGHT
    return not (_is_running(int(process)) and worker_name(int(process)) == worker)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _change(connection: Connection, job_id: str, **values: Any) -> None:
    if connection.execute(update(tables.jobs).where(tables.jobs.c.job_id == job_id).values(values)).rowcount == 0:
        raise RunNotFoundError("there is no such job", hint="ask for the night again")
