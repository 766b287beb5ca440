"""People, what they were given, that they are signed in, and the audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _person() -> sa.Column[str]:
    return sa.Column("person_id", sa.String(32), sa.ForeignKey("people.person_id", ondelete="CASCADE"), nullable=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "people",
        sa.Column("person_id", sa.String(32), primary_key=True),
        sa.Column("email", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("locale", sa.String, nullable=False),
        sa.Column("password_hash", sa.String),
        sa.Column("password_is_temporary", sa.Boolean, nullable=False),
        _moment("password_set_at", nullable=True),
        sa.Column("failed_attempts", sa.Integer, nullable=False),
        _moment("locked_until", nullable=True),
        _moment("created_at"),
        _moment("disabled_at", nullable=True),
    )
    op.create_table(
        "identities",
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        _person(),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("issuer", "subject"),
    )
    op.create_table(
        "grants",
        _person(),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("school_id", sa.String, nullable=False),
        _moment("granted_at"),
        sa.PrimaryKeyConstraint("person_id", "role", "district_id", "school_id"),
    )
    op.create_table(
        "caseloads",
        _person(),
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("ref", sa.String(32), nullable=False),
        _moment("added_at"),
        sa.PrimaryKeyConstraint("person_id", "district_id", "ref"),
    )
    op.create_index("caseloads_by_student", "caseloads", ["district_id", "ref"])
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.String(64), primary_key=True),
        _person(),
        _moment("created_at"),
        _moment("seen_at"),
    )
    op.create_index("sessions_by_person", "sessions", ["person_id"])
    _make_audit()


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        _moment("at"),
        sa.Column("person_id", sa.String(32)),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("ref", sa.String(32)),
        sa.Column("why_allowed", sa.String, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("district_id", "number"),
    )
    op.create_index("audit_by_person", "audit", ["person_id", "at"])
    op.create_index("audit_by_student", "audit", ["district_id", "ref"])
    op.create_table(
        "audit_heads",
        sa.Column("district_id", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
