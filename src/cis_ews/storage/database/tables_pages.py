"""What the pages of students and schools read besides the flags: records, the history of tiers, saved views."""

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
