"""The files and columns of OneRoster 1.2.1 CSV, and those of 1.0 and 1.1 that differ.

Source: 1EdTech OneRoster 1.2.1 CSV Binding; OneRoster 1.1 CSV Tables. Headings are matched without regard to
case, spaces and punctuation; near misses (`dataLastModified`) are taken where only one column can be meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import polars as pl

from cis_ews.errors import SchemaError
from cis_ews.readers.cells import plain
from cis_ews.wording import counted

ID = "sourcedId"
STATUS = "status"
MODIFIED = "dateLastModified"
EXTENSIONS = ("metadata", "ext_")
SIMILAR = 0.88  # of two headings: one letter too many, too few or wrong in a word of eight
RACES: Mapping[str, str] = {
    "americanIndianOrAlaskaNative": "American Indian or Alaska Native",
    "asian": "Asian",
    "blackOrAfricanAmerican": "Black or African American",
    "nativeHawaiianOrOtherPacificIslander": "Native Hawaiian or Other Pacific Islander",
    "white": "White",
}
TWO_OR_MORE, HISPANIC = "demographicRaceTwoOrMoreRaces", "hispanicOrLatinoEthnicity"

# `|` ends the columns that are used; the others are known and kept aside.
_COLUMNS = {
    "academicSessions": "title type startDate endDate parentSourcedId schoolYear |",
    "orgs": "name type identifier parentSourcedId |",
    "courses": "title subjects subjectCodes | schoolYearSourcedId courseCode grades orgSourcedId",
    "classes": (
        "title courseSourcedId schoolSourcedId termSourcedIds subjects subjectCodes"
        " | grades classCode classType location periods"
    ),
    "users": (
        "role orgSourcedIds primaryOrgSourcedId userIds givenName familyName identifier userMasterIdentifier grades"
        " | enabledUser username middleName email sms phone agentSourcedIds password preferredGivenName"
        " preferredMiddleName preferredFamilyName pronouns"
    ),
    "roles": "userSourcedId roleType role beginDate orgSourcedId | endDate userProfileSourcedId",
    "enrollments": "classSourcedId schoolSourcedId userSourcedId role beginDate endDate | primary",
    "demographics": (
        f"birthDate sex {' '.join(RACES)} {TWO_OR_MORE} {HISPANIC}"
        " | countryOfBirthCode stateOfBirthAbbreviation cityOfBirth publicSchoolResidenceStatus"
    ),
    "categories": "title weight |",
    "lineItems": (
        "dueDate classSourcedId categorySourcedId academicSessionSourcedId resultValueMax"
        " | title description assignDate resultValueMin schoolSourcedId"
    ),
    "results": (
        "lineItemSourcedId studentSourcedId scoreStatus score scoreDate textScore inProgress incomplete late missing"
        " | comment classSourcedId"
    ),
    "scoreScales": "classSourcedId scoreScaleValue | title type orgSourcedId courseSourcedId",
    "lineItemScoreScales": "lineItemSourcedId scoreScaleSourcedId | title",
    "userProfiles": "| userSourcedId profileType vendorId applicationId description credentialType username password",
    "lineItemLearningObjectiveIds": "| lineItemSourcedId source learningObjectiveId",
    "resultLearningObjectiveIds": "| resultSourcedId source learningObjectiveId score textScore",
    "resultScoreScales": "| title resultSourcedId scoreScaleSourcedId",
    "resources": "| vendorResourceId title roles importance vendorId applicationId",
    "classResources": "| title classSourcedId resourceSourcedId",
    "courseResources": "| title courseSourcedId resourceSourcedId",
    "userResources": "| userSourcedId orgSourcedId classSourcedId resourceSourcedId",
}
USED: Mapping[str, tuple[str, ...]] = {
    file: (ID, STATUS, MODIFIED, *text.split("|")[0].split())
    for file, text in _COLUMNS.items()
    if text.split("|")[0].split()
}
KNOWN: Mapping[str, tuple[str, ...]] = {
    file: (ID, STATUS, MODIFIED, *text.replace("|", " ").split()) for file, text in _COLUMNS.items()
}
TYPES: Mapping[str, Mapping[str, pl.Categorical]] = {
    "results": {
        column: pl.Categorical(pl.Categories(column, "cis_ews.results"))
        for column in (
            *(STATUS, "lineItemSourcedId", "studentSourcedId", "scoreStatus", "score", "scoreDate"),
            *("inProgress", "incomplete", "late", "missing"),
        )
    }
}
"""Columns of the one file of millions of rows whose texts repeat: each text is looked at once, a cell is a number."""
SERVES: Mapping[str, str] = {
    "academicSessions": "calendar_days",
    "orgs": "schools",
    "users": "students",
    "roles": "students",
    "classes": "enrollments",
    "enrollments": "enrollments",
    "demographics": "demographics",
    **dict.fromkeys(
        ("courses", "categories", "lineItems", "results", "scoreScales", "lineItemScoreScales"), "course_grades"
    ),
}
"""File -> the table of the contract for which it is read; what is rejected of a file is counted there."""
REQUIRED = ("academicSessions", "orgs", "users")

# What earlier versions call a column; taken without a word, as it is no mistake.
_EARLIER: Mapping[str, Mapping[str, str]] = {
    "courses": {"schoolYearId": "schoolYearSourcedId", "grade": "grades"},
    "classes": {"termSourcedId": "termSourcedIds", "grade": "grades"},
    "users": {"userId": "userIds", "agents": "agentSourcedIds"},
    "demographics": {"userSourcedId": ID},
    "lineItems": {"gradingPeriodSourcedId": "academicSessionSourcedId"},
    "results": {"comments": "comment"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Headings:
    """The header of a file, understood. `used`: heading as written -> column of the standard.

    `tolerated`: columns that were written in another way. `extensions`, `unknown`: how many columns are extensions,
    and how many the standard does not have.
    """

    used: Mapping[str, str]
    tolerated: tuple[str, ...]
    extensions: int
    unknown: int


def file_of(stem: str) -> str | None:
    """The file of the standard that a file name means, in any case."""
    return {plain(file): file for file in (*KNOWN, "manifest")}.get(plain(stem))


def understood(name: str, file: str, headings: Sequence[str]) -> Headings:
    """Match the headings of a file. Raises SchemaError where a column is there twice or has no `sourcedId`."""
    extensions = [each for each in headings if each.casefold().startswith(EXTENSIONS)]
    written = [each for each in headings if each not in extensions]
    found = _matched(file, written)
    columns = list(found.values())
    twice = sorted({column for column in columns if columns.count(column) > 1} | _repeated(written, found))
    if twice:
        raise SchemaError(
            f"{name}: {counted(len(twice), 'column is', 'columns are')} there twice: {', '.join(twice)}",
            hint="drop one of each",
        )
    if ID not in columns:
        raise SchemaError(
            f"{name}: it has no column {ID}", hint="is it a OneRoster file? check its first line", file=name
        )
    earlier = _EARLIER.get(file, {})
    return Headings(
        used={heading: column for heading, column in found.items() if column in USED[file]},
        tolerated=tuple(c for h, c in found.items() if h != c and earlier.get(h) != c),
        extensions=len(extensions),
        unknown=len(written) - len(found),
    )


def _repeated(written: Sequence[str], found: Mapping[str, str]) -> set[str]:
    return {column for heading, column in found.items() if written.count(heading) > 1}


def _matched(file: str, written: Sequence[str]) -> dict[str, str]:
    """Exact names first, then names that differ in case and punctuation, then near misses of columns still missing."""
    names = {plain(column): column for column in KNOWN[file]}
    names.update({plain(old): column for old, column in _EARLIER.get(file, {}).items() if plain(old) not in names})
    found = {heading: names[plain(heading)] for heading in written if plain(heading) in names}
    missing = {plain(column): column for column in KNOWN[file] if column not in found.values()}
    for heading in (each for each in written if each not in found):
        near = get_close_matches(plain(heading), missing, n=2, cutoff=SIMILAR)
        if len(near) == 1:
            found[heading] = missing.pop(near[0])
    return {heading: found[heading] for heading in written if heading in found}
