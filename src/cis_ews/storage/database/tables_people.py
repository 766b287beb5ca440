"""The tables of people: who they are, what they were given, that they are signed in, and what they did."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, String, Table, Text

from cis_ews.storage.database.columns import UtcDateTime, metadata

EVERYWHERE = ""
"""Stands in keys for no district, or no school, in particular; a key cannot hold a null."""


def _person() -> Column[str]:
    return Column("person_id", String(32), ForeignKey("people.person_id", ondelete="CASCADE"), nullable=False)


people = Table(
    "people",
    metadata,
    Column("person_id", String(32), primary_key=True),
    Column("email", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("locale", String, nullable=False),
    Column("password_hash", String),
    Column("password_is_temporary", Boolean, nullable=False),
    Column("password_set_at", UtcDateTime),
    Column("failed_attempts", Integer, nullable=False),
    Column("locked_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
)
"""`email` in lower case. Nobody is deleted: the audit names people by their id."""

identities = Table(
    "identities",
    metadata,
    Column("issuer", String, nullable=False),
    Column("subject", String, nullable=False),
    _person(),
    Column("created_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("issuer", "subject"),
)
"""Who a person is to a provider that people sign in with."""

grants = Table(
    "grants",
    metadata,
    _person(),
    Column("role", String, nullable=False),
    Column("district_id", String, nullable=False),
    Column("school_id", String, nullable=False),
    Column("granted_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("person_id", "role", "district_id", "school_id"),
)

caseloads = Table(
    "caseloads",
    metadata,
    _person(),
    Column("district_id", String, nullable=False),
    Column("ref", String(32), nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("person_id", "district_id", "ref"),
    Index("caseloads_by_student", "district_id", "ref"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", String(64), primary_key=True),
    _person(),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Index("sessions_by_person", "person_id"),
)
"""`session_id`: SHA-256 of what the browser holds, so that the table alone lets nobody in."""

emergencies = Table(
    "emergencies",
    metadata,
    Column("emergency_id", String(32), primary_key=True),
    _person(),
    Column("district_id", String, nullable=False),
    Column("school_id", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Index("emergencies_by_person", "person_id", "until"),
)
"""Access to a school that an administrator took without having it, why, and until when; kept for good."""

off_switch = Table(
    "off_switch",
    metadata,
    Column("name", String, primary_key=True),
    Column("person_id", String(32)),
    Column("reason", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
)
"""A row while flags are stopped."""

audit = Table(
    "audit",
    metadata,
    Column("district_id", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("person_id", String(32)),
    Column("action", String, nullable=False),
    Column("ref", String(32)),
    Column("why_allowed", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    PrimaryKeyConstraint("district_id", "number"),
    Index("audit_by_time", "at", "number"),
    Index("audit_by_district", "district_id", "at", "number"),
    Index("audit_by_person", "person_id", "at", "number"),
    Index("audit_by_student", "ref", "at", "number"),
    Index("audit_by_action", "action", "at", "number"),
)
"""What was seen and done, one chain of hashes a district. `detail`: canonical JSON without names. Each index ends as a
search is sorted: the newest entries that fit are the first ones that it finds."""

audit_lists = Table(
    "audit_lists",
    metadata,
    Column("district_id", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("ref", String(32), nullable=False),
    PrimaryKeyConstraint("ref", "district_id", "number"),
)
"""Whom an entry about a list showed. It holds the hash of these refs (`audit.hash_of_refs`), and so does the chain."""

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("district_id", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)
"""The newest entry of each chain: what the next one follows, and what shows that the last ones are missing."""
