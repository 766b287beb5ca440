"""Exports whose headings nobody foresaw: those of the styles, misspelt, shortened, with words before and behind, in
files named by number, among columns of other things and of the same kind of things. How often a survey is right, by
how sure it said it was:

    python -m tests.lib.noisy_exports 200 212
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from cis_ews.errors import DataError
from cis_ews.readers.survey import survey
from cis_ews.readers.survey.findings import in_words
from tests.lib.school_exports import EXTRAS, STYLES, ExportedFile, Style, written

COMPUTED = {"fraction_absent", "is_core"}
FILES = "files"
DELIMITERS = (",", ";", "\t", "|")
DATES = ("%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y", "%m-%d-%Y", "%d-%b-%Y")
NEAR = {
    "student_id": ("State Student ID", "Sibling ID", "Previous Student Number"),
    "first_name": ("Preferred First Name", "Middle Name", "Guardian First Name"),
    "last_name": ("Maiden Name", "Family Contact Last Name", "Teacher Last Name"),
    "birth_date": ("Immunization Date", "Sibling Birth Date"),
    "school_id": ("Next School", "Home School Number", "Previous School ID", "Resident District School"),
    "entry_date": ("District Entry Date", "Date First Enrolled", "Registration Date", "Previous Entry Date"),
    "exit_date": ("Expected Exit Date", "Projected Graduation Date"),
    "grade_level": ("Next Grade", "Previous Grade Level", "Highest Grade Offered"),
    "exit_type": ("Entry Code", "District Exit Code"),
    "date": ("Date Modified", "Entered On", "Report Date", "Notified Date"),
    "status": ("Previous Code", "Parent Notified"),
    "gender": ("Teacher Gender", "Pronouns"),
    "mark": ("Citizenship", "Effort Grade", "Potential Grade", "Previous Mark"),
    "percent": ("Class Average", "Attendance Percent", "Exam Percent"),
    "course_id": ("Section Number", "State Course Code", "Equivalent Course ID"),
    "subject": ("Teacher Department",),
    "credits_earned": ("Cumulative Credits Earned", "Cumulative Credits"),
    "severity": ("Weapon Level",),
    "start_date": ("End Date", "Action Entered Date"),
    "days": ("Days Served", "Days Remaining"),
    "level": ("District Level",),
}
"""Columns of the same kind as ours, and not ours."""
BEFORE = ("", "", "", "", "Stu ", "SIS ", "Cur ", "x_")
BEHIND = ("", "", "", "", " 1", " Cd", " Value", " (text)", " Local")


@dataclass(frozen=True, slots=True)
class Measured:
    """How often a survey was right: word -> (right, all), of columns and of tables' files; and of the columns that are
    there, how many it found."""

    by_word: Mapping[str, tuple[int, int]]
    found: int
    there: int


def noisy(style: Style, seed: int) -> Style:
    """A style under headings that differ from it by chance."""
    dice = random.Random(seed)
    write = dice.choice([str.upper, str.lower, str.title, _squashed, _snake, _same, _same])
    files = tuple(_noisy_file(file, dice, write) for file in style.files)
    return replace(style, files=files, delimiter=dice.choice(DELIMITERS), dates=dice.choice(DATES), encoding="utf-8")


def _noisy_file(file: ExportedFile, dice: random.Random, write: object) -> ExportedFile:
    assert callable(write)
    headings: dict[str, str] = {}
    for column, heading in file.headings.items():
        new = str(write(_worn(heading, dice)))
        headings[column] = heading if new in headings.values() else new
    extra = dice.sample(sorted(EXTRAS), 3)
    near = {dice.choice(NEAR[column]): column for column in file.headings if column in NEAR and dice.random() < 0.4}
    near = {heading: column for heading, column in near.items() if heading not in [*headings.values(), *extra]}
    name = file.name if dice.random() < 0.5 else f"export_{dice.randrange(10**6)}.csv"
    extra = [each for each in extra if each not in headings.values()]
    return replace(file, name=name, headings=headings, extra=extra, near=near)


def _worn(heading: str, dice: random.Random) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", heading).replace("_", " ").split(" ")
    return dice.choice(BEFORE) + " ".join(_word(word, dice) for word in words) + dice.choice(BEHIND)


def _word(word: str, dice: random.Random) -> str:
    chance = dice.random()
    if len(word) > 4 and chance < 0.06:
        at = dice.randrange(1, len(word) - 1)
        return word[:at] + word[at + 1 :]
    if len(word) > 4 and chance < 0.12:
        return word[0] + re.sub("[aeiou]", "", word[1:])
    return word[:4] if len(word) > 5 and chance < 0.16 else word


def _same(text: str) -> str:
    return text


def _squashed(text: str) -> str:
    return text.replace(" ", "").lower()


def _snake(text: str) -> str:
    return text.replace(" ", "_").lower()


def measured(seeds: range) -> Measured:
    """Every style, once a seed."""
    right, said = Counter[str](), Counter[str]()
    found = there = 0
    for seed in seeds:
        for style in STYLES.values():
            with TemporaryDirectory() as name:
                files = written(Path(name) / "export", noisy(style, seed))
                there += len(files.truth)
                homes = {(table, file) for (table, _), (file, _) in files.truth.items()}
                for place, taken, score in _readings(files.folder):
                    if place not in files.truth and place[1] in COMPUTED:
                        continue
                    is_file = place[1] == FILES
                    is_right = (place[0], taken[0]) in homes if is_file else files.truth.get(place) == taken
                    said[in_words(score)] += 1
                    right[in_words(score)] += is_right
                    found += is_right and not is_file
    return Measured({word: (right[word], said[word]) for word in said}, found, there)


def _readings(folder: Path) -> list[tuple[tuple[str, str], tuple[str, str], float]]:
    try:
        tables = survey(folder).tables
    except DataError:
        return []
    columns = [
        ((table.table, each.column), (table.files[0], each.heading), each.score)
        for table in tables
        for each in table.columns
    ]
    return columns + [((table.table, FILES), (table.files[0], ""), table.score) for table in tables]


if __name__ == "__main__":
    print(measured(range(int(sys.argv[1]), int(sys.argv[2]))))  # noqa: T201
