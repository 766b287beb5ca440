"""Runs, and the current flags of every district."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _runs()
    _people()
    _flags()
    op.create_table(
        "secrets", sa.Column("name", sa.String, primary_key=True), sa.Column("value", sa.String, nullable=False)
    )


def _counts() -> list[sa.Column[int]]:
    names = ("students", "tier_1", "tier_2", "tier_3", "not_enough_data")
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(16), primary_key=True),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_version", sa.String, nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        *_counts(),
    )
    op.create_table(
        "run_districts",
        sa.Column("run_id", sa.String(16), sa.ForeignKey("runs.run_id", ondelete="CASCADE"), nullable=False),
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("is_current", sa.Boolean, nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        *_counts(),
        sa.PrimaryKeyConstraint("run_id", "district_id"),
    )
    op.create_index(
        "one_current_run_a_district",
        "run_districts",
        ["district_id"],
        unique=True,
        sqlite_where=sa.text("is_current"),
        postgresql_where=sa.text("is_current"),
    )


def _people() -> None:
    op.create_table(
        "schools",
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("school_id", sa.String, nullable=False),
        sa.Column("name", sa.String),
        sa.PrimaryKeyConstraint("district_id", "school_id"),
    )
    op.create_table(
        "students",
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("ref", sa.String(32), nullable=False),
        sa.Column("student_id", sa.String, nullable=False),
        sa.Column("first_name", sa.String),
        sa.Column("last_name", sa.String),
        sa.PrimaryKeyConstraint("district_id", "ref"),
        sqlite_with_rowid=False,
    )
    op.create_index("students_by_id", "students", ["student_id"])


def _flags() -> None:
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
        sa.PrimaryKeyConstraint("district_id", "ref"),
        sqlite_with_rowid=False,
    )
    op.create_index("scores_by_school", "scores", ["district_id", "school_id", "ref"])
    op.create_table(
        "reasons",
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("ref", sa.String(32), nullable=False),
        sa.Column("direction", sa.String, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("domain", sa.String, nullable=False),
        sa.Column("indicator", sa.String, nullable=False),
        sa.Column("value", sa.Float(53)),
        sa.Column("sentence", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("district_id", "ref", "direction", "rank"),
        sqlite_with_rowid=False,
    )
