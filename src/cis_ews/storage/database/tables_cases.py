"""The tables of what people do about students. Rows are added and never changed, but for where a case stands."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from cis_ews.storage.database.columns import UtcDateTime, metadata


def _student() -> list[Column[str]]:
    return [Column("district_id", String, nullable=False), Column("ref", String(32), nullable=False)]


def _of_case() -> ForeignKeyConstraint:
    """What is known of a student goes with the case: forgetting deletes one row."""
    return ForeignKeyConstraint(["district_id", "ref"], ["cases.district_id", "cases.ref"], ondelete="CASCADE")


def _by(name: str = "person_id", *, nullable: bool = False) -> Column[str]:
    return Column(name, String(32), ForeignKey("people.person_id"), nullable=nullable)


cases = Table(
    "cases",
    metadata,
    *_student(),
    Column("student_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("tier", Integer),
    Column("until", Date),
    Column("changed_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("district_id", "ref"),
    Index("cases_by_student", "student_id"),
)
"""A row a student about whom somebody did something. `version` counts the reviews; `tier`: when the last was made."""

meetings = Table(
    "meetings",
    metadata,
    Column("meeting_id", String(32), primary_key=True),
    Column("district_id", String, nullable=False),
    Column("school_id", String, nullable=False),
    Column("held_on", Date, nullable=False),
    _by(),
    Column("begun_at", UtcDateTime, nullable=False),
    Column("left_out", Integer),
    Index("meetings_by_school", "district_id", "school_id", "begun_at"),
)
"""`left_out`: for how many more there was no place; null where nobody counted."""

reviews = Table(
    "reviews",
    metadata,
    *_student(),
    Column("version", Integer, nullable=False),
    Column("action", String, nullable=False),
    Column("before", String, nullable=False),
    Column("after", String, nullable=False),
    Column("tier", Integer),
    Column("reason", Text, nullable=False),
    Column("until", Date),
    Column("meeting_id", String(32), ForeignKey("meetings.meeting_id", ondelete="SET NULL")),
    _by(nullable=True),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("district_id", "ref", "version"),
    _of_case(),
)
"""Nobody in `person_id`: a night did it."""

meeting_students = Table(
    "meeting_students",
    metadata,
    Column("meeting_id", String(32), ForeignKey("meetings.meeting_id", ondelete="CASCADE"), nullable=False),
    Column("place", Integer, nullable=False),
    *_student(),
    PrimaryKeyConstraint("meeting_id", "place"),
    Index("meeting_students_by_case", "district_id", "ref"),
    _of_case(),
)

contacts = Table(
    "contacts",
    metadata,
    Column("contact_id", String(32), primary_key=True),
    *_student(),
    Column("kind", String, nullable=False),
    Column("on", Date, nullable=False),
    Column("note", Text, nullable=False),
    Column("meeting_id", String(32), ForeignKey("meetings.meeting_id", ondelete="SET NULL")),
    _by(),
    Column("at", UtcDateTime, nullable=False),
    Index("contacts_by_case", "district_id", "ref", "on"),
    _of_case(),
)
"""Contacts and notes: a note of a meeting is a contact of that kind."""

tickets = Table(
    "tickets",
    metadata,
    Column("ticket_id", String(32), primary_key=True),
    *_student(),
    Column("subject", String, nullable=False),
    Column("question", Text, nullable=False),
    _by("asked_by"),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("answer", Text),
    _by("answered_by", nullable=True),
    Column("answered_at", UtcDateTime),
    Index("tickets_by_case", "district_id", "ref"),
    _of_case(),
)
"""A question to the data steward."""

plans = Table(
    "plans",
    metadata,
    Column("plan_id", String(32), primary_key=True),
    *_student(),
    Column("consent_on", Date, nullable=False),
    Column("needs", Text, nullable=False),
    Column("assets", Text, nullable=False),
    _by("opened_by"),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Index("plans_by_case", "district_id", "ref"),
    _of_case(),
)

goals = Table(
    "goals",
    metadata,
    Column("goal_id", String(32), primary_key=True),
    Column("plan_id", String(32), ForeignKey("plans.plan_id", ondelete="CASCADE"), nullable=False),
    Column("area", String, nullable=False),
    Column("goal", Text, nullable=False),
    Column("owner", String, nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("meeting_id", String(32), ForeignKey("meetings.meeting_id", ondelete="SET NULL")),
    _by(),
    Column("at", UtcDateTime, nullable=False),
    Index("goals_by_plan", "plan_id"),
)

check_ins = Table(
    "check_ins",
    metadata,
    Column("check_in_id", String(32), primary_key=True),
    Column("goal_id", String(32), ForeignKey("goals.goal_id", ondelete="CASCADE"), nullable=False),
    Column("on", Date, nullable=False),
    Column("progress", String, nullable=False),
    Column("note", Text, nullable=False),
    _by(),
    Column("at", UtcDateTime, nullable=False),
    Index("check_ins_by_goal", "goal_id", "on"),
)
