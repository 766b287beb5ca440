"""Ed-Fi: what several records and programs say of one student, for the audit of fairness alone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import SchoolData
from tests.lib.dirt import accounted, clean_frames
from tests.lib.edfi import code, document, package_of, student_of, with_records, write_package, xml

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
