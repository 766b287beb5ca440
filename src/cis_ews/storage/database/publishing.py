"""A run becomes the current flags of its districts."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, Table, delete, insert, select, update

from cis_ews.errors import StorageError
from cis_ews.schema.school_data import SchoolData
from cis_ews.storage.database import tables
from cis_ews.storage.database.bulk import insert_rows
from cis_ews.storage.database.rows import PublishReport
from cis_ews.storage.manifest import counts_of
from cis_ews.storage.runs import Run

REF_LENGTH = 32
REF_SECRET = "ref_secret"  # noqa: S105 - the name of the secret
_CURRENT_TABLES = (tables.schools, tables.students, tables.scores, tables.reasons)


@dataclass(frozen=True, slots=True)
class _Night:
    """A run, read once, with the district and the ref of every student."""

    run: Run
    created_at: datetime
    published_at: datetime
    scores: pl.DataFrame
    reasons: pl.DataFrame
    names: pl.DataFrame
    schools: pl.DataFrame


def publish_run(connection: Connection, run: Run, school_data: SchoolData) -> PublishReport:
    """Make a run current in each district that has a score in it, unless the district has a newer as-of date."""
    night = _read(run, school_data, secret=ref_secret(connection))
    districts = sorted(night.scores["district_id"].unique())
    _record_run(connection, night)
    outcomes = {district: _publish_district(connection, night, district) for district in districts}

    def having(outcome: str) -> tuple[str, ...]:
        return tuple(district for district, had in outcomes.items() if had == outcome)

    return PublishReport(
        run_id=run.run_id,
        published=having("published"),
        unchanged=having("unchanged"),
        kept_newer=having("kept_newer"),
    )


def ref_secret(connection: Connection) -> bytes:
    """The secret that refs are made with; made at the first upgrade."""
    value = connection.scalar(select(tables.secrets.c.value).where(tables.secrets.c.name == REF_SECRET))
    if value is None:
        raise StorageError("the database has lost its secret for refs", hint="restore a backup of it")
    return bytes.fromhex(value)


def ref_of(secret: bytes, district_id: str, student_id: str) -> str:
    """The opaque id of a student in URLs: an HMAC, so that nobody without the secret can make or undo one."""
    message = f"{len(district_id)}:{district_id}{student_id}".encode()
    return hmac.digest(secret, message, hashlib.sha256).hex()[:REF_LENGTH]


def _read(run: Run, school_data: SchoolData, *, secret: bytes) -> _Night:
    districts = school_data.schools.select("school_id", "district_id")
    scores = run.table("scores").join(districts, on="school_id", how="left", maintain_order="left")
    if unknown := scores["district_id"].null_count():
        raise StorageError(
            f"{unknown} scores are of schools that the school data do not have",
            hint="publish a run with the school data it was made from",
        )
    pairs = zip(scores["district_id"], scores["student_id"], strict=True)
    scores = scores.with_columns(ref=pl.Series([ref_of(secret, *pair) for pair in pairs], dtype=pl.String))
    whose = scores.select("student_id", "district_id", "ref")
    return _Night(
        run=run,
        created_at=datetime.fromisoformat(run.statement("timings")["created_at"]),
        published_at=datetime.now(UTC),
        scores=scores,
        reasons=run.table("reasons").join(whose, on="student_id", how="inner", maintain_order="left"),
        names=whose.join(school_data.students, on="student_id", how="left", maintain_order="left"),
        schools=school_data.schools,
    )


def _record_run(connection: Connection, night: _Night) -> None:
    """The run's own row: new, or brought up to date where erasure has rewritten the run."""
    manifest = night.run.manifest
    values = {
        "as_of": night.run.as_of,
        "created_at": night.created_at,
        "model_version": night.run.model_version,
        "path": f"runs/{manifest['as_of']}/{night.run.run_id}",
        "manifest_sha256": night.run.manifest_sha256,
        **manifest["counts"],
    }
    known = update(tables.runs).where(tables.runs.c.run_id == night.run.run_id).values(values)
    if connection.execute(known).rowcount == 0:
        connection.execute(insert(tables.runs).values(run_id=night.run.run_id, **values))


def _publish_district(connection: Connection, night: _Night, district: str) -> str:
    current = _current_run(connection, district)
    if current is not None and current.run_id == night.run.run_id:
        return "unchanged"
    is_newest = current is None or current.as_of <= night.run.as_of
    scores = night.scores.filter(pl.col("district_id") == district)
    _record_district(connection, night, district=district, is_current=is_newest, counts=counts_of(scores))
    if not is_newest:
        return "kept_newer"
    changed_at = _changed_at(connection, district, scores=scores, now=night.published_at)
    for table in _CURRENT_TABLES:
        connection.execute(delete(table).where(table.c.district_id == district))
    _insert(connection, tables.schools, _of(night.schools, district))
    _insert(connection, tables.students, _of(night.names, district))
    _insert(connection, tables.scores, scores.with_columns(changed_at=changed_at))
    _insert(connection, tables.reasons, _of(night.reasons, district))
    return "published"


def _current_run(connection: Connection, district: str) -> Any:
    joined = tables.runs.join(tables.run_districts)
    query = select(tables.runs.c.run_id, tables.runs.c.as_of).select_from(joined)
    return connection.execute(
        query.where(tables.run_districts.c.district_id == district, tables.run_districts.c.is_current)
    ).one_or_none()


def _record_district(
    connection: Connection, night: _Night, *, district: str, is_current: bool, counts: Mapping[str, int]
) -> None:
    table = tables.run_districts
    if is_current:
        connection.execute(update(table).where(table.c.district_id == district).values(is_current=False))
    connection.execute(delete(table).where(table.c.district_id == district, table.c.run_id == night.run.run_id))
    connection.execute(
        insert(table).values(
            run_id=night.run.run_id,
            district_id=district,
            is_current=is_current,
            published_at=night.published_at,
            **counts,
        )
    )


def _changed_at(connection: Connection, district: str, *, scores: pl.DataFrame, now: datetime) -> pl.Series:
    """Since when each student's tier and tier_reason are what they are: carried over where both are as before."""
    table = tables.scores
    query = select(table.c.student_id, table.c.tier, table.c.tier_reason, table.c.changed_at)
    before = {
        (row[0], row[1], row[2]): row[3] for row in connection.execute(query.where(table.c.district_id == district))
    }
    keys = scores.select("student_id", "tier", "tier_reason").iter_rows()
    return pl.Series([before.get(key, now) for key in keys], dtype=pl.Datetime("us", "UTC"))


def _of(frame: pl.DataFrame, district: str) -> pl.DataFrame:
    return frame.filter(pl.col("district_id") == district)


def _insert(connection: Connection, table: Table, frame: pl.DataFrame) -> None:
    # In the order of the key, pages of the index fill one after the other: twice as quick.
    key = [column.name for column in table.primary_key]
    rows: Iterator[tuple[Any, ...]] = frame.select(table.columns.keys()).sort(key).iter_rows()
    insert_rows(connection, table, rows)
