"""The closed vocabularies of the data contract. Sources and crosswalks: docs/formats.md."""

from __future__ import annotations

from enum import StrEnum


class SchoolLevel(StrEnum):
    """Level of a school."""

    ELEMENTARY = "elementary"
    MIDDLE = "middle"
    HIGH = "high"
    OTHER = "other"


class GradeLevel(StrEnum):
    """Grade in which a student is enrolled; PK is counted nowhere but in the cohort flow."""

    PK = "PK"
    K = "K"
    G1 = "1"
    G2 = "2"
    G3 = "3"
    G4 = "4"
    G5 = "5"
    G6 = "6"
    G7 = "7"
    G8 = "8"
    G9 = "9"
    G10 = "10"
    G11 = "11"
    G12 = "12"


GRADE_BANDS = {
    "K to 5": (GradeLevel.K, GradeLevel.G1, GradeLevel.G2, GradeLevel.G3, GradeLevel.G4, GradeLevel.G5),
    "6 to 8": (GradeLevel.G6, GradeLevel.G7, GradeLevel.G8),
    "9 to 12": (GradeLevel.G9, GradeLevel.G10, GradeLevel.G11, GradeLevel.G12),
}
"""Elementary, middle and high school, by the grades that they usually have, lowest first."""


class ExitType(StrEnum):
    """How an enrollment ended."""

    TRANSFER = "transfer"
    GRADUATED = "graduated"
    DROPPED_OUT = "dropped_out"
    OTHER = "other"


class AttendanceStatus(StrEnum):
    """What the school recorded for a student's day."""

    EXCUSED = "excused"
    UNEXCUSED = "unexcused"
    TARDY = "tardy"
    PRESENT = "present"


class Severity(StrEnum):
    """Severity of a behavior incident."""

    MINOR = "minor"
    MAJOR = "major"


class DisciplineActionType(StrEnum):
    """Disciplinary actions of chapter 392-400 WAC, mildest first."""

    CLASSROOM_EXCLUSION = "classroom_exclusion"
    IN_SCHOOL_SUSPENSION = "in_school_suspension"
    SHORT_TERM_SUSPENSION = "short_term_suspension"
    LONG_TERM_SUSPENSION = "long_term_suspension"
    EXPULSION = "expulsion"
    EMERGENCY_EXPULSION = "emergency_expulsion"


class Subject(StrEnum):
    """Subject of a course."""

    ENGLISH = "english"
    MATH = "math"
    SCIENCE = "science"
    SOCIAL_STUDIES = "social_studies"
    OTHER = "other"


class EnglishLearner(StrEnum):
    """English-learner history; audit only."""

    NEVER = "never"
    CURRENT = "current"
    FORMER = "former"
    NEWCOMER = "newcomer"


class Domain(StrEnum):
    """What an indicator, a rule or a reason speaks of."""

    ATTENDANCE = "attendance"
    BEHAVIOR = "behavior"
    COURSEWORK = "coursework"
    CONTEXT = "context"


class Direction(StrEnum):
    """Whether a reason raises concern, is a strength, or says what the records do not tell."""

    RISK = "risk"
    STRENGTH = "strength"
    UNKNOWN = "unknown"


class RuleStatus(StrEnum):
    """Outcome of a flag rule for one student; a rule that neither holds nor abstains is not written."""

    HOLDS = "holds"
    ABSTAINS = "abstains"


