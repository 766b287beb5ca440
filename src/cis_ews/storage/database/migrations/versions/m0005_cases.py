"""What people do about students: cases, reviews, contacts, tickets, support plans and meetings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "cases",
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("ref", sa.String(32), nullable=False),
        sa.Column("student_id", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("tier", sa.Integer, nullable=True),
        sa.Column("until", sa.Date, nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("district_id", "ref"),
    )
    op.create_index("cases_by_student", "cases", ["student_id"])
    op.create_table(
        "meetings",
        sa.Column("meeting_id", sa.String(32), nullable=False),
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("school_id", sa.String, nullable=False),
        sa.Column("held_on", sa.Date, nullable=False),
        sa.Column("person_id", sa.String(32), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("meeting_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.person_id"]),
    )
    op.create_index("meetings_by_school", "meetings", ["district_id", "school_id", "begun_at"])
    op.create_table(
        "reviews",
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("ref", sa.String(32), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("before", sa.String, nullable=False),
        sa.Column("after", sa.String, nullable=False),
        sa.Column("tier", sa.Integer, nullable=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("until", sa.Date, nullable=True),
        sa.Column("meeting_id", sa.String(32), nullable=True),
        sa.Column("person_id", sa.String(32), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("district_id", "ref", "version"),
        sa.ForeignKeyConstraint(["district_id", "ref"], ["cases.district_id", "cases.ref"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["meeting_id"], ["meetings.meeting_id"], ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["person_id"], ["people.person_id"]),
    )
    op.create_table(
        "meeting_students",
        sa.Column("meeting_id", sa.String(32), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("ref", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("meeting_id", "place"),
        sa.ForeignKeyConstraint(["district_id", "ref"], ["cases.district_id", "cases.ref"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["meeting_id"], ["meetings.meeting_id"], ondelete="CASCADE"),
    )
    op.create_index("meeting_students_by_case", "meeting_students", ["district_id", "ref"])
    op.create_table(
        "contacts",
        sa.Column("contact_id", sa.String(32), nullable=False),
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("ref", sa.String(32), nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("on", sa.Date, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("meeting_id", sa.String(32), nullable=True),
        sa.Column("person_id", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("contact_id"),
        sa.ForeignKeyConstraint(["district_id", "ref"], ["cases.district_id", "cases.ref"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["meeting_id"], ["meetings.meeting_id"], ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["person_id"], ["people.person_id"]),
    )
    op.create_index("contacts_by_case", "contacts", ["district_id", "ref", "on"])
    op.create_table(
        "tickets",
        sa.Column("ticket_id", sa.String(32), nullable=False),
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("ref", sa.String(32), nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("asked_by", sa.String(32), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.Text, nullable=True),
        sa.Column("answered_by", sa.String(32), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("ticket_id"),
        sa.ForeignKeyConstraint(["answered_by"], ["people.person_id"]),
        sa.ForeignKeyConstraint(["asked_by"], ["people.person_id"]),
        sa.ForeignKeyConstraint(["district_id", "ref"], ["cases.district_id", "cases.ref"], ondelete="CASCADE"),
    )
    op.create_index("tickets_by_case", "tickets", ["district_id", "ref"])
    op.create_table(
        "plans",
        sa.Column("plan_id", sa.String(32), nullable=False),
        sa.Column("district_id", sa.String, nullable=False),
        sa.Column("ref", sa.String(32), nullable=False),
        sa.Column("consent_on", sa.Date, nullable=False),
        sa.Column("needs", sa.Text, nullable=False),
        sa.Column("assets", sa.Text, nullable=False),
        sa.Column("opened_by", sa.String(32), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("plan_id"),
        sa.ForeignKeyConstraint(["district_id", "ref"], ["cases.district_id", "cases.ref"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["opened_by"], ["people.person_id"]),
    )
    op.create_index("plans_by_case", "plans", ["district_id", "ref"])
    op.create_table(
        "goals",
        sa.Column("goal_id", sa.String(32), nullable=False),
        sa.Column("plan_id", sa.String(32), nullable=False),
        sa.Column("area", sa.String, nullable=False),
        sa.Column("goal", sa.Text, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("starts_on", sa.Date, nullable=False),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("meeting_id", sa.String(32), nullable=True),
        sa.Column("person_id", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("goal_id"),
        sa.ForeignKeyConstraint(["meeting_id"], ["meetings.meeting_id"], ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["person_id"], ["people.person_id"]),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.plan_id"], ondelete="CASCADE"),
    )
    op.create_index("goals_by_plan", "goals", ["plan_id"])
    op.create_table(
        "check_ins",
        sa.Column("check_in_id", sa.String(32), nullable=False),
        sa.Column("goal_id", sa.String(32), nullable=False),
        sa.Column("on", sa.Date, nullable=False),
        sa.Column("progress", sa.String, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("person_id", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("check_in_id"),
        sa.ForeignKeyConstraint(["goal_id"], ["goals.goal_id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["person_id"], ["people.person_id"]),
    )
    op.create_index("check_ins_by_goal", "check_ins", ["goal_id", "on"])
