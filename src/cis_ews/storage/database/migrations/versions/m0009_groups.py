"""What nights tell of groups of students: sums, and no student."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; what was published before tells of no group until the next night."""
    counts = "students tier_3 tier_2 tier_1 not_enough_data flagged in_support in_touch unseen"
    op.create_table(
        "group_counts",
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("attribute", sa.String, nullable=False),
        sa.Column("group_name", sa.String, nullable=False),
        *(sa.Column(name, sa.Integer) for name in counts.split()),
        sa.PrimaryKeyConstraint("district_id", "attribute", "group_name"),
    )
