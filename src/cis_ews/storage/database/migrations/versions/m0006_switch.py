"""The off switch, and access in an emergency."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "emergencies",
        sa.Column("emergency_id", sa.String(32), primary_key=True),
        sa.Column("person_id", sa.String(32), sa.ForeignKey("people.person_id", ondelete="CASCADE"), nullable=False),
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("school_id", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("emergencies_by_person", "emergencies", ["person_id", "until"])
    op.create_table(
        "off_switch",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("person_id", sa.String(32)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
    )
