"""Records of Ed-Fi that are written alike are read by their shape: nobody sees it, the parser reads them the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cis_ews.errors import ReadError
from cis_ews.readers import edfi_shapes
from cis_ews.readers.edfi_records import RECORDS
from cis_ews.readers.edfi_shapes import records_of
from cis_ews.readers.edfi_stream import Package, read_xml
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import list_entries, open_entry

NEVER = 1 << 40
ROOT = 'InterchangeStudentAttendance xmlns="http://ed-fi.org/5.2.0"'
EVENT = (
    '<StudentSchoolAttendanceEvent id="e{0}">\n  <AttendanceEvent><EventDate>2025-09-{0:02}</EventDate>'
    "<AttendanceEventCategory> Tardy </AttendanceEventCategory></AttendanceEvent>\n"
    "  <StudentReference><StudentIdentity><StudentUniqueId>s{0}</StudentUniqueId></StudentIdentity></StudentReference>"
    '\n  <SchoolReference ref="school-{0}"/>\n</StudentSchoolAttendanceEvent>\n'
)


def folder_with(folder: Path, records: str, *, root: str = ROOT) -> Path:
    name = root.split(" ", 1)[0]
    (folder / "file.xml").write_text(f"<{root}>\n{records}</{name}>\n", encoding="utf-8", newline="")
    return folder


def package(folder: Path, monkeypatch: pytest.MonkeyPatch, *, worth: int) -> Package:
    """The file, by shapes where a shape is worth finding out for what is left of the text."""
    monkeypatch.setattr(edfi_shapes, "WORTH", worth)
    (entry,) = list_entries(folder, ReadLimits())
    read = Package()
    read_xml(entry, package=read, limits=ReadLimits())
    return read


def by_shape(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many records of the file have a shape."""
    monkeypatch.setattr(edfi_shapes, "WORTH", 0)
    (entry,) = list_entries(folder, ReadLimits())
    with open_entry(entry, ReadLimits()) as opened:
        found = records_of(opened.content, opened.content.read(1 << 16), records=RECORDS)
        return sum(run.rows for records in found for run in records.shaped)


def assert_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    shaped, parsed = (package(folder, monkeypatch, worth=worth) for worth in (0, NEVER))
    assert shaped.files == parsed.files
    assert shaped.frames.keys() == parsed.frames.keys()
    for record in shaped.frames:
        assert_frame_equal(shaped.rows(record), parsed.rows(record))
    return shaped


ALIKE = "".join(map(EVENT.format, range(1, 21)))


@pytest.mark.parametrize(
    ("change", "shaped"),
    [
        pytest.param(lambda text: text, 20, id="alike"),
        pytest.param(lambda text: text.replace("\n", "\r\n"), 20, id="windows"),
        pytest.param(lambda text: text.replace('"', "'"), 20, id="other quotation marks"),
        pytest.param(lambda text: text.replace("> Tardy <", "><"), 20, id="nothing"),
        pytest.param(lambda text: text.replace("> Tardy <", ">\u00a0Tard\u00ed \n<"), 20, id="blanks of all kinds"),
        pytest.param(lambda text: text.replace(' id="e7"', ""), 20, id="without an id"),
        pytest.param(lambda text: text.replace('ref="school-7"', 'ref=""'), 20, id="refers to nothing"),
        pytest.param(lambda text: text.replace("<EventDate>2025-09-07</EventDate>", ""), 20, id="without a date"),
        pytest.param(lambda text: text.replace("s7<", "s&amp;7<"), 6, id="entity"),
        pytest.param(lambda text: text.replace("s7<", "<![CDATA[s7]]><"), 6, id="cdata"),
        pytest.param(lambda text: text.replace("s7<", "s7<!-- 7 --><"), 6, id="comment"),
        pytest.param(lambda text: text.replace("2025-09-07<", "2025\r-09-07<"), 6, id="carriage return"),
        pytest.param(lambda text: text.replace('"school-7"', '"school\t7"'), 6, id="tab in an attribute"),
        pytest.param(lambda text: text.replace('<SchoolReference ref="school-7"/>', "7"), 6, id="text beside elements"),
        pytest.param(lambda text: text.replace('id="e7"', 'xmlns="http://other"'), 6, id="another namespace"),
    ],
)
def test_what_has_a_shape_is_read_as_the_parser_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[str], str], shaped: int
) -> None:
    """A record that is not plain is left to the parser, with all behind it in its piece."""
    folder = folder_with(tmp_path, change(ALIKE))
    assert_the_same(folder, monkeypatch)
    assert by_shape(folder, monkeypatch) == shaped


