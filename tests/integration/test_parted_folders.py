"""Folders of Parquet as they come: read in parts they end as when they are read whole, be it well or in plain words."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cis_ews import RulesModel, TierPolicy, score_night
from cis_ews.errors import EwsError
from cis_ews.readers import folder_parts
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.folder_parts import parted_folder
from cis_ews.synthetic import write_district

DAY = date(2026, 2, 27)
Change = Callable[[Path], None]
TABLES = ("students", "enrollments", "attendance_events", "incidents", "course_grades")


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folders") / "extract"
    write_district(folder, students=200, years=1, seed=4, format="parquet", through=DAY, attendance="positive")
    return folder


def _changed(table: str, change: Callable[[pl.DataFrame], pl.DataFrame], **options: bool) -> Change:
    def changed(folder: Path) -> None:
        path = folder / f"{table}.parquet"
        change(pl.read_parquet(path)).write_parquet(path, **options)  # pyright: ignore[reportArgumentType]

    return changed


def _in_two_files(table: str, second: Callable[[pl.DataFrame], pl.DataFrame]) -> Change:
    def changed(folder: Path) -> None:
        rows = pl.read_parquet(folder / f"{table}.parquet")
        (folder / f"{table}.parquet").unlink()
        (folder / table).mkdir()
        rows.head(rows.height // 2).write_parquet(folder / table / "part-[0].parquet")
        second(rows.slice(rows.height // 2)).write_parquet(folder / table / "part-[1].parquet")

    return changed


def _damaged(table: str) -> Change:
    def changed(folder: Path) -> None:
        content = bytearray((folder / f"{table}.parquet").read_bytes())
        content[4:60] = bytes(byte ^ 0xFF for byte in content[4:60])
        (folder / f"{table}.parquet").write_bytes(bytes(content))

    return changed


def _beyond_all_ids(folder: Path) -> None:
    """Ids that stand behind every other text, beside a row without one, so that the file says no first and last."""
    for path in (folder / f"{table}.parquet" for table in (*TABLES, "demographics", "supports")):
        rows = pl.read_parquet(path).with_columns(student_id=pl.lit("\U0010ffff\U0010ffff") + pl.col("student_id"))
        rows.write_parquet(path)
    events = pl.read_parquet(folder / "attendance_events.parquet")
    nobody = events.head(1).with_columns(student_id=pl.lit(None, pl.String))
    pl.concat([nobody, events]).write_parquet(folder / "attendance_events.parquet")


CHANGES: dict[str, Change] = {
    "as it is": lambda _: None,
    "columns in another order": _in_two_files("course_grades", lambda rows: rows.select(reversed(rows.columns))),
    "attendance in another order": _in_two_files("attendance_events", lambda rows: rows.select(reversed(rows.columns))),
    "names like patterns": _in_two_files("students", lambda rows: rows),
    "no statistics": _changed("incidents", lambda rows: rows, statistics=False),
    "decimals": _changed("attendance_events", lambda rows: rows.cast({"fraction_absent": pl.Decimal(10, 4)})),
    "categories": _changed("attendance_events", lambda rows: rows.cast({"school_id": pl.Categorical})),
    "statuses as categories": _changed("attendance_events", lambda rows: rows.cast({"status": pl.Categorical})),
    "a column that is named as ours": _changed("incidents", lambda rows: rows.with_columns(row_number=pl.lit(1))),
    "no schools": _changed("schools", lambda rows: rows.clear()),
    "no calendar": _changed("calendar_days", lambda rows: rows.clear()),
    "a calendar of nobody": _changed("calendar_days", lambda rows: rows.with_columns(school_id=pl.lit("none"))),
    "no grades": _changed("course_grades", lambda rows: rows.clear()),
    "no students": _changed("students", lambda rows: rows.clear()),
    "lists": _changed("course_grades", lambda rows: rows.with_columns(mark=pl.concat_list("mark"))),
    "damaged students": _damaged("students"),
    "damaged grades": _damaged("course_grades"),
    "damaged attendance": _damaged("attendance_events"),
    "ids beyond all ids": _beyond_all_ids,
    "in any order": _changed("attendance_events", lambda rows: rows.sample(fraction=1.0, shuffle=True, seed=1)),
}
IN_PARTS = {"as it is", "columns in another order", "names like patterns", "no statistics", "categories"}


def _outcome(folder: Path, store: Path, *, students_a_part: int) -> object:
    """The hash of every file of the run; or the class and words of the refusal."""
    try:
        night = score_night(
            folder,
            model=RulesModel(),
            policy=TierPolicy.load(),
            store=store,
            as_of=DAY,
            students_a_part=students_a_part,
        )
    except EwsError as error:
        return type(error), error.message
    files = (path for path in night.run.path.iterdir() if path.name != "timings.json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("name", CHANGES)
def test_parts_end_as_the_whole(extract: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "extract"
    folder.mkdir()
    for path in extract.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    CHANGES[name](folder)
    whole = _outcome(folder, tmp_path / "whole", students_a_part=100_000)
    parts = _outcome(folder, tmp_path / "parts", students_a_part=90)
    assert parts == whole
    if name in IN_PARTS:
        assert parted_folder(folder, ReadOptions(), students_a_part=90) is not None


def test_the_attendance_of_a_part_comes_in_batches_as_often_as_it_is_asked_for(
    extract: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in extract.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    rows = pl.read_parquet(tmp_path / "attendance_events.parquet")
    rows.write_parquet(tmp_path / "attendance_events.parquet", row_group_size=1_000)
    monkeypatch.setattr(folder_parts, "ROWS_AT_ONCE", 2_000)
    parted = parted_folder(tmp_path, ReadOptions(), students_a_part=90)
    assert parted is not None
    numbers: list[int] = []
    for part in range(len(parted.folder.bounds)):
        _, events = parted.folder.frames(part, ["students", "attendance_events"])
        assert events is not None
        batches = list(events)
        assert len(batches) > 2
        assert max(batch.height for batch in batches) <= 2_000
        assert pl.concat(batches).equals(pl.concat(list(events)))
        numbers += [number for batch in batches for number in batch["row_number"]]
    assert sorted(numbers) == list(range(1, rows.height + 1))
