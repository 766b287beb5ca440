"""The resources of Ed-Fi's API that are read, which record of `edfi_records` each is, and where its columns stand.

Names are those of Ed-Fi's OpenAPI documents, Data Standard 4 to 6. Records of the API and of bulk XML become the same
rows, so whatever makes tables of them knows neither. What stands in no place here is neither read nor kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from cis_ews.readers.edfi_records import Columns

ID = "id"
"""The key under which a server holds a record, whatever its resource."""

_STUDENT = "studentReference.studentUniqueId"
_SCHOOL = "schoolReference.schoolId"
_YEAR = "schoolYearTypeReference.schoolYear"
_INCIDENT = "disciplineIncidentReference"
_BEHAVIORS = (
    "studentDisciplineIncidentBehaviorAssociations.studentDisciplineIncidentBehaviorAssociationReference",
    "studentDisciplineIncidentAssociations.studentDisciplineIncidentAssociationReference",
)
_SECTION = "studentSectionAssociationReference"
_PERIOD = "gradingPeriodReference"
_RECORD = "studentAcademicRecordReference"
_SUBJECT = ("academicSubjects.academicSubjectDescriptor", "academicSubjectDescriptor")
_PEOPLE: Columns = {
    "student_id": (_STUDENT,),
    "gender": ("sexDescriptor",),
    "hispanic": ("hispanicLatinoEthnicity",),
    "race": ("races.raceDescriptor",),
    "english": ("limitedEnglishProficiencyDescriptor",),
}
_PROGRAM: Columns = {"student_id": (_STUDENT,), "begins": ("beginDate",), "ends": ("endDate",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource: its name in addresses, its record, column -> places; the first and last Data Standard that has it.

    A place is a path of names with dots; of a list on its way, the first element that has a value counts.
    """

    name: str
    record: str
    columns: Columns
    since: int = 4
    until: int = 6

    @property
    def claim(self) -> str:
        """The resource's claim, as claim sets name it: the name of one."""
        return self.name.removesuffix("s")


def _resource(name: str, record: str, columns: Columns, *, since: int = 4, until: int = 6) -> Resource:
    return Resource(name=name, record=record, columns=columns, since=since, until=until)