class CoverageLevel(StrEnum):
    """How far a source speaks of a domain."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"


class Role(StrEnum):
    """What a person may be to a school, a district or the whole (docs/console.md)."""

    COORDINATOR = "coordinator"
    SCHOOL_STAFF = "school_staff"
    DISTRICT_MANAGER = "district_manager"
    AFFILIATE_MANAGER = "affiliate_manager"
    STATE = "state"
    DATA_STEWARD = "data_steward"
    ADMINISTRATOR = "administrator"


class AuditAction(StrEnum):
    """What the audit keeps: who came, what they saw of whom, what they changed."""

    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"
    SIGN_IN_REFUSED = "sign_in_refused"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - an action
    PASSWORD_RESET = "password_reset"  # noqa: S105 - an action
    PERSON_ADDED = "person_added"
    PERSON_DISABLED = "person_disabled"
    PERSON_ENABLED = "person_enabled"
    PERSON_UNLOCKED = "person_unlocked"
    ROLE_GRANTED = "role_granted"
    ROLE_REVOKED = "role_revoked"
    CASELOAD_ADDED = "caseload_added"
    CASELOAD_REMOVED = "caseload_removed"
    KEY_CREATED = "key_created"
    KEY_REVOKED = "key_revoked"
    SWITCHED_OFF = "switched_off"
    SWITCHED_ON = "switched_on"
    EMERGENCY_BEGUN = "emergency_begun"
    EMERGENCY_ENDED = "emergency_ended"
    STUDENT_SEEN = "student_seen"
    LIST_SEEN = "list_seen"
    CASE_MOVED = "case_moved"
    GOAL_SET = "goal_set"
    CHECKED_IN = "checked_in"
    TICKET_ANSWERED = "ticket_answered"
    MEETING_BEGUN = "meeting_begun"


class Change(StrEnum):
    """What became of a student between two nights."""

    ENTERED = "entered"
    LEFT = "left"
    TIER_MOVED = "tier_moved"
    RISK_MOVED = "risk_moved"


class Cause(StrEnum):
    """Why it came to that, in the order in which a night is worked out once more (docs/runs.md)."""

    CORRECTED_RECORDS = "corrected_records"
    DAYS_PASSING = "days_passing"
    NEW_RECORDS = "new_records"
    SCHOOL = "school"
    MODEL = "model"


class CaseState(StrEnum):
    """Where a student's case stands (`cis_ews.support.transitions`)."""

    NOT_FLAGGED = "not_flagged"
    WAITING = "waiting"
    IN_TOUCH = "in_touch"
    ACCEPTED = "accepted"
    CASE_MANAGED = "case_managed"
    ALREADY_KNOWN = "already_known"
    NOT_NOW = "not_now"
    DATA_QUESTIONED = "data_questioned"
    NO_ACTION = "no_action"
    EXITED = "exited"


class CaseAction(StrEnum):
    """What a person, or a night, does to a case."""

    CONTACT = "contact"
    ACCEPT = "accept"
    ALREADY_KNOWN = "already_known"
    NOT_NOW = "not_now"
    QUESTION_DATA = "question_data"
    NO_ACTION = "no_action"
    REFER = "refer"
    OPEN_PLAN = "open_plan"
    EXIT = "exit"
    REOPEN = "reopen"
    ANSWER = "answer"
    TIER_ROSE = "tier_rose"
    DATE_CAME = "date_came"
    RESOLVE = "resolve"
    FLAG_AGAIN = "flag_again"


class ContactKind(StrEnum):
    """With whom somebody was in touch about a student."""

    STUDENT = "student"
    FAMILY = "family"
    STAFF = "staff"
    MEETING = "meeting"


class SupportArea(StrEnum):
    """The ten areas in which Communities In Schools supports a student."""

    ACADEMICS = "academics"
    BEHAVIOR = "behavior"
    LIFE_SKILLS = "life_skills"
    BASIC_NEEDS = "basic_needs"
    COLLEGE_CAREER = "college_career"
    ENRICHMENT = "enrichment"
    FAMILY_ENGAGEMENT = "family_engagement"
    PHYSICAL_HEALTH = "physical_health"
    COMMUNITY_SERVICE = "community_service"
    MENTAL_HEALTH = "mental_health"


class Progress(StrEnum):
    """How a goal goes, in the words of the Communities In Schools data management system (CISDM)."""

    PROGRESSING = "progressing"
    NO_PROGRESS_POSITIVE = "no_progress_positive"
    NO_PROGRESS_NEGATIVE = "no_progress_negative"
    DECLINE = "decline"
    EXITED_BEFORE_KNOWN = "exited_before_known"
