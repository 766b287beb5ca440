"""The files and fields of CEDARS, as far as they are known here, and how headings that vary by vendor are matched.

CEDARS: Comprehensive Education Data and Research System of Washington's Office of Superintendent of Public Instruction.
Numbers and names come from what vendors of student information systems publish of their extracts (powerschool-docs.com,
kb.infinitecampus.com), not from the state's manual: a field without a number is found by its name alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cis_ews.errors import SchemaError
from cis_ews.readers.cells import plain
from cis_ews.wording import counted

ELSEWHERE = "9999"  # the location of a course that a student takes outside the district
TITLES: Mapping[str, str] = {
    "A": "Location",
    "B": "District Student",
    "C": "School Student",
    "D": "Course Catalog",
    "E": "Student Schedule",
    "F": "Staff",
    "G": "Staff Schedule",
    "H": "Grade History",
    "I": "Attributes and Programs",
    "J": "English Learner",
    "K": "Special Education",
    "L": "Ethnicity",
    "M": "Race",
    "N": "Absence",
    "P": "Student Discipline",
    "R": "Exclusionary Discipline",
    "T": "Non-Traditional Credit Attempt",
}
SERVES: Mapping[str, str] = {
    "A": "calendar_days",
    "B": "students",
    "C": "enrollments",
    "D": "course_grades",
    "E": "course_grades",
    "H": "course_grades",
    "L": "demographics",
    "M": "demographics",
    "N": "attendance_events",
    "R": "incidents",
}
"""File that is read -> the table of the contract for which it is read."""

# Names of a column in any file; the first is its name in messages.
NAMES: Mapping[str, tuple[str, ...]] = {
    "school_year": ("School Year",),
    "district": ("Serving County District Code", "Serving CDC", "County District Code", "CDC", "Serving District Code"),
    "student": (
        "District Student ID",
        "District Student Code",
        "Student Code",
        "Student ID",
        "District Student Number",
    ),
    "ssid": ("SSID", "State Student ID", "State Student Identifier"),
    "location": ("Location ID", "Location Code", "Location", "School Code"),
    "starts": ("Initial School Start Date", "School Start Date"),
    "ends": ("Last School End Date", "School End Date"),
    "last_name": ("Legal Last Name", "Last Name", "Student Last Name"),
    "first_name": ("Legal First Name", "First Name", "Student First Name"),
    "birth_date": ("Birth Date", "Date of Birth"),
    "grade_level": ("Grade Level", "Grade Level Code"),
    "enrolled": ("Date Enrolled in District", "Date Enrolled", "District Enrollment Date"),
    "exited": ("Date Exited from District", "Date Exited", "District Exit Date"),
    "entry_date": ("Date Enrolled in School", "School Enrollment Date", "Date Enrolled", "Enrolled", "Entry Date"),
    "exit_date": ("Date Exited from School", "School Exit Date", "Date Exited", "Exit", "Exit Date"),
    "withdrawal": ("Withdrawal Code", "School Withdrawal Code"),
    "course": ("Course ID", "Course Code"),
    "title": ("Course Title", "Course Name"),
    "state_course": ("State Course Code",),
    "designation": ("Course Designation Code", "Course Designation"),
    "section": ("Section ID", "Section Number"),
    "mark": ("Letter Grade",),
    "credits_attempted": ("Credits Attempted",),
    "credits_earned": ("Credits Earned",),
    "term": ("Term", "Term Code"),
    "ethnicity": ("Ethnicity Code", "Ethnicity"),
    "race": ("Race Code", "Race"),
    "date": ("Absence Date", "Date of Absence"),
    "code": ("Absence Code", "Code", "Absence Type"),
    "incident": ("Incident ID", "Incident Number"),
    "incident_date": ("Incident Date",),
    "behavior": ("Behavior Code", "Behavior"),
    "other_behaviors": ("Other Behaviors", "Other Behavior Codes"),
    "action": ("Action Applied", "Exclusionary Action Applied", "Exclusionary Action", "Exclusionary Action Code"),
    "action_date": ("Action Date", "Exclusionary Action Date"),
    "days": ("Exclusion Days", "Number of Days", "Days"),
}
# Column -> its number in the file, null where it is not known; `!` marks what no file can do without.
_COLUMNS: Mapping[str, Mapping[str, int | None]] = {
    "A": {"school_year!": 1, "district!": 2, "location!": None, "starts!": 7, "ends!": 8},
    "B": {
        "school_year!": 1,
        "student!": 4,
        "ssid": 5,
        "last_name": 6,
        "first_name": 7,
        "birth_date": None,
        "grade_level": None,
        "enrolled": 14,
        "exited": 15,
    },
    "C": {
        "school_year!": 1,
        "district!": 2,
        "student!": 3,
        "ssid": 4,
        "location!": 5,
        "entry_date!": 6,
        "exit_date": 8,
        "withdrawal": 9,
    },
    "D": {"course!": 4, "designation": 7, "state_course": 8},
    "E": {
        "school_year!": 1,
        "student!": 3,
        "ssid": 4,
        "location!": 5,
        "course!": 6,
        "section": 7,
        "term": 8,
    },
    "H": {
        "school_year!": 1,
        "student!": 3,
        "ssid": 4,
        "course!": 7,
        "title": 8,
        "grade_level": 9,
        "mark!": 10,
        "credits_attempted": 11,
        "credits_earned": 12,
        "state_course": 15,
        "term": None,
    },
    "L": {"student!": 3, "ssid": 4, "ethnicity!": 5},
    "M": {"student!": 3, "ssid": 4, "race!": 5},
    "N": {"student!": 3, "ssid": 4, "location!": 5, "date!": 6, "code!": 7},
    "R": {
        "student!": 3,
        "ssid": 4,
        "location!": 5,
        "incident!": 6,
        "incident_date!": 7,
        "behavior": 8,
        "other_behaviors": 9,
        "action!": None,
        "action_date": None,
        "days": None,
    },
}
# Fields that are known and not used: by their number in a file, or by their name in any.
_ASIDE: Mapping[str, tuple[int, ...]] = {
    "A": (),
    "B": (2, 3, 8, 20),
    "C": (7, 10, 11),
    "D": (1, 2, 3, 10, 18, 19),
    "E": (2, 9, 10, 11, 16),
    "H": (2, 5, 6, 13, 32),
    "L": (1, 2),
    "M": (1, 2),
    "N": (1, 2),
    "R": (1, 2),
}
_ASIDE_NAMES = (
    *(name for column in ("school_year", "district", "location", "ssid", "title") for name in NAMES[column]),
    *("Home County District Code", "Legal Middle Name", "Middle Name", "Zip Code", "Primarily Responsible"),
    *("School Choice", "CIP Code", "Sequence", "Sequence Group", "Course Designation Code", "Work-Based Learning"),
    *("ALE Course Type", "Online Provider", "Online Program"),
    "Weapon Type",
)
COLUMNS: Mapping[str, Mapping[str, int | None]] = {
    letter: {column.rstrip("!"): number for column, number in columns.items()} for letter, columns in _COLUMNS.items()
}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    letter: tuple(column.rstrip("!") for column in columns if column.endswith("!"))
    for letter, columns in _COLUMNS.items()
}
# A file whose name says nothing is known by columns that no other file has.
_SIGNS: Mapping[str, tuple[str, ...]] = {
    "A": ("starts", "ends"),
    "B": ("last_name", "first_name"),
    "C": ("student", "location", "entry_date"),
    "D": ("course", "state_course", "designation"),
    "E": ("student", "location", "course", "section"),
    "H": ("student", "credits_attempted", "mark"),
    "L": ("student", "ethnicity"),
    "M": ("student", "race"),
    "N": ("date", "code"),
    "R": ("incident", "behavior"),
}
_NUMBERED = re.compile(r"(?:dataelement|element|field)?([a-z])(\d\d)(.*)")

Names = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headings:
    """The header of a file, understood. `used`: heading as written -> column.

    `tolerated`: names of the columns that were written in another way. `aside`, `unknown`: how many columns are known
    and not used, and how many are not known.
    """

    used: Mapping[str, str]
    tolerated: tuple[str, ...]
    aside: int
    unknown: int


def name_of(letter: str, column: str) -> str:
    """A column in messages: `District Student ID (B04)`."""
    number = COLUMNS[letter][column]
    return NAMES[column][0] + (f" ({letter}{number:02d})" if number else "")


def letter_by_name(stem: str) -> str | None:
    """The file that a name means: by a letter that stands alone in it, else by the title of the file."""
    tokens = [token.upper() for token in re.split(r"[^A-Za-z]+", stem) if len(token) == 1]
    letters = {token for token in tokens if token in TITLES}
    if len(letters) == 1:
        return letters.pop()
    titles = sorted(TITLES, key=lambda letter: -len(TITLES[letter]))
    return next((letter for letter in titles if plain(TITLES[letter]) in plain(stem)), None)


def letter_by_headings(headings: Sequence[str], names: Names) -> str | None:
    """The file whose fields a header has: by the letter of its field numbers, else by columns of one file alone."""
    numbered = [found[1].upper() for each in headings if (found := _NUMBERED.fullmatch(plain(each)))]
    if len(numbered) > 1 and len(set(numbered)) == 1 and numbered[0] in TITLES:
        return numbered[0]
    known = {letter: set(_by_name(letter, headings, names).values()) for letter in COLUMNS}
    fitting = [letter for letter, signs in _SIGNS.items() if known[letter] >= set(signs)]
    return fitting[0] if len(fitting) == 1 else None


def understood(file: str, letter: str, headings: Sequence[str], *, names: Names) -> Headings:
    """Match the headings of a file. `names`: further names by letter and column.

    Raises SchemaError where a column is there twice, or one is missing that is needed. Headings are never repeated in a
    message: a file without a header has a student's row in its place.
    """
    by_name = _by_name(letter, headings, names)
    by_number = _by_number(letter, [each for each in headings if each not in by_name], set(by_name.values()))
    found = by_name | by_number
    columns = [found[each] for each in headings if each in found]
    twice = sorted({name_of(letter, column) for column in columns if columns.count(column) > 1})
    if twice:
        raise SchemaError(
            f"{file}: {counted(len(twice), 'column is', 'columns are')} there twice: {', '.join(twice)}",
            hint="drop one of each",
        )
    missing = [name_of(letter, column) for column in REQUIRED[letter] if column not in columns]
    if missing:
        raise SchemaError(
            f"{file}: {counted(len(missing), 'column', 'columns')} of file {letter} missing: {', '.join(missing)}",
            hint=f"check its first line; another name is given under [headings.{letter}] (docs/cedars.md)",
            file=file,
        )
    others = [each for each in headings if each not in found]
    aside = sum(_is_aside(letter, each) for each in others)
    return Headings(
        used=found,
        tolerated=tuple(name_of(letter, column) for heading, column in found.items() if heading != NAMES[column][0]),
        aside=aside,
        unknown=len(others) - aside,
    )


def _by_name(letter: str, headings: Sequence[str], names: Names) -> dict[str, str]:
    """Headings with a known name, with or without a field number before it; the more particular names come first."""
    known = {
        plain(name): column
        for column in COLUMNS[letter]
        for name in (*NAMES[column], *names.get(letter, {}).get(column, ()))
    }
    found: dict[str, str] = {}
    for heading in headings:
        numbered = _NUMBERED.fullmatch(plain(heading))
        is_own = numbered is not None and numbered[1].upper() == letter
        name = numbered[3] if numbered and is_own and numbered[3] else plain(heading)
        if name in known:
            found[heading] = known[name]
    return found


def _by_number(letter: str, headings: Sequence[str], taken: set[str]) -> dict[str, str]:
    """Headings whose name is not known and whose field number is."""
    columns = {number: column for column, number in COLUMNS[letter].items() if number and column not in taken}
    found: dict[str, str] = {}
    for heading in headings:
        number = _number(letter, heading)
        if number in columns:
            found[heading] = columns[number]
    return found


def _number(letter: str, heading: str) -> int | None:
    numbered = _NUMBERED.fullmatch(plain(heading))
    return int(numbered[2]) if numbered and numbered[1].upper() == letter else None


def _is_aside(letter: str, heading: str) -> bool:
    numbered = _NUMBERED.fullmatch(plain(heading))
    name = numbered[3] if numbered and numbered[3] else plain(heading)
    return _number(letter, heading) in _ASIDE[letter] or name in {plain(each) for each in _ASIDE_NAMES}
