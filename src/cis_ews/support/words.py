"""The words that people read for states, actions and the rest. They are the keys of the console's message catalogs."""

from __future__ import annotations

from cis_ews.enums import (
    AuditAction,
    CaseAction,
    CaseState,
    ContactKind,
    DisciplineActionType,
    Domain,
    Progress,
    Subject,
    SupportArea,
)


def marked(text: str) -> str:
    """The text as it is; a mark for whoever collects what has to be translated."""
    return text


STATE_WORDS = {
    CaseState.NOT_FLAGGED: marked("Not flagged"),
    CaseState.WAITING: marked("Waiting for a decision"),
    CaseState.IN_TOUCH: marked("Somebody has been in touch"),
    CaseState.ACCEPTED: marked("Accepted: needs assessment and consent come next"),
    CaseState.CASE_MANAGED: marked("In case management"),
    CaseState.ALREADY_KNOWN: marked("Already known and supported"),
    CaseState.NOT_NOW: marked("Not now"),
    CaseState.DATA_QUESTIONED: marked("The data are being checked"),
    CaseState.NO_ACTION: marked("No action needed"),
    CaseState.EXITED: marked("Case management has ended"),
}

ACTION_WORDS = {
    CaseAction.CONTACT: marked("Record a contact"),
    CaseAction.ACCEPT: marked("Accept"),
    CaseAction.ALREADY_KNOWN: marked("Already known"),
    CaseAction.NOT_NOW: marked("Not now"),
    CaseAction.QUESTION_DATA: marked("Data is wrong"),
    CaseAction.NO_ACTION: marked("No action needed"),
    CaseAction.REFER: marked("Add to support"),
    CaseAction.OPEN_PLAN: marked("Start a support plan"),
    CaseAction.EXIT: marked("End case management"),
    CaseAction.REOPEN: marked("Decide again"),
    CaseAction.ANSWER: marked("Answer the question about the data"),
}
"""What buttons say."""

DISCIPLINE_WORDS = {
    DisciplineActionType.CLASSROOM_EXCLUSION: marked("Classroom exclusion"),
    DisciplineActionType.IN_SCHOOL_SUSPENSION: marked("In-school suspension"),
    DisciplineActionType.SHORT_TERM_SUSPENSION: marked("Short-term suspension"),
    DisciplineActionType.LONG_TERM_SUSPENSION: marked("Long-term suspension"),
    DisciplineActionType.EXPULSION: marked("Expulsion"),
    DisciplineActionType.EMERGENCY_EXPULSION: marked("Emergency expulsion"),
}
"""What followed an incident."""

SUBJECT_WORDS = {
    Subject.ENGLISH: marked("English"),
    Subject.MATH: marked("math"),
    Subject.SCIENCE: marked("science"),
    Subject.SOCIAL_STUDIES: marked("social studies"),
    Subject.OTHER: marked("other subject"),
}
"""The subject of a course, behind its name."""

DONE_WORDS = {
    CaseAction.CONTACT: marked("was in touch"),
    CaseAction.ACCEPT: marked("accepted the flag"),
    CaseAction.ALREADY_KNOWN: marked("said that the student is known and supported already"),
    CaseAction.NOT_NOW: marked("put the flag aside until a date"),
    CaseAction.QUESTION_DATA: marked("said that the data are wrong"),
    CaseAction.NO_ACTION: marked("said that no action is needed"),
    CaseAction.REFER: marked("added the student to support"),
    CaseAction.OPEN_PLAN: marked("started a support plan"),
    CaseAction.EXIT: marked("ended case management"),
    CaseAction.REOPEN: marked("opened the flag for another decision"),
    CaseAction.ANSWER: marked("answered the question about the data"),
    CaseAction.TIER_ROSE: marked("brought the flag back: the tier rose"),
    CaseAction.DATE_CAME: marked("brought the flag back: its date came"),
    CaseAction.RESOLVE: marked("closed the flag: the records ask for it no longer"),
    CaseAction.FLAG_AGAIN: marked("flagged the student again"),
}
"""What somebody, or a night, did: after the name of who did it."""

ONLY_WORDS = {
    CaseAction.CONTACT: marked("Only a coordinator or staff of the school can record a contact."),
    CaseAction.ACCEPT: marked("Only a coordinator of the school can accept a flag."),
    CaseAction.ALREADY_KNOWN: marked("Only a coordinator of the school can decide about a flag."),
    CaseAction.NOT_NOW: marked("Only a coordinator of the school can decide about a flag."),
    CaseAction.QUESTION_DATA: marked("Only a coordinator or staff of the school can question the data."),
    CaseAction.NO_ACTION: marked("Only a coordinator of the school can decide about a flag."),
    CaseAction.REFER: marked("Only a coordinator of the school can add a student to support."),
    CaseAction.OPEN_PLAN: marked("Only a coordinator of the school can start a support plan."),
    CaseAction.EXIT: marked("Only a coordinator of the school can end case management."),
    CaseAction.REOPEN: marked("Only a coordinator or a manager can open a flag for another decision."),
    CaseAction.ANSWER: marked("Only a data steward can answer a question about the data."),
}
"""Why somebody else may not."""