_DISCIPLINE: Columns = {
    "student_id": (_STUDENT,),
    "incident": (f"{_INCIDENT}.incidentIdentifier",),
    "school_id": (f"{_INCIDENT}.schoolId",),
}
_ALL = (
    _resource(
        "students",
        "Student",
        {
            "student_id": ("studentUniqueId",),
            "first_name": ("firstName",),
            "last_name": ("lastSurname",),
            "birth_date": ("birthDate",),
            "gender": ("birthSexDescriptor",),
        },
    ),
    _resource(
        "schools",
        "School",
        {
            "school_id": ("schoolId",),
            "name": ("nameOfInstitution",),
            "category": ("schoolCategories.schoolCategoryDescriptor",),
            "district_id": ("localEducationAgencyReference.localEducationAgencyId",),
        },
    ),
    _resource(
        "studentSchoolAssociations",
        "StudentSchoolAssociation",
        {
            "student_id": (_STUDENT,),
            "school_id": (_SCHOOL,),
            "school_year": (_YEAR,),
            "entry_date": ("entryDate",),
            "grade": ("entryGradeLevelDescriptor",),
            "exit_date": ("exitWithdrawDate",),
            "exit": ("exitWithdrawTypeDescriptor",),
        },
    ),
    _resource(
        "calendarDates",
        "CalendarDate",
        {
            "date": ("date",),
            "event": ("calendarEvents.calendarEventDescriptor",),
            "school_id": ("calendarReference.schoolId",),
            "school_year": ("calendarReference.schoolYear",),
        },
    ),
    _resource(
        "sessions",
        "Session",
        {
            "name": ("sessionName",),
            "school_id": (_SCHOOL,),
            "school_year": (_YEAR,),
            "begins": ("beginDate",),
            "ends": ("endDate",),
            "days": ("totalInstructionalDays",),
        },
    ),
    _resource(
        "gradingPeriods",
        "GradingPeriod",
        {
            "name": ("gradingPeriodDescriptor",),
            "school_id": (_SCHOOL,),
            "school_year": (_YEAR,),
            "begins": ("beginDate",),
            "ends": ("endDate",),
        },
    ),
    _resource(
        "studentSchoolAttendanceEvents",
        "StudentSchoolAttendanceEvent",
        {
            "student_id": (_STUDENT,),
            "school_id": (_SCHOOL,),
            "date": ("eventDate",),
            "category": ("attendanceEventCategoryDescriptor",),
            "duration": ("eventDuration",),
            "minutes": ("schoolAttendanceDuration",),
        },
    ),
    _resource(
        "studentSectionAttendanceEvents",
        "StudentSectionAttendanceEvent",
        {
            "student_id": (_STUDENT,),
            "school_id": ("sectionReference.schoolId",),
            "date": ("eventDate",),
            "category": ("attendanceEventCategoryDescriptor",),
            "duration": ("eventDuration",),
            "minutes": ("sectionAttendanceDuration",),
            "section": ("sectionReference.sectionIdentifier",),
        },
    ),
    _resource(
        "disciplineIncidents",
        "DisciplineIncident",
        {
            "incident": ("incidentIdentifier",),
            "school_id": (_SCHOOL,),
            "date": ("incidentDate",),
            "behavior": ("behaviors.behaviorDescriptor",),
        },
    ),
    _resource(
        "studentDisciplineIncidentBehaviorAssociations",
        "StudentDisciplineIncidentBehaviorAssociation",
        {
            **_DISCIPLINE,
            "behavior": ("behaviorDescriptor",),
            "role": ("disciplineIncidentParticipationCodes.disciplineIncidentParticipationCodeDescriptor",),
        },
    ),
    _resource(
        "studentDisciplineIncidentAssociations",
        "StudentDisciplineIncidentAssociation",
        {
            **_DISCIPLINE,
            "behavior": ("behaviors.behaviorDescriptor",),
            "role": ("studentParticipationCodeDescriptor",),
        },
        until=4,
    ),
    _resource(
        "disciplineActions",
        "DisciplineAction",
        {
            "student_id": (_STUDENT,),
            "action": ("disciplines.disciplineDescriptor",),
            "date": ("disciplineDate",),
            "days": ("disciplineActionLength", "actualDisciplineActionLength"),
            "incident": tuple(f"{each}.incidentIdentifier" for each in _BEHAVIORS),
            "school_id": (*(f"{each}.schoolId" for each in _BEHAVIORS), "responsibilitySchoolReference.schoolId"),
        },
    ),
    _resource("courses", "Course", {"course": ("courseCode",), "title": ("courseTitle",), "subject": _SUBJECT}),
    _resource(
        "courseOfferings",
        "CourseOffering",
        {
            "local": ("localCourseCode",),
            "school_id": (_SCHOOL,),
            "course": ("courseReference.courseCode",),
            "title": ("localCourseTitle",),
        },
    ),
    _resource(
        "grades",
        "Grade",
        {
            "student_id": (f"{_SECTION}.studentUniqueId",),
            "school_id": (f"{_SECTION}.schoolId",),
            "local": (f"{_SECTION}.localCourseCode",),
            "session": (f"{_SECTION}.sessionName",),
            "session_year": (f"{_SECTION}.schoolYear",),
            "letter": ("letterGradeEarned",),
            "number": ("numericGradeEarned",),
            "type": ("gradeTypeDescriptor",),
            "period": (f"{_PERIOD}.gradingPeriodDescriptor",),
            "period_year": (f"{_PERIOD}.schoolYear",),
            "said_on": ("currentGradeAsOfDate",),
        },
    ),
    _resource(
        "courseTranscripts",
        "CourseTranscript",
        {
            "student_id": (f"{_RECORD}.studentUniqueId",),
            "school_id": (f"{_RECORD}.educationOrganizationId",),
            "school_year": (f"{_RECORD}.schoolYear",),
            "term": (f"{_RECORD}.termDescriptor",),
            "course": ("courseReference.courseCode",),
            "title": ("courseTitle",),
            "subject": _SUBJECT,
            "attempted": ("attemptedCredits",),
            "earned": ("earnedCredits",),
            "letter": ("finalLetterGradeEarned",),
            "number": ("finalNumericGradeEarned",),
        },
    ),
    # Data Standard 6 has moved what is said of a student here into a resource of its own.
    _resource("studentEducationOrganizationAssociations", "StudentEducationOrganizationAssociation", _PEOPLE, until=5),
    _resource("studentDemographics", "StudentEducationOrganizationAssociation", _PEOPLE, since=6),
    *(
        _resource(f"{record[0].lower()}{record[1:]}s", record, _PROGRAM)
        for record in (
            "StudentSpecialEducationProgramAssociation",
            "StudentHomelessProgramAssociation",
            "StudentLanguageInstructionProgramAssociation",
            "StudentSchoolFoodServiceProgramAssociation",
        )
    ),
    _resource(
        "studentInterventionAttendanceEvents",
        "StudentInterventionAttendanceEvent",
        {
            "student_id": (_STUDENT,),
            "intervention": ("interventionReference.interventionIdentificationCode",),
            "date": ("eventDate",),
            "category": ("attendanceEventCategoryDescriptor",),
            "minutes": ("interventionDuration",),
        },
    ),
)
RESOURCES: Mapping[str, Resource] = {resource.name: resource for resource in _ALL}
"""Name -> resource, in the order in which they are fetched."""
NEEDED = ("students", "schools")
"""Without these there is nothing to read."""


def resources_of(standard: int) -> tuple[Resource, ...]:
    """The resources that a major Data Standard has."""
    return tuple(each for each in _ALL if each.since <= standard <= each.until)


def fields_digest(resource: Resource) -> str:
    """A hash of the places: where they differ, what was kept with the old ones says less than is read now."""
    return hashlib.sha256(json.dumps({**resource.columns}, sort_keys=True).encode()).hexdigest()[:16]


Tree = dict[str, "Tree | None"]
"""Name -> what is kept below it; None for a value."""


def tree_of(resource: Resource) -> Tree:
    """What is kept of a record: its id and the places of its columns."""
    tree: Tree = {ID: None}
    for place in (place for places in resource.columns.values() for place in places):
        *above, last = place.split(".")
        node = tree
        for name in above:
            node = cast("Tree", node.setdefault(name, {}))
        node[last] = None
    return tree


def pruned(value: Any, tree: Tree) -> Any:
    """A record without whatever stands in no place; of a value of another shape nothing is kept."""
    if isinstance(value, list):
        return [pruned(each, tree) if isinstance(each, dict) else None for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return None
    kept: dict[str, Any] = {}
    record = cast("dict[str, Any]", value)
    for name, below in tree.items():
        if name in record:
            found = record[name]
            kept[name] = _plain(found) if below is None else pruned(found, below)
    return kept


def _plain(value: Any) -> Any:
    return None if isinstance(value, dict | list) else value
