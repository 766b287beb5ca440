"""The tables of today. How they came to be is in `migrations/`; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from cis_ews.storage.database.columns import UtcDateTime, metadata
from cis_ews.storage.database.tables_cases import (
    cases,
    check_ins,
    contacts,
    goals,
    meeting_students,
    meetings,
    plans,
    reviews,
    tickets,
)
from cis_ews.storage.database.tables_pages import group_counts, saved_views, student_records, tier_changes
from cis_ews.storage.database.tables_people import (
    audit,
    audit_heads,
    audit_lists,
    caseloads,
    emergencies,
    grants,
    identities,
    off_switch,
    people,
    sessions,
)

__all__ = [
    "IS_CURRENT",
    "ON_LIST_FROM",
    "SHARED_PARTITION",
    "UtcDateTime",
    "api_keys",
    "audit",
    "audit_heads",
    "audit_lists",
    "caseloads",
    "cases",
    "check_ins",
    "contacts",
    "emergencies",
    "goals",
    "grants",
    "group_counts",
    "identities",
    "jobs",
    "meeting_students",
    "meetings",
    "metadata",
    "off_switch",
    "people",
    "plans",
    "reviews",
    "run_districts",
    "runs",
    "saved_views",
    "schools",
    "scores",
    "secrets",
    "sessions",
    "student_records",
    "students",
    "tickets",
    "tier_changes",
]


def _counts() -> list[Column[int]]:
    names = ("students", "tier_1", "tier_2", "tier_3", "not_enough_data")
    return [Column(name, Integer, nullable=False) for name in names]


runs = Table(
    "runs",
    metadata,
    Column("run_id", String(16), primary_key=True),
    Column("as_of", Date, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("model_version", String, nullable=False),
    Column("path", String, nullable=False),
    Column("manifest_sha256", String(64), nullable=False),
    *_counts(),
)

run_districts = Table(
    "run_districts",
    metadata,
    Column("run_id", String(16), ForeignKey("runs.run_id", ondelete="CASCADE"), nullable=False),
    Column("district_id", String, nullable=False),
    Column("is_current", Boolean, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
    *_counts(),
    PrimaryKeyConstraint("run_id", "district_id"),
    Index("run_districts_by_district", "district_id"),
    Index(
        "one_current_run_a_district",
        "district_id",
        unique=True,
        sqlite_where=text("is_current"),
        postgresql_where=text("is_current"),
    ),
)

IS_CURRENT = text("run_districts.is_current")
"""As the index says it: of a Boolean SQLAlchemy asks SQLite whether it is 1, and then every night of a year is read."""

schools = Table(
    "schools",
    metadata,
    Column("district_id", String, nullable=False),
    Column("school_id", String, nullable=False),
    Column("name", String),
    Column("level", String),
    Column("capacity", Integer),
    Column("reported_through", Date),
    Column("school_days", Text),
    PrimaryKeyConstraint("district_id", "school_id"),
)
"""`capacity`: how many students the coordinator can carry. `school_days`: the year's instructional days as JSON."""

students = Table(
    "students",
    metadata,
    Column("district_id", String, nullable=False),
    Column("school_id", String, nullable=False),
    Column("part", Integer, nullable=False),
    Column("block", LargeBinary, nullable=False),
    PrimaryKeyConstraint("district_id", "school_id", "part"),
)
"""Names and reasons: a block holds students of one school (blocks.py); a big run comes in parts."""

SHARED_PARTITION = "scores_0"
"""On PostgreSQL, where the scores lie that have no partition of their own."""

ON_LIST_FROM = 2
"""The tier from which a student is flagged: of these the worklist asks, and they alone are in its index."""

scores = Table(
    "scores",
    metadata,
    Column("district_id", String, nullable=False),
    Column("ref", String(32), nullable=False),
    Column("student_id", String, nullable=False),
    Column("school_id", String, nullable=False),
    Column("grade_level", String),
    Column("risk", Float(53)),
    Column("risk_low", Float(53)),
    Column("risk_high", Float(53)),
    Column("tier", Integer),
    Column("tier_reason", String, nullable=False),
    Column("list_place", Integer),
    Column("days_enrolled", Integer, nullable=False),
    Column("abstained", Boolean, nullable=False),
    Column("model_version", String, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("publication", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("district_id", "ref", "publication"),
    Index("scores_by_school", "district_id", "school_id"),
    Index(
        "scores_on_list",
        *("district_id", "tier", "list_place"),
        sqlite_where=text(f"tier >= {ON_LIST_FROM}"),
        postgresql_where=text(f"tier >= {ON_LIST_FROM}"),
    ),
    sqlite_with_rowid=False,
    postgresql_partition_by="LIST (publication)",
)
"""`publication` is the partition that a row lies in, and nothing more: a row that is there is current."""

secrets = Table(
    "secrets",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String(12), primary_key=True),
    Column("district_id", String, nullable=False),
    Column("key_hash", String(64), nullable=False),
    Column("label", String, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", String(32), primary_key=True),
    Column("district_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("source", String, nullable=False),
    Column("as_of", Date),
    Column("status", String, nullable=False),
    Column("worker", String, nullable=False),
    Column("requested_by", String(12)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("run_id", String(16)),
    Column("error_code", String),
    Column("error_message", String),
    Index("jobs_by_district", "district_id", "created_at"),
)
