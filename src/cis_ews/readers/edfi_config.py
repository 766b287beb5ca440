"""What a district may choose of how its Ed-Fi data are read: a TOML with `reader = "edfi"` (docs/edfi.md).

Descriptors are every district's own: each crosswalk turns the code behind the `#` of a descriptor into a word of the
contract. What a TOML names is added to what is shipped; a code that neither knows stops the night with its list.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cis_ews.enums import (
    AttendanceStatus,
    DisciplineActionType,
    ExitType,
    GradeLevel,
    SchoolLevel,
    Severity,
    Subject,
)
from cis_ews.readers.choices import load_choices
from cis_ews.readers.edfi_api_config import ApiConfig

READER = "edfi"
PAGE = "docs/edfi.md"
NOT_USED: Literal["not_used"] = "not_used"
"""For a code that is known and says nothing that is kept: no grade level, no action, no absence."""

_ORDINALS = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth", "Eleventh")
GRADES: Mapping[str, str] = {
    **{f"{word} grade": GradeLevel(str(number)) for number, word in enumerate((*_ORDINALS, "Twelfth"), start=1)},
    "Kindergarten": GradeLevel.K,
    **dict.fromkeys(
        (
            "Infant/toddler",
            "Preschool",
            "Prekindergarten",
            "Preschool/Prekindergarten",
            "Transitional Kindergarten",
            "Early Education",
        ),
        GradeLevel.PK,
    ),
    **dict.fromkeys(
        ("Grade 13", "Postsecondary", "Ungraded", "Other", "Out of School", "Adult Education", "No grade level"),
        NOT_USED,
    ),
}
ATTENDANCE: Mapping[str, str] = {
    "Excused Absence": AttendanceStatus.EXCUSED,
    "Unexcused Absence": AttendanceStatus.UNEXCUSED,
    "Tardy": AttendanceStatus.TARDY,
    "Present": AttendanceStatus.PRESENT,
    "In Attendance": AttendanceStatus.PRESENT,
    # Whether they are excused the standard does not say; an unexcused absence has consequences in law.
    "Partial": AttendanceStatus.EXCUSED,
    "Early departure": AttendanceStatus.EXCUSED,
}
PARTIAL = ("Partial", "Early departure")
"""Categories that miss a part of a day where no duration says how much."""
ACTIONS: Mapping[str, str] = {
    "Removal from Classroom": DisciplineActionType.CLASSROOM_EXCLUSION,
    "In School Suspension": DisciplineActionType.IN_SCHOOL_SUSPENSION,
    "Out of School Suspension": DisciplineActionType.SHORT_TERM_SUSPENSION,
    **dict.fromkeys(
        (
            "Expulsion",
            "Expulsion with Services",
            "Expulsion under Guns Free School Act",
            "Expulsion under Guns Free School Act with Services",
        ),
        DisciplineActionType.EXPULSION,
    ),
    **dict.fromkeys(("Community Service", "Other", "No action for incident"), NOT_USED),
}
SEVERITIES: Mapping[str, str] = {
    "State Offense": Severity.MAJOR,
    "School Violation": Severity.MAJOR,
    "School Code of Conduct": Severity.MINOR,
    "Other": Severity.MINOR,
}
LEVELS: Mapping[str, str] = {
    **dict.fromkeys(("Elementary School", "Primary School"), SchoolLevel.ELEMENTARY),
    **dict.fromkeys(("Middle School", "Junior High School", "Intermediate School"), SchoolLevel.MIDDLE),
    **dict.fromkeys(("High School", "Secondary School", "Other Secondary"), SchoolLevel.HIGH),
    **dict.fromkeys(
        (
            "Infant/toddler School",
            "Preschool/early childhood",
            "Joint Secondary and Postsecondary School",
            "Other Combination",
            "Adult School",
            "All Levels",
            "Ungraded",
            "Elementary/Secondary School",
        ),
        SchoolLevel.OTHER,
    ),
}
EXITS: Mapping[str, str] = {
    "Transferred": ExitType.TRANSFER,
    **dict.fromkeys(("Graduated", "Completed"), ExitType.GRADUATED),
    "Dropout": ExitType.DROPPED_OUT,
    **dict.fromkeys(
        (
            "Died or is permanently incapacitated",
            "End of school year",
            "Enrolled in a high school diploma program",
            "Expelled",
            "Incarcerated",
            "Invalid enrollment",
            "Involuntarily Removed",
            "No show",
            "Other",
            "Reached maximum age",
            "Withdrawn",
        ),
        ExitType.OTHER,
    ),
}
SUBJECTS: Mapping[str, str] = {
    **dict.fromkeys(("English", "English Language Arts", "Reading", "Writing", "Critical Reading"), Subject.ENGLISH),
    "Mathematics": Subject.MATH,
    **dict.fromkeys(("Science", "Life and Physical Sciences"), Subject.SCIENCE),
    **dict.fromkeys(("Social Studies", "Social Sciences and History"), Subject.SOCIAL_STUDIES),
    **dict.fromkeys(
        (
            "Career and Technical Education",
            "Composite",
            "Cross Subject",
            "Fine and Performing Arts",
            "Foreign Language and Literature",
            "Military Science",
            "Other",
            "Physical, Health, and Safety Education",
            "Religious Education and Theology",
        ),
        Subject.OTHER,
    ),
}
EVENTS: Mapping[str, str] = {
    **dict.fromkeys(("Instructional day", "Make-up day", "Student late arrival/early dismissal"), "true"),
    **dict.fromkeys(
        (
            "Emergency day",
            "Holiday",
            "Other",
            "Strike",
            "Teacher only day",
            "Weather day",
            "Non-instructional day",
        ),
        "false",
    ),
}
OFFENDERS: Mapping[str, str] = {
    "Perpetrator": "true",
    **dict.fromkeys(("Reporter", "Victim", "Witness"), "false"),
}
SHIPPED: Mapping[str, Mapping[str, str]] = {
    "grade_levels": GRADES,
    "attendance": ATTENDANCE,
    "actions": ACTIONS,
    "severities": SEVERITIES,
    "school_levels": LEVELS,
    "exits": EXITS,
    "subjects": SUBJECTS,
    "calendar_events": EVENTS,
    "participation": OFFENDERS,
}
Codes = dict[str, str]


class Crosswalks(BaseModel):
    """Code -> word of the contract, by kind of descriptor; beside what is shipped."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    grade_levels: dict[str, GradeLevel | Literal["not_used"]] = Field(default_factory=dict)
    attendance: dict[str, AttendanceStatus | Literal["not_used"]] = Field(default_factory=dict)
    actions: dict[str, DisciplineActionType | Literal["not_used"]] = Field(default_factory=dict)
    severities: dict[str, Severity] = Field(default_factory=dict)
    school_levels: dict[str, SchoolLevel] = Field(default_factory=dict)
    exits: dict[str, ExitType] = Field(default_factory=dict)
    subjects: dict[str, Subject] = Field(default_factory=dict)
    calendar_events: dict[str, Literal["true", "false"]] = Field(default_factory=dict)
    participation: dict[str, Literal["true", "false"]] = Field(default_factory=dict)

    def of(self, kind: str) -> Codes:
        """All codes of a kind: the shipped ones, and in their place or beside them those of the district."""
        own: Mapping[str, str] = getattr(self, kind)
        return {**SHIPPED[kind], **{code: str(word) for code, word in own.items()}}


