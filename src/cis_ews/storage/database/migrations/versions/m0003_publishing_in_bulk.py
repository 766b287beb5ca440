"""Scores in partitions on PostgreSQL; names and reasons in one block a school."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO

import polars as pl
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_DIRECTIONS = ("risk", "strength", "unknown")
_DOMAINS = ("attendance", "behavior", "coursework", "context")
_REASON = {
    "direction": pl.Enum(_DIRECTIONS),
    "rank": pl.Int16(),
    "domain": pl.Enum(_DOMAINS),
    "indicator": pl.String(),
    "value": pl.Float64(),
    "sentence": pl.String(),
}
_PERSON = {"student_id": pl.String(), "first_name": pl.String(), "last_name": pl.String()}


def upgrade() -> None:
    """Move the rows into the new tables."""
    _put_aside("scores", index="scores_by_school")
    _put_aside("students", index="students_by_id")
    _make_scores()
    op.create_table(
        "students",
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("school_id", sa.String, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("block", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("district_id", "school_id", "part"),
    )
    connection = op.get_bind()
    for district, school in connection.execute(sa.text("SELECT DISTINCT district_id, school_id FROM old_scores")).all():
        place = {"district": district, "school": school}
        values = place | {"block": _block(connection, place)}
        connection.execute(sa.text("INSERT INTO students VALUES (:district, :school, 0, :block)"), values)
    for table in ("reasons", "old_students", "old_scores"):
        op.drop_table(table)


def _put_aside(table: str, *, index: str) -> None:
    op.drop_index(index, table)
    op.rename_table(table, f"old_{table}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER INDEX {table}_pkey RENAME TO old_{table}_pkey")


def _make_scores() -> None:
    op.create_table(
        "scores",
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("ref", sa.String(32), nullable=False),
        sa.Column("student_id", sa.String, nullable=False),
        sa.Column("school_id", sa.String, nullable=False),
        sa.Column("grade_level", sa.String),
        sa.Column("risk", sa.Float(53)),
        sa.Column("risk_low", sa.Float(53)),
        sa.Column("risk_high", sa.Float(53)),
        sa.Column("tier", sa.Integer),
        sa.Column("tier_reason", sa.String, nullable=False),
        sa.Column("list_place", sa.Integer),
        sa.Column("days_enrolled", sa.Integer, nullable=False),
        sa.Column("abstained", sa.Boolean, nullable=False),
        sa.Column("model_version", sa.String, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("publication", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("district_id", "ref", "publication"),
        sqlite_with_rowid=False,
        postgresql_partition_by="LIST (publication)",
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE TABLE scores_0 PARTITION OF scores FOR VALUES IN (0)")
    op.execute("INSERT INTO scores SELECT old_scores.*, 0 FROM old_scores")


def _block(connection: sa.Connection, place: dict[str, str]) -> bytes:
    """The students of a school as Parquet, the way the publisher of this step writes them."""
    of_school = "JOIN old_scores s USING (district_id, ref) WHERE s.district_id = :district AND s.school_id = :school"
    people = f"SELECT s.student_id, first_name, last_name FROM old_students {of_school} ORDER BY 1"  # noqa: S608
    told = f"SELECT s.student_id, {', '.join(_REASON)} FROM reasons {of_school} ORDER BY 1, direction, rank"  # noqa: S608
    students = _frame(connection.execute(sa.text(people), place), _PERSON)
    reasons = _frame(connection.execute(sa.text(told), place), {"student_id": pl.String(), **_REASON})
    by_student = reasons.group_by("student_id", maintain_order=True).agg(reasons=pl.struct(*_REASON))
    block = BytesIO()
    rows = students.join(by_student, on="student_id", how="left", maintain_order="left")
    rows.with_columns(pl.col("reasons").fill_null([])).write_parquet(block, compression="zstd")
    return block.getvalue()


def _frame(rows: Iterator[sa.Row[tuple[object, ...]]], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")
