"""Ed-Fi: what several records and programs say of one student, for the audit of fairness alone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import SchoolData
from tests.lib.dirt import accounted, clean_frames
from tests.lib.edfi import code, document, package_of, student_of, text, with_records, write_package, xml

ANN, BOB = "MARKERID001", "MARKERID003"


def person(record: str, who: str, *said: str | None) -> str:
    return xml(record, student_of(who), *said) or ""


def english(word: str) -> str | None:
    return code("LimitedEnglishProficiency", "LimitedEnglishProficiency", word)


def read(
    folder: Path, people: list[str], programs: list[str] | None = None, *, as_of: date | None = None
) -> SchoolData:
    files = package_of(clean_frames())
    files["StudentEnrollment.xml"] = with_records(files["StudentEnrollment.xml"], people)
    if programs:
        files["StudentProgram.xml"] = document("StudentProgram", programs)
    return read_school_data(write_package(folder, files), format="edfi", as_of=as_of)


def told(data: SchoolData, who: str) -> tuple[object, ...]:
    one = data.demographics.filter(pl.col("student_id") == who)
    return one.select("gender", "race_ethnicity", "english_learner").row(0)


@pytest.mark.parametrize("is_turned", [False, True])
def test_what_one_record_of_a_student_does_not_say_another_does(tmp_path: Path, is_turned: bool) -> None:
    sex, race = code("Sex", "Sex", "Female"), xml("Race", code("Race", "Race", "Asian"))
    kinds = ["StudentEducationOrganizationAssociation", "StudentDemographic"]
    empty, full = reversed(kinds) if is_turned else kinds
    people = [person(empty, ANN), person(full, ANN, sex, race, english("Limited")), person(empty, BOB, sex)]
    data = read(tmp_path / "both", people)
    assert told(data, ANN) == ("Female", "Asian", "current")
    assert told(data, BOB) == ("Female", None, None)
    assert not [note for note in data.coverage.notes if "further one" in note]
    twice = read(tmp_path / "twice", [*people, person(empty, ANN, code("Sex", "Sex", "Male"), english("Limited"))])
    assert told(twice, ANN) == (("Male" if not is_turned else "Female"), "Asian", "current")
    assert [note for note in twice.coverage.notes if "further one" in note] == [
        "demographics: 1 association is a further one of the same student"
    ]
    assert all(rows == kept for rows, kept in accounted(twice).values())


def learning(who: str, *, begins: str | None = None, ends: str | None = None) -> str:
    return person("StudentLanguageInstructionProgramAssociation", who, text("BeginDate", begins), text("EndDate", ends))


@pytest.mark.parametrize(
    ("word", "is_told"),
    [
        ("Limited", "current"),
        ("NotLimited", None),
        ("Not Limited", None),
        ("Limited Monitored 1", "former"),
        ("Limited Monitored 2", "former"),
        (None, "current"),
    ],
)
def test_the_students_own_proficiency_stands_before_a_program(
    tmp_path: Path, word: str | None, is_told: str | None
) -> None:
    sex = code("Sex", "Sex", "Female")
    own = person("StudentEducationOrganizationAssociation", ANN, sex, english(word) if word else None)
    data = read(tmp_path, [own], [learning(ANN, begins="2025-09-03"), learning(BOB)])
    assert told(data, ANN) == ("Female", None, is_told)
    assert told(data, BOB) == (None, None, "current")


def test_a_program_counts_on_the_days_between_its_dates(tmp_path: Path) -> None:
    dated = {"2025-12-12": ANN, "2025-12-15": BOB}
    programs = [learning(who, begins="2025-10-01", ends=ends) for ends, who in dated.items()]
    programs += [person("StudentHomelessProgramAssociation", ANN, text("BeginDate", "2025-12-16"))]
    people = [person("StudentEducationOrganizationAssociation", ANN, code("Sex", "Sex", "Female"))]
    for as_of, learners, homeless in (
        (date(2025, 9, 30), [], 0),
        (date(2025, 12, 12), [ANN, BOB], 0),
        (date(2025, 12, 15), [BOB], 0),
        (date(2025, 12, 16), [], 1),
        (None, [ANN, BOB], 1),
    ):
        data = read(tmp_path / str(as_of), people, programs, as_of=as_of)
        assert data.demographics.filter(english_learner="current")["student_id"].to_list() == learners
        assert data.demographics["homeless"].sum() == homeless
        assert all(rows == kept for rows, kept in accounted(data).values())


def test_who_is_no_student_of_the_package_is_counted(tmp_path: Path) -> None:
    people = [person("StudentDemographic", who, code("Sex", "Sex", "Female")) for who in (ANN, "MARKERID999")]
    data = read(tmp_path, people, [learning("MARKERID999"), learning("MARKERID998"), learning(ANN)])
    assert [note for note in data.coverage.notes if "no student of the package" in note] == [
        "demographics: 1 association is of no student of the package",
        "demographics: 2 StudentLanguageInstructionProgramAssociations are of no student of the package",
    ]
    assert data.demographics.height == clean_frames()["students"].height
    assert all(rows == kept for rows, kept in accounted(data).values())
