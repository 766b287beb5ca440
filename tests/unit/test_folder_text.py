"""The plain folder format, byte by byte: encodings, line ends, quotes, lines that were cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from cis_ews.errors import EwsError, ReadError
from cis_ews.readers import ReadLimits, read_school_data
from cis_ews.readers.delimited import read_delimited
from cis_ews.readers.encodings import BLOCK
from cis_ews.readers.sources import Entry
from tests.lib.dirt import accounted, leaks, lines_of, rules_broken, write_lines, write_plain


def _rewrite(folder: Path, table: str, data: bytes) -> None:
    (folder / f"{table}.csv").write_bytes(data)


def _named(folder: Path, name: str) -> str:
    """The text of the students' file, with a first name that not every encoding has."""
    lines = lines_of(folder, "students")
    cells = lines[1].split(",")
    cells[1] = name
    return "\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n"


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "utf-16-le"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32-le"),
        ("latin-1", "cp1252"),
        ("cp1252", "cp1252"),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, note: str | None) -> None:
    """UTF-8 with and without byte order mark, UTF-16, Latin-1 and Windows-1252."""
    _rewrite(write_plain(tmp_path), "students", _named(tmp_path, "Zoë Ångström").encode(encoding))
    data = read_school_data(tmp_path)
    assert data.students["first_name"][0] == "Zoë Ångström"
    assert data.students["student_id"][0] == "MARKERID000"
    assert [each for each in data.coverage.notes if "read as" in each] == (
        [f"students.csv: read as {note}"] if note else []
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_twice_is_no_part_of_the_first_heading(tmp_path: Path, encoding: str) -> None:
    _rewrite(write_plain(tmp_path), "students", f"\ufeff{_named(tmp_path, 'Zoë')}".encode(encoding))
    assert read_school_data(tmp_path).students["student_id"][0] == "MARKERID000"


def test_bytes_that_windows_does_not_know_are_latin_1(tmp_path: Path) -> None:
    _rewrite(write_plain(tmp_path), "students", _named(tmp_path, "Zo\x81ë").encode("latin-1"))
    data = read_school_data(tmp_path)
    assert "students.csv: read as latin-1" in data.coverage.notes


def test_utf_16_that_was_cut_in_a_character(tmp_path: Path) -> None:
    _rewrite(write_plain(tmp_path), "students", _named(tmp_path, "Zoë").encode("utf-16")[:-1])
    with pytest.raises(ReadError, match=r"students\.csv: the file is not text"):
        read_school_data(tmp_path)


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends(tmp_path: Path, end: str) -> None:
    lines = lines_of(write_plain(tmp_path), "students")
    _rewrite(tmp_path, "students", (end.join(lines) + end).encode())
    data = read_school_data(tmp_path)
    assert data.students.height == 40
    assert data.rejections.height == 0


@pytest.mark.parametrize("offset", [-2, -1, 0, 1])
def test_a_line_end_that_two_blocks_share_is_one_line_end(tmp_path: Path, offset: int) -> None:
    """The second block of the file begins before, in and after the two bytes of a line end."""
    line, header = b"MARKERID000,x,y,,\r\n", b"student_id,first_name,last_name,birth_date,"
    count = (BLOCK - 100) // len(line)
    padding = BLOCK + offset - count * len(line) - len(header) - 2
    (tmp_path / "students.csv").write_bytes(header + b"z" * padding + b"\r\n" + line * (count + 3))
    read = read_delimited(
        Entry("students.csv", tmp_path / "students.csv"), known_columns=["student_id"], limits=ReadLimits()
    )
    assert (read.rows, read.ragged, read.notes) == (count + 3, (), ())
    assert read.row_numbers[-1] == count + 4


def test_last_line_without_a_line_end(tmp_path: Path) -> None:
    write_lines(write_plain(tmp_path), "students", lines_of(tmp_path, "students"), end="")
    assert read_school_data(tmp_path).students.height == 40


def test_quoted_newlines_delimiters_and_quotes(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "students")
    cells = lines[1].split(",")
    lines[1] = f'{cells[0]},"Ann\nMarie, ""Ma""",{cells[2]},{cells[3]}'
    write_lines(tmp_path, "students", [*lines, "x,y"])
    data = read_school_data(tmp_path)
    assert data.students["first_name"][0] == 'Ann\nMarie, "Ma"'
    assert rules_broken(data, "students") == [("ragged_row", 42, None)]  # a row of two lines is one row


def test_truncated_last_line_is_rejected_with_its_number(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "attendance_events")
    write_lines(tmp_path, "attendance_events", [*lines[:-1], lines[-1][:14]], end="")
    data = read_school_data(tmp_path)
    assert rules_broken(data, "attendance_events") == [("ragged_row", 81, None)]
    assert accounted(data)["attendance_events"] == (80, 80)


def test_truncated_in_a_quoted_cell(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "students")
    write_lines(tmp_path, "students", [*lines[:-1], 'MARKERID039,"MARK'], end="")
    data = read_school_data(tmp_path, tolerance=0.5)
    assert ("ragged_row", 41, None) in rules_broken(data, "students")


def test_ragged_rows_in_the_middle_keep_the_numbers_right(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "attendance_events")
    lines[9] += ",one cell too many"
    lines[19] = lines[19].rsplit(",", maxsplit=1)[0]
    lines[29] = lines[29].replace("2025-09-05", "2025-02-30")
    write_lines(tmp_path, "attendance_events", lines)
    assert rules_broken(read_school_data(tmp_path), "attendance_events") == [
        ("ragged_row", 10, None),
        ("ragged_row", 20, None),
        ("unreadable_date", 30, "date"),
    ]


def test_empty_rows_are_skipped_and_counted_but_keep_their_numbers(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "students")
    lines[5:5] = ["", "   ", ",,,"]
    lines[12] = lines[12].replace("2012-05-01", "1.5.2012")
    write_lines(tmp_path, "students", lines)
    data = read_school_data(tmp_path)
    assert rules_broken(data, "students") == [("unreadable_date", 13, "birth_date")]
    assert "students.csv: 3 empty rows were skipped" in data.coverage.notes
    assert data.rows_read["students"] == 40


def test_a_quote_that_never_closes_would_swallow_rows_and_is_refused(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "students")
    lines[20] = lines[20].replace(",MARKERNAME", ',"MARKERNAME', 1)
    write_lines(tmp_path, "students", lines)
    with pytest.raises(ReadError, match=r"students\.csv, row 21: a cell runs over 21 lines") as caught:
        read_school_data(tmp_path)
    assert leaks(caught.value) == []


def test_a_stray_pair_of_quotes_that_swallows_many_rows_is_refused(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "attendance_events")
    lines[10], lines[70] = f'"{lines[10]}', f'{lines[70]}"'
    write_lines(tmp_path, "attendance_events", lines)
    with pytest.raises(ReadError, match=r"attendance_events\.csv, row 11: a cell runs over 61 lines"):
        read_school_data(tmp_path)


def test_a_row_longer_than_a_block_is_called_long(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "students")
    write_lines(tmp_path, "students", [*lines, f"x,{'y' * 9 * 2**20},z,"])
    with pytest.raises(
        ReadError, match=r"students\.csv: a row is longer than 4 MiB; it begins near line \d+"
    ) as caught:
        read_school_data(tmp_path)
    assert caught.value.hint == "shorten its longest cell and export again"


def test_an_inch_mark_in_a_cell_is_no_quote(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "incidents")
    header = lines[0].split(",")
    cells = lines[1].split(",")
    cells[header.index("behavior")] = 'threw a 5" pipe'
    write_lines(tmp_path, "incidents", [lines[0], ",".join(cells), *lines[2:]])
    data = read_school_data(tmp_path)
    assert data.incidents["behavior"][0] == 'threw a 5" pipe'


def test_a_header_that_runs_over_two_lines(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "students")
    write_lines(tmp_path, "students", ['"student\n_id",first_name,last_name,birth_date', *lines[1:]])
    with pytest.raises(ReadError, match="the header line cannot be read"):
        read_school_data(tmp_path)


def test_a_line_longer_than_any_row(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "students")
    write_lines(tmp_path, "students", [lines[0], '"' + "x" * 9_000_000, *lines[2:]])
    with pytest.raises(ReadError, match="a row is longer than 4 MiB") as caught:
        read_school_data(tmp_path)
    assert "xx" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\x00" * 100, b"\x89PNG\r\n\x1a\n\x00\x00", b"%PDF-1.7\n%\xe2", b"PK\x03\x04"])
def test_something_that_is_no_table(tmp_path: Path, content: bytes) -> None:
    _rewrite(write_plain(tmp_path), "students", content)
    with pytest.raises(EwsError):
        read_school_data(tmp_path)


def test_spaces_around_codes_numbers_and_dates_do_no_harm(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "attendance_events")
    cells = lines[1].split(",")
    spaced = [cells[0], cells[1], *(f" {cell} " for cell in cells[2:])]
    write_lines(tmp_path, "attendance_events", [f" {lines[0]} ", ",".join(spaced), *lines[2:]])
    assert read_school_data(tmp_path).rejections.height == 0