NOT_FROM_HERE_WORDS = {
    CaseAction.ACCEPT: marked("There is no flag that waits to be accepted."),
    CaseAction.ALREADY_KNOWN: marked("There is no flag that waits for a decision."),
    CaseAction.NOT_NOW: marked("There is no flag that waits for a decision."),
    CaseAction.QUESTION_DATA: marked("There is no flag that waits for a decision."),
    CaseAction.NO_ACTION: marked("There is no flag that waits for a decision."),
    CaseAction.REFER: marked("The student is flagged, or in support, already."),
    CaseAction.OPEN_PLAN: marked("A support plan starts with a student who was accepted."),
    CaseAction.EXIT: marked("The student is not in case management."),
    CaseAction.REOPEN: marked("There is no decision that could be made again."),
}
"""Why an action is not possible in the state in which the case is."""

CONTACT_WORDS = {
    ContactKind.STUDENT: marked("Talked with the student"),
    ContactKind.FAMILY: marked("Talked with the family"),
    ContactKind.STAFF: marked("Talked with a teacher or other staff"),
    ContactKind.MEETING: marked("Talked about in a meeting"),
}

DOMAIN_WORDS = {
    Domain.ATTENDANCE: marked("Attendance"),
    Domain.BEHAVIOR: marked("Behavior"),
    Domain.COURSEWORK: marked("Coursework"),
    Domain.CONTEXT: marked("School, grade or enrollment"),
}

AREA_WORDS = {
    SupportArea.ACADEMICS: marked("Academics"),
    SupportArea.BEHAVIOR: marked("Behavior"),
    SupportArea.LIFE_SKILLS: marked("Social and life skills"),
    SupportArea.BASIC_NEEDS: marked("Basic needs"),
    SupportArea.COLLEGE_CAREER: marked("College and career"),
    SupportArea.ENRICHMENT: marked("Enrichment and motivation"),
    SupportArea.FAMILY_ENGAGEMENT: marked("Family engagement"),
    SupportArea.PHYSICAL_HEALTH: marked("Health and physical wellness"),
    SupportArea.COMMUNITY_SERVICE: marked("Community service"),
    SupportArea.MENTAL_HEALTH: marked("Mental health"),
}

PROGRESS_WORDS = {
    Progress.PROGRESSING: marked("Progressing"),
    Progress.NO_PROGRESS_POSITIVE: marked("No progress - positive"),
    Progress.NO_PROGRESS_NEGATIVE: marked("No progress - negative"),
    Progress.DECLINE: marked("Decline"),
    Progress.EXITED_BEFORE_KNOWN: marked("Exited before progress known"),
}

TIER_WORDS = {
    3: marked("Intensive support"),
    2: marked("Targeted support"),
    1: marked("Support for all"),
    None: marked("Not enough data"),
}

AUDIT_WORDS = {
    AuditAction.SIGNED_IN: marked("signed in"),
    AuditAction.SIGNED_OUT: marked("signed out"),
    AuditAction.SIGN_IN_REFUSED: marked("sign-in refused"),
    AuditAction.PASSWORD_CHANGED: marked("password changed"),
    AuditAction.PASSWORD_RESET: marked("password reset"),
    AuditAction.PERSON_ADDED: marked("person added"),
    AuditAction.PERSON_DISABLED: marked("account closed"),
    AuditAction.PERSON_ENABLED: marked("account opened"),
    AuditAction.PERSON_UNLOCKED: marked("wait after wrong passwords ended"),
    AuditAction.ROLE_GRANTED: marked("role given"),
    AuditAction.ROLE_REVOKED: marked("role taken away"),
    AuditAction.CASELOAD_ADDED: marked("student added to a caseload"),
    AuditAction.CASELOAD_REMOVED: marked("student taken out of a caseload"),
    AuditAction.KEY_CREATED: marked("key made"),
    AuditAction.KEY_REVOKED: marked("key ended"),
    AuditAction.SWITCHED_OFF: marked("flags stopped"),
    AuditAction.SWITCHED_ON: marked("flags shown again"),
    AuditAction.EMERGENCY_BEGUN: marked("emergency access taken"),
    AuditAction.EMERGENCY_ENDED: marked("emergency access ended"),
    AuditAction.STUDENT_SEEN: marked("student seen"),
    AuditAction.LIST_SEEN: marked("list seen"),
    AuditAction.CASE_MOVED: marked("case decided on"),
    AuditAction.GOAL_SET: marked("goal set"),
    AuditAction.CHECKED_IN: marked("goal checked in on"),
    AuditAction.TICKET_ANSWERED: marked("question about the data answered"),
    AuditAction.MEETING_BEGUN: marked("meeting begun"),
}

MOVED = marked("Somebody else, or the night, was there first. Nothing of yours was written.")
MOVED_BY_YOU = marked(
    "You were there first: you decided already, by a second click or on another page. This time nothing was written."
)
NO_DAY = marked("This is no day of the calendar.")
LEFT = marked("The student is scored no more; nothing has to be answered.")
