"""The index of the worklist: those who are flagged, and nobody else."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index; of a state it takes some seconds."""
    flagged = sa.text("tier >= 2")
    columns = ["district_id", "tier", "list_place"]
    op.create_index("scores_on_list", "scores", columns, sqlite_where=flagged, postgresql_where=flagged)
