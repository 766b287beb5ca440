"""What a student keeps from night to night: the ref, and since when tier and tier_reason are what they are."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import polars as pl
from sqlalchemy import Connection

from cis_ews.storage.database.refs import ref_secret, refs_of

_KEY = ["district_id", "student_id"]
_BEFORE = {
    "district_id": pl.String(),
    "student_id": pl.String(),
    "ref": pl.String(),
    "tier": pl.Int8(),
    "tier_reason": pl.String(),
    "changed_at": pl.String(),
}
_COLUMNS = list(_BEFORE)[1:]
_SAID = ", ".join(_COLUMNS)
_POSTGRESQL = f"COPY (SELECT district_id, {_SAID} FROM scores WHERE district_id = ANY(%s)) TO STDOUT (FORMAT csv)"  # noqa: S608
_ARRAYS = ", ".join(f"json_group_array({name}) AS {name}" for name in _COLUMNS)
_AMONG = "district_id IN (SELECT value FROM json_each(?))"
_SQLITE = f"SELECT district_id, {_ARRAYS} FROM scores WHERE {_AMONG} GROUP BY district_id"  # noqa: S608


def carried_over(connection: Connection, scores: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """The scores with `ref` and `changed_at`, in the order of the table's key.

    A ref that is there is taken as it is: to make one anew costs more than to read it.
    """
    before = _before(connection, scores["district_id"].unique().to_list())
    narrow = scores.select(*_KEY, "tier", "tier_reason")
    joined = narrow.join(before, on=_KEY, how="left", suffix="_before", maintain_order="left")
    is_as_before = pl.col("tier").eq_missing(pl.col("tier_before")) & (
        pl.col("tier_reason") == pl.col("tier_reason_before")
    )
    changed_at = pl.when(is_as_before).then("changed_at").otherwise(pl.lit(now, pl.Datetime("us", "UTC")))
    kept = joined.select("ref", changed_at=changed_at)
    is_new = kept["ref"].is_null()
    made = refs_of(ref_secret(connection), joined.filter(is_new))
    refs = kept["ref"].scatter(is_new.arg_true(), made)
    return scores.with_columns(refs, kept["changed_at"]).sort("district_id", "ref")


def _before(connection: Connection, districts: Collection[str]) -> pl.DataFrame:
    read = _before_postgresql if connection.dialect.name == "postgresql" else _before_sqlite
    return read(connection, list(districts))


def _before_postgresql(connection: Connection, districts: list[str]) -> pl.DataFrame:
    driver: Any = connection.connection.driver_connection
    content = BytesIO()
    connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
    with driver.cursor() as cursor, cursor.copy(_POSTGRESQL, (districts,)) as out:
        for some in out:
            content.write(some)
    if not content.tell():
        return _dated(pl.DataFrame(schema=_BEFORE))
    content.seek(0)
    return _dated(pl.read_csv(content, has_header=False, schema=_BEFORE))


def _before_sqlite(connection: Connection, districts: list[str]) -> pl.DataFrame:
    """A district's column comes as one JSON text: Python makes no value of a row."""
    rows = connection.exec_driver_sql(_SQLITE, (json.dumps(districts),)).all()
    found = pl.DataFrame([tuple(row) for row in rows], schema=dict.fromkeys(_BEFORE, pl.String), orient="row")
    lists = [pl.col(name).str.json_decode(pl.List(_BEFORE[name])) for name in _COLUMNS]
    return _dated(found.with_columns(lists).explode(_COLUMNS))


def _dated(before: pl.DataFrame) -> pl.DataFrame:
    """With `changed_at` as a moment; few of them differ, so each is read once."""
    said = before["changed_at"].unique()
    if said.is_empty():  # of which polars would leave the type as it is
        return before.with_columns(changed_at=pl.lit(None, pl.Datetime("us", "UTC")))
    moments = pl.Series([_moment(text) for text in said], dtype=pl.Datetime("us", "UTC"))
    return before.with_columns(pl.col("changed_at").replace_strict(said, moments, return_dtype=moments.dtype))


def _moment(said: str) -> datetime:
    """SQLite gives the UTC clock without saying so; PostgreSQL says it and leaves zeros at the end out."""
    moment = datetime.fromisoformat(said)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
