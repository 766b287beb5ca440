"""Groups are told by who is flagged, and no more by tier: fewer numbers, of which more may be told."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the tiers away; what was published before keeps the other numbers until the next night."""
    for column in ("tier_3", "tier_2", "tier_1", "not_enough_data"):
        op.drop_column("group_counts", column)