class EdFiConfig(BaseModel):
    """`minutes_a_day`: minutes of a school day, where an event says how many minutes were missed. `partial_day`: the
    part of a day that is missed where nothing says how much. `sections_a_day`: sections of a day, for absences that are
    recorded by section. `schemas`: the folder of the XSDs, to hold every file against them. `crosswalks`, `api`: see
    there."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    config_version: Literal[1] = 1
    reader: Literal["edfi"] = READER
    minutes_a_day: Annotated[int, Field(ge=60, le=720)] = 390
    partial_day: Annotated[float, Field(gt=0, le=1)] = 0.25
    sections_a_day: Annotated[int, Field(ge=1, le=20)] = 6
    schemas: Path | None = None
    crosswalks: Crosswalks = Field(default_factory=Crosswalks)
    api: ApiConfig | None = None


def load_edfi(path: Path) -> EdFiConfig:
    """The choices of a TOML; relative paths in it begin beside it. Raises ConfigError that names each mistaken key."""
    config = load_choices(path, EdFiConfig, page=PAGE)
    beside: dict[str, Any] = {}
    if config.schemas is not None:
        beside["schemas"] = path.parent / config.schemas
    if config.api is not None:
        named = {"credentials": config.api.credentials, "ca_bundle": config.api.ca_bundle}
        files = {name: path.parent / file for name, file in named.items() if file is not None}
        beside["api"] = config.api.model_copy(update=files)
    return config.model_copy(update=beside)
