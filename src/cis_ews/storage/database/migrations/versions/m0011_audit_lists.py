"""Whom lists showed, beside the audit; an index for each way of searching it, and for the runs of a district; how many
students a meeting left out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INDEXES = {
    "audit_by_time": ["at", "number"],
    "audit_by_district": ["district_id", "at", "number"],
    "audit_by_person": ["person_id", "at", "number"],
    "audit_by_student": ["ref", "at", "number"],
    "audit_by_action": ["action", "at", "number"],
}


def upgrade() -> None:
    """Make the table and the indexes; entries of before tell how many a list showed, and not whom."""
    op.create_table(
        "audit_lists",
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("ref", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("ref", "district_id", "number"),
    )
    op.drop_index("audit_by_person", "audit")
    op.drop_index("audit_by_student", "audit")
    for name, columns in INDEXES.items():
        op.create_index(name, "audit", columns)
    op.create_index("run_districts_by_district", "run_districts", ["district_id"])
    op.add_column("meetings", sa.Column("left_out", sa.Integer))
