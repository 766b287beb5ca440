"""What the pages read besides the flags: records, the history of tiers, sums by group, saved views."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
)

from cis_ews.storage.database.columns import UtcDateTime, metadata
from cis_ews.storage.pages import GROUP_COLUMNS

student_records = Table(
    "student_records",
    metadata,
    Column("district_id", String, nullable=False),
    Column("part", Integer, nullable=False),
    Column("block", LargeBinary, nullable=False),
    PrimaryKeyConstraint("district_id", "part"),
)
"""The records behind the reasons: a block holds students of one district, by `cis_ews.schema.student_records`."""

tier_changes = Table(
    "tier_changes",
    metadata,
    Column("district_id", String, nullable=False),
    Column("ref", String(32), nullable=False),
    Column("run_id", String(16), nullable=False),
    Column("as_of", Date, nullable=False),
    Column("student_id", String, nullable=False),
    Column("school_id", String, nullable=False),
    Column("change", String, nullable=False),
    Column("cause", String),
    Column("tier_before", Integer),
    Column("tier_now", Integer),
    PrimaryKeyConstraint("district_id", "ref", "run_id"),
    ForeignKeyConstraint(["run_id"], ["runs.run_id"], ondelete="CASCADE"),
    Index("tier_changes_by_school", "district_id", "school_id", "run_id"),
    Index("tier_changes_by_run", "run_id"),
)
"""Who entered, left or came into another tier on a night, and by what."""

group_counts = Table(
    "group_counts",
    metadata,
    Column("district_id", String, nullable=False),
    Column("attribute", String, nullable=False),
    Column("group_name", String, nullable=False),
    *(Column(name, Integer) for name in GROUP_COLUMNS),
    PrimaryKeyConstraint("district_id", "attribute", "group_name"),
)
"""What the night told of groups of students: sums, null where they are not told, and no student. Under the attribute ""
and the group "" those of the district."""

saved_views = Table(
    "saved_views",
    metadata,
    Column("person_id", String(32), ForeignKey("people.person_id", ondelete="CASCADE"), nullable=False),
    Column("district_id", String, nullable=False),
    Column("school_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("filters", String, nullable=False),
    Column("saved_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("person_id", "district_id", "school_id", "name"),
)
"""Filters of a school's roster that a person wants again; `filters` is the query of the address."""
