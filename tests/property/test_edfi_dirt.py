"""Whatever is done to an Ed-Fi file: no error outside the tree, no row dropped uncounted, no value in a message."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cis_ews.errors import EwsError
from cis_ews.schema.school_data import SchoolData
from tests.lib.dirt import clean_frames
from tests.lib.edfi import code, document, package_of, student_of, text, with_records, xml
from tests.lib.source_rows import EDFI, lost, records_of_xml
from tests.lib.spoilers import CELLS, PLACES, is_sound, outcome_of

ELEMENT = "<>/&"
KINDS = ("SpecialEducation", "Homeless", "LanguageInstruction", "SchoolFoodService")


def clean() -> dict[str, str]:
    """The clean district with what its students are, every seventh of them told of twice, and a program each."""
    files = package_of(clean_frames())
    ids = [str(each) for each in clean_frames()["students"]["student_id"]]
    people = [
        xml(record, student_of(each), code("Sex", "Sex", "Female"), text("HispanicLatinoEthnicity", "false"))
        for record, named in (("StudentEducationOrganizationAssociation", ids), ("StudentDemographic", ids[::7] * 2))
        for each in named
    ]
    programs = [
        xml(f"Student{KINDS[at % 4]}ProgramAssociation", student_of(each), text("BeginDate", "2025-09-03"))
        for at, each in enumerate(ids)
    ]
    files["StudentEnrollment.xml"] = with_records(files["StudentEnrollment.xml"], map(str, people))
    return files | {"StudentProgram.xml": document("StudentProgram", map(str, programs))}


CLEAN = clean()
FILES = sorted(CLEAN)


def read(files: dict[str, str]) -> SchoolData | EwsError:
    return outcome_of({name: text.encode(errors="replace") for name, text in files.items()}, format="edfi")


def is_whole(files: dict[str, str]) -> bool:
    """Whether the reading is sound and accounts for every record of the files."""
    outcome = read(files)
    if isinstance(outcome, SchoolData):
        assert lost(outcome, EDFI, records_of_xml(files)) == {}
    return is_sound(outcome)


def texts_of(content: str) -> list[tuple[int, int]]:
    """Where the texts of elements begin and end."""
    found: list[tuple[int, int]] = []
    at = content.find("<Interchange")
    while (begin := content.find(">", at)) != -1:
        end = content.find("<", begin)
        if end > begin + 1 and content[begin + 1 : end].strip():
            found.append((begin + 1, end))
        at = begin + 1
    return found


@settings(max_examples=25)
@given(file=st.sampled_from(FILES), place=PLACES, cell=CELLS, times=st.integers(1, 3))
@example(file="StudentAttendance.xml", place=0.2, cell="nan", times=1)
@example(file="Student.xml", place=0.0, cell="MARKERNAME", times=1)
@example(file="StudentEnrollment.xml", place=0.0, cell="MARKERID999", times=1)
@example(file="StudentProgram.xml", place=0.0, cell="MARKERID999", times=1)
def test_other_texts_are_an_error_of_the_tree_or_counted(file: str, place: float, cell: str, times: int) -> None:
    content = CLEAN[file]
    plain = "".join(each for each in cell if each not in ELEMENT)
    for number in range(times):
        places = texts_of(content)
        begin, end = places[int((place + number / times) % 1 * len(places))]
        content = content[:begin] + plain + content[end:]
    assert is_whole(CLEAN | {file: content})


@settings(max_examples=15)
@given(file=st.sampled_from(FILES), place=PLACES)
@example(file="StudentDiscipline.xml", place=0.0)
@example(file="StudentEnrollment.xml", place=0.0)
def test_a_record_twice_is_counted(file: str, place: float) -> None:
    """Also an incident, which must not double those who are associated with it."""
    lines = CLEAN[file].split("\n")
    first = next(at for at, line in enumerate(lines) if line.startswith("<Interchange")) + 1
    row = first + int(place * (len(lines) - first - 2))
    assert is_whole(CLEAN | {file: "\n".join([*lines[:row], lines[row], *lines[row:]])})


@settings(max_examples=15)
@given(file=st.sampled_from(FILES), place=PLACES, length=st.integers(0, 200), text=CELLS)
def test_a_torn_file_is_an_error_of_the_tree(file: str, place: float, length: int, text: str) -> None:
    content = CLEAN[file]
    at = int(place * len(content))
    assert is_whole(CLEAN | {file: content[:at] + text + content[at + length :]})
