"""The records behind reasons by district: a block holds students of any of its schools."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table anew; what was published before has no records until the next night."""
    op.drop_table("student_records")
    op.create_table(
        "student_records",
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("block", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("district_id", "part"),
    )
