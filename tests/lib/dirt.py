"""Plain folders to spoil: a clean extract of forty students, and ways to make it as dirty as real ones are.

Ids and names carry markers, so that a test can ask whether anything of a student leaks into a message.
"""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import polars as pl

from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import SchoolData
from tests.lib.builders import absence, action, enrollment, frames, grade, incident, reported, student, tardy, weekdays

MARKERS = ("MARKERID", "MARKERNAME")
STUDENTS = 40
FIRST_DAY, LAST_DAY = "2025-09-03", "2026-01-30"


def student_id(number: int) -> str:
    """The id of a student of the clean extract."""
    return f"MARKERID{number:03d}"


@cache
def clean_frames() -> dict[str, pl.DataFrame]:
    """A district that keeps every rule: 40 students, 2 schools, every table but the optional ones of no interest."""
    ids = [student_id(number) for number in range(STUDENTS)]
    school_of = {each: "north" if number % 2 else "south" for number, each in enumerate(ids)}
    return frames(
        calendar=weekdays(FIRST_DAY, LAST_DAY, terms={"S1": LAST_DAY}),
        students=[
            student(each, first=f"MARKERNAME{at}", last="MARKERNAME", born="2012-05-01") for at, each in enumerate(ids)
        ],
        enrollments=[enrollment(each, school_of[each], FIRST_DAY, grade="7") for each in ids],
        attendance=[
            *(absence(each, "2025-09-05", school_of[each]) for each in ids),
            *(tardy(each, "2025-09-08", school_of[each]) for each in ids),
        ],
        incidents=[incident(each, "2025-09-09", school_of[each], incident_id=f"i-{each}") for each in ids],
        actions=[action(each, "2025-09-10", incident_id=f"i-{each}") for each in ids],
        grades=[grade(each, "algebra", "S1", school_id=school_of[each], subject="math", percent=71.0) for each in ids],
        demographics=[
            {
                "student_id": each,
                "gender": None,
                "race_ethnicity": None,
                "english_learner": "never",
                "disability": False,
                "low_income": None,
                "homeless": None,
                "foster": None,
            }
            for each in ids
        ],
        reporting=[reported(LAST_DAY, "north"), reported(LAST_DAY, "south")],
    )


def write_plain(folder: Path, tables: Mapping[str, pl.DataFrame] | None = None) -> Path:
    """The clean extract (or these tables) as CSV files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, frame in (clean_frames() if tables is None else tables).items():
        frame.write_csv(folder / f"{table}.csv")
    return folder


def lines_of(folder: Path, table: str) -> list[str]:
    """The lines of a table's CSV file, the header first."""
    return (folder / f"{table}.csv").read_text(encoding="utf-8").splitlines()


def write_lines(folder: Path, table: str, lines: Sequence[str], *, end: str = "\n") -> None:
    """A table's CSV file from its lines."""
    (folder / f"{table}.csv").write_bytes(("\n".join(lines) + end).encode())


def spoil(folder: Path, table: str, row: int, **cells: str) -> None:
    """Overwrite cells of one row (numbered as a spreadsheet does: the first below the header is 2)."""
    lines = lines_of(folder, table)
    header, values = lines[0].split(","), lines[row - 1].split(",")
    for column, value in cells.items():
        values[header.index(column)] = value
    lines[row - 1] = ",".join(values)
    write_lines(folder, table, lines)


def rules_broken(data: SchoolData, table: str) -> list[tuple[str, int, str | None]]:
    """What was rejected of a table: rule, row number, column."""
    rejections = data.rejections.filter(pl.col("table") == table).sort("row_number", "rule", "column")
    return list(rejections.select("rule", "row_number", "column").iter_rows())


def read_spoiled(folder: Path, table: str, row: int, **cells: str) -> SchoolData:
    """The extract after spoiling one row of it."""
    spoil(folder, table, row, **cells)
    return read_school_data(folder)


def accounted(data: SchoolData) -> dict[str, tuple[int, int]]:
    """Table -> rows read, and rows that the result accounts for: kept, rejected (once each), or reduced."""
    counts: dict[str, tuple[int, int]] = {}
    for table, read in data.rows_read.items():
        rejected = data.rejections.filter(pl.col("table") == table).select("file", "row_number").n_unique()
        counts[table] = (read, data.table(table).height + rejected + data.rows_reduced.get(table, 0))
    return counts


def leaks(text: object) -> list[str]:
    """The markers that a text carries."""
    return [marker for marker in MARKERS if marker in f"{text!s}{text!r}"]


def gzip_bomb(path: Path, *, line: bytes, unpacked: int) -> None:
    """A small .gz that unpacks to `unpacked` bytes of the same line: one packed block, written over and over."""
    block = line * (2**20 // len(line))
    packed = gzip.compress(block, mtime=0)
    path.write_bytes(packed * (unpacked // len(block) + 1))


def zip_bomb(path: Path, member: str, *, line: bytes, unpacked: int) -> None:
    """A small .zip with one member that unpacks to `unpacked` bytes, and says so in its header."""
    block = line * (2**20 // len(line))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    unit = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    times = unpacked // len(block) + 1
    data = unit * times + packer.flush(zlib.Z_FINISH)
    path.write_bytes(_archive(member.encode(), data, unpacked=len(block) * times))


def _archive(name: bytes, data: bytes, *, unpacked: int) -> bytes:
    """A zip64 archive of one deflated member, without a checksum: nobody gets as far as that."""
    sizes = struct.pack("<HHQQ", 1, 16, unpacked, len(data))
    common = struct.pack("<HHHHHIIIHH", 45, 0, 8, 0, 0, 0, 2**32 - 1, 2**32 - 1, len(name), len(sizes))
    local = b"PK\x03\x04" + common + name + sizes + data
    central = b"PK\x01\x02" + struct.pack("<H", 45) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name + sizes
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


def zip_of(path: Path, members: Mapping[str, bytes]) -> Path:
    """A plain archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path
