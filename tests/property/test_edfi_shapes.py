"""Whatever stands in a file of Ed-Fi's XML: by the shapes of its records it is read as by the parser alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cis_ews.errors import ReadError
from cis_ews.readers import edfi_pieces, edfi_shapes, edfi_stream
from cis_ews.readers.edfi_stream import Package, read_xml
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import list_entries

LEAVES = ("StudentUniqueId", "EventDate", "EventDuration", "Other")
TEXTS = st.sampled_from(["", " ", "a", " b ", "\u00e9", "&lt;", "\r\n", "\u00a0", "]]", "1 2"])
SPOILS = st.sampled_from(
    ["<", ">", "&", '"', "\x00", "\r", "/", "]]>", "<!-- -->", "<a>", "</a>", "<![CDATA[x]]>", "=", " "]
)


@st.composite
def records(draw: st.DrawFn) -> str:
    """Records of a few shapes, drawn again and again."""
    shapes = draw(st.lists(st.lists(st.sampled_from(LEAVES), max_size=4), min_size=1, max_size=3))
    found = list[str]()
    for shape in draw(st.lists(st.sampled_from(shapes), min_size=1, max_size=12)):
        leaves = [f"<{name}>{draw(TEXTS)}</{name}>" for name in shape]
        who, what = "".join(leaves[::2]), "".join(leaves[1::2])
        found.append(
            f"<StudentSchoolAttendanceEvent><AttendanceEvent>{what}</AttendanceEvent>\n"
            f"<StudentReference><StudentIdentity>{who}</StudentIdentity></StudentReference>"
            "</StudentSchoolAttendanceEvent>\n"
        )
    return "".join(found)


def outcome(folder: Path, *, worth: int, piece: int) -> object:
    """What is read, or the error that is said."""
    (entry,) = list_entries(folder, ReadLimits())
    package = Package()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edfi_shapes, "WORTH", worth)
        patch.setattr(edfi_pieces, "PIECE", piece)
        patch.setattr(edfi_stream, "PIECE", piece)
        try:
            read_xml(entry, package=package, limits=ReadLimits())
        except ReadError as error:
            return str(error)
    return package.rows("StudentSchoolAttendanceEvent").rows(), package.files


@settings(max_examples=60)
@given(
    body=records(), places=st.lists(st.floats(0, 1), max_size=2), spoil=SPOILS, piece=st.sampled_from([300, 1 << 20])
)
def test_shapes_change_nothing(body: str, places: list[float], spoil: str, piece: int) -> None:
    for place in places:
        at = int(place * len(body))
        body = body[:at] + spoil + body[at:]
    text = f'<InterchangeStudentAttendance xmlns="http://ed-fi.org/5.2.0">{body}</InterchangeStudentAttendance>'
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file.xml").write_text(text, encoding="utf-8", newline="")
        assert outcome(folder, worth=0, piece=piece) == outcome(folder, worth=1 << 40, piece=piece)
