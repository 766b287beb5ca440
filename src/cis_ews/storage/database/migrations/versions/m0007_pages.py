"""What the pages of students and schools read: records, the history of tiers, saved views, calendars of schools."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; what was published before has no records until the next night."""
    for column in (
        sa.Column("level", sa.String),
        sa.Column("capacity", sa.Integer),
        sa.Column("reported_through", sa.Date),
        sa.Column("school_days", sa.Text),
    ):
        op.add_column("schools", column)
    op.create_index("scores_by_school", "scores", ["district_id", "school_id"])
    op.create_table(
        "student_records",
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("school_id", sa.String, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("block", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("district_id", "school_id", "part"),
    )
    op.create_table(
        "tier_changes",
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("ref", sa.String(32), nullable=False),
        sa.Column("run_id", sa.String(16), sa.ForeignKey("runs.run_id", ondelete="CASCADE"), nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("student_id", sa.String, nullable=False),
        sa.Column("school_id", sa.String, nullable=False),
        sa.Column("change", sa.String, nullable=False),
        sa.Column("cause", sa.String),
        sa.Column("tier_before", sa.Integer),
        sa.Column("tier_now", sa.Integer),
        sa.PrimaryKeyConstraint("district_id", "ref", "run_id"),
    )
    op.create_index("tier_changes_by_school", "tier_changes", ["district_id", "school_id", "run_id"])
    op.create_index("tier_changes_by_run", "tier_changes", ["run_id"])
    op.create_table(
        "saved_views",
        sa.Column("person_id", sa.String(32), sa.ForeignKey("people.person_id", ondelete="CASCADE"), nullable=False),
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("school_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("filters", sa.String, nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "district_id", "school_id", "name"),
    )