def test_records_of_several_shapes_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = "<StudentSectionAttendanceEvent><AttendanceEvent/></StudentSectionAttendanceEvent>"
    unused = '<Staff id="a"><StaffUniqueId>1</StaffUniqueId></Staff>'
    records = [EVENT.format(n) + (other if n % 3 else "") + (unused if n % 2 else "") for n in range(1, 31)]
    records[11] = records[11].replace('<SchoolReference ref="school-12"/>', "")
    folder = folder_with(tmp_path, "".join(records))
    rows = assert_the_same(folder, monkeypatch).rows("StudentSchoolAttendanceEvent")
    assert rows["student_id"].to_list() == [f"s{n}" for n in range(1, 31)]
    assert rows["school_id"][11] is None
    assert rows["school_id"][12] == "ref:school-13"
    assert rows["row_number"].is_sorted()
    assert by_shape(folder, monkeypatch) == 30 + 20 + 15


def test_a_place_is_filled_as_the_parser_fills_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first place that is filled counts, and of what repeats, the first: `Race` before `Race/Race`."""
    one = (
        "<x:StudentEducationOrganizationAssociation><x:Race><x:Race>{}</x:Race></x:Race><x:Race> </x:Race>"
        "<x:Race>{}</x:Race><x:Race>last</x:Race></x:StudentEducationOrganizationAssociation>"
    )
    records = "".join(one.format(first, second) for first, second in (("a", "b"), ("", "c"), ("d", ""), ("", "")))
    folder = folder_with(tmp_path, records, root='x:InterchangeStudentEnrollment xmlns:x="http://ed-fi.org/5.2.0"')
    rows = assert_the_same(folder, monkeypatch).rows("StudentEducationOrganizationAssociation")
    assert rows["race"].to_list() == ["b", "c", "last", "last"]
    assert by_shape(folder, monkeypatch) == 4


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("s7]]>", id="end of cdata"),
        pytest.param("s7\x01", id="control character"),
        pytest.param("s7\ufffe", id="no character"),
        pytest.param("s7</StudentUniqueId><StudentUniqueId>", id="one more"),
        pytest.param("&s7;", id="entity that nobody declares"),
        pytest.param("<s7>", id="element that never ends"),
    ],
)
def test_a_fault_among_records_of_a_shape_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    folder = folder_with(tmp_path, ALIKE.replace("s7<", f"{fault}<"))
    if fault.endswith("<StudentUniqueId>"):
        assert_the_same(folder, monkeypatch)
        return
    said = list[str]()
    for worth in (0, NEVER):
        with pytest.raises(ReadError, match="no well-formed XML near line ") as caught:
            package(folder, monkeypatch, worth=worth)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_text_that_the_parser_refuses_has_no_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of ten million characters is how a file made to fill a machine looks."""
    folder = folder_with(tmp_path, ALIKE.replace("> Tardy <", f">{' ' * 10_000_001}<", 1))
    with pytest.raises(ReadError, match="no well-formed XML"):
        package(folder, monkeypatch, worth=0)


def test_a_file_of_more_shapes_than_are_tried_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [f"<Staff><A{number}/></Staff>{EVENT.format(number)}" for number in range(1, 60)]
    folder = folder_with(tmp_path, "".join(records))
    rows = assert_the_same(folder, monkeypatch).rows("StudentSchoolAttendanceEvent")
    assert rows.select(pl.col("student_id").n_unique()).item() == 59
    assert by_shape(folder, monkeypatch) == 2 * (edfi_shapes.MOST_SHAPES - 1)
