"""The records of Ed-Fi's bulk XML that are read, and where in each its columns stand.

Element names are those of Ed-Fi's XSDs, Data Standard 4 to 6; where standards differ, a column has several places.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Columns: TypeAlias = Mapping[str, tuple[str, ...]]

_STUDENT = "StudentReference/StudentIdentity/StudentUniqueId"
_SCHOOL = "SchoolReference/SchoolIdentity/SchoolId"
_EVENT = "AttendanceEvent"
_INCIDENT = "DisciplineIncidentReference/DisciplineIncidentIdentity"
_BEHAVIOR_OF = (
    "StudentDisciplineIncidentBehaviorAssociationReference/StudentDisciplineIncidentBehaviorAssociationIdentity"
)
_OFFERING = "CourseOfferingReference/CourseOfferingIdentity"
_SECTION = f"SectionReference/SectionIdentity/{_OFFERING}"
_IN_SECTION = "StudentSectionAssociationReference/StudentSectionAssociationIdentity"
_PERIOD = "GradingPeriodReference/GradingPeriodIdentity"
_RECORD = "StudentAcademicRecordReference/StudentAcademicRecordIdentity"
_CALENDAR = "CalendarReference/CalendarIdentity"
_INTERVENTION = "InterventionReference/InterventionIdentity/InterventionIdentificationCode"

_PERSON: Columns = {
    "student_id": (_STUDENT, "StudentReference"),
    "gender": ("Sex",),
    "hispanic": ("HispanicLatinoEthnicity",),
    "race": ("Race", "Race/Race"),
    "english": ("LimitedEnglishProficiency",),
}

_PROGRAM: Columns = {"student_id": (_STUDENT, "StudentReference"), "begins": ("BeginDate",), "ends": ("EndDate",)}

REFERRED = "id"
"""The attribute by which another record of the package may refer to a record (`ref`)."""
SAYS_REF = "ref:"
"""What stands before such an id, where a column has a reference and not the value itself."""

RECORDS: Mapping[str, Columns] = {
    "Student": {
        "student_id": ("StudentUniqueId",),
        "first_name": ("Name/FirstName",),
        "last_name": ("Name/LastSurname",),
        "birth_date": ("BirthData/BirthDate",),
        "gender": ("Sex", "BirthData/BirthSex"),
    },
    "School": {
        "school_id": ("SchoolId",),
        "name": ("NameOfInstitution",),
        "category": ("SchoolCategory",),
        "district_id": (
            "LocalEducationAgencyReference/LocalEducationAgencyIdentity/LocalEducationAgencyId",
            "LocalEducationAgencyReference",
        ),
    },
    "LocalEducationAgency": {"district_id": ("LocalEducationAgencyId",)},
    "StudentSchoolAssociation": {
        "student_id": (_STUDENT, "StudentReference"),
        "school_id": (_SCHOOL, "SchoolReference"),
        "school_year": ("SchoolYear",),
        "entry_date": ("EntryDate",),
        "grade": ("EntryGradeLevel",),
        "exit_date": ("ExitWithdrawDate",),
        "exit": ("ExitWithdrawType",),
    },
    "Calendar": {
        "code": ("CalendarCode",),
        "school_id": (_SCHOOL, "SchoolReference"),
        "school_year": ("SchoolYear",),
    },
    "CalendarDate": {
        "date": ("Date",),
        "event": ("CalendarEvent",),
        "calendar": ("CalendarReference",),
        "school_id": (f"{_CALENDAR}/{_SCHOOL}", f"{_CALENDAR}/SchoolReference"),
        "school_year": (f"{_CALENDAR}/SchoolYear",),
    },
    "Session": {
        "name": ("SessionName",),
        "school_id": (_SCHOOL, "SchoolReference"),
        "school_year": ("SchoolYear",),
        "begins": ("BeginDate",),
        "ends": ("EndDate",),
        "days": ("TotalInstructionalDays",),
    },
    "GradingPeriod": {
        "name": ("GradingPeriod",),
        "school_id": (_SCHOOL, "SchoolReference"),
        "school_year": ("SchoolYear",),
        "begins": ("BeginDate",),
        "ends": ("EndDate",),
    },
    "StudentSchoolAttendanceEvent": {
        "student_id": (_STUDENT, "StudentReference"),
        "school_id": (_SCHOOL, "SchoolReference"),
        "date": (f"{_EVENT}/EventDate",),
        "category": (f"{_EVENT}/AttendanceEventCategory",),
        "duration": (f"{_EVENT}/EventDuration",),
        "minutes": ("SchoolAttendanceDuration",),
    },
    "StudentSectionAttendanceEvent": {
        "student_id": (_STUDENT, "StudentReference"),
        "school_id": (f"{_SECTION}/{_SCHOOL}", f"{_SECTION}/SchoolReference"),
        "date": (f"{_EVENT}/EventDate",),
        "category": (f"{_EVENT}/AttendanceEventCategory",),
        "duration": (f"{_EVENT}/EventDuration",),
        "minutes": ("SectionAttendanceDuration",),
        "section": ("SectionReference/SectionIdentity/SectionIdentifier", "SectionReference"),
    },
    "DisciplineIncident": {
        "incident": ("IncidentIdentifier",),
        "school_id": (_SCHOOL, "SchoolReference"),
        "date": ("IncidentDate",),
        "behavior": ("Behavior/Behavior",),
    },
    "StudentDisciplineIncidentBehaviorAssociation": {
        "student_id": (_STUDENT, "StudentReference"),
        "incident": (f"{_INCIDENT}/IncidentIdentifier", "DisciplineIncidentReference"),
        "school_id": (f"{_INCIDENT}/{_SCHOOL}", f"{_INCIDENT}/SchoolReference"),
        "behavior": ("Behavior",),
        "role": ("DisciplineIncidentParticipationCode",),
    },
    "StudentDisciplineIncidentAssociation": {
        "student_id": (_STUDENT, "StudentReference"),
        "incident": (f"{_INCIDENT}/IncidentIdentifier", "DisciplineIncidentReference"),
        "school_id": (f"{_INCIDENT}/{_SCHOOL}", f"{_INCIDENT}/SchoolReference"),
        "behavior": ("Behavior/Behavior", "Behavior"),
        "role": ("StudentParticipationCode",),
    },
    "StudentDisciplineIncidentNonOffenderAssociation": {"student_id": (_STUDENT, "StudentReference")},
    "DisciplineAction": {
        "student_id": (_STUDENT, "StudentReference"),
        "action": ("Discipline",),
        "date": ("DisciplineDate",),
        "days": ("DisciplineActionLength", "ActualDisciplineActionLength"),
        "incident": (
            f"{_BEHAVIOR_OF}/{_INCIDENT}/IncidentIdentifier",
            f"{_BEHAVIOR_OF}/DisciplineIncidentReference",
            f"{_BEHAVIOR_OF.replace('Behavior', '')}/{_INCIDENT}/IncidentIdentifier",
            f"{_INCIDENT}/IncidentIdentifier",
            "DisciplineIncidentReference",
        ),
        "school_id": (
            f"{_BEHAVIOR_OF}/{_INCIDENT}/{_SCHOOL}",
            f"{_BEHAVIOR_OF.replace('Behavior', '')}/{_INCIDENT}/{_SCHOOL}",
            f"{_INCIDENT}/{_SCHOOL}",
            f"Responsibility{_SCHOOL}",
            "ResponsibilitySchoolReference",
        ),
    },
    "Course": {"course": ("CourseCode",), "title": ("CourseTitle",), "subject": ("AcademicSubject",)},
    "CourseOffering": {
        "local": ("LocalCourseCode",),
        "school_id": (_SCHOOL, "SchoolReference"),
        "course": ("CourseReference/CourseIdentity/CourseCode", "CourseReference"),
        "title": ("LocalCourseTitle",),
    },
    "Grade": {
        "student_id": (f"{_IN_SECTION}/{_STUDENT}", f"{_IN_SECTION}/StudentReference"),
        "school_id": (f"{_IN_SECTION}/{_SECTION}/{_SCHOOL}", f"{_IN_SECTION}/{_SECTION}/SchoolReference"),
        "local": (f"{_IN_SECTION}/{_SECTION}/LocalCourseCode",),
        "session": (f"{_IN_SECTION}/{_SECTION}/SessionReference/SessionIdentity/SessionName",),
        "session_year": (f"{_IN_SECTION}/{_SECTION}/SessionReference/SessionIdentity/SchoolYear",),
        "letter": ("LetterGradeEarned",),
        "number": ("NumericGradeEarned",),
        "type": ("GradeType",),
        "period": (f"{_PERIOD}/GradingPeriod", "GradingPeriodReference"),
        "period_year": (f"{_PERIOD}/SchoolYear",),
        "said_on": ("CurrentGradeAsOfDate",),
    },
    "CourseTranscript": {
        "student_id": (f"{_RECORD}/{_STUDENT}", f"{_RECORD}/StudentReference"),
        "school_id": (
            f"{_RECORD}/EducationOrganizationReference/EducationOrganizationIdentity/EducationOrganizationId",
            f"{_RECORD}/EducationOrganizationReference",
        ),
        "school_year": (f"{_RECORD}/SchoolYear",),
        "term": (f"{_RECORD}/Term",),
        "course": ("CourseReference/CourseIdentity/CourseCode", "CourseReference"),
        "title": ("CourseTitle",),
        "subject": ("AcademicSubject",),
        "attempted": ("AttemptedCredits/Credits",),
        "earned": ("EarnedCredits/Credits",),
        "letter": ("FinalLetterGradeEarned",),
        "number": ("FinalNumericGradeEarned",),
    },
    "StudentEducationOrganizationAssociation": _PERSON,
    # Data Standard 6 has moved what is said of a student there into a record of its own.
    "StudentDemographic": _PERSON,
    "StudentSpecialEducationProgramAssociation": _PROGRAM,
    "StudentHomelessProgramAssociation": _PROGRAM,
    "StudentLanguageInstructionProgramAssociation": _PROGRAM,
    "StudentSection504ProgramAssociation": {"student_id": (_STUDENT, "StudentReference")},
    "StudentMigrantEducationProgramAssociation": {"student_id": (_STUDENT, "StudentReference")},
    "StudentProgramAssociation": {"student_id": (_STUDENT, "StudentReference")},
    "StudentSchoolFoodServiceProgramAssociation": _PROGRAM,
    "StudentInterventionAttendanceEvent": {
        "student_id": (_STUDENT, "StudentReference"),
        "intervention": (_INTERVENTION,),
        "date": (f"{_EVENT}/EventDate",),
        "category": (f"{_EVENT}/AttendanceEventCategory",),
        "minutes": ("InterventionDuration",),
    },
    "StudentInterventionAssociation": {"student_id": (_STUDENT, "StudentReference")},
}
"""Record -> column -> where it stands, the first place that is filled. Of what repeats, the first counts."""

INTERCHANGES: frozenset[str] = frozenset(
    f"Interchange{name}"
    for name in (
        "Student",
        "StudentEnrollment",
        "StudentAttendance",
        "StudentDiscipline",
        "StudentGrade",
        "StudentTranscript",
        "StudentProgram",
        "StudentIntervention",
        "EducationOrganization",
        "EducationOrgCalendar",
        "MasterSchedule",
    )
)
"""The kinds of files that may hold one of them; others are passed over."""
